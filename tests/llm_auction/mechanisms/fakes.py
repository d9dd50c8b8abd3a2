"""A generation engine that writes scripted answers, and small auctions to run mechanisms on."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import generator

ADS = tuple(
    Ad(str(number), f"Thing {number}", category)
    for number, category in enumerate(("hiking boots", "camping gear", "hair care", "yoga mats", "bicycles", "kayaks"))
)
SAMPLING = SamplingConfig()


def auctions(count: int, seed: int = 0) -> list[Auction]:
    """Auctions of six ads with random bids, on the topics of the bundled world."""
    rng = np.random.default_rng(seed)
    return [
        Auction(
            Query(f"q{number}", "u", "What helps on muddy trails?", ADS[number % len(ADS)].category),
            UserProfile("u", "someone", ("kayaks",)),
            ADS,
            tuple(int(bid) for bid in rng.integers(1, 101, len(ADS))),
        )
        for number in range(count)
    ]


class ScriptedEngine:
    """Inserts random ads among those that the prompt lists, with a token count that differs from answer to answer."""

    seconds_saved = 0.0

    def __init__(self) -> None:
        self.prompts: list[Messages] = []
        self.answers_asked = 0
        self.tokens_made = 0

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        self.prompts.extend(prompts)
        batch = [
            [self._answer(prompt, generator(seed, index, answer)) for answer in range(answers_per_prompt)]
            for index, prompt in enumerate(prompts)
        ]
        self.answers_asked += len(prompts) * answers_per_prompt
        self.tokens_made += sum(len(answer.token_ids) for answers in batch for answer in answers)
        if on_progress is not None:
            on_progress(len(prompts) * answers_per_prompt, len(prompts) * answers_per_prompt)
        return batch

    @staticmethod
    def offered(prompt: Messages) -> list[tuple[str, str]]:
        """Title and id of the ads in a prompt."""
        asked = next(message["content"] for message in prompt if message["role"] == "user")
        return re.findall(r'"title": "(?P<title>[^"]*)", "id": "(?P<id>[^"]*)"', asked)

    def _answer(self, prompt: Messages, rng: np.random.Generator) -> GeneratedAnswer:
        offered = self.offered(prompt)
        chosen = [offered[index] for index in rng.permutation(len(offered))[: rng.integers(0, 4)]]
        sentences = [f"On muddy trails many like to have @{title}@[{ad_id}] with them." for title, ad_id in chosen]
        text = " ".join(["Muddy trails ask for a firm grip.", *sentences])
        if rng.random() < 0.2:
            text += " @Broken@[Ad-0]"
        return GeneratedAnswer(text, tuple(range(int(rng.integers(5, 60)))), -1.0, True)
