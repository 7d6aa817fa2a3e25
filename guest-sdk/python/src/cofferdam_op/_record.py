"""Records: dataclasses and typed dictionaries, field by field."""

from __future__ import annotations

import dataclasses
from typing import Any

from cofferdam_op._field import UNSET
from cofferdam_op._shape import Book, Mismatch, Schema, Shape, expected

@dataclasses.dataclass
class RecordField:
    name: str
    shape: Shape
    nullable: bool
    default: Any = UNSET
    factory: Any = UNSET
    may_lack: bool = False
    """Of a typed dictionary: the key may be absent in either direction."""

    def fallback(self) -> Any:
        """What stands where the field is not given."""
        if self.factory is not UNSET:
            return self.factory()
        if self.default is not UNSET:
            return self.default
        return None if self.nullable else UNSET


class Record(Shape):
    """A class with typed fields."""

    def __init__(self, kind: type, doc: str) -> None:
        self.kind, self.doc = kind, doc
        self.fields: list[RecordField] = []
        self.closed = False
        """Whether keys that are not known are refused, as those of a config are."""

    def schema(self, book: Book) -> Schema:
        if self.kind not in book.names:
            name = self.kind.__name__
            while name in book.names.values():
                name += "_"
            book.names[self.kind] = name
            book.definitions[name] = self.own_schema(book)
        return {"$ref": f"#/$defs/{book.names[self.kind]}"}

    def own_schema(self, book: Book) -> Schema:
        properties, required = {}, []
        for field in self.fields:
            schema = field.shape.schema(book)
            fallback = field.fallback()
            if book.reading and fallback is not UNSET and not field.may_lack:
                schema["default"] = field.shape.dump(fallback, field.name)
            # What is written has all fields; what is read may leave out those with a default.
            if not field.may_lack and (fallback is UNSET or not book.reading):
                required.append(field.name)
            properties[field.name] = schema
        schema = {"title": self.kind.__name__, "type": "object", "properties": properties}
        if self.doc:
            schema["description"] = self.doc
        if required:
            schema["required"] = required
        if self.closed or book.closed:
            schema["additionalProperties"] = False
        return schema

    def load(self, value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise expected(path, f"a map with the fields of `{self.kind.__name__}`", value)
        loaded = {}
        for field in self.fields:
            place = f"{path}.{field.name}" if path else field.name
            if field.name in value:
                loaded[field.name] = field.shape.load(value[field.name], place)
            elif not field.may_lack:
                fallback = field.fallback()
                if fallback is UNSET:
                    raise Mismatch(place, "it is missing")
                loaded[field.name] = fallback
        if self.closed and (unknown := sorted(value.keys() - {field.name for field in self.fields})):
            raise Mismatch(path, f"there is no `{unknown[0]}` in `{self.kind.__name__}`")
        return loaded if issubclass(self.kind, dict) else self.kind(**loaded)

    def dump(self, value: Any, path: str) -> Any:
        if issubclass(self.kind, dict):
            if not isinstance(value, dict):
                raise expected(path, f"a dict with the keys of `{self.kind.__name__}`", value)
            return self.dump_fields(value, path)
        if not isinstance(value, self.kind):
            raise expected(path, f"a `{self.kind.__name__}`", value)
        return self.dump_fields({field.name: getattr(value, field.name) for field in self.fields}, path)

    def dump_fields(self, values: dict[str, Any], path: str) -> dict[str, Any]:
        dumped = {}
        for field in self.fields:
            place = f"{path}.{field.name}" if path else field.name
            if field.name in values:
                dumped[field.name] = field.shape.dump(values[field.name], place)
            elif not field.may_lack:
                raise Mismatch(place, "it is missing")
        return dumped
