"""What a profile will take before anything runs: tokens, GPU hours, memory, disk and price of every stage."""

from llm_auction.planning.plan import Plan, Stage, plan_run
from llm_auction.planning.size import ModelSize

__all__ = ["ModelSize", "Plan", "Stage", "plan_run"]
