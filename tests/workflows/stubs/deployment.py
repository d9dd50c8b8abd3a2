"""A real Dagster deployment for tests: daemon, webserver and code server, driven over GraphQL as the UI does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[3]
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
Found = TypeVar("Found")

RUNS = """
query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter) {
    ... on Runs { results { runId status startTime endTime tags { key value } } }
    ... on PythonError { message }
  }
}
"""
BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
EVENTS = """
query Events($run: ID!, $cursor: String) {
  logsForRun(runId: $run, afterCursor: $cursor, limit: 1000) {
    ... on EventConnection {
      cursor hasMore
      events {
        __typename
        ... on MessageEvent { message stepKey }
        ... on ExecutionStepFailureEvent { error { message causes { message } } }
      }
    }
  }
}
"""
REPOSITORIES = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""


@contextmanager
def _interruptible_children() -> Iterator[None]:
    """Processes started within react to Ctrl-C: tests in the background ignore it, and pass on that they do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Deployment:
    """`dagster dev` on a free port, with the profile `smoke` and the state of `data_dir`, which holds no run yet.

    `settings` are further environment variables.
    """

    def __init__(self, data_dir: Path, module: str, settings: Mapping[str, str]) -> None:
        home = data_dir / "dagster_home"
        home.mkdir()
        (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        own = {"DATA_DIR": str(data_dir), "DAGSTER_HOME": str(home), "LLM_AUCTION_PROFILE": "smoke"}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = data_dir / "dagster-dev.log"
        arguments = ["dev", "--module-name", module, "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("w") as log, _interruptible_children():
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("dagster")), *arguments],
                cwd=ROOT,
                env={**os.environ, **own, **settings, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            nodes = self.wait_for(self._repositories, 120, "the webserver to load the definitions")
        except BaseException:
            self.close()
            raise
        self.repository = {"repositoryName": nodes[0]["name"], "repositoryLocationName": nodes[0]["location"]["name"]}

    def close(self) -> None:
        """End it as Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def query(self, text: str, **variables: Any) -> Any:
        """The data of a GraphQL request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(self, job: str) -> str:
        """Launch an unpartitioned job; returns its run id."""
        selector = {**self.repository, "jobName": job}
        params = {"selector": selector, "runConfigData": {}, "mode": "default"}
        answer = self.query(LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """Backfill assets over partitions; returns the id of the backfill."""
        params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": list(partitions)}
        answer = self.query(BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Runs with their tags as a mapping, newest first."""
        answer = self.query(RUNS, filter=filters)["runsOrError"]
        assert "results" in answer, answer
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in answer["results"]]

    def finished_runs(self, count: int, timeout: float, **filters: Any) -> list[dict[str, Any]]:
        """The `count` runs that match, once all of them have ended."""

        def ended() -> list[dict[str, Any]] | None:
            runs = self.runs(**filters)
            return runs if len(runs) == count and all(run["status"] in FINISHED for run in runs) else None

        return self.wait_for(ended, timeout, f"{count} runs to end")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """All events of a run."""
        events: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.query(EVENTS, run=run_id, cursor=cursor)["logsForRun"]
            events += page["events"]
            if not page["hasMore"]:
                return events
            cursor = page["cursor"]

    def wait_for(self, find: Callable[[], Found | None], timeout: float, what: str) -> Found:
        """What `find` finds, asked again until it is not empty."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"dagster dev ended:\n{self.log.read_text()[-3000:]}"
            found = find()
            if found:
                return found
            time.sleep(1.0)
        raise AssertionError(f"waited {timeout} s for {what}:\n{self.log.read_text()[-3000:]}")

    def _repositories(self) -> list[dict[str, Any]] | None:
        try:
            return self.query(REPOSITORIES)["repositoriesOrError"].get("nodes")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None
