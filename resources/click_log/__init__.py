"""Reading real click logs into the lake: validated, deduplicated, answers parsed, in bounded memory."""

from resources.click_log.answer_days import (
    days_about,
    deliveries_about,
    deliveries_to_model,
    modelled,
    remember_modelled,
)
from resources.click_log.day import TABLES, ClickLogDay, DayCounts, RejectedShareError
from resources.click_log.exclusive import DayInProgressError, only_run_of
from resources.click_log.scratch import scratch_database

__all__ = [
    "TABLES",
    "ClickLogDay",
    "DayCounts",
    "DayInProgressError",
    "RejectedShareError",
    "days_about",
    "deliveries_about",
    "deliveries_to_model",
    "modelled",
    "only_run_of",
    "remember_modelled",
    "scratch_database",
]
