"""The embedded user: a parametric click model that follows the paper's four criteria (arXiv 2512.10551, section 5.1).

The paper prompts an LLM to judge every inserted ad by relevance, nativeness, competitiveness and flooding. This user
turns the same criteria into a formula, so that click probabilities are known and the best possible reward is computable
(`llm_auction.users.clairvoyant`). For an inserted ad i of an answer y with n inserted ads:

    p_i        = sigmoid(intercept + query_weight * rel(query, i) + profile_weight * rel(profile, i)
                         + nativeness_weight * nativeness(i, y))
    share_i    = p_i / sum of p_j over the ads of the same category in y (at most ONE of them is clicked)
    P(click i) = p_i * share_i / (1 + attention_cost * (n - 1))

and 0 for every ad when n exceeds max_ads or the text talks about the insertion itself. Ads whose catalog names no
category compete with no other. Where tastes drift (`llm_auction.traffic.tastes`), the taste of the day for the ad's
category is added inside the sigmoid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.answers import parse_answer
from llm_auction.market import Ad, Auction
from llm_auction.sentences import mask_answer
from llm_auction.users.nativeness import nativeness
from llm_auction.users.parameters import UserParameters
from llm_auction.users.protocol import Judgement
from llm_auction.users.relevance import Relevance


@dataclass(frozen=True, slots=True)
class Assessment:
    """How one inserted ad stands on each criterion.

    Relevance and nativeness in [0, 1]; `share` is its part of the attention for its category, `attention` the factor
    that all inserted ads divide; `flooded` tells that nothing in this answer is clicked.
    """

    ad_id: str
    group: str
    query_relevance: float
    profile_relevance: float
    nativeness: float
    appeal: float
    share: float
    attention: float
    flooded: bool

    @property
    def probability(self) -> float:
        """P(click i)."""
        return 0.0 if self.flooded else self.appeal * self.share * self.attention


class ParametricUser:
    """The `UserModel` of the embedded default.

    Args:
        ads: the catalog; text similarity, where categories are not known topics, is fitted on it.
        parameters: how strongly each criterion counts.
        tastes: by category, how much its ads are liked beyond what the criteria say, in logits; 0 without one.
    """

    def __init__(
        self,
        ads: Sequence[Ad],
        parameters: UserParameters | None = None,
        tastes: Mapping[str, float] | None = None,
    ) -> None:
        self.parameters = parameters or UserParameters()
        self._tastes = dict(tastes or {})
        self._relevance = Relevance(ads)
        phrases = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in self.parameters.insertion_talk)
        self._insertion_talk = re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE) if phrases else None

    def appeal(self, auction: Auction, ad: Ad, nativeness_of_ad: float = 1.0) -> float:
        """p_i: the click probability of an ad that stands alone in an answer, by default perfectly woven in."""
        query_relevance = self._relevance.to_query(auction.query, ad)
        profile_relevance = self._relevance.to_profile(auction.profile, ad)
        return self._appeal(ad, query_relevance, profile_relevance, nativeness_of_ad)

    def assess(self, auction: Auction, answer: str) -> list[Assessment]:
        """Every inserted ad on every criterion, in reading order."""
        parsed = parse_answer(answer, auction.candidates)
        if not parsed.inserted_ads:
            return []
        masked = mask_answer(answer, parsed)
        native = nativeness(auction, parsed, masked)
        ads = {ad.ad_id: ad for ad in auction.candidates}
        number_of_ads = len(parsed.ad_ids)
        relevance = {
            ad_id: (
                self._relevance.to_query(auction.query, ads[ad_id]),
                self._relevance.to_profile(auction.profile, ads[ad_id]),
            )
            for ad_id in parsed.ad_ids
        }
        appeal = {ad_id: self._appeal(ads[ad_id], *relevance[ad_id], native[ad_id]) for ad_id in parsed.ad_ids}
        group_appeal: dict[str, float] = {}
        for ad_id in parsed.ad_ids:
            group = competition_group(ads[ad_id])
            group_appeal[group] = group_appeal.get(group, 0.0) + appeal[ad_id]
        flooded = number_of_ads > self.parameters.max_ads or self._talks_about_insertion(" ".join(masked.sentences))
        return [
            Assessment(
                ad_id=ad_id,
                group=competition_group(ads[ad_id]),
                query_relevance=relevance[ad_id][0],
                profile_relevance=relevance[ad_id][1],
                nativeness=native[ad_id],
                appeal=appeal[ad_id],
                share=appeal[ad_id] / group_appeal[competition_group(ads[ad_id])],
                attention=self.attention(number_of_ads),
                flooded=flooded,
            )
            for ad_id in parsed.ad_ids
        ]

    def click_probabilities(self, auction: Auction, answer: str) -> dict[str, float]:
        """P(click) by ad id for exactly the inserted ads: the marginals of `judge`."""
        return {assessment.ad_id: assessment.probability for assessment in self.assess(auction, answer)}

    def judge(self, auction: Auction, answer: str, rng: np.random.Generator) -> list[Judgement]:
        """Draw the clicks of one showing: one draw a category, so that at most one of its ads is clicked."""
        assessments = self.assess(auction, answer)
        draws = {group: rng.random() for group in dict.fromkeys(assessment.group for assessment in assessments)}
        clicked: dict[str, str] = {}
        mass = dict.fromkeys(draws, 0.0)
        for assessment in assessments:
            mass[assessment.group] += assessment.probability
            if assessment.group not in clicked and draws[assessment.group] < mass[assessment.group]:
                clicked[assessment.group] = assessment.ad_id
        return [
            Judgement(
                ad_id=assessment.ad_id,
                clicked=clicked.get(assessment.group) == assessment.ad_id,
                probability=assessment.probability,
                reason=self._reason(assessment, clicked.get(assessment.group)),
            )
            for assessment in assessments
        ]

    def judge_all(
        self, auctions: Sequence[Auction], answers: Sequence[str], rngs: Sequence[np.random.Generator]
    ) -> list[list[Judgement]]:
        """`judge` of many answers."""
        return [self.judge(auction, answer, rng) for auction, answer, rng in zip(auctions, answers, rngs, strict=True)]

    def attention(self, number_of_ads: int) -> float:
        """The factor by which `number_of_ads` inserted ads divide the user's attention."""
        return 1.0 / (1.0 + self.parameters.attention_cost * max(number_of_ads - 1, 0))

    def _talks_about_insertion(self, text: str) -> bool:
        """Whether text (its insertions taken out) talks about ads being inserted."""
        return self._insertion_talk is not None and self._insertion_talk.search(text) is not None

    def _appeal(self, ad: Ad, query_relevance: float, profile_relevance: float, nativeness_of_ad: float) -> float:
        parameters = self.parameters
        logit = (
            parameters.intercept
            + parameters.query_weight * query_relevance
            + parameters.profile_weight * profile_relevance
            + parameters.nativeness_weight * nativeness_of_ad
            + self._tastes.get(ad.category, 0.0)
        )
        return float(1.0 / (1.0 + math.exp(-logit)))

    def _reason(self, assessment: Assessment, clicked_in_group: str | None) -> str:
        """The criterion that weighed most, in words."""
        parameters = self.parameters
        if assessment.flooded:
            return "flooding: too many ads, or talk about them, so nothing is clicked"
        gains = {
            "relevance: it answers the question": parameters.query_weight * assessment.query_relevance,
            "relevance: it suits this person": parameters.profile_weight * assessment.profile_relevance,
            "nativeness: it fits the text around it": parameters.nativeness_weight * assessment.nativeness,
        }
        if clicked_in_group == assessment.ad_id:
            return max(gains, key=gains.__getitem__)
        if clicked_in_group is not None:
            return "competitiveness: a similar ad in this answer was clicked instead"
        losses = {
            "relevance: it does not answer the question": parameters.query_weight * (1 - assessment.query_relevance),
            "relevance: it does not suit this person": parameters.profile_weight * (1 - assessment.profile_relevance),
            "nativeness: it jars with the text around it": parameters.nativeness_weight * (1 - assessment.nativeness),
            "competitiveness: a similar ad in this answer divides the attention": -math.log(assessment.share),
            "competitiveness: other ads in this answer divide the attention": -math.log(assessment.attention),
        }
        worst = max(losses, key=losses.__getitem__)
        return worst if losses[worst] > 0 else "nothing against it, just not this time"


def competition_group(ad: Ad) -> str:
    """Ads of one group compete for one click: those of a category; an ad without a category is a group by itself."""
    return ad.category or f"\x1f{ad.ad_id}"
