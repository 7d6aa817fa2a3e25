"""Ops as the host sees them, described and run through the same code as in a component; and as the functions that they are."""

import json
import logging
import re
from dataclasses import dataclass
from typing import Annotated

import pytest

from cofferdam_op import (
    _logs,
    Check,
    Config,
    Context,
    DefinitionError,
    Dynamic,
    Failure,
    Field,
    Keyvalue,
    Many,
    MediaType,
    MetadataValue,
    Outputs,
    Reader,
    Sql,
    Stored,
    WithMetadata,
    op,
)
from cofferdam_op._cbor import decode, encode
from cofferdam_op._context import Memory
from cofferdam_op._contract import CBOR, Kind, Value
from cofferdam_op._host import AttemptInfo
from cofferdam_op._library import run, specs
from cofferdam_op._op import OPS
from cofferdam_op._ports import InvalidValue


@op
def tokenize(text: Annotated[str, "What to split."]) -> list[str]:
    """Splits a text into words.

    Spaces only.
    """
    return text.split(" ")


class CleanConfig(Config):
    strict: bool = Field(False, description="Fail on bad rows.")


@dataclass
class Row:
    name: str


class Cleaned(Outputs):
    table: Annotated[list[Row], "Rows that could be read."]
    rejects: list[str] | None = None
    csv: Annotated[bytes, MediaType("text/csv")]
    log: Annotated[Stored, MediaType("text/plain")]
    parts: Dynamic[Row]


@op
def clean(
    ctx: Context,
    month: Reader,
    tables: Many[list[Row]],
    config: CleanConfig,
    names: list[str] | None = None,
) -> Cleaned:
    if config.strict:
        raise Failure("strict", permanent=True)
    log = ctx.create_writer()
    log.write(month.media_type.encode())
    parts = Dynamic[Row]()
    for key, table in tables.items():
        parts.add(key or "none", Row(str(len(table))))
    rows = [row for table in tables for row in table]
    return Cleaned(table=rows, rejects=names, csv=month.read(), log=log.finish(), parts=parts)


@op
def large(n: int) -> list[str]:
    return [f"row {number}" for number in range(n)]


@op
def nothing() -> None: ...


@op(pure=True)
def keep(db: Annotated[Sql, "Where to."], cache: Keyvalue, name: str) -> WithMetadata[int]:
    """Keeps a name."""
    cache.set("last", name)
    return WithMetadata(db.execute("insert into names values (?)", [name]), {"kept": True})


@op
def check(n: int) -> Check:
    return Check.passed() if n else Check.failed("nothing", severity="warn", n=n)


@op
def greet(name: str = "nobody") -> Annotated[str, MediaType("text/html")]:
    return f"<b>{name}</b>"


def spec(name):
    return next(spec for spec in specs() if spec.name == name)


def cbor(value):
    return Value(CBOR, encode(value))


def memory():
    return Memory(AttemptInfo())


def invoke(name, config=None, /, host=None, **inputs):
    return run(name, encode(config), inputs, host or memory())


def test_an_op_describes_its_ports_without_running():
    found = spec("tokenize")
    assert found.doc == "Splits a text into words.\n\nSpaces only."
    (text,) = found.inputs
    assert (text.name, text.doc, text.media_type, text.required, text.many) == ("text", "What to split.", CBOR, True, False)
    (result,) = found.outputs
    assert (result.name, json.loads(result.schema)) == ("result", {"type": "array", "items": {"type": "string"}})
    assert (found.config_schema, found.resources, found.pure) == (None, [], False)


def test_ports_of_all_kinds_are_described():
    found = spec("clean")
    inputs = [(port.name, port.media_type, port.required, port.many) for port in found.inputs]
    assert inputs == [("month", "*/*", True, False), ("tables", CBOR, True, True), ("names", CBOR, False, False)]
    outputs = [(port.name, port.media_type, port.required, port.dynamic) for port in found.outputs]
    assert outputs == [
        ("table", CBOR, True, False),
        ("rejects", CBOR, False, False),
        ("csv", "text/csv", True, False),
        ("log", "text/plain", True, False),
        ("parts", CBOR, True, True),
    ]
    assert found.outputs[0].doc == "Rows that could be read."
    strict = {"type": "boolean", "default": False, "description": "Fail on bad rows."}
    assert json.loads(found.config_schema)["properties"] == {"strict": strict}
    assert spec("nothing").outputs == []
    assert spec("greet").outputs[0].media_type == "text/html"


