"""The Python op of the polyglot example."""

import statistics
from dataclasses import dataclass

from cofferdam_op import Context, op


@dataclass
class Airline:
    """How late one airline was, in minutes."""

    carrier: str
    flights: int
    mean: float
    median: float
    stdev: float
    # Share of its flights that were more than 15 minutes late, 0 to 1.
    late: float


@op
def summarize(ctx: Context, delays: dict[str, list[int]]) -> list[Airline]:
    """Statistics of every airline's delays, the latest first."""
    airlines = [
        Airline(
            carrier=carrier,
            flights=len(minutes),
            mean=statistics.fmean(minutes),
            median=float(statistics.median(minutes)),
            stdev=statistics.pstdev(minutes),
            late=sum(minute > 15 for minute in minutes) / len(minutes),
        )
        for carrier, minutes in delays.items()
    ]
    airlines.sort(key=lambda airline: -airline.mean)
    ctx.log.info("%s airlines", len(airlines))
    return airlines
