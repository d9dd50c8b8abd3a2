"""The preference loss of one prompt (arXiv 2512.10551, Eq. 6), summed over its losers, with an SFT term on the winner.

    L = sum_{l in S} -log sigmoid( beta * [ (log pi(y_w) - log ref(y_w)) - (log pi(y_l) - log ref(y_l)) ] )
        - sft_weight * log pi(y_w) / |y_w|

The second term (Pang et al., arXiv 2404.19733) keeps the winner's own probability from falling along with the
losers'; it is not part of the paper and `sft_weight = 0` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """The loss, summed over prompts (differentiable), and what to watch while it falls (plain numbers, sums).

    `winner_change` and `loser_change` are log pi - log ref in nats. `kl` is -(log pi - log ref) summed over all
    answers, winner and losers, each as often as it was drawn: divided by `answers`, an estimate of
    KL(reference || policy) in nats an answer.
    """

    loss: Tensor
    prompts: int
    pairs: int
    pairs_in_order: int
    answers: int
    margin: float
    winner_change: float
    loser_change: float
    kl: float
    winner_nll: float


def preference_loss(
    logprobs_A: Tensor,
    reference_A: Tensor,
    lengths_A: Tensor,
    counts: list[list[int]],
    beta: float,
    sft_weight: float,
) -> PreferenceLoss:
    """Eq. 6 over prompts whose answers lie behind each other, the winner first.

    Args:
        logprobs_A: log pi of every answer, nats.
        reference_A: log ref of the same answers.
        lengths_A: their tokens.
        counts: for every prompt, how many sampled answers each of its distinct answers stands for.
        beta: strength of the pull towards the reference.
        sft_weight: weight of the winner's negative log-likelihood per token.
    """
    device = logprobs_A.device
    sizes = torch.tensor([len(row) for row in counts], device=device)
    winner_P = sizes.cumsum(0) - sizes
    counts_A = torch.tensor([count for row in counts for count in row], device=device)
    is_loser_A = torch.ones(len(counts_A), dtype=torch.bool, device=device)
    is_loser_A[winner_P] = False

    ratio_A = logprobs_A - reference_A
    loser_counts = counts_A[is_loser_A]
    margins = beta * (ratio_A[winner_P].repeat_interleave(sizes - 1) - ratio_A[is_loser_A])
    winner_nll_P = -logprobs_A[winner_P] / lengths_A[winner_P]
    loss = -(logsigmoid(margins) * loser_counts).sum()
    if sft_weight:
        loss = loss + sft_weight * winner_nll_P.sum()

    ratio_A, margins = ratio_A.detach(), margins.detach()
    return PreferenceLoss(
        loss=loss,
        prompts=len(counts),
        pairs=int(loser_counts.sum()),
        pairs_in_order=int((loser_counts * (margins > 0)).sum()),
        answers=int(counts_A.sum()),
        margin=float((margins * loser_counts).sum()),
        winner_change=float(ratio_A[winner_P].sum()),
        loser_change=float((ratio_A[is_loser_A] * loser_counts).sum()),
        kl=float(-(ratio_A * counts_A).sum()),
        winner_nll=float(winner_nll_P.detach().sum()),
    )
