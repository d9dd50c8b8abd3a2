"""One day of delivery, from files to the lake.

`load` each file, `deduplicate`, `parse` the answers, `write`. DuckDB holds the events and spills what does not fit; of
Python objects there are never more than a batch of lines or of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import duckdb
import pyarrow as pa

from llm_auction.answers import ATTEMPT_MARKS, parse_answer
from llm_auction.click_log.contract import REASONS
from llm_auction.click_log.files import LogFile, without_passwords
from llm_auction.market import Ad
from llm_auction.profiles.schema import ClickLogConfig
from resources.click_log.answer_days import answer_days, answers_before
from resources.click_log.rows import INCOMING, UnreadableFile, open_rows
from resources.click_log.validation import EVENT_COLUMNS, SAID, validated
from resources.lake import Lake

READS = 3  # of a file that changes meanwhile
# What DuckDB raises over the content of a file; a lack of memory or of disk is none of them.
UNREADABLE = (duckdb.DataError, duckdb.NotSupportedError, duckdb.InvalidInputException)
ANSWERS = 10_000  # parsed together
CANDIDATE_LISTS = 10_000  # kept at hand, since the answers to one query share theirs

# Every table of a day in the order in which they are written; the last one makes the day complete.
TABLES = (
    "click_log_rejections",
    "click_log_conversions",
    "click_log_clicks",
    "click_log_answers",
    "click_log_answer_days",
    "click_log_files",
)
_KEYS = "event_id, ts, response_id"
_SELECTIONS = {
    # `readings` are of accepted answers alone, so that the events need no condition: with one, DuckDB expects few of
    # them and builds the join's hash table of their texts, which are then sorted as well.
    "click_log_answers": f"""
        select {_KEYS}, policy_version, arm, iteration, query_id, query, user_id, profile, answer,
            candidate_ad_ids, bids, inserted_ad_ids, format_errors, logprob, temperature, top_p, top_k, file, line
        from events join readings using (place) join files using (file_id) order by ts, event_id""",
    "click_log_clicks": f"""
        select {_KEYS}, ad_id, reason, file, line from accepted where event = 'click' order by ts, event_id""",
    "click_log_conversions": f"""
        select {_KEYS}, ad_id, value, file, line from accepted where event = 'conversion' order by ts, event_id""",
    "click_log_rejections": """
        select file, line, event as event_type, event_id, response_id, ad_id, ts, rejection_reason, detail,
            raw as event
        from rejected order by file, line nulls last, event_id""",
    "click_log_files": """
        select file, bytes, fingerprint, events_read, accepted, duplicates, rejected from per_file order by file""",
}


class RejectedShareError(ValueError):
    """More of a day's events were rejected than the configuration allows; the message says why."""


@dataclass(frozen=True, slots=True)
class DayCounts:
    """What became of a day's events: read = accepted + duplicates + rejected. `reasons` counts the rejected ones."""

    files: int
    read: int
    accepted: int
    duplicates: int
    rejected: int
    reasons: Mapping[str, int]

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.read if self.read else 0.0

    def require_acceptable(self, max_rejected_share: float, day: str) -> None:
        """RejectedShareError when more than this share of the events were rejected."""
        if self.rejected_share > max_rejected_share:
            most = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))[:5]
            raise RejectedShareError(
                f"{self.rejected} of the {self.read} events of {day} were rejected ({self.rejected_share:.1%}; "
                f"click_log.max_rejected_share allows {max_rejected_share:.1%}): "
                + ", ".join(f"{count} x {reason} ({REASONS[reason].rstrip('.')})" for reason, count in most)
                + f". They lie in click_log_rejections[{day}] with file and line; mend the files and run the day again"
            )


