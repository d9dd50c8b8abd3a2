"""The prompt of the Ad-LLM: profile, question and candidate ads with their bids (arXiv 2512.10551, section 5.1).

Profile and question stand before the ads, and in each ad's line the bid before the category and both before the title:
a causal model then knows what an ad is worth to this user at the very token from which it would copy the ad's category
or title, whichever its sentence names first.

Texts of ads and users are untrusted. They are written as JSON strings or on one line, and a chat marker such as
`<|im_end|>` inside them is broken up, so that they can't end the message they stand in.
"""

from __future__ import annotations

from llm_auction.answers import AD_ID_PREFIX
from llm_auction.market import Ad, Auction
from llm_auction.prompts.templates import Messages, as_json, one_line, render


def render_messages(auction: Auction, template: str = "ad_llm_v1", *, show_bids: bool = True) -> Messages:
    """The chat messages that ask the Ad-LLM for one answer.

    Args:
        auction: query, profile, candidates and bids; the candidates are listed in their order.
        template: name of a versioned template, a folder of `llm_auction/prompts/` with `system.txt` and `user.txt`.
        show_bids: False leaves the bids out (MOSAIC's candidates must not depend on them).

    Raises:
        ValueError: there is no such template.
    """
    ads = "\n".join(
        _ad_line(ad, bid if show_bids else None) for ad, bid in zip(auction.candidates, auction.bids, strict=True)
    )
    return render(
        "ad_llm", template, profile=one_line(auction.profile.text), question=one_line(auction.query.text), ads=ads
    )


def _ad_line(ad: Ad, bid: float | None) -> str:
    fields: dict[str, str | float] = {} if bid is None else {"bid": bid}
    return as_json(fields | {"category": ad.category, "title": ad.title, "id": AD_ID_PREFIX + ad.ad_id})
