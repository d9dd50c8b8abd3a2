"""The parameters of the parametric user, fixed before any mechanism was tuned."""

from __future__ import annotations

from dataclasses import dataclass, fields

# Text that talks about the insertion itself (the paper's flooding criterion: "much text about ad insertion"). Matched
# without regard to case, at word boundaries, in the answer's text without its insertions.
INSERTION_TALK = (
    "sponsored",
    "sponsor",
    "advertisement",
    "advertisements",
    "advertising",
    "advertiser",
    "advert",
    "ad insertion",
    "as an ad",
    "this ad",
    "an ad for",
    "inserted",
    "promoted content",
    "promotional content",
    "paid placement",
    "paid partnership",
    "affiliate link",
    "buy now",
    "order now",
    "shop now",
    "click here",
    "click the link",
    "click on the link",
)


# Parameters beyond this make probabilities that a float can't tell from 0 or 1.
LARGEST = 50.0


@dataclass(frozen=True, slots=True)
class UserParameters:
    """How strongly each of the paper's four criteria moves the user (arXiv 2512.10551, section 5.1).

    The logit of a click on one inserted ad, by itself, in an answer, is
    `intercept + query_weight * rel(query, ad) + profile_weight * rel(profile, ad) + nativeness_weight * nativeness`,
    each factor in [0, 1]. The best ad for a question is clicked with probability 0.90, the same ad badly woven in with
    0.60, and an unrelated one, perfectly woven in, with 0.10.

    Attributes:
        intercept: logit of an ad that fits nothing.
        query_weight: relevance to the question.
        profile_weight: relevance to identity and interests.
        nativeness_weight: how well the ad is woven into the text around it.
        attention_cost: each further inserted ad divides the attention for every ad: 1 / (1 + attention_cost * (n - 1)).
        max_ads: more inserted ads than this flood the answer: nothing is clicked.
        insertion_talk: phrases that talk about the insertion itself: nothing is clicked.

    Raises:
        ValueError: a value that would turn a criterion upside down; the message names the field.
    """

    intercept: float = -4.0
    query_weight: float = 3.2
    profile_weight: float = 1.2
    nativeness_weight: float = 1.8
    attention_cost: float = 0.12
    max_ads: int = 4
    insertion_talk: tuple[str, ...] = INSERTION_TALK

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not abs(value) <= LARGEST:
                raise ValueError(f"user parameter {field.name} must lie within +-{LARGEST:g}, got {value}")
        for name in ("query_weight", "profile_weight", "nativeness_weight", "attention_cost"):
            if getattr(self, name) < 0:
                raise ValueError(f"user parameter {name} must be >= 0, got {getattr(self, name)}")
        if self.max_ads < 1:
            raise ValueError(f"user parameter max_ads must be >= 1, got {self.max_ads}")
        if any(not phrase.strip() for phrase in self.insertion_talk):
            raise ValueError("user parameter insertion_talk must not hold an empty phrase")
