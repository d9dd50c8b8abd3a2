"""The figures of sampling and of preference optimisation, on random weights of the embedded model's size.

    python -m tests.benchmarks [--only dpo|sampling] [--output bench.jsonl] [--repeats 3]

prints a table and writes one JSON record a measurement. Both sides of a ratio are measured in the same run; every DPO
side runs in a process of its own, so that its peak memory is its own.
"""
