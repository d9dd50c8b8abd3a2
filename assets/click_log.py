"""Real click logs: one day of delivery, from files to validated events in the lake.

`click_log -> dbt -> nightly_pctr_model`. docs/click-log.md is the contract. What could not be used lies in
`click_log_rejections`, each event with file, line and reason.
"""

from pathlib import Path

import polars as pl
from dagster import AssetExecutionContext, DataVersion, MaterializeResult, MetadataValue, asset

from assets.days import day_partitions, every_night
from assets.known_ads import ensure_known_ads, known_ads
from assets.metadata import table_metadata
from assets.preview import preview
from llm_auction.click_log import REASONS
from llm_auction.click_log.files import find_files
from resources.click_log import (
    TABLES,
    ClickLogDay,
    DayCounts,
    RejectedShareError,
    only_run_of,
    scratch_database,
)
from resources.lake import Lake
from resources.profile import ProfileResource

ANSWER_COLUMNS = {
    "event_id": "Id of the event.",
    "ts": "When it was given, UTC.",
    "response_id": "Id of the answer.",
    "policy_version": "Version of the Ad-LLM that wrote it.",
    "arm": "Arm of an experiment, where the log names one.",
    "iteration": "Iteration of the policy, where the log names one.",
    "profile": "Text of the user's profile.",
    "logprob": "Log-probability of the answer under its policy, at temperature 1, nats.",
    "temperature": "Sampling temperature.",
    "top_p": "Nucleus of the sampling.",
    "top_k": "Most likely tokens kept by the sampling; 0 keeps all.",
    "file": "File that it was read from.",
    "line": "Its line, or row of a Parquet file, from 1.",
}


@asset(
    group_name="production",
    partitions_def=day_partitions,
    freshness_policy=every_night,
    deps=["ad_catalog"],
    kinds={"duckdb", "parquet"},
    owners=["team:ads-science"],
    code_version="4",
)
def click_log(context: AssetExecutionContext, profile: ProfileResource, lake: Lake) -> MaterializeResult:
    """The events delivered on one day: validated, each once, answers with their inserted ads.

    Reads the files of `click_log.source`, JSON Lines or Parquet, in bounded memory, and writes `click_log_answers`,
    `click_log_clicks`, `click_log_conversions`, `click_log_rejections`, `click_log_answer_days` (whose answers the
    clicks and conversions are about) and `click_log_files`. Running a day again picks up the files that came later.
    Fails, and leaves the day as it was, when more than `click_log.max_rejected_share` of the events are rejected, when
    the disk is full, and while another run is taking the same day in.
    """
    config, day = profile.get().click_log, context.partition_key
    spill = Path(config.spill_dir) if config.spill_dir else Path(lake.data_dir) / "spill"
    ensure_known_ads(lake)
    with only_run_of(day, lake), scratch_database(spill, config.memory_limit) as connection:
        files = find_files(config.source, day)
        events = ClickLogDay(connection, day, config)
        for number, file in enumerate(files, start=1):
            context.log.info(f"file {number} of {len(files)}: {file.name}, {file.size:,} bytes")
            events.load(number, file)
        events.deduplicate()
        events.parse(known_ads(lake))
        counts = events.conclude()
        context.log.info(_in_words(counts))
        try:
            counts.require_acceptable(config.max_rejected_share, day)
        except RejectedShareError:
            events.write(lake, ["click_log_rejections"])
            raise
        events.write(lake)
    partition = {"day": day}
    versions = "-".join(lake.data_version(table, partition) for table in TABLES)
    answers = pl.scan_parquet(lake.file("click_log_answers", partition), glob=False, hive_partitioning=False)
    columns = table_metadata(answers.head(0).collect(), ANSWER_COLUMNS)
    return MaterializeResult(
        data_version=DataVersion(versions),
        metadata={
            "dagster/partition_row_count": counts.accepted,
            "dagster/column_schema": columns["dagster/column_schema"],
            "files": counts.files,
            "events_read": counts.read,
            "accepted": counts.accepted,
            "duplicates": counts.duplicates,
            "rejected": counts.rejected,
            "rejected_share": counts.rejected_share,
            "reasons": _reasons(counts),
            "rejections": preview(_first_rejections(lake, day), 20),
            "preview": preview(answers.head(5).collect()),
        },
    )


def _in_words(counts: DayCounts) -> str:
    return (
        f"{counts.read:,} events of {counts.files} files: {counts.accepted:,} accepted, "
        f"{counts.duplicates:,} duplicates, {counts.rejected:,} rejected"
    )


def _reasons(counts: DayCounts) -> MetadataValue:
    lines = ["| events | reason | meaning |", "| --- | --- | --- |"]
    for reason, count in sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"| {count} | `{reason}` | {REASONS[reason]} |")
    return MetadataValue.md("\n".join(lines) if counts.reasons else "Nothing was rejected.")


def _first_rejections(lake: Lake, day: str) -> pl.DataFrame:
    rejections = pl.scan_parquet(lake.file("click_log_rejections", {"day": day}), glob=False, hive_partitioning=False)
    return rejections.head(20).collect()
