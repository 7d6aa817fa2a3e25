"""Where the author's part of a component lies: behind what all libraries have in common, and not in the gaps of it.

When the SDK has been loaded, memory is full of small gaps. What an author's modules need would go there, a bit into every
page, and no page of one component would be as in another. So the gaps are filled while those modules are loaded.
"""

from __future__ import annotations

import gc

SMALL_MAX = 512
"""Bytes of the largest block that Python takes from its own pools; there is a list of pools for each 16 bytes."""

LARGE = [2**power for power in range(17, 9, -1)]
"""Bytes of blocks that are taken from the C library, largest first, so that small ones do not break large gaps."""

HEADER = 17
"""Bytes of an empty `bytes` object of 32-bit Python."""


def fill() -> list[bytes]:
    """Takes blocks of every size until each lands behind all that is there; the gaps are closed while they are held."""
    gc.collect()
    held = [bytes(2**20)]
    end = id(held[0])
    for size in (*LARGE, *range(SMALL_MAX, 16, -16)):
        while True:
            block = bytes(size - HEADER)
            held.append(block)
            if id(block) > end:
                break
    return held
