"""Writes what Dagster answers about mappings between partitions, one case a line.

    python mappings.py > mappings.jsonl      # with dagster from PyPI; the first line names its version

A line with both sets of partitions, the mapping and the instant that counts as now, then lines with a
direction, the keys that are mapped, the keys they are mapped to, and, upwards, how many are required but do
not exist.
"""

import json
import warnings
from datetime import datetime, timezone

import dagster
from dagster import (
    AllPartitionMapping,
    DailyPartitionsDefinition,
    DimensionPartitionMapping,
    HourlyPartitionsDefinition,
    IdentityPartitionMapping,
    LastPartitionMapping,
    MonthlyPartitionsDefinition,
    MultiPartitionMapping,
    MultiPartitionsDefinition,
    MultiToSingleDimensionPartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
    WeeklyPartitionsDefinition,
)

warnings.simplefilter("ignore")
NOW = datetime(2024, 4, 10, 7, 30, tzinfo=timezone.utc)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
CADENCES = {
    "hourly": HourlyPartitionsDefinition,
    "daily": DailyPartitionsDefinition,
    "weekly": WeeklyPartitionsDefinition,
    "monthly": MonthlyPartitionsDefinition,
}


def windows(cadence, start, zone=BERLIN, end=None, end_offset=0, hour=0, day=None):
    """The spec as the table holds it."""
    day = day if day is not None else {"monthly": 1}.get(cadence, 0)
    return {"cadence": cadence, "zone": zone, "start": start, "end": end, "end_offset": end_offset, "hour": hour, "day": day}


def partitions(spec):
    if spec is None:
        return None
    if isinstance(spec, list):
        return StaticPartitionsDefinition(spec)
    if "cadence" not in spec:
        return MultiPartitionsDefinition({name: partitions(one) for name, one in spec.items()})
    extra = {}
    if spec["cadence"] != "hourly":
        extra["hour_offset"] = spec["hour"]
    if spec["cadence"] in ("weekly", "monthly"):
        extra["day_offset"] = spec["day"]
    return CADENCES[spec["cadence"]](
        start_date=spec["start"], end_date=spec["end"], timezone=spec["zone"], end_offset=spec["end_offset"], **extra
    )


def mapping(spec):
    kind = spec["kind"]
    if kind == "identity":
        return IdentityPartitionMapping()
    if kind == "all":
        return AllPartitionMapping()
    if kind == "last":
        return LastPartitionMapping()
    if kind == "specific":
        return SpecificPartitionsPartitionMapping(spec["keys"])
    if kind == "static":
        return StaticPartitionMapping(spec["map"])
    if kind == "windows":
        return TimeWindowPartitionMapping(spec["start"], spec["end"])
    if kind == "dimension":
        return MultiToSingleDimensionPartitionMapping(spec.get("name"))
    return MultiPartitionMapping(
        {one["upstream"]: DimensionPartitionMapping(one["downstream"], mapping(one["mapping"])) for one in spec["dimensions"]}
    )


def keys_of(definition):
    return list(definition.get_partition_keys(current_time=NOW))


def ask(up, down, spec, towards, keys):
    """One question."""
    upstream, downstream, how = partitions(up), partitions(down), mapping(spec)
    edge = {"upstream": up, "downstream": down, "mapping": spec, "now": int(NOW.timestamp())}
    case = {"towards": towards, "keys": keys}
    if towards == "upstream":
        subset = downstream.empty_subset().with_partition_keys(keys) if downstream else None
        result = how.get_upstream_mapped_partitions_result_for_partitions(subset, downstream, upstream, current_time=NOW)
        found, missing = result.partitions_subset, result.required_but_nonexistent_subset
        case["missing"] = len(list(missing.get_partition_keys())) if len(missing) else 0
    else:
        subset = upstream.empty_subset().with_partition_keys(keys)
        found = how.get_downstream_partitions_for_partitions(subset, upstream, downstream, current_time=NOW)
    case["found"] = sorted(str(key) for key in found.get_partition_keys())
    return edge, case


