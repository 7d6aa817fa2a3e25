"""From a type hint to its shape: the JSON Schema of its values, and the way from and to what CBOR carries."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from cofferdam_op._cbor import INTEGER_MAX, INTEGER_MIN, encode
from cofferdam_op._field import FieldSpec

Schema = dict[str, Any]


class Mismatch(ValueError):
    """A value is not of its type: where, and how."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"at `{path}`: {message}" if path else message)


def expected(path: str, what: str, found: Any) -> Mismatch:
    shown = repr(found)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return Mismatch(path, f"expected {what}, found {shown}")


@dataclasses.dataclass
class Book:
    """What a schema is written with: the definitions of its records, and whether values are read or written."""

    reading: bool
    closed: bool = False
    definitions: dict[str, Schema] = dataclasses.field(default_factory=dict)
    names: dict[Any, str] = dataclasses.field(default_factory=dict)


class Shape:
    """A type, as values meet it."""

    def schema(self, book: Book) -> Schema:
        raise NotImplementedError

    def load(self, value: Any, path: str) -> Any:
        """What the op is given for a value of the data model of CBOR."""
        raise NotImplementedError

    def dump(self, value: Any, path: str) -> Any:
        """The value of the data model of CBOR for what the op returned."""
        raise NotImplementedError


class Anything(Shape):
    def schema(self, book: Book) -> Schema:
        return {}

    def load(self, value: Any, path: str) -> Any:
        return value

    def dump(self, value: Any, path: str) -> Any:
        return value


class Plain(Shape):
    """A type whose values are the same in CBOR."""

    def __init__(self, kind: type, words: str, schema: Schema) -> None:
        self.kind, self.words, self._schema = kind, words, schema

    def schema(self, book: Book) -> Schema:
        return dict(self._schema)

    def load(self, value: Any, path: str) -> Any:
        if type(value) is self.kind:
            return value
        raise expected(path, self.words, value)

    def dump(self, value: Any, path: str) -> Any:
        if isinstance(value, self.kind):
            return value
        raise expected(path, self.words, value)


class Integer(Plain):
    def __init__(self) -> None:
        super().__init__(int, "an integer", {"type": "integer", "format": "int64"})

    def load(self, value: Any, path: str) -> Any:
        # JSON Schema calls 2.0 an integer; up to 2^53 every whole number has a float of its own.
        if type(value) is float and value.is_integer() and abs(value) <= 2**53:
            return int(value)
        return super().load(value, path)

    def dump(self, value: Any, path: str) -> Any:
        if isinstance(value, bool):
            raise expected(path, self.words, value)
        number = super().dump(value, path)
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            raise Mismatch(path, f"the integer {number} does not fit into 64 bits; hand it on as text")
        return int(number)


class Number(Plain):
    def __init__(self) -> None:
        super().__init__(float, "a number", {"type": "number", "format": "double"})

    def load(self, value: Any, path: str) -> Any:
        if type(value) is int:
            return float(value)
        return super().load(value, path)

    def dump(self, value: Any, path: str) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return super().dump(value, path)


class Text(Shape):
    """A type that stands as text: dates and times."""

    def __init__(self, kind: type[datetime.date], words: str, form: str) -> None:
        self.kind, self.words, self.form = kind, words, form

    def schema(self, book: Book) -> Schema:
        return {"type": "string", "format": self.form}

    def load(self, value: Any, path: str) -> Any:
        try:
            # The `Z` of RFC 3339 is read by Python from 3.11 on only.
            return self.kind.fromisoformat(value.replace("Z", "+00:00"))
        except (ValueError, AttributeError):
            raise expected(path, self.words, value) from None

    def dump(self, value: Any, path: str) -> Any:
        # A time is a date to Python, and not here.
        if not isinstance(value, datetime.date) or type(value) is not self.kind:
            raise expected(path, self.words, value)
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            raise expected(path, "a time with a time zone", value)
        return value.isoformat()


class Sequence(Shape):
    """A list, a set, or a tuple of any length."""

    def __init__(self, kind: type, element: Shape) -> None:
        self.kind, self.element = kind, element

    def schema(self, book: Book) -> Schema:
        unique = {"uniqueItems": True} if issubclass(self.kind, (set, frozenset)) else {}
        return {"type": "array", "items": self.element.schema(book), **unique}

    def load(self, value: Any, path: str) -> Any:
        if type(value) is not list:
            raise expected(path, "a list", value)
        load = self.element.load
        loaded = [load(element, f"{path}[{at}]") for at, element in enumerate(value)]
        return loaded if self.kind is list else self.kind(loaded)

    def dump(self, value: Any, path: str) -> Any:
        # A tuple where a list is promised is what zip and friends give.
        kinds = (list, tuple) if self.kind in (list, tuple) else (set, frozenset)
        if not isinstance(value, kinds):
            raise expected(path, "a list" if self.kind is list else f"a {self.kind.__name__}", value)
        dump = self.element.dump
        dumped = [dump(element, f"{path}[{at}]") for at, element in enumerate(value)]
        # Equal sets have equal bytes.
        return sorted(dumped, key=encode) if kinds[0] is set else dumped


