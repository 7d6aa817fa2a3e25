"""The little of WebAssembly's binary form that is needed to read and write sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Reader:
    """Reads from front to back."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def at_end(self) -> bool:
        return self.at >= len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def leb(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed_leb(self) -> int:
        start = self.at
        value = self.leb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def name(self) -> str:
        return self.take(self.leb()).decode()


def leb(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_leb(value: int) -> bytes:
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def name(text: str) -> bytes:
    return item(text.encode())


def item(body: bytes) -> bytes:
    """Bytes behind their length."""
    return leb(len(body)) + body


def vector(items: Sequence[bytes]) -> bytes:
    return leb(len(items)) + b"".join(items)


def section(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + item(body)


def sections_of(binary: bytes) -> Iterator[tuple[int, bytes]]:
    """The sections of a module or a component: what each is, and its content."""
    reader = Reader(binary, 8)
    while not reader.at_end():
        kind = reader.byte()
        yield kind, reader.take(reader.leb())
