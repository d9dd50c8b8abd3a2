"""Whatever the server does: every request ends with its own answer, or with one clear error."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llm_auction.serving import BadReply, ChatClient, Completion, RequestRefused, ServerError
from llm_auction.serving.dialects import ChatRequest, Decoding, request_body
from llm_auction.serving.models import served_models
from tests.faulty_server import NONSENSE, FaultyServer, completion, faulty_server

DECODING = Decoding(temperature=0.7, top_p=0.8, top_k=20, max_new_tokens=32, eos_token_ids=(2,))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server() as server:
        yield server


def client_of(server: FaultyServer, **options: object) -> ChatClient:
    return ChatClient(server.url, "model", **{"attempts": 3, "timeout": 0.5, "pause": 0.01, **options})  # type: ignore[arg-type]


def requests(count: int) -> list[ChatRequest]:
    return [ChatRequest([{"role": "user", "content": f"say w{seed}"}], DECODING, seed) for seed in range(count)]


def results(client: ChatClient, count: int) -> list[Completion | Exception]:
    got: dict[int, Completion | Exception] = {}
    client.complete_all(requests(count), got.__setitem__)
    return [got[index] for index in range(count)]


def test_every_request_gets_its_own_answer_within_the_bound(server: FaultyServer) -> None:
    server.delay = 0.02
    client = client_of(server, concurrency=4)
    answers = results(client, 30)
    assert [one.text for one in answers if isinstance(one, Completion)] == [f"answer {k} to w{k}" for k in range(30)]
    assert 2 <= server.most_under_way <= 4
    assert (client.usage.requests, client.usage.retries) == (30, 0)
    assert (client.usage.prompt_tokens, client.usage.completion_tokens) == (210, 90)


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "drop", "truncate", "html", "html-502", "no-gzip", "hang", *NONSENSE]
)
def test_what_may_pass_is_tried_again_with_the_same_request(server: FaultyServer, fault: str) -> None:
    server.faults = [fault]
    client = client_of(server, concurrency=1)
    (answer,) = results(client, 1)
    assert isinstance(answer, Completion)
    assert answer.text == "answer 0 to w0"
    assert client.usage.retries == 1
    assert server.requests[0] == server.requests[1]


def test_a_busy_server_ends_everything_after_the_last_try(server: FaultyServer) -> None:
    server.faults = ["429"] * 100
    with pytest.raises(ServerError, match=r"no answer in 3 tries; last: status 429: said 429"):
        results(client_of(server, concurrency=2), 10)
    assert len(server.requests) <= 6


def test_the_pause_that_a_busy_server_asks_for_is_never_cut(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def no_time(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", no_time)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.faults = ["429;45", f"503;{date}"]
    assert isinstance(results(client_of(server), 1)[0], Completion)
    assert 45 < waits[0] < 46 and 80 < waits[1] < 91
    waits.clear()
    server.faults = ["429;soon", "429;Wed, 21 Oct 2015 07:28:00 GMT"]
    results(client_of(server), 1)
    assert min(waits) > 0 and max(waits) < 1
    waits.clear()
    server.faults = [f"429;Mon, 01 Jan {'9' * 20} 00:00:00 GMT", "429;Mon, 01 Jan 0001 00:00:00 +2359"]
    results(client_of(server), 1)
    assert len(waits) == 2 and max(waits) < 1
    server.faults = ["429;86400"]
    with pytest.raises(ServerError, match=r"asks to come back in 86400 s.*status 429"):
        results(client_of(server), 1)


def test_a_silent_server_times_out(server: FaultyServer) -> None:
    server.faults = ["hang"] * 5
    with pytest.raises(ServerError, match="timeout"):
        results(client_of(server, timeout=0.1), 1)


def test_no_server_at_all() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = ChatClient(f"http://127.0.0.1:{port}/v1/", "model", attempts=2, pause=0.01)
    with pytest.raises(ServerError, match="ConnectError"):
        client.complete_all(requests(1), lambda index, result: None)
    with pytest.raises(ServerError, match="is the server running"):
        served_models(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("status", ["401", "404"])
def test_what_holds_for_every_request_ends_everything(server: FaultyServer, status: str) -> None:
    server.faults = [status]
    with pytest.raises(ServerError, match=f"model model: status {status}: said {status}"):
        results(client_of(server, concurrency=1), 5)
    assert len(server.requests) == 1


def test_one_refused_or_hopeless_request_leaves_the_others_alone(server: FaultyServer) -> None:
    server.faults = ["400", "cut", "cut", "cut"]
    first, second, third = results(client_of(server, concurrency=1), 3)
    assert isinstance(first, RequestRefused) and "said 400" in str(first)
    assert "asked in the dialect vllm; there are transformers or openai too" in str(first)
    assert isinstance(second, BadReply) and "3 tries" in str(second)
    assert isinstance(third, Completion)


def test_an_error_of_the_receiver_ends_everything(server: FaultyServer) -> None:
    def receive(index: int, result: object) -> None:
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        client_of(server, concurrency=2).complete_all(requests(50), receive)
    assert len(server.requests) < 10


def test_text_that_no_file_can_hold_is_made_harmless(server: FaultyServer) -> None:
    server.answer = lambda body: "half \ud83d of a pair, a \x00, and ü"
    (answer,) = results(client_of(server), 1)
    assert isinstance(answer, Completion)
    assert answer.text.encode("utf-8") == "half ? of a pair, a \x00, and ü".encode()


def test_the_key_is_sent_and_models_are_listed(server: FaultyServer) -> None:
    server.models = ("a", "b")
    results(client_of(server, api_key="secret"), 1)
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert served_models(server.url + "/v1") == ["a", "b"]


def test_dialects() -> None:
    request = ChatRequest([{"role": "user", "content": "q"}], DECODING, 2**40 + 5, {"type": "object"})
    vllm = request_body(request, "m", "vllm")
    assert (vllm["top_k"], vllm["seed"], vllm["max_tokens"]) == (20, 5, 32)
    assert vllm["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert "continue_final_message" not in vllm
    assert vllm["chat_template_kwargs"] == {"enable_thinking": False}
    begun = ChatRequest([{"role": "assistant", "content": "It is"}], DECODING, 0)
    assert request_body(begun, "m", "vllm")["continue_final_message"] is True
    with pytest.raises(ValueError, match="can't go on with a begun answer"):
        request_body(begun, "m", "transformers")
    transformers = request_body(request, "m", "transformers")
    assert '"top_k": 20' in transformers["generation_config"] and "response_format" not in transformers
    with pytest.raises(ValueError, match="top_k = 20"):
        request_body(request, "m", "openai")


def test_well_formed_extras_are_read() -> None:
    from llm_auction.serving.replies import read_completion

    def read(reply: dict[str, object]) -> Completion:
        import json

        return read_completion(json.dumps(reply).encode(), "application/json; charset=utf-8")

    assert read(completion("x", token_ids=[4, 5])).token_ids == (4, 5)
    assert read(completion("x", token_ids=[4, -5])).token_ids is None
    assert read(completion("x", token_ids=[True])).token_ids is None
    assert not read(completion("x", finish_reason="length")).finished
    assert read(completion("x") | {"usage": {"prompt_tokens": "many"}}).prompt_tokens == 0
