"""dbt on the parsed project: where the sources lie, and how a command that can't be carried out ends."""

from __future__ import annotations

import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder

from resources.dbt_process import ERROR, fill_in, main
from resources.dbt_project import parsed_project


def places(variables: dict[str, str]) -> dict[str, str]:
    """Where each source lies under these vars."""
    manifest = Manifest.from_msgpack(parsed_project().read_bytes(), decoder=extended_mashumuro_decoder)
    fill_in(manifest, variables)
    return {source.name: source.meta["external_location"] for source in manifest.sources.values()}


def test_sources_lie_where_the_vars_say() -> None:
    found = places({"data_dir": "/data/o'hara", "arm": "oracle", "iteration": "02"})
    assert "'/data/o''hara/lake/{name}/arm=oracle/iteration=02/*.parquet'" in found["ad_responses"]
    assert "'/data/o''hara/lake/click_log_files/day=*/_SUCCESS'" in found["click_log_answers"]
    assert not [place for place in found.values() if "@" in place]


def test_a_source_without_its_var_is_nowhere() -> None:
    found = places({"data_dir": "/data", "day": "2026-01-05"})
    assert "/arm=@arm@/" in found["ad_responses"]
    assert "@" not in found["click_log_answers"]


def test_a_command_that_dbt_does_not_know_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bild"]) == ERROR
    assert "bild" in capsys.readouterr().err
