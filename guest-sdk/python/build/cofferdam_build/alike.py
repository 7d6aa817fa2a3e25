"""Writes the memory of a component as that of an empty library, and then what differs.

Most of a component is Python's memory as it was when the ops had been loaded. The author's part lies together, but single words
differ all over the rest: counts of references, numbers of types, what a dictionary remembers. A sixth of the chunks in which
components are kept and sent would be others in each library, for a hundredth of the bytes. So the data of a component begins
with that of a library without any work, byte for byte, and what differs is written over it, as later segments are.
"""

from __future__ import annotations

from dataclasses import dataclass

from cofferdam_build.wasm import Reader, item, section, sections_of, signed_leb, vector

CORE_MODULE, DATA = 1, 11

BLOCK = 16
"""Bytes that are compared at a time; about what the head of a segment costs."""

PAGE = 64 * 1024
"""Bytes that are compared before: most pages are the same."""

PATCHES_MAX = 4000
"""The host takes ten thousand segments in a library, and componentize-py makes nearly four thousand."""


@dataclass
class _Data:
    """The largest data of a component's modules: where it is, and its segments."""

    module: int
    section: int
    segments: list[tuple[int, bytes]]

    def memory(self) -> bytes:
        memory = bytearray(max((at + len(content) for at, content in self.segments), default=0))
        for at, content in self.segments:
            memory[at : at + len(content)] = content
        return bytes(memory)


def alike(component: bytes, empty: bytes) -> bytes:
    """The same component over the data of another; as it is if its memory is the smaller one, or not laid out so."""
    found, base = _data(component), _data(empty)
    if found is None or base is None:
        return component
    memory, common = found.memory(), base.memory()
    if len(memory) < len(common):
        return component
    written = vector([_segment(at, content) for at, content in base.segments + _patches(memory, common)])
    outer = list(sections_of(component))
    module = outer[found.module][1]
    inner = list(sections_of(module))
    inner[found.section] = (DATA, written)
    outer[found.module] = (CORE_MODULE, module[:8] + _joined(inner))
    return component[:8] + _joined(outer)


def _patches(memory: bytes, common: bytes) -> list[tuple[int, bytes]]:
    """What has to be written over the common memory, in as few pieces as it must be."""
    common = common.ljust(len(memory), b"\0")
    blocks = [
        at
        for page in range(0, len(memory), PAGE)
        if memory[page : page + PAGE] != common[page : page + PAGE]
        for at in range(page, min(page + PAGE, len(memory)), BLOCK)
        if memory[at : at + BLOCK] != common[at : at + BLOCK]
    ]
    gap = BLOCK
    while True:
        runs: list[tuple[int, int]] = []
        for at in blocks:
            if runs and at - runs[-1][1] <= gap:
                runs[-1] = (runs[-1][0], at + BLOCK)
            else:
                runs.append((at, at + BLOCK))
        if len(runs) <= PATCHES_MAX:
            return [(start, memory[start:end]) for start, end in runs]
        gap *= 2


def _data(component: bytes) -> _Data | None:
    """None where no module has data, or other data than segments of known places."""
    largest = (0, 0, 0, b"")
    for module, (kind, body) in enumerate(sections_of(component)):
        if kind == CORE_MODULE:
            for at, (inner, content) in enumerate(sections_of(body)):
                if inner == DATA:
                    largest = max(largest, (len(content), module, at, content))
    size, module, at, content = largest
    segments = _segments(content) if size > 0 else None
    return None if segments is None else _Data(module, at, segments)


def _segments(body: bytes) -> list[tuple[int, bytes]] | None:
    reader, found = Reader(body), []
    for _ in range(reader.leb()):
        # Of the first memory, put there at the start, at a place that is a number and nothing more.
        if reader.take(2) != b"\x00\x41":
            return None
        at = reader.signed_leb()
        if at < 0 or reader.byte() != 0x0B:
            return None
        found.append((at, reader.take(reader.leb())))
    return found


def _segment(at: int, content: bytes) -> bytes:
    return b"\x00\x41" + signed_leb(at) + b"\x0b" + item(content)


def _joined(parts: list[tuple[int, bytes]]) -> bytes:
    return b"".join(section(kind, body) for kind, body in parts)
