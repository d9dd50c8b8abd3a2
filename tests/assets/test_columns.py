"""Every column of every table is described in the UI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
import pytest

from assets import (
    answer_quality,
    bid_continuity,
    click_log,
    evaluation,
    incentives,
    market,
    objective_terms,
    reserve_prices,
    reward_model_ablation,
)
from assets.bid_sampling import CURVE_COLUMNS
from assets.expectations import load_suite
from assets.frames import AD_SCHEMA
from assets.metadata import table_metadata
from llm_auction.evaluation.bid_curves import CURVE_SCHEMA
from llm_auction.evaluation.incentive_table import INCENTIVE_SCHEMA
from llm_auction.evaluation.judged_quality import JUDGED_SCHEMA
from llm_auction.evaluation.objective_terms import OBJECTIVE_SCHEMA
from llm_auction.evaluation.outcomes import OUTCOME_SCHEMA
from llm_auction.evaluation.quality import QUALITY_SCHEMA
from llm_auction.evaluation.reserve_effects import RESERVE_SCHEMA
from llm_auction.pctr.ablation import ABLATION_SCHEMA

TABLES: dict[str, tuple[Iterable[str], Mapping[str, str]]] = {
    "ad_catalog": (AD_SCHEMA, market.DESCRIPTIONS),
    "user_profiles": (market.PROFILE_SCHEMA, market.DESCRIPTIONS),
    "user_queries": (market.QUERY_SCHEMA, market.DESCRIPTIONS),
    "ad_candidates": (market.CANDIDATES_SCHEMA, market.DESCRIPTIONS),
    "mechanism_outcomes": (OUTCOME_SCHEMA, evaluation.COLUMN_DESCRIPTIONS),
    "answer_quality": ([*QUALITY_SCHEMA, *JUDGED_SCHEMA], answer_quality.COLUMN_DESCRIPTIONS),
    "bid_monotonicity": (CURVE_SCHEMA, CURVE_COLUMNS),
    "bid_continuity": (["scope", *CURVE_SCHEMA], bid_continuity.COLUMN_DESCRIPTIONS),
    "incentive_report": (INCENTIVE_SCHEMA, incentives.COLUMN_DESCRIPTIONS),
    "objective_terms": (OBJECTIVE_SCHEMA, objective_terms.COLUMN_DESCRIPTIONS),
    "reserve_prices": (RESERVE_SCHEMA, reserve_prices.COLUMN_DESCRIPTIONS),
    "reward_model_ablation": (ABLATION_SCHEMA, reward_model_ablation.COLUMN_DESCRIPTIONS),
    "click_log": (load_suite("click_log").schema, click_log.ANSWER_COLUMNS),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described(table: str) -> None:
    columns, descriptions = TABLES[table]
    metadata = table_metadata(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), descriptions)
    schema = metadata["dagster/column_schema"].value
    assert [column.name for column in schema.columns if not column.description] == []
