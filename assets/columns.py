"""Columns that mean the same in several tables, as the UI describes them; an asset adds its own, or says more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        # which row
        "profile": "Profile of the run.",
        "seed": "Seed of the run.",
        "day": "Day of delivery (UTC).",
        "arm": "Arm of the study.",
        "mechanism": "Mechanism or arm that answered.",
        "iteration": "Iteration of a trained mechanism; null for one that isn't trained.",
        "variant": "Setting of the mechanism, such as tau=10; null when it has none.",
        "query_id": "Id of the query.",
        "user_id": "Who asked.",
        "ad_id": "Id of the ad, without the prefix Ad-.",
        "sample_index": "Showing of this query: several answers are drawn for it.",
        # an answer
        "query": "Text of the query.",
        "answer": "The whole answer, with its ads in the ad format.",
        "candidate_ad_ids": "Ads that competed, in prompt order.",
        "bids": "Their bids, currency units per click.",
        "inserted_ad_ids": "Ads in the answer, in reading order.",
        "n_ads": "How many they are.",
        "format_errors": "Insertions that break the ad format or name no candidate.",
        "tokens": "Tokens of the answer shown.",
        # figures
        "metric": "What is measured.",
        "value": "Its value.",
        "ci_low": "Lower end of its 95 % interval over queries.",
        "ci_high": "Upper end.",
    }
)
