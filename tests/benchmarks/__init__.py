"""`python -m tests.benchmarks`: the figures of sampling and of preference optimisation, on random weights."""
