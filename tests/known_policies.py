"""A log of a policy whose probabilities are known, and off-policy reports on it: three possible answers, two ads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from dagster import DagsterInstance, ExecuteInProcessResult, RunConfig, materialize

from assets.off_policy_report import OffPolicyRequest, off_policy_report
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.language_encoder import EncoderPlacement
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
    """A checkpoint of it is its probabilities."""

    def scorer(self, model_dir: Path | str) -> KnownPolicy:  # type: ignore[override]
        return KnownPolicy(json.loads((Path(model_dir) / "config.json").read_text()))


class HalfClicks:
    """A reward model: every ad is clicked half of the time."""

    def predict(self, impressions: Sequence[Impression]) -> np.ndarray:
        return np.full(len(impressions), 0.5)


def load_reward_model(path: Path, encoder_runs: EncoderPlacement) -> HalfClicks:
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


def write_known_log(data_dir: Path) -> None:
    """A log of `DEPLOYED` over two days, three answers a user, and candidates in the store."""
    small_lake(data_dir)
    store = ModelStore(data_dir=str(data_dir))
    version = publish(store, "ad_llm", "base", DEPLOYED)
    for name, probabilities in {"better": BETTER, "worse": WORSE, "far": FAR}.items():
        publish(store, "ad_llm", name, probabilities)
    for day, content in (("2026-01-04", "half"), ("2026-01-06", "knows the window")):
        publish(store, "pctr", f"nightly/{day}", content, day=day)
        promote(store, "pctr", f"nightly/{day}")
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
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.register("frame", pl.DataFrame(rows).to_arrow())
        connection.execute("create table fct_click_log_responses as select * from frame")
        connection.execute(
            "create table fct_click_log_impressions as select day, response_id, revenue, false as is_excluded "
            f"from frame where answer <> '{TEXTS[0]}'"
        )


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


def change(data_dir: Path, sql: str) -> None:
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute(sql)
