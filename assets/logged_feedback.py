"""Phase 1 of an iteration from real logs: answers of the deployed Ad-LLM and their clicks, as rows of the loop.

The arm `production` (`feedback.source = click_log`) samples nothing and simulates nobody: its answers are those that
the deployed model gave to real users, found by its version and the range of days. From there on the arm goes the way of
all arms. Answers of robots are left out, and answers with a click that a filter excluded.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from assets.feedback_events import CLICK_COLUMNS, RESPONSE_COLUMNS, event_id
from llm_auction.market import Query, UserProfile
from llm_auction.profiles.schema import Profile
from llm_auction.seeds import derive_seed
from resources.lake import Lake
from resources.warehouse import Warehouse

DAYS_SQL = """
select distinct day from fct_click_log_responses
where policy_version = $policy_version and day between $first and $last
order by day
"""

RESPONSES_SQL = """
select
    ts,
    response_id,
    policy_version,
    query_id,
    query,
    user_id,
    profile,
    answer,
    candidate_ad_ids,
    -- the loop's bids are whole; its reward model does not read them
    list_transform(bids, lambda bid: round(bid)::bigint) as bids,
    inserted_ad_ids,
    format_errors,
    logprob,
    temperature,
    top_p,
    top_k
from fct_click_log_responses
where
    policy_version = $policy_version
    and day between $first and $last
    and not list_contains($without::date[], day)
    and not is_excluded
    and response_id not in (select response_id from fct_click_log_impressions where is_excluded)
order by md5(concat(response_id, $salt))
limit $limit
"""

CLICKS_SQL = """
select
    impressions.ts,
    impressions.response_id,
    impressions.ad_id,
    impressions.clicked
from fct_click_log_impressions as impressions
inner join fct_click_log_responses as responses
    on
        impressions.day = responses.day
        and impressions.response_id = responses.response_id
where
    responses.policy_version = $policy_version
    and impressions.day between $first and $last
order by impressions.response_id, impressions.position
"""


def answered_days(warehouse: Warehouse, profile: Profile, policy_version: str) -> list[date]:
    """The days of the range on which the model answered, in order."""
    first, last = _days(profile)
    found = warehouse.query(DAYS_SQL, {"policy_version": policy_version, "first": first, "last": last})
    return found["day"].to_list()


def logged_responses(
    warehouse: Warehouse,
    ads: Collection[str],
    profile: Profile,
    policy_version: str,
    arm: str,
    iteration: str,
    *,
    without: Collection[date],
) -> pl.DataFrame:
    """The rows of `ad_responses`: at most `feedback.max_logged_answers` of the model's answers, drawn at random.

    Args:
        ads: the ids of the catalog; an answer whose auction had others is left out: nobody knows what they were.
        without: days whose answers are not used, since a guard refused them.

    Raises:
        ValueError: the model gave none in the range of days.
    """
    first, last = _days(profile)
    frame = warehouse.query(
        RESPONSES_SQL,
        {
            "policy_version": policy_version,
            "first": first,
            "last": last,
            "without": list(without),
            "salt": str(derive_seed(profile.seed, "logged feedback", arm, iteration)),
            "limit": profile.feedback.max_logged_answers,
        },
    )
    known = pl.col("candidate_ad_ids").list.eval(pl.element().is_in(list(ads))).list.all()
    frame = frame.filter(known)
    if frame.is_empty():
        raise ValueError(
            f"the click log has no answers of Ad-LLM {policy_version} from {first} to {last} with ads of today's "
            f"catalog on days that their guards accepted: iteration {iteration} of arm {arm} learns from real users of "
            "this model. Deploy it "
            "(`llm-auction models promote ad_llm`), write its version into the log as policy_version, and materialize "
            "the days; feedback.first_day and feedback.last_day bound them"
        )
    rows = frame.sort("response_id").with_columns(
        event_id=pl.col("response_id").map_elements(lambda one: event_id("answer", arm, iteration, one), pl.String),
        arm=pl.lit(arm),
        iteration=pl.lit(iteration),
        tokens=pl.lit(None, dtype=pl.Int64),
        sample_index=pl.int_range(pl.len()).over("query_id"),
    )
    return rows.select([pl.col(name).cast(dtype) for name, dtype in RESPONSE_COLUMNS.schema.items()])


def logged_clicks(warehouse: Warehouse, profile: Profile, responses: pl.DataFrame) -> pl.DataFrame:
    """The rows of `click_feedback` of these answers: one an inserted ad, clicked or not."""
    first, last = _days(profile)
    frame = warehouse.query(
        CLICKS_SQL, {"policy_version": responses["policy_version"][0], "first": first, "last": last}
    )
    rows = frame.join(responses.select("response_id", "arm", "iteration"), on="response_id").with_columns(
        event_id=pl.struct("iteration", "response_id", "ad_id").map_elements(
            lambda one: event_id("click", one["iteration"], one["response_id"], one["ad_id"]), pl.String
        ),
        click_probability=pl.lit(None, dtype=pl.Float64),
        reason=pl.lit(None, dtype=pl.String),
    )
    return rows.select([pl.col(name).cast(dtype) for name, dtype in CLICK_COLUMNS.schema.items()])


def logged_questions(
    lake: Lake, arm: str, iteration: str
) -> tuple[dict[str, UserProfile], dict[str, Query], dict[str, list[str]]]:
    """Who asked what in an iteration's logged answers: profiles by user, queries and candidate ad ids by query.

    A question that came several times, from several users too, counts once, as it came first.
    """
    profiles: dict[str, UserProfile] = {}
    queries: dict[str, Query] = {}
    candidates: dict[str, list[str]] = {}
    for row in lake.read("ad_responses", {"arm": arm, "iteration": iteration}).iter_rows(named=True):
        if row["query_id"] not in queries:
            queries[row["query_id"]] = Query(row["query_id"], row["user_id"], row["query"])
            candidates[row["query_id"]] = row["candidate_ad_ids"]
            profiles.setdefault(row["user_id"], UserProfile(row["user_id"], row["profile"]))
    return profiles, queries, candidates


def _days(profile: Profile) -> tuple[date, date]:
    """The range of days that the feedback is taken from, both included."""
    return profile.feedback.first_day or date.min, profile.feedback.last_day or date.max
