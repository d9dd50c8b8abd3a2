"""The assets with an LLM as the user: clicks, outcomes and grades come from its replies, gaps stay gaps."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, Failure, materialize

from assets.answer_quality import answer_quality
from assets.bid_continuity import bid_continuity
from assets.evaluation import mechanism_outcomes
from assets.feedback_events import RESPONSE_COLUMNS, response_rows
from assets.irpo import click_feedback
from assets.objective_terms import objective_terms
from assets.partitions import irpo_key
from llm_auction.generation.protocol import GeneratedAnswer
from llm_auction.profiles.schema import SamplingConfig
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from resources.warehouse import Warehouse
from tests.evaluated_market import OVERRIDES, RuleEngineResource, build_market
from tests.faulty_server import FaultyServer, faulty_server
from tests.synthetic_study import synthetic_auctions, synthetic_profile

GRADES = {"accuracy": 90, "naturalness": 60, "personality": 90, "trust": 60, "notice": 30, "click": 0}
UNJUDGED = "a text that the user can't judge"


def reply(body: dict[str, Any]) -> str:
    """Every link is clicked whose number of letters is even, and every answer is graded alike."""
    talk = "\n".join(message["content"] for message in body["messages"])
    if UNJUDGED in talk:
        return "I can't."
    links = re.search(r"The links in it: (.*)", talk)
    if links is None:
        return json.dumps(GRADES | {"reason": "Sound."})
    verdicts = [
        {"ad_id": link["ad_id"], "clicked": len(link["title"]) % 2 == 0, "reason": "Relevance"}
        for link in json.loads(links[1])
    ]
    return json.dumps({"judgements": verdicts})


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server(reply) as server:
        yield server


def run(
    data_dir: Path,
    server: FaultyServer,
    asset: object,
    partition: str | None = None,
    section: str = "user",
    **overrides: str,
) -> ExecuteInProcessResult:
    served = {f"{section}.model": "judge", f"{section}.url": server.url}
    profile = ProfileResource(profile="smoke", overrides=OVERRIDES | served | overrides)
    with DagsterInstance.ephemeral() as instance:
        return materialize(
            [asset],  # type: ignore[list-item]
            partition_key=partition,
            instance=instance,
            resources={
                "lake": Lake(data_dir=str(data_dir)),
                "model_store": ModelStore(data_dir=str(data_dir)),
                "profile": profile,
                "engine": RuleEngineResource(data_dir=str(data_dir)),
                "user_model": UserModelResource(profile=profile, data_dir=str(data_dir)),
                "warehouse": Warehouse(data_dir=str(data_dir)),
            },
        )


def record_closing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """When the User-LLM's server was given back, among the tables that were written."""
    events: list[str] = []
    write, close = Lake.write, UserModelResource.close

    def writing(self: Lake, table: str, *args: Any, **kwargs: Any) -> Any:
        events.append(f"{table} written")
        return write(self, table, *args, **kwargs)

    def closing(self: UserModelResource) -> None:
        events.append("server closed")
        close(self)

    monkeypatch.setattr(Lake, "write", writing)
    monkeypatch.setattr(UserModelResource, "close", closing)
    return events


def test_feedback_of_an_llm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> None:
    build_market(tmp_path, monkeypatch)
    lake = Lake(data_dir=str(tmp_path))
    auctions = synthetic_auctions(synthetic_profile(queries=12))[:6]
    texts = [f"Many like @{one.candidates[0].title}@[Ad-{one.candidates[0].ad_id}] for this." for one in auctions]
    texts[0] += f" It is {UNJUDGED}."
    answers = [[GeneratedAnswer(text, (1, 2), -1.0, True)] for text in texts]
    rows = response_rows(auctions, answers, SamplingConfig(), "v1", "oracle", "01")
    partition = {"arm": "oracle", "iteration": "01"}
    lake.write("ad_responses", pl.DataFrame(rows, schema=RESPONSE_COLUMNS.schema), partition)

    events = record_closing(monkeypatch)
    result = run(tmp_path, server, click_feedback, irpo_key("oracle", "01"))
    assert events[:2] == ["server closed", "click_feedback written"]
    feedback = lake.read("click_feedback", partition)
    assert feedback["clicked"].to_list() == [None, *(len(one.candidates[0].title) % 2 == 0 for one in auctions[1:])]
    assert feedback["click_probability"].null_count() == 6
    assert feedback["reason"][0].startswith("not judged: Invalid JSON")
    metadata = result.asset_materializations_for_node("click_feedback")[0].metadata
    assert metadata["unjudged_ads"].value == 1
    assert metadata["retest_agreement"].value == 1.0
    assert metadata["agreement_ads"].value == 5
    asked = metadata["user_llm_requests"].value
    assert metadata["user_llm_asked"].value == asked == len(server.requests)
    assert metadata["user_llm_prompt_tokens"].value == 7 * asked  # what the server says of every reply
    assert metadata["user_llm_missing"].value == 4  # in the feedback, and in three showings that test agreement

    asked = len(server.requests)
    run(tmp_path, server, click_feedback, irpo_key("oracle", "01"))
    assert len(server.requests) == asked


