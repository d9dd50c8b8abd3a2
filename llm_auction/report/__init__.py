"""The study report: one self-contained HTML page, machine-readable figures beside it, and the plots."""

from llm_auction.report.build import ReportFiles, build_report
from llm_auction.report.study import RewardModelFit, SeedRun, Study

__all__ = ["ReportFiles", "RewardModelFit", "SeedRun", "Study", "build_report"]
