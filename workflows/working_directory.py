"""The working directory of `llm-auction ui`: its `.env` is read by the profile alone, not by Dagster.

Every process of `dagster dev` writes the `.env` of the directory that it starts in over the environment, where with us
the environment and the command line win over `.env`. So it starts in a directory that has none, and whichever process
loads our code comes back, since relative paths and the `.env` itself are those of the caller.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "LLM_AUCTION_WORKING_DIRECTORY"


def leave_for(folder: Path) -> None:
    """Change to `folder`; processes started from here on come back when they import our code."""
    os.environ[VARIABLE] = os.getcwd()
    os.chdir(folder)


def come_back() -> None:
    """Change to the directory that a parent of this process left, if one did."""
    left = os.environ.get(VARIABLE)
    if left:
        os.chdir(left)
