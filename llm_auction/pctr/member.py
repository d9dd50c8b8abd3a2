"""Fit one network of the reward model: AdamW, stopped early on validation users of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_auction.pctr.calibration import sigmoid
from llm_auction.pctr.metrics import log_loss
from llm_auction.pctr.model import PctrModel, PctrSettings, batch_of
from llm_auction.pctr.split import Split
from llm_auction.pctr.wide import fit_wide
from llm_auction.profiles.schema import PctrConfig

if TYPE_CHECKING:
    from llm_auction.pctr.network import PctrNetwork

WEIGHT_DECAY = 1e-3
_ROWS_PER_BATCH = 50_000

EpochCallback = Callable[[dict[str, float]], None]


def fit_member(
    inputs: dict[str, Any],
    clicked: np.ndarray,
    counts: np.ndarray,
    split: Split,
    settings: PctrSettings,
    config: PctrConfig,
    seed: int,
    start: PctrModel | None,
    member: int,
    on_epoch: EpochCallback | None,
) -> tuple[PctrNetwork, list[dict[str, float]]]:
    """Fit one member, and the loss by epoch.

    Args:
        inputs: of all impressions, as `network_inputs` makes them.
        clicked: (N,) labels.
        counts: (N,) weights of the impressions, with mean 1.
        split: the rows that it learns from, and those on which it stops.
        settings: shapes of the network.
        config: of the optimisation.
        seed: of the weights, the batches and the dropout.
        start: weights to continue from; None fits afresh.
        member: its number in the ensemble.
        on_epoch: called with the record of every epoch.

    Raises:
        ValueError: the model to start from has another shape.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = settings.network()
        if start is None:
            _standardise(network, inputs["dense"][split.train])
        else:
            _continue_from(network, settings, start, member)
        labels = torch.from_numpy(clicked.astype(np.float32))
        # The wide part is at its optimum already, unless these are the first steps on new feedback.
        frozen = ("wide", "pair") if start is None else ()
        learnt = [weight for name, weight in network.named_parameters() if not name.startswith(frozen)]
        # Fused: a step moves every row of the embeddings, and there may be more users than all other weights together.
        optimizer = torch.optim.AdamW(learnt, lr=config.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)
        loss_of = torch.nn.functional.binary_cross_entropy_with_logits
        weight = torch.from_numpy(counts.astype(np.float32))
        unknown = dict(inputs, user=torch.zeros_like(inputs["user"]))
        train = torch.from_numpy(split.train)
        if start is None:
            fit_wide(network, inputs, labels, weight, train)
        best_state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        best_loss, waited = _loss_on(network, unknown, clicked, counts, split.validation), 0
        history = []
        for epoch in range(1, config.max_epochs + 1):
            network.train()
            total = 0.0
            for rows in train[torch.randperm(len(train))].split(config.batch_size):
                loss = loss_of(network(*batch_of(inputs, rows)), labels[rows], weight[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(rows)
            validation_loss = _loss_on(network, unknown, clicked, counts, split.validation)
            record = {
                "member": member,
                "epoch": epoch,
                "train_loss": total / len(train),
                "validation_loss": validation_loss,
            }
            history.append(record)
            if on_epoch is not None:
                on_epoch(record)
            if validation_loss < best_loss:
                best_loss, waited = validation_loss, 0
                best_state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            else:
                waited += 1
                if waited >= config.patience:
                    break
        network.load_state_dict(best_state)
        _unlearnt_as_unknown(network, inputs, train, settings, start)
        network.eval()
    return network, history


def _loss_on(
    network: PctrNetwork, inputs: dict[str, Any], clicked: np.ndarray, counts: np.ndarray, rows: np.ndarray
) -> float:
    import torch

    network.eval()
    with torch.inference_mode():
        parts = [network(*batch_of(inputs, part)).numpy() for part in torch.from_numpy(rows).split(_ROWS_PER_BATCH)]
    logits = np.concatenate(parts)
    return log_loss(sigmoid(logits), clicked[rows], counts[rows])


def _standardise(network: PctrNetwork, dense: Any) -> None:
    network.dense_mean.copy_(dense.mean(dim=0))
    scale = dense.std(dim=0, unbiased=False)
    network.dense_scale.copy_(scale.where(scale > 1e-3, scale.new_ones(())))


def _continue_from(network: PctrNetwork, settings: PctrSettings, start: PctrModel, member: int) -> None:
    """Copy the weights of an older model; embedding rows follow their ids, new ids begin at the unknown row."""
    old = start.networks[member % len(start.networks)].state_dict()
    new = network.state_dict()
    before = _ids_of_rows(start.settings)
    for table, now in _ids_of_rows(settings).items():
        place = {key: index for index, key in enumerate(before[table], start=1)}
        name = f"{table}.weight"
        old[name] = old[name][[0, *(place.get(key, 0) for key in now)]]
    if any(old[name].shape != tensor.shape for name, tensor in new.items()):
        raise ValueError("pCTR: the model to start from has another shape; fit afresh instead of continuing from it")
    network.load_state_dict(old)


def _unlearnt_as_unknown(
    network: PctrNetwork, inputs: dict[str, Any], train: Any, settings: PctrSettings, start: PctrModel | None
) -> None:
    """Give ids that no training row has, and the start doesn't know, the unknown row: their own is as it was drawn."""
    import torch

    known = {} if start is None else _ids_of_rows(start.settings)
    for table, ids in _ids_of_rows(settings).items():
        weight = network.get_submodule(table).weight.data
        learnt = torch.zeros(len(weight), dtype=torch.bool)
        learnt[1:] = torch.tensor(np.isin(np.asarray(ids, dtype=str), np.asarray(known.get(table, ()), dtype=str)))
        learnt[inputs[table.removesuffix("_topic")][train]] = True
        weight[~learnt] = weight[0].clone()


def _ids_of_rows(settings: PctrSettings) -> dict[str, tuple[str, ...]]:
    """By embedding, the ids of its rows after row 0."""
    return {
        "user": settings.users,
        "ad": settings.ads,
        "ad_topic": settings.ads,
        "category_topic": settings.categories,
    }
