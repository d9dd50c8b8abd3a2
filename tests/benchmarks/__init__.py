"""The figures of sampling and DPO, on random weights of the embedded model's size, and of click logs.

    python -m tests.benchmarks [--only dpo|sampling|click_log] [--output bench.jsonl] [--repeats 3]
                               [--impressions 100000]

prints a table and writes one JSON record a measurement. Both sides of a ratio are measured in the same run; every side
of DPO and of the click log runs in a process of its own, so that its peak memory is its own.
"""
