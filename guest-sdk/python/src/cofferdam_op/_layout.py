"""Where the author's part of a component lies: behind what all libraries have in common, and not in the gaps of it.

A component is kept, sent and compared in chunks of some pages. What is the same in all libraries is loaded first, but a word
that is written into each of its pages later makes every chunk another one. So three things are done before the author's
modules are loaded: modules that many of them use are loaded too; the garbage collector is told to leave alone what is there,
because it writes into every object; and the gaps that loading has left are filled, because new objects would go there.
The gaps are not opened again: an attempt then finds its memory in pages that it shares with nobody.
"""

from __future__ import annotations

import gc
import importlib

COMMON = (
    "base64",
    "bisect",
    "calendar",
    "contextlib",
    "copy",
    "csv",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "html",
    "io",
    "itertools",
    "json",
    "math",
    "random",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "urllib.parse",
    "uuid",
    "weakref",
    "zlib",
)
"""Modules of the standard library that ops are likely to use."""

SMALL_MAX = 512
"""Bytes of the largest block that Python takes from its own pools; there is a list of pools for each 16 bytes."""

LARGE = [2**power for power in range(17, 9, -1)]
"""Bytes of blocks that are taken from the C library, largest first, so that small ones do not break large gaps."""

HEADER = 17
"""Bytes of an empty `bytes` object of 32-bit Python."""

_held: list[bytes] = []


def settle() -> None:
    """Ends what is common to all libraries: the gaps stay filled."""
    for name in COMMON:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _held.extend(_fill())


def clear() -> None:
    """Ends the loading of a library: what it has left in the gaps, such as the syntax trees of its modules, becomes zeros,
    which a component does not hold."""
    gc.collect()
    _fill()


def _fill() -> list[bytes]:
    """Blocks of zeros of every size, until each lands behind all that is there."""
    blocks = []
    end = id(bytes(2**20))
    for size in (*LARGE, *range(SMALL_MAX, 16, -16)):
        while True:
            block = bytes(size - HEADER)
            blocks.append(block)
            if id(block) > end:
                break
    return blocks
