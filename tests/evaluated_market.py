"""A small market that is ready to be evaluated, and an engine that writes answers by rule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, materialize

import assets.mechanism_runs
from assets.frames import ads_to_frame
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.mechanisms import clicks_from_user
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator
from llm_auction.users import ParametricUser
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from tests.synthetic_study import catalog, synthetic_auctions, synthetic_profile

QUERIES = 12
OVERRIDES = {
    "evaluation.test_queries": "10",
    "evaluation.answers_per_query": "2",
    "evaluation.mosaic_candidates": "4",
    "evaluation.mosaic_taus": "[1, 10]",
    "evaluation.best_of": "[1, 4]",
    "evaluation.bootstrap_resamples": "100",
    "properties.bid_answers": "6",
    "properties.continuity_answers": "6",
    "properties.best_response_answers": "3",
    "properties.best_response_queries": "8",
}


class RuleEngine:
    """Inserts the ad of highest bid with the model's skill as probability, else any ad."""

    seconds_saved = 0.0

    def __init__(self, skill: float) -> None:
        self.skill = skill

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: object = None,
    ) -> list[list[GeneratedAnswer]]:
        return [
            [self._answer(prompt, generator(seed, index, k)) for k in range(answers_per_prompt)]
            for index, prompt in enumerate(prompts)
        ]

    def tokens_of(self, answer: str, *, finished: bool = True) -> list[int]:
        return list(range(len(answer.split())))

    def log_probabilities(
        self, prompts: Sequence[Messages], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[float]]:
        """Every answer is as likely as it says itself."""
        return [[-1.0 for _ in group] for group in answers]

    def _answer(self, prompt: Messages, rng: np.random.Generator) -> GeneratedAnswer:
        asked = next(message["content"] for message in prompt if message["role"] == "user")
        lines = [json.loads(line) for line in asked.splitlines() if line.startswith("{")]
        if not lines:
            return GeneratedAnswer("Nothing fits.", tuple(range(5)), -1.0, True)
        ad = lines[rng.integers(len(lines))]
        if rng.random() < self.skill:
            ad = max(lines, key=lambda line: line.get("bid", 0))
        text = f"Many people like @{ad['title']}@[{ad['id']}] for this, and so may you."
        return GeneratedAnswer(text, tuple(range(15)), -1.0, True)


class RuleEngineResource(EngineResource):
    def open(self, model_dir: Path | str, *, log_probabilities: bool = True) -> RuleEngine:
        return RuleEngine(float((Path(model_dir) / "skill.json").read_text()))

    def scorer(self, model_dir: Path | str) -> RuleEngine:  # type: ignore[override]
        return self.open(model_dir)


def build_market(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake with the market, a store with a base model and two iterations, and a perfect reward model."""
    lake, store = Lake(data_dir=str(folder)), ModelStore(data_dir=str(folder))
    auctions = synthetic_auctions(synthetic_profile(queries=QUERIES))
    lake.write("ad_catalog", ads_to_frame(catalog()))
    users = {auction.profile.user_id: auction.profile for auction in auctions}
    lake.write(
        "user_profiles",
        pl.DataFrame(
            [
                {"user_id": u.user_id, "text": u.text, "interests": list(u.interests), "split": "test"}
                for u in users.values()
            ],
            schema={"user_id": pl.String, "text": pl.String, "interests": pl.List(pl.String), "split": pl.String},
        ),
    )
    queries = [auction.query for auction in auctions]
    lake.write(
        "user_queries",
        pl.DataFrame(
            [
                {"query_id": q.query_id, "user_id": q.user_id, "text": q.text, "category": None, "split": "test"}
                for q in queries
            ],
            schema_overrides={"category": pl.String},
        ),
    )
    lake.write(
        "ad_candidates",
        pl.DataFrame(
            [
                {"query_id": one.query.query_id, "ad_ids": [ad.ad_id for ad in one.candidates], "split": "test"}
                for one in auctions
            ]
        ),
    )
    policy = publish(store, "base", 0.0)
    for iteration, skill in {"01": 0.5, "02": 1.0}.items():
        policy = publish_iteration(store, "llm_auction", iteration, skill, policy)
    perfect = clicks_from_user(ParametricUser(catalog()))
    monkeypatch.setattr(assets.mechanism_runs, "load_reward_model", lambda profile, folder: perfect)


def publish(store: ModelStore, pointer: str, skill: float, parent: str | None = None) -> str:
    """An Ad-LLM of some skill, trained on the version `parent`; returns its own version."""
    return store.publish(
        "ad_llm", pointer, lambda aside: (aside / "skill.json").write_text(str(skill)), {"parent": parent}
    ).version


def publish_iteration(store: ModelStore, arm: str, iteration: str, skill: float, policy: str) -> str:
    """What an iteration leaves in the store when the Ad-LLM `policy` was deployed; returns the new Ad-LLM's version."""
    publish_reward_model(store, arm, iteration, policy)
    return publish(store, f"{arm}/{iteration}", skill, policy)


def publish_reward_model(store: ModelStore, arm: str, iteration: str, policy: str) -> None:
    """A reward model, fitted on answers of the Ad-LLM `policy`."""
    metrics = {"auc": 0.8, "after/auc": 0.79, "after/bayes_auc": 0.85, "after/ece": 0.02, "after/n": 300.0}
    store.publish(
        "pctr",
        f"{arm}/{iteration}",
        lambda aside: (aside / "config.json").write_text(f"{iteration} {policy}"),
        {"policy": policy, "metrics": {**metrics, "before/auc": 0.75, "split": "users"}},
    )


def run(
    data_dir: Path,
    asset: object,
    instance: DagsterInstance,
    partition: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> ExecuteInProcessResult:
    return materialize(
        [asset],  # type: ignore[list-item]
        partition_key=partition,
        instance=instance,
        raise_on_error=True,
        resources={
            "lake": Lake(data_dir=str(data_dir)),
            "model_store": ModelStore(data_dir=str(data_dir)),
            "profile": ProfileResource(profile="smoke", overrides={**OVERRIDES, **(overrides or {})}),
            "engine": RuleEngineResource(data_dir=str(data_dir)),
            "user_model": UserModelResource(profile=ProfileResource(profile="smoke"), data_dir=str(data_dir)),
        },
    )
