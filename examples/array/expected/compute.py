#!/usr/bin/env python3
"""Computes the sums that the job must agree with: generators, mathematics and sums are Python's own or written anew.

    python3 expected/compute.py            writes expected/sums.json
"""

import json
import math
from pathlib import Path

ARRAYS = {"seed": 7, "n": 130, "depth": 10, "chunk": 50, "chunk_depth": 5}
LANES = 16
WORD = (1 << 64) - 1


def splitmix(seed, at):
    bits = (seed + 0x9E3779B97F4A7C15 * (at + 1)) & WORD
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & WORD
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & WORD
    return bits ^ bits >> 31


def rotated(word, bits):
    return (word << bits | word >> 64 - bits) & WORD


def xoshiro(words):
    """Numbers in [0, 1) of 52 bits, by xoshiro256++."""
    a, b, c, d = words
    while True:
        yield ((rotated(a + d & WORD, 23) + a & WORD) >> 12) / 2**52
        shifted = b << 17 & WORD
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotated(d, 45)


def numbers(stream, rows, row_length):
    """The numbers of a chunk, row by row; each row begins with the first of the generators."""
    begin = splitmix(ARRAYS["seed"], stream)
    lanes = [xoshiro([splitmix(splitmix(begin, lane), word) for word in range(4)]) for lane in range(LANES)]
    for _ in range(rows):
        row = [next(lane) for _ in range(-(-row_length // LANES)) for lane in lanes]
        yield row[:row_length]


def parts(length, part):
    return [(first, min(part, length - first)) for first in range(0, length, part)]


terms = [[] for _ in range(ARRAYS["n"])]
stream = 0
for first_row, rows in parts(ARRAYS["n"], ARRAYS["chunk"]):
    for _, columns in parts(ARRAYS["n"], ARRAYS["chunk"]):
        for _, layers in parts(ARRAYS["depth"], ARRAYS["chunk_depth"]):
            both = zip(numbers(stream, rows, columns * layers), numbers(stream + 1, rows, columns * layers))
            for row, (xs, ys) in enumerate(both, first_row):
                terms[row] += map(math.asin, xs)
                terms[row] += map(math.acos, ys)
            stream += 2

result = {"arrays": ARRAYS, "sums": [math.fsum(row) for row in terms]}
(Path(__file__).resolve().parent / "sums.json").write_text(json.dumps(result, indent=1) + "\n")
