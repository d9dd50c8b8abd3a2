"""The property checks by the names of the command line: what theory promises, each an asset of its own."""

PROPERTIES = {
    "monotonicity": "bid_monotonicity",
    "continuity": "bid_continuity",
}
