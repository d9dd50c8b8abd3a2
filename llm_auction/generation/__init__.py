"""Drawing answers from the Ad-LLM: one protocol, and engines that keep it.

`protocol` is light; `transformers_engine` imports torch, so import it where an engine is opened, not where code loads.
"""