class Fixed(Shape):
    """A tuple whose elements have a type each."""

    def __init__(self, elements: list[Shape]) -> None:
        self.elements = elements

    def schema(self, book: Book) -> Schema:
        n = len(self.elements)
        items = [element.schema(book) for element in self.elements]
        return {"type": "array", "prefixItems": items, "minItems": n, "maxItems": n}

    def check(self, value: Any, kinds: tuple[type, ...], path: str) -> None:
        if not (isinstance(value, (list, tuple)) and isinstance(value, kinds) and len(value) == len(self.elements)):
            raise expected(path, f"{len(self.elements)} elements", value)

    def load(self, value: Any, path: str) -> Any:
        self.check(value, (list,), path)
        pairs = enumerate(zip(self.elements, value, strict=True))
        return tuple(shape.load(element, f"{path}[{at}]") for at, (shape, element) in pairs)

    def dump(self, value: Any, path: str) -> Any:
        self.check(value, (list, tuple), path)
        pairs = enumerate(zip(self.elements, value, strict=True))
        return [shape.dump(element, f"{path}[{at}]") for at, (shape, element) in pairs]


class Mapping(Shape):
    """A dict. Whole numbers as keys are written in digits, as JSON does."""

    def __init__(self, key: type, element: Shape) -> None:
        self.key, self.element = key, element

    def schema(self, book: Book) -> Schema:
        digits = {"propertyNames": {"pattern": "^-?[0-9]+$"}} if self.key is int else {}
        return {"type": "object", "additionalProperties": self.element.schema(book), **digits}

    def load(self, value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise expected(path, "a map", value)
        loaded = {}
        for key, element in value.items():
            try:
                loaded[self.key(key)] = self.element.load(element, f"{path}.{key}")
            except ValueError as error:
                if isinstance(error, Mismatch):
                    raise
                raise expected(path, "a whole number as key", key) from None
        return loaded

    def dump(self, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise expected(path, "a dict", value)
        dumped = {}
        for key, element in value.items():
            if not isinstance(key, self.key) or isinstance(key, bool):
                raise expected(path, f"a key of type `{self.key.__name__}`", key)
            dumped[str(key)] = self.element.dump(element, f"{path}.{key}")
        return dumped


class Choice(Shape):
    """One of some values: `Literal`, or an `Enum` by its values."""

    def __init__(self, members: dict[Any, Any]) -> None:
        self.members = members
        """By what CBOR carries: what the op sees."""

    def schema(self, book: Book) -> Schema:
        names = {str: "string", int: "integer", bool: "boolean"}
        kinds = {names[type(value)] for value in self.members}
        return {"enum": list(self.members), **({"type": kinds.pop()} if len(kinds) == 1 else {})}

    def words(self) -> str:
        return "one of " + ", ".join(f"`{value}`" for value in self.members)

    def load(self, value: Any, path: str) -> Any:
        for known, member in self.members.items():
            if type(known) is type(value) and known == value:
                return member
        raise expected(path, self.words(), value)

    def dump(self, value: Any, path: str) -> Any:
        for known, member in self.members.items():
            if type(member) is type(value) and member == value:
                return known
        raise expected(path, self.words(), value)


class Union(Shape):
    """One of several types, tried in the order in which they are written."""

    def __init__(self, parts: list[Shape], words: str) -> None:
        self.parts, self.words = parts, words

    def schema(self, book: Book) -> Schema:
        parts = [part.schema(book) for part in self.parts]
        match parts:
            case [{"type": str(kind), **rest}, {"type": "null"}] if "enum" not in rest:
                return {"type": [kind, "null"], **rest}
            case _:
                return {"anyOf": parts}

    def first(self, way: str, value: Any, path: str) -> Any:
        errors = []
        for part in self.parts:
            try:
                return getattr(part, way)(value, path)
            except Mismatch as error:
                errors.append(error)
        if value is not None and len(errors) == 2 and isinstance(self.parts[1], Plain) and self.parts[1].words == "null":
            raise errors[0]
        raise expected(path, self.words, value)

    def load(self, value: Any, path: str) -> Any:
        return self.first("load", value, path)

    def dump(self, value: Any, path: str) -> Any:
        return self.first("dump", value, path)


class Bounded(Shape):
    """A type with bounds, or with a description."""

    def __init__(self, inner: Shape, spec: FieldSpec) -> None:
        self.inner, self.spec = inner, spec

    def schema(self, book: Book) -> Schema:
        schema = self.inner.schema(book)
        kind = schema.get("type")
        schema |= self.spec.schema(kind if isinstance(kind, str) else None)
        if self.spec.description:
            schema["description"] = self.spec.description
        return schema

    def checked(self, value: Any, path: str) -> Any:
        if (wanted := self.spec.broken_by(value)) is not None:
            raise expected(path, wanted, value)
        return value

    def load(self, value: Any, path: str) -> Any:
        return self.checked(self.inner.load(value, path), path)

    def dump(self, value: Any, path: str) -> Any:
        self.checked(value, path)
        return self.inner.dump(value, path)
