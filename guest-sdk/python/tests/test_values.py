"""Readers, writers, dynamic outputs, facts."""

import io
import re

import pytest

from cofferdam_op import Context, Dynamic, Many, MetadataValue, Reader
from cofferdam_op._context import Memory
from cofferdam_op._contract import CHUNK_BYTES, Value
from cofferdam_op._host import AttemptInfo
from cofferdam_op._metadata import to_metadata
from cofferdam_op._values import opened

DATA = bytes(n % 251 for n in range(CHUNK_BYTES * 5 // 2))


def readers():
    host = Memory(AttemptInfo())
    host.values.append(DATA)
    return [Reader.of(DATA), opened(Value("text/csv", 0), host)]


@pytest.mark.parametrize("at", [0, 1])
def test_inline_and_stored_values_read_and_seek_the_same(at):
    reader = readers()[at]
    assert reader.size == len(DATA)
    for place in (CHUNK_BYTES - 2, 3, len(DATA) - 4, 0):
        reader.seek(place)
        assert reader.read(4) == DATA[place : place + 4]
    assert reader.seek(-1, io.SEEK_END) == len(DATA) - 1
    assert reader.read(10) == DATA[-1:]
    reader.seek(len(DATA) + 10)
    assert reader.read(1) == b""
    reader.seek(0)
    assert reader.read() == DATA
    with pytest.raises((ValueError, OSError)):
        reader.seek(-1)


def test_text_is_read_line_by_line():
    lines = io.TextIOWrapper(Reader.of("eins\nzwö\n"), encoding="utf-8")
    assert list(lines) == ["eins\n", "zwö\n"]


def test_a_writer_keeps_small_values_and_sends_large_ones_in_chunks():
    ctx = Context.test()
    small = ctx.create_writer()
    small.write(b"abc")
    assert small.finish().content == b"abc"
    large = ctx.create_writer()
    for start in range(0, len(DATA), 1000):
        large.write(DATA[start : start + 1000])
    stored = large.finish()
    assert isinstance(stored.content, int)
    assert ctx.stored_bytes(stored) == DATA
    with pytest.raises(ValueError, match="finished already"):
        large.write(b"more")


def test_keys_of_dynamic_outputs_are_checked():
    each = Dynamic[int]({"a": 1})
    for key, message in [
        ("a", "the mapping key `a` is used twice"),
        ("a b", "the mapping key `a b` holds ` `; use letters, digits and `_`"),
        ("", "a mapping key has 1 to 128 bytes, this one has 0"),
        (3, "a mapping key is text, not 3"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            each.add(key, 2)
    assert dict(each.items()) == {"a": 1}


def test_many_reads_like_a_list_and_knows_its_keys():
    many = Many({"jan": 1, "feb": 2})
    assert sum(many) == 3
    assert many[1:] == [2]
    assert many.items() == [("jan", 1), ("feb", 2)]
    assert Many([1, 2]).keys() == [None, None]
    assert Many([1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("x", "text", "x"),
        (True, "truth", True),
        (7, "integer", 7),
        (2**70, "number", float(2**70)),
        (0.5, "number", 0.5),
        ({"a": [1]}, "json", '{"a": [1]}'),
        (MetadataValue.table([{"a": 1}]), "table", '[{"a": 1}]'),
        (MetadataValue.timestamp("2026-01-02T03:04:05Z"), "timestamp", "2026-01-02T03:04:05Z"),
    ],
)
def test_plain_values_are_facts(value, kind, shown):
    assert to_metadata(value) == MetadataValue(kind, shown)


def test_what_is_no_fact_is_refused():
    with pytest.raises(TypeError, match="`object` is no fact"):
        to_metadata(object())
