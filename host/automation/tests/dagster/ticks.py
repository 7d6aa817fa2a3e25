"""Writes when schedules tick by Dagster's rules around changes of the clocks, one change of one zone a line.

    python ticks.py > ticks.jsonl      # with dagster from PyPI; the first line names versions and expressions

A line: the zone, the minute (since 1970) of the change, and for each expression the minute of its first tick and the
minutes between that and the next ones (`60*3 120` is three hours and two more); null where Dagster itself fails.
"""

import itertools
import json
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from zoneinfo import ZoneInfo

from dagster._check import CheckError
from dagster._utils.schedules import schedule_execution_time_iterator

# Whole, half and double hours, changes at midnight, both hemispheres, zones that have given their changes up, that have
# moved over the date line, that call winter time the deviation, and some whose clocks never change.
ZONES = """UTC Africa/Cairo Africa/Casablanca Africa/El_Aaiun Africa/Johannesburg Africa/Lagos America/Adak
America/Anchorage America/Asuncion America/Campo_Grande America/Caracas America/Chicago America/Denver America/Halifax
America/Havana America/Los_Angeles America/Mexico_City America/Miquelon America/New_York America/Nuuk
America/Port-au-Prince America/Regina America/Santiago America/Sao_Paulo America/Scoresbysund America/St_Johns
America/Tijuana America/Toronto Antarctica/Troll Asia/Amman Asia/Beirut Asia/Damascus Asia/Gaza Asia/Hovd
Asia/Jerusalem Asia/Kathmandu Asia/Kolkata Asia/Pyongyang Asia/Tehran Asia/Tokyo Asia/Ulaanbaatar Atlantic/Azores
Australia/Adelaide Australia/Hobart Australia/Lord_Howe Australia/Sydney Europe/Athens Europe/Berlin Europe/Dublin
Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon Europe/London Europe/Moscow Europe/Paris Pacific/Apia
Pacific/Auckland Pacific/Chatham Pacific/Easter Pacific/Fiji Pacific/Norfolk Pacific/Tongatapu""".split()

# Expression (several: their union), hours before the change at which to begin, ticks.
EXPRESSIONS = [
    (["0 * * * *"], 3, 7),
    (["*/20 * * * *"], 3, 20),
    (["@hourly"], 3, 7),
    (["15 */2 * * *"], 8, 8),
    (["0 0 * * *"], 60, 5),
    (["@daily"], 60, 5),
    (["30 0 * * *"], 60, 5),
    (["0 1 * * *"], 60, 5),
    (["30 1 * * *"], 60, 5),
    (["30 2 * * *"], 60, 5),
    (["0 3 * * *"], 60, 5),
    (["0,30 0-3 * * *"], 30, 20),
    (["45 23 * * 1-6"], 60, 4),
    (["30 2 * * SUN"], 200, 3),
    (["@weekly"], 200, 3),
    (["@monthly"], 900, 3),
    (["0 2 29-31 * *"], 900, 4),
    (["0 0 13 * 5"], 400, 5),
    (["30 2 * * *", "0 */6 * * *", "0 0 1 * *"], 30, 12),
]

FIRST, LAST, CHANGES_MAX = datetime(2010, 1, 1), datetime(2025, 1, 1), 4


def offset(zone, at):
    return at.replace(tzinfo=timezone.utc).astimezone(zone).utcoffset()


def changes(zone):
    """The last changes of a zone's clocks, to the minute."""
    found, day = [], FIRST
    while day < LAST:
        a, b = day, day + timedelta(days=1)
        if offset(zone, a) != offset(zone, b):
            while b - a > timedelta(minutes=1):
                middle = a + (b - a) / 2
                middle = middle.replace(second=0, microsecond=0)
                a, b = (middle, b) if offset(zone, middle) == offset(zone, a) else (a, middle)
            found.append(b)
        day += timedelta(days=1)
    # In Samoa the fourth is the day that never was.
    return sorted({*found[:4:3], *found[-CHANGES_MAX:]}) or [datetime(2024, 2, 28, 12)]


def ticks(crons, zone, start, n):
    """As the daemon finds them: each time with an iterator of its own, from a second after the last tick."""
    schedule = crons[0] if len(crons) == 1 else crons
    minutes, at = [], start.timestamp()
    for _ in range(n):
        try:
            tick = next(schedule_execution_time_iterator(at, schedule, zone)).timestamp()
        except CheckError:
            return None
        minutes.append(int(tick) // 60)
        at = tick + 1
    between = [b - a for a, b in itertools.pairwise(minutes)]
    runs = [(m, len(list(group))) for m, group in itertools.groupby(between)]
    return " ".join([str(minutes[0])] + [str(m) if count == 1 else f"{m}*{count}" for m, count in runs])


def main():
    versions = {name: version(name) for name in ("dagster", "tzdata")}
    crons = [{"crons": crons, "hours": hours, "n": n} for crons, hours, n in EXPRESSIONS]
    print(json.dumps({**versions, "expressions": crons}))
    for name in ZONES:
        for change in changes(ZoneInfo(name)):
            at = change.replace(tzinfo=timezone.utc)
            found = [ticks(crons, name, at - timedelta(hours=hours), n) for crons, hours, n in EXPRESSIONS]
            print(json.dumps({"zone": name, "change": int(at.timestamp()) // 60, "ticks": found}))


main()