def test_resources_and_purity_are_described():
    found = spec("keep")
    needs = [(need.name, need.kind, need.doc) for need in found.resources]
    assert needs == [("db", Kind.SQL, "Where to."), ("cache", Kind.KEYVALUE, "")]
    assert found.pure


def test_an_op_stays_a_function():
    assert tokenize("a b") == ["a", "b"]
    cache, db = Keyvalue.test(), Sql.test(lambda text, parameters: len(parameters))
    assert keep(db, cache, "Ada").value == 1
    assert cache.get("last") == b"Ada"
    ctx = Context.test()
    made = clean(ctx, Reader.of("1,2", "text/csv"), Many({"jan": [Row("x")]}), CleanConfig())
    assert made.table == [Row("x")]
    assert ctx.stored_bytes(made.log) == b"text/csv"


def test_inputs_come_as_cbor_or_json():
    for given in (cbor("a b"), Value("application/json", b'"a b"')):
        (output,) = invoke("tokenize", text=given)
        assert (output.name, output.value) == ("result", cbor(["a", "b"]))


def test_optional_many_and_dynamic_ports_pass_through():
    tables = [("jan", cbor([{"name": "x"}])), ("feb", cbor([]))]
    outputs = invoke("clean", {"strict": False}, month=Value("text/csv", b"1,2"), tables=tables)
    shown = [(output.name, output.key, output.value) for output in outputs]
    assert shown == [
        ("table", None, cbor([{"name": "x"}])),
        ("csv", None, Value("text/csv", b"1,2")),
        ("log", None, Value("text/plain", b"text/csv")),
        ("parts", "jan", cbor({"name": "1"})),
        ("parts", "feb", cbor({"name": "0"})),
    ]
    (output,) = invoke("greet")
    assert output.value == Value("text/html", b"<b>nobody</b>")


def test_a_large_output_is_stored_and_read_again_and_a_small_one_is_not():
    host = memory()
    (small,) = invoke("large", host=host, n=cbor(10))
    (big,) = invoke("large", host=host, n=cbor(100_000))
    assert isinstance(small.value.content, bytes)
    assert isinstance(big.value.content, int)
    assert len(decode(host.values[big.value.content])) == 100_000
    (again,) = invoke("clean", {}, host=host, month=Value("text/csv", big.value.content), tables=[])[1:2]
    assert host.values[again.value.content] == host.values[big.value.content]


def test_facts_of_an_output_and_the_verdict_of_a_check_are_metadata():
    host = memory()
    host.lend = lambda kind, name: {"db": Sql.test(lambda *_: 1), "cache": Keyvalue.test()}[name]._calls
    (output,) = invoke("keep", host=host, name=cbor("Ada"))
    assert output.metadata == [("kept", MetadataValue("truth", True))]
    invoke("check", host=host, n=cbor(0))
    shown = {name: fact.value for name, fact in host.recorded.metadata.items()}
    assert shown == {"passed": False, "severity": "warn", "description": "nothing", "n": 0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: invoke("absent"), "this library has no op `absent`; it has `"),
        (lambda: invoke("tokenize"), "input `text` of op `tokenize` has no value; connect it, or give the parameter a default"),
        (lambda: invoke("tokenize", text=cbor(3)), "input `text` of op `tokenize` cannot be read: expected a text, found 3"),
        (lambda: invoke("tokenize", text=Value("text/csv", b"")), "it is `text/csv`, expected `application/cbor` or"),
        (lambda: invoke("tokenize", text=Value(CBOR, b"\x61")), "cannot be read: the value ends in the middle"),
        (lambda: invoke("tokenize", text=[(None, cbor("a"))]), "takes one value, 1 were given; declare it as `Many[..]`"),
        (
            lambda: invoke("clean", {}, month=cbor(1), tables=[("jan", cbor([{}]))]),
            "input `tables` of op `clean`, element `jan`, cannot be read: at `[0].name`: it is missing",
        ),
        (
            lambda: invoke("clean", {"strikt": True}, month=cbor(1), tables=[]),
            "the config of op `clean` cannot be read: there is no `strikt` in `CleanConfig`",
        ),
    ],
)
def test_a_value_that_does_not_fit_fails_for_good_and_says_where(call, message):
    with pytest.raises(InvalidValue, match=re.escape(message)) as raised:
        call()
    assert raised.value.permanent


