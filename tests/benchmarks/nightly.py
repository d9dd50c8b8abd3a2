"""The nightly refit, from the warehouse to a stored model, against logistic regression on the words of the same rows.

A synthetic log of 15 days: N impressions in the window, N / 14 on the newest day, each answer and question distinct.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb
import polars as pl

from tests.benchmarks.nightly_process import WINDOW_DAYS
from tests.benchmarks.records import Record, device_name
from tests.click_log_warehouse import FIRST, write_days
from tests.llm_auction.pctr.simulated_market import simulate

DRAWN = 15_000
BASELINE = "logistic regression on hashed words"


def nightly_records(folder: Path, impressions: int, known: Collection[str]) -> Iterator[Record]:
    """Seconds and peak memory of a night: the window thinned as section `nightly` has it, and the whole of it."""
    cases = {"": [], "-whole": [impressions]}
    names = {f"nightly/{impressions}{part}{case}" for case in cases for part in ("", "-peak")}
    if names <= set(known):
        return
    write_log(folder / "nightly", impressions)
    plain = _side("plain", folder / "nightly")
    for name, limit in cases.items():
        ours = _side("ours", folder / "nightly", *map(str, limit))
        for part, unit, key in (("", "s", "seconds"), ("-peak", "B", "bytes")):
            case = f"nightly/{impressions}{part}{name}"
            yield Record(
                "nightly", case, ours[key], unit, plain[key], plain[key] / ours[key], device_name(), None, BASELINE
            )


def write_log(folder: Path, impressions: int) -> None:
    """The warehouse: simulated impressions, under ever other users, questions and days, with new clicks."""
    folder.mkdir(parents=True)
    a_day = impressions // WINDOW_DAYS
    copies = math.ceil(a_day / DRAWN)
    market = simulate(a_day // copies, users=max(20, a_day // copies // 50))
    write_days(folder, {0: market})
    chances = pl.DataFrame(
        {
            "response_id": [f"r-0-{row - one.position}" for row, one in enumerate(market.impressions)],
            "ad_id": [one.ad.ad_id for one in market.impressions],
            "chance": market.probabilities,
        }
    )
    renamed = f"""
        response_id || '-' || copy as response_id, user_id || '-' || copy as user_id,
        date '{FIRST}' + (copy // {copies})::integer as day
    """
    number = f"range({(WINDOW_DAYS + 1) * copies}) as numbers(copy)"
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.register("chances", chances.to_arrow())
        connection.execute(f"""
            create or replace table fct_click_log_impressions as
            with clickable as (
                -- the same for all copies of a text, so that nothing is gained by knowing it by heart
                select impressions.*, avg(chance) over (partition by ad_id, position) as chance
                from fct_click_log_impressions as impressions inner join chances using (response_id, ad_id)
            )
            select * exclude (chance, copy) replace (
                {renamed}, hash(response_id, ad_id, copy) / 18446744073709551616 < chance as clicked
            )
            from clickable, {number}
        """)
        connection.execute(f"""
            create or replace table fct_click_log_responses as
            select * exclude (copy) replace (
                {renamed}, query || ' ' || copy as query, answer || ' Number ' || copy || '.' as answer
            )
            from fct_click_log_responses, {number}
        """)


def _side(side: str, folder: Path, *options: str) -> dict[str, float]:
    """Measure one side in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "tests.benchmarks.nightly_process", side, str(folder), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{side}:\n{error.stdout}\n{error.stderr}") from error
    return json.loads(done.stdout.splitlines()[-1])
