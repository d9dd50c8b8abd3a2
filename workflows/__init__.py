"""Definitions, jobs, sensors and the `llm-auction` command line."""
