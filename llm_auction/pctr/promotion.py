"""Whether a refitted reward model may take the champion's place: a test of non-inferiority on a day neither has seen.

The burden of proof lies with the challenger. It is promoted when the bootstrap rules out, at the stated confidence,
that its log loss, AUC or ECE are worse than the champion's by more than the stated tolerance. A night with too few
impressions or clicks to tell changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_auction.pctr.comparison import METRICS, Comparison
from llm_auction.profiles.schema import NightlyConfig

_LABELS = {"log_loss": "log loss", "auc": "AUC", "ece": "ECE"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, and the reason in words that a run can show."""

    promote: bool
    reason: str


def judge(comparison: Comparison, config: NightlyConfig) -> Verdict:
    """The verdict on a challenger; every metric that stands against it is named with its figures."""
    n = int(comparison.challenger["n"])
    if n < config.min_impressions:
        return Verdict(False, f"{n} impressions are too few to judge on: {config.min_impressions} at least")
    tolerances = {"log_loss": config.log_loss_tolerance, "auc": config.auc_tolerance, "ece": config.ece_tolerance}
    against = []
    for name in METRICS:
        interval, tolerance = comparison.worsening[name], tolerances[name]
        if interval.high is None:
            return Verdict(False, f"all or none of {n} impressions are clicked: nothing can be ranked on such a day")
        if interval.high > tolerance:
            against.append(f"{_figures(comparison, name)} may be worse by {interval.high:.4f}, tolerated {tolerance:g}")
    if against:
        return Verdict(False, "; ".join(against))
    figures = ", ".join(_figures(comparison, name) for name in METRICS)
    return Verdict(True, f"not worse on {n} impressions: {figures}")


def _figures(comparison: Comparison, name: str) -> str:
    return f"{_LABELS[name]} {comparison.challenger[name]:.4f} against {comparison.champion[name]:.4f}"
