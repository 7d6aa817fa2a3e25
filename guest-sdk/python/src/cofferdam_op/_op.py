"""`@op`: a plain function becomes an op, and stays a plain function."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, overload

from cofferdam_op import _cbor
from cofferdam_op._context import Context
from cofferdam_op._contract import RESULT, InputValue, OpSpec, Output, ResourceNeed
from cofferdam_op._failure import short
from cofferdam_op._hints import (
    Unsupported,
    description,
    name_of,
    record_of,
    resolved,
    schema_text,
    shape_of,
    specified,
    unannotated,
    without_none,
)
from cofferdam_op._host import Host
from cofferdam_op._model import Config, Outputs
from cofferdam_op._ports import ABSENT, InputPort, InvalidValue, OutputPort
from cofferdam_op._resources import Resource
from cofferdam_op._shape import Mismatch, Shape

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

Function = TypeVar("Function", bound=Callable[..., Any])


class DefinitionError(TypeError):
    """An op that cannot be: where it stands, what is wrong, and what was expected."""


OPS: dict[str, Op] = {}
"""All ops that have been defined, in the order of their definition."""


@overload
def op(function: Function, /) -> Function: ...
@overload
def op(*, name: str | None = None, pure: bool = False) -> Callable[[Function], Function]: ...
def op(function: Any = None, /, *, name: str | None = None, pure: bool = False) -> Any:
    """Makes an op of a function: its parameters are the inputs, what it returns are the outputs.

    `pure=True` promises that equal inputs and config give equal outputs and that nothing else is touched, so that an
    earlier result may be taken instead of running the op.
    """

    def define(function: Function) -> Function:
        made = Op(function, name or function.__name__, pure)
        known = OPS.get(made.name)
        # A module that is loaded once more, as test runners do, defines its ops anew.
        if known is not None and known.at != made.at:
            raise DefinitionError(f"{made.at}: there is an op `{made.name}` already, at {known.at}")
        OPS[made.name] = made
        return function

    return define if function is None else define(function)


class Op:
    """A function, read once: its ports, config and resources."""

    def __init__(self, function: Callable[..., Any], name: str, pure: bool) -> None:
        self.function, self.name, self.pure = function, name, pure
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            raise DefinitionError(f"`{function!r}` is not a function; put `@op` on one")
        self.at = f"{short(code.co_filename)}:{code.co_firstlineno}"
        self.doc = inspect.cleandoc(function.__doc__ or "")
        self.inputs: list[InputPort] = []
        self.outputs: list[OutputPort] = []
        self.resources: dict[str, tuple[type[Resource], str]] = {}
        self.contexts: list[str] = []
        self.config: Shape | None = None
        self.result: type[Outputs] | None = None
        self._check_name(name, "an op")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            self.fail("an op is no `async` function: write it without")
        if inspect.isgeneratorfunction(function):
            self.fail("an op does not yield: it returns a value, `Outputs` or a `Dynamic`")
        try:
            self._read()
        except Unsupported as error:
            self.fail(str(error))

    def fail(self, message: str) -> NoReturn:
        raise DefinitionError(f"{self.at}: op `{self.name}`: {message}") from None

    def _check_name(self, name: str, what: str) -> None:
        if not NAME.fullmatch(name):
            self.fail(f"`{name}` cannot be the name of {what}: use letters of ASCII, digits and `_`, at most 128")

    def _read(self) -> None:
        hints = resolved(self.function)
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                self.fail(f"parameter `{parameter.name}`: inputs have names: no `*args`, `**kwargs` and `/`")
            if parameter.name not in hints:
                self.fail(f"parameter `{parameter.name}` has no type; write `{parameter.name}: str` or the like")
            try:
                self._read_parameter(parameter.name, hints[parameter.name], parameter.default)
            except Unsupported as error:
                self.fail(f"parameter `{parameter.name}`: {error}")
        if "return" not in hints:
            self.fail("it does not say what it returns; write `-> str` or the like, or `-> None`")
        try:
            self._read_result(hints["return"])
        except Unsupported as error:
            self.fail(f"what it returns: {error}")

    def _read_parameter(self, name: str, hint: Any, default: Any) -> None:
        kind, extras = unannotated(hint)
        inner, nullable = without_none(hint)
        bare = unannotated(inner)[0]
        if isinstance(bare, type) and issubclass(bare, Resource):
            if nullable or default is not inspect.Parameter.empty:
                raise Unsupported("a resource is always there: take it without `None` and default")
            self._check_name(name, "a resource")
            self.resources[name] = (bare, description(extras))
        elif kind is Context:
            self.contexts.append(name)
        elif name == "config":
            if default is not inspect.Parameter.empty:
                raise Unsupported("the config has no default; give its fields one each")
            self.config = _config_shape(kind)
        elif isinstance(kind, type) and issubclass(kind, Config):
            raise Unsupported(f"the parameter with the config is called `config`: `config: {kind.__name__}`")
        else:
            self._check_name(name, "an input")
            if default is inspect.Parameter.empty:
                default = ABSENT
            elif default is None and nullable:
                hint = inner
            self.inputs.append(InputPort.of(name, hint, default))

    def _read_result(self, hint: Any) -> None:
        kind, _ = unannotated(hint)
        if kind is type(None):
            return
        if kind is typing.NoReturn or kind is typing.Never if hasattr(typing, "Never") else kind is typing.NoReturn:
            return
        if not (isinstance(kind, type) and issubclass(kind, Outputs)):
            self.outputs.append(OutputPort.of(RESULT, hint, required=True))
            return
        self.result = kind
        hints = resolved(kind)
        for field in dataclasses.fields(kind):  # type: ignore[arg-type]
            self._check_name(field.name, "an output")
            optional = field.default is None
            of = specified(kind, field.name, hints[field.name])
            of = without_none(of)[0] if optional else of
            try:
                self.outputs.append(OutputPort.of(field.name, of, required=not optional))
            except Unsupported as error:
                raise Unsupported(f"output `{field.name}` of `{kind.__name__}`: {error}") from None

    def spec(self) -> OpSpec:
        """How the op is described to the host."""
        closed = None if self.config is None else schema_text(self.config, reading=True, closed=True)
        needs = [ResourceNeed(name, kind.kind, doc) for name, (kind, doc) in self.resources.items()]
        inputs, outputs = [port.spec() for port in self.inputs], [port.spec() for port in self.outputs]
        return OpSpec(self.name, self.doc, inputs, outputs, closed, needs, self.pure)

    def run(self, config: bytes, inputs: Mapping[str, InputValue], host: Host) -> list[Output]:
        """Runs one attempt. Whatever the function raises goes through."""
        ctx = Context(host)
        arguments: dict[str, Any] = dict.fromkeys(self.contexts, ctx)
        if self.config is not None:
            try:
                arguments["config"] = self.config.load(_cbor.decode(config) if config else None, "")
            except ValueError as error:
                raise InvalidValue(f"the config of op `{self.name}` cannot be read: {error}") from None
        for name, (kind, _) in self.resources.items():
            arguments[name] = kind(host.lend(kind.kind, name))
        for port in self.inputs:
            arguments[port.name] = port.read(inputs.get(port.name), self.name, host)
        returned = self.function(**arguments)
        return self._emit(returned, ctx)

    def _emit(self, returned: Any, ctx: Context) -> list[Output]:
        if self.result is None:
            if self.outputs:
                return self.outputs[0].emit(returned, self.name, ctx)
            if returned is not None:
                raise InvalidValue(f"op `{self.name}` returned a `{type(returned).__name__}`, but says `-> None`")
            return []
        if not isinstance(returned, self.result):
            found, wanted = type(returned).__name__, self.result.__name__
            raise InvalidValue(f"op `{self.name}` returned a `{found}`, but says `-> {wanted}`")
        emitted = []
        for port in self.outputs:
            emitted += port.emit(getattr(returned, port.name), self.name, ctx)
        return emitted


def _config_shape(kind: Any) -> Shape:
    if isinstance(kind, type) and issubclass(kind, Config):
        shape = record_of(kind)
        shape.closed = True
        return shape
    try:
        return shape_of(kind)
    except Unsupported as error:
        raise Unsupported(f"{error}; a config is a class that derives from `Config`: found `{name_of(kind)}`") from None


__all__ = ["OPS", "DefinitionError", "Mismatch", "Op", "op"]
