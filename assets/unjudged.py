"""Answers that a User-LLM did not judge: how many there are, and how many may be before a step stops."""

from __future__ import annotations

from dagster import Failure

from llm_auction.profiles.schema import Profile
from llm_auction.users.protocol import UserModel


def refuse_unjudged(config: Profile, user: UserModel, unjudged_ads: int, ads: int) -> None:
    """Stop the step when too many of the inserted ads have no usable verdict of the User-LLM.

    Raises:
        Failure: more of them than `user.max_missing_share`, with the commonest reason; a parametric user judges all.
    """
    from llm_auction.users.llm_user import LlmUser

    if unjudged_ads > config.user.max_missing_share * ads:
        mostly = f" Mostly: {user.commonest_reason}." if isinstance(user, LlmUser) else ""
        raise Failure(
            f"the User-LLM {config.user.model} gave no usable verdict on {unjudged_ads} of {ads} inserted ads, more "
            f"than user.max_missing_share ({config.user.max_missing_share:g}) allows.{mostly} "
            "Where its replies don't fit, raise user.reasks, so that it is asked again, give it more "
            "user.max_new_tokens, or choose another model; where its server refuses requests, set user.dialect to the "
            "server's, or give the server a longer context",
            allow_retries=False,
        )


def unjudged_of(config: Profile, user: UserModel) -> dict[str, int]:
    """What a step's user judged and what not, as metadata; nothing of a user that judges all.

    Raises:
        Failure: see `refuse_unjudged`.
    """
    from llm_auction.users.llm_user import LlmUser

    if not isinstance(user, LlmUser):
        return {}
    refuse_unjudged(config, user, user.unjudged_ads, user.shown_ads)
    return {"shown_ads": user.shown_ads, "unjudged_ads": user.unjudged_ads}
