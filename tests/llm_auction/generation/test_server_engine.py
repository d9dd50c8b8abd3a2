"""Answers by way of a server: complete, in order, resumable, with log-probabilities of our own."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from llm_auction.generation.journal import Journal
from llm_auction.generation.protocol import Messages
from llm_auction.generation.server_engine import ServerEngine
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.serving import ChatClient, ServerError
from tests.faulty_server import FaultyServer, faulty_server

PROMPTS: list[Messages] = [[{"role": "user", "content": f"a good trip w{index}"}] for index in range(5)]
SAMPLING = SamplingConfig(max_new_tokens=24)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server() as server:
        yield server


def engine_of(
    server: FaultyServer,
    model_dir: Path,
    journals: Path | None = None,
    notes: list[str] | None = None,
    concurrency: int = 1,
) -> ServerEngine:
    return ServerEngine(
        lambda: ChatClient(server.url, "model", concurrency=concurrency, attempts=2, pause=0.01),
        model_dir,
        journals=journals,
        on_note=[].append if notes is None else notes.append,  # type: ignore[arg-type]
    )


def texts(engine: ServerEngine, seed: int = 1, copies: int = 4) -> list[list[str]]:
    return [[answer.text for answer in group] for group in engine.sample(PROMPTS, copies, SAMPLING, seed)]


def test_answers_in_order_each_with_a_seed_of_its_own(server: FaultyServer, model_dir: Path) -> None:
    drawn = texts(engine_of(server, model_dir, concurrency=3))
    assert [len(group) for group in drawn] == [4] * 5
    assert all(text.endswith(f"to w{index}") for index, group in enumerate(drawn) for text in group)
    assert len({body["seed"] for body in server.requests}) == 20
    assert texts(engine_of(server, model_dir)) == drawn
    assert texts(engine_of(server, model_dir), seed=2) != drawn
    # More answers leave the first ones as they were.
    assert [group[:4] for group in texts(engine_of(server, model_dir), copies=6)] == drawn


def test_a_sampling_that_died_goes_on_where_it_stood(server: FaultyServer, model_dir: Path, tmp_path: Path) -> None:
    undisturbed = texts(engine_of(server, model_dir))
    server.requests.clear()
    server.stop_after = 8
    with pytest.raises(ServerError):
        texts(engine_of(server, model_dir, tmp_path))
    (journal,) = tmp_path.iterdir()
    kept = journal.read_bytes().splitlines()
    assert len(kept) == 8

    # The machine stopped in the middle of a line, and a bit fell over in another.
    damaged = [*kept[:-2], kept[-2].replace(b"answer", b"answes"), kept[-1][: len(kept[-1]) // 2]]
    journal.write_bytes(b"\n".join(damaged))
    server.stop_after = None
    server.requests.clear()
    notes: list[str] = []
    assert texts(engine_of(server, model_dir, tmp_path, notes)) == undisturbed
    assert len(server.requests) == 20 - 6
    assert notes[0] == "6 of 20 answers were finished by an earlier attempt; 2 damaged lines are drawn anew"
    assert list(tmp_path.iterdir()) == []


def test_what_another_version_wrote_into_a_journal_is_drawn_anew(
    server: FaultyServer, model_dir: Path, tmp_path: Path
) -> None:
    undisturbed = texts(engine_of(server, model_dir))
    server.stop_after = 8 + len(server.requests)
    with pytest.raises(ServerError):
        texts(engine_of(server, model_dir, tmp_path))
    (journal,) = tmp_path.iterdir()
    first, second, *others = [line.partition(b" ")[2] for line in journal.read_bytes().splitlines()]
    # Its lines are whole: they have fewer fields, more, or no fields at all.
    foreign = [json.dumps(json.loads(first)[:-1]).encode(), json.dumps([*json.loads(second), 0]).encode(), b"7"]
    journal.write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in [*foreign, *others]))
    server.stop_after = None
    server.requests.clear()
    notes: list[str] = []
    assert texts(engine_of(server, model_dir, tmp_path, notes)) == undisturbed
    assert len(server.requests) == 20 - 6
    assert notes[0] == "6 of 20 answers were finished by an earlier attempt; 3 damaged lines are drawn anew"


def test_another_call_starts_afresh(server: FaultyServer, model_dir: Path, tmp_path: Path) -> None:
    server.stop_after = 8
    with pytest.raises(ServerError):
        texts(engine_of(server, model_dir, tmp_path), seed=1)
    server.stop_after = None
    server.requests.clear()
    texts(engine_of(server, model_dir, tmp_path), seed=2)
    assert len(server.requests) == 20


def test_what_the_requests_took_is_counted(server: FaultyServer, model_dir: Path) -> None:
    engine = engine_of(server, model_dir)
    server.faults = ["500"]
    texts(engine)
    texts(engine, seed=2)
    assert (engine.usage.requests, engine.usage.retries, engine.usage.completion_tokens) == (40, 1, 120)


def test_log_probabilities_are_ours(server: FaultyServer, model_dir: Path) -> None:
    scorer = TransformersEngine(model_dir)
    asked: list[int] = []

    def score(prompts: Sequence[Messages], answers: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        asked.append(len(server.requests))
        return scorer.log_probabilities(prompts, answers)

    engine = ServerEngine(lambda: ChatClient(server.url, "model"), model_dir, score=score)
    answers = engine.sample(PROMPTS, 2, SAMPLING, 1)
    assert asked == [10]  # after the last answer, so that server and scorer need not share a GPU
    expected = scorer.log_probabilities(PROMPTS, [[answer.token_ids for answer in group] for group in answers])
    assert [[answer.logprob for answer in group] for group in answers] == expected
    for group in answers:
        for answer in group:
            assert answer.token_ids[-1] == scorer.tokenizer.eos_token_id
            assert scorer.tokenizer.decode(answer.token_ids, skip_special_tokens=True) == answer.text
    plain = TransformersEngine(model_dir, share_prefix=False)
    tokens = [[answer.token_ids for answer in group] for group in answers]
    for ours, other in zip(expected, plain.log_probabilities(PROMPTS, tokens), strict=True):
        assert ours == pytest.approx(other, rel=1e-5)


def test_context_too_short_is_seen_before_the_server_is_asked(server: FaultyServer, model_dir: Path) -> None:
    with pytest.raises(ValueError, match="tokens too short"):
        engine_of(server, model_dir).sample(PROMPTS, 1, SAMPLING.model_copy(update={"max_new_tokens": 4096}), 0)
    assert server.requests == []


def test_no_prompts_need_no_server(model_dir: Path) -> None:
    def connect() -> ChatClient:
        raise AssertionError("no server is needed")

    assert ServerEngine(connect, model_dir).sample([], 3, SAMPLING, 0) == []


def test_the_engine_in_this_process_resumes_too(model_dir: Path, tmp_path: Path) -> None:
    sampling = SamplingConfig(max_new_tokens=12, rows_per_batch=4)
    expected = TransformersEngine(model_dir).sample(PROMPTS, 2, sampling, 3)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TransformersEngine(model_dir, journals=tmp_path).sample(PROMPTS, 2, sampling, 3, stop)
    (journal,) = tmp_path.iterdir()
    left = Journal(journal)
    assert len(left.answers) == 4 and left.seconds > 0
    seen: list[int] = []
    engine = TransformersEngine(model_dir, journals=tmp_path)
    resumed = engine.sample(PROMPTS, 2, sampling, 3, lambda done, total: seen.append(done))
    assert [[a.token_ids for a in group] for group in resumed] == [[a.token_ids for a in group] for group in expected]
    assert seen == [8, 10]
    assert engine.seconds_saved == left.seconds  # what earlier attempts took counts as if it had been taken now
    assert list(tmp_path.iterdir()) == []
