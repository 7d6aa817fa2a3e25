"""Structured values as CBOR (RFC 8949), written in the deterministic form of its section 4.2: shortest numbers, definite
lengths, map keys sorted by their bytes. So equal values have equal bytes, and digests.

The data model is that of JSON: None, bool, int, float, str, list, dict with text keys. Any well-formed item is read,
whatever its form.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
"""What an integer may be: 64 bit, as every language of an op has it."""

DEPTH_MAX = 128
"""Containers inside each other; more would exhaust the stack."""


class CborError(ValueError):
    """Bytes that are not CBOR, or a value that has no form in it."""


def encode(value: Any) -> bytes:
    """The bytes of a value. Fails for what the data model does not have, such as an integer of more than 64 bits."""
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def _head(major: int, number: int, out: bytearray) -> None:
    if number < 24:
        out.append(major | number)
    elif number < 0x100:
        out += struct.pack(">BB", major | 24, number)
    elif number < 0x10000:
        out += struct.pack(">BH", major | 25, number)
    elif number < 0x1_0000_0000:
        out += struct.pack(">BI", major | 26, number)
    else:
        out += struct.pack(">BQ", major | 27, number)


def _encode(value: Any, out: bytearray) -> None:
    if value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, str):
        text = value.encode()
        _head(0x60, len(text), out)
        out += text
    elif isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise CborError(f"the integer {value} does not fit into 64 bits; hand it on as text")
        _head(0x00, value, out) if value >= 0 else _head(0x20, ~value, out)
    elif isinstance(value, float):
        _float(value, out)
    elif isinstance(value, (list, tuple)):
        _head(0x80, len(value), out)
        for element in value:
            _encode(element, out)
    elif isinstance(value, dict):
        _map(value, out)
    else:
        raise CborError(f"a value of type `{type(value).__name__}` has no form in CBOR")


def _float(value: float, out: bytearray) -> None:
    if math.isnan(value):
        # One NaN for all: its sign and payload carry no meaning.
        out += b"\xf9\x7e\x00"
        return
    for head, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            short = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, short)[0] == value:
            out.append(head)
            out += short
            return
    out.append(0xFB)
    out += struct.pack(">d", value)


def _map(value: dict[Any, Any], out: bytearray) -> None:
    entries = []
    for key, element in value.items():
        if not isinstance(key, str):
            raise CborError(f"the key {key!r} of a map is not text")
        encoded = bytearray()
        _encode(key, encoded)
        entries.append((bytes(encoded), element))
    entries.sort(key=lambda entry: entry[0])
    _head(0xA0, len(entries), out)
    for encoded_key, element in entries:
        out += encoded_key
        _encode(element, out)


def decode(data: bytes) -> Any:
    """The value that these bytes are, all of them."""
    decoder = _Decoder(data)
    value = decoder.item(0)
    if decoder.at != len(data):
        raise CborError("more bytes follow the value")
    return value


class _Break:
    """The end mark of a container of unknown length."""


_BREAK = _Break()


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise CborError("the value ends in the middle")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def item(self, depth: int) -> Any:
        value = self.item_or_break(depth)
        if value is _BREAK:
            raise CborError("an end mark without a beginning")
        return value

    def item_or_break(self, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise CborError(f"nested deeper than {DEPTH_MAX}")
        first = self.take(1)[0]
        major, minor = first >> 5, first & 31
        if major == 7:
            return self.simple(minor)
        number = self.number(minor)
        if major == 6:
            return self.tagged(number, depth)
        if number is None and major < 2:
            raise CborError("a number of unknown length")
        return _KINDS[major](self, number, depth)

    def number(self, minor: int) -> int | None:
        """The number in a head; none stands for an unknown length."""
        if minor < 24:
            return minor
        if minor < 28:
            return int.from_bytes(self.take(1 << (minor - 24)), "big")
        if minor == 31:
            return None
        raise CborError("a head that means nothing")

    def simple(self, minor: int) -> Any:
        if minor in _SIMPLE:
            return _SIMPLE[minor]
        if minor in _FLOATS:
            form, size = _FLOATS[minor]
            return struct.unpack(form, self.take(size))[0]
        if minor == 31:
            return _BREAK
        raise CborError("a simple value that has no meaning")

    def tagged(self, tag: int | None, depth: int) -> Any:
        content = self.item(depth + 1)
        if tag in (2, 3) and isinstance(content, bytes):
            number = int.from_bytes(content, "big")
            return number if tag == 2 else ~number
        # Other tags say what a value means beyond its form: nothing that a schema knows.
        return content

    def unsigned(self, number: int, _depth: int) -> int:
        return number

    def negative(self, number: int, _depth: int) -> int:
        return ~number

    def string(self, length: int | None, depth: int) -> bytes:
        if length is not None:
            return self.take(length)
        pieces = []
        while (piece := self.item_or_break(depth + 1)) is not _BREAK:
            pieces.append(piece.encode() if isinstance(piece, str) else bytes(piece))
        return b"".join(pieces)

    def text(self, length: int | None, depth: int) -> str:
        try:
            return self.string(length, depth).decode()
        except UnicodeDecodeError:
            raise CborError("a text is not UTF-8") from None

    def array(self, length: int | None, depth: int) -> list[Any]:
        if length is not None:
            return [self.item(depth + 1) for _ in range(length)]
        elements = []
        while (element := self.item_or_break(depth + 1)) is not _BREAK:
            elements.append(element)
        return elements

    def map(self, length: int | None, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while length is None or length > 0:
            key = self.item_or_break(depth + 1)
            if key is _BREAK:
                if length is None:
                    break
                raise CborError("an end mark inside a map")
            if isinstance(key, bool):
                key = "true" if key else "false"
            elif isinstance(key, int):
                key = str(key)
            elif not isinstance(key, str):
                raise CborError("the key of a map must be text or a whole number")
            entries[key] = self.item(depth + 1)
            length = None if length is None else length - 1
        return entries


_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_KINDS: list[Callable[[_Decoder, Any, int], Any]] = [
    _Decoder.unsigned,
    _Decoder.negative,
    _Decoder.string,
    _Decoder.text,
    _Decoder.array,
    _Decoder.map,
]
