"""What an op may say and ask while it runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cofferdam_op._contract import Kind
from cofferdam_op._host import AttemptInfo, Host
from cofferdam_op._metadata import MetadataValue, to_entries
from cofferdam_op._values import Stored, Writer


class Context:
    """Logs, progress, metadata, and who is running. An op gets it by a parameter of this type."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._attempt: AttemptInfo | None = None

    @staticmethod
    def test(
        *,
        attempt: int = 1,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
        remaining: float | None = None,
    ) -> Context:
        """A context for unit tests: it records instead of sending. What is logged is for pytest's `caplog`."""
        info = AttemptInfo(attempt=attempt, partition=partition, tags=dict(tags or {}))
        return Context(Memory(info, remaining))

    @property
    def log(self) -> logging.Logger:
        """A logger, for who is used to have one here; every other logger does as well."""
        return logging.getLogger("op")

    @property
    def info(self) -> AttemptInfo:
        """All that is known of the attempt."""
        if self._attempt is None:
            self._attempt = self._host.attempt()
        return self._attempt

    @property
    def run_id(self) -> str:
        """The run."""
        return self.info.run_id

    @property
    def step_key(self) -> str:
        """The step: dotted, with mapping keys, as in `outer.clean[jan]`."""
        return self.info.step_key

    @property
    def attempt(self) -> int:
        """1 for the first try."""
        return self.info.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this step in this run: send it with effects outside, so that the other side can
        see a repetition."""
        return self.info.idempotency_key

    @property
    def partition(self) -> str | None:
        """Of a run over partitions."""
        return self.info.partition

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the run and the step."""
        return self.info.tags

    @property
    def remaining(self) -> float | None:
        """Seconds until the host stops this attempt; None if there is no limit."""
        millis = self._host.remaining_ms()
        return None if millis is None else millis / 1000

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Says how far the work is: `done` of `total`, if the total is known."""
        self._host.progress(done, total, message)

    def add_metadata(self, facts: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """States facts about the step, by name. A name given twice keeps the later value."""
        self._host.add_metadata(to_entries({**(facts or {}), **more}))

    def create_writer(self) -> Writer:
        """Starts an output that is too large to hold."""
        return Writer(self._host)

    @property
    def recorded(self) -> Recorded:
        """What the op has said so far to a context for tests."""
        return self._memory().recorded

    def stored_bytes(self, stored: Stored) -> bytes:
        """The bytes that a writer of this context for tests wrote."""
        return stored.content if isinstance(stored.content, bytes) else self._memory().values[stored.content]

    def _memory(self) -> Memory:
        if not isinstance(self._host, Memory):
            raise RuntimeError("only a context for tests, `Context.test()`, records what an op says")
        return self._host


@dataclass
class Recorded:
    """What an op said to `Context.test()`."""

    progress: list[tuple[int, int | None, str]] = field(default_factory=list)
    """In order: done, total, message."""
    metadata: dict[str, MetadataValue] = field(default_factory=dict)
    """Each name once."""
    logs: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    """Log lines that went to the host itself: level, message, fields."""


class Memory:
    """The host of native tests: it keeps what the op says and writes."""

    def __init__(self, info: AttemptInfo, remaining: float | None = None) -> None:
        self.info, self.seconds = info, remaining
        self.recorded = Recorded()
        self.values: list[bytes] = []

    def attempt(self) -> AttemptInfo:
        return self.info

    def remaining_ms(self) -> int | None:
        return None if self.seconds is None else round(self.seconds * 1000)

    def log(self, level: str, message: str, fields: list[tuple[str, str]]) -> None:
        self.recorded.logs.append((level, message, fields))

    def progress(self, done: int, total: int | None, message: str) -> None:
        self.recorded.progress.append((done, total, message))

    def add_metadata(self, entries: list[tuple[str, MetadataValue]]) -> None:
        self.recorded.metadata.update(entries)

    def open(self, number: int) -> _MemoryBytes:
        return _MemoryBytes(self.values[number])

    def create(self) -> _MemoryWriter:
        return _MemoryWriter(self.values)

    def lend(self, kind: Kind, name: str) -> Any:
        raise RuntimeError(
            f"the resource `{name}` is lent by the host; in a native test, call the op's function with "
            f"`{kind.name.capitalize()}.test(..)`"
        )


class _MemoryBytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


class _MemoryWriter:
    def __init__(self, values: list[bytes]) -> None:
        self.values, self.data = values, bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> int:
        self.values.append(bytes(self.data))
        return len(self.values) - 1