class ClickLogDay:
    """The events of one day of delivery in a scratch database."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, day: str, config: ClickLogConfig) -> None:
        self._connection, self._day, self._config = connection, day, config
        columns = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
        # place: of the event among all of the day, in order of files and lines; its identity here.
        connection.execute(f"create table events (place bigint, file_id integer, {columns})")
        connection.execute("create table files (file_id integer, file varchar, bytes bigint, fingerprint varchar)")

    def load(self, file_id: int, file: LogFile) -> None:
        """Read and validate a file. One that changes meanwhile is read again, and rejected when it won't hold still."""
        for _ in range(READS):
            fault = self._insert(file_id, file)
            try:
                now = file.listed_again()
            except FileNotFoundError:
                break
            if now.fingerprint == file.fingerprint:
                if fault is not None:
                    self._reject_file(file_id, "unreadable_file", fault)
                self._register(file_id, file)
                return
            self._forget(file_id)
            file = now
        self._forget(file_id)
        self._reject_file(file_id, "file_changed", "it was changed or removed while it was read")
        self._register(file_id, file)

    def deduplicate(self) -> None:
        """Of the valid events of one id the first counts; the others are duplicates, or conflict with it."""
        self._connection.execute("""
            create table repeated as
            select event_id, min(place) as first_place, arg_min(content, place) as first_content
            from events where verdict is null
            group by event_id having count(*) > 1
        """)
        self._connection.execute("""
            create table marks as
            select place, content = first_content as is_duplicate
            from events join repeated using (event_id)
            where verdict is null and place <> first_place
        """)

    def parse(self, ads: Iterable[Ad]) -> None:
        """Find the inserted ads of every distinct (answer, candidates), with every title that `ads` hold.

        `readings` has them for every accepted answer.
        """
        catalog: dict[str, list[Ad]] = {}
        for ad in ads:
            catalog.setdefault(ad.ad_id, []).append(ad)

        @lru_cache(CANDIDATE_LISTS)
        def candidates(ad_ids: str) -> list[Ad]:
            return [ad for ad_id in ad_ids.split("\n") for ad in catalog.get(ad_id, ())]

        self._connection.execute("""
            create table distinct_answers as
            select answer_key, min(place) as place
            from events where verdict is null and event = 'answer' group by answer_key
        """)
        self._connection.execute("create table parsed (place bigint, inserted_ad_ids varchar[], format_errors bigint)")
        reading = self._connection.cursor()
        answers = reading.execute(
            """
            select place, answer, array_to_string(candidate_ad_ids, chr(10)) as ad_ids
            from events semi join distinct_answers using (place)
            where len(list_filter($marks, lambda mark: contains(answer, mark))) > 0
            """,
            {"marks": list(ATTEMPT_MARKS)},
        )
        for batch in answers.to_arrow_reader(ANSWERS):
            self._connection.register("batch", _parsed(batch, candidates))
            self._connection.execute("insert into parsed select * from batch")
            self._connection.unregister("batch")
        reading.close()
        self._connection.execute("""
            create table readings as
            select events.place, coalesce(inserted_ad_ids, []) as inserted_ad_ids,
                coalesce(format_errors, 0) as format_errors
            from events anti join marks using (place) join distinct_answers using (answer_key)
            left join parsed on parsed.place = distinct_answers.place
            where verdict is null and event = 'answer'
        """)

    def conclude(self) -> DayCounts:
        """Which events are accepted, and why the others are not."""
        connection = self._connection
        connection.execute("""
            create view accepted as
            select events.*, file
            from events join files using (file_id) anti join marks on events.place = marks.place
            where verdict is null
        """)
        said = ", ".join(f"'{name}': events.{name}" for name in SAID)
        connection.execute(f"""
            create view rejected as
            select events.* exclude (raw), file,
                split_part(coalesce(verdict, 'conflicting_event_id event_id'), ' ', 1) as rejection_reason,
                nullif(regexp_extract(coalesce(verdict, 'conflicting_event_id event_id'), ' (.*)$', 1), '') as detail,
                coalesce(raw, to_json({{{said}}})::varchar) as raw
            from events join files using (file_id) left join marks on events.place = marks.place
            where verdict is not null or not is_duplicate
        """)
        connection.execute("""
            create table per_file as
            with counts as (
                select file_id, count(*) as events_read,
                    count(*) filter (verdict is not null or not is_duplicate) as rejected,
                    count(*) filter (is_duplicate) as duplicates
                from events left join marks on events.place = marks.place
                group by file_id
            )
            select file, bytes, fingerprint, coalesce(events_read, 0) as events_read,
                coalesce(events_read - rejected - duplicates, 0) as accepted,
                coalesce(duplicates, 0) as duplicates, coalesce(rejected, 0) as rejected
            from files left join counts using (file_id)
        """)
        reasons = connection.execute("select rejection_reason, count(*) from rejected group by all").fetchall()
        totals = connection.execute("""
            select count(*), sum(events_read)::bigint, sum(accepted)::bigint, sum(duplicates)::bigint,
                sum(rejected)::bigint
            from per_file
        """).fetchall()[0]
        files, read, accepted, duplicates, rejected = totals
        return DayCounts(files, read, accepted, duplicates, rejected, dict(reasons))

    def write(self, lake: Lake, tables: Iterable[str] = TABLES) -> None:
        """Replace the day's tables, all or, where the disk is full, none of them."""
        before = answers_before(lake, self._day, self._config)
        self._connection.execute(f"create or replace view answered_before as {before}")
        lake.write_together({table: partial(self._copy, table) for table in tables}, {"day": self._day})

    def _copy(self, table: str, path: Path) -> int:
        selection = answer_days(self._day, self._config) if table == "click_log_answer_days" else _SELECTIONS[table]
        copied = self._connection.execute(f"""
            copy (select '{self._day}' as day, * from ({selection}))
            to '{str(path).replace("'", "''")}' (format parquet, compression zstd)
        """)
        return int(copied.fetchall()[0][0])

    def _insert(self, file_id: int, file: LogFile) -> str | None:
        """Read a file into `events`; what went wrong with it as a whole, where something did."""
        try:
            rows = open_rows(file)
        except UnreadableFile as error:
            return str(error)
        try:
            self._connection.register(INCOMING, rows.reader)
            self._connection.execute(f"""
                insert into events by name
                select {file_id} * 1_000_000_000_000 + line as place, {file_id} as file_id, *
                from ({validated(rows.relation, self._day, self._config)})
            """)
        except UNREADABLE as error:
            # Of a statement that fails nothing is kept.
            return f"DuckDB can't read it: {error}"
        finally:
            self._connection.unregister(INCOMING)
        return rows.faults[0] if rows.faults else None

    def _forget(self, file_id: int) -> None:
        self._connection.execute("delete from events where file_id = ?", [file_id])

    def _register(self, file_id: int, file: LogFile) -> None:
        row = [file_id, file.name, file.size, file.fingerprint]
        self._connection.execute("insert into files values (?, ?, ?, ?)", row)

    def _reject_file(self, file_id: int, reason: str, what: str) -> None:
        self._connection.execute(
            "insert into events (place, file_id, verdict, raw) values (? * 1_000_000_000_000, ?, ?, ?)",
            [file_id, file_id, reason, without_passwords(what)],
        )


def _parsed(batch: pa.RecordBatch, candidates: Callable[[str], Iterable[Ad]]) -> pa.Table:
    texts, ad_ids = batch.column("answer").to_pylist(), batch.column("ad_ids").to_pylist()
    parsed = [parse_answer(answer, candidates(ids)) for answer, ids in zip(texts, ad_ids, strict=True)]
    return pa.table(
        {
            "place": batch.column("place"),
            "inserted_ad_ids": pa.array([answer.ad_ids for answer in parsed], pa.list_(pa.string())),
            "format_errors": pa.array([answer.format_errors for answer in parsed], pa.int64()),
        }
    )
