"""The checks of a tuned Ad-LLM: its mean reward is over the answers that the User-LLM judged."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from dagster import DagsterInstance, asset, materialize

from assets.ad_llm_checks import ad_llm_tuning_checks
from assets.frames import load_auctions
from assets.partitions import irpo_key, irpo_partitions
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.profiles.schema import SamplingConfig
from resources.engines import EngineResource
from resources.lake import Lake
from resources.model_store import ModelStore
from resources.profile import ProfileResource
from resources.user_model import UserModelResource
from tests.evaluated_market import build_market, publish
from tests.faulty_server import faulty_server

UNJUDGED = "a text that the user can't judge"


class FirstAdEngine(EngineResource):
    """Of the answers to a prompt the first shows its first ad, the second too but unreadably, the others none."""

    def open(self, model_dir: Path | str, *, log_probabilities: bool = True) -> Any:
        return self

    def sample(
        self, prompts: Sequence[Messages], count: int, sampling: SamplingConfig, seed: int, on_progress: Any = None
    ) -> list[list[GeneratedAnswer]]:
        answers = []
        for prompt in prompts:
            ad = json.loads(next(line for line in prompt[-1]["content"].splitlines() if line.startswith("{")))
            shown = f"Many like @{ad['title']}@[{ad['id']}] for this"
            texts = [f"{shown}.", f"{shown}, {UNJUDGED}.", *["Nothing fits."] * (count - 2)]
            answers.append([GeneratedAnswer(text, (1, 2), -1.0, True) for text in texts])
        return answers


@asset(name="ad_llm", partitions_def=irpo_partitions)
def trained() -> None:
    """What the checks belong to; the model itself is in the store already."""


def reply(body: dict[str, Any]) -> str:
    """Every link is clicked, where the answer can be judged."""
    talk = "\n".join(message["content"] for message in body["messages"])
    links = re.search(r"The links in it: (.*)", talk)
    if UNJUDGED in talk or links is None:
        return "I can't."
    verdicts = [{"ad_id": link["ad_id"], "clicked": True, "reason": "Relevance"} for link in json.loads(links[1])]
    return json.dumps({"judgements": verdicts})


def test_the_mean_is_over_judged_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_market(tmp_path, monkeypatch)
    lake, store = Lake(data_dir=str(tmp_path)), ModelStore(data_dir=str(tmp_path))
    publish(store, "oracle/01", 1.0)
    with faulty_server(reply) as server:
        profile = ProfileResource(profile="smoke", overrides={"user.model": "judge", "user.url": server.url})
        with DagsterInstance.ephemeral() as instance:
            result = materialize(
                [trained, ad_llm_tuning_checks],
                partition_key=irpo_key("oracle", "01"),
                instance=instance,
                resources={
                    "lake": lake,
                    "model_store": store,
                    "profile": profile,
                    "engine": FirstAdEngine(profile=profile, data_dir=str(tmp_path)),
                    "user_model": UserModelResource(profile=profile, data_dir=str(tmp_path)),
                },
            )
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    config = profile.get().of_arm("oracle")
    auctions = load_auctions(lake, "test", config.bidding, config.seed, "oracle", "01", "check")
    # One of four answers is unjudged: the other three are a clicked ad, at its price, and two without ads.
    expected = fmean((auction.bids[0] - config.reward.ad_weight) / 3 for auction in auctions)
    metadata = checks["tuned_against_base"].metadata
    assert metadata["reward_tuned"].value == pytest.approx(expected, abs=0.01)
    assert metadata["reward_start"].value == metadata["reward_tuned"].value
    assert checks["answer_diversity"].passed and checks["tuned_against_base"].passed
