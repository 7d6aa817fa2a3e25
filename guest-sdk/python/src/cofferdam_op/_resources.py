"""Resources: services that a step lends to its op for as long as it runs. Each class is the type of a parameter; in a
component its calls go to the host, in native tests to a double that the test makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Union

from cofferdam_op._contract import CHUNK_BYTES, Kind
from cofferdam_op._failure import Failure

Fetch = Callable[[Union[str, None]], tuple[list[str], bool]]


class Resource:
    """A parameter of such a type is lent by the step."""

    kind: ClassVar[Kind]

    def __init__(self, calls: Any) -> None:
        self._calls = calls


def _all_pages(page: Fetch) -> list[str]:
    names: list[str] = []
    while True:
        found, more = page(names[-1] if names else None)
        names += found
        # A page without names cannot be followed by another one.
        if not (more and found):
            return names


class _MemoryMap:
    """The double of `Keyvalue` and `Blob`."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self.values = dict(values)

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def set(self, key: str, value: bytes) -> None:
        self.values[key] = value

    write = set

    def remove(self, key: str) -> None:
        self.values.pop(key, None)

    def keys(self, prefix: str, after: str | None) -> tuple[list[str], bool]:
        return [key for key in sorted(self.values) if key.startswith(prefix) and key > (after or "")], False

    paths = keys

    def read(self, path: str, offset: int, length: int) -> bytes | None:
        return None if path not in self.values else self.values[path][offset : offset + length]

    def size(self, path: str) -> int | None:
        return None if path not in self.values else len(self.values[path])


class Keyvalue(Resource):
    """Bytes by key."""

    kind = Kind.KEYVALUE

    @staticmethod
    def test(values: Mapping[str, bytes] | None = None) -> Keyvalue:
        """One in memory, for native tests."""
        return Keyvalue(_MemoryMap(values or {}))

    def get(self, key: str) -> bytes | None:
        """What is under the key, if anything."""
        found: bytes | None = self._calls.get(key)
        return found

    def set(self, key: str, value: bytes | str) -> None:
        """Puts bytes under the key, whatever was there."""
        self._calls.set(key, _bytes(value))

    def remove(self, key: str) -> None:
        """Removes what is under the key, if anything."""
        self._calls.remove(key)

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin so, sorted."""
        return _all_pages(lambda after: self._calls.keys(prefix, after))


class Blob(Resource):
    """Objects in a bucket or folder."""

    kind = Kind.BLOB

    @staticmethod
    def test(objects: Mapping[str, bytes] | None = None) -> Blob:
        """One in memory, for native tests."""
        return Blob(_MemoryMap(objects or {}))

    def read(self, path: str) -> bytes | None:
        """The whole object, if there is one. Read in chunks: an object that is replaced meanwhile may be mixed."""
        data = b""
        while (piece := self.read_at(path, len(data), CHUNK_BYTES)) is not None:
            if not piece:
                return data
            data += piece
        return None

    def read_at(self, path: str, offset: int, length: int) -> bytes | None:
        """At most `length` bytes from `offset`; fewer at the end or where the host prefers so, none past the end."""
        found: bytes | None = self._calls.read(path, offset, length)
        return found

    def size(self, path: str) -> int | None:
        """Bytes in all, if there is such an object."""
        found: int | None = self._calls.size(path)
        return found

    def write(self, path: str, data: bytes | str) -> None:
        """Replaces the whole object, at once."""
        self._calls.write(path, _bytes(data))

    def remove(self, path: str) -> None:
        """Removes the object, if there is one."""
        self._calls.remove(path)

    def list(self, prefix: str = "") -> list[str]:
        """All paths that begin so, sorted."""
        return _all_pages(lambda after: self._calls.paths(prefix, after))


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


class Settings(Resource):
    """Named texts, secrets among them. What is read here must not be logged."""

    kind = Kind.CONFIG

    @staticmethod
    def test(values: Mapping[str, str]) -> Settings:
        """These, for native tests."""
        return Settings(values)

    def get(self, key: str) -> str | None:
        """The setting, if there is one."""
        found: str | None = self._calls.get(key)
        return found

    def __getitem__(self, key: str) -> str:
        """The setting; fails for good if there is none."""
        if (found := self.get(key)) is None:
            raise Failure(f"there is no setting `{key}`", permanent=True)
        return found


SqlValue = Union[None, bool, int, float, str, bytes]
"""A value of a row, or a parameter."""


class Rows(list[dict[str, Any]]):
    """What a query gave: a dict by column for each row."""

    def __init__(self, columns: Sequence[str] = (), rows: Sequence[Sequence[SqlValue]] = ()) -> None:
        super().__init__(dict(zip(columns, row, strict=True)) for row in rows)
        self.columns = list(columns)
        """Names of the columns, also where there is no row."""


class _SqlDouble:
    def __init__(self, answer: Callable[[str, list[SqlValue]], Any]) -> None:
        self.answer = answer

    def query(self, text: str, parameters: list[SqlValue]) -> Any:
        return self.answer(text, parameters)

    execute = query

    def transact(self, statements: list[tuple[str, list[SqlValue]]]) -> int:
        return sum(self.answer(text, parameters) for text, parameters in statements)


class Sql(Resource):
    """A database. Parameters are written `?` in SQLite and `$1` in PostgreSQL."""

    kind = Kind.SQL

    @staticmethod
    def test(answer: Callable[[str, list[SqlValue]], Any]) -> Sql:
        """One that answers as told, for native tests: a statement and its parameters in, `Rows` or a number out."""
        return Sql(_SqlDouble(answer))

    def query(self, text: str, parameters: Sequence[SqlValue] = ()) -> Rows:
        """All rows of one statement."""
        rows: Rows = self._calls.query(text, list(parameters))
        return rows

    def execute(self, text: str, parameters: Sequence[SqlValue] = ()) -> int:
        """One statement without rows; gives the number of rows that it touched."""
        touched: int = self._calls.execute(text, list(parameters))
        return touched

    def transact(self, statements: Sequence[tuple[str, Sequence[SqlValue]]]) -> int:
        """Several statements in one transaction: all of them or none. Gives the number of rows that they touched."""
        touched: int = self._calls.transact([(text, list(parameters)) for text, parameters in statements])
        return touched


@dataclass
class Request:
    """A request to the base address of an `Http`."""

    method: str
    path: str
    """Path and query, relative to the base address."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


