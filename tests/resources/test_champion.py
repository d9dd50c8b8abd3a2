"""The champion moves on purpose only: in one step, never behind somebody's back, and back again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from resources.champion import Champion, ChampionChanged
from resources.model_store import ModelStore, ModelStoreError, ModelVersion


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(data_dir=str(tmp_path))


@pytest.fixture
def champion(store: ModelStore) -> Champion:
    return Champion(store, "pctr")


def publish(store: ModelStore, text: str) -> ModelVersion:
    return store.publish(
        "pctr", f"nightly/{text}", lambda folder: (folder / "config.json").write_text(text) and None, {"day": text}
    )


def test_there_is_none_before_the_first_promotion(store: ModelStore, champion: Champion) -> None:
    publish(store, "one")
    assert champion.current() is None
    assert champion.history() == []
    with pytest.raises(ModelStoreError, match="no predecessor"):
        champion.rollback("a mistake")


def test_a_promotion_is_remembered_with_its_reason(store: ModelStore, champion: Champion) -> None:
    first, second = publish(store, "one"), publish(store, "two")
    champion.promote(first, "the first", instead_of=None)
    champion.promote(second, "it is better", instead_of=first.version)
    current = champion.current()
    assert current is not None
    assert (current.version, current.metadata) == (second.version, {"day": "two"})
    assert [(move.version, move.reason) for move in champion.history()] == [
        (first.version, "the first"),
        (second.version, "it is better"),
    ]


def test_who_judged_against_another_champion_is_refused(store: ModelStore, champion: Champion) -> None:
    first, second, third = (publish(store, name) for name in ("one", "two", "three"))
    champion.promote(first, "", instead_of=None)
    champion.promote(second, "", instead_of=first.version)
    for stale in (None, first.version):
        with pytest.raises(ChampionChanged, match="another run has moved it"):
            champion.promote(third, "", instead_of=stale)
    assert champion.history()[-1].version == second.version


def test_rollbacks_go_back_one_by_one_and_withdraw(store: ModelStore, champion: Champion) -> None:
    versions = [publish(store, name) for name in ("one", "two", "three")]
    before = None
    for version in versions:
        champion.promote(version, "", instead_of=before)
        before = version.version
    assert champion.rollback("drift").version == versions[1].version
    assert champion.rollback("drift again").version == versions[0].version
    current = champion.current()
    assert current is not None and current.metadata == {"day": "one"}
    assert champion.withdrawn() == {versions[1].version, versions[2].version}
    with pytest.raises(ModelStoreError, match="no predecessor"):
        champion.rollback("once more")
    champion.promote(versions[2], "by hand", instead_of=versions[0].version)
    assert champion.withdrawn() == {versions[1].version}
    assert champion.rollback("no").version == versions[0].version
    assert len(champion.history()) == 7


@pytest.mark.parametrize(
    ("metadata", "unseen"),
    [
        ({"day": "2026-01-05"}, False),  # a nightly refit of the day itself
        ({"arm": "llm_auction"}, True),
        ({"arm": "production", "day": "2026-01-04"}, True),
        ({"arm": "production", "day": "2026-01-05"}, False),
        ({"arm": "production"}, False),
    ],
)
def test_the_champion_before_a_day_has_not_learnt_from_it(
    store: ModelStore, champion: Champion, metadata: dict[str, str], unseen: bool
) -> None:
    earlier = publish(store, "2026-01-01")
    newer = store.publish("pctr", "newer", lambda folder: (folder / "config.json").write_text("n") and None, metadata)
    champion.promote(earlier, "", instead_of=None)
    champion.promote(newer, "", instead_of=earlier.version)
    found = champion.before(date(2026, 1, 5))
    assert found is not None and found.version == (newer if unseen else earlier).version


def test_a_rollback_to_a_damaged_version_leaves_the_champion(store: ModelStore, champion: Champion) -> None:
    first, second = publish(store, "one"), publish(store, "two")
    champion.promote(first, "", instead_of=None)
    champion.promote(second, "", instead_of=first.version)
    (first.path / "config.json").write_text("damaged")
    with pytest.raises(ModelStoreError, match="not what the manifest says"):
        champion.rollback("drift")
    current = champion.current()
    assert current is not None and current.version == second.version


def test_a_damaged_pointer_is_one_clear_error(store: ModelStore, champion: Champion) -> None:
    champion.promote(publish(store, "one"), "", instead_of=None)
    store.pointer_path("pctr", "champion").write_text("{")
    for read in (champion.current, champion.history):
        with pytest.raises(ModelStoreError, match=r"champion\.json is damaged"):
            read()


def test_of_two_runs_at_once_one_wins_and_readers_see_whole_pointers(tmp_path: Path) -> None:
    store = ModelStore(data_dir=str(tmp_path))
    champion = Champion(store, "pctr")
    champion.promote(publish(store, "start"), "", instead_of=None)
    code = (
        "import sys\n"
        "from resources.champion import Champion, ChampionChanged\n"
        "from resources.model_store import ModelStore\n"
        "store = ModelStore(data_dir=sys.argv[1])\n"
        "champion, won = Champion(store, 'pctr'), 0\n"
        "for number in range(20):\n"
        "    text = f'{sys.argv[2]}{number}'\n"
        "    made = store.publish('pctr', text, lambda folder: (folder / 'c.json').write_text(text) and None, {})\n"
        "    try:\n"
        "        champion.promote(made, text, instead_of=champion.current().version)\n"
        "        won += 1\n"
        "    except ChampionChanged:\n"
        "        pass\n"
        "print(won)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    seen = set()
    path = store.pointer_path("pctr", "champion")
    while any(process.poll() is None for process in processes):
        seen.add(json.loads(path.read_text())["version"])
    won = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(won) == len(champion.history()) - 1
    assert seen <= {move.version for move in champion.history()}
