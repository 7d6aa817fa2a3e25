"""The component's side: the bindings to `wit/`, and the way between them and the plain classes. The only file that knows
WebAssembly; it is loaded in components only, where the build makes `wit_world`."""

from __future__ import annotations

import linecache
import logging
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from componentize_py_types import Err
from wit_world.imports import blob, command, context, http, keyvalue, settings, sql, types, values

from cofferdam_op import _contract as plain
from cofferdam_op import _library, _logs
from cofferdam_op._failure import Failure, Fault, FaultKind, ValueUnavailable, record, report
from cofferdam_op._host import AttemptInfo
from cofferdam_op._metadata import MetadataValue
from cofferdam_op._resources import Outcome, Request, Response, Rows, SqlValue

_METADATA: dict[str, Callable[[Any], Any]] = {
    "text": types.MetadataValue_Text,
    "integer": types.MetadataValue_Integer,
    "number": types.MetadataValue_Number,
    "truth": types.MetadataValue_Truth,
    "url": types.MetadataValue_Url,
    "path": types.MetadataValue_Path,
    "json": types.MetadataValue_Json,
    "markdown": types.MetadataValue_Markdown,
    "table": types.MetadataValue_Table,
    "timestamp": types.MetadataValue_Timestamp,
}
_LEVELS = {level.name.lower(): level for level in context.Level}
_SQL: dict[type, Callable[..., Any]] = {
    bool: sql.SqlValue_Truth,
    int: sql.SqlValue_Integer,
    float: sql.SqlValue_Number,
    str: sql.SqlValue_Text,
    bytes: sql.SqlValue_Bytes,
}
_UNSERVED = {
    values.ValueError.UNKNOWN: "the host knows no input of that number",
    values.ValueError.UNAVAILABLE: "the value store is not available now",
    values.ValueError.LIMIT: "the limit on output bytes or open handles is reached",
    values.ValueError.FINISHED: "the writer is finished already",
}


def _unserved(error: Err[Any]) -> NoReturn:
    permanent = error.value is not values.ValueError.UNAVAILABLE
    raise ValueUnavailable(_UNSERVED[error.value], permanent=permanent) from None


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """A call on a resource."""
    try:
        return function(*arguments)
    except Err as error:
        kind = FaultKind(error.value.kind.name.lower().replace("_", "-"))
        raise Fault(kind, error.value.message) from None


def _metadata(entries: list[tuple[str, MetadataValue]]) -> list[Any]:
    return [types.MetadataEntry(name, _METADATA[fact.kind](fact.value)) for name, fact in entries]


class _Bytes:
    def __init__(self, number: int) -> None:
        try:
            self.reader = values.open(number)
        except Err as error:
            _unserved(error)

    def size(self) -> int:
        return int(self.reader.size())

    def read(self, offset: int, length: int) -> bytes:
        try:
            return bytes(self.reader.read(offset, length))
        except Err as error:
            _unserved(error)


class _Writer:
    def __init__(self) -> None:
        try:
            self.writer = values.create()
        except Err as error:
            _unserved(error)

    def write(self, data: bytes) -> None:
        try:
            self.writer.write(data)
        except Err as error:
            _unserved(error)

    def finish(self) -> int:
        try:
            return int(self.writer.finish())
        except Err as error:
            _unserved(error)


class Imports:
    """The host."""

    def attempt(self) -> AttemptInfo:
        info = context.attempt()
        tags = dict(info.tags)
        return AttemptInfo(info.run_id, info.step_key, info.attempt, info.idempotency_key, info.partition, tags)

    def remaining_ms(self) -> int | None:
        remaining: int | None = context.remaining_ms()
        return remaining

    def log(self, level: str, message: str, fields: list[tuple[str, str]]) -> None:
        context.log(_LEVELS[level], message, fields)

    def progress(self, done: int, total: int | None, message: str) -> None:
        context.progress(done, total, message)

    def add_metadata(self, entries: list[tuple[str, MetadataValue]]) -> None:
        context.add_metadata(_metadata(entries))

    def open(self, number: int) -> _Bytes:
        return _Bytes(number)

    def create(self) -> _Writer:
        return _Writer()

    def lend(self, kind: plain.Kind, name: str) -> Any:
        return _LENT[kind](name)


class _Lent:
    """Calls on the resource of that name that need no other shapes."""

    module: Any

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *arguments: _call(getattr(self.module, method), self.name, *arguments)


class _Keyvalue(_Lent):
    module = keyvalue

    def keys(self, prefix: str, after: str | None) -> tuple[list[str], bool]:
        page = _call(keyvalue.keys, self.name, prefix, after)
        return page.keys, page.more


class _Blob(_Lent):
    module = blob

    def paths(self, prefix: str, after: str | None) -> tuple[list[str], bool]:
        page = _call(blob.paths, self.name, prefix, after)
        return page.paths, page.more


class _Settings(_Lent):
    module = settings


