"""The prompts of the User-LLM: clicks on inserted ads, questions of a profile, and the quality of an answer.

Our own words for what the paper asks of it (arXiv 2512.10551, section 5.1); the scales of the quality judge are those
of GEM-Bench (arXiv 2509.14221).
"""

from __future__ import annotations

from collections.abc import Sequence

from llm_auction.answers import AD_ID_PREFIX
from llm_auction.market import Ad, Auction, UserProfile
from llm_auction.prompts.templates import Messages, as_json, one_line, render


def click_judge_messages(auction: Auction, answer: str, inserted: Sequence[Ad], template: str) -> Messages:
    """Asks which of the `inserted` ads of `answer` the user of the auction clicks."""
    links = [{"ad_id": AD_ID_PREFIX + ad.ad_id, "title": ad.title} for ad in inserted]
    return render(
        "click_judge",
        template,
        profile=one_line(auction.profile.text),
        question=one_line(auction.query.text),
        answer=as_json(answer),
        links=as_json(links),
    )


def query_writer_messages(profile: UserProfile, count: int, template: str) -> Messages:
    """Asks for `count` distinct, safe questions that follow from the profile."""
    return render("query_writer", template, profile=one_line(profile.text), count=str(count))


def quality_judge_messages(auction: Auction, answer: str, template: str) -> Messages:
    """Asks how good `answer` is for the user of the auction, whatever its ads earn."""
    return render(
        "quality_judge",
        template,
        profile=one_line(auction.profile.text),
        question=one_line(auction.query.text),
        answer=as_json(answer),
    )
