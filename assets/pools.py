"""Which steps queue for the GPU only under some profiles: they start a model of their own on it, or they don't.

Pools are fixed when the definitions are loaded, so that the profile in the environment decides, not the launchpad's.
"""

from __future__ import annotations

from llm_auction.profiles import load_profile

GPU = "gpu"


def pool_of_user_llm() -> str | None:
    """The pool of steps that only ask the user: `gpu` where the User-LLM's server is started on this machine."""
    return GPU if load_profile().user.command is not None else None


def pool_of_judge() -> str | None:
    """The pool of the step that asks the judge, or the User-LLM in its place."""
    return GPU if load_profile().judge.command is not None else pool_of_user_llm()


def pool_of_encoder() -> str | None:
    """The pool of steps that embed texts: `gpu` where a language model does it, which takes a GPU if there is one."""
    return GPU if load_profile().pctr.encoder != "hashing" else None
