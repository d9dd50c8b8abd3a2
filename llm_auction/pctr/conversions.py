"""Conversions in the reward model: which impressions are old enough to teach, the fit of the head, and how good it is.

Labels are delayed. An impression that has not converted yet may still do so; taken as a negative it would teach the
model that newest ads don't convert. So only mature impressions count: those whose window for conversions has passed.
Nothing of the younger ones is used, the conversions that they already have no more than those that they lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llm_auction.pctr.conversion_head import fit_conversion_head
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.metrics import quality
from llm_auction.pctr.model import PctrModel


@dataclass(frozen=True, slots=True)
class ConversionLabels:
    """Of each impression, whether it was clicked and converted, and whether it is old enough to say so."""

    converted: np.ndarray
    mature: np.ndarray


def with_conversions(
    model: PctrModel, impressions: Sequence[Impression], labels: ConversionLabels, held_out: np.ndarray
) -> PctrModel:
    """The model with a conversion head, fitted on the mature impressions that are not held out.

    Args:
        model: the click model, which stays as it is.
        impressions: all feedback, in the order of the labels.
        held_out: rows that are only ever measured on.

    Raises:
        ValueError: no impression is mature, or lengths differ.
    """
    if not len(impressions) == len(labels.converted) == len(labels.mature):
        raise ValueError(f"conversions: {len(impressions)} impressions but {len(labels.converted)} labels")
    rows = np.setdiff1d(np.flatnonzero(labels.mature), held_out)
    if not len(rows):
        raise ValueError(
            f"conversions: none of {len(impressions)} impressions is old enough to say whether it converts: lower "
            "feedback.conversion_hours, or give more feedback"
        )
    seen = [impressions[row] for row in rows]
    head = fit_conversion_head(model.relation_features(seen), model.predict(seen), labels.converted[rows])
    return replace(model, conversion=head)


def conversion_quality(
    model: PctrModel, impressions: Sequence[Impression], labels: ConversionLabels, rows: np.ndarray
) -> dict[str, float]:
    """How well pCTR x pCVR predicts conversions on the mature ones of `rows`.

    AUC, log loss and ECE, the share of impressions that convert and its mean prediction, and n.
    """
    judged = rows[labels.mature[rows]]
    seen = [impressions[row] for row in judged]
    joint = model.predict(seen) * model.predict_conversions(seen)
    found = quality(joint, labels.converted[judged])
    return {
        "conversion_auc": found["auc"],
        "conversion_log_loss": found["log_loss"],
        "conversion_ece": found["ece"],
        "conversion_ece_noise": found["ece_noise"],
        "conversion_rate": found["click_rate"],
        "conversion_mean_prediction": found["mean_prediction"],
        "conversion_n": found["n"],
    }
