"""LLM-Auction (arXiv 2512.10551): a language model that runs an ad auction inside its own answers.

Plain Python, free of any orchestrator; it reads like a companion to the paper. `docs/papers.md` says which equation
lives in which file.
"""
