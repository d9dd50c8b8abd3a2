"""Fit the reward model on click feedback: binary cross-entropy (Eq. 4), Adam, early stopping, seeded.

A small ensemble: each member stops on validation users of its own, and the mean of their logits is calibrated. The
test users are shared by all members and only ever measured on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_auction.pctr.calibration import Calibration, fit_calibration, sigmoid
from llm_auction.pctr.encoders import open_encoder
from llm_auction.pctr.features import Features, build_features, topics_of
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.metrics import ReliabilityBin, log_loss, quality, reliability_bins
from llm_auction.pctr.model import PctrModel, PctrSettings, batch_of, network_inputs
from llm_auction.pctr.split import Split, split_impressions
from llm_auction.pctr.wide import fit_wide
from llm_auction.profiles.schema import PctrConfig
from llm_auction.seeds import derive_seed

if TYPE_CHECKING:
    from llm_auction.pctr.network import PctrNetwork

MEMBERS = 3
DROPOUT = 0.15
WEIGHT_DECAY = 1e-3

EpochCallback = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fitted model, its metrics on the test rows, the reliability curve behind the ECE, and the loss by epoch.

    `test` are the rows of held-out users and questions: no member saw them, so that other models can be judged on them.
    """

    model: PctrModel
    metrics: dict[str, Any]
    reliability: tuple[ReliabilityBin, ...]
    history: tuple[dict[str, float], ...]
    test: np.ndarray


def fit_pctr(
    impressions: Sequence[Impression],
    clicked: np.ndarray,
    config: PctrConfig,
    seed: int,
    *,
    weights: np.ndarray | None = None,
    true_probabilities: np.ndarray | None = None,
    start: PctrModel | None = None,
    use_answer_features: bool = True,
    encoder: str = "hashing",
    members: int = MEMBERS,
    on_epoch: EpochCallback | None = None,
) -> FitResult:
    """Fit pCTR on impressions and their clicks.

    Args:
        weights: how much each impression counts, >= 0, relative to the others: old feedback less than new. None is all
            alike. They shape the fit, its stopping and its calibration; the metrics count every test row once.
        true_probabilities: the user model's own, where known: for the Bayes figures only, never for fitting.
        start: weights to continue from (an update on new feedback alone); ids it doesn't know start fresh.
        use_answer_features: False for the ablation "pCTR without the answer".
        encoder: "hashing", or a sentence-transformers model by name or path.
        members: networks in the ensemble; 1 is the paper's single network.
        on_epoch: called with member, epoch, train_loss and validation_loss after every epoch.

    Raises:
        ValueError: no impressions, lengths that differ, no clicks or nothing but clicks, or too few questions.
    """
    clicked = np.asarray(clicked, dtype=bool)
    _check(impressions, clicked, true_probabilities)
    counts = _relative(weights, len(impressions))
    began = time.perf_counter()
    splits = [split_impressions(impressions, config.validation_share, seed, member) for member in range(members)]
    test = splits[0].test
    seen = [impressions[row] for row in np.setdiff1d(np.arange(len(impressions)), test)]
    topics = topics_of(seen) if start is None else start.topics
    features = build_features(impressions, open_encoder(encoder), topics, use_answer_features=use_answer_features)
    settings = PctrSettings(
        encoder=encoder,
        use_answer_features=use_answer_features,
        text_dim=features.vectors.shape[1],
        topic_dim=topics.dimension,
        style_dim=features.styles.shape[1],
        user_dim=config.user_dim,
        ad_dim=config.ad_dim,
        hidden=config.hidden,
        dropout=DROPOUT,
        users=tuple(sorted(set(features.user))),
        ads=tuple(sorted(set(features.ad))),
        categories=tuple(sorted(set(features.category))),
    )
    inputs = network_inputs(features, settings)
    history: list[dict[str, float]] = []
    networks = []
    for member, split in enumerate(splits):
        network, epochs = _fit_member(
            inputs,
            clicked,
            counts,
            split,
            settings,
            config,
            derive_seed(seed, "pctr member", member),
            start,
            member,
            on_epoch,
        )
        networks.append(network)
        history.extend(epochs)
    model = PctrModel(settings, networks, topics)
    model.calibration = _calibrate(model, features, clicked, counts, splits)
    probabilities = model.calibration.apply(model.logits(_as_strangers(features.take(test))))
    true = None if true_probabilities is None else np.asarray(true_probabilities, dtype=float)[test]
    metrics = {
        **quality(probabilities, clicked[test], true),
        "split": splits[0].kind,
        "impressions": len(impressions),
        "members": members,
        "epochs": max(record["epoch"] for record in history),
        "calibration_scale": model.calibration.scale,
        "calibration_shift": model.calibration.shift,
    }
    # What is saved with the model must be the same for the same seed and feedback, so it holds no clock time.
    model.metrics = metrics
    timed = {**metrics, "seconds": time.perf_counter() - began}
    return FitResult(model, timed, reliability_bins(probabilities, clicked[test]), tuple(history), test)


