"""Prompts: versioned template files, rendered to chat messages that any model's chat template takes."""

from llm_auction.prompts.ad_llm import Messages, render_messages

__all__ = ["Messages", "render_messages"]
