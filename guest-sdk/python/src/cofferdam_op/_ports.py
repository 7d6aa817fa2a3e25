"""Inputs and outputs: how a parameter or a returned value is described, read and written."""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass
from typing import Any

from cofferdam_op import _cbor
from cofferdam_op._check import Check, Verdict
from cofferdam_op._context import Context
from cofferdam_op._contract import ANY, CBOR, JSON, OCTET_STREAM, InputSpec, InputValue, Output, OutputSpec, Value
from cofferdam_op._failure import Failure, ValueUnavailable
from cofferdam_op._hints import Unsupported, description, media_type, name_of, schema_text, shape_of, unannotated
from cofferdam_op._host import Host
from cofferdam_op._metadata import to_entries
from cofferdam_op._shape import Mismatch, Shape
from cofferdam_op._values import Dynamic, Many, Reader, Stored, WithMetadata, content_of, opened, read_all

ABSENT = object()
"""Stands for an optional input without a value."""


class InvalidValue(Failure):
    """A value is not what its port says: another try with the same value would end the same way."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


def _wrapped(hint: Any, wrapper: type) -> tuple[Any, bool]:
    """The inside of `wrapper[T]`, and whether it was one. What `Annotated` says outside is said of the inside."""
    inner, extras = unannotated(hint)
    if inner is wrapper:
        raise Unsupported(f"`{wrapper.__name__}` of what? Write `{wrapper.__name__}[T]`")
    if typing.get_origin(inner) is not wrapper:
        return hint, False
    (element,) = typing.get_args(inner)
    return (typing.Annotated[(element, *extras)] if extras else element), True


class Content:
    """What one value is: structured, bytes, text, or a file."""

    def __init__(self, hint: Any, *, reading: bool) -> None:
        self.kind, extras = unannotated(hint)
        self.doc = description(extras)
        named = media_type(extras)
        raw = self.kind in (bytes, Reader) if reading else self.kind in (bytes, Stored)
        self.shape: Shape | None = None
        self.schema = "true"
        if raw:
            self.media_type = named or (ANY if reading else OCTET_STREAM)
        elif named is not None and self.kind is str:
            self.media_type = named
        elif self.kind is Check and not reading:
            self.media_type, self.shape = CBOR, shape_of(Verdict)
        else:
            _refuse_misplaced(self.kind, reading)
            self.media_type, self.shape = CBOR, shape_of(hint)
        if self.shape is not None:
            self.schema = schema_text(self.shape, reading=reading)

    def read(self, value: Value, host: Host, what: str) -> Any:
        """What the op is given."""
        if self.kind is Reader:
            return opened(value, host)
        if self.shape is None:
            data = read_all(value, host)
            return data if self.kind is bytes else _text(data, what)
        if value.media_type not in (CBOR, JSON):
            raise InvalidValue(f"{what} cannot be read: it is `{value.media_type}`, expected `{CBOR}` or `{JSON}`")
        data = read_all(value, host)
        try:
            plain = _cbor.decode(data) if value.media_type == CBOR else json.loads(data)
            return self.shape.load(plain, "")
        except (Mismatch, ValueError) as error:
            raise InvalidValue(f"{what} cannot be read: {error}") from None

    def write(self, value: Any, ctx: Context, what: str) -> Value:
        """What the host is given."""
        try:
            return Value(self.media_type, self._content(value, ctx))
        except Mismatch as error:
            raise InvalidValue(f"{what} cannot be written: {error}") from None
        except _cbor.CborError as error:
            raise InvalidValue(f"{what} cannot be written: {error}") from None
        except ValueUnavailable as error:
            raise Failure(f"{what} cannot be written: {error}", permanent=error.permanent) from None

    def _content(self, value: Any, ctx: Context) -> bytes | int:
        host = ctx._host
        if self.kind is Check:
            if not isinstance(value, Check):
                raise Mismatch("", f"expected a `Check`, found {value!r}")
            value = value.state(ctx)
        if self.shape is not None:
            return content_of(_cbor.encode(self.shape.dump(value, "")), host)
        if isinstance(value, Stored):
            return value.content
        if self.kind is str and isinstance(value, str):
            return content_of(value.encode(), host)
        if self.kind is not str and isinstance(value, (bytes, bytearray, memoryview)):
            return content_of(bytes(value), host)
        wanted = "a text" if self.kind is str else "bytes, or what a writer's `finish` gave"
        raise Mismatch("", f"expected {wanted}, found a `{type(value).__name__}`")


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{what} cannot be read: it is not UTF-8: {error}") from None


def _refuse_misplaced(kind: Any, reading: bool) -> None:
    """Names of this package that mean something, but not here."""
    origin = typing.get_origin(kind) or kind
    if reading and origin in (Dynamic, Stored, WithMetadata, Check):
        raise Unsupported(f"`{name_of(kind)}` is for outputs")
    if not reading and origin in (Many, Reader):
        instead = "return `bytes`, or write through `ctx.create_writer()`" if origin is Reader else "return a `list`"
        raise Unsupported(f"`{name_of(kind)}` is for inputs; {instead}")


@dataclass
class InputPort:
    """A parameter that a value is connected to."""

    name: str
    content: Content
    many: bool
    default: Any
    """`ABSENT` if the input is required."""

    @staticmethod
    def of(name: str, hint: Any, default: Any) -> InputPort:
        element, many = _wrapped(hint, Many)
        return InputPort(name, Content(element, reading=True), many, default)

    def spec(self) -> InputSpec:
        content, required = self.content, self.default is ABSENT
        return InputSpec(self.name, content.doc, content.media_type, content.schema, required, self.many)

    def read(self, given: InputValue | None, op: str, host: Host) -> Any:
        what = f"input `{self.name}` of op `{op}`"
        if given is None:
            if self.default is ABSENT:
                raise InvalidValue(f"{what} has no value; connect it, or give the parameter a default")
            return self.default
        if not self.many:
            if isinstance(given, list):
                raise InvalidValue(
                    f"{what} takes one value, {len(given)} were given; declare it as `Many[..]` to take a list"
                )
            return self.content.read(given, host, what)
        elements = given if isinstance(given, list) else [(None, given)]
        items = []
        for at, (key, value) in enumerate(elements):
            which = f"element {at}" if key is None else f"element `{key}`"
            items.append((key, self.content.read(value, host, f"{what}, {which},")))
        return Many._keyed(items)


@dataclass
class OutputPort:
    """A returned value, or one of several."""

    name: str
    content: Content
    dynamic: bool
    required: bool

    @staticmethod
    def of(name: str, hint: Any, *, required: bool) -> OutputPort:
        element, dynamic = _wrapped(hint, Dynamic)
        element, _ = _wrapped(element, WithMetadata)
        return OutputPort(name, Content(element, reading=False), dynamic, required)

    def spec(self) -> OutputSpec:
        content = self.content
        return OutputSpec(self.name, content.doc, content.media_type, content.schema, self.required, self.dynamic)

    def emit(self, value: Any, op: str, ctx: Context) -> list[Output]:
        what = f"output `{self.name}` of op `{op}`"
        if value is None and not self.required:
            return []
        if not self.dynamic:
            return [self._one(None, value, what, ctx)]
        if not isinstance(value, Dynamic):
            raise InvalidValue(f"{what} cannot be written: expected a `Dynamic`, found a `{type(value).__name__}`")
        return [self._one(key, element, f"{what}, key `{key}`,", ctx) for key, element in value.items()]

    def _one(self, key: str | None, value: Any, what: str, ctx: Context) -> Output:
        metadata = {}
        if isinstance(value, WithMetadata):
            value, metadata = value.value, value.metadata
        return Output(self.name, key, self.content.write(value, ctx, what), to_entries(metadata))
