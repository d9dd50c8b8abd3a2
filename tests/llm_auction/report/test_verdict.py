"""The verdict says what the intervals say: held, open or against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from llm_auction.evaluation.bootstrap import Interval
from llm_auction.report.examples import examples
from llm_auction.report.finding import Finding
from llm_auction.report.property_verdict import property_findings
from llm_auction.report.records import records
from llm_auction.report.results_table import markdown_table, results_table
from llm_auction.report.sections.charges import charges_section
from llm_auction.report.study import Study
from llm_auction.report.verdict import caveats, findings, headline
from llm_auction.report.wording import PERCENT
from tests.synthetic_study import FINAL, synthetic_run

QUERIES = 40
# Nothing but outcomes: neither fits nor properties.
BARE: dict[str, Any] = {"fits": (), "bid_curves": None, "continuity": None, "incentives": None, "quality": None}


def study(reward: Callable[[str], pl.Expr] | None = None) -> Study:
    """A study in which the outcomes of single mechanisms are replaced by constants or shifted."""
    run = synthetic_run(0, QUERIES)
    if reward is not None:
        run = replace(run, outcomes=run.outcomes.with_columns(reward=reward("reward"), revenue=reward("revenue")))
    return Study.of([run], 300)


def statuses(of: Study) -> dict[str, str]:
    return {finding.claim: finding.status for finding in findings(of)}


def width(of: Interval) -> float:
    assert of.low is not None and of.high is not None
    return of.high - of.low


def starting(found: list[Finding], words: str) -> Finding:
    (one,) = (one for one in found if one.claim.startswith(words))
    return one


def by_mechanism(**shift: float) -> Callable[[str], pl.Expr]:
    """Every mechanism gets the pretrained model's own figures plus a shift (a step function of the query)."""

    def expression(column: str) -> pl.Expr:
        query = pl.col("query_id").str.slice(1).cast(pl.Float64)
        base = 30 + query % 7
        return base + pl.col("mechanism").replace_strict(shift, default=0.0)

    return expression


def test_clear_gains_hold_with_separate_intervals() -> None:
    found = findings(study(by_mechanism(llm_auction=20.0, oracle=22.0)))
    assert [finding.status for finding in found[:5]] == ["holds"] * 5
    assert "do not overlap" in found[0].evidence


def test_small_constant_gain_is_settled_only_by_pairing() -> None:
    found = findings(study(by_mechanism(llm_auction=0.3, oracle=0.3)))
    assert found[0].status == "holds" and "paired difference is settled" in found[0].evidence


def test_no_gain_is_open_and_a_loss_fails() -> None:
    assert set(list(statuses(study(by_mechanism())).values())[:4]) == {"open"}
    lost = statuses(study(by_mechanism(llm_auction=-5.0, oracle=-20.0)))
    assert list(lost.values())[:5] == ["fails"] * 5


def test_not_worse_is_open_unless_its_margin_is_ruled_out() -> None:
    """The Oracle measures a little higher, but moves by 24 from query to query: it may well be lower."""
    query = pl.col("query_id").str.slice(1).cast(pl.Int64)
    shift = pl.when(pl.col("mechanism") == "oracle").then(24.0 * (query % 2) - 11.5).otherwise(0.0)
    oracle = starting(findings(study(lambda column: 30 + query % 7 + shift)), "The Oracle")
    assert oracle.status == "open" and "is not ruled out" in oracle.evidence
    assert "by more than" in oracle.claim and "of LLM-Auction's reward)" in oracle.claim


