"""What the SDK asks of the host, with two implementations: the component's imports, and memory for native tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from cofferdam_op._contract import Kind
from cofferdam_op._metadata import MetadataValue


@dataclass(frozen=True)
class AttemptInfo:
    """Which attempt of which step is running."""

    run_id: str = "test"
    step_key: str = "test"
    attempt: int = 1
    idempotency_key: str = "test"
    partition: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


class StoredBytes(Protocol):
    """An open stored input."""

    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes; empty at or past the end."""


class StoredWriter(Protocol):
    """An output that is being written."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> int: ...


class Host(Protocol):
    """The imports `context`, `values`, and those of the resources."""

    def attempt(self) -> AttemptInfo: ...
    def remaining_ms(self) -> int | None: ...
    def log(self, level: str, message: str, fields: list[tuple[str, str]]) -> None: ...
    def progress(self, done: int, total: int | None, message: str) -> None: ...
    def add_metadata(self, entries: list[tuple[str, MetadataValue]]) -> None: ...
    def open(self, number: int) -> StoredBytes: ...
    def create(self) -> StoredWriter: ...
    def lend(self, kind: Kind, name: str) -> Any:
        """The calls of a resource, as `_resources` has them for its kind."""
