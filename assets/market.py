"""The market: the ads, the users and their questions, and which ads compete for each answer.

`ad_catalog -> user_profiles, user_queries -> ad_candidates`. Everything here is drawn or read once; the loop and the
evaluation share it. What could not be read lies in `rejected_ads` and `rejected_queries`, each row with its reason.
"""

from collections.abc import Iterable, Iterator

import polars as pl
from dagster import AssetExecutionContext, AssetSpec, DataVersion, MaterializeResult, asset, multi_asset

from assets.frames import ads_from_frame, ads_to_frame, load_queries
from assets.known_ads import remember_ads
from assets.metadata import rounded, table_metadata
from assets.pools import pool_of_user_llm, require_pool
from assets.preview import preview
from llm_auction.candidates import Candidates, find_candidates
from llm_auction.catalog import RejectedRow, read_catalog
from llm_auction.market import Ad, Query
from llm_auction.population import Population, QueryFileError, generate_population, market_topics, read_queries
from llm_auction.profiles.schema import Profile
from llm_auction.relevance_labels import read_relevance_labels, retrieval_quality
from resources.lake import Lake
from resources.profile import ProfileResource
from resources.user_model import UserModelResource

TEXT = pl.String()
REJECTED_SCHEMA = pl.Schema(
    {"source": TEXT, "row": pl.Int64(), "ad_id": TEXT, "field": TEXT, "reason": TEXT, "raw": TEXT}
)
PROFILE_SCHEMA = pl.Schema({"user_id": TEXT, "text": TEXT, "interests": pl.List(TEXT), "split": TEXT})
QUERY_SCHEMA = pl.Schema({"query_id": TEXT, "user_id": TEXT, "text": TEXT, "category": TEXT, "split": TEXT})
CANDIDATES_SCHEMA = pl.Schema(
    {"query_id": TEXT, "ad_ids": pl.List(TEXT), "relevance": pl.List(pl.Float64()), "split": TEXT}
)
DESCRIPTIONS = {
    "title": "Title that answers show; it can be written in the ad format.",
    "category": "Category of the ad, or topic of the question where it is known.",
    "description": "What the ad says of its product, where the catalog says it.",
    "advertiser": "Whose ad it is, where the catalog says it.",
    "bid_low": "Least bid per click, where the catalog gives one.",
    "bid_high": "Greatest bid per click, where the catalog gives one.",
    "split": "train or test; all queries of a user share it.",
    "text": "The profile in one sentence, or the question as it was asked.",
    "interests": "Topics that the user cares about.",
    "ad_ids": "Candidate ads in prompt order.",
    "relevance": "Relevance q_i of each candidate to the question, in [0, 1].",
}
QUALITY_AT = (5, 10, 50)


@asset(
    group_name="market",
    kinds={"polars", "parquet"},
    owners=["team:ads-science"],
    code_version="3",
)
def ad_catalog(context: AssetExecutionContext, profile: ProfileResource, lake: Lake) -> MaterializeResult:
    """The validated ads of the configured catalog, or the bundled hundred.

    Reads JSON Lines, CSV, TSV, Parquet and Google Merchant feeds. A row that is no valid ad goes to `rejected_ads`
    with its row number and reason; the asset fails when more than `catalog.max_rejected_share` of the rows do.
    `known_ads` keeps what ever stood in the catalog, for the answers of past days.
    """
    config = profile.get().catalog
    catalog = read_catalog(config)
    rejected = rejected_frame(catalog.rejected, "ad_id")
    lake.write("rejected_ads", rejected)
    catalog.require_acceptable(config.max_rejected_share)
    frame = ads_to_frame(catalog.ads)
    lake.write("ad_catalog", frame)
    remember_ads(lake)
    context.log.info(f"{len(catalog.ads)} ads, {rejected.height} rows rejected")
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("ad_catalog")),
        metadata={
            **table_metadata(frame, DESCRIPTIONS),
            "sources": list(catalog.sources),
            "categories": frame["category"].n_unique(),
            "rejected_rows": rejected.height,
            "rejected": preview(rejected, 20),
            "preview": preview(frame),
        },
    )


@multi_asset(
    specs=[
        AssetSpec(
            name,
            group_name="market",
            kinds={"polars", "parquet"},
            owners=["team:ads-science"],
            code_version="1",
            deps=["ad_catalog"],
            description=description,
        )
        for name, description in (
            ("user_profiles", "Who asks: one sentence a user, with interests; users are held out as a whole."),
            (
                "user_queries",
                "What the users ask, split into train and test by user; from the generator or from files.",
            ),
        )
    ],
    pool=pool_of_user_llm(),
)
def users_and_queries(
    context: AssetExecutionContext, profile: ProfileResource, lake: Lake, user_model: UserModelResource
) -> Iterator[MaterializeResult]:
    """The population: drawn from the seed, written by the User-LLM, or read from `population.queries_source`.

    Rows that are no valid query go to `rejected_queries` with their reason, as do users for whom the User-LLM wrote
    no usable questions.
    """
    config = profile.get()
    require_pool(context, pool_of_user_llm(config) if config.population.query_writer == "user_llm" else None)
    population = _population(config, ads_from_frame(lake.read("ad_catalog")), lake, user_model)
    user_model.close()
    profiles, queries = profiles_frame(population), queries_frame(population)
    rejected = rejected_frame(population.rejected, "query_id")
    lake.write("rejected_queries", rejected)
    lake.write("user_profiles", profiles)
    lake.write("user_queries", queries)
    context.log.info(f"{profiles.height} users, {queries.height} queries, {rejected.height} rows rejected")
    yield MaterializeResult(
        asset_key="user_profiles",
        data_version=DataVersion(lake.data_version("user_profiles")),
        metadata={**table_metadata(profiles, DESCRIPTIONS), **_split_counts(profiles), "preview": preview(profiles)},
    )
    yield MaterializeResult(
        asset_key="user_queries",
        data_version=DataVersion(lake.data_version("user_queries")),
        metadata={
            **table_metadata(queries, DESCRIPTIONS),
            **_split_counts(queries),
            "distinct_texts": queries["text"].n_unique(),
            "rejected_rows": rejected.height,
            "rejected": preview(rejected, 20),
            "preview": preview(queries),
        },
    )