def test_as_many_errors_as_before_hold_within_the_margin_and_more_fail() -> None:
    def with_errors(share: float) -> Study:
        run = synthetic_run(0, QUERIES)
        place = pl.col("query_id").str.slice(1).cast(pl.Int64)
        errors = pl.when(pl.col("mechanism") == "llm_auction").then((place < share * QUERIES).cast(pl.Int64))
        return Study.of([replace(run, outcomes=run.outcomes.with_columns(format_errors=errors.otherwise(0)))], 300)

    none, many = (starting(findings(with_errors(share)), "Training") for share in (0.0, 0.5))
    assert none.status == "holds" and "which of the two is ahead is not shown" in none.evidence
    assert "1.0 points" in none.claim
    assert many.status == "fails" and "Settled: more errors by more than 1.0 points" in many.evidence


def test_without_any_reward_the_oracles_margin_is_nothing_and_all_is_open() -> None:
    oracle = starting(findings(study(lambda column: pl.lit(0.0))), "The Oracle")
    assert oracle.status == "open" and "by more than 0.00" in oracle.claim


def test_one_query_settles_nothing() -> None:
    alone = Study.of([replace(synthetic_run(0, 1), **BARE)], 300)
    found = findings(alone)
    *compared, bills = found
    assert {one.status for one in compared} == {"open"} and len(compared) == 6
    assert bills.claim.startswith("Nobody is charged") and bills.status == "holds", "what was charged is no estimate"
    assert all("no interval" in one.evidence for one in compared)
    assert "not settled" in headline(alone) or "a query" in headline(alone)


def test_headline_says_what_is_not_settled() -> None:
    assert headline(study(by_mechanism())).count("(not settled)") == 2
    assert "not settled" not in headline(study(by_mechanism(llm_auction=5.0)))


def test_a_level_rival_is_named_beside_the_beaten_ones() -> None:
    """MOSAIC on tuned candidates earns what LLM-Auction earns, RAG-Auction far less."""
    run = synthetic_run(0, QUERIES)
    final = run.outcomes.filter(mechanism="llm_auction", iteration="03").with_columns(iteration=pl.lit(None, pl.String))
    place = pl.col("query_id").str.slice(1).cast(pl.Int64)
    level = final.with_columns(
        pl.col("revenue", "reward") + 8.0 * (place % 2) - 4.0,
        mechanism=pl.lit("mosaic_tuned"),
        variant=pl.lit("tau=10"),
    )
    poor = final.with_columns(
        pl.col("revenue", "reward") - 30.0, mechanism=pl.lit("rag_auction"), variant=pl.lit("k=1")
    )
    one = Study.of([replace(run, outcomes=pl.concat([run.outcomes, level, poor]))], 300)
    found = {finding.claim: finding.status for finding in findings(one)}
    for quantity in ("revenue", "reward"):
        assert found[f"More {quantity} per query than MOSAIC on tuned candidates at its best (τ = 10)"] == "open"
        assert found[f"More {quantity} per query than RAG-Auction at its best (k=1)"] == "holds"
    assert "1.00 times that of MOSAIC on tuned candidates (not settled)" in headline(one)
    assert "favours them: MOSAIC, MOSAIC on tuned candidates, RAG-Auction." in " ".join(caveats(one))


def test_properties_are_judged_by_their_own_intervals() -> None:
    one = study()
    response, close = one.pooled.bid_responses[FINAL], one.pooled.continuity[FINAL]

    def judged(**changes: object) -> list[str]:
        pooled = replace(one.pooled, **changes)
        return [finding.status for finding in property_findings(pooled, FINAL)]

    def stepping(share: Interval) -> dict[str, object]:
        return {"continuity": {FINAL: replace(close, jump=replace(close.jump, share=share))}}

    assert judged()[0] == "holds"
    assert judged(bid_responses={FINAL: replace(response, falls_of_mean=1)})[0] == "fails"
    assert judged(bid_responses={FINAL: replace(response, pooled_spearman=Interval(0.4, None, None))})[0] == "open"
    shares = (Interval(0.2, 0.1, 0.3), Interval(0.4, 0.2, 0.7), Interval(0.8, 0.6, 1.0))
    assert [judged(**stepping(share))[1] for share in shares] == ["holds", "open", "fails"]
    gains = one.pooled.incentives
    assert gains is not None
    regrets = pl.col("metric").str.starts_with("value_regret")

    def gaining(value: float) -> pl.DataFrame:
        columns = ("value", "ci_low", "ci_high")
        return gains.with_columns(pl.when(regrets).then(value).otherwise(pl.col(name)).alias(name) for name in columns)

    assert [judged(incentives=gaining(value))[2] for value in (0.0, 0.05)] == ["holds", "fails"]
    assert judged(bid_responses={}, continuity={}, incentives=None) == []


