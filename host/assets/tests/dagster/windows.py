"""Writes what Dagster answers about time windows around changes of the clocks, one case a line.

    python windows.py > windows.jsonl      # with dagster from PyPI; the first line names its version

A case: the definition, the instant that counts as now, the keys, the first window's start and the lengths of
the windows in minutes (`60*23 120` is 23 windows of an hour and one of two).
"""

import itertools
import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import dagster
from dagster import (
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    MonthlyPartitionsDefinition,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

# With whole and half hours, changes at midnight, both hemispheres, winter time that is called the standard.
ZONES = """UTC America/New_York America/Los_Angeles America/St_Johns America/Sao_Paulo America/Havana
America/Santiago Europe/London Europe/Dublin Europe/Berlin Africa/Casablanca Africa/Cairo Asia/Beirut
Asia/Amman Asia/Kolkata Asia/Kathmandu Australia/Sydney Australia/Adelaide Pacific/Auckland
Pacific/Chatham""".split()


def changes(zone, first, last):
    """Days on which a zone's clocks change."""
    tz = ZoneInfo(zone)
    day, found = first, []
    while day < last:
        a = datetime(day.year, day.month, day.day, tzinfo=timezone.utc).astimezone(tz).utcoffset()
        b = (datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(days=1)).astimezone(tz).utcoffset()
        if a != b:
            found.append(day)
        day += timedelta(days=1)
    return found


def case(definition, spec, now):
    keys = list(definition.get_partition_keys(current_time=now))
    windows = [definition.time_window_for_partition_key(key) for key in keys]
    starts = [int(window.start.timestamp()) for window in windows]
    minutes = [int(window.end.timestamp() - window.start.timestamp()) // 60 for window in windows]
    runs = [(n, len(list(group))) for n, group in itertools.groupby(minutes)]
    lengths = " ".join(str(n) if count == 1 else f"{n}*{count}" for n, count in runs)
    first = starts[0] if starts else None
    return {**spec, "now": int(now.timestamp()), "keys": keys, "first": first, "minutes": lengths}


def at(day, days):
    return (day + timedelta(days=days)).strftime("%Y-%m-%d")


def around(zone, day):
    """All cadences around a change of the clocks."""
    now = datetime(day.year, day.month, day.day, 13, tzinfo=timezone.utc) + timedelta(days=2)
    for minute in (0, 15):
        start = f"{at(day, -1)}-00:00"
        definition = HourlyPartitionsDefinition(start_date=start, timezone=zone, minute_offset=minute)
        yield case(definition, {"cadence": "hourly", "minute": minute, "zone": zone, "start": start}, now)
    for hour, minute in ((0, 0), (1, 30), (2, 30), (3, 0), (23, 30)):
        start = at(day, -2)
        definition = DailyPartitionsDefinition(
            start_date=start, timezone=zone, minute_offset=minute, hour_offset=hour
        )
        spec = {"cadence": "daily", "hour": hour, "minute": minute, "zone": zone, "start": start}
        yield case(definition, spec, now)
    weekday = (day.weekday() + 1) % 7
    for hour, minute in ((0, 0), (2, 30)):
        start = at(day, -21)
        definition = WeeklyPartitionsDefinition(
            start_date=start, timezone=zone, minute_offset=minute, hour_offset=hour, day_offset=weekday
        )
        spec = {"cadence": "weekly", "day": weekday, "hour": hour, "minute": minute, "zone": zone, "start": start}
        yield case(definition, spec, now + timedelta(days=14))
    if day.day <= 28:
        start = at(day, -92)
        definition = MonthlyPartitionsDefinition(
            start_date=start, timezone=zone, hour_offset=2, day_offset=day.day
        )
        spec = {"cadence": "monthly", "day": day.day, "hour": 2, "minute": 0, "zone": zone, "start": start}
        yield case(definition, spec, now + timedelta(days=62))


def years(zone):
    """Whole years: months, weeks and some cron expressions."""
    now = datetime(2024, 6, 30, 22, 30, tzinfo=timezone.utc)
    start = "2021-01-15"
    definition = MonthlyPartitionsDefinition(start_date=start, timezone=zone)
    yield case(definition, {"cadence": "monthly", "day": 1, "hour": 0, "minute": 0, "zone": zone, "start": start}, now)
    start = "2022-12-01"
    definition = WeeklyPartitionsDefinition(start_date=start, timezone=zone)
    yield case(definition, {"cadence": "weekly", "day": 0, "hour": 0, "minute": 0, "zone": zone, "start": start}, now)
    for cron, start in (
        ("0 6 * * 1-5", "2024-02-01"),
        ("*/15 * * * *", "2024-06-30"),
        ("0 0 1,15 * *", "2023-06-01"),
        ("0 12 */10 * *", "2024-01-01"),
        ("30 4 1 1,4,7,10 *", "2020-01-01"),
        ("0 0 29 2 *", "2000-01-01"),
        ("0 9 13 * 5", "2023-01-01"),
    ):
        start = f"{start}-00:00"
        definition = TimeWindowPartitionsDefinition(start=start, timezone=zone, cron_schedule=cron, fmt="%Y-%m-%d-%H:%M")
        yield case(definition, {"cadence": cron, "zone": zone, "start": start}, now)


def bounds():
    """Offsets and ends, in one zone."""
    zone = "Europe/Berlin"
    for now in (datetime(2024, 5, 6, 22, tzinfo=timezone.utc), datetime(2024, 5, 10, 12, tzinfo=timezone.utc)):
        for end_offset in (-3, -1, 0, 1, 3):
            for end in (None, "2024-05-06", "2024-05-12"):
                definition = DailyPartitionsDefinition(
                    start_date="2024-05-04", end_date=end, timezone=zone, end_offset=end_offset
                )
                spec = {"cadence": "daily", "hour": 0, "minute": 0, "zone": zone, "start": "2024-05-04"}
                yield case(definition, {**spec, "end": end, "end_offset": end_offset}, now)


def main():
    print(json.dumps({"dagster": dagster.__version__, "zones": len(ZONES)}))
    cases = list(bounds())
    for zone in ZONES:
        # Sao Paulo's clocks have not changed since 2019.
        first = datetime(2018, 1, 1) if zone == "America/Sao_Paulo" else datetime(2023, 1, 1)
        for day in changes(zone, first, datetime(first.year + 1, 6, 1))[:3]:
            cases.extend(around(zone, day))
        cases.extend(years(zone))
    for one in cases:
        print(json.dumps(one))


main()
