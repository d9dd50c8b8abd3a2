"""The nightly refit: continue from the champion on a trailing window of days, the older the less it counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_auction.pctr.fit import FitResult, fit_pctr
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.member import EpochCallback
from llm_auction.pctr.model import PctrModel
from llm_auction.profiles.schema import PctrConfig


def refit_pctr(
    impressions: Sequence[Impression],
    clicked: np.ndarray,
    ages: np.ndarray,
    half_life: float,
    config: PctrConfig,
    seed: int,
    *,
    champion: PctrModel | None,
    on_epoch: EpochCallback | None = None,
) -> FitResult:
    """Fit on a window of days, warm from the champion where it has the configured shape.

    Users and ads that the champion does not know start at its row for unknown ones, and are predicted from their texts
    until they have clicks of their own; those that left the window are forgotten, so that the tables stay bounded.
    The champion's calibration is not kept: it is fitted again on the window's held-out users.

    Args:
        ages: of the impressions, days before the newest.
        half_life: days after which an impression counts half.
    """
    return fit_pctr(
        impressions,
        clicked,
        config,
        seed,
        weights=0.5 ** (np.asarray(ages, dtype=float) / half_life),
        start=champion if champion is not None and has_shape(champion, config) else None,
        use_answer_features=config.answer_features,
        on_epoch=on_epoch,
    )


def has_shape(model: PctrModel, config: PctrConfig) -> bool:
    """Whether a fit under `config` can continue from the model's weights."""
    settings = model.settings
    return (
        settings.encoder,
        settings.encoder_revision,
        settings.encoder_max_tokens,
        settings.use_answer_features,
        settings.user_dim,
        settings.ad_dim,
        settings.hidden,
    ) == (
        config.encoder,
        config.encoder_revision,
        config.encoder_max_tokens,
        config.answer_features,
        config.user_dim,
        config.ad_dim,
        config.hidden,
    )
