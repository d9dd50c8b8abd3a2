"""What every section of a profile is: frozen, typed, and strict about the names of its fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_auction.profiles.arms import check_arm

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
AtLeastTwo = Annotated[int, Field(ge=2)]
Arm = Annotated[str, AfterValidator(check_arm)]


class Section(BaseModel):
    """A group of fields; an unknown field, a NaN or an infinity is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
