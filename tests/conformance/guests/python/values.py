"""Values, ports, config."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cofferdam_op import Config, Dynamic, Field, Many, Outputs, WithMetadata, op


@dataclass
class Place:
    lat: float
    lon: float


@dataclass
class Person:
    name: str
    age: Annotated[int, Field(ge=0)]
    tags: list[str] = field(default_factory=list)
    home: Place | None = None


@op
def echo_text(value: str) -> str:
    """Gives its input back."""
    return value


@op
def echo_integer(value: int) -> int:
    """Gives its input back."""
    return value


@op
def echo_number(value: float) -> float:
    """Gives its input back."""
    return value


@op
def echo_flag(value: bool) -> bool:
    """Gives its input back."""
    return value


@op
def echo_list(value: list[int]) -> list[int]:
    """Gives its input back."""
    return value


@op
def echo_map(value: dict[str, int]) -> dict[str, int]:
    """Gives its input back."""
    return value


@op
def echo_nullable(value: str | None) -> str | None:
    """Gives its input back."""
    return value


@op
def echo_choice(value: Literal["red", "green", "blue"]) -> Literal["red", "green", "blue"]:
    """Gives its input back."""
    return value


@op
def echo_record(value: Person) -> Person:
    """Gives its input back."""
    return value


@op
def echo_bytes(value: bytes) -> bytes:
    """Gives its input back."""
    return value


@op
def nothing() -> None:
    """Does nothing."""


class Names(Outputs):
    first: WithMetadata[str]
    last: str


@op
def split_name(name: str) -> Names:
    """Splits at the first blank."""
    first, _, last = name.partition(" ")
    return Names(first=WithMetadata(first, {"letters": len(first)}), last=last)


class MaybeConfig(Config):
    emit: bool


class Maybe(Outputs):
    value: int | None = None


@op
def maybe(config: MaybeConfig) -> Maybe:
    """Gives a value or none."""
    return Maybe(value=42 if config.emit else None)


@op
def greet(name: str | None = None) -> str:
    """Greets somebody."""
    return f"Hello, {name or 'nobody'}!"


class NumbersConfig(Config):
    n: int = Field(ge=0)


class Each(Outputs):
    each: Dynamic[int]


@op
def numbers(config: NumbersConfig) -> Each:
    """Emits numbers."""
    return Each(each=Dynamic((f"n{number}", number) for number in range(config.n)))


@op
def twins() -> Each:
    """Emits one key twice."""
    each = Dynamic[int]()
    each.add("twin", 1)
    each.add("twin", 2)
    return Each(each=each)


@op
def total(numbers: Many[int]) -> int:
    """Adds numbers up."""
    return sum(numbers)


@op
def keyed(numbers: Many[int]) -> list[str]:
    """Shows keys and values."""
    return [f"{key or '-'}={value}" for key, value in numbers.items()]


class ConfiguredConfig(Config):
    greeting: str = "Hello"
    times: int = Field(2, ge=1, le=10)
    loud: bool = False
    names: list[str]


@op
def configured(config: ConfiguredConfig) -> str:
    """Greets as it is configured."""
    lines = [f"{config.greeting}, {name}!" for name in config.names] * config.times
    return "\n".join(line.upper() if config.loud else line for line in lines)


@op(pure=True)
def pure_double(value: int) -> int:
    """Doubles."""
    return value * 2