def test_outcomes_and_grades_of_an_llm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> None:
    build_market(tmp_path, monkeypatch)
    run(tmp_path, server, mechanism_outcomes, "pretrained")
    outcomes = Lake(data_dir=str(tmp_path)).read("mechanism_outcomes", {"mechanism": "pretrained"})
    assert outcomes["revenue"].to_list() == outcomes["expected_revenue"].to_list() == outcomes["payment"].to_list()
    assert outcomes["clairvoyant_reward"].null_count() == outcomes.height
    run(tmp_path, server, answer_quality)
    grades = Lake(data_dir=str(tmp_path)).read("answer_quality")
    assert set(grades["satisfaction"]) == {75.0}
    assert set(grades["engagement"]) == {15.0}


def test_a_judge_beside_parametric_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultyServer) -> None:
    """It grades, and clicks nothing: outcomes are those of the parametric user, to the last figure."""
    build_market(tmp_path, monkeypatch)
    lake = Lake(data_dir=str(tmp_path))
    run(tmp_path, server, mechanism_outcomes, "pretrained", section="judge")
    assert server.requests == []
    outcomes = lake.read("mechanism_outcomes", {"mechanism": "pretrained"})
    assert outcomes["clairvoyant_reward"].null_count() == 0
    run(tmp_path, server, answer_quality, section="judge")
    grades = lake.read("answer_quality")
    assert set(grades["satisfaction"]) == {75.0} and server.requests
    assert (tmp_path / "judge_llm.sqlite").exists() and not (tmp_path / "user_llm.sqlite").exists()
    # Another judge would be another scale, of this table alone.
    settings = lake.settings("answer_quality")
    assert settings is not None and settings["judge.model"] == "judge" and "judge.url" not in settings
    assert "judge.model" not in (lake.settings("mechanism_outcomes", {"mechanism": "pretrained"}) or {})


def test_outcomes_that_an_llm_did_not_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultyServer
) -> None:
    build_market(tmp_path, monkeypatch)
    lake, partition = Lake(data_dir=str(tmp_path)), {"mechanism": "pretrained"}
    odd = lake.read("user_queries").row(0, named=True)
    server.answer = lambda body: "I can't." if odd["text"] in json.dumps(body["messages"]) else reply(body)
    refused = r"no usable verdict on \d+ of \d+ inserted ads.*user\.max_missing_share.* Mostly: Invalid JSON"
    with pytest.raises(Failure, match=refused):
        run(tmp_path, server, mechanism_outcomes, "pretrained")
    assert not lake.exists("mechanism_outcomes", partition)
    result = run(tmp_path, server, mechanism_outcomes, "pretrained", **{"user.max_missing_share": "0.5"})
    outcomes = lake.read("mechanism_outcomes", partition)
    unjudged = outcomes.filter(pl.col("revenue").is_null())
    assert 0 < unjudged.height < outcomes.height
    assert unjudged["reward"].null_count() == unjudged["payment"].null_count() == unjudged.height
    metadata = result.asset_materializations_for_node("mechanism_outcomes")[0].metadata
    assert metadata["unjudged_answers"].value == unjudged.height
    assert metadata["test_queries"].value == 10 - metadata["unjudged_queries"].value
    run(tmp_path, server, objective_terms)
    terms = lake.read("objective_terms")
    assert terms["objective_fidelity"].is_null().to_list() == outcomes["revenue"].is_null().to_list()
    assert terms["words"].null_count() == 0


def test_a_property_check_leaves_unjudged_clicks_out_and_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: FaultyServer
) -> None:
    build_market(tmp_path, monkeypatch)

    def now_and_then(body: dict[str, Any]) -> str:
        showing = json.dumps([body["messages"][:2], body["seed"]])
        return "I can't." if zlib.crc32(showing.encode()) % 8 == 0 else reply(body)

    server.answer = now_and_then
    few_bids = {"properties.continuity_step": "33", "user.reasks": "0"}
    monkeypatch.setattr("assets.bid_continuity.plot_metadata", lambda chart: "a curve")  # seconds of drawing
    refused = r"no usable verdict on \d+ of \d+ inserted ads.*user\.max_missing_share.* Mostly: Invalid JSON"
    with pytest.raises(Failure, match=refused):
        run(tmp_path, server, bid_continuity, **few_bids)
    lake = Lake(data_dir=str(tmp_path))
    assert not lake.exists("bid_continuity")
    result = run(tmp_path, server, bid_continuity, **few_bids, **{"user.max_missing_share": "0.5"})
    metadata = result.asset_materializations_for_node("bid_continuity")[0].metadata
    answers = lake.read("bid_continuity")["answer_itctr"].drop_nulls().explode()
    assert 0 < answers.null_count() < len(answers)
    # Those of the curves, and the ads alone by which queries and ads are chosen.
    assert answers.null_count() <= metadata["unjudged_ads"].value < metadata["shown_ads"].value
