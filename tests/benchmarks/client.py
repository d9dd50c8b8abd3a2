"""What the client of model servers costs: processor time a request, 64 under way, against the bare HTTP library."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import httpx2

from llm_auction.serving import ChatClient, ChatRequest, Completion
from llm_auction.serving.dialects import Decoding, request_body
from tests.benchmarks.records import Record, device_name
from tests.faulty_server import completion, send

REQUESTS, CONCURRENCY, DELAY = 1000, 64, 0.1
PROMPT_WORDS, ANSWER_WORDS = 2000, 300
DECODING = Decoding(temperature=0.7, top_p=0.8, top_k=20, max_new_tokens=ANSWER_WORDS)
BASELINE = "httpx2 alone"


def client_records(repeats: int, known: Collection[str]) -> Iterator[Record]:
    """Processor milliseconds a request of a small local server, which answers each after a tenth of a second."""
    case = f"client/{REQUESTS}x{CONCURRENCY}"
    if case in known:
        return
    prompt = "boots " * PROMPT_WORDS
    requests = [ChatRequest([{"role": "user", "content": prompt}], DECODING, seed=number) for number in range(REQUESTS)]
    with _server() as url:
        ours = min(_ours(url, requests) for _ in range(repeats))
        bare = min(_bare(url, requests) for _ in range(repeats))
    yield Record("client", case, ours, "ms/request", bare, bare / ours, device_name(), None, BASELINE)


def _ours(url: str, requests: list[ChatRequest]) -> float:
    texts: list[str] = []

    def keep(_: int, result: Completion | Exception) -> None:
        if isinstance(result, Exception):
            raise result
        texts.append(result.text)

    client = ChatClient(url, "model", concurrency=CONCURRENCY)
    started = time.process_time()
    client.complete_all(requests, keep)
    spent = time.process_time() - started
    if len(texts) != REQUESTS or client.usage.retries:
        raise RuntimeError(
            f"the server answered {len(texts)} of {REQUESTS} requests, with {client.usage.retries} retries"
        )
    return spent * 1000 / REQUESTS


def _bare(url: str, requests: list[ChatRequest]) -> float:
    async def send_all() -> None:
        waiting = iter(requests)
        limits = httpx2.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
        async with httpx2.AsyncClient(limits=limits, trust_env=False) as http:

            async def work() -> None:
                for request in waiting:
                    body = request_body(request, "model", "vllm")
                    (await http.post(f"{url}/v1/chat/completions", json=body)).raise_for_status()

            async with asyncio.TaskGroup() as group:
                for _ in range(CONCURRENCY):
                    group.create_task(work())

    started = time.process_time()
    asyncio.run(send_all())
    return (time.process_time() - started) * 1000 / REQUESTS


@contextmanager
def _server() -> Iterator[str]:
    """The address of a server in a process of its own, whose processor time is not the client's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection) -> None:
    reply = json.dumps(completion("word " * ANSWER_WORDS)).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as those of model servers

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(DELAY)
            send(self, 200, reply)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = CONCURRENCY
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()
