"""What all sections of the configuration share: strict keys, and types of their values."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

# What a file's name has room for, beside what else stands in it.
LONGEST_NAME = 100


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(
            "a name has small letters a to z, digits, and single hyphens between them; rename it"
        )
    if len(value) > LONGEST_NAME:
        raise ValueError(
            f"a name has at most {LONGEST_NAME} characters, for files are named after it; shorten it"
        )
    return value


Name = Annotated[str, AfterValidator(_name)]
# What JSON, seeds and sizes of arrays keep exactly.
LARGEST = 2**53
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Natural = Annotated[int, Field(ge=0, le=LARGEST)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


def _unique(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"names {value!r} twice")
    return values


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if inner is not None}
    return {} if value is None else value


Unique = AfterValidator(_unique)
EMPTY_IF_NULL = BeforeValidator(lambda value: {} if value is None else value)
# A mapping with keys of the user's: an overlay is merged with it, and takes away by null.
NULL_REMOVES = BeforeValidator(_without_nulls)

# Keys of before, and what they are called now.
RENAMED = {"heads": "units"}


class Section(BaseModel):
    """A group of keys; a key it does not know is an error that names the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for key in value:
            if key not in cls.model_fields:
                if RENAMED.get(str(key)) in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'; it is '{RENAMED[key]}' now")
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(cls.model_fields)}"
                raise ValueError(f"unknown key '{key}'; {hint}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_values(cls, value: Any, info: ValidationInfo) -> Any:
        # Else true is 1 where a number is wanted.
        wanted = str(cls.model_fields[str(info.field_name)].annotation)
        values = value if isinstance(value, list) else [value]
        if "bool" not in wanted and any(isinstance(each, bool) for each in values):
            raise ValueError("true and false are no value of it; give a number or a text")
        return value
