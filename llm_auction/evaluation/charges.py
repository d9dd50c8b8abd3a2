"""What mechanisms charged, against what the clicks were worth: individual rationality (IR) on the bills themselves.

IR asks that nobody pays more than the clicks on its ad are worth to it. A bid is the least that a click is worth, so
what every advertiser was charged for an answer is set against bid x click probability, the users' own. First price and
critical prices bill those clicks. MOSAIC bills the clicks that its pCTR expects, and may charge more than they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from llm_auction.evaluation.outcomes import CONTENDER_COLUMNS, Contender

# Sums of a few hundred currency units are good to far more digits than this.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Charges:
    """The bills of one contender, over every candidate of every answer.

    Attributes:
        least_utility: the least bid x click probability - payment, currency units.
        largest_share: the largest payment over bid x click probability, of those above 0; infinite where an ad without
            a chance of a click is charged, 0 where nobody is.
        bills: payments above 0.
    """

    least_utility: float
    largest_share: float
    bills: int

    @property
    def rational(self) -> bool:
        """Whether nobody was charged more than its bid for the clicks."""
        return self.least_utility >= -ROUNDING

    @classmethod
    def worst(cls, seeds: Sequence[Charges]) -> Charges:
        """Those of several seeds as one: the worst counts."""
        return cls(
            min(one.least_utility for one in seeds),
            max(one.largest_share for one in seeds),
            sum(one.bills for one in seeds),
        )


def charges_of(outcomes: pl.DataFrame) -> dict[Contender, Charges]:
    """The bills of every contender of `OUTCOME_SCHEMA` rows.

    Answers whose click probabilities are not known (users that are an LLM) are left out: one showing's clicks say
    nothing of a bill that is charged in expectation.
    """
    known = outcomes.filter(pl.col("flooded").is_not_null()).with_row_index("answer_number")
    keys = ("answer_number", *CONTENDER_COLUMNS)
    charged = known.select(*keys, "bids", "payments", ad_id="candidate_ad_ids").explode("bids", "payments", "ad_id")
    shown = known.select("answer_number", "click_probabilities", ad_id="inserted_ad_ids")
    clicks = shown.explode("click_probabilities", "ad_id").drop_nulls()
    worth = pl.col("bids") * pl.col("click_probabilities").fill_null(0.0)
    billed = pl.col("payments") > ROUNDING
    found = (
        charged.drop_nulls("ad_id")
        .join(clicks, on=("answer_number", "ad_id"), how="left")
        .with_columns(worth=worth)
        .group_by(CONTENDER_COLUMNS, maintain_order=True)
        .agg(
            least_utility=(pl.col("worth") - pl.col("payments")).min(),
            # Over 0 this is infinite, as it should be.
            largest_share=(pl.col("payments") / pl.col("worth")).filter(billed).max(),
            bills=billed.sum(),
        )
    )
    return {
        Contender(row["mechanism"], row["iteration"], row["variant"]): Charges(
            row["least_utility"], row["largest_share"] or 0.0, row["bills"]
        )
        for row in found.iter_rows(named=True)
    }
