"""A model server of our own: a command from the configuration as a process on this machine, stopped for certain.

vLLM and SGLang pin other versions of torch than we do, so they live in environments of their own (docs/scale.md) and
are reached over HTTP, on the loopback address only. The server ends with the `with` block, with this process, and,
through its guard, even when this process is killed; and when another of ours starts that sees the same GPUs.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import httpx2

from llm_auction.profiles.schema import ServerConfig
from llm_auction.serving import ServerError
from resources.gpu import release_gpu_memory
from resources.guarded import end_guarded, start_guarded

HOST = "127.0.0.1"
_PLACE = re.compile(r"\{(model|host|port)\}")
_LONGEST_LINE = 65536
_POLL_SECONDS = 0.2
_HEALTH_SECONDS = 5.0
_TAIL = 20  # last lines of the log in an error
_LOG_SECONDS = 30.0  # for the last lines of a log
_RUNNING: list[ModelServer] = []  # of this process: two on one GPU would each find too little memory


class ModelServer:
    """Starts `config.command` for one model on a free port, and stops it.

    Args:
        config: command, environment, and how long it may take to get ready.
        model: what `{model}` stands for: a checkpoint's directory, or a name that the server knows.
        log_path: file that everything the server prints is appended to.
        on_line: called with every line of it, from another thread.

    Raises:
        ValueError: `config` has no command.
    """

    def __init__(
        self, config: ServerConfig, model: str, log_path: Path, on_line: Callable[[str], None] = lambda line: None
    ) -> None:
        if config.command is None:
            raise ValueError("no command to start a server with")
        self._config = config
        self.model = model
        self._log_path = log_path
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self.url = ""

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped since; it may have died by itself."""
        return self._process is not None

    def __enter__(self) -> ModelServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it is healthy. One of ours that sees the same GPUs is stopped first.

        Raises:
            ServerError: it ended, or was not ready in time; with the last lines of its log.
        """
        for other in [one for one in _RUNNING if _see_the_same(one._config, self._config)]:
            other.stop()
        release_gpu_memory()
        port = _free_port()
        self.url = f"http://{HOST}:{port}"
        fields = {"model": self.model, "host": HOST, "port": str(port)}
        # Split first, then filled in: a path with a space or a quote stays one argument.
        command = [_fill(part, fields) for part in shlex.split(str(self._config.command))]
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process = start_guarded(command, _environment(self._config), output=subprocess.PIPE)
        _RUNNING.append(self)
        atexit.register(self.stop)
        self._reader = threading.Thread(target=self._follow_log, args=[self._process], daemon=True)
        self._reader.start()
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and all its children; harmless when there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        _RUNNING.remove(self)
        atexit.unregister(self.stop)
        end_guarded(process)
        if self._reader is not None:
            self._reader.join(_LOG_SECONDS)

    def explain(self, error: ServerError) -> ServerError:
        """An error of a request, together with what became of the server, where it has ended."""
        ended = self._process is None or self._process.poll() is not None
        return ServerError(f"{error}{self._last_words('the server has ended') if ended else ''}")

    def _wait_until_healthy(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._config.start_seconds
        with httpx2.Client(trust_env=False) as http:
            while (left := deadline - time.monotonic()) > 0:
                status = self._process.poll()
                if status is not None:
                    if self._reader is not None:
                        self._reader.join(_LOG_SECONDS)
                    raise ServerError(
                        f"the model server ended with status {status} before it was ready"
                        + self._last_words(f"command: {self._config.command}")
                    )
                if _healthy(http, self.url, min(left, _HEALTH_SECONDS)):
                    return
                time.sleep(_POLL_SECONDS)
        raise ServerError(
            f"the model server was not ready in {self._config.start_seconds:g} s (raise start_seconds if it loads that "
            "long)" + self._last_words(f"command: {self._config.command}")
        )

    def _follow_log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with self._log_path.open("ab") as log:
            while raw := process.stdout.readline(_LONGEST_LINE):
                log.write(raw)
                log.flush()
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                self._on_line(line)

    def _last_words(self, what: str) -> str:
        lines = "\n".join(self._tail) or "(it printed nothing)"
        return f"; {what}; its log is {self._log_path} and ends:\n{lines}"


def _fill(part: str, fields: dict[str, str]) -> str:
    return _PLACE.sub(lambda found: fields[found[1]], part)


def _environment(config: ServerConfig) -> dict[str, str]:
    """This process's variables and the configured ones, without the path of our modules: the server has its own."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return inherited | config.environment


def _see_the_same(one: ServerConfig, other: ServerConfig) -> bool:
    """Whether two servers may use the same GPUs: by CUDA_VISIBLE_DEVICES, without which a server sees them all."""
    seen = [_environment(config).get("CUDA_VISIBLE_DEVICES") for config in (one, other)]
    first, second = [None if names is None else set(names.split(",")) for names in seen]
    return first is None or second is None or bool(first & second)


def _healthy(http: httpx2.Client, url: str, seconds: float) -> bool:
    try:
        status = http.get(f"{url}/health", timeout=seconds).status_code
        return status == 200 or (status == 404 and http.get(f"{url}/v1/models", timeout=seconds).status_code == 200)
    except httpx2.RequestError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
