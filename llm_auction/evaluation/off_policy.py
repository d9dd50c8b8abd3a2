"""Off-policy evaluation: what a candidate Ad-LLM would earn, estimated from the answers that another one gave.

A logged answer y counts with the importance weight w = pi(y | x) / mu(y | x): the candidate's probability of it over
that of the policy that wrote it, both under the settings that they sample with (`llm_auction.generation.rescoring`).
Over n logged answers with outcomes r (revenue, reward), a reward model's prediction q(x, y) for each, and its mean
q(x, pi) over the candidate's own answers:

    ips                mean of w r                                          (Horvitz and Thompson 1952)
    self_normalised    sum of w r / sum of w                                (Swaminathan and Joachims 2015)
    clipped            mean of min(w, sqrt(n)) r                            (Ionides 2008, truncation at sqrt(n))
    doubly_robust      mean of q(x, pi) + w (r - q(x, y))                   (Dudik, Langford and Li 2011)

The first is unbiased where the log's policy can write whatever the candidate can; the last where that holds or where
the reward model is right. Weights of long answers spread over orders of magnitude, and then a few answers decide all:
the effective sample size (Kish) tells, and below a stated one nothing is estimated. Intervals are bootstrapped over the
independent units of the log, such as users (`llm_auction.evaluation.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_auction.evaluation.bootstrap import Interval, ResampledMeans, percentile_interval, resample_means

# exp of more than this is no float any more.
_LARGEST_LOG_WEIGHT = 700.0


class TooFewEffectiveSamples(ValueError):
    """The candidate differs too much from what wrote the log: the message says by how much, and what to do."""


@dataclass(frozen=True, slots=True)
class LoggedOutcomes:
    """N logged answers, one array entry each.

    `units` names the independent unit (user) of each answer; `log_weights` are log pi(y | x) - log mu(y | x) in nats,
    -inf where the candidate never gives this answer; `outcomes` are what it brought. The predictions are a reward
    model's: `predicted` of the logged answer, `predicted_candidate` in the mean over answers of the candidate to the
    same auction; both None leaves the doubly robust estimate out.

    Raises:
        ValueError: lengths that differ, a value that is not finite, or a log weight of +inf or NaN.
    """

    units: Sequence[str]
    log_weights: np.ndarray
    outcomes: np.ndarray
    predicted: np.ndarray | None = None
    predicted_candidate: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.units)
        predictions = [values for values in (self.predicted, self.predicted_candidate) if values is not None]
        if len(predictions) == 1:
            raise ValueError("off-policy: predictions of the logged answers and of the candidate's go together")
        if not n or any(len(values) != n for values in (self.log_weights, self.outcomes, *predictions)):
            raise ValueError(f"off-policy: {n} logged answers need as many weights, outcomes and predictions")
        if any(not np.isfinite(values).all() for values in (self.outcomes, *predictions)):
            raise ValueError("off-policy: an outcome or a prediction is not finite")
        impossible = int((~(self.log_weights <= _LARGEST_LOG_WEIGHT)).sum())
        if impossible:
            raise ValueError(
                f"off-policy: {impossible} of {n} logged answers have probability 0, or none, under the policy that "
                "wrote them: their log-probabilities are not those of the settings that they were sampled with"
            )


@dataclass(frozen=True, slots=True)
class OffPolicyEstimate:
    """What the log says of the candidate, per answer.

    `logged` is the mean outcome of the policy that wrote the log; `values` the candidate's by estimator, `gains` its
    difference to `logged` over the same resamples. `mean_weight` is 1 in expectation where the log covers what the
    candidate writes; an interval below 1 tells of answers that the log can't have, which `ips` counts as worth nothing.
    """

    logged: Interval
    values: dict[str, Interval]
    gains: dict[str, Interval]
    effective_samples: float
    mean_weight: Interval
    largest_weight: float
    n_answers: int
    n_units: int


def effective_sample_size(log_weights: np.ndarray, units: Sequence[str]) -> float:
    """(sum W)^2 / sum W^2 over the units' summed weights W (Kish 1965): from 0, no weight, to the number of units."""
    finite = log_weights[np.isfinite(log_weights)]
    if not len(finite):
        return 0.0
    # The size does not depend on the weights' scale: with the largest at 1 nothing overflows.
    totals = _by_unit(np.exp(log_weights - finite.max())[:, None], units)[:, 0]
    return float(totals.sum() ** 2 / np.sum(totals**2))


def require_effective_samples(log_weights: np.ndarray, units: Sequence[str], minimum: float) -> float:
    """The effective sample size, where it reaches `minimum`.

    Raises:
        TooFewEffectiveSamples: it does not.
    """
    effective = effective_sample_size(log_weights, units)
    if effective < minimum:
        raise TooFewEffectiveSamples(
            f"off-policy: {len(units)} logged answers of {len(set(units))} users are worth {effective:.1f} effective "
            f"samples for this candidate, and {minimum:g} are asked for. It differs too much from the policy that "
            "wrote the log: take a log of a policy nearer to it, more days, or show it to a share of users"
        )
    return effective


def estimate_value(
    logged: LoggedOutcomes, *, min_effective_samples: float, resamples: int, seed: int
) -> OffPolicyEstimate:
    """The candidate's expected outcome per answer, by every estimator, with 95 % intervals.

    Raises:
        TooFewEffectiveSamples: fewer than `min_effective_samples`.
    """
    effective = require_effective_samples(logged.log_weights, logged.units, min_effective_samples)
    weights = np.exp(logged.log_weights)
    clipped = np.minimum(weights, np.sqrt(len(weights)))
    columns = [np.ones_like(weights), logged.outcomes, weights, weights * logged.outcomes, clipped * logged.outcomes]
    if logged.predicted is not None and logged.predicted_candidate is not None:
        columns.append(logged.predicted_candidate + weights * (logged.outcomes - logged.predicted))
    by_unit = _by_unit(np.column_stack(columns), logged.units)
    means = resample_means(by_unit, ["log"] * len(by_unit), resamples, seed)
    parts = {"ips": (3, 0), "self_normalised": (3, 2), "clipped": (4, 0), "doubly_robust": (5, 0)}
    ratios = {name: pair for name, pair in parts.items() if pair[0] < len(columns)}
    return OffPolicyEstimate(
        logged=means.ratio(1, 0),
        values={name: means.ratio(*pair) for name, pair in ratios.items()},
        gains={name: _gain(means, *pair) for name, pair in ratios.items()},
        effective_samples=effective,
        mean_weight=means.ratio(2, 0),
        largest_weight=float(weights.max()),
        n_answers=len(weights),
        n_units=len(by_unit),
    )


def _by_unit(columns_NC: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """Sums of the rows of each unit, [units, columns], in the order of the sorted units."""
    names, places = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), columns_NC.shape[1]))
    np.add.at(sums, places.reshape(-1), columns_NC)
    return sums


def _gain(means: ResampledMeans, numerator: int, denominator: int) -> Interval:
    """The ratio of two columns minus the mean logged outcome, over the same resamples."""
    point, samples = means.point, means.samples
    return percentile_interval(
        point[numerator] / point[denominator] - point[1] / point[0],
        samples[:, numerator] / samples[:, denominator] - samples[:, 1] / samples[:, 0],
    )
