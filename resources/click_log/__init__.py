"""Reading real click logs into the lake: validated, deduplicated, answers parsed, in bounded memory."""

from resources.click_log.day import TABLES, ClickLogDay, DayCounts, RejectedShareError
from resources.click_log.scratch import scratch_database

__all__ = ["TABLES", "ClickLogDay", "DayCounts", "RejectedShareError", "scratch_database"]
