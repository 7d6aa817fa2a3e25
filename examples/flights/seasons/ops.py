"""How much an airline's delays depend on the season."""

import statistics
from dataclasses import dataclass

from cofferdam_op import Context, Many, op


@dataclass
class Delays:
    count: int
    sum: int
    max: int | None


@dataclass
class Tally:
    flights: int
    cancelled: int
    departure: Delays
    arrival: Delays


@dataclass
class Carrier:
    carrier: str
    airline: str
    tally: Tally


@dataclass
class Month:
    year: int
    month: int


@dataclass
class CarriersOfMonth:
    """What the Rust op `by_carrier` gives."""

    month: Month
    carriers: list[Carrier]


@dataclass
class Season:
    """An airline's year, in minutes of mean arrival delay."""

    carrier: str
    airline: str
    # A mean per month, January first; none where nothing of it arrived.
    months: list[float | None]
    # Of the months that have one.
    mean: float
    spread: float
    worst_month: int


@op(pure=True)
def seasons(ctx: Context, months: Many[CarriersOfMonth]) -> list[Season]:
    """Means by month and their spread, the most seasonal airline first."""
    by_carrier: dict[str, dict[int, float]] = {}
    names = {}
    for month in months:
        for carrier in month.carriers:
            names[carrier.carrier] = carrier.airline
            arrival = carrier.tally.arrival
            if arrival.count:
                means = by_carrier.setdefault(carrier.carrier, {})
                means[month.month.month] = arrival.sum / arrival.count
    found = [season(carrier, names[carrier], means) for carrier, means in by_carrier.items()]
    ctx.add_metadata(airlines=len(found))
    return sorted(found, key=lambda one: (-one.spread, one.carrier))


def season(carrier: str, airline: str, means: dict[int, float]) -> Season:
    values = list(means.values())
    return Season(
        carrier=carrier,
        airline=airline,
        months=[means.get(month) for month in range(1, 13)],
        mean=statistics.fmean(values),
        spread=statistics.pstdev(values),
        worst_month=max(means, key=lambda month: means[month]),
    )
