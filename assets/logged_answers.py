"""Logged answers of real traffic, scored again by the policies that wrote them: what off-policy estimates weigh."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llm_auction.generation.rescoring import LoggedAnswer, reproduce, score
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.profiles.schema import Profile, SamplingConfig
from llm_auction.prompts import render_messages
from llm_auction.seeds import derive_seed
from resources.engines import EngineResource
from resources.model_store import ModelStore
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    from llm_auction.generation.transformers_engine import TransformersEngine

DAYS_SQL = "select distinct day from fct_click_log_responses where day between $first and $last order by day"
NEWEST_DAY_SQL = "select max(day) as day from fct_click_log_responses"
# A click that a filter excluded earns nothing, as it teaches the reward model nothing; its answer stays, since to leave
# it out would choose answers by what came of them.
ANSWERS_SQL = """
with sampled as (
    select
        day,
        response_id,
        policy_version,
        query_id,
        query,
        user_id,
        profile,
        candidate_ad_ids,
        bids,
        answer,
        logprob,
        temperature,
        top_p,
        top_k
    from fct_click_log_responses
    where list_contains($days::date[], day) and not is_excluded
    order by md5(concat(response_id, $salt))
    limit $limit
),
earned as (
    select
        impressions.day,
        impressions.response_id,
        round(sum(impressions.revenue) filter (not impressions.is_excluded), 6) as revenue
    from fct_click_log_impressions as impressions
    semi join sampled on impressions.day = sampled.day and impressions.response_id = sampled.response_id
    group by impressions.day, impressions.response_id
)
select
    sampled.* exclude (day),
    coalesce(earned.revenue, 0) as revenue
from sampled
left join earned on sampled.day = earned.day and sampled.response_id = earned.response_id
order by md5(concat(sampled.response_id, $salt))
"""


@dataclass(frozen=True)
class LoggedAnswers:
    """Logged answers with what they brought, one list entry each.

    `finished` says whether an answer had ended by itself; `log_mu` is its log-probability in nats under the policy and
    the settings that drew it; `revenue` the bids of its ads with a click that no filter excluded. `read` counts those
    that were left out too.
    """

    auctions: list[Auction]
    answers: list[LoggedAnswer]
    finished: list[bool]
    log_mu: np.ndarray
    revenue: np.ndarray
    read: int

    @property
    def users(self) -> list[str]:
        return [auction.profile.user_id for auction in self.auctions]


def days_of_window(warehouse: Warehouse, settings: Profile, last_day: str) -> list[date]:
    """The days with answers of the window, which ends on `last_day`, or on the newest where that is empty; in order.

    Raises:
        ValueError: there are none.
    """
    newest = date.fromisoformat(last_day) if last_day else warehouse.query(NEWEST_DAY_SQL)["day"][0]
    if newest is None:
        raise ValueError("fct_click_log_responses is empty: materialize it for some days first")
    first = newest - timedelta(days=settings.off_policy.window_days - 1)
    days = warehouse.query(DAYS_SQL, {"first": first, "last": newest})["day"].to_list()
    if not days:
        raise ValueError(f"no answers from {first} to {newest} in fct_click_log_responses: materialize these days")
    return days


def read_log(warehouse: Warehouse, settings: Profile, days: Collection[date]) -> pl.DataFrame:
    """A random sample of the answers of some days that no filter excluded.

    Raises:
        ValueError: there are none.
    """
    frame = warehouse.query(
        ANSWERS_SQL,
        {
            "days": list(days),
            "salt": str(derive_seed(settings.seed, "off policy sample")),
            "limit": settings.off_policy.max_answers,
        },
    )
    if frame.is_empty():
        raise ValueError(
            "all answers of the window in fct_click_log_responses are excluded, or their days were refused by a guard: "
            "mend and run these days again, or set last_day to another window"
        )
    return frame


def score_log(
    frame: pl.DataFrame,
    ads: Mapping[str, Ad],
    store: ModelStore,
    engine: EngineResource,
    settings: Profile,
    log: Callable[[str], None],
) -> LoggedAnswers:
    """The answers of `frame` whose policy gives the logged log-probability today, with that of the draw.

    Left out are the others, and those whose auction had ads that the catalog lacks, so that no prompt can be written.

    Raises:
        ValueError: more are left out than `off_policy.max_unreproduced_share`.
        ModelStoreError: a policy of the log is not in the store.
    """
    rows = [row for row in frame.iter_rows(named=True) if set(row["candidate_ad_ids"]) <= set(ads)]
    auctions = [auction_of(row, ads) for row in rows]
    answers = [
        LoggedAnswer(
            render_messages(auction, settings.ad_llm.prompt, show_bids=settings.ad_llm.show_bids),
            row["answer"],
            row["logprob"],
        )
        for row, auction in zip(rows, auctions, strict=True)
    ]
    finished: list[bool | None] = [None] * len(rows)
    log_mu = np.full(len(rows), np.nan)
    for version in sorted({row["policy_version"] for row in rows}):
        opened = engine.scorer(store.version("ad_llm", version).path)
        own = [index for index, row in enumerate(rows) if row["policy_version"] == version]
        log(f"policy {version}: scoring {len(own)} logged answers")
        for index, ending in zip(own, reproduce(opened, [answers[index] for index in own]), strict=True):
            finished[index] = ending
        met = [index for index in own if finished[index] is not None]
        log_mu[met] = _drawn(opened, rows, answers, finished, met)
    usable = [index for index, value in enumerate(log_mu) if np.isfinite(value)]
    lost = 1 - len(usable) / frame.height
    if lost > settings.off_policy.max_unreproduced_share:
        raise ValueError(
            f"{lost:.0%} of {frame.height} logged answers are not what their policy gives: with today's model, prompt "
            "(ad_llm.prompt) and catalog their log-probability at temperature 1, untruncated, is not the logged one, "
            "or their settings never draw them; off_policy.max_unreproduced_share allows "
            f"{settings.off_policy.max_unreproduced_share:.0%}"
        )
    return LoggedAnswers(
        auctions=[auctions[index] for index in usable],
        answers=[answers[index] for index in usable],
        finished=[bool(finished[index]) for index in usable],
        log_mu=log_mu[usable],
        revenue=np.asarray([rows[index]["revenue"] for index in usable], dtype=float),
        read=frame.height,
    )


def _drawn(
    engine: TransformersEngine,
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[LoggedAnswer],
    finished: Sequence[bool | None],
    indices: Sequence[int],
) -> np.ndarray:
    """log mu of the answers at `indices`, each under the settings that its row names."""
    settings = [tuple(rows[index][field] for field in ("temperature", "top_p", "top_k")) for index in indices]
    values = np.full(len(indices), np.nan)
    for temperature, top_p, top_k in sorted(set(settings)):
        places = [place for place, own in enumerate(settings) if own == (temperature, top_p, top_k)]
        values[places] = score(
            engine,
            [answers[indices[place]] for place in places],
            [bool(finished[indices[place]]) for place in places],
            SamplingConfig(temperature=temperature, top_p=top_p, top_k=top_k),
        )
    return values


def auction_of(row: Mapping[str, Any], ads: Mapping[str, Ad]) -> Auction:
    """The auction of a logged answer, whose candidates the catalog holds; whole bids as the prompt showed them."""
    return Auction(
        Query(row["query_id"], row["user_id"], row["query"]),
        UserProfile(row["user_id"], row["profile"]),
        tuple(ads[ad_id] for ad_id in row["candidate_ad_ids"]),
        tuple(int(bid) if float(bid).is_integer() else bid for bid in row["bids"]),
    )
