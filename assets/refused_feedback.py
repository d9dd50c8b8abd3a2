"""Whether the guards refused the feedback of an iteration: nothing may be learnt from it then."""

from __future__ import annotations

from dagster import DagsterInstance, Failure

from assets.feedback_checks import FEEDBACK_CHECKS
from assets.feedback_models import feedback_models
from assets.verdicts import blocking_checks, is_refused

GUARDS = blocking_checks([*FEEDBACK_CHECKS, feedback_models])


def require_accepted_feedback(instance: DagsterInstance, partition_key: str) -> None:
    """Stop what learns from the feedback of an arm and iteration (`arm|iteration`) that its guards refused.

    In one run with them a guard does that by itself; this is for runs that hold only what comes after it.

    Raises:
        Failure: it was refused.
    """
    if is_refused(instance, GUARDS, partition_key):
        raise Failure(
            f"the guards refused the feedback of {partition_key}, so nothing is learnt from it: see the failed checks "
            "of ad_responses, click_feedback and the modelled tables, materialize that partition from ad_responses "
            "on, and then this",
            allow_retries=False,
        )
