"""How much an answer says and how often it says the same: what a guard on answer quality looks at.

Optimised for ads, answers grow longer and repeat themselves (docs/experiments.md). The paper has no term against
either; these price both in the reward, where the profile says so (`llm_auction.objective.Penalty`).
"""

from __future__ import annotations

from llm_auction.answers import readable
from llm_auction.pctr.encoders import words


def excess_words(answer: str, free: int) -> int:
    """Words beyond `free` of an answer as a person reads it: inserted ads count by their titles."""
    return max(0, len(words(readable(answer))) - free)


def repeated_share(text: str) -> float:
    """The share of word triples that stood in the text before; 0 for fewer than two triples."""
    tokens = words(text)
    triples = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0
