"""The off-policy report on a log of policies whose probabilities are known: three possible answers, two ads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, ExecuteInProcessResult, RunConfig, materialize

from assets.off_policy_gate import refuse_unproven
from assets.off_policy_report import OffPolicyRequest, off_policy_report
from assets.refused_days import GUARDS
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.language_encoder import EncoderPlacement
from llm_auction.pctr.model import PctrModel
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator
from resources.champion import Champion
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.warehouse import Warehouse
from tests.feedback_lake import small_lake

TEXTS = ("Just this.", "Try @Title a0@[Ad-a0].", "Try @Title a1@[Ad-a1].")
BIDS = [10.0, 40.0, 1.0]
CLICKS = (0.0, 0.5, 0.5)  # of the ad in each text
DEPLOYED = (0.2, 0.5, 0.3)
BETTER = (0.1, 0.3, 0.6)
WORSE = (0.5, 0.4, 0.1)
FAR = (0.0, 0.0, 1.0)
ANSWERS = 600
PENALTY = 4.0
TODAY = date(2026, 1, 8)


class KnownPolicy:
    """Writes text i with probability `probabilities[i]`, whatever the prompt; a text is one token."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.probabilities = probabilities

    def tokens_of(self, answer: str, *, finished: bool = True) -> list[int]:
        return [TEXTS.index(answer)] if finished else []

    def log_probabilities(
        self, prompts: Sequence[Messages], answers: Sequence[Any], sampling: SamplingConfig | None = None
    ) -> list[list[float]]:
        p = self.probabilities
        return [[math.log(p[token]) if p[token] else -math.inf for (token,) in group] for group in answers]

    def sample(
        self, prompts: Sequence[Messages], copies: int, sampling: SamplingConfig, seed: int, on_progress: object = None
    ) -> list[list[GeneratedAnswer]]:
        rng = generator(seed, "known policy")
        drawn = rng.choice(len(TEXTS), p=self.probabilities, size=(len(prompts), copies))
        return [[GeneratedAnswer(TEXTS[i], (int(i),), -1.0, True) for i in group] for group in drawn]


class KnownPolicyEngine(EngineResource):
    def scorer(self, model_dir: Path | str) -> KnownPolicy:  # type: ignore[override]
        return KnownPolicy(json.loads((Path(model_dir) / "config.json").read_text()))


class HalfClicks:
    """A reward model: every ad is clicked half of the time."""

    def predict(self, impressions: Sequence[Impression]) -> np.ndarray:
        return np.full(len(impressions), 0.5)


def load(path: Path, encoder_runs: EncoderPlacement) -> HalfClicks:
    assert json.loads((path / "config.json").read_text()) == "half"
    return HalfClicks()


def publish(store: ModelStore, kind: str, pointer: str, content: object, **metadata: str) -> str:
    return store.publish(
        kind, pointer, lambda folder: (folder / "config.json").write_text(json.dumps(content)) and None, metadata
    ).version


