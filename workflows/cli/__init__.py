"""The `llm-auction` command line: one file a command, heavy libraries imported only when a command runs."""

from __future__ import annotations

from workflows.cli.app import main

__all__ = ["main"]
