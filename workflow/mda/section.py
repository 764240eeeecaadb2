"""What all sections of the configuration share: strict keys, and types of their values."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _unique(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"names {value!r} twice")
    return values


Unique = AfterValidator(_unique)
# An overlay cannot take keys away, but null can.
EMPTY_IF_NULL = BeforeValidator(lambda value: {} if value is None else value)

# Keys of before, and what they are called now.
RENAMED = {"heads": "units"}


class Section(BaseModel):
    """A group of keys; a key it does not know is an error that names the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in value:
            if key not in cls.model_fields:
                if RENAMED.get(str(key)) in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'; it is '{RENAMED[key]}' now")
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.0)
                raise ValueError(f"unknown key '{key}'; did you mean '{near[0]}'?")
        return value