@dataclass
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def ok(self) -> Response:
        """Itself if its status is below 400; else a `Failure`. Those of the other side's trouble (408, 429, 500 and
        above) may be tried again, after the time that `retry-after` names; the others are permanent."""
        if self.status < 400:
            return self
        message = f"the answer has status {self.status}"
        if self.status not in (408, 429) and self.status < 500:
            raise Failure(message, permanent=True)
        wait = (self.header("retry-after") or "").strip()
        raise Failure(message, retry_after=int(wait) if wait.isdecimal() else None)

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def text(self) -> str:
        """The body as text."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise Failure("the answer is not UTF-8", permanent=True) from None

    def json(self) -> Any:
        """The body, read as JSON."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise Failure(f"the answer is not JSON: {error}", permanent=True) from None


class _HttpDouble:
    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.send = answer


class Http(Resource):
    """Requests to the base address that the step's resource names; what they need beyond it, such as credentials, the
    host adds."""

    kind = Kind.HTTP

    @staticmethod
    def test(answer: Callable[[Request], Response]) -> Http:
        """One that answers as told, for native tests."""
        return Http(_HttpDouble(answer))

    def send(self, request: Request) -> Response:
        """Sends a request and waits for the whole answer. A status of an error is an answer: `Response.ok` makes a
        failure of it."""
        response: Response = self._calls.send(request)
        return response

    def get(self, path: str) -> Response:
        """`GET`."""
        return self.send(Request("GET", path))

    def post_json(self, path: str, body: Any) -> Response:
        """`POST` with a JSON body."""
        headers = [("content-type", "application/json")]
        return self.send(Request("POST", path, headers, json.dumps(body, ensure_ascii=False).encode()))


LAST_WORDS_BYTES_MAX = 2 * 1024
"""Bytes from the end of standard error that a failure repeats: the last lines say why."""


@dataclass
class Outcome:
    """How a program ended."""

    exit_code: int | None
    """None if a signal ended it."""
    stdout: bytes = b""
    stderr: bytes = b""

    def ok(self) -> Outcome:
        """Itself if the program succeeded; else a `Failure` with the end of its standard error."""
        if self.exit_code == 0:
            return self
        how = "was ended by a signal" if self.exit_code is None else f"ended with code {self.exit_code}"
        words = self.stderr[-LAST_WORDS_BYTES_MAX:].decode(errors="replace").strip()
        raise Failure(f"the program {how}") from (Failure(words) if words else None)

    def text(self) -> str:
        """What it printed, as text."""
        return self.stdout.decode()


class _CommandDouble:
    def __init__(self, answer: Callable[[list[str], bytes], Outcome]) -> None:
        self.run = answer


class Command(Resource):
    """One program of the host, from its operator's list."""

    kind = Kind.COMMAND

    @staticmethod
    def test(answer: Callable[[list[str], bytes], Outcome]) -> Command:
        """One that answers as told, for native tests: arguments and input in, outcome out."""
        return Command(_CommandDouble(answer))

    def run(self, arguments: Sequence[str], stdin: bytes | str = b"") -> Outcome:
        """Runs the program to its end. A code of an error is an answer: `Outcome.ok` makes a failure of it."""
        outcome: Outcome = self._calls.run(list(arguments), _bytes(stdin))
        return outcome
