"""The figures of sampling and DPO, on random weights of the embedded model's size (DPO also of Qwen3-0.6B's and 4B's
shape, where there is a GPU), of the client of model servers, of click logs and of the refit.

    python -m tests.benchmarks [--only dpo|sampling|client|click_log|nightly] [--output bench.jsonl] [--repeats 3]
                               [--impressions 100000] [--resume]

prints a table and writes one JSON record a measurement, as it comes; `--resume` goes on where a run was cut short. What
this machine can't run is listed under the table and recorded without a value, with the reason in `note`.
Both sides of a ratio are measured in the same run; every side of DPO, the click log and the refit runs in a process
of its own, so that its peak memory is its own. On a CPU seconds are the processor's, summed over threads: other work
on the machine changes those little, and the clock's a lot.
"""
