"""Simulated traffic as real log files: a policy answers, people click and buy, and much goes wrong on the way."""

from llm_auction.traffic.audience import Audience, make_audience
from llm_auction.traffic.config import TrafficConfig
from llm_auction.traffic.faults import FAULTS, FaultRates, Handling, no_faults
from llm_auction.traffic.generate import generate_log
from llm_auction.traffic.manifest import read_manifest
from llm_auction.traffic.policies import EnginePolicy, LoggedAnswer, Policy
from llm_auction.traffic.scripted import ScriptedParameters, ScriptedPolicy

__all__ = [
    "FAULTS",
    "Audience",
    "EnginePolicy",
    "FaultRates",
    "Handling",
    "LoggedAnswer",
    "Policy",
    "ScriptedParameters",
    "ScriptedPolicy",
    "TrafficConfig",
    "generate_log",
    "make_audience",
    "no_faults",
    "read_manifest",
]
