"""The conversion head of the reward model: pCVR, the chance of a conversion given a click.

Conversions are known of clicked ads only, while rewards ask for ads that were never shown. So the head is fitted over
the ENTIRE space of impressions (ESMM: Ma et al., arXiv 1804.07931): the product pCTR x pCVR predicts whether an
impression was clicked and converted,

    L = - sum [ c log(pCTR pCVR) + (1 - c) log(1 - pCTR pCVR) ]

with c the conversion and pCTR that of the fitted click model, which stays as it is. Labels come late: an impression
counts only once it is mature, when the window in which conversions count has passed.

There are few conversions, so the head is small: a ridge-penalised logistic regression on how query and profile relate
to the ad (no part of the answer: it was read before the click) and an effect of each ad and each category, all pulled
towards one rate for everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from llm_auction.pctr.calibration import sigmoid
from llm_auction.pctr.features import ANSWER_COLUMNS, Features

# Prior variances of the effects, in logits: of a standardised relation, of a category, of an ad.
_RELATION_VARIANCE = 0.1
_CATEGORY_VARIANCE = 0.2
_AD_VARIANCE = 0.5
# Before any label: one conversion in twenty clicks, known as well as a logit with this variance is.
_USUAL_RATE = 0.05
_RATE_VARIANCE = 4.0
_LEAST_SCALE = 1e-3
_LOWEST, _HIGHEST = 1e-6, 1.0 - 1e-6


@dataclass(frozen=True, slots=True)
class ConversionHead:
    """pCVR = sigmoid(intercept + relations + effect of the category + effect of the ad).

    `relations` are the weights of the standardised columns (`means`, `scales`); effects by name, 0 for a name that was
    not seen. Plain numbers, so that it is saved as JSON.
    """

    intercept: float
    relations: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    ads: dict[str, float]
    categories: dict[str, float]

    def rates(self, features: Features) -> np.ndarray:
        """pCVR of each impression."""
        columns = (_relations(features) - np.asarray(self.means)) / np.asarray(self.scales)
        effects = [
            self.ads.get(ad, 0.0) + self.categories.get(category, 0.0)
            for ad, category in zip(features.ad, features.category, strict=True)
        ]
        return np.asarray(sigmoid(self.intercept + columns @ np.asarray(self.relations) + np.asarray(effects)))


def fit_conversion_head(features: Features, click_rates: np.ndarray, converted: np.ndarray) -> ConversionHead:
    """Fit the head on mature impressions.

    Args:
        features: of the impressions; what comes of the answer is not read.
        click_rates: their pCTR.
        converted: whether they were clicked and converted.

    Raises:
        ValueError: no impressions, or lengths that differ.
    """
    if not len(features) or not len(features) == len(click_rates) == len(converted):
        raise ValueError(
            f"conversions: {len(features)} impressions, {len(click_rates)} click rates and {len(converted)} labels; "
            "there must be as many of each, and at least one impression that is old enough (feedback.conversion_hours)"
        )
    columns = _relations(features)
    means, scales = columns.mean(axis=0), columns.std(axis=0)
    scales = np.where(scales > _LEAST_SCALE, scales, 1.0)
    ads, categories = sorted(set(features.ad)), sorted(set(features.category))
    design = np.column_stack(
        [
            np.ones(len(features)),
            (columns - means) / scales,
            np.asarray(features.ad)[:, None] == np.asarray(ads, dtype=object),
            np.asarray(features.category)[:, None] == np.asarray(categories, dtype=object),
        ]
    ).astype(float)
    width = columns.shape[1]
    variances = np.concatenate(
        [
            [_RATE_VARIANCE],
            np.full(width, _RELATION_VARIANCE),
            np.full(len(ads), _AD_VARIANCE),
            np.full(len(categories), _CATEGORY_VARIANCE),
        ]
    )
    start = np.zeros(design.shape[1])
    start[0] = np.log(_USUAL_RATE / (1.0 - _USUAL_RATE))
    clicks, labels = np.clip(click_rates, _LOWEST, _HIGHEST), np.asarray(converted, dtype=float)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        rate = np.clip(sigmoid(design @ weights), _LOWEST, _HIGHEST)
        joint = clicks * rate
        away = weights - start
        loss = -np.sum(labels * np.log(joint) + (1.0 - labels) * np.log1p(-joint)) + 0.5 * np.sum(away**2 / variances)
        slope = (1.0 - rate) * ((1.0 - labels) * joint / (1.0 - joint) - labels)
        return float(loss), design.T @ slope + away / variances

    fitted = minimize(objective, start, jac=True, method="L-BFGS-B").x
    effects = fitted[1 + width :].tolist()
    return ConversionHead(
        intercept=float(fitted[0]),
        relations=tuple(fitted[1 : 1 + width].tolist()),
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        ads=dict(zip(ads, effects[: len(ads)], strict=True)),
        categories=dict(zip(categories, effects[len(ads) :], strict=True)),
    )


def _relations(features: Features) -> np.ndarray:
    return np.asarray(features.dense[:, ~ANSWER_COLUMNS], dtype=float)
