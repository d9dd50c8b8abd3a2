"""The paired, stratified percentile bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from llm_auction.evaluation.bootstrap import Interval, mean_interval, percentile_interval, resample_means


def test_interval_agrees_with_theory() -> None:
    """For a mean of many draws the percentile interval is close to mean +- 1.96 standard errors."""
    values = np.random.default_rng(1).normal(10, 2, size=(400, 1))
    figure = resample_means(values, [0] * 400, 4000, seed=0).mean(0)
    error = values.std() / 20
    assert figure.value == pytest.approx(values.mean())
    assert figure.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert figure.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_comparisons_are_paired() -> None:
    """Queries differ a lot, the mechanisms by a constant: the paired difference is certain though the means are not."""
    base = np.random.default_rng(2).uniform(0, 100, size=50)
    means = resample_means(np.column_stack([base, base + 1.0]), [0] * 50, 500, seed=0)
    assert means.mean(0).high - means.mean(0).low > 10
    assert means.difference(1, 0) == Interval(pytest.approx(1.0), pytest.approx(1.0), pytest.approx(1.0))


def test_same_rows_and_seed_same_resamples_whatever_the_columns() -> None:
    values = np.random.default_rng(3).normal(size=(30, 3))
    together = resample_means(values, ["a"] * 30, 300, seed=5)
    alone = resample_means(values[:, [2]], ["a"] * 30, 300, seed=5)
    np.testing.assert_allclose(together.samples[:, [2]], alone.samples)
    assert not np.allclose(alone.samples, resample_means(values[:, [2]], ["a"] * 30, 300, seed=6).samples)


def test_strata_keep_their_size() -> None:
    """Two seeds with different constant outcomes: every resample keeps 20 rows of one and 10 of the other."""
    values = np.array([[1.0]] * 20 + [[7.0]] * 10)
    means = resample_means(values, [0] * 20 + [1] * 10, 300, seed=0)
    np.testing.assert_allclose(means.samples, 3.0)


def test_rows_of_one_unit_are_drawn_together_in_whichever_strata_they_lie() -> None:
    """Two seeds ask the same 200 questions: the error is that of 200 questions, not of 400."""
    questions = np.random.default_rng(6).normal(size=200)
    values = np.concatenate([questions, questions + 1.0])[:, None]
    strata, units = [0] * 200 + [1] * 200, [*range(200), *range(200)]
    shared = resample_means(values, strata, 4000, seed=0, units=units)
    apart = resample_means(values, strata, 4000, seed=0)
    assert shared.samples.std() == pytest.approx(questions.std() / 200**0.5, rel=0.05)
    assert apart.samples.std() == pytest.approx(questions.std() / 400**0.5, rel=0.05)


def test_units_of_their_own_change_nothing_and_a_shared_one_costs_no_bounds() -> None:
    values = np.random.default_rng(7).normal(size=(40, 1))
    strata = [0] * 20 + [1] * 20
    alone = resample_means(values, strata, 300, seed=0)
    np.testing.assert_array_equal(resample_means(values, strata, 300, 0, units=range(40)).samples, alone.samples)
    with_one = resample_means(values, strata, 300, 0, units=[*range(39), 0])
    assert with_one.varies and with_one.samples.std() == pytest.approx(alone.samples.std(), rel=0.3)


def test_ratio_to_zero_is_undefined() -> None:
    means = resample_means(np.array([[1.0, 0.0], [2.0, 0.0]]), [0, 0], 50, seed=0)
    assert means.ratio(0, 1) == Interval(None, None, None)


@pytest.mark.parametrize("strata", [["a"], ["a", "a", "b"]])
def test_a_single_query_gives_no_bounds_and_settles_nothing(strata: list[str]) -> None:
    """One row is drawn again whatever the luck: that it never varies says nothing of other queries."""
    means = resample_means(np.tile([1.0, 3.0], (len(strata), 1)), strata, 50, seed=0)
    assert means.mean(1) == Interval(3.0, None, None)
    assert means.difference(1, 0) == Interval(2.0, None, None)
    assert means.ratio(1, 0) == Interval(3.0, None, None)
    assert means.p_value(1, 0) == 1.0


def test_a_difference_may_be_judged_against_a_margin() -> None:
    gaps = np.random.default_rng(4).normal(-0.1, 1.0, size=400)
    means = resample_means(np.column_stack([gaps, np.zeros(400)]), [0] * 400, 2000, seed=0)
    assert means.p_value(0, 1) > 0.01 and means.p_value(0, 1, margin=0.5) < 1e-6


def test_resamples_with_undefined_ratio_are_left_out() -> None:
    figure = percentile_interval(1.0, np.array([0.5, np.inf, np.nan, 1.5]))
    assert figure.low is not None and 0.5 <= figure.low < figure.high <= 1.5


def test_above_means_no_overlap() -> None:
    assert Interval(3.0, 2.0, 4.0).above(Interval(1.0, 0.0, 1.9))
    assert not Interval(3.0, 2.0, 4.0).above(Interval(1.0, 0.0, 2.0))
    assert not Interval(None, None, None).above(Interval(1.0, 0.0, 2.0))


@pytest.mark.parametrize(
    ("values", "strata", "message"),
    [
        (np.zeros((0, 2)), [], "one row, one stratum and one unit a query"),
        (np.zeros((3, 1)), [0, 0], "one row, one stratum and one unit a query"),
        (np.array([[np.nan]]), [0], "finite"),
    ],
)
def test_bad_input(values: np.ndarray, strata: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resample_means(values, strata, 10, seed=0)


def test_a_mean_claims_no_interval_that_it_has_not() -> None:
    assert mean_interval([], 100, seed=0) == Interval(None, None, None)
    assert mean_interval([3.0], 100, seed=0) == Interval(3.0, None, None)
    several = mean_interval(np.array([1.0, 2.0, 3.0]), 100, seed=0)
    assert several.value == 2.0 and several.low < 2.0 < several.high
