"""Query files: real questions as they come, what is missing made up, what is wrong kept with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from llm_auction.market import Query
from llm_auction.population import QueryFileError, read_queries
from llm_auction.profiles.schema import PopulationConfig
from llm_auction.world.topics import topics

REAL = Path(__file__).resolve().parents[3] / "../shared/data/search_ads/queries.tsv"
ROWS = [
    {
        "query_id": "1",
        "query": "evote%27  beauty serum",
        "user_id": "ann",
        "profile": None,
        "category": "skin care",
        "split": "train",
    },
    {
        "query_id": "2",
        "query": "100% cotton",
        "user_id": "ben",
        "profile": "Ben, 40, likes Yoga Mats.",
        "category": None,
        "split": "TEST",
    },
    {"query_id": "3", "query": "bad %ff escape", "user_id": "ann", "profile": None, "category": None, "split": None},
]


def write_jsonl(path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, ROWS)))


def write_csv(path: Path) -> None:
    pl.DataFrame(ROWS).write_csv(path)


def write_tsv(path: Path) -> None:
    pl.DataFrame(ROWS).write_csv(path, separator="\t")


def write_parquet(path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(path)


@pytest.mark.parametrize("write", [write_jsonl, write_csv, write_tsv, write_parquet])
def test_every_format_gives_the_same_queries(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "queries")
    population = read_queries(PopulationConfig(queries_source=str(tmp_path / "queries")), topics(), 0)
    assert population.queries == (
        Query("1", "ann", "evote' beauty serum", "skin care"),
        Query("2", "ben", "100% cotton"),
        Query("3", "ann", "bad %ff escape"),
    )
    assert population.split_of_user == {"ann": "train", "ben": "test"}
    ann, ben = population.profiles
    assert ann.interests
    assert ann.text
    assert (ben.text, ben.interests) == ("Ben, 40, likes Yoga Mats.", ("yoga mats",))
    assert population.rejected == ()


def csv(path: Path, *lines: str, **settings: object) -> PopulationConfig:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return PopulationConfig(queries_source=str(path), max_rejected_share=1.0).model_copy(update=settings)


def test_queries_without_users_get_users_of_their_own_and_a_drawn_split(tmp_path: Path) -> None:
    config = csv(tmp_path / "q.csv", "query_id,query_text", *(f"{n},question {n}" for n in range(10)))
    population = read_queries(config, topics(), 0)
    assert len({query.user_id for query in population.queries}) == 10
    assert len({profile.text for profile in population.profiles}) == 10
    assert Counter(population.split_of_user.values()) == {"train": 8, "test": 2}
    assert read_queries(config, topics(), 0) == population
    assert read_queries(config, topics(), 1).profiles != population.profiles


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("1,again,cy,,,", "query_id", "repeats the id"),
        (",no id,cy,,,", "query_id", "is missing"),
        ("a b,odd id,cy,,,", "query_id", "must be 1 to 64"),
        ("9,,cy,,,", "text", "is missing"),
        ("9,%20%09,cy,,,", "text", "is missing"),
        (f"9,{'x' * 1001},cy,,,", "text", "has 1001 characters"),
        ("9,odd user,c y,,,", "user_id", "must be 1 to 64"),
        (f"9,long profile,cy,{'x' * 401},,", "profile", "has 401 characters"),
        ("9,odd split,cy,,,validation", "split", "must be train or test, got 'validation'"),
        ("9,other split,ann,,,test", "split", "puts user ann into both"),
        ("9,short row", "", "has 2 fields, the header 6"),
    ],
)
def test_a_bad_row_is_kept_with_its_reason(row: str, field: str, reason: str, tmp_path: Path) -> None:
    header = "query_id,text,user_id,profile,category,split"
    config = csv(tmp_path / "q.csv", header, "1,one,ann,,,train", "2,two,ben,,,test", row)
    population = read_queries(config, topics(), 0)
    assert [query.query_id for query in population.queries] == ["1", "2"]
    (rejected,) = population.rejected
    assert (rejected.row, rejected.field) == (4, field)
    assert reason in rejected.reason


@pytest.mark.parametrize(
    ("lines", "settings", "message"),
    [
        (["query_id,words", "1,a"], {}, r"no column .*text.* for text: its columns are 'query_id', 'words'"),
        (["query_id,text"], {}, "no queries in"),
        (["query_id,text", "1,a", "2,"], {"max_rejected_share": 0.4}, r"1 of 2 queries.*q\.csv:3 text is missing"),
        (["query_id,text", "1,a"], {}, "no test queries"),
        (["query_id,text,split", "1,a,test", "2,b,test"], {}, "no train queries"),
        (["query_id,text", "1,a"], {"queries_columns": {"words": "text"}}, "unknown field words"),
        (["<queries/>"], {}, "is XML"),
    ],
)
def test_a_file_that_will_not_do_is_one_clear_error(
    lines: list[str], settings: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(QueryFileError, match=message) as caught:
        read_queries(csv(tmp_path / "q.csv", *lines, **settings), topics(), 0)
    assert str(caught.value).startswith("population.queries_source: ")


def test_the_error_carries_the_rejected_rows(tmp_path: Path) -> None:
    with pytest.raises(QueryFileError) as caught:
        read_queries(csv(tmp_path / "q.csv", "query_id,text", "1,", max_rejected_share=0.0), topics(), 0)
    assert [row.field for row in caught.value.rejected] == ["text"]


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(QueryFileError, match=r"population\.queries_source: no file matches .*none\.csv"):
        read_queries(PopulationConfig(queries_source=str(tmp_path / "none.csv")), topics(), 0)


@pytest.mark.skipif(not REAL.exists(), reason="the real queries do not lie beside the project")
def test_real_queries_are_read_to_the_last_row() -> None:
    population = read_queries(PopulationConfig(queries_source=str(REAL)), topics(), 0)
    assert (len(population.queries), population.rejected) == (80, ())
    assert {query.query_id: query.text for query in population.queries}["1522"] == "evote' beauty serum"
    assert Counter(population.split_of_user.values()) == {"train": 64, "test": 16}
