"""A server lives exactly as long as it should: gone with its block, and gone with a killed parent."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from llm_auction.profiles.schema import ServerConfig
from llm_auction.serving import ServerError
from resources.model_server import ModelServer
from tests.processes import is_alive, wait_until

ROOT = Path(__file__).resolve().parents[2]
# A server with a child of its own, which a careless stop would leave behind.
SCRIPT = """
import http.server, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer((sys.argv[2], int(sys.argv[3])), Handler)
print(f"serving {sys.argv[1]} pids {os.getpid()} {child.pid} {os.environ.get('FLAVOUR')}", flush=True)
server.serve_forever()
"""


def config(tmp_path: Path, script: str = SCRIPT, seconds: float = 20.0, **environment: str) -> ServerConfig:
    path = tmp_path / "a server.py"
    path.write_text(script)
    command = f"{shlex.join([sys.executable, str(path)])} {{model}} {{host}} {{port}}"
    return ServerConfig(command=command, environment={"FLAVOUR": "plain", **environment}, start_seconds=seconds)


def pids_in(log: Path) -> list[int]:
    words = log.read_text().split("pids ")[1].split()
    return [int(words[0]), int(words[1])]


def test_it_serves_and_ends_with_its_children(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "logs" / "server.log"
    with ModelServer(config(tmp_path), "/models/it's $HOME; {port}", log, lines.append) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{server.url}/health").status_code == 200
        wait_until(lambda: bool(lines))
        # No shell and no second filling-in has touched the model's name.
        assert lines[0].startswith("serving /models/it's $HOME; {port} pids ")
        assert lines[0].endswith(" plain")
        pids = pids_in(log)
        assert all(map(is_alive, pids))
    wait_until(lambda: not any(map(is_alive, pids)))
    server.stop()  # harmless


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    parent_script = f"""
import time
from pathlib import Path
from llm_auction.profiles.schema import ServerConfig
from resources.model_server import ModelServer
ModelServer(ServerConfig(**{config(tmp_path).model_dump()!r}), "m", Path({str(log)!r})).start()
print("ready", flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_script],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    pids = pids_in(log)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not any(map(is_alive, pids)))


def test_servers_take_turns_on_a_gpu(tmp_path: Path) -> None:
    def server(name: str, gpus: str) -> ModelServer:
        return ModelServer(config(tmp_path, CUDA_VISIBLE_DEVICES=gpus), name, tmp_path / f"{name}.log")

    with server("engine", "0,1") as engine, server("elsewhere", "2") as elsewhere:
        assert engine.running and elsewhere.running
        pids = pids_in(tmp_path / "engine.log")
        with server("user", "1") as user:
            assert user.running and elsewhere.running and not engine.running
            wait_until(lambda: not any(map(is_alive, pids)))
        engine.start()
        assert engine.running


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    script = "import sys; print('CUDA out of memory'); sys.exit(3)"
    with pytest.raises(
        ServerError, match=r"(?s)ended with status 3 before it was ready.*server\.log.*CUDA out of memory"
    ):
        ModelServer(config(tmp_path, script), "m", tmp_path / "server.log").start()


def test_a_server_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    script = SCRIPT.replace("server.serve_forever()", "import time; time.sleep(600)")
    with pytest.raises(ServerError, match=r"not ready in 1 s \(raise start_seconds"):
        ModelServer(config(tmp_path, script, seconds=1.0), "m", tmp_path / "server.log").start()
    pids = pids_in(tmp_path / "server.log")
    wait_until(lambda: not any(map(is_alive, pids)))


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    missing = ServerConfig(command="/nowhere/vllm serve {model} --host {host} --port {port}")
    with pytest.raises(ServerError, match=r"(?s)status 127.*can't start /nowhere/vllm: No such file"):
        ModelServer(missing, "m", tmp_path / "server.log").start()


def test_an_error_of_a_request_tells_that_the_server_has_died(tmp_path: Path) -> None:
    with ModelServer(config(tmp_path), "m", tmp_path / "server.log") as server:
        assert str(server.explain(ServerError("no answer"))) == "no answer"
        os.kill(pids_in(tmp_path / "server.log")[0], signal.SIGKILL)
        wait_until(lambda: "has ended" in str(server.explain(ServerError("no answer"))))


@pytest.mark.parametrize("command", ["vllm serve {model} --port {port}", "vllm serve {model} --host {host}"])
def test_a_command_must_say_where_it_listens(command: str) -> None:
    with pytest.raises(ValueError, match="command must contain"):
        ServerConfig(command=command)


def test_either_a_command_or_an_address() -> None:
    with pytest.raises(ValueError, match="can't go together"):
        ServerConfig(command="serve {model} {host} {port}", url="http://127.0.0.1:8000")
