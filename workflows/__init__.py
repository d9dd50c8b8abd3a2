"""Definitions, jobs, sensors and the `llm-auction` command line."""

from workflows.working_directory import come_back

come_back()  # before anything reads the profile, which the definitions do while they are loaded
