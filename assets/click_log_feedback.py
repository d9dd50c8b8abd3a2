"""What real logs say of some days, as the reward model reads it: impressions with their clicks, by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.impression_rows import impressions_from_rows
from llm_auction.answers import inserted_title
from llm_auction.market import Ad
from llm_auction.pctr.impressions import Impression
from llm_auction.seeds import derive_seed
from resources.warehouse import Warehouse

# What was read of a day in one number: it changes with every answer, ad, click and exclusion, not with their order.
DAYS_SQL = """
select
    day,
    count(*) filter (where not is_excluded) as impressions,
    count(*) as rows,
    bit_xor(md5_number_lower(concat_ws('|', response_id, ad_id, clicked, is_excluded))) as content
from fct_click_log_impressions
where day between ? and ?
group by day
order by day
"""

# An excluded impression teaches nothing, but stood beside the others: it is read with them. Answers are thinned whole.
IMPRESSIONS_SQL = """
select
    impressions.day,
    impressions.response_id,
    impressions.ad_id,
    impressions.clicked,
    impressions.is_excluded,
    responses.user_id,
    responses.query,
    responses.profile,
    responses.answer
from fct_click_log_impressions as impressions
inner join fct_click_log_responses as responses
    on
        impressions.day = responses.day
        and impressions.response_id = responses.response_id
where
    impressions.day between $first and $last
    and md5_number_lower(concat(impressions.response_id, $salt)) % 1000000 < $kept
order by impressions.day, impressions.response_id, impressions.position
"""


@dataclass(frozen=True)
class DayFeedback:
    """Impressions of some days with their clicks. `versions` tells what each day held, by ISO date."""

    impressions: list[Impression]
    clicked: np.ndarray
    days: np.ndarray
    versions: dict[str, str]
    available: int

    def users(self) -> list[str]:
        return [impression.user_id for impression in self.impressions]


def load_days(
    warehouse: Warehouse,
    ads: Mapping[str, Ad],
    first: date,
    last: date,
    limit: int,
    seed: int,
    without: Collection[date] = (),
) -> DayFeedback:
    """The impressions from `first` to `last` that no filter excluded, in a fixed order; none of the days `without`.

    With more than about `limit` of them, whole answers are left out at random, the same ones under the same seed. Ads
    that have left the catalog teach nothing either: their category is not known any more. Empty where there is no log.
    """
    left_out = pl.col("day").is_in(list(without))
    summary = warehouse.query(DAYS_SQL, [first, last]).filter(~left_out)
    available = int(summary["impressions"].sum())
    frame = warehouse.query(
        IMPRESSIONS_SQL,
        {
            "first": first,
            "last": last,
            "salt": str(derive_seed(seed, "click log sample")),
            "kept": 1_000_000 if available <= limit else round(1_000_000 * limit / available),
        },
    ).filter(~left_out)
    departed = departed_ads(frame, ads)
    impressions = impressions_from_rows(frame, {**ads, **departed}, ("day", "response_id"))
    kept = np.flatnonzero((~frame["is_excluded"] & ~frame["ad_id"].is_in(list(departed))).to_numpy())
    return DayFeedback(
        impressions=[impressions[row] for row in kept],
        clicked=frame["clicked"].to_numpy()[kept].astype(bool),
        days=frame["day"].to_numpy()[kept].astype("datetime64[D]"),
        versions={str(row["day"]): f"{row['rows']}-{row['content']:016x}" for row in summary.iter_rows(named=True)},
        available=available,
    )


def departed_ads(frame: pl.DataFrame, ads: Mapping[str, Ad]) -> dict[str, Ad]:
    """The ads of the frame that the catalog no longer holds, under the titles that the answers show.

    They stand beside others in an answer, so that those can't be read without them.
    """
    departed = {}
    for row in frame.filter(~pl.col("ad_id").is_in(list(ads))).unique("ad_id").iter_rows(named=True):
        title = inserted_title(row["answer"], row["ad_id"]) or row["ad_id"]
        departed[row["ad_id"]] = Ad(row["ad_id"], title, category="")
    return departed
