"""Takes `wasi:sockets` out of a component of componentize-py.

The C library in such a component refers to sockets whether an op uses them or not, and the host refuses what refers to
them: there is no network to be had. So each function of sockets is replaced by one that traps. (Python's `socket` says so
in words before it comes to that, see `cofferdam_op._guest`.)

The component is read and written section by section. Every definition keeps its number: an import becomes an instance
without exports, an alias of a type becomes a type that nobody uses, a function of sockets becomes an alias of another
one, and what was lowered from it becomes an export of the module with the traps. Only the numbers of core modules and
core instances move, by that module and its instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cofferdam_build.wasm import Reader, item, leb, name, section, sections_of, vector

SOCKETS = "wasi:sockets/"

CORE_MODULE, CORE_INSTANCE, INSTANCE, ALIAS, TYPE, CANON, IMPORT = 1, 2, 5, 6, 7, 8, 10
SORT_CORE, SORT_FUNCTION, SORT_TYPE, SORT_INSTANCE = 0x00, 0x01, 0x03, 0x05
SORT_CORE_FUNCTION, SORT_CORE_MODULE, SORT_CORE_INSTANCE = 0x00, 0x11, 0x12
ALIAS_EXPORT, ALIAS_CORE_EXPORT = 0x00, 0x01

PLACEHOLDER_TYPE = b"\x7d"
"""`u8`: a type that can stand where nobody looks."""

DEBUG_NAMES = "component-name"
"""A custom section that names definitions by their numbers, which move."""


class Unknown(Exception):
    """The component is not as componentize-py makes it."""


@dataclass
class _State:
    """What has been seen of the component so far."""

    signatures: dict[tuple[str, str], bytes]
    """Core types of the functions of sockets, by interface without its version and name."""
    n_modules: int = 0
    n_core_instances: int = 0
    instances: dict[int, str] = field(default_factory=dict)
    """Instances of sockets, by number."""
    n_instances: int = 0
    types: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Types of sockets: interface and name."""
    functions: dict[int, tuple[str, str]] = field(default_factory=dict)
    n_types: int = 0
    n_functions: int = 0
    another: bytes | None = None
    """An alias of a function that has nothing to do with sockets."""
    traps: list[tuple[str, str]] = field(default_factory=list)
    stub_module: int | None = None


def without_sockets(component: bytes) -> bytes:
    """The same component without imports of sockets."""
    sections = list(sections_of(component))
    state = _State({})
    wanted: set[int] = set()
    for kind, body in sections:
        if kind == CORE_MODULE:
            state.signatures.update(_signatures(body))
        elif kind == IMPORT:
            wanted |= {index for imported, index in _imports(body) if imported.startswith(SOCKETS)}
        elif kind == ALIAS and state.another is None:
            state.another = _any_function(body, sections)
    if not wanted:
        return component
    out = bytearray(component[:8])
    first_instances = next(at for at, (kind, _) in enumerate(sections) if kind == CORE_INSTANCE)
    stub = _stub(state.signatures)
    for at, (kind, body) in enumerate(sections):
        if at == first_instances:
            # The module with the traps, and the only instance of it: from here on others move by one.
            state.stub_module = state.n_modules
            out += section(CORE_MODULE, stub) + section(CORE_INSTANCE, vector([b"\x00" + leb(state.n_modules) + leb(0)]))
        out += _rewritten(kind, body, state, wanted)
    return bytes(out)


def _rewritten(kind: int, body: bytes, state: _State, wanted: set[int]) -> bytes:
    if kind == CORE_MODULE:
        state.n_modules += 1
        return section(kind, body)
    rewrite: dict[int, Callable[[Reader, _State], tuple[int, bytes]]] = {
        CORE_INSTANCE: _core_instance,
        ALIAS: _alias,
        CANON: _canon,
        IMPORT: _import,
    }
    if kind == TYPE:
        return _types(body, state, wanted)
    if kind == INSTANCE:
        state.n_instances += Reader(body).leb()
        return section(kind, body)
    if kind == 0 and Reader(body).name() == DEBUG_NAMES:
        return b""
    if kind not in rewrite:
        return section(kind, body)
    reader = Reader(body)
    items = [rewrite[kind](reader, state) for _ in range(reader.leb())]
    # Items that stay of one kind stay in one section.
    out, run = b"", list[bytes]()
    for at, (made, encoded) in enumerate(items):
        run.append(encoded)
        if at + 1 == len(items) or items[at + 1][0] != made:
            out += section(made, vector(run))
            run = []
    return out


