"""`llm-auction ui`: the Dagster UI on the state of a profile and seed."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from


def ui(
    profile: ProfileOption = None,
    seed: SeedOption = None,
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on localhost.")] = 3000,
) -> None:
    """Open the Dagster UI, with everything that `llm-auction run` did in it.

    Examples:

        llm-auction ui                       # what `llm-auction run` did
        llm-auction ui --profile smoke       # what `llm-auction run --profile smoke` did
        llm-auction ui --seed 1 --port 3001  # the run of another seed

    Then open http://localhost:3000, `Ctrl-C` ends it. There you can materialize one iteration, backfill several in
    order, launch more, and read every check's table.
    """
    from dagster import DagsterInstance

    from workflows.environment import ROOT, prepare_environment
    from workflows.execution import release_dead_runs
    from workflows.working_directory import leave_for

    _require_free(port)
    environment = prepare_environment(profile, seed, data_dir, overrides_from(assignments))
    with DagsterInstance.get() as instance:  # a deployment that was killed could not end its own runs
        release_dead_runs(instance)
    typer.echo(f"Dagster UI on http://localhost:{port}, state in {environment.data_dir}; Ctrl-C ends it", err=True)
    dagster = str(Path(sys.executable).with_name("dagster"))
    workspace = str(ROOT / "workspace.yaml")
    # Started in the background of a shell it would ignore Ctrl-C, and with it the kill that Dagster turns into one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    leave_for(environment.dagster_home)
    os.execv(dagster, [dagster, "dev", "--host", "127.0.0.1", "--port", str(port), "--workspace", workspace])


def _require_free(port: int) -> None:
    """Refuse a port that is taken: Dagster would start without its webserver, and the browser show the other one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise typer.BadParameter(
                f"port {port} can't be taken ({error.strerror}): end the UI that runs there, or choose another one"
            ) from error
