"""Which steps queue for the GPU only under some profiles: they start a model of their own on it, or they don't.

Dagster fixes a step's pool when the definitions are loaded, so that the profile in the environment decides it, not what
a run's own configuration (the launchpad) overrides. A step that would start a model on the GPU without queueing for it
is refused instead.
"""

from __future__ import annotations

from dagster import AssetExecutionContext, Failure

from llm_auction.profiles import load_profile
from llm_auction.profiles.schema import Profile

GPU = "gpu"


def pool_of_user_llm(profile: Profile | None = None) -> str | None:
    """The pool of steps that only ask the user: `gpu` where the User-LLM's server is started on this machine.

    Without a `profile`, here and below, under that of the environment.
    """
    return GPU if (profile or load_profile()).user.command is not None else None


def pool_of_judge(profile: Profile | None = None) -> str | None:
    """The pool of the step that asks the judge, or the User-LLM in its place."""
    profile = profile or load_profile()
    return GPU if profile.judge.command is not None else pool_of_user_llm(profile)


def pool_of_encoder(profile: Profile | None = None) -> str | None:
    """The pool of steps that embed texts: `gpu` where a language model does it, unless it is kept to the processor."""
    config = (profile or load_profile()).pctr
    return GPU if config.encoder != "hashing" and config.encoder_device != "cpu" else None


def require_pool(context: AssetExecutionContext, needed: str | None) -> None:
    """Stop a step before its work when the run's profile asks for a pool that it was not loaded with.

    Raises:
        Failure: it does; says what to set where.
    """
    if needed is None or context.op_def.pool == needed:
        return
    raise Failure(
        f"this run's profile lets {context.op_def.name} start a model on the GPU, and the step does not queue for the "
        f"pool {needed}: pools are fixed when the definitions are loaded, by the profile in the environment, not by "
        "what the launchpad or a run's configuration overrides. Set user.command, judge.command and pctr.encoder in "
        "the environment or in .env (LLM_AUCTION__USER__COMMAND=...) and load the definitions again, or use "
        "`llm-auction run --set`, which does so",
        allow_retries=False,
    )