def _types(body: bytes, state: _State, wanted: set[int]) -> bytes:
    count = Reader(body).leb()
    here = range(state.n_types, state.n_types + count)
    state.n_types += count
    if not wanted.intersection(here):
        return section(TYPE, body)
    if count != 1:
        raise Unknown("a section of types holds one of sockets beside others")
    return section(TYPE, vector([PLACEHOLDER_TYPE]))


def _imports(body: bytes) -> Iterator[tuple[str, int]]:
    """Names and numbers of the types of imported instances."""
    reader = Reader(body)
    for _ in range(reader.leb()):
        imported, sort, index = _import_parts(reader)
        if sort == SORT_INSTANCE:
            yield imported, index


def _import_parts(reader: Reader) -> tuple[str, int, int]:
    if reader.byte() != 0:
        raise Unknown("the name of an import has a form that is not known")
    imported, sort = reader.name(), reader.byte()
    if sort != SORT_INSTANCE:
        raise Unknown(f"`{imported}` is imported, which is no instance")
    return imported, sort, reader.leb()


def _import(reader: Reader, state: _State) -> tuple[int, bytes]:
    start = reader.at
    imported, _, _ = _import_parts(reader)
    number = state.n_instances
    state.n_instances += 1
    if not imported.startswith(SOCKETS):
        return IMPORT, reader.data[start : reader.at]
    state.instances[number] = imported.partition("@")[0]
    # An instance made of no exports.
    return INSTANCE, b"\x01" + leb(0)


def _alias(reader: Reader, state: _State) -> tuple[int, bytes]:
    start = reader.at
    sort = reader.byte()
    core = reader.byte() if sort == SORT_CORE else None
    target = reader.byte()
    if target == ALIAS_CORE_EXPORT:
        instance, export = reader.leb(), reader.name()
        return ALIAS, bytes([SORT_CORE, core or 0, target]) + leb(instance + 1) + name(export)
    if target != ALIAS_EXPORT:
        raise Unknown("an alias of an outer definition")
    instance, export = reader.leb(), reader.name()
    socket = state.instances.get(instance)
    encoded = reader.data[start : reader.at]
    if sort == SORT_TYPE:
        number = state.n_types
        state.n_types += 1
        if socket is not None:
            state.types[number] = (socket, export)
            return TYPE, PLACEHOLDER_TYPE
    elif sort == SORT_FUNCTION:
        number = state.n_functions
        state.n_functions += 1
        if socket is not None:
            state.functions[number] = (socket, export)
            if state.another is None:
                raise Unknown("there is no function but those of sockets")
            return ALIAS, state.another
    elif sort == SORT_INSTANCE:
        state.n_instances += 1
    return ALIAS, encoded


def _canon(reader: Reader, state: _State) -> tuple[int, bytes]:
    start = reader.at
    kind = reader.byte()
    if kind == 0x00:  # lift
        reader.byte(), reader.leb()
        _options(reader)
        reader.leb()
        state.n_functions += 1
    elif kind == 0x01:  # lower
        reader.byte()
        function = reader.leb()
        _options(reader)
        if function in state.functions:
            return ALIAS, _trap(state.functions[function], state)
    elif kind in (0x02, 0x03, 0x04):  # resource.new, .drop, .rep
        of = reader.leb()
        if of in state.types:
            interface, resource = state.types[of]
            return ALIAS, _trap((interface, f"[resource-drop]{resource}"), state)
    else:
        raise Unknown(f"a canonical definition of kind {kind}")
    return CANON, reader.data[start : reader.at]


