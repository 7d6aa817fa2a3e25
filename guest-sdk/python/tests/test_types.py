"""Type hints: their schemas, and values on the way in and out."""

import datetime
import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, TypedDict

import pytest

from cofferdam_op import Config, Field
from cofferdam_op._hints import Unsupported, schema_text, shape_of
from cofferdam_op._shape import Mismatch


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Home:
    lat: float
    lon: float


@dataclass
class Person:
    """Somebody."""

    name: str
    age: Annotated[int, Field(ge=0, description="In years.")]
    tags: list[str] = field(default_factory=list)
    home: Home | None = None


class Row(TypedDict, total=False):
    name: str
    delay: float


@dataclass
class Tree:
    name: str
    children: list["Tree"] = field(default_factory=list)


Name = NewType("Name", str)


def schema(hint, *, reading=True):
    return json.loads(schema_text(shape_of(hint), reading=reading))


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer", "format": "int64"}),
        (float, {"type": "number", "format": "double"}),
        (Any, True),
        (Name, {"type": "string"}),
        (str | None, {"type": ["string", "null"]}),
        (int | str, {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (list[bool], {"type": "array", "items": {"type": "boolean"}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (dict[str, str], {"type": "object", "additionalProperties": {"type": "string"}}),
        (
            tuple[str, bool],
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
        ),
        (datetime.date, {"type": "string", "format": "date"}),
        (
            Annotated[str, "What it is.", Field(min_length=1, pattern="^x")],
            {"type": "string", "description": "What it is.", "minLength": 1, "pattern": "^x"},
        ),
        (Annotated[list[str], Field(max_length=3)], {"type": "array", "items": {"type": "string"}, "maxItems": 3}),
    ],
)
def test_a_hint_has_a_schema(hint, expected):
    assert schema(hint) == expected


def test_a_record_may_leave_out_defaults_when_it_is_read_and_has_all_fields_when_it_is_written():
    read, written = schema(Person), schema(Person, reading=False)
    assert read["required"] == ["name", "age"]
    assert written["required"] == ["name", "age", "tags", "home"]
    assert read["title"], read["description"] == ("Person", "Somebody.")
    assert read["properties"]["age"] == {"type": "integer", "format": "int64", "minimum": 0, "description": "In years."}
    assert read["properties"]["tags"]["default"] == []
    assert read["properties"]["home"]["anyOf"] == [{"$ref": "#/$defs/Home"}, {"type": "null"}]
    assert "additionalProperties" not in read


def test_a_type_may_hold_itself():
    assert schema(Tree)["$ref"] == "#/$defs/Tree"
    loaded = shape_of(Tree).load({"name": "a", "children": [{"name": "b"}]}, "")
    assert loaded == Tree("a", [Tree("b")])


@pytest.mark.parametrize(
    ("hint", "plain", "value"),
    [
        (int, 2.0, 2),
        (float, 2, 2.0),
        (int | None, None, None),
        (float | int, 3, 3),
        (Colour, "red", Colour.RED),
        (tuple[str, ...], ["a"], ("a",)),
        (dict[int, str], {"7": "x"}, {7: "x"}),
        (frozenset[int], [2, 1], frozenset({1, 2})),
        (datetime.datetime, "2026-01-02T03:04:05Z", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)),
        (Person, {"name": "Ada", "age": 36, "more": 1}, Person("Ada", 36)),
        (Row, {"name": "x", "more": 1}, {"name": "x"}),
    ],
)
def test_values_are_read_as_their_type(hint, plain, value):
    loaded = shape_of(hint).load(plain, "")
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize(
    ("hint", "value", "plain"),
    [
        (float, 2, 2.0),
        (list[int], (1, 2), [1, 2]),
        (set[str], {"b", "a", "aa"}, ["a", "b", "aa"]),
        (Colour, Colour.BLUE, "blue"),
        (dict[int, str], {7: "x"}, {"7": "x"}),
        (Person, Person("Ada", 36, home=Home(1, 2)), {"name": "Ada", "age": 36, "tags": [], "home": {"lat": 1.0, "lon": 2.0}}),
        (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_values_are_written_as_cbor_carries_them(hint, value, plain):
    assert shape_of(hint).dump(value, "") == plain


@pytest.mark.parametrize(
    ("hint", "plain", "message"),
    [
        (int, True, "expected an integer, found True"),
        (int, 1.5, "expected an integer, found 1.5"),
        (str, 3, "expected a text, found 3"),
        (str | None, 3, "expected a text, found 3"),
        (int | str, [], r"expected int or str, found \[\]"),
        (list[int], [1, "x"], r"at `\[1\]`: expected an integer, found 'x'"),
        (Person, {"name": "Ada"}, "at `age`: it is missing"),
        (Person, {"name": "Ada", "age": -1}, "at `age`: expected at least 0, found -1"),
        (Person, {"name": "Ada", "age": 1, "home": {"lat": 1, "lon": "x"}}, "at `home.lon`: expected a number, found 'x'"),
        (Colour, "green", "expected one of `red`, `blue`, found 'green'"),
        (Literal[1, 2], True, "expected one of `1`, `2`, found True"),
        (tuple[int, int], [1], r"expected 2 elements, found \[1\]"),
        (dict[int, str], {"x": "y"}, "expected a whole number as key, found 'x'"),
        (datetime.date, "tomorrow", "expected a date such as `2026-01-31`, found 'tomorrow'"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(hint, plain, message):
    with pytest.raises(Mismatch, match=f"^{message}$"):
        shape_of(hint).load(plain, "")


def test_an_integer_of_more_than_64_bits_is_refused_in_words():
    with pytest.raises(Mismatch, match=r"at `\[0\]`: the integer 9223372036854775808 does not fit into 64 bits"):
        shape_of(list[int]).dump([2**63], "")


def test_a_time_without_zone_is_refused():
    with pytest.raises(Mismatch, match="a time with a time zone"):
        shape_of(datetime.datetime).dump(datetime.datetime(2026, 1, 1), "")


class Opaque:
    pass


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (list[bytes], "`bytes` are a whole input or output"),
        (Opaque, "`Opaque` is no type that can be carried from op to op; make it a dataclass"),
        (dict[float, str], "neither `str` nor `int`"),
        (list[Opaque], "`Opaque` is no type"),
        (complex, "`complex` is no type"),
        ("not a hint", "cannot be carried"),
        (Literal[b"x"], "not texts or integers"),
    ],
)
def test_a_hint_that_cannot_be_carried_is_refused_in_words(hint, message):
    with pytest.raises(Unsupported, match=message):
        shape_of(hint)


class Limits(Config):
    """How much."""

    names: list[str]
    times: int = Field(2, ge=1, le=10, description="How often.")
    words: list[str] = []
    extra: dict[str, int] = Field(default_factory=dict)
    colour: Colour = Colour.RED


def test_a_config_refuses_unknown_keys_and_has_defaults():
    found = json.loads(schema_text(shape_of(Limits), reading=True, closed=True))
    assert found["additionalProperties"] is False
    assert found["required"] == ["names"]
    times = {"type": "integer", "format": "int64", "default": 2, "minimum": 1, "maximum": 10, "description": "How often."}
    assert found["properties"]["times"] == times
    assert found["properties"]["colour"]["default"] == "red"
    assert found["properties"]["extra"]["default"] == {}


def test_a_config_is_checked_where_it_is_made():
    made = Limits(names=["a"])
    assert (made.times, made.words, made.extra) == (2, [], {})
    assert Limits(names=[]).words is not Limits(names=[]).words
    with pytest.raises(ValueError, match=r"Limits: at `times`: expected at most 10, found 11"):
        Limits(names=[], times=11)
    with pytest.raises(ValueError, match=r"Limits: at `names`: expected a list, found 'Ada'"):
        Limits(names="Ada")
    with pytest.raises(TypeError, match="unexpected keyword"):
        Limits(names=[], colur="red")
    with pytest.raises(AttributeError):
        made.times = 3