def keep_pctr(model: PctrModel, impressions: Sequence[Impression], config: PctrConfig, seed: int) -> FitResult:
    """The result of not fitting: an older model beside new feedback, with the rows of the users it never saw.

    Raises:
        ValueError: too few questions to hold any out.
    """
    split = split_impressions(impressions, config.validation_share, seed)
    return FitResult(model, {"split": split.kind, "impressions": len(impressions)}, (), (), split.test)


def evaluate_pctr(
    model: PctrModel,
    impressions: Sequence[Impression],
    clicked: np.ndarray,
    true_probabilities: np.ndarray | None = None,
) -> dict[str, float]:
    """The quality of a model on feedback it was not fitted on, every user taken as unseen."""
    features = _as_strangers(model.features(impressions))
    return quality(model.calibration.apply(model.logits(features)), clicked, true_probabilities)


def _check(impressions: Sequence[Impression], clicked: np.ndarray, true_probabilities: np.ndarray | None) -> None:
    if not len(impressions):
        raise ValueError("pCTR: no impressions to fit on; did any answer insert an ad?")
    if len(clicked) != len(impressions) or (
        true_probabilities is not None and len(true_probabilities) != len(impressions)
    ):
        raise ValueError(f"pCTR: {len(impressions)} impressions but {len(clicked)} click labels or true probabilities")
    if clicked.all() or not clicked.any():
        raise ValueError(
            f"pCTR: {int(clicked.sum())} clicks in {len(clicked)} impressions: a click model needs clicked and "
            "unclicked impressions; check the feedback"
        )


def _relative(weights: np.ndarray | None, n: int) -> np.ndarray:
    """The weights with mean 1, so that penalties and learning rate keep their meaning."""
    if weights is None:
        return np.ones(n)
    counts = np.asarray(weights, dtype=float)
    if counts.shape != (n,) or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise ValueError(f"pCTR: the weights of {n} impressions must be as many finite numbers >= 0, not all 0")
    return counts / counts.mean()


def _as_strangers(features: Features) -> Features:
    """The same impressions by users without a row of their own, as test users are."""

    return replace(features, user=np.full(len(features), "", dtype=object))


def _calibrate(
    model: PctrModel, features: Features, clicked: np.ndarray, counts: np.ndarray, splits: Sequence[Split]
) -> Calibration:
    """Platt scaling on the validation users: each row by the member that stopped on it, which never trained on it."""
    logits, labels, weights = [], [], []
    for network, split in zip(model.networks, splits, strict=True):
        rows = _as_strangers(features.take(split.validation))
        logits.append(PctrModel(model.settings, [network], model.topics).logits(rows))
        labels.append(clicked[split.validation])
        weights.append(counts[split.validation])
    return fit_calibration(np.concatenate(logits), np.concatenate(labels), np.concatenate(weights))


def _fit_member(
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
        optimizer = torch.optim.AdamW(learnt, lr=config.learning_rate, weight_decay=WEIGHT_DECAY)
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
        network.eval()
    return network, history


def _loss_on(
    network: PctrNetwork, inputs: dict[str, Any], clicked: np.ndarray, counts: np.ndarray, rows: np.ndarray
) -> float:
    import torch

    network.eval()
    with torch.inference_mode():
        logits = network(*batch_of(inputs, torch.from_numpy(rows))).numpy()
    return log_loss(sigmoid(logits), clicked[rows], counts[rows])


def _standardise(network: PctrNetwork, dense: Any) -> None:
    network.dense_mean.copy_(dense.mean(dim=0))
    scale = dense.std(dim=0, unbiased=False)
    network.dense_scale.copy_(scale.where(scale > 1e-3, scale.new_ones(())))


def _continue_from(network: PctrNetwork, settings: PctrSettings, start: PctrModel, member: int) -> None:
    """Copy the weights of an older model; embedding rows follow their ids, new ids begin at the unknown row."""
    old = start.networks[member % len(start.networks)].state_dict()
    new = network.state_dict()
    ids = {
        "user.weight": (settings.users, start.settings.users),
        "ad.weight": (settings.ads, start.settings.ads),
        "ad_topic.weight": (settings.ads, start.settings.ads),
        "category_topic.weight": (settings.categories, start.settings.categories),
    }
    for name, (now, before) in ids.items():
        place = {key: index for index, key in enumerate(before, start=1)}
        old[name] = old[name][[0, *(place.get(key, 0) for key in now)]]
    if any(old[name].shape != tensor.shape for name, tensor in new.items()):
        raise ValueError("pCTR: the model to start from has another shape; fit afresh instead of continuing from it")
    network.load_state_dict(old)
