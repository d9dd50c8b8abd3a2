"""What a mechanism is worth on the test queries: outcomes, paired bootstrap intervals, efficiency, bid monotonicity."""