def test_an_overcharge_fails_a_claim_and_shows_in_the_section() -> None:
    claim = "Nobody is charged more than its bid for the clicks on its ad"
    run = synthetic_run(0, 4)
    assert statuses(Study.of([run], 50))[claim] == "holds"
    final = pl.col("mechanism").eq("llm_auction") & pl.col("iteration").eq_missing("03")
    dearer = pl.when(final).then(pl.col("payments").list.eval(pl.element() * 3)).otherwise(pl.col("payments"))
    unfair = Study.of([replace(run, outcomes=run.outcomes.with_columns(payments=dearer))], 50)
    assert statuses(unfair)[claim] == "fails"
    evidence = next(found.evidence for found in findings(unfair) if found.claim == claim)
    assert f"150.0{PERCENT} of it is charged" in evidence
    (table,) = charges_section(unfair, {}).tables
    shares = {name: cells[1].text for name, cells in table.rows}
    assert shares["LLM-Auction, iteration 3"] == f"150.0{PERCENT}" and shares["MOSAIC, argmax"] == f"50.0{PERCENT}"
    unknown = run.outcomes.with_columns(flooded=pl.lit(None, pl.Boolean))
    assert statuses(Study.of([replace(run, outcomes=unknown)], 50))[claim] == "open"
    of_final = [one for one in records(unfair) if (one["mechanism"], one["iteration"]) == ("llm_auction", "03")]
    figures = {one["metric"]: one for one in of_final}
    assert figures["largest_payment_share"]["value"] == pytest.approx(1.5)
    assert figures["least_charged_utility"]["value"] < 0


def test_headline_and_caveats() -> None:
    one = study()
    assert "After 3 iterations LLM-Auction earns" in headline(one) and "MOSAIC" in headline(one)
    text = " ".join(caveats(one))
    assert "One seed" in text and "favours it: MOSAIC" in text and "judged together" in text


def test_pooled_caveats_name_what_was_left_out() -> None:
    full, partial = synthetic_run(0, 10), synthetic_run(1, 10)
    partial = replace(partial, outcomes=partial.outcomes.filter(pl.col("mechanism") != "oracle"))
    text = " ".join(caveats(Study.of([full, partial], 100)))
    assert "2 seeds are pooled" in text and "Oracle, iteration 3" in text and "Only 20 test queries" in text


def test_a_mechanism_that_one_seed_lacks_is_not_said_to_be_nowhere() -> None:
    full, partial = synthetic_run(0, 10), synthetic_run(1, 10)
    partial = replace(partial, outcomes=partial.outcomes.filter(pl.col("mechanism") != "llm_auction"))
    one = Study.of([full, partial], 50)
    assert headline(one) == "LLM-Auction was evaluated under seed 0 alone; the others stand alone."
    (finding,) = findings(one)
    assert finding.status == "open" and "seed 0 alone: pooled is what every seed has" in finding.evidence


