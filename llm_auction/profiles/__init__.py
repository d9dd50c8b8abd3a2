"""Profiles: complete typed configurations of a run, and the one function that loads one."""

from llm_auction.profiles.loading import PROFILE_VARIABLE, ProfileError, load_profile
from llm_auction.profiles.schema import Profile

__all__ = ["PROFILE_VARIABLE", "Profile", "ProfileError", "load_profile"]
