"""Reads type hints: which shape a hint stands for, or why it stands for none."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import json
import operator
import re
import types
import typing
from typing import Annotated, Any, Literal, NewType

from cofferdam_op._field import UNSET, FieldSpec, MediaType
from cofferdam_op._record import Record, RecordField
from cofferdam_op._shape import (
    Anything,
    Book,
    Bounded,
    Choice,
    Fixed,
    Integer,
    Mapping,
    Number,
    Plain,
    Sequence,
    Shape,
    Text,
    Union,
)

NONE = Plain(type(None), "null", {"type": "null"})

_PLAIN: dict[Any, Shape] = {
    str: Plain(str, "a text", {"type": "string"}),
    int: Integer(),
    float: Number(),
    bool: Plain(bool, "true or false", {"type": "boolean"}),
    None: NONE,
    type(None): NONE,
    Any: Anything(),
    object: Anything(),
    datetime.datetime: Text(datetime.datetime, "a time as in RFC 3339", "date-time"),
    datetime.date: Text(datetime.date, "a date such as `2026-01-31`", "date"),
}

_records: dict[type, Record] = {}
"""Each record once: so recursive ones end, and equal ones have one definition."""


class Unsupported(TypeError):
    """A hint that stands for no shape, and what to write instead."""


def name_of(hint: Any) -> str:
    """A hint as its author wrote it."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__name__
    return re.sub(r"\b\w+\.(?=\w)", "", str(hint))


def is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def without_none(hint: Any) -> tuple[Any, bool]:
    """The rest of `T | None`, and whether it was one."""
    hint, extras = unannotated(hint)
    if is_union(hint) and type(None) in typing.get_args(hint):
        rest = tuple(part for part in typing.get_args(hint) if part is not type(None))
        inner = functools.reduce(operator.or_, rest)
        return (Annotated[(inner, *extras)] if extras else inner), True
    return (Annotated[(hint, *extras)] if extras else hint), False


