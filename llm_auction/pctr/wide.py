"""Fit the wide part of the network: a ridge-penalised logistic regression, convex, by full-batch L-BFGS."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from llm_auction.pctr.network import PctrNetwork

# Weight of half the sum of squares against the summed log loss, twice over: a prior of variance 0.025 on each weight.
PENALTY = 20.0
_ITERATIONS = 50
_MAX_ROWS = 60_000


def fit_wide(network: PctrNetwork, inputs: dict[str, Any], labels: Tensor, counts: Tensor, rows: Tensor) -> None:
    """Fit the wide part in place on the impressions at `rows`, weighted (evenly thinned out beyond 60,000)."""
    import torch

    rows = rows[:: max(1, math.ceil(len(rows) / _MAX_ROWS))]
    clicked, weight = labels[rows], counts[rows]
    with torch.no_grad():
        read = network.wide_inputs(
            inputs["topics"], inputs["text"][rows], inputs["styles"], inputs["style"][rows], inputs["dense"][rows]
        )
        network.wide.bias.fill_(float(torch.logit(((clicked * weight).sum() / weight.sum()).clamp(1e-3, 1 - 1e-3))))
    optimizer = torch.optim.LBFGS(
        [network.wide.weight, network.wide.bias, network.pair],
        max_iter=_ITERATIONS,
        history_size=10,
        tolerance_change=1e-6,
        line_search_fn="strong_wolfe",
    )
    loss_of = torch.nn.BCEWithLogitsLoss(weight=weight)

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(network.wide_logits(*read), clicked) + PENALTY / len(rows) * network.wide_penalty()
        loss.backward()
        return loss

    optimizer.step(objective)
