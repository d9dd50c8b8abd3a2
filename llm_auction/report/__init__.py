"""The study report: one self-contained HTML page, machine-readable figures beside it, and the plots.

`study` is what a report is made from, `build` makes it; nothing is imported here, so that the first comes without the
templates and charts of the second.
"""
