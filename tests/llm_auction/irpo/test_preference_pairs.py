"""Winners, losers, and the file that carries them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llm_auction.irpo.preference_pairs import PreferenceSet, read_sets, write_sets


def _set(rewards: list[float], tokens: list[tuple[int, ...]] | None = None) -> PreferenceSet:
    tokens = tokens or [(index, 2) for index in range(len(rewards))]
    answers = tuple(f"answer {token}" for token in tokens)
    return PreferenceSet("q1", [{"role": "user", "content": "hi"}], answers, tuple(tokens), tuple(rewards))


def test_winner_and_losers() -> None:
    chosen = _set([5.0, 30.0, 20.0, 19.9, 30.0])
    assert chosen.winner == 1
    assert chosen.losers(10.0) == (0, 3)  # exactly 10 below is no loser
    assert chosen.losers(0.0) == (0, 2, 3)
    assert not _set([3.0, 3.0]).usable(0.0)


def test_contenders_merge_equal_losers() -> None:
    chosen = _set([50.0, 1.0, 45.0, 1.0, 0.0], [(9,), (4, 5), (8,), (4, 5), (6,)])
    assert chosen.contenders(10.0) == ([(9,), (4, 5), (6,)], [1, 2, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": (1.0,)}, "query q1: 2 answers, 2 token lists and 1 rewards"),
        ({"rewards": (1.0, float("nan"))}, "query q1: rewards must be finite"),
        ({"token_ids": ((1,), ())}, "query q1: an answer has no tokens"),
        ({"answers": (), "token_ids": (), "rewards": ()}, "at least one answer"),
    ],
)
def test_bad_sets_name_their_query(change: dict[str, object], message: str) -> None:
    good = {"answers": ("a", "b"), "token_ids": ((1,), (2,)), "rewards": (1.0, 2.0)}
    with pytest.raises(ValueError, match=message):
        PreferenceSet("q1", [], **(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", ["plain", "data[old]{1}*"])
def test_round_trip(tmp_path: Path, folder: str) -> None:
    sets = [_set([5.0, 30.0]), _set([1.5, -2.5, 0.0])]
    (tmp_path / folder).mkdir()
    write_sets(tmp_path / folder / "pairs.parquet", sets)
    assert read_sets(tmp_path / folder / "pairs.parquet") == sets


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    with pytest.raises(ValueError, match="do not exist"):
        read_sets(path)
    path.write_text("query_id,messages")
    with pytest.raises(ValueError, match=r"pairs\.parquet can't be read as Parquet"):
        read_sets(path)
    write_sets(path, [_set([1.0, 2.0])])
    frame = pl.read_parquet(path)
    frame.drop("rewards").write_parquet(path)
    with pytest.raises(ValueError, match=r"lack the columns \['rewards'\]"):
        read_sets(path)
    pl.concat([frame, frame.with_columns(rewards=pl.lit([1.0]))]).write_parquet(path)
    with pytest.raises(ValueError, match="row 1: query q1: 2 answers"):
        read_sets(path)
