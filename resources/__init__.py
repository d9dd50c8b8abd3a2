"""Dagster resources: what the assets need from outside, each in a file of its own."""
