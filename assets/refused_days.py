"""Which days of real logs their guards refused: later nights must not learn from them either.

The day's rows stay in the warehouse all the same, until its files are mended and it is run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dagster import DagsterInstance, Failure

from assets.click_log_checks import CLICK_LOG_CHECKS
from assets.click_log_models import click_log_models
from assets.verdicts import blocking_checks, is_refused

GUARDS = blocking_checks([*CLICK_LOG_CHECKS, click_log_models])


def refused_days(instance: DagsterInstance, days: Iterable[date]) -> list[date]:
    """Those of `days` that the newest verdict of a guard refuses; a day that was never judged is not refused."""
    return [day for day in days if is_refused(instance, GUARDS, str(day))]


def require_accepted(instance: DagsterInstance, day: date) -> None:
    """Stop a refit or a promotion on a day that its guards refused.

    In one run with them a guard does that by itself; a backfill gives refits and promotions runs of their own.

    Raises:
        Failure: the day was refused.
    """
    if is_refused(instance, GUARDS, str(day)):
        raise Failure(
            f"the guards of {day} refused it, so nothing is fitted or judged on it: mend its files, or name it in "
            "click_log_guards.accepted_days, run the day again and then this",
            allow_retries=False,
        )
