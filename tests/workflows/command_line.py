"""The command line as its users call it."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from workflows.cli.app import app


def invoke(*arguments: str) -> tuple[int, str]:
    """Call `llm-auction` in this process; returns its exit code and what it printed, without control sequences."""
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", result.output)
