"""Fit the reward model on click feedback: binary cross-entropy (Eq. 4), AdamW, early stopping, seeded.

A small ensemble: each member stops on validation users of its own, and the mean of their logits is calibrated. The
test users are shared by all members and only ever measured on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llm_auction.pctr.calibration import Calibration, fit_calibration
from llm_auction.pctr.encoders import TextEncoder, encoder_of
from llm_auction.pctr.features import Features, build_features, placements_of, topics_of
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.language_encoder import EncoderPlacement
from llm_auction.pctr.member import EpochCallback, fit_member
from llm_auction.pctr.metrics import quality
from llm_auction.pctr.model import PctrModel, PctrSettings, network_inputs
from llm_auction.pctr.split import MEMBERS, Split, split_impressions
from llm_auction.pctr.topics import LatentTopics
from llm_auction.profiles.schema import PctrConfig
from llm_auction.seeds import derive_seed

DROPOUT = 0.15


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fitted model, its metrics on the test rows, and the loss by epoch.

    `test` are the rows of held-out users and questions: no member saw them, so that other models can be judged on them.
    """

    model: PctrModel
    metrics: dict[str, Any]
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
        members: networks in the ensemble; 1 is the paper's single network.
        on_epoch: called with member, epoch, train_loss and validation_loss after every epoch.

    Raises:
        ValueError: no impressions, lengths that differ, no clicks or nothing but clicks, or too few questions.
    """
    clicked = np.asarray(clicked, dtype=bool)
    _check(impressions, clicked, true_probabilities)
    counts = _relative(weights, len(impressions))
    began = time.perf_counter()
    splits = split_impressions(impressions, config.validation_share, seed, members)
    test = splits[0].test
    topics, features = _read(impressions, test, start, encoder_of(config), use_answer_features)
    settings = PctrSettings(
        encoder=config.encoder,
        encoder_revision=config.encoder_revision,
        encoder_max_tokens=config.encoder_max_tokens,
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
        network, epochs = fit_member(
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
    model = PctrModel(settings, networks, topics, encoder_runs=EncoderPlacement.of(config))
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
    return FitResult(model, timed, tuple(history), test)


def keep_pctr(model: PctrModel, impressions: Sequence[Impression], config: PctrConfig, seed: int) -> FitResult:
    """The result of not fitting: an older model beside new feedback, with the rows of the users it never saw.

    Raises:
        ValueError: too few questions to hold any out.
    """
    split = split_impressions(impressions, config.validation_share, seed)[0]
    return FitResult(model, {"split": split.kind, "impressions": len(impressions)}, (), split.test)


def evaluate_pctr(
    model: PctrModel,
    impressions: Sequence[Impression],
    clicked: np.ndarray,
    true_probabilities: np.ndarray | None = None,
) -> dict[str, float]:
    """The quality of a model on feedback it was not fitted on, every user taken as unseen."""
    features = _as_strangers(model.features(impressions))
    return quality(model.calibration.apply(model.logits(features)), clicked, true_probabilities)


def _read(
    impressions: Sequence[Impression], test: np.ndarray, start: PctrModel | None, phi: TextEncoder, use_answer: bool
) -> tuple[LatentTopics, Features]:
    """Topics, learnt without the test rows unless the start has them, and features; each answer is read once."""
    placed = placements_of(impressions)
    if start is None:
        seen = np.setdiff1d(np.arange(len(impressions)), test)
        topics = topics_of([impressions[row] for row in seen], [placed[row] for row in seen])
    else:
        topics = start.topics
    return topics, build_features(impressions, phi, topics, use_answer_features=use_answer, placed=placed)


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
