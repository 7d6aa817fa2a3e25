"""Large values."""

from dataclasses import dataclass
from typing import Annotated

from cofferdam_op import Config, Context, MediaType, Reader, Stored, op

PIECE = 64 * 1024


class ProduceConfig(Config):
    size: int


@op
def produce(ctx: Context, config: ProduceConfig) -> Stored:
    """Writes piece by piece."""
    out = ctx.create_writer()
    for start in range(0, config.size, PIECE):
        end = min(start + PIECE, config.size)
        out.write(bytes((i * 31 + i // 256) % 256 for i in range(start, end)))
    return out.finish()


@dataclass
class Consumed:
    size: int
    sum: int


@op
def consume(file: Reader) -> Consumed:
    """Reads piece by piece."""
    total = 0
    while piece := file.read(PIECE):
        total += sum(piece)
    return Consumed(file.size, total % 2**32)


class SliceConfig(Config):
    offset: int
    length: int


@op
def slice(file: Reader, config: SliceConfig) -> bytes:
    """Reads a range."""
    file.seek(config.offset)
    return file.read(config.length)


class RepeatConfig(Config):
    text: str
    times: int


@op
def repeat(config: RepeatConfig) -> str:
    """Returns a large text."""
    return config.text * config.times


@op
def length(value: str) -> int:
    """Counts code points."""
    return len(value)


class PageConfig(Config):
    title: str


@op
def page(config: PageConfig) -> Annotated[str, MediaType("text/html")]:
    """Returns HTML."""
    return f"<h1>{config.title}</h1>"
