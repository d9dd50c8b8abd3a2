"""Several comparisons judged together: Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979).

Of twenty true null hypotheses one comes out at 5 % by chance. Holm's procedure holds the chance that ANY of a family is
called settled wrongly at the level, whatever their dependence.
"""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of a family of comparisons are settled together, in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    settled = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > level / (len(p_values) - rank):
            break
        settled[index] = True
    return settled