def promote(store: ModelStore, kind: str, pointer: str) -> None:
    champion = Champion(store, kind)
    current = champion.current()
    champion.promote(store.resolve(kind, pointer), "", instead_of=None if current is None else current.version)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of `DEPLOYED` over two days, three answers a user, and candidates in the store."""
    small_lake(tmp_path)
    store = ModelStore(data_dir=str(tmp_path))
    version = publish(store, "ad_llm", "base", DEPLOYED)
    for name, probabilities in {"better": BETTER, "worse": WORSE, "far": FAR}.items():
        publish(store, "ad_llm", name, probabilities)
    for day, content in (("2026-01-04", "half"), ("2026-01-06", "knows the window")):
        publish(store, "pctr", f"nightly/{day}", content, day=day)
        promote(store, "pctr", f"nightly/{day}")
    monkeypatch.setattr(PctrModel, "load", load)
    rng = np.random.default_rng(0)
    drawn = rng.choice(3, p=DEPLOYED, size=ANSWERS)
    rows = [
        {
            "day": date(2026, 1, 5 + index % 2),
            "response_id": f"r{index}",
            "policy_version": version,
            "query_id": f"q{index}",
            "query": "What?",
            "user_id": f"u{index // 3}",
            "profile": "Someone.",
            "candidate_ad_ids": ["a0", "a1", "a2"],
            "bids": BIDS,
            "answer": TEXTS[i],
            "logprob": math.log(DEPLOYED[i]),
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "revenue": float(rng.random() < CLICKS[i]) * (0.0, BIDS[0], BIDS[1])[i],
            "is_excluded": False,
        }
        for index, i in enumerate(drawn)
    ]
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.register("frame", pl.DataFrame(rows).to_arrow())
        connection.execute("create table fct_click_log_responses as select * from frame")
    return tmp_path


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def report(data_dir: Path, candidate: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    directory = str(data_dir)
    return materialize(
        [off_policy_report],
        instance=instance,
        run_config=RunConfig(ops={"off_policy_report": OffPolicyRequest(candidate=candidate)}),
        resources={
            "lake": Lake(data_dir=directory),
            "warehouse": Warehouse(data_dir=directory),
            "model_store": ModelStore(data_dir=directory),
            "engine": KnownPolicyEngine(data_dir=directory),
            "profile": ProfileResource(profile="smoke"),
        },
        raise_on_error=False,
    )


def error_of(result: ExecuteInProcessResult) -> str:
    assert not result.success
    return " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def change(data_dir: Path, sql: str) -> None:
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute(sql)


def test_a_better_candidate_is_estimated_and_may_be_deployed(data_dir: Path, instance: DagsterInstance) -> None:
    result = report(data_dir, "better", instance)
    assert result.success
    lake, version = Lake(data_dir=str(data_dir)), ModelStore(data_dir=str(data_dir)).resolve("ad_llm", "better").version
    table = lake.read("off_policy_report", {"candidate": version})
    assert table.height == 8
    assert set(table["outcome"]) == {"revenue", "reward"}
    earned = sum(p * c * b for p, c, b in zip(BETTER, CLICKS, (0.0, BIDS[0], BIDS[1]), strict=True))
    truth = {"revenue": earned, "reward": earned - PENALTY * (1 - BETTER[0])}
    for row in table.iter_rows(named=True):
        assert row["low"] <= truth[row["outcome"]] <= row["high"], row
        assert row["gain"] == pytest.approx(row["value"] - row["logged"])
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert metadata["answers_used"].value == metadata["answers_read"].value == ANSWERS
    assert 100 < metadata["effective_samples"].value < 200 == metadata["users"].value
    assert all(check.passed for check in result.get_asset_check_evaluations())
    prove(data_dir, "better")


def prove(data_dir: Path, candidate: str, today: date = TODAY) -> None:
    lake, store = Lake(data_dir=str(data_dir)), ModelStore(data_dir=str(data_dir))
    refuse_unproven(lake, store, store.resolve("ad_llm", candidate).version, max_age_days=14, today=today)


def test_a_report_says_what_it_rests_on(data_dir: Path, instance: DagsterInstance) -> None:
    result = report(data_dir, "better", instance)
    lake, store = Lake(data_dir=str(data_dir)), ModelStore(data_dir=str(data_dir))
    base, reward_model = store.resolve("ad_llm", "base"), store.resolve("pctr", "nightly/2026-01-04")
    table = lake.read("off_policy_report", {"candidate": store.resolve("ad_llm", "better").version})
    basis = table.select("first_day", "last_day", "policies", "temperature", "top_p", "top_k", "reward_model")
    days = (date(2026, 1, 5), date(2026, 1, 6))
    assert set(basis.with_columns(pl.col("policies").list.join(",")).rows()) == {
        (*days, base.version, 0.7, 0.8, 20, reward_model.version)
    }
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert (metadata["policies"].value, metadata["reward_model"].value) == (base.version, reward_model.version)


def test_a_report_on_an_old_log_proves_nothing(data_dir: Path, instance: DagsterInstance) -> None:
    report(data_dir, "better", instance)
    prove(data_dir, "better", date(2026, 1, 20))
    with pytest.raises(ValueError, match=r"ended on 2026-01-06, 15 days ago, and off_policy.max_report_age_days .* 14"):
        prove(data_dir, "better", date(2026, 1, 21))


def test_a_report_on_the_log_of_another_than_the_deployed_one_proves_nothing(
    data_dir: Path, instance: DagsterInstance
) -> None:
    store = ModelStore(data_dir=str(data_dir))
    report(data_dir, "better", instance)
    promote(store, "ad_llm", "worse")
    base, worse = store.resolve("ad_llm", "base").version, store.resolve("ad_llm", "worse").version
    with pytest.raises(ValueError, match=f"compares it with {base}, which wrote its log, and {worse} is deployed"):
        prove(data_dir, "better")
    change(data_dir, f"update fct_click_log_responses set policy_version = '{worse}' where response_id in ('r0', 'r1')")
    report(data_dir, "better", instance)
    with pytest.raises(ValueError, match=f"compares it with {', '.join(sorted((base, worse)))}, which wrote its log"):
        prove(data_dir, "better")


def test_a_report_that_does_not_say_what_it_rests_on_proves_nothing(data_dir: Path) -> None:
    """As those of earlier versions."""
    version = ModelStore(data_dir=str(data_dir)).resolve("ad_llm", "better").version
    Lake(data_dir=str(data_dir)).write("off_policy_report", pl.DataFrame({"passed": [True]}), {"candidate": version})
    with pytest.raises(ValueError, match="does not say what log it rests on"):
        prove(data_dir, "better")


@pytest.mark.parametrize("arm", ["", "production"])
def test_without_a_reward_model_from_before_the_window_nothing_is_doubly_robust(
    data_dir: Path, instance: DagsterInstance, arm: str
) -> None:
    store = ModelStore(data_dir=str(data_dir))
    if arm:
        publish(store, "pctr", f"{arm}/01", "learnt from this log", arm=arm)
        promote(store, "pctr", f"{arm}/01")
    else:
        change(data_dir, "update fct_click_log_responses set day = day - 1")
    result = report(data_dir, "better", instance)
    table = Lake(data_dir=str(data_dir)).read(
        "off_policy_report", {"candidate": store.resolve("ad_llm", "better").version}
    )
    assert set(table["estimator"]) == {"ips", "self_normalised", "clipped"}
    verdict = {check.check_name: check for check in result.get_asset_check_evaluations()}["not_worse_than_the_log"]
    assert not verdict.passed and "no reward model that served before 2026-01-0" in str(verdict.description)
    with pytest.raises(ValueError, match="not doubly robust, since no reward model that served before"):
        prove(data_dir, "better")


def test_a_worse_candidate_is_not_deployed(data_dir: Path, instance: DagsterInstance) -> None:
    result = report(data_dir, "worse", instance)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["not_worse_than_the_log"].passed
    assert checks["log_covers_the_candidate"].passed
    with pytest.raises(ValueError, match="speaks against Ad-LLM"):
        prove(data_dir, "worse")
    with pytest.raises(ValueError, match="no off-policy estimate of Ad-LLM"):
        prove(data_dir, "far")


def test_a_candidate_too_far_from_the_log_gets_no_estimate(data_dir: Path, instance: DagsterInstance) -> None:
    change(data_dir, "delete from fct_click_log_responses where hash(response_id) % 4 > 0")
    assert "effective samples for this candidate" in error_of(report(data_dir, "far", instance))
    assert not list((data_dir / "lake").glob("off_policy_report/*"))


def test_a_log_that_its_policy_does_not_reproduce_is_refused(data_dir: Path, instance: DagsterInstance) -> None:
    change(data_dir, "update fct_click_log_responses set logprob = logprob - 1 where hash(response_id) % 3 = 0")
    text = error_of(report(data_dir, "better", instance))
    assert "of 600 logged answers are not what their policy gives" in text
    assert "max_unreproduced_share allows 10%" in text


def test_a_policy_that_is_not_in_the_store_is_named(data_dir: Path, instance: DagsterInstance) -> None:
    change(data_dir, "update fct_click_log_responses set policy_version = 'v0'")
    assert "no version v0 of ad_llm" in error_of(report(data_dir, "better", instance))


def test_answers_with_ads_that_left_the_catalog_are_left_out(data_dir: Path, instance: DagsterInstance) -> None:
    change(
        data_dir,
        "update fct_click_log_responses set candidate_ad_ids = ['a0', 'gone', 'a1'] where response_id in ('r1', 'r2')",
    )
    result = report(data_dir, "better", instance)
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert (metadata["answers_read"].value, metadata["answers_used"].value) == (ANSWERS, ANSWERS - 2)


def test_a_day_that_a_guard_refused_is_left_out(data_dir: Path, instance: DagsterInstance) -> None:
    guard = GUARDS[0]
    verdict = AssetCheckEvaluation(guard.asset_key, guard.name, False, {}, partition="2026-01-06")
    instance.report_runless_asset_event(verdict)
    change(data_dir, "update fct_click_log_responses set policy_version = 'broken' where day = '2026-01-06'")
    change(data_dir, "update fct_click_log_responses set user_id = response_id")
    result = report(data_dir, "better", instance)
    assert result.success
    metadata = result.asset_materializations_for_node("off_policy_report")[0].metadata
    assert metadata["answers_read"].value == ANSWERS / 2
    assert (metadata["window"].value, metadata["days_left_out"].value) == ("2026-01-05 to 2026-01-06", "2026-01-06")


def test_a_window_without_answers_is_a_clear_error(data_dir: Path, instance: DagsterInstance) -> None:
    change(data_dir, "delete from fct_click_log_responses")
    assert "fct_click_log_responses is empty" in error_of(report(data_dir, "better", instance))
