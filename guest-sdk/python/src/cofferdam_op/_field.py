"""`Field`: bounds, docs and defaults of a field, a parameter or an output."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UNSET: Any = object()
"""Stands for no default, where None is one."""


@dataclass(frozen=True)
class MediaType:
    """In `Annotated[bytes, MediaType("text/csv")]`: what the bytes are. Text may be one of `text/...`."""

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+|\*/\*", self.name):
            raise ValueError(f"the media type `{self.name}` is not `type/subtype` in lower case")


@dataclass(frozen=True)
class FieldSpec:
    """What `Field` was given."""

    default: Any = UNSET
    default_factory: Any = UNSET
    description: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def is_bounded(self) -> bool:
        bounds = (self.ge, self.gt, self.le, self.lt, self.min_length, self.max_length, self.pattern)
        return any(bound is not None for bound in bounds)

    def schema(self, kind: str | None) -> dict[str, Any]:
        """Its keywords, for a schema of that type."""
        found: dict[str, Any] = {
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
            "pattern": self.pattern,
        }
        lengths = ("minItems", "maxItems") if kind == "array" else ("minLength", "maxLength")
        found |= dict(zip(lengths, (self.min_length, self.max_length), strict=True))
        return {keyword: bound for keyword, bound in found.items() if bound is not None}

    def broken_by(self, value: Any) -> str | None:
        """What a value should be and is not."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if self.ge is not None and not value >= self.ge:
                return f"at least {self.ge}"
            if self.gt is not None and not value > self.gt:
                return f"more than {self.gt}"
            if self.le is not None and not value <= self.le:
                return f"at most {self.le}"
            if self.lt is not None and not value < self.lt:
                return f"less than {self.lt}"
        if isinstance(value, (str, list, tuple)):
            least, most = self.min_length or 0, math.inf if self.max_length is None else self.max_length
            if not least <= len(value) <= most:
                return f"a length of {least} to {most}" if self.max_length else f"a length of at least {least}"
        if self.pattern is not None and isinstance(value, str) and not re.search(self.pattern, value):
            return f"a text that matches `{self.pattern}`"
        return None


def Field(
    default: Any = UNSET,
    *,
    default_factory: Callable[[], Any] | Any = UNSET,
    description: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
) -> Any:
    """Says more of a field of a `Config` or of `Outputs`, as its default: `times: int = Field(2, ge=1, le=10)`.

    Elsewhere it stands in `Annotated`: `age: Annotated[int, Field(ge=0)]`.
    """
    return FieldSpec(default, default_factory, description, ge, gt, le, lt, min_length, max_length, pattern)
