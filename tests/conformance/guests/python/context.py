"""What an op says and asks while it runs, resources."""

import logging
import sys
from dataclasses import dataclass

from cofferdam_op import TRACE, Config, Context, Keyvalue, MetadataValue, Settings, op


@op
def log() -> None:
    """Logs a line at each level."""
    levels = {
        "trace": TRACE,
        "debug": logging.DEBUG,
        "info": logging.INFO,
        "warn": logging.WARNING,
        "error": logging.ERROR,
    }
    for word, level in levels.items():
        logging.log(level, word, extra={"colour": "blue"})


@op(name="print")
def print_lines() -> None:
    """Prints to both streams."""
    print("to stdout")
    print("to stderr", file=sys.stderr)


class ChatterConfig(Config):
    lines: int


@op
def chatter(config: ChatterConfig) -> None:
    """Logs many lines."""
    for line in range(config.lines):
        logging.info("line %s", line)


@op
def progress(ctx: Context) -> None:
    """Says how far it is."""
    ctx.progress(1, 2, "half")
    ctx.progress(2, 2, "done")


@op
def facts(ctx: Context) -> None:
    """States facts of every kind."""
    ctx.add_metadata(
        text="words",
        integer=7,
        number=0.5,
        truth=True,
        url=MetadataValue.url("https://example.org/a"),
        path=MetadataValue.path("/a/b"),
        json={"a": 1},
        markdown=MetadataValue.md("*b*"),
        table=MetadataValue.table([{"a": 1}]),
        timestamp=MetadataValue.timestamp("2026-01-02T03:04:05Z"),
    )


@dataclass
class Who:
    run_id: str
    step_key: str
    attempt: int
    idempotency_key: str
    partition: str | None
    tags: dict[str, str]


@op
def who(ctx: Context) -> Who:
    """Says who is running."""
    return Who(ctx.run_id, ctx.step_key, ctx.attempt, ctx.idempotency_key, ctx.partition, ctx.tags)


@op
def remaining(ctx: Context) -> bool:
    """Says whether there is a time limit."""
    return ctx.remaining is not None and 0 < ctx.remaining <= 60


@op
def spin() -> int:
    """Never returns."""
    while True:
        pass


class HogConfig(Config):
    megabytes: int


@op
def hog(config: HogConfig) -> int:
    """Takes memory."""
    held = [bytearray(b"\x01") * 1_000_000 for _ in range(config.megabytes)]
    return len(held)


@op
def count(store: Keyvalue) -> int:
    """Counts visits."""
    visits = int(store.get("visits") or b"0") + 1
    store.set("visits", str(visits))
    return visits


@op
def setting(settings: Settings) -> str:
    """Reads a setting."""
    return settings.get("colour") or "none"
