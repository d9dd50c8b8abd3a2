"""The asset graph, one file a stage: load, call the domain (`llm_auction`), save, attach metadata.

Files that define assets or checks don't use `from __future__ import annotations`: Dagster (1.13) reads the annotation
of `context` as an object and refuses a string.
"""
