"""Query files of the user's own: real questions, with or without users, categories and a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from llm_auction.catalog.columns import ColumnMapping
from llm_auction.catalog.fields import clean_identifier, clean_text
from llm_auction.catalog.files import detect_format, find_files, read_rows
from llm_auction.catalog.rows import InvalidField, RejectedRow, SourceError, reject
from llm_auction.market import Query, UserProfile
from llm_auction.population.generator import make_profile
from llm_auction.population.market_topics import interest_topics
from llm_auction.population.split import split_users
from llm_auction.population.users import Population, Split
from llm_auction.profiles.schema import PopulationConfig
from llm_auction.world.topics import Topic

QUERY_COLUMNS = {
    "query_id": ("query_id", "id"),
    "text": ("text", "query", "query_text"),
    "user_id": ("user_id",),
    "profile": ("profile", "profile_text"),
    "category": ("category",),
    "split": ("split",),
}
MAX_QUERY_LENGTH = 1000  # characters; a longer one is a pasted document, not a question
MAX_PROFILE_LENGTH = 400
_EXAMPLES = 3


class QueryFileError(SourceError):
    """The query files as a whole can't be used; the message names the file or the rows, `rejected` holds them."""

    def __init__(self, message: str, rejected: tuple[RejectedRow, ...] = ()) -> None:
        super().__init__(message)
        self.rejected = rejected


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    profile: str
    split: Split | None


def read_queries(config: PopulationConfig, topics: Mapping[str, Topic], seed: int) -> Population:
    """The queries of `config.queries_source`, with profiles made up for users that have none in the file.

    A query without a user gets a user of its own. A user's split is what the file says, else drawn.

    Raises:
        QueryFileError: no such file, an unreadable one, a missing column, too many rejected rows, no test users.
    """
    rejected: list[RejectedRow] = []
    try:
        return _population(_read(config, rejected), rejected, config, topics, seed)
    except ValueError as error:
        raise QueryFileError(f"population.queries_source: {error}", tuple(rejected)) from error


def _population(
    asked: list[_Asked],
    rejected: list[RejectedRow],
    config: PopulationConfig,
    topics: Mapping[str, Topic],
    seed: int,
) -> Population:
    rows = len(asked) + len(rejected)
    if not rows:
        raise SourceError(f"no queries in {config.queries_source}")
    if not asked or len(rejected) / rows > config.max_rejected_share:
        first = "; ".join(f"{row.source}:{row.row} {row.field} {row.reason}" for row in rejected[:_EXAMPLES])
        raise SourceError(
            f"{len(rejected)} of {rows} queries are rejected, more than population.max_rejected_share = "
            f"{config.max_rejected_share:g} allows. First: {first}"
        )
    texts: dict[str, str] = {}
    given: dict[str, Split] = {}
    for item in asked:
        texts[item.query.user_id] = texts.get(item.query.user_id) or item.profile
        if item.split is not None:
            given[item.query.user_id] = item.split
    drawn = split_users([user_id for user_id in texts if user_id not in given], config.test_share, seed)
    profiles = tuple(
        UserProfile(user_id, text, interests_named_in(text, topics)) if text else make_profile(user_id, topics, seed)
        for user_id, text in texts.items()
    )
    population = Population(profiles, tuple(item.query for item in asked), {**drawn, **given}, tuple(rejected))
    population.require_both_splits()
    return population


def interests_named_in(text: str, topics: Mapping[str, Topic]) -> tuple[str, ...]:
    """The topics that a profile's own text names."""
    return tuple(name for name in interest_topics(topics) if name.lower() in text.lower())


def _read(config: PopulationConfig, rejected: list[RejectedRow]) -> list[_Asked]:
    """The accepted rows of all files; the others are appended to `rejected`."""
    asked: dict[str, _Asked] = {}
    split_of_user: dict[str, Split] = {}
    mapping = ColumnMapping(QUERY_COLUMNS, config.queries_columns, ("query_id", "text"), "population.queries_columns")
    for path in find_files(str(config.queries_source)):
        format_ = detect_format(path)
        if format_ == "merchant-xml":
            raise SourceError(f"{path} is XML: queries come as JSON Lines, CSV, TSV or Parquet")
        seen: dict[str, None] = {}
        for row in read_rows(path, format_):
            if row.problem is not None:
                rejected.append(reject(row, None, "", row.problem))
                continue
            seen.update(dict.fromkeys(row.values))
            values = {field: mapping.value(row.values, field) for field in QUERY_COLUMNS}
            try:
                item = _validate(values)
                user_id = item.query.user_id
                if item.query.query_id in asked:
                    raise InvalidField("query_id", "repeats the id of an earlier row")
                if item.split is not None and split_of_user.setdefault(user_id, item.split) != item.split:
                    raise InvalidField("split", f"puts user {user_id} into both train and test")
            except InvalidField as error:
                rejected.append(reject(row, values["query_id"], error.field, error.reason))
            else:
                asked[item.query.query_id] = item
        if seen:
            mapping.check(str(path), seen)
    return list(asked.values())


def _validate(values: Mapping[str, object]) -> _Asked:
    query_id = clean_identifier(values["query_id"], "query_id")
    text = clean_text(unescape(clean_text(values["text"], "text")), "text")
    if not text:
        raise InvalidField("text", "is missing")
    if len(text) > MAX_QUERY_LENGTH:
        raise InvalidField("text", f"has {len(text)} characters, more than {MAX_QUERY_LENGTH}")
    user_id = f"asks-{query_id}" if values["user_id"] is None else clean_identifier(values["user_id"], "user_id")
    profile = clean_text(values["profile"], "profile")
    if len(profile) > MAX_PROFILE_LENGTH:
        raise InvalidField("profile", f"has {len(profile)} characters, more than {MAX_PROFILE_LENGTH}")
    category = clean_text(values["category"], "category") or None
    return _Asked(Query(query_id, user_id, text, category), profile, _split(values["split"]))


def _split(value: object) -> Split | None:
    match clean_text(value, "split").lower():
        case "":
            return None
        case "train":
            return "train"
        case "test":
            return "test"
        case other:
            raise InvalidField("split", f"must be train or test, got {other[:40]!r}")


def unescape(text: str) -> str:
    """Text without URL escapes (`evote%27 serum` -> `evote' serum`); kept as it is where they are not UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text
