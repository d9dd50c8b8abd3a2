"""Who clicks: the simulated user behind one protocol (`llm_auction.users`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from llm_auction.market import Ad

if TYPE_CHECKING:
    from llm_auction.users import ParametricUser


class UserModelResource(ConfigurableResource):
    """The parametric user of the paper's four criteria; its parameters are fixed, no profile changes them."""

    def open(self, ads: Sequence[Ad]) -> ParametricUser:
        """The user model for a catalog (relevance may need all its texts)."""
        from llm_auction.users import ParametricUser

        return ParametricUser(ads)