class _Http(_Lent):
    def send(self, request: Request) -> Response:
        sent = http.Request(request.method, request.path, request.headers, request.body)
        answer = _call(http.send, self.name, sent)
        return Response(answer.status, bytes(answer.body), answer.headers)


class _Command(_Lent):
    def run(self, arguments: list[str], stdin: bytes) -> Outcome:
        outcome = _call(command.run, self.name, arguments, stdin)
        return Outcome(outcome.exit_code, bytes(outcome.stdout), bytes(outcome.stderr))


class _Sql(_Lent):
    def statement(self, text: str, parameters: list[SqlValue]) -> Any:
        def parameter(value: SqlValue) -> Any:
            if value is None:
                return sql.SqlValue_Null()
            if type(value) not in _SQL:
                raise Fault(FaultKind.INVALID, f"a `{type(value).__name__}` cannot be the parameter of a statement")
            return _SQL[type(value)](value)

        return sql.Statement(text, [parameter(value) for value in parameters])

    def query(self, text: str, parameters: list[SqlValue]) -> Rows:
        rows = _call(sql.query, self.name, self.statement(text, parameters))
        return Rows(rows.columns, [[getattr(value, "value", None) for value in row] for row in rows.values])

    def execute(self, text: str, parameters: list[SqlValue]) -> int:
        return int(_call(sql.execute, self.name, self.statement(text, parameters)))

    def transact(self, statements: list[tuple[str, list[SqlValue]]]) -> int:
        made = [self.statement(text, parameters) for text, parameters in statements]
        return int(_call(sql.transact, self.name, made))


_LENT: dict[plain.Kind, Callable[[str], Any]] = {
    plain.Kind.HTTP: _Http,
    plain.Kind.KEYVALUE: _Keyvalue,
    plain.Kind.BLOB: _Blob,
    plain.Kind.SQL: _Sql,
    plain.Kind.CONFIG: _Settings,
    plain.Kind.COMMAND: _Command,
}


def _value(value: Any) -> plain.Value:
    content = value.content
    return plain.Value(value.media_type, bytes(content.value) if isinstance(content, types.Content_Bytes) else content.value)


def _given(value: Any) -> plain.InputValue:
    if isinstance(value, types.InputValue_One):
        return _value(value.value)
    return [(element.key, _value(element.value)) for element in value.value]


def _output(output: plain.Output) -> Any:
    content = output.value.content
    made = types.Content_Bytes(content) if isinstance(content, bytes) else types.Content_Stored(content)
    value = types.Value(output.value.media_type, made)
    return types.Output(output.name, output.key, value, _metadata(output.metadata))


def _failure(error: BaseException) -> Any:
    failure = record(error)
    retry: Any = types.RetryAdvice_Policy()
    if failure.permanent:
        retry = types.RetryAdvice_Never()
    elif failure.retry_after_ms is not None:
        retry = types.RetryAdvice_After(failure.retry_after_ms)
    return types.Failure(failure.message, failure.causes, retry, _metadata(failure.metadata))


def _op_spec(op: plain.OpSpec) -> Any:
    return types.OpSpec(
        op.name,
        op.doc,
        [types.InputSpec(i.name, i.doc, i.media_type, i.schema, i.required, i.many) for i in op.inputs],
        [types.OutputSpec(o.name, o.doc, o.media_type, o.schema, o.required, o.dynamic) for o in op.outputs],
        op.config_schema,
        [types.ResourceNeed(need.name, types.ResourceKind[need.kind.name], need.doc) for need in op.resources],
        op.pure,
    )


class Library:
    """What the component exports. It is made when the component is built, and every attempt begins with it as it was
    then."""

    def __init__(self, name: str, version: str) -> None:
        self._host = Imports()
        self._spec = types.LibrarySpec(name, version, [_op_spec(spec) for spec in _library.specs()])
        _logs.install(self._host)
        _refuse_sockets()
        # A line of output is a log line: so it is handed on whole.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]

    def describe(self) -> Any:
        return self._spec

    def run(self, op: str, invocation: Any) -> Any:
        inputs = {given.name: _given(given.value) for given in invocation.inputs}
        try:
            outputs = _library.run(op, bytes(invocation.config), inputs, self._host)
            return types.Completion([_output(output) for output in outputs])
        except MemoryError:
            # The host knows the limit that was reached, and says so when the component gives up.
            raise
        except BaseException as error:
            if not isinstance(error, Failure):
                logging.getLogger().error(report(error))
            raise Err(_failure(error)) from None
        finally:
            sys.stdout.flush()
            sys.stderr.flush()


def _refuse_sockets() -> None:
    """Says in words what a call on a socket would end in: there is no network, and such a call traps."""
    if (module := sys.modules.get("socket")) is None:
        return

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise OSError("an op reaches no network; declare a parameter of type `Http` or another resource")

    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        setattr(module, name, refused)
    module.socket.__init__ = refused


def keep_sources(folder: str) -> None:
    """Remembers the lines of the modules below a folder: there are no files where an attempt runs, and a traceback
    shows lines."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(folder) and (lines := linecache.getlines(file)):
            # Without a time the cache does not look for the file again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
