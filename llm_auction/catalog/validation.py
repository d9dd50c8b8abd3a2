"""What a valid ad is: an id that prompts and answers can carry, a title that the ad format can write."""

from __future__ import annotations

from collections.abc import Mapping

from llm_auction.answers import AD_ID_PREFIX, FORBIDDEN_IN_TITLE
from llm_auction.catalog.fields import clean_identifier, clean_integer, clean_text
from llm_auction.catalog.merchant import category_leaf
from llm_auction.catalog.rows import InvalidField
from llm_auction.market import Ad
from llm_auction.profiles.schema import CatalogConfig

# Our field -> usual column names of plain files.
AD_COLUMNS = {
    "ad_id": ("ad_id", "id"),
    "title": ("title",),
    "category": ("category",),
    "description": ("description",),
    "advertiser": ("advertiser", "brand"),
    "bid_low": ("bid_low",),
    "bid_high": ("bid_high",),
}
NO_CATEGORY = "general"

_PUNCTUATION = ",;:|-/&+>("
_DANGLING = frozenset({"", "a", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "w", "with"})


def validate_ad(values: Mapping[str, object], config: CatalogConfig, *, category_paths: bool = False) -> Ad:
    """The ad of one row.

    Args:
        values: our field -> raw value; all fields of AD_COLUMNS.
        config: length of titles, and what happens to longer ones.
        category_paths: categories are paths (`Home > Kitchen`), whose last step counts.

    Raises:
        InvalidField: the first field at fault, and why.
    """
    ad_id = clean_identifier(values["ad_id"], "ad_id", prefix=AD_ID_PREFIX)
    title = _title(clean_text(values["title"], "title"), config)
    category = clean_text(values["category"], "category")
    if category_paths:
        category = category_leaf(category)
    low, high = clean_integer(values["bid_low"], "bid_low"), clean_integer(values["bid_high"], "bid_high")
    if (low is None) != (high is None):
        raise InvalidField("bid_high" if high is None else "bid_low", "is missing: a bid range needs both ends")
    if low is not None and high is not None and low > high:
        raise InvalidField("bid_low", f"({low}) exceeds bid_high ({high})")
    return Ad(
        ad_id=ad_id,
        title=title,
        category=category or NO_CATEGORY,
        description=clean_text(values["description"], "description"),
        advertiser=clean_text(values["advertiser"], "advertiser"),
        bid_low=low,
        bid_high=high,
    )


def _title(title: str, config: CatalogConfig) -> str:
    if not title:
        raise InvalidField("title", "is missing")
    if len(title) > config.max_title_length:
        if config.long_titles == "reject":
            raise InvalidField(
                "title",
                f"has {len(title)} characters, more than catalog.max_title_length = {config.max_title_length} "
                '(catalog.long_titles = "shorten" cuts it)',
            )
        title = shorten(title, config.max_title_length)
        if not title:
            raise InvalidField("title", f"has no word boundary within {config.max_title_length} characters")
    found = FORBIDDEN_IN_TITLE.search(title)
    if found:
        raise InvalidField("title", f"holds {found[0]!r}, which the ad format can't carry")
    return title


def shorten(title: str, length: int) -> str:
    """The whole words that fit in `length` characters, without an open bracket or dangling words; "" when none fit."""
    cut = title[: length + 1].rpartition(" ")[0]
    if cut.count("(") > cut.count(")"):
        cut = cut.rpartition("(")[0]
    words = cut.split()
    while words and words[-1].lower().strip(_PUNCTUATION) in _DANGLING:
        words.pop()
    return " ".join(words).rstrip(_PUNCTUATION + " ")
