"""What the UI's processes are configured by: the later of `.env`, environment and command line wins there too."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

# What each of Dagster's processes does: it opens its instance, and then loads the definitions.
PROCESS_OF_DAGSTER = """
import json, os
from dagster._cli.utils import get_possibly_temporary_instance_for_cli

with get_possibly_temporary_instance_for_cli("dagster dev"):
    from workflows.environment import point_tools_at_data_dir
    from llm_auction.profiles import load_profile

    folder, profile = point_tools_at_data_dir(), load_profile()
    print(json.dumps([str(folder), profile.name, profile.dpo.beta, profile.dpo.epochs, profile.seed, os.getcwd()]))
"""
UI = """
import os, sys

replace, program = os.execv, sys.argv.pop(1)
os.execv = lambda *_: replace(sys.executable, [sys.executable, "-c", program])
from workflows.cli import main

main()
"""


def _seen_by_dagster(folder: Path, dotenv: str, environment: dict[str, str], *options: str) -> list[object]:
    """Data directory, profile, `dpo.beta`, `dpo.epochs`, seed and working directory in a process of the UI."""
    (folder / ".env").write_text(dotenv)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-c", UI, PROCESS_OF_DAGSTER, "ui", "--port", port, *options]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_AUCTION", "DATA_DIR"))}
    root = str(Path(__file__).resolve().parents[2])
    environment = {**inherited, "PYTHONPATH": root, **environment}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return list(json.loads(found.stdout.splitlines()[-1]))


def test_the_later_of_dotenv_environment_and_command_line_wins_in_the_ui(tmp_path: Path) -> None:
    dotenv = (
        f"LLM_AUCTION_PROFILE=laptop\nDATA_DIR={tmp_path}/other\nDAGSTER_HOME={tmp_path}/elsewhere\n"
        "LLM_AUCTION__DPO__BETA=0.1\nLLM_AUCTION__DPO__EPOCHS=3\nLLM_AUCTION__SEED=5\n"
    )
    options = ["--profile", "smoke", "--set", "dpo.beta=0.2", "--data-dir", "state"]
    found = _seen_by_dagster(tmp_path, dotenv, {"LLM_AUCTION__DPO__EPOCHS": "4"}, *options)
    assert found == [str(tmp_path / "state"), "smoke", 0.2, 4, 5, str(tmp_path)]
