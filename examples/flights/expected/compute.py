#!/usr/bin/env python3
"""Computes the figures that the flights job must agree with, from the same files, without any of the job's code.

Only Python's standard library (gzip, csv, json). Sums are exact integers; a mean is one division at the end.

    python3 expected/compute.py            writes expected/figures.json
    python3 expected/compute.py --check    compares instead, exit status 1 if a figure differs
"""

import csv
import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"


class Tally:
    def __init__(self):
        self.flights = 0
        self.cancelled = 0
        self.departure_delays = []
        self.arrival_delays = []

    def add(self, row):
        self.flights += 1
        if row["dep_time"] == "NA":
            self.cancelled += 1
        if row["dep_delay"] != "NA":
            self.departure_delays.append(int(row["dep_delay"]))
        if row["arr_delay"] != "NA":
            self.arrival_delays.append(int(row["arr_delay"]))

    def figures(self):
        def mean(delays):
            return sum(delays) / len(delays) if delays else None

        return {
            "flights": self.flights,
            "cancelled": self.cancelled,
            "departure_delays": len(self.departure_delays),
            "departure_delay_sum": sum(self.departure_delays),
            "departure_delay_max": max(self.departure_delays, default=None),
            "departure_delay_missing": self.flights - len(self.departure_delays),
            "departure_delay_mean": mean(self.departure_delays),
            "arrival_delays": len(self.arrival_delays),
            "arrival_delay_sum": sum(self.arrival_delays),
            "arrival_delay_max": max(self.arrival_delays, default=None),
            "arrival_delay_missing": self.flights - len(self.arrival_delays),
            "arrival_delay_mean": mean(self.arrival_delays),
        }


def compute():
    with open(DATA / "airlines.csv", newline="", encoding="utf-8") as file:
        names = {row["carrier"]: row["name"] for row in csv.DictReader(file)}

    year, months, carriers, routes = Tally(), {}, {}, {}
    for path in sorted(DATA.glob("flights-2013-*.csv.gz")):
        with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                year.add(row)
                months.setdefault(int(row["month"]), Tally()).add(row)
                carriers.setdefault(row["carrier"], Tally()).add(row)
                routes.setdefault((row["origin"], row["dest"]), Tally()).add(row)

    busiest = sorted(routes.items(), key=lambda item: (-item[1].flights, item[0]))[:10]
    return {
        "year": year.figures(),
        "months": [{"month": month, **months[month].figures()} for month in sorted(months)],
        "carriers": [
            {"carrier": code, "airline": names[code], **carriers[code].figures()} for code in sorted(carriers)
        ],
        "n_routes": len(routes),
        "busiest_routes": [
            {"origin": origin, "dest": dest, **tally.figures()} for (origin, dest), tally in busiest
        ],
    }


def main():
    text = json.dumps(compute(), indent=2) + "\n"
    target = HERE / "figures.json"
    if "--check" in sys.argv[1:]:
        if target.read_text(encoding="utf-8") != text:
            sys.exit("expected/figures.json differs from what the data says; run expected/compute.py")
        return
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
