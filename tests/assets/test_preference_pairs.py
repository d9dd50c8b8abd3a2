"""The asset `preference_pairs` with a scripted engine: fresh bids, rewards of the arm, winner and losers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import AssetCheckSeverity, DagsterInstance, ExecuteInProcessResult, Failure, materialize

from assets.arm_auctions import preference_auctions
from assets.frames import auctions_from_rows, load_ads, load_auctions, load_profiles, load_queries
from assets.partitions import irpo_key
from assets.preference_pairs import PAIR_COLUMNS, enough_usable_pairs, exploration, preference_pairs
from llm_auction.answers import parse_answer, render_insertion
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.market import Ad, Auction
from llm_auction.objective import Penalty, reward
from llm_auction.profiles import load_profile
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.users import ParametricUser
from llm_auction.users.conversions import ParametricBuyer
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore, ModelStoreError
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from tests.faulty_server import faulty_server
from tests.feedback_lake import small_lake

ADS = [Ad("a0", "Trail Boots", "hiking boots"), Ad("a1", "Quiet Tent", "tents"), Ad("a2", "Sourdough Kit", "baking")]

PARTITION = {"arm": "oracle", "iteration": "01"}


class ScriptedEngine(EngineResource):
    """Answer k inserts the first k % 3 ads of the prompt's catalog; the last answer writes a wrong title."""

    def open(self, model_dir: Path | str) -> Any:
        return self

    def sample(
        self, prompts: Sequence[Messages], count: int, sampling: SamplingConfig, seed: int, on_progress: Any = None
    ) -> list[list[GeneratedAnswer]]:
        texts = [" and ".join(["Try these:", *map(render_insertion, ADS[: k % 3])]) for k in range(count - 1)]
        texts.append("Try @Trail Boot@[Ad-a0].")
        return [[GeneratedAnswer(text, (5, k, 2), -1.5, True) for k, text in enumerate(texts)] for _ in prompts]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = small_lake(tmp_path)
    catalog = lake.read("ad_catalog").sort("ad_id")
    titles = pl.DataFrame({"title": [ad.title for ad in ADS], "category": [ad.category for ad in ADS]})
    lake.write("ad_catalog", catalog.drop("title", "category").hstack(titles.get_columns()))
    queries = [("q0", "train"), ("q1", "train"), ("q2", "test")]
    lake.write(
        "user_queries",
        pl.DataFrame(
            [
                {"query_id": query, "user_id": "u", "text": "boots for wet trails?", "category": None, "split": split}
                for query, split in queries
            ],
            schema_overrides={"category": pl.String},
        ),
    )
    profile = {"user_id": "u", "text": "A hiker.", "interests": ["hiking boots"], "split": "train"}
    lake.write("user_profiles", pl.DataFrame([profile]))
    lake.write(
        "ad_candidates",
        pl.DataFrame([{"query_id": query, "ad_ids": ["a0", "a1", "a2"], "split": split} for query, split in queries]),
    )
    model_store(lake).publish("ad_llm", "base", lambda folder: (folder / "config.json").write_text("{}"), {})
    return lake


def model_store(lake: Lake) -> ModelStore:
    return ModelStore(data_dir=lake.data_dir)


def run(
    lake: Lake, arm: str, raise_on_error: bool = True, overrides: Mapping[str, str] | None = None, scripted: bool = True
) -> ExecuteInProcessResult:
    profile = ProfileResource(profile="smoke", overrides={"preferences.delta_th": "5", **(overrides or {})})
    return materialize(
        [preference_pairs],
        instance=DagsterInstance.ephemeral(),
        partition_key=irpo_key(arm, "01"),
        resources={
            "profile": profile,
            "lake": lake,
            "model_store": model_store(lake),
            "engine": (ScriptedEngine if scripted else EngineResource)(profile=profile, data_dir=lake.data_dir),
            "user_model": UserModelResource(profile=profile, data_dir=lake.data_dir),
        },
        raise_on_error=raise_on_error,
    )


