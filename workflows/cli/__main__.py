"""`python -m workflows.cli`: the command line without its script on PATH."""

from __future__ import annotations

from workflows.cli.app import main

main()