def unannotated(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A hint and what `Annotated` says of it."""
    if typing.get_origin(hint) is Annotated:
        inner, *extras = typing.get_args(hint)
        return inner, tuple(extras)
    return hint, ()


def description(extras: tuple[Any, ...]) -> str:
    """The words in `Annotated[T, "words"]` or in a `Field` there."""
    for extra in extras:
        if isinstance(extra, str):
            return extra
        if isinstance(extra, FieldSpec) and extra.description:
            return extra.description
    return ""


def media_type(extras: tuple[Any, ...]) -> str | None:
    return next((extra.name for extra in extras if isinstance(extra, MediaType)), None)


def shape_of(hint: Any) -> Shape:
    """The shape of a hint; fails with `Unsupported`."""
    hint, extras = unannotated(hint)
    shape = _bare(hint)
    for extra in extras:
        if isinstance(extra, str):
            shape = Bounded(shape, FieldSpec(description=extra))
        elif isinstance(extra, FieldSpec):
            if extra.default is not UNSET or extra.default_factory is not UNSET:
                raise Unsupported("a `Field` in `Annotated` has no default: write it behind `=`")
            shape = Bounded(shape, extra)
        elif isinstance(extra, MediaType):
            raise Unsupported("a media type is for a whole input or output that is `bytes` or `str`")
    return shape


def _bare(hint: Any) -> Shape:
    try:
        if hint in _PLAIN:
            return _PLAIN[hint]
    except TypeError:  # not hashable: no type either
        raise Unsupported(f"`{hint!r}` is not a type") from None
    if isinstance(hint, NewType):
        return shape_of(hint.__supertype__)
    if (value := getattr(hint, "__value__", None)) is not None and type(hint).__name__ == "TypeAliasType":
        return shape_of(value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _choice({value: value for value in arguments}, hint)
    if is_union(hint):
        return Union(_ordered(arguments), " or ".join(name_of(part) for part in arguments))
    if origin is not None or hint in (list, dict, tuple, set, frozenset):
        return _container(origin or hint, arguments, hint)
    if isinstance(hint, type):
        return _class(hint)
    raise Unsupported(f"`{name_of(hint)}` cannot be carried from op to op")


def _ordered(parts: tuple[Any, ...]) -> list[Shape]:
    """An integer is a number too: it is tried first. Null comes last, as people write it."""
    rank = {float: 1, type(None): 2}
    return [shape_of(part) for part in sorted(parts, key=lambda part: rank.get(part, 0))]


def _container(origin: Any, arguments: tuple[Any, ...], hint: Any) -> Shape:
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Sequence(tuple, shape_of(arguments[0]))
        if arguments:
            return Fixed([shape_of(argument) for argument in arguments])
        return Sequence(tuple, Anything())
    if origin in (list, set, frozenset):
        return Sequence(origin, shape_of(arguments[0]) if arguments else Anything())
    if origin is dict:
        key, element = arguments or (str, Any)
        if key not in (str, int):
            raise Unsupported(f"the keys of `{name_of(hint)}` are neither `str` nor `int`")
        return Mapping(key, shape_of(element))
    raise Unsupported(f"`{name_of(hint)}` cannot be carried from op to op; use `list`, `tuple`, `set` or `dict`")


def _choice(members: dict[Any, Any], hint: Any) -> Shape:
    if not members or any(type(value) not in (str, int, bool) for value in members):
        raise Unsupported(f"the values of `{name_of(hint)}` are not texts or integers")
    return Choice(members)


def _class(kind: type) -> Shape:
    if issubclass(kind, enum.Enum):
        return _choice({member.value: member for member in kind}, kind)
    if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
        return record_of(kind)
    if issubclass(kind, (bytes, bytearray, memoryview)):
        raise Unsupported("`bytes` are a whole input or output, not a part of one; inside use text, such as base64")
    if kind.__module__.startswith("pydantic") or hasattr(kind, "__pydantic_fields__"):
        raise Unsupported("pydantic has a native core and cannot be carried in a component; use a dataclass or `Config`")
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "pyarrow", "polars"):
        raise Unsupported(
            f"`{kind.__module__}` has native code and cannot be carried in a component; take the bytes of an Arrow "
            "stream as `bytes` and hand them on, or compute in a Rust op"
        )
    raise Unsupported(f"`{kind.__name__}` is no type that can be carried from op to op; make it a dataclass")


def record_of(kind: type) -> Record:
    """The shape of a dataclass or a typed dictionary."""
    if kind in _records:
        return _records[kind]
    doc = (kind.__doc__ or "").strip()
    # What dataclass writes itself is no documentation.
    record = Record(kind, "" if doc.startswith(f"{kind.__name__}(") or issubclass(kind, dict) and not doc else doc)
    _records[kind] = record
    try:
        record.fields = _fields(kind)
    except BaseException:
        del _records[kind]
        raise
    return record


def _fields(kind: type) -> list[RecordField]:
    hints = resolved(kind)
    made = []
    plain = dataclasses.is_dataclass(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init] if plain else list(hints)
    by_name = {field.name: field for field in dataclasses.fields(kind)} if plain else {}
    for name in names:
        hint = _without_required(specified(kind, name, hints[name]))
        try:
            shape = shape_of(hint)
        except Unsupported as error:
            raise Unsupported(f"field `{name}` of `{kind.__name__}`: {error}") from None
        field = RecordField(name, shape, nullable=without_none(hint)[1])
        if plain:
            default, factory = by_name[name].default, by_name[name].default_factory
            field.default = UNSET if default is dataclasses.MISSING else default
            field.factory = UNSET if factory is dataclasses.MISSING else factory
            if isinstance(field.default, FieldSpec):
                raise Unsupported(
                    f"field `{name}` of `{kind.__name__}`: in a dataclass a `Field` stands in the type: "
                    f"`{name}: Annotated[..., Field(...)]`"
                )
        else:
            field.may_lack = name in kind.__optional_keys__  # type: ignore[attr-defined]
        made.append(field)
    return made


def specified(kind: type, name: str, hint: Any) -> Any:
    """The hint of a field, with what a `Field` that stands as its default says."""
    spec: FieldSpec | None = getattr(kind, "__field_specs__", {}).get(name)
    if spec is None:
        return hint
    return Annotated[hint, dataclasses.replace(spec, default=UNSET, default_factory=UNSET)]


def _without_required(hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly"):
        return _without_required(typing.get_args(hint)[0])
    return hint


def resolved(of: Any) -> dict[str, Any]:
    """The hints of a class or function; fails with `Unsupported` where one names nothing."""
    try:
        return typing.get_type_hints(of, include_extras=True)
    except NameError as error:
        raise Unsupported(f"the type `{error.name}` is not defined where the hint can see it: {error}") from None


def schema_text(shape: Shape, *, reading: bool, closed: bool = False) -> str:
    """The JSON Schema of a shape, as the description of a library carries it."""
    book = Book(reading, closed)
    schema = shape.schema(book)
    if isinstance(shape, Record) and not _refers_to(book.definitions, book.names[shape.kind]):
        schema = book.definitions.pop(book.names[shape.kind])
    if book.definitions:
        schema = {**schema, "$defs": book.definitions}
    return json.dumps(schema or True, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _refers_to(definitions: Any, name: str) -> bool:
    """Whether a definition refers to that one, itself perhaps."""
    return f'"#/$defs/{name}"' in json.dumps(definitions)
