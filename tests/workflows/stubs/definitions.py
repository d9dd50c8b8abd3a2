"""The project's own definitions with the scripted model: what the tests' Dagster daemon and webserver load."""

from __future__ import annotations

import os

from tests.workflows.stubs.scripted_engine import ScriptedEngine, ScriptedLauncher
from workflows.definitions import gather

defs = gather(
    engine=ScriptedEngine(data_dir=os.environ["DATA_DIR"]), launcher=ScriptedLauncher(data_dir=os.environ["DATA_DIR"])
)
