"""Values that are too large to hold, read and written piece by piece, and those of many sources."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from cofferdam_op._contract import CHUNK_BYTES, INLINE_BYTES_MAX, OCTET_STREAM, Value
from cofferdam_op._host import Host, StoredBytes, StoredWriter

T = TypeVar("T")

KEY_BYTES_MAX = 128
"""Longest mapping key."""


class _Inline:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


class _Raw(io.RawIOBase):
    def __init__(self, stored: StoredBytes) -> None:
        super().__init__()
        self.stored, self.size, self.at = stored, stored.size(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        if at < 0:
            raise ValueError("seek before the start")
        self.at = at
        return at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if self.at >= self.size:
            return 0
        data = self.stored.read(self.at, min(len(view), CHUNK_BYTES))
        if not data:
            raise EOFError("the value ended before its size")
        view[: len(data)] = data
        self.at += len(data)
        return len(data)


class Reader(io.BufferedReader):
    """One input as a binary file: read it from front to back or seek in it. At most one chunk (256 KiB) of a large value
    is in memory. `io.TextIOWrapper(reader)` reads text, line by line."""

    def __init__(self, stored: StoredBytes, media_type: str = OCTET_STREAM) -> None:
        raw = _Raw(stored)
        super().__init__(raw, CHUNK_BYTES)
        self.media_type = media_type
        """The media type that the value has, such as `text/csv`."""
        self.size = raw.size
        """Bytes in all, wherever the reader stands."""

    @staticmethod
    def of(data: bytes | str, media_type: str = OCTET_STREAM) -> Reader:
        """Reads these bytes: for tests of ops that take a reader."""
        return Reader(_Inline(data.encode() if isinstance(data, str) else bytes(data)), media_type)


def opened(value: Value, host: Host) -> Reader:
    stored = _Inline(value.content) if isinstance(value.content, bytes) else host.open(value.content)
    return Reader(stored, value.media_type)


def read_all(value: Value, host: Host) -> bytes:
    if isinstance(value.content, bytes):
        return value.content
    stored, pieces, at = host.open(value.content), [], 0
    while piece := stored.read(at, CHUNK_BYTES):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)


@dataclass(frozen=True)
class Stored:
    """A finished value that a `Writer` wrote; return it as an output."""

    content: bytes | int


class Writer(io.BufferedIOBase):
    """Writes one output from front to back, as a binary file; at most one chunk (256 KiB) of it is in memory. Nothing of
    it is seen by others until `finish`, the `Stored` that it gives is returned, and the step is committed."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host, self._buffer, self._finished = host, bytearray(), False
        self._stored: StoredWriter | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._finished:
            raise ValueError("the writer is finished already")
        self._buffer += data
        while len(self._buffer) >= CHUNK_BYTES:
            self._send(bytes(self._buffer[:CHUNK_BYTES]))
            del self._buffer[:CHUNK_BYTES]
        return memoryview(data).nbytes

    def _send(self, data: bytes) -> StoredWriter:
        if self._stored is None:
            self._stored = self._host.create()
        self._stored.write(data)
        return self._stored

    def finish(self) -> Stored:
        """Ends the value. Fails if the host cannot keep it or the limit on output bytes is reached."""
        if self._finished:
            raise ValueError("the writer is finished already")
        self._finished = True
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self._stored is None and len(rest) <= INLINE_BYTES_MAX:
            return Stored(rest)
        return Stored(self._send(rest).finish())


def content_of(data: bytes, host: Host) -> bytes | int:
    """Inline if small, else with the host."""
    if len(data) <= INLINE_BYTES_MAX:
        return data
    stored = host.create()
    for at in range(0, len(data), CHUNK_BYTES):
        stored.write(data[at : at + CHUNK_BYTES])
    return stored.finish()


class Many(Sequence[T]):
    """The values of an input with many sources: a fan-in list, or a collected dynamic output. A list of the values; with
    `items` they come with their keys."""

    def __init__(self, values: Iterable[T] | Mapping[str, T] = ()) -> None:
        pairs: Iterable[tuple[str | None, T]]
        pairs = values.items() if isinstance(values, Mapping) else ((None, value) for value in values)
        self._items = list(pairs)

    @classmethod
    def _keyed(cls, items: list[tuple[str | None, T]]) -> Many[T]:
        many = cls()
        many._items = items
        return many

    def items(self) -> list[tuple[str | None, T]]:
        """Keys and values. A key is there where the source is a dynamic output; nested ones are joined by `/`."""
        return list(self._items)

    def keys(self) -> list[str | None]:
        """The keys, in the order of the values."""
        return [key for key, _ in self._items]

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            return [value for _, value in self._items[at]]
        value: T = self._items[at][1]
        return value

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Many) else list(self) == other

    def __repr__(self) -> str:
        return f"Many({self._items!r})"


class Dynamic(Generic[T]):
    """A dynamic output: any number of values, each under a key of its own. A step that maps over it runs once per key,
    in this order."""

    def __init__(self, values: Mapping[str, T] | Iterable[tuple[str, T]] = ()) -> None:
        self._values: dict[str, T] = {}
        for key, value in values.items() if isinstance(values, Mapping) else values:
            self.add(key, value)

    def add(self, key: str, value: T) -> None:
        """Adds a value under a key of letters, digits and `_`. Fails, and adds nothing, if the key is not one or is there
        already."""
        if not isinstance(key, str):
            raise ValueError(f"a mapping key is text, not {key!r}")
        if not 1 <= len(key.encode()) <= KEY_BYTES_MAX:
            raise ValueError(f"a mapping key has 1 to {KEY_BYTES_MAX} bytes, this one has {len(key.encode())}")
        for found in key:
            if not (found.isascii() and (found.isalnum() or found == "_")):
                raise ValueError(f"the mapping key `{key}` holds `{found}`; use letters, digits and `_`")
        if key in self._values:
            raise ValueError(f"the mapping key `{key}` is used twice")
        self._values[key] = value

    def items(self) -> Iterable[tuple[str, T]]:
        """Keys and values, in order."""
        return self._values.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dynamic) and list(self.items()) == list(other.items())

    def __repr__(self) -> str:
        return f"Dynamic({self._values!r})"


@dataclass
class WithMetadata(Generic[T]):
    """A value with facts that are shown with it, as an output or as one value of a `Dynamic`."""

    value: T
    metadata: dict[str, Any] = field(default_factory=dict)
