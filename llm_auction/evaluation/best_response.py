"""Iterated best responses under first price: where the bids of utility maximisers settle, and what revenue is left.

All advertisers of a query start at the truth. In every round each in turn tries a few bids below its value, all others
as they are, and keeps the one that leaves it most, if that gain over its present bid is more than its standard error.
Answers are drawn anew for every advertiser and round, so that nobody fits its bids to the luck of one draw; within one
turn all bids meet the same random numbers, so that gains are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from llm_auction.evaluation.bootstrap import Interval, resample_means
from llm_auction.evaluation.judged import judged_mean
from llm_auction.market import Auction
from llm_auction.seeds import derive_seed

# What an advertiser tries, as shares of its value; its present bid is always among the choices.
SHADES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

# Click probabilities (K, n) of the candidates in K answers to each auction (0 where an ad is not shown), given auctions
# and a seed: the k-th answer to the i-th auction meets the same random numbers in every call with that seed. NaN of a
# click that an LLM did not judge.
SampleClicks = Callable[[Sequence[Auction], int], Sequence[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Round:
    """The state after one round, means over `n` queries; round 0 is the truth. Currency units per query.

    A query of which an ad's clicks went unjudged in all answers of some round is left out of all.

    `revenue_share`: revenue over that of truthful bids. `bid_share`: sum of bids over sum of values, also of those who
    are never shown. `price_share`: what is paid over what the clicks are worth. `utility`: what the advertisers keep.
    `moved`: share of the advertisers that changed their bid in this round.
    """

    number: int
    revenue: Interval
    revenue_share: Interval
    bid_share: Interval
    price_share: Interval
    utility: Interval
    moved: float
    n: int


def play(auctions: Sequence[Auction], sample: SampleClicks, rounds: int, resamples: int, seed: int) -> list[Round]:
    """Play up to `rounds` rounds; ends early once nobody moves. The auctions' bids are the advertisers' values.

    Costs, per round, one answer batch for each advertiser and bid it tries, over all queries at once.
    """
    values = [np.array(auction.bids, dtype=np.float64) for auction in auctions]
    states = list(auctions)
    records, moved_shares = [_measure(states, values, sample, seed)], [0.0]
    for number in range(1, rounds + 1):
        moved = 0
        for player in range(max((len(auction.bids) for auction in states), default=0)):
            turn = derive_seed(seed, "best-response", number, player)
            moved += _take_turn(states, values, player, sample, turn)
        moved_shares.append(moved / max(sum(map(len, values)), 1))
        records.append(_measure(states, values, sample, seed))
        if not moved:
            break
    return _rounds(records, moved_shares, values, resamples, seed)


def _take_turn(
    states: list[Auction], values: Sequence[np.ndarray], player: int, sample: SampleClicks, seed: int
) -> int:
    """Let one advertiser of every query choose its bid; changes `states` and returns how many moved."""
    playing = [index for index, own in enumerate(values) if player < len(own) and own[player] > 0]
    tried = {
        index: sorted({states[index].bids[player], *(round(share * values[index][player]) for share in SHADES)})
        for index in playing
    }
    utilities: dict[int, dict[float, np.ndarray]] = {index: {} for index in playing}
    for place in range(max(map(len, tried.values()), default=0)):
        # Every query keeps its place in the call, and with it its random numbers, whether it has a bid left or not.
        probes = [
            _with_players_bid(state, player, tried[index][min(place, len(tried[index]) - 1)])
            if index in tried
            else state
            for index, state in enumerate(states)
        ]
        for index, clicks in enumerate(sample(probes, seed)):
            if index in tried:
                bid = probes[index].bids[player]
                utilities[index][bid] = (values[index][player] - bid) * clicks[:, player]
    moved = 0
    for index in playing:
        present = states[index].bids[player]
        bid = _best_reply(utilities[index], present)
        if bid != present:
            states[index] = _with_players_bid(states[index], player, bid)
            moved += 1
    return moved


def _best_reply(utilities: dict[float, np.ndarray], present: float) -> float:
    """The bid of highest mean utility, where its gain over the present one is beyond noise; else the present one."""
    means = {bid: float(judged_mean(values)) for bid, values in utilities.items()}
    best = max((bid for bid in means if not isnan(means[bid])), key=lambda bid: (means[bid], -bid), default=present)
    gains = utilities[best] - utilities[present]
    gains = gains[~np.isnan(gains)]
    if len(gains) < 2:
        return present
    return best if gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)) else present


def _with_players_bid(auction: Auction, player: int, bid: float) -> Auction:
    return replace(auction, bids=(*auction.bids[:player], bid, *auction.bids[player + 1 :]))


def _measure(states: Sequence[Auction], values: Sequence[np.ndarray], sample: SampleClicks, seed: int) -> np.ndarray:
    """(queries, 5): revenue, utility, bids, values, worth of the clicks; every state meets the same random numbers."""
    rows = []
    clicks_of = sample(states, derive_seed(seed, "best-response", "measure"))
    for state, own, clicks in zip(states, values, clicks_of, strict=True):
        bids = np.array(state.bids, dtype=np.float64)
        itctr = judged_mean(clicks)
        rows.append((bids @ itctr, (own - bids) @ itctr, bids.sum(), own.sum(), own @ itctr))
    return np.array(rows)


def _rounds(
    records: Sequence[np.ndarray], moved: Sequence[float], values: Sequence[np.ndarray], resamples: int, seed: int
) -> list[Round]:
    """Intervals over the queries, all rounds resampled together, so that shares are paired."""
    width, table = records[0].shape[1], np.hstack(records)
    table = table[~np.isnan(table).any(axis=1)]
    means = resample_means(table, [0] * len(table), resamples, seed)
    return [
        Round(
            number=number,
            revenue=means.mean(number * width),
            revenue_share=means.ratio(number * width, 0),
            bid_share=means.ratio(number * width + 2, number * width + 3),
            price_share=means.ratio(number * width, number * width + 4),
            utility=means.mean(number * width + 1),
            moved=moved[number],
            n=len(table),
        )
        for number in range(len(records))
    ]
