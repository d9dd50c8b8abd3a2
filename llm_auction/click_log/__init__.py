"""Real click logs: the contract of their events, and reading their files; see docs/click-log.md."""

from llm_auction.click_log.contract import (
    EVENTS,
    REASONS,
    SCHEMA_VERSION,
    Field,
    Kind,
)

__all__ = ["EVENTS", "REASONS", "SCHEMA_VERSION", "Field", "Kind"]