def test_answers_are_paid_once_though_the_step_died_before_its_write(
    lake: Lake, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = model_store(lake)
    store.publish("ad_llm", "base", lambda folder: shutil.copytree(tiny_model_dir, folder, dirs_exist_ok=True), {})
    texts = ("Try @Trail Boots@[Ad-a0].", "Try @Trail Boot@[Ad-a0].")  # the second has a format error: a loser
    with faulty_server(lambda body: texts[body["seed"] % 2], (store.resolve("ad_llm", "base").version,)) as server:
        served = {"engine.url": server.url, "sampling.max_new_tokens": "8"}
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no room"):
            patch.setattr(Lake, "write", no_room)
            run(lake, "oracle", overrides=served, scripted=False)
        asked = len(server.requests)
        assert asked == 2 * load_profile("smoke").preferences.answers_per_query
        result = run(lake, "oracle", overrides=served, scripted=False)
        assert len(server.requests) == asked
    metadata = result.asset_materializations_for_node("preference_pairs")[0].metadata
    assert metadata["engine_requests"].value == 0 and "user_llm_requests" not in metadata
    assert lake.read("preference_pairs", PARTITION).height == 2
    assert list((Path(lake.data_dir) / "sampling").iterdir()) == []


def no_room(*_: object, **__: object) -> None:
    raise OSError("no room")


def auctions_of(lake: Lake, frame: pl.DataFrame) -> list[Auction]:
    rows = list(frame.iter_rows(named=True))
    return auctions_from_rows(rows, load_ads(lake), load_profiles(lake), load_queries(lake))


def test_answers_that_the_user_llm_did_not_judge_take_no_side(lake: Lake) -> None:
    """Two ads in one answer are too much for this judge."""

    def judge(body: dict[str, Any]) -> str:
        ids = re.findall(r'"ad_id": "(\w+)"', body["messages"][1]["content"])
        if len(ids) > 1:
            return "Hm."
        return json.dumps({"judgements": [{"ad_id": one, "clicked": True, "reason": ""} for one in ids]})

    with faulty_server(judge) as server:
        overrides = {"user.model": "judge", "user.url": server.url, "user.reasks": "0"}
        with pytest.raises(Failure, match=r"no usable verdict on \d+ of \d+ inserted ads.*user\.max_missing_share"):
            run(lake, "oracle", overrides=overrides)
        assert not lake.exists("preference_pairs", PARTITION)
        result = run(lake, "oracle", overrides=overrides | {"user.max_missing_share": "1"})
    frame = lake.read("preference_pairs", PARTITION)
    answers = [answer for group in frame["answers"].to_list() for answer in group]
    drawn = load_profile("smoke").preferences.answers_per_query * frame.height
    metadata = result.asset_materializations_for_node("preference_pairs")[0].metadata
    assert frame.height == 2
    assert 0 < metadata["unjudged_answers"].value == drawn - len(answers)
    assert all(answer.count("[Ad-") < 2 for answer in answers)
    for row in frame.iter_rows(named=True):
        assert len(row["answers"]) == len(row["rewards"]) == len(row["token_ids"]) == len(row["logprobs"])
        assert row["rewards"][row["winner"]] == max(row["rewards"])


def test_oracle_scores_with_the_users_own_probabilities(lake: Lake) -> None:
    result = run(lake, "oracle")
    frame = lake.read("preference_pairs", {"arm": "oracle", "iteration": "01"})
    assert dict(frame.schema) == PAIR_COLUMNS.schema
    assert frame["query_id"].to_list() == ["q0", "q1"]  # the test query stays unseen
    user = ParametricUser(list(load_ads(lake).values()))
    for row, auction in zip(frame.iter_rows(named=True), auctions_of(lake, frame), strict=True):
        expected = [
            reward(
                auction,
                parse_answer(answer, auction.candidates),
                user.click_probabilities(auction, answer),
                Penalty(),
            )
            for answer in row["answers"]
        ]
        assert row["rewards"] == pytest.approx(expected)
        best = max(expected)
        assert expected[row["winner"]] == best
        assert row["losers"] == [index for index, value in enumerate(expected) if best - value > 5]
        assert row["rewards"][-1] == -20  # the wrong title is a format error
    metadata = result.asset_materializations_for_node("preference_pairs")[0].metadata
    assert metadata["usable_share"].value == 1.0
    assert metadata["tokens"].value == 2 * 4 * 3
    assert result.get_asset_check_evaluations()[0].passed


def test_bids_for_conversions_weigh_each_click_by_its_conversion_rate(lake: Lake) -> None:
    plain = lake.read("preference_pairs", PARTITION) if run(lake, "oracle").success else None
    run(lake, "oracle", overrides={"reward.bids_on": "conversions", "reward.conversion_worth": "3"})
    frame = lake.read("preference_pairs", PARTITION)
    assert plain is not None
    assert frame.drop("rewards", "winner", "losers").equals(plain.drop("rewards", "winner", "losers"))
    ads = list(load_ads(lake).values())
    user, buyer = ParametricUser(ads), ParametricBuyer(ads)
    for row, auction in zip(frame.iter_rows(named=True), auctions_of(lake, frame), strict=True):
        clicks = user.click_probabilities(auction, row["answers"][1])
        values = [
            auction.bid_of(ad.ad_id) * 3 * clicks[ad.ad_id] * buyer.probability(auction, ad)
            for ad in auction.candidates
            if ad.ad_id in clicks
        ]
        assert row["rewards"][1] == pytest.approx(sum(values) - 4.0 * len(values))


def test_bids_are_fresh(lake: Lake) -> None:
    run(lake, "oracle")
    bids = [tuple(row) for row in lake.read("preference_pairs", {"arm": "oracle", "iteration": "01"})["bids"]]
    config = ProfileResource(profile="smoke").get()

    def drawn(phase: str) -> list[tuple[int, ...]]:
        auctions = load_auctions(lake, "train", config.bidding, config.seed, "oracle", "01", phase)
        return [auction.bids for auction in auctions]

    assert bids == drawn("preferences")
    assert bids != drawn("feedback")


def test_an_ablation_meets_the_bids_of_what_it_is_compared_with(lake: Lake) -> None:
    config = ProfileResource(profile="smoke").get()

    def bids(arm: str) -> list[tuple[float, ...]]:
        return [auction.bids for auction in preference_auctions(lake, config.of_arm(arm), arm, "01")]

    assert bids("no_iteration") == bids(config.luck_of("no_iteration")) != bids("oracle")


def test_the_phase_draws_as_the_deployed_model_does_unless_told_to_explore() -> None:
    plain = ProfileResource(profile="smoke").get()
    assert exploration(plain) == plain.sampling
    told = {"preferences.temperature": "1.2", "sampling.top_p": "0.7"}
    explored = exploration(ProfileResource(profile="smoke", overrides=told).get())
    assert (explored.temperature, explored.top_p, explored.top_k) == (1.2, 0.7, plain.sampling.top_k)


def test_without_the_reward_model_nothing_is_sampled(lake: Lake) -> None:
    with pytest.raises(ModelStoreError, match="no model pctr/llm_auction/01"):
        run(lake, "llm_auction")
    assert not lake.exists("preference_pairs", {"arm": "llm_auction", "iteration": "01"})


@pytest.mark.parametrize(
    ("share", "passed", "severity"),
    [
        (0.0, False, AssetCheckSeverity.ERROR),
        (0.1, False, AssetCheckSeverity.WARN),
        (0.5, True, AssetCheckSeverity.WARN),
    ],
)
def test_check_of_usable_pairs(share: float, passed: bool, severity: AssetCheckSeverity) -> None:
    result = enough_usable_pairs(share, 100, 10.0)
    assert (result.passed, result.severity) == (passed, severity)
