"""Pooling property checks over seeds: means with the interval that independent strata give, worst cases kept."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llm_auction.evaluation.bootstrap import Interval, mean_interval, resample_means
from llm_auction.evaluation.continuity import ContinuityFigures, Jump
from llm_auction.evaluation.incentive_table import INCENTIVE_SCHEMA, WORST_COUNTS
from llm_auction.evaluation.multiple import holm
from llm_auction.evaluation.pooling import pooled_by_name, pooled_continuity, pooled_interval, pooled_table
from llm_auction.seeds import generator


def test_means_get_the_interval_of_the_stratified_bootstrap() -> None:
    values = [generator(seed, "pooling").exponential(1.0 + seed, 60) for seed in range(3)]
    pooled = pooled_interval([mean_interval(one, 4000, seed) for seed, one in enumerate(values)])
    strata = np.repeat([0, 1, 2], 60).tolist()
    together = resample_means(np.concatenate(values)[:, None], strata, 4000, 9).mean(0)
    assert pooled.value == pytest.approx(together.value)
    assert pooled.low == pytest.approx(together.low, abs=0.03) and pooled.high == pytest.approx(together.high, abs=0.03)


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(200):
        rng = generator(trial, "coverage")
        seeds = [mean_interval(rng.normal(level, 1.0, 40), 200, trial) for level in (0.0, 1.0, 5.0)]
        found = pooled_interval(seeds)
        covered += (found.low or 0.0) <= 2.0 <= (found.high or 0.0)
    assert 0.88 <= covered / 200 <= 0.99


def test_seeds_that_ask_the_same_questions_get_the_interval_of_figures_that_move_as_one() -> None:
    figures = [Interval(1.0, 0.0, 3.0), Interval(3.0, 2.0, 5.0)]
    assert pooled_interval(figures, independent=False) == Interval(2.0, 1.0, 4.0)
    assert pooled_interval(figures) == Interval(2.0, pytest.approx(2.0 - 0.5**0.5), pytest.approx(2.0 + 2.0**0.5))


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([Interval(1.0, 0.0, 2.0)], Interval(1.0, 0.0, 2.0)),
        ([Interval(1.0, 0.0, 2.0), Interval(3.0, None, None)], Interval(2.0, None, None)),
        ([Interval(1.0, 0.0, 2.0), Interval(None, None, None)], Interval(None, None, None)),
    ],
)
def test_what_a_seed_lacks_the_pool_lacks(figures: list[Interval], expected: Interval) -> None:
    assert pooled_interval(figures) == expected


def test_only_what_every_seed_has_is_pooled() -> None:
    assert pooled_by_name([{"a": 1, "b": 2}, {"b": 3}], sum) == {"b": 5}
    assert pooled_by_name([], sum) == {}
    with pytest.raises(ValueError, match="no figures"):
        pooled_interval([])


def test_what_nobody_may_gain_is_pooled_by_its_worst_seed() -> None:
    def table(gain: float, regret: float) -> pl.DataFrame:
        rows = [
            ("mosaic", None, "argmax", None, "misreport_gain", gain, None, None, 20),
            ("llm_auction", "03", None, None, "utility_regret", regret, regret - 1, regret + 1, 30),
        ]
        return pl.DataFrame(rows, schema=INCENTIVE_SCHEMA, orient="row")

    pooled = pooled_table([table(1e-15, 2.0), table(0.5, 4.0)], [("value", "ci_low", "ci_high")], WORST_COUNTS)
    assert pooled.schema == pl.Schema(INCENTIVE_SCHEMA)
    assert pooled["value"].to_list() == [0.5, 3.0] and pooled["n"].to_list() == [40, 60]
    assert pooled["ci_low"][1] == pytest.approx(3 - 0.5**0.5)


def test_holm_settles_a_family_together() -> None:
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert holm([0.01, 0.02, 0.04]) == [True, True, True]
    assert holm([]) == []


def test_one_seed_alone_keeps_the_bid_of_its_largest_jump() -> None:
    found = ContinuityFigures(Jump(0.2, 31, 0.8, Interval(0.25, 0.2, 0.3), 1), Interval(0.3, 0.2, 0.4), 4, 64, 8)
    assert pooled_continuity([found]).jump.bid == 31
    assert pooled_continuity([found, found]).jump.bid is None, "every seed looks at another query"
