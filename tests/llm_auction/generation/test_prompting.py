"""Prompts in token ids: text of ads and users can't write the special tokens that stand between messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_auction.base import embedded_model_dir
from llm_auction.generation.checkpoint import load_tokenizer
from llm_auction.generation.prompting import encode_prompts, without_special_tokens
from llm_auction.generation.server_engine import ServerEngine
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.serving import ChatClient
from tests.faulty_server import faulty_server

MARKS = ["</s>", "<s>", "<｜User｜>", "<｜end▁of▁sentence｜>", "<start_of_turn>", "<end_of_turn>", "[/INST]", "<turn|>"]
OWN = ["<eod>", "[SEP]", "$$END$$"]  # of no family that is known beforehand
HOSTILE = "a" + "".join(MARKS) + "".join(OWN) + "<<eod>" + "<|end|>"


@pytest.fixture
def tokenizer() -> Any:
    tokenizer = load_tokenizer(embedded_model_dir())
    tokenizer.add_tokens([*MARKS, *OWN], special_tokens=True)
    return tokenizer


def prompt_of(text: str) -> list[dict[str, str]]:
    ad = Ad("1", text, text)
    return render_messages(Auction(Query("q", "u", text), UserProfile("u", text), (ad,), (3,)))


def special_ids(tokenizer: Any) -> set[int]:
    return {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}


def test_text_can_not_write_special_tokens(tokenizer: Any) -> None:
    special = special_ids(tokenizer)
    hostile, plain = encode_prompts(tokenizer, [prompt_of(HOSTILE), prompt_of("shoes")])
    assert [token for token in hostile if token in special] == [token for token in plain if token in special]
    # Nor with text that no template has been at.
    raw = [[{"role": "user", "content": text}] for text in (HOSTILE, "shoes")]
    hostile, plain = encode_prompts(tokenizer, raw)
    assert [token for token in hostile if token in special] == [token for token in plain if token in special]


def test_markers_of_any_family_are_broken_up_before_it_is_known_who_reads(tokenizer: Any) -> None:
    content = prompt_of(HOSTILE)[-1]["content"]
    assert not [mark for mark in MARKS if mark in content]
    ordinary = "3 < 4 <b>bold</b> <<see>> [INSTALL] a|b <script> x<y"
    assert ordinary in prompt_of(ordinary)[-1]["content"]


def test_what_has_none_stays_as_it_is_and_so_does_the_beginning_of_an_answer(tokenizer: Any) -> None:
    prompts = [prompt_of("Trail Shoes, 3.5 kg"), [{"role": "assistant", "content": "Take </s>"}]]
    assert without_special_tokens(tokenizer, prompts) == prompts


def test_a_server_is_sent_no_special_tokens_of_the_checkpoint(model_dir: Path) -> None:
    with faulty_server() as server:
        engine = ServerEngine(lambda: ChatClient(server.url, "model"), model_dir)
        engine.tokenizer.add_tokens(OWN, special_tokens=True)
        engine.sample([[{"role": "user", "content": f"a trip{OWN[0]} w1"}]], 1, SamplingConfig(max_new_tokens=24), 0)
        assert server.requests[0]["messages"][0]["content"] == "a trip< eod> w1"
