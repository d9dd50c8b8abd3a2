"""A small OpenAI-compatible server that misbehaves on demand: drops, delays, truncates, refuses, talks nonsense.

Its answers depend on the request alone: the question's last word and the request's seed. `faults` say what the next
requests get in place of an answer; each fault is used up by one request. "429;7" is a status with its Retry-After.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], str]


def echo(body: dict[str, Any]) -> str:
    """The default answer."""
    return f"answer {body['seed']} to {body['messages'][-1]['content'].split()[-1]}"


def completion(text: str | None, **changes: Any) -> dict[str, Any]:
    """A well-formed reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"choices": [choice | changes], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


class FaultyServer:
    """Its address, what it was asked, and what it does wrong next."""

    def __init__(self, answer: Answer = echo, models: tuple[str, ...] = ("model",)) -> None:
        self.answer = answer
        self.models = models
        self.faults: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.delay = 0.0
        self.under_way = 0
        self.most_under_way = 0
        self.stop_after: int | None = None  # requests that are answered before everything fails
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                models = {"data": [{"id": name} for name in server.models]}
                send(self, 200, json.dumps(models).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with server.lock:
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    server.under_way += 1
                    server.most_under_way = max(server.most_under_way, server.under_way)
                    fault = server.faults.pop(0) if server.faults else None
                    if server.stop_after is not None and len(server.requests) > server.stop_after:
                        fault = "500"
                time.sleep(server.delay)
                try:
                    misbehave(self, fault, lambda: server.answer(body))
                finally:
                    with server.lock:
                        server.under_way -= 1

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def send(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, kind: str = "application/json", **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
# Bodies with status 200 that are no completion.
NONSENSE: dict[str, bytes] = {
    "cut": json.dumps(completion("a fine answer")).encode()[:60],
    "no-object": b'["choices"]',
    "no-choices": b'{"choices": []}',
    "two-choices": json.dumps({"choices": completion("a")["choices"] * 2}).encode(),
    "choices-not-a-list": b'{"choices": {"0": "a"}}',
    "no-message": b'{"choices": [{"finish_reason": "stop"}]}',
    "no-text": json.dumps(completion(None)).encode(),
    "tool-call": json.dumps(completion("", finish_reason="tool_calls")).encode(),
    "filtered": json.dumps(completion("x", finish_reason="content_filter")).encode(),
    "empty-but-cut": json.dumps(completion("", finish_reason="length")).encode(),
    "not-utf8": b'{"choices": "\xff\xfe"}',
    "deep": b"[" * 200_000,
    "empty": b"",
}


def misbehave(handler: BaseHTTPRequestHandler, fault: str | None, answer: Callable[[], str]) -> None:
    """One reply, good or bad."""
    if fault is None:
        send(handler, 200, json.dumps(completion(answer())).encode())
    elif fault == "drop":
        handler.connection.close()
    elif fault == "truncate":
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')
        handler.connection.close()
    elif fault == "hang":
        time.sleep(1.0)
        handler.connection.close()
    elif fault == "html":
        send(handler, 200, HTML, "text/html")
    elif fault == "html-502":
        send(handler, 502, HTML, "text/html")
    elif fault == "no-gzip":
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"text")
    elif fault[:3].isdecimal():
        status, _, retry_after = fault.partition(";")
        said = json.dumps({"error": {"message": f"said {status}"}}).encode()
        send(handler, int(status), said, **({"Retry_After": retry_after} if retry_after else {}))
    else:
        send(handler, 200, NONSENSE[fault])


@contextmanager
def faulty_server(answer: Answer = echo, models: tuple[str, ...] = ("model",)) -> Iterator[FaultyServer]:
    """A server that runs for the length of the block."""
    server = FaultyServer(answer, models)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