def test_an_output_of_another_type_is_refused_with_its_place():
    @op
    def liar() -> dict[str, list[int]]:
        return {"a": [1, "2"]}

    @op
    def silent() -> None:
        return 3

    @op
    def wrong() -> Cleaned:
        return []

    del liar, silent, wrong
    with pytest.raises(InvalidValue, match=re.escape("output `result` of op `liar` cannot be written: at `.a[1]`: expected an")):
        invoke("liar")
    with pytest.raises(InvalidValue, match="op `silent` returned a `int`, but says `-> None`"):
        invoke("silent")
    with pytest.raises(InvalidValue, match="op `wrong` returned a `list`, but says `-> Cleaned`"):
        invoke("wrong")
    for name in ("liar", "silent", "wrong"):
        del OPS[name]


def definition(source):
    """What the definition of an op is refused with; the definition is `ops.py` from line 3 on."""
    text = "from cofferdam_op import *\nfrom typing import *\n" + source
    with pytest.raises(DefinitionError) as raised:
        exec(compile(text, "ops.py", "exec"), {"__name__": "ops"})
    return str(raised.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@op\ndef f(x) -> None: ...", "ops.py:3: op `f`: parameter `x` has no type; write `x: str` or the like"),
        ("@op\ndef f(x: str): ...", "ops.py:3: op `f`: it does not say what it returns; write `-> str` or the like, or `-> None`"),
        ("@op\ndef f(*x: str) -> None: ...", "ops.py:3: op `f`: parameter `x`: inputs have names: no `*args`"),
        ("@op\ndef f(x: list[bytes]) -> None: ...", "ops.py:3: op `f`: parameter `x`: `bytes` are a whole input or output"),
        ("@op\ndef f(x: 'Nope') -> None: ...", "ops.py:3: op `f`: the type `Nope` is not defined"),
        ("@op\ndef f(x: complex) -> None: ...", "parameter `x`: `complex` is no type that can be carried"),
        ("@op\ndef f() -> Reader: ...", "what it returns: `Reader` is for inputs; return `bytes`, or write through"),
        ("@op\ndef f(x: Dynamic[int]) -> None: ...", "parameter `x`: `Dynamic[int]`"),
        ("@op\ndef f(x: Many) -> None: ...", "parameter `x`: `Many` of what? Write `Many[T]`"),
        ("@op\ndef f(grüße: str) -> None: ...", "`grüße` cannot be the name of an input: use letters of ASCII"),
        ("@op\ndef f(db: Sql | None) -> None: ...", "parameter `db`: a resource is always there"),
        ("@op\nasync def f() -> None: ...", "an op is no `async` function"),
        ("@op\ndef f() -> int:\n    yield 1", "an op does not yield: it returns"),
        ("class C(Config):\n    x: int\n@op\ndef f(c: C) -> None: ...", "the parameter with the config is called `config`: `config: C`"),
        ("@op\ndef f(config: complex) -> None: ...", "a config is a class that derives from `Config`"),
        ("class O(Outputs):\n    x: complex\n@op\ndef f() -> O: ...", "what it returns: output `x` of `O`: `complex`"),
        ("@op(name='a-b')\ndef f() -> None: ...", "`a-b` cannot be the name of an op"),
        ("@op\ndef f() -> None: ...\n@op(name='f')\ndef g() -> None: ...", "ops.py:5: there is an op `f` already, at ops.py:3"),
    ],
)
def test_a_definition_that_cannot_be_says_where_and_what_was_expected(source, message):
    assert message in definition(source)
    OPS.pop("f", None)


def test_a_module_may_be_loaded_twice():
    source = compile("from cofferdam_op import op\n@op\ndef again() -> None: ...", "ops.py", "exec")
    for _ in range(2):
        exec(source, {"__name__": "ops"})
    del OPS["again"]


def test_what_every_record_has_is_no_field_of_a_line():
    assert _logs._STANDARD >= set(logging.makeLogRecord({}).__dict__)


def test_a_context_for_tests_records_what_is_said(caplog):
    ctx = Context.test(attempt=2, partition="jan", tags={"team": "data"}, remaining=1.5)
    ctx.progress(1, 2, "half")
    ctx.add_metadata({"rows": 3}, page=MetadataValue.url("https://example.org"))
    assert (ctx.attempt, ctx.partition, ctx.tags, ctx.remaining) == (2, "jan", {"team": "data"}, 1.5)
    assert ctx.recorded.progress == [(1, 2, "half")]
    assert ctx.recorded.metadata["rows"] == MetadataValue("integer", 3)
    with caplog.at_level(logging.INFO):
        ctx.log.info("hello")
    assert "hello" in caplog.text
