"""The alert of a failed run: what failed and why, in a file that machines read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    ExecuteInProcessResult,
    MaterializeResult,
    asset,
    build_run_status_sensor_context,
    define_asset_job,
)

from resources.lake import Lake
from resources.webhook import WEBHOOK_VARIABLE
from workflows import alerts
from workflows.alerts import LONGEST_MESSAGE
from workflows.sensors import run_failure_alert

DAYS = DailyPartitionsDefinition("2026-03-01")


@asset(partitions_def=DAYS, check_specs=[AssetCheckSpec("volume", asset="delivered", blocking=True)])
def delivered() -> Iterator[object]:
    yield MaterializeResult(
        check_results=[AssetCheckResult(check_name="volume", passed=False, description="12 answers, 900 expected")]
    )


@asset(partitions_def=DAYS)
def broken() -> None:
    try:
        raise OSError("the real cause: " + "x" * 3000)
    except OSError as error:
        raise RuntimeError("something went wrong") from error


def failed_run(instance: DagsterInstance, what: str) -> ExecuteInProcessResult:
    job = define_asset_job("day", [what])
    definitions = Definitions(assets=[delivered, broken], jobs=[job])
    return definitions.resolve_job_def("day").execute_in_process(
        instance=instance, partition_key="2026-03-04", tags={"llm_auction/night": "2026-03-05"}, raise_on_error=False
    )


def alert_of(instance: DagsterInstance, result: ExecuteInProcessResult, folder: Path) -> dict[str, object]:
    context = build_run_status_sensor_context(
        sensor_name="run_failure_alert",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    )
    run_failure_alert(context.for_run_failure(), lake=Lake(data_dir=str(folder)))
    return json.loads((folder / "alerts" / f"{result.run_id}.json").read_text(encoding="utf-8"))


def test_a_failed_step_is_told_with_its_root_cause_cut_to_size(instance: DagsterInstance, tmp_path: Path) -> None:
    alert = alert_of(instance, failed_run(instance, "broken"), tmp_path)
    assert (alert["job"], alert["partition"], alert["night"]) == ("day", "2026-03-04", "2026-03-05")
    (step,) = alert["failed_steps"]  # type: ignore[misc]
    assert step["step"] == "broken"
    assert step["message"].startswith("OSError: the real cause")
    assert len(step["message"]) == LONGEST_MESSAGE
    assert str(alert["summary"]).startswith("day of 2026-03-04 failed: OSError: the real cause")
    assert alert["webhook"] == "no webhook is configured"


def test_a_failed_blocking_check_is_told(instance: DagsterInstance, tmp_path: Path) -> None:
    result = failed_run(instance, "delivered")
    assert not result.success
    alert = alert_of(instance, result, tmp_path)
    assert alert["failed_checks"] == [
        {"asset": "delivered", "check": "volume", "severity": "ERROR", "description": "12 answers, 900 expected"}
    ]


def test_a_webhook_that_is_not_there_hinders_nothing(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, "http://example.com/s3cret")
    alert = alert_of(instance, failed_run(instance, "broken"), tmp_path)
    assert "must be an https URL" in str(alert["webhook"])
    assert "s3cret" not in json.dumps(alert)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hooks/T0P s3cret", "http://127.0.0.1:s3cret"])
def test_a_webhook_that_is_no_url_loses_no_alert(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, url)
    alert = alert_of(instance, failed_run(instance, "broken"), tmp_path)
    assert "must be an https URL" in str(alert["webhook"])
    assert "s3cret" not in json.dumps(alert)


def test_an_alert_whose_sending_is_cut_short_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(content: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(alerts, "post_to_webhook", stop)
    with pytest.raises(KeyboardInterrupt):
        alerts.raise_alert({"summary": "day failed", "run_id": "abc"}, tmp_path)
    alert = json.loads((tmp_path / "alerts" / "abc.json").read_text(encoding="utf-8"))
    assert alert == {"summary": "day failed", "run_id": "abc", "webhook": "not told yet"}
