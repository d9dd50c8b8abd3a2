"""Prompts: versioned template files, rendered to chat messages that any model's chat template takes."""

from llm_auction.prompts.ad_llm import render_messages
from llm_auction.prompts.templates import Messages

__all__ = ["Messages", "render_messages"]
