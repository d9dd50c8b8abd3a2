"""The webhook: told once, only where it is safe to tell, and its URL stays a secret."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from resources import webhook
from resources.webhook import WEBHOOK_VARIABLE, WebhookError, post_to_webhook


class Receiver(HTTPServer):
    """Answers every request with `status` and keeps what it got."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver.received.append(json.loads(self.rfile.read(length)))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{receiver.server_port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/hook/s3cret")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


def test_without_the_variable_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert post_to_webhook({"a": 1}) is None


def test_the_message_arrives_once_as_json(receiver: Receiver) -> None:
    assert post_to_webhook({"text": "día"}) == "127.0.0.1"
    assert receiver.received == [{"text": "día"}]


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_refusal_is_named_without_the_secret_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(WebhookError) as refused:
        post_to_webhook({"text": "x"})
    assert f"127.0.0.1 did not take the alert: it answered with status {status}" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert len(receiver.received) == webhook.ATTEMPTS


def test_a_dead_end_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()  # takes connections and never answers
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{deaf.getsockname()[1]}/s3cret")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(WebhookError, match="did not take the alert: TimeoutError"):
            post_to_webhook({"text": "x"})


def test_what_answers_in_no_http_is_named_without_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    class Babbler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 s3cret\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Babbler) as babbler:
        threading.Thread(target=babbler.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{babbler.server_address[1]}/s3cret")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(WebhookError, match="did not take the alert: BadStatusLine") as refused:
            post_to_webhook({"text": "x"})
        babbler.shutdown()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://localhost/x",
        "file:///etc/passwd",
        "localhost:80",
        "https://",
        "http://[bad",
        "http://127.0.0.1:9/hooks/T0P s3cret",
        "http://127.0.0.1:9/hooks/T0P\ts3cret",
        "http://127.0.0.1:9/hooks/T0P\x7fs3cret",
        "http://127.0.0.1:s3cret",
        "http://127.0.0.1:99999/s3cret",
    ],
)
def test_only_https_or_this_machine_are_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, url)
    with pytest.raises(WebhookError, match="must be an https URL") as refused:
        post_to_webhook({"text": "x"})
    assert url not in str(refused.value)
    assert "s3cret" not in str(refused.value)
