#!/usr/bin/env python3
"""Computes the figures that the job must agree with, from the same file, without any of the job's code.

    python3 expected/compute.py            writes expected/figures.json
"""

import csv
import gzip
import json
import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
FROM, TO, POINTS, WIDTH = -60, 120, 91, 4

delays = defaultdict(list)
with gzip.open(HERE.parent / "data" / "flights-2013-01.csv.gz", "rt", newline="") as file:
    for row in csv.DictReader(file):
        if row["arr_delay"] != "NA":
            delays[row["carrier"]].append(int(row["arr_delay"]))

airlines = {
    carrier: {
        "flights": len(minutes),
        "mean": sum(minutes) / len(minutes),
        "median": statistics.median(minutes),
        "stdev": math.sqrt(sum(m * m for m in minutes) / len(minutes) - (sum(minutes) / len(minutes)) ** 2),
        "late": len([m for m in minutes if m > 15]) / len(minutes),
    }
    for carrier, minutes in delays.items()
}

# Whole minutes repeat, so each is weighed once; no bell is cut off.
counts = Counter(m for minutes in delays.values() for m in minutes)
total = sum(counts.values())
scale = total * WIDTH * math.sqrt(2 * math.pi)
density = []
for point in range(POINTS):
    x = FROM + (TO - FROM) * point / (POINTS - 1)
    y = math.fsum(n * math.exp(-0.5 * ((x - m) / WIDTH) ** 2) for m, n in counts.items()) / scale
    density.append({"x": x, "y": y})

figures = {"airlines": dict(sorted(airlines.items())), "density": density}
(HERE / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