def both(up, down, spec, n=None):
    """Each key alone in both directions (or a few of them), and some together."""
    for towards, definition in (("upstream", partitions(down)), ("downstream", partitions(up))):
        keys = keys_of(definition)
        picked = keys if n is None or len(keys) <= 2 * n else keys[:n] + keys[len(keys) // 2 : len(keys) // 2 + 1] + keys[-n:]
        for key in picked:
            yield ask(up, down, spec, towards, [key])
        yield ask(up, down, spec, towards, keys[1:4] + keys[-2:])


def cases():
    overlap = {"kind": "windows", "start": 0, "end": 0}
    daily = windows("daily", "2024-03-28")
    later = windows("daily", "2024-04-02")
    hourly = windows("hourly", "2024-03-30-00:00")
    weekly = windows("weekly", "2024-03-03")
    monthly = windows("monthly", "2024-01-01")
    abc, abcd = ["a", "b", "c"], ["d", "c", "b", "x"]
    for start, end in ((0, 0), (-1, -1), (-1, 0), (0, 1), (-3, -1), (1, 1), (-2, 2)):
        yield from both(daily, daily, {"kind": "windows", "start": start, "end": end})
    for up, down in (
        (hourly, daily), (daily, hourly), (daily, weekly), (weekly, daily), (daily, monthly), (monthly, daily),
        (later, daily), (daily, later), (weekly, monthly), (hourly, weekly),
        (windows("daily", "2024-03-28", hour=6), daily), (daily, windows("daily", "2024-03-28", hour=6)),
        (windows("weekly", "2024-03-03", day=1), weekly),
        (windows("hourly", "2024-03-09-00:00", NEW_YORK), windows("daily", "2024-03-09", NEW_YORK)),
        (windows("daily", "2024-03-28", end="2024-04-05"), daily),
        (windows("daily", "2024-03-28", end_offset=1), daily),
    ):
        yield from both(up, down, overlap, 3)
    for up, down in ((hourly, daily), (daily, weekly), (daily, hourly), (later, daily)):
        for start, end in ((-1, -1), (-1, 0), (0, 1)):
            yield from both(up, down, {"kind": "windows", "start": start, "end": end}, 3)
    for up, down in ((daily, daily), (daily, later), (later, daily), (abc, abc), (abc, abcd)):
        yield from both(up, down, {"kind": "identity"}, 3)
    for up, down in ((daily, abc), (abc, abcd), (abc, daily)):
        yield from both(up, down, {"kind": "all"}, 2)
        yield from both(up, down, {"kind": "last"}, 2)
    yield from both(abc, daily, {"kind": "specific", "keys": ["a", "c"]}, 2)
    yield from both(abc, abcd, {"kind": "static", "map": {"a": ["d", "x"], "b": ["b"], "c": ["b"]}})
    for spec in ({"kind": "all"}, {"kind": "last"}, {"kind": "specific", "keys": ["b"]}):
        yield ask(abc, None, spec, "upstream", [])
    week = windows("daily", "2024-04-03")
    multi = {"letter": abc, "day": week}
    for up, down in ((multi, week), (week, multi), (multi, abc), (abc, multi), (multi, monthly), (weekly, multi)):
        yield from both(up, down, {"kind": "dimension"}, 4)
    other = {"number": ["1", "2", "3"], "date": week}
    identity = {"upstream": "day", "downstream": "date", "mapping": {"kind": "identity"}}
    numbers = {"kind": "static", "map": {"a": ["1"], "b": ["2", "3"], "c": []}}
    letters = {"upstream": "letter", "downstream": "number", "mapping": numbers}
    before = {"upstream": "day", "downstream": "date", "mapping": {"kind": "windows", "start": -1, "end": 0}}
    for dimensions in ([identity], [letters], [identity, letters], [before, letters], []):
        yield from both(multi, other, {"kind": "dimensions", "dimensions": dimensions}, 4)
    yield from both(multi, multi, {"kind": "identity"}, 4)


def main():
    print(json.dumps({"dagster": dagster.__version__}))
    last = None
    for edge, case in cases():
        if edge != last:
            print(json.dumps(edge))
            last = edge
        print(json.dumps(case))


main()
