"""What it takes to deploy an Ad-LLM: an off-policy report on it, of the log that the deployed one wrote, not long ago.

A report is as good as its log. Once another Ad-LLM is deployed, or the clicks are old, it says nothing of a gain over
what serves now.
"""

from __future__ import annotations

from datetime import date

from resources.champion import Champion
from resources.lake import Lake
from resources.model_store import ModelStore, ModelVersion


def refuse_unproven(lake: Lake, store: ModelStore, version: str, *, max_age_days: int, today: date) -> None:
    """Return when a report proves that the Ad-LLM `version` may take the place of the deployed one.

    Args:
        max_age_days: how many days before `today` the last day of the report's log may lie.

    Raises:
        ValueError: there is no report on it, it speaks against it, or its log is old or was written by others; the
            message says what to do.
    """
    partition = {"candidate": version}
    instead = f"materialize off_policy_report with candidate {version}, or promote it without proof (--unproven)"
    if not lake.exists("off_policy_report", partition):
        raise ValueError(f"no off-policy estimate of Ad-LLM {version}: {instead}")
    report = lake.read("off_policy_report", partition).row(0, named=True)
    if "policies" not in report:
        raise ValueError(f"the off-policy estimate of Ad-LLM {version} does not say what log it rests on: {instead}")
    age = (today - report["last_day"]).days
    if age > max_age_days:
        raise ValueError(
            f"the off-policy estimate of Ad-LLM {version} rests on a log that ended on {report['last_day']}, {age} "
            f"days ago, and off_policy.max_report_age_days allows {max_age_days}: {instead}"
        )
    deployed = _deployed(store)
    if deployed is None or report["policies"] != [deployed.version]:
        raise ValueError(
            f"the off-policy estimate of Ad-LLM {version} compares it with {', '.join(report['policies'])}, which "
            f"wrote its log, and {deployed.version if deployed else 'none'} is deployed: once all days of the window "
            f"(off_policy.window_days, last_day) are the deployed one's, {instead}"
        )
    if report["reward_model"] is None:
        raise ValueError(
            f"the off-policy estimate of Ad-LLM {version} is not doubly robust, since no reward model that served "
            f"before {report['first_day']} is known not to have seen its clicks: take a later window (last_day), and "
            f"{instead}"
        )
    if not report["passed"]:
        raise ValueError(
            f"the off-policy estimate speaks against Ad-LLM {version}: its reward may be lower than what the log "
            "brought (asset off_policy_report has the figures); --unproven promotes it all the same"
        )


def _deployed(store: ModelStore) -> ModelVersion | None:
    """The champion; before the first promotion the base model answers, as in iteration 01."""
    champion = Champion(store, "ad_llm").current()
    if champion is None and store.exists("ad_llm", "base"):
        return store.resolve("ad_llm", "base")
    return champion
