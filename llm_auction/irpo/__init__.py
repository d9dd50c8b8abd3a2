"""Iterative Reward-Preference Optimization (arXiv 2512.10551, Algorithm 1): preference sets and their DPO."""
