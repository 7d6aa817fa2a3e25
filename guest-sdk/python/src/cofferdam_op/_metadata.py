"""Facts that an op states about a step, an output or a failure."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from cofferdam_op._cbor import INTEGER_MAX, INTEGER_MIN


@dataclass(frozen=True)
class MetadataValue:
    """A fact that is shown as what it is. Text, numbers, truth values, times, and lists and dicts as JSON need no
    wrapping: they become one by themselves."""

    kind: str
    value: str | int | float | bool

    @staticmethod
    def text(text: str) -> MetadataValue:
        """Plain text."""
        return MetadataValue("text", text)

    @staticmethod
    def url(url: str) -> MetadataValue:
        """An address to follow."""
        return MetadataValue("url", url)

    @staticmethod
    def path(path: Any) -> MetadataValue:
        """A path of a file."""
        return MetadataValue("path", str(path))

    @staticmethod
    def json(value: Any) -> MetadataValue:
        """Whatever JSON can say."""
        return MetadataValue("json", json.dumps(value, ensure_ascii=False))

    @staticmethod
    def md(text: str) -> MetadataValue:
        """Markdown."""
        return MetadataValue("markdown", text)

    @staticmethod
    def table(rows: Iterable[Mapping[str, Any]]) -> MetadataValue:
        """Rows, a dict each."""
        return MetadataValue("table", json.dumps([dict(row) for row in rows], ensure_ascii=False))

    @staticmethod
    def timestamp(time: datetime.datetime | str) -> MetadataValue:
        """A time with a time zone, or a text as in RFC 3339."""
        if isinstance(time, datetime.datetime):
            if time.tzinfo is None:
                raise ValueError(f"the time {time} has no time zone")
            time = time.isoformat().replace("+00:00", "Z")
        return MetadataValue("timestamp", time)


Fact = Union[MetadataValue, str, bool, int, float, datetime.datetime, list[Any], dict[str, Any]]
"""What can be stated as it is."""


def to_metadata(value: Any) -> MetadataValue:
    """The fact that a plain value is."""
    if isinstance(value, MetadataValue):
        return value
    if isinstance(value, bool):
        return MetadataValue("truth", value)
    if isinstance(value, int):
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return MetadataValue("integer", value)
        return MetadataValue("number", float(value))
    if isinstance(value, float):
        return MetadataValue("number", value)
    if isinstance(value, str):
        return MetadataValue("text", value)
    if isinstance(value, datetime.datetime):
        return MetadataValue.timestamp(value)
    if isinstance(value, (list, tuple, dict)) or value is None:
        return MetadataValue.json(value)
    raise TypeError(f"`{type(value).__name__}` is no fact; use text, a number, true or false, or a `MetadataValue`")


def to_entries(facts: Mapping[str, Any]) -> list[tuple[str, MetadataValue]]:
    return [(name, to_metadata(fact)) for name, fact in facts.items()]