@asset(
    group_name="market",
    deps=["ad_catalog", "user_queries"],
    kinds={"polars", "parquet"},
    owners=["team:ads-science"],
    code_version="1",
)
def ad_candidates(context: AssetExecutionContext, profile: ProfileResource, lake: Lake) -> MaterializeResult:
    """The ads that compete for each query's answer: all of them when they fit, else the relevant and some at random.

    With `candidates.relevance_labels` the quality of the retrieval (recall, NDCG) is measured on the labelled pairs.
    """
    settings = profile.get()
    config = settings.candidates
    ads = ads_from_frame(lake.read("ad_catalog"))
    queries = list(load_queries(lake).values())
    found = find_candidates(queries, ads, config, settings.seed)
    frame = candidates_frame(found, lake.read("user_queries"))
    quality = _quality(config.relevance_labels, queries, ads, config.per_query)
    lake.write("ad_candidates", frame)
    context.log.info(f"candidates of {frame.height} queries among {len(ads)} ads")
    return MaterializeResult(
        data_version=DataVersion(lake.data_version("ad_candidates")),
        metadata={
            **table_metadata(frame, DESCRIPTIONS),
            "candidates_per_query": len(found[0].ad_ids),
            "best_relevance_mean": rounded(sum(max(row.relevance) for row in found) / len(found)),
            "queries_without_a_match": sum(max(row.relevance) == 0.0 for row in found),
            **quality,
            "preview": preview(frame),
        },
    )


def rejected_frame(rows: Iterable[RejectedRow], id_column: str) -> pl.DataFrame:
    """Rejected rows as a table whose id column is named `id_column`."""
    return pl.DataFrame(
        [(row.source, row.row, row.row_id, row.field, row.reason, row.raw) for row in rows],
        schema=REJECTED_SCHEMA,
        orient="row",
    ).rename({"ad_id": id_column})


def profiles_frame(population: Population) -> pl.DataFrame:
    """One row a user."""
    split = population.split_of_user
    return pl.DataFrame(
        [(user.user_id, user.text, list(user.interests), split[user.user_id]) for user in population.profiles],
        schema=PROFILE_SCHEMA,
        orient="row",
    )


def queries_frame(population: Population) -> pl.DataFrame:
    """One row a query."""
    return pl.DataFrame(
        [
            (query.query_id, query.user_id, query.text, query.category, population.split_of(query))
            for query in population.queries
        ],
        schema=QUERY_SCHEMA,
        orient="row",
    )


def candidates_frame(candidates: Iterable[Candidates], queries: pl.DataFrame) -> pl.DataFrame:
    """One row a query, with the split of the query."""
    split = dict(queries.select("query_id", "split").iter_rows())
    return pl.DataFrame(
        [(row.query_id, list(row.ad_ids), list(row.relevance), split[row.query_id]) for row in candidates],
        schema=CANDIDATES_SCHEMA,
        orient="row",
    )


def _population(settings: Profile, ads: list[Ad], lake: Lake, user_model: UserModelResource) -> Population:
    topics = market_topics(ads)
    if settings.population.queries_source is None and settings.population.query_writer == "user_llm":
        from llm_auction.population.llm_queries import write_population

        model = user_model.user_llm()
        return write_population(settings.population, topics, model, settings.user.query_prompt, settings.seed)
    if settings.population.queries_source is None:
        return generate_population(settings.population, topics, settings.seed)
    try:
        return read_queries(settings.population, topics, settings.seed)
    except QueryFileError as error:
        lake.write("rejected_queries", rejected_frame(error.rejected, "query_id"))
        raise


def _split_counts(frame: pl.DataFrame) -> dict[str, int]:
    return {split: frame.filter(pl.col("split") == split).height for split in ("train", "test")}


def _quality(source: str | None, queries: list[Query], ads: list[Ad], per_query: int) -> dict[str, float]:
    if source is None:
        return {}
    metrics: dict[str, float] = {}
    for quality in retrieval_quality(queries, ads, read_relevance_labels(source), sorted({*QUALITY_AT, per_query})):
        metrics |= {f"recall_at_{quality.k}": quality.recall, f"ndcg_at_{quality.k}": quality.ndcg}
        metrics |= {"labelled_queries": quality.queries, "relevant_ads_outside_catalog": quality.outside_catalog}
    return metrics
