"""The check `calibrated` of a reward model: predicted click rates are those that were seen."""

from collections.abc import Mapping

import numpy as np
from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec

from assets.metadata import numbers_metadata

MAX_ECE = 0.05
_NAME = "calibrated"


def calibration_check(asset: str, judged_on: str) -> AssetCheckSpec:
    """The check of an asset; a warning. `judged_on` says in words which impressions it looks at."""
    return AssetCheckSpec(
        _NAME,
        asset=asset,
        description=f"Expected calibration error on {judged_on} at most {MAX_ECE}, or what noise explains.",
    )


def calibration_verdict(figures: Mapping[str, float]) -> AssetCheckResult:
    """Its result, from the figures of `llm_auction.pctr.metrics.quality`."""
    error, noise = figures["ece"], figures["ece_noise"]
    return AssetCheckResult(
        check_name=_NAME,
        passed=bool(np.isnan(error) or error <= max(MAX_ECE, 2 * noise)),
        severity=AssetCheckSeverity.WARN,
        metadata=numbers_metadata({"ece": error, "ece_of_noise_alone": noise, "impressions": figures["n"]}),
    )