def test_questions_that_seeds_share_are_told_and_widen_the_pooled_intervals() -> None:
    first = synthetic_run(0, 10)
    second = replace(first, outcomes=first.outcomes.with_columns(seed=pl.lit(1, pl.Int64)))  # the same answers, too
    other = replace(second, queries={name: replace(one, text=f"{one.text} 2") for name, one in second.queries.items()})
    told = "10 of 10 test questions were put to several seeds"
    shared, apart = Study.of([first, second], 400), Study.of([first, other], 400)
    assert told in " ".join(caveats(shared))
    for name in ("revenue_per_query", "reward_per_query"):
        one, two = (study.comparison.interval(FINAL, name) for study in (shared, apart))
        assert one.value == two.value and width(one) > 1.2 * width(two)
    for one, two in zip(shared.pooled.bid_responses.values(), apart.pooled.bid_responses.values(), strict=True):
        assert width(one.query_spearman) >= width(two.query_spearman)
    for runs in ([first], [first, other]):
        assert "put to several seeds" not in " ".join(caveats(Study.of(runs, 100)))


def test_a_check_that_a_seed_lacks_is_named_and_its_records_say_what_they_rest_on() -> None:
    partial = replace(synthetic_run(1, 10), bid_curves=None)
    one = Study.of([synthetic_run(0, 10), partial], 100)
    text = " ".join(caveats(one))
    assert "bid_monotonicity was not measured under seed 1: its figures rest on seed 0 alone" in text
    assert "bid_continuity" not in text
    pooled = [record for record in records(one) if record["seed"] is None]
    seeds = {record["table"]: (record["seeds"], len(record["runs"])) for record in pooled}
    assert seeds["bid_monotonicity"] == ([0], 1) and seeds["bid_continuity"] == ([0, 1], 2)


def test_what_a_seeds_check_lacks_is_named() -> None:
    full, partial = synthetic_run(0, 10), synthetic_run(1, 10)
    curves, incentives = partial.bid_curves, partial.incentives
    assert curves is not None and incentives is not None
    partial = replace(
        partial,
        bid_curves=curves.filter(pl.col("iteration").ne_missing("02")),
        incentives=incentives.filter(pl.col("metric") != "bid_shading"),
    )
    text = " ".join(caveats(Study.of([full, partial], 100)))
    named = "Left out of the pooled figures of {} because not every seed's check has it: {}."
    assert named.format("bid_monotonicity", "LLM-Auction, iteration 2") in text
    shading = "; ".join(
        f"{name} (bid_shading)" for name in ("Pretrained", *(f"LLM-Auction, iteration {t}" for t in "123"))
    )
    assert named.format("incentive_report", shading) in text
    assert "pooled figures of" not in " ".join(caveats(Study.of([full, synthetic_run(1, 10)], 100)))


def test_tables_of_another_run_are_named() -> None:
    why = "it was measured with other models"
    stale = replace(synthetic_run(1, 10), continuity=None, left_out={"bid_continuity": why})
    assert f"bid_continuity is left out: {why}." in caveats(Study.of([stale], 100))
    assert f"bid_continuity of seed 1 is left out: {why}." in caveats(Study.of([synthetic_run(0, 10), stale], 100))


def test_table_marks_the_best_deployable_mechanism() -> None:
    table = results_table(study())
    best = [row.name for row in table.rows if row.cells[0].best]
    assert len(best) == 1 and not best[0].startswith(("Oracle", "Clairvoyant"))
    assert table.rows[-1].name == "Clairvoyant bound"
    assert markdown_table(study()).count("\n") == len(table.rows) + 1


def test_examples_show_the_same_auction_twice() -> None:
    one = study()
    found = examples(one)
    assert len(found) == 3 and [e.title for e in found][1] == "The median gain"
    gains = [e.after.reward - e.before.reward for e in found]
    assert gains == sorted(gains)
    for example in found:
        for view in (example.before, example.after):
            ads = [part for part in view.parts if part.ad]
            assert ads and all(part.text == f"@{part.ad.title}@[Ad-{part.ad.ad_id}]" for part in ads)
            revenue = sum(part.bid for part in ads if part.clicked)
            assert revenue == pytest.approx(view.revenue)
        bids = [bid for _, bid in example.candidates]
        assert bids == sorted(bids, reverse=True) and len(bids) == 10
