"""Ad fidelity: does the text around an ad contradict it, or invent attributes that the ad does not have?

The paper leaves it open (arXiv 2512.10551: the text around a title is never checked against the ad). This is a measure
from the texts alone, the same for any catalog and any model. What an ad says of itself is its title, category,
description and advertiser. In the sentence that carries ad i, insertions taken out, a statement about it is

    borrowed    a word that describes a candidate of another category, and neither ad i nor any candidate of its
                category: the sentence says of this ad what is true of another (a contradiction)
    invented    a number, or a word of `CLAIMS`, that ad i does not say of itself; numbers of the question are its own
    backed      a word or number that ad i says of itself

    infidelity(i) = (borrowed + invented) / (borrowed + invented + backed),    0 without any statement

each in distinct stems. Words that describe no candidate and claim nothing, and words of `RECOMMENDING`, say nothing
about the ad. It reads words, not meaning: a paraphrase is not recognised as backed, nor a denial as a contradiction.
"""

from __future__ import annotations

import re

from llm_auction.answers import ParsedAnswer
from llm_auction.market import Ad, Auction
from llm_auction.sentences import content_stems, mask_answer

# Words that promise something which the ad itself must say: offers, assurances, absolute properties.
CLAIMS = content_stems(
    """
    free discount sale cheapest refund bargain voucher coupon guarantee guaranteed warranty certified patented tested
    proven clinically award winning official approved bestselling unlimited lifetime exclusive original
    waterproof fireproof unbreakable organic vegan handmade recyclable sustainable hypoallergenic
    """
)
# What recommends any ad: no statement about it, though some candidate may use the word of itself.
RECOMMENDING = content_stems("people person everyone often pick choose choice care worth look solid perfect nice start")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def infidelity(auction: Auction, parsed: ParsedAnswer) -> dict[str, float]:
    """Infidelity in [0, 1] of the text around each inserted ad, by ad id.

    Args:
        auction: supplies the question and what the candidates say of themselves.
        parsed: the answer, as `parse_answer` read it.
    """
    if not parsed.inserted_ads:
        return {}
    masked = mask_answer(parsed.text, parsed)
    said = {ad.ad_id: _stems(ad) for ad in auction.candidates}
    ads = {ad.ad_id: ad for ad in auction.candidates}
    asked = frozenset(_NUMBER.findall(auction.query.text))
    found = {}
    for inserted, place in zip(parsed.inserted_ads, masked.places, strict=True):
        ad, sentence = ads[inserted.ad_id], masked.sentences[place]
        stems = content_stems(sentence) - RECOMMENDING
        numbers = frozenset(_NUMBER.findall(sentence)) - asked
        own, own_numbers = said[ad.ad_id], frozenset(_NUMBER.findall(_text(ad)))
        kin, others = own, frozenset[str]()
        for other in auction.candidates:
            if ad.category and other.category == ad.category:
                kin |= said[other.ad_id]
            elif other.ad_id != ad.ad_id:
                others |= said[other.ad_id]
        unbacked = len((stems & others) - kin | (stems & CLAIMS) - own) + len(numbers - own_numbers)
        backed = len(stems & own) + len(numbers & own_numbers)
        found[ad.ad_id] = unbacked / (unbacked + backed) if unbacked else 0.0
    return found


def _stems(ad: Ad) -> frozenset[str]:
    return content_stems(_text(ad))


def _text(ad: Ad) -> str:
    return f"{ad.title} {ad.category} {ad.description} {ad.advertiser}"