def _options(reader: Reader) -> None:
    for _ in range(reader.leb()):
        option = reader.byte()
        if option in (0x03, 0x04, 0x05):
            reader.leb()
        elif option > 0x05:
            raise Unknown(f"an option of kind {option}")


def _trap(function: tuple[str, str], state: _State) -> bytes:
    if function not in state.signatures:
        raise Unknown(f"no module imports `{function[1]}` of `{function[0]}`")
    return bytes([SORT_CORE, SORT_CORE_FUNCTION, ALIAS_CORE_EXPORT]) + leb(0) + name(" ".join(function))


def _core_instance(reader: Reader, state: _State) -> tuple[int, bytes]:
    kind = reader.byte()
    if kind == 0x00:  # an instance of a module
        module, out = reader.leb(), b""
        arguments = []
        for _ in range(reader.leb()):
            argument = name(reader.name()) + bytes([reader.byte()])
            arguments.append(argument + leb(reader.leb() + 1))
        moved = module + 1 if state.stub_module is not None and module >= state.stub_module else module
        return CORE_INSTANCE, out + b"\x00" + leb(moved) + vector(arguments)
    start = reader.at
    for _ in range(reader.leb()):
        reader.name(), reader.byte(), reader.leb()
    return CORE_INSTANCE, bytes([kind]) + reader.data[start : reader.at]


def _any_function(body: bytes, sections: list[tuple[int, bytes]]) -> bytes | None:
    """The first alias of a function of an import that is none of sockets."""
    names = [imported for kind, other in sections if kind == IMPORT for imported, _ in _imports(other)]
    reader = Reader(body)
    for _ in range(reader.leb()):
        start = reader.at
        sort = reader.byte()
        if sort == SORT_CORE:
            reader.byte()
        target, instance, _export = reader.byte(), reader.leb(), reader.name()
        usable = instance < len(names) and not names[instance].startswith(SOCKETS)
        if sort == SORT_FUNCTION and target == ALIAS_EXPORT and usable:
            return reader.data[start : reader.at]
    return None


def _signatures(module: bytes) -> dict[tuple[str, str], bytes]:
    """The types of the functions of sockets that a core module imports."""
    types: list[bytes] = []
    for kind, body in sections_of(module):
        reader = Reader(body)
        if kind == 1:
            try:
                types = [_function_type(reader) for _ in range(reader.leb())]
            except Unknown:
                # A module with other types than functions imports no sockets.
                return {}
        elif kind == 2:
            return _imported(reader, types)
    return {}


def _function_type(reader: Reader) -> bytes:
    start = reader.at
    if reader.byte() != 0x60:
        raise Unknown("a type that is no function")
    for _ in range(2):
        reader.take(reader.leb())
    return reader.data[start : reader.at]


def _imported(reader: Reader, types: list[bytes]) -> dict[tuple[str, str], bytes]:
    found = {}
    for _ in range(reader.leb()):
        module, imported, kind = reader.name(), reader.name(), reader.byte()
        if kind == 0x00:
            signature = types[reader.leb()]
            if module.startswith(SOCKETS):
                found[module.partition("@")[0], imported] = signature
        elif kind == 0x01:  # table
            reader.byte()
            _limits(reader)
        elif kind == 0x02:  # memory
            _limits(reader)
        elif kind == 0x03:  # global
            reader.take(2)
        else:
            reader.byte(), reader.leb()
    return found


def _limits(reader: Reader) -> None:
    flags = reader.byte()
    reader.leb()
    if flags & 1:
        reader.leb()


def _stub(signatures: dict[tuple[str, str], bytes]) -> bytes:
    """A core module that exports a function for each, which traps."""
    functions = sorted(signatures.items())
    exports = [name(" ".join(function)) + b"\x00" + leb(at) for at, (function, _) in enumerate(functions)]
    body = item(b"\x00\x00\x0b")  # no locals; unreachable; end
    return (
        b"\0asm\x01\0\0\0"
        + section(1, vector([signature for _, signature in functions]))
        + section(3, vector([leb(at) for at in range(len(functions))]))
        + section(7, vector(exports))
        + section(10, vector([body for _ in functions]))
    )
