#!/usr/bin/env python3
"""Times the same array program in Dask and in Cofferdam, in turns, and prints the ratio.

    pip install dask distributed numpy
    python3 beside_dask.py [--n 13000] [--repeat 3] [--cofferdam PATH]

Both use two threads, or two slots, of this machine. Dask makes its numbers with NumPy's default generator; the sums are
compared by their mean, which is pi / 2 per element.
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPTH = 10


def dask(n):
    import dask.array as da

    begin = time.perf_counter()
    x = da.random.random((n, n, DEPTH), chunks=(1000, 1000, 5))
    y = da.random.random((n, n, DEPTH), chunks=(1000, 1000, 5))
    sums = (da.arcsin(x) + da.arccos(y)).sum(axis=(1, 2)).compute(scheduler="threads", num_workers=2)
    return time.perf_counter() - begin, float(sums.sum())


def cofferdam(program, n):
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "run.json"
        config.write_text(json.dumps({"ops": {"chunks": {"config": {"seed": time.time_ns() % 2**32, "n": n}}}}))
        base = [program, "-C", HERE, "--state-dir", Path(folder) / "state", "--json"]
        begin = time.perf_counter()
        run = subprocess.run([*base, "run", "sums", "--config", config], capture_output=True, check=True)
        seconds = time.perf_counter() - begin
        shown = [*base, "value", "show", json.loads(run.stdout)["run"], "row_sums", "total"]
        total = json.loads(subprocess.run(shown, capture_output=True, check=True).stdout)["value"]
    return seconds, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=13000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cofferdam", default="cofferdam")
    args = parser.parse_args()
    program = str(Path(args.cofferdam).resolve()) if "/" in args.cofferdam else args.cofferdam
    elements = args.n * args.n * DEPTH
    cofferdam(program, 100)  # builds the ops
    ratios = []
    for _ in range(args.repeat):
        (theirs, their_sum), (ours, our_sum) = dask(args.n), cofferdam(program, args.n)
        for total in (their_sum, our_sum):
            # The standard deviation of one term is below 0.4.
            assert abs(total / elements - math.pi / 2) < 6 * 0.4 / math.sqrt(elements), total / elements
        ratios.append(theirs / ours)
        print(f"Dask {theirs:.2f} s, Cofferdam {ours:.2f} s: {theirs / ours:.2f} times as fast", flush=True)
    print(f"median {statistics.median(ratios):.2f} times as fast as Dask")


main()
