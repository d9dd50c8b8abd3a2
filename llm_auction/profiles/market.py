"""The sections about the market: which ads, which users and queries, which ads compete for an answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from llm_auction.profiles.section import Positive, Section, Share


class CatalogConfig(Section):
    """Where the ads come from and what a valid one is."""

    source: str | None = Field(None, description="Path or glob of a catalog; None is the bundled one of 100 ads.")
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet", "merchant-tsv", "merchant-xml"] = Field(
        "auto", description="auto tells it from the file's content."
    )
    columns: dict[str, str] = Field(default_factory=dict, description="Our field -> the feed's column.")
    max_title_length: Positive = Field(80, description="Characters of a title that answers can carry.")
    long_titles: Literal["reject", "shorten"] = Field("reject", description="shorten cuts at a word boundary.")
    max_rejected_share: Share = Field(0.2, description="The run fails when more of the rows than this are rejected.")


class PopulationConfig(Section):
    """Who asks, what, and who is held out for testing."""

    profiles: Positive = Field(100, description="Users that are generated.")
    queries_per_profile: Positive = Field(5, description="Questions of each.")
    query_writer: Literal["sentences", "user_llm"] = Field(
        "sentences", description="Who writes the queries of generated profiles: sentence forms, or the User-LLM."
    )
    test_share: Share = Field(0.2, description="Share of PROFILES whose queries are the test set: unseen users.")
    train_queries: Positive | None = Field(
        None, description="At most this many of the other queries are trained on, the first; None takes all."
    )
    queries_source: str | None = Field(None, description="Path or glob of query files; None generates queries.")
    queries_columns: dict[str, str] = Field(default_factory=dict, description="Our field -> the file's column.")
    max_rejected_share: Share = Field(0.2, description="The run fails when more of the queries than this are rejected.")


class CandidatesConfig(Section):
    """How many ads compete for an answer, and how they are found."""

    per_query: Positive = Field(10, description="Ads in a prompt; all of the catalog where it has no more.")
    random_share: Share = Field(0.3, description="Share of candidates drawn at random, so that externalities show.")
    relevance_labels: str | None = Field(
        None, description="File of labelled (query_id, ad_id, label) pairs; retrieval quality is measured on them."
    )
