"""The shapes of `wit/types.wit` as plain classes, so that everything but the component's entry runs and is tested without
WebAssembly. Field by field the WIT explains them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Optional, Union

from cofferdam_op._metadata import MetadataValue

CBOR = "application/cbor"
JSON = "application/json"
OCTET_STREAM = "application/octet-stream"
ANY = "*/*"

RESULT = "result"
"""The name of the output of an op that returns one value."""

INLINE_BYTES_MAX = 60 * 1024
"""Values up to this many bytes are returned inline; larger ones are written in chunks. Below the host's 64 KiB, so that
a value which the host may send inline again never takes a detour."""

CHUNK_BYTES = 256 * 1024
"""Bytes of one chunk of a large value: the fastest size across the component boundary."""


@dataclass(frozen=True)
class Value:
    """Bytes, or the number under which the host keeps them."""

    media_type: str
    content: bytes | int


InputValue = Union[Value, list[tuple[Optional[str], Value]]]
"""One input: elements with their keys if its source is a fan-in or a collected output."""


@dataclass
class Output:
    name: str
    key: str | None
    value: Value
    metadata: list[tuple[str, MetadataValue]]


@dataclass
class FailureRecord:
    message: str
    causes: list[str]
    retry_after_ms: int | None
    permanent: bool
    metadata: list[tuple[str, MetadataValue]]


class Kind(Enum):
    """What a resource can do."""

    HTTP = "http"
    KEYVALUE = "keyvalue"
    BLOB = "blob"
    SQL = "sql"
    CONFIG = "config"
    COMMAND = "command"


@dataclass
class ResourceNeed:
    name: str
    kind: Kind
    doc: str


@dataclass
class InputSpec:
    name: str
    doc: str
    media_type: str
    schema: str
    required: bool
    many: bool


@dataclass
class OutputSpec:
    name: str
    doc: str
    media_type: str
    schema: str
    required: bool
    dynamic: bool


@dataclass
class OpSpec:
    name: str
    doc: str
    inputs: list[InputSpec] = field(default_factory=list)
    outputs: list[OutputSpec] = field(default_factory=list)
    config_schema: str | None = None
    resources: list[ResourceNeed] = field(default_factory=list)
    pure: bool = False
