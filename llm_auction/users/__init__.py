"""Simulated users: who judges the inserted ads, and the best reward that such a user allows."""

from llm_auction.users.clairvoyant import ClairvoyantOutcome, clairvoyant_reward
from llm_auction.users.parameters import UserParameters
from llm_auction.users.parametric import Assessment, ParametricUser
from llm_auction.users.protocol import Judgement, UserModel

__all__ = [
    "Assessment",
    "ClairvoyantOutcome",
    "Judgement",
    "ParametricUser",
    "UserModel",
    "UserParameters",
    "clairvoyant_reward",
]
