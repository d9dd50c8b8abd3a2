"""A nightly refit against no refit while tastes drift: log loss, AUC, ECE and revenue over two weeks.

    python -m tests.benchmarks.nightly_drift [--impressions 500] [--drift 0.2] [--seed 0]

Every day has users of its own. A week of days fits the first model; on each of the 14 days after it four models are
measured before the day is trained on: that first one, the champion of the nightly path (promoted by its own rule),
every night's refit without that rule, and a fit from scratch on the same window. *Revenue* is the expected revenue of
the best of five answers to each of some 70 questions, picked by the model's expected revenue under random bids. Platt
and isotonic calibration are compared on the same held-out rows of every refit.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.isotonic import IsotonicRegression

from llm_auction.pctr.calibration import fit_calibration
from llm_auction.pctr.comparison import compare
from llm_auction.pctr.fit import FitResult, fit_pctr
from llm_auction.pctr.metrics import quality
from llm_auction.pctr.model import PctrModel
from llm_auction.pctr.promotion import judge
from llm_auction.pctr.refit import refit_pctr
from llm_auction.profiles.schema import NightlyConfig, PctrConfig
from llm_auction.seeds import generator
from llm_auction.traffic.tastes import tastes_on
from llm_auction.world.topics import topics
from tests.llm_auction.pctr.simulated_market import Market, simulate

FIRST = date(2026, 1, 1)
WARM_UP, DAYS = 7, 14
CONFIG, NIGHTLY = PctrConfig(), NightlyConfig()
SHOP_IMPRESSIONS = 720


@dataclass(frozen=True)
class Options:
    impressions: int
    drift: float
    seed: int

    def day(self, number: int, impressions: int, label: str) -> Market:
        tastes = tastes_on(FIRST + timedelta(days=number), FIRST, topics(), self.drift, self.seed)
        return simulate(impressions, self.seed, users=impressions // 20, label=f"{label} {number}", tastes=tastes)


def main() -> None:
    """Run the simulation and print its means over the days, and the days one by one."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nightly_drift", description=__doc__)
    parser.add_argument("--impressions", type=int, default=500, help="a day")
    parser.add_argument(
        "--drift", type=float, default=0.2, help="standard deviation of a category's daily step, logits"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = Options(**vars(parser.parse_args()))
    days = [options.day(number, options.impressions, "day") for number in range(WARM_UP + DAYS)]
    week = _joined(days[:WARM_UP])
    first = fit_pctr(week.impressions, week.clicked, CONFIG, options.seed).model
    champion = always = first
    figures: dict[str, list[dict[str, float]]] = defaultdict(list)
    promotions, seconds = 0, []
    for number in range(WARM_UP, WARM_UP + DAYS):
        newest = days[number]
        start = max(0, number - NIGHTLY.window_days)
        window = _joined(days[start:number])
        ages = np.concatenate([np.full(len(days[d].impressions), number - 1 - d) for d in range(start, number)])
        began = time.process_time()
        gated = _refit(window, ages, options.seed, champion)
        seconds.append(time.process_time() - began)
        always = _refit(window, ages, options.seed, always).model
        scratch = _refit(window, ages, options.seed, None).model
        users = [impression.user_id for impression in newest.impressions]
        verdict = judge(
            compare(
                champion.predict(newest.impressions),
                gated.model.predict(newest.impressions),
                newest.clicked,
                users,
                resamples=NIGHTLY.bootstrap_resamples,
                confidence=NIGHTLY.confidence,
                seed=options.seed,
            ),
            NIGHTLY.model_copy(update={"min_impressions": 1}),
        )
        # A day is measured with what served on it: the champion that the night before it left.
        shop = options.day(number, SHOP_IMPRESSIONS, "shop")
        served = {"no refit": first, "champion": champion, "every refit": always, "from scratch": scratch}
        for name, model in served.items():
            predicted = model.predict(newest.impressions)
            figures[name].append(
                quality(predicted, newest.clicked, newest.probabilities) | {"revenue": _revenue(model, shop, number)}
            )
        figures["users' own"].append(
            quality(newest.probabilities, newest.clicked) | {"revenue": _revenue(None, shop, number)}
        )
        rows = [window.impressions[row] for row in gated.test]
        logits, held = gated.model.logits(gated.model.features(rows)), window.clicked[gated.test]
        own = gated.model.logits(gated.model.features(newest.impressions))
        isotonic = IsotonicRegression(y_min=1e-3, y_max=1 - 1e-3, out_of_bounds="clip").fit(logits, held)
        figures["(Platt)"].append(quality(fit_calibration(logits, held).apply(own), newest.clicked))
        figures["(isotonic)"].append(quality(isotonic.predict(own), newest.clicked))
        print(f"day {number}: {'promoted' if verdict.promote else 'kept'}, {verdict.reason}", flush=True)
        if verdict.promote:
            champion, promotions = gated.model, promotions + 1
    _print(figures, promotions, float(np.mean(seconds)))


def _refit(window: Market, ages: np.ndarray, seed: int, champion: PctrModel | None) -> FitResult:
    return refit_pctr(window.impressions, window.clicked, ages, NIGHTLY.half_life_days, CONFIG, seed, champion=champion)


def _joined(days: list[Market]) -> Market:
    return Market(
        [impression for day in days for impression in day.impressions],
        np.concatenate([day.clicked for day in days]),
        np.concatenate([day.probabilities for day in days]),
        [auction for day in days for auction in day.auctions],
    )


def _revenue(model: PctrModel | None, shop: Market, number: int) -> float:
    """Mean expected revenue of the answer to each question that the model (None: the users themselves) likes best."""
    predicted = shop.probabilities if model is None else model.predict(shop.impressions)
    expected: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for impression, p, true in zip(shop.impressions, predicted, shop.probabilities, strict=True):
        bid = int(generator(number, "bid", impression.user_id, impression.query, impression.ad.ad_id).integers(1, 101))
        of_answer = expected[f"{impression.user_id} {impression.query}", impression.answer]
        of_answer[0] += bid * float(p)
        of_answer[1] += bid * float(true)
    best: dict[str, list[float]] = {}
    for (question, _), values in expected.items():
        best[question] = max(best.get(question, values), values)
    return float(np.mean([true for _, true in best.values()]))


def _print(figures: dict[str, list[dict[str, float]]], promotions: int, seconds: float) -> None:
    table = Table("model", "log loss", "first week", "second week", "AUC", "ECE", "revenue")
    for name, of_days in figures.items():
        losses = [day["log_loss"] for day in of_days]
        table.add_row(
            name,
            f"{np.mean(losses):.4f}",
            f"{np.mean(losses[:7]):.4f}",
            f"{np.mean(losses[7:]):.4f}",
            f"{np.mean([day['auc'] for day in of_days]):.4f}",
            f"{np.mean([day['ece'] for day in of_days]):.4f}",
            f"{np.mean([day['revenue'] for day in of_days]):.2f}" if "revenue" in of_days[0] else "",
        )
    Console().print(table)
    print(f"{promotions} of {DAYS} refits promoted, {seconds:.1f} CPU-seconds a refit")


if __name__ == "__main__":
    main()
