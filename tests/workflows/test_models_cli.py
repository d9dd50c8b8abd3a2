"""`llm-auction models`: what is stored, what serves, and moving it by hand."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from resources.champion import Champion
from resources.lake import Lake
from resources.model_store import ModelStore
from workflows.cli.app import app


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two nights' refits, the second of which serves, and one Ad-LLM."""
    store = ModelStore(data_dir=str(tmp_path))
    for number, day in enumerate(("2026-01-05", "2026-01-06")):
        store.publish(
            "pctr",
            f"nightly/{day}",
            lambda folder, text=day: (folder / "config.json").write_text(text) and None,
            {
                "day": day,
                "window": ["2026-01-01", f"2026-01-0{number + 4}"],
                "parent": f"parent{number}",
                "data_versions": {day: "350-00ff"},
                "metrics": {"refit/auc": 0.71 + number / 100, "refit/log_loss": 0.43},
            },
        )
    champion = Champion(store, "pctr")
    first, second = (store.resolve("pctr", f"nightly/2026-01-0{number}") for number in (5, 6))
    champion.promote(first, "the first reward model", instead_of=None)
    champion.promote(second, "not worse: [AUC] 0.72 against 0.71", instead_of=first.version)
    store.publish(
        "ad_llm",
        "llm_auction/01",
        lambda folder: (folder / "config.json").write_text("{}") and None,
        {"arm": "llm_auction", "iteration": "01"},
    )
    return tmp_path


def invoke(data_dir: Path, *arguments: str) -> tuple[int, str]:
    environment = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, ["models", *arguments, "--data-dir", str(data_dir)], env=environment)
    text = re.sub(r"\x1b\[[0-9;]*m", "", result.output)
    return result.exit_code, f"{text} {result.exception or ''}"


@pytest.mark.parametrize("command", ["list", "show", "promote", "rollback"])
def test_every_command_teaches_by_example(command: str) -> None:
    result = CliRunner().invoke(app, ["models", command, "--help"], env={"COLUMNS": "160", "TERM": "dumb"})
    assert result.exit_code == 0
    assert f"llm-auction models {command}" in result.output


def test_list_marks_the_champion(data_dir: Path) -> None:
    code, text = invoke(data_dir, "list")
    assert code == 0
    lines = {line.split()[1]: line for line in text.splitlines() if "/" in line}
    assert set(lines) == {"nightly/2026-01-05", "nightly/2026-01-06", "llm_auction/01"}
    assert [name for name, line in lines.items() if "champion" in line] == ["nightly/2026-01-06"]
    assert "2026-01-01 to 2026-01-05" in lines["nightly/2026-01-06"] and "0.7200" in lines["nightly/2026-01-06"]
    assert "nightly" not in invoke(data_dir, "list", "ad_llm")[1]


def test_a_damaged_model_does_not_hide_the_others(data_dir: Path) -> None:
    (ModelStore(data_dir=str(data_dir)).resolve("pctr", "nightly/2026-01-05").path / "config.json").write_text("cut")
    code, text = invoke(data_dir, "list", "pctr")
    assert code == 0
    assert "nightly/2026-01-05 damaged" in text and "nightly/2026-01-06 champion" in text


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    code, text = invoke(tmp_path, "list")
    assert code == 0 and "no models in" in text and "llm-auction run" in text


def test_show_tells_lineage_figures_and_history(data_dir: Path) -> None:
    code, text = invoke(data_dir, "show", "pctr", "champion")
    assert code == 0
    for part in ("parent1", "2026-01-06 350-00ff", "refit/auc", "the first reward model", "[AUC] 0.72 against 0.71"):
        assert part in text, part
    version = ModelStore(data_dir=str(data_dir)).resolve("pctr", "nightly/2026-01-05").version
    assert "parent0" in invoke(data_dir, "show", "pctr", version)[1]
    code, text = invoke(data_dir, "show", "pctr", "nightly/2026-01-09")
    assert code != 0 and "no version nightly/2026-01-09 of pctr" in text


def test_paths_are_shown_as_they_are_whatever_rich_would_read_in_them(data_dir: Path) -> None:
    code, text = invoke(data_dir / "[" / "x]", "list")
    assert code == 0 and f"no models in {data_dir}/[/x]" in text
    shutil.copytree(data_dir / "models", data_dir / "[" / "x]" / "models", symlinks=True)
    code, text = invoke(data_dir / "[" / "x]", "show", "pctr", "nightly/2026-01-05")
    assert code == 0, text
    assert re.search(rf"path +{re.escape(str(data_dir))}/\[/x]/models", text)


def test_promote_and_rollback_move_the_champion(data_dir: Path) -> None:
    champion = Champion(ModelStore(data_dir=str(data_dir)), "pctr")
    code, text = invoke(data_dir, "rollback", "pctr", "-m", "clicks fell")
    assert code == 0 and "again" in text
    current = champion.current()
    assert current is not None and current.metadata["day"] == "2026-01-05"
    code, text = invoke(data_dir, "promote", "pctr", "nightly/2026-01-06", "-m", "it was the page")
    assert code == 0 and f"(was {current.version})" in text
    assert champion.history()[-1].reason == "it was the page"
    code, text = invoke(data_dir, "promote", "pctr", "champion", "-m", "again")
    assert code != 0 and "champion already" in text


def test_an_ad_llm_needs_an_estimate_that_speaks_for_it(data_dir: Path) -> None:
    store, lake = ModelStore(data_dir=str(data_dir)), Lake(data_dir=str(data_dir))
    version = store.resolve("ad_llm", "llm_auction/01").version
    promote = ("promote", "ad_llm", "llm_auction/01", "-m", "deploy")
    code, text = invoke(data_dir, *promote)
    assert code != 0 and "no off-policy estimate" in text
    base = store.publish("ad_llm", "base", lambda folder: (folder / "c.json").write_text("0") and None, {}).version
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    basis = {"first_day": yesterday, "last_day": yesterday, "policies": [base], "reward_model": "0123"}
    for change, refusal in (({"passed": False}, "speaks against"), ({"last_day": date(2026, 1, 5)}, "ended on")):
        lake.write("off_policy_report", pl.DataFrame([{**basis, "passed": True, **change}]), {"candidate": version})
        code, text = invoke(data_dir, *promote)
        assert code != 0 and refusal in text
    assert Champion(store, "ad_llm").current() is None
    lake.write("off_policy_report", pl.DataFrame([{**basis, "passed": True}]), {"candidate": version})
    assert invoke(data_dir, *promote)[0] == 0
    assert invoke(data_dir, "rollback", "ad_llm", "-m", "no")[0] != 0
    unproven = store.publish(
        "ad_llm", "llm_auction/02", lambda folder: (folder / "c.json").write_text("2") and None, {}
    ).version
    assert invoke(data_dir, "promote", "ad_llm", unproven, "-m", "an experiment", "--unproven")[0] == 0
