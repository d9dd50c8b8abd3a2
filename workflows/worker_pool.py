"""Worker processes of the loop: who is free, who does what, and how they are ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

GRACE_SECONDS = 20.0
ENDED = "ended"


class WorkerPool:
    """`count` workers with `threads` numerical threads each, which run the jobs of the module `definitions`.

    Their logs lie in `log_dir` as `worker-<n>.log`.
    """

    def __init__(self, count: int, threads: int, log_dir: Path, definitions: str) -> None:
        self._answers: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._doing: dict[int, str] = {}
        self._processes: list[subprocess.Popen[str]] = []
        self._log_dir = log_dir
        log_dir.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        for index in range(count):
            with (log_dir / f"worker-{index}.log").open("a", encoding="utf-8") as log:
                process = subprocess.Popen(
                    [sys.executable, "-W", "ignore", "-m", "workflows.worker", definitions],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    env=environment,
                    # Ctrl-C in the terminal reaches this process only, which then ends its workers in order.
                    start_new_session=True,
                )
            self._processes.append(process)
            threading.Thread(target=self._listen, args=(index, process), daemon=True).start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
        self._wait()

    @property
    def busy(self) -> bool:
        """Whether any worker has an order that is not over."""
        return bool(self._doing)

    @property
    def idle(self) -> int:
        """How many workers could take an order."""
        return sum(self._is_free(index) for index in range(len(self._processes)))

    def order(self, order: Mapping[str, Any], name: str) -> None:
        """Give an order, known as `name`, to a free worker."""
        index = next(index for index in range(len(self._processes)) if self._is_free(index))
        self._doing[index] = name
        stdin = self._processes[index].stdin
        assert stdin is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()

    def next_answer(self) -> dict[str, Any]:
        """The next answer of any worker, {"event", "stage", ...}; a worker that died answers with `failed`."""
        while True:
            index, answer = self._answers.get()
            if answer["event"] == ENDED:
                if index not in self._doing:
                    continue
                name = self._doing.pop(index)
                return {"event": "failed", "stage": name, "message": f"{name} failed: {self._epitaph(index)}"}
            if answer["event"] in ("done", "skipped", "failed"):
                self._doing.pop(index, None)
            return answer

    def interrupt(self) -> None:
        """Interrupt the workers, so that their runs are recorded as such, and wait for them."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        self._wait()

    def _is_free(self, index: int) -> bool:
        return index not in self._doing and self._processes[index].poll() is None

    def _listen(self, index: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                answer = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut short by the worker's death, which is told below
            self._answers.put((index, answer))
        process.wait()
        self._answers.put((index, {"event": ENDED}))

    def _epitaph(self, index: int) -> str:
        code = self._processes[index].returncode
        log = self._log_dir / f"worker-{index}.log"
        if code < 0:
            memory = ", out of memory perhaps" if -code == signal.SIGKILL else ""
            return f"its process was killed by signal {-code}{memory}; run it again to go on (log: {log})"
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return f"its process ended with code {code}: {lines[-1] if lines else 'no message'} (log: {log})"

    def _wait(self) -> None:
        for process in self._processes:
            try:
                process.wait(timeout=GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
