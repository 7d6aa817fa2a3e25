"""The builder: what it takes along, what it says; components themselves are made and run by the conformance tests."""

import pytest

from cofferdam_build import alike, library, requirements
from cofferdam_build.error import BuildError
from cofferdam_build.sockets import without_sockets
from cofferdam_build.wasm import Reader, item, leb, name, section, signed_leb, vector


def test_a_library_takes_modules_and_data_but_no_tests_and_no_environments(tmp_path):
    for path in (
        "ops.py",
        "test_ops.py",
        "conftest.py",
        "data/rows.csv",
        "tests/test_more.py",
        ".venv/x.py",
        "env/pyvenv.cfg",
        "env/lib.py",
        "__pycache__/ops.pyc",
        "parts/clean.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    found = [str(file.relative_to(tmp_path)) for file in library.sources(tmp_path)]
    assert found == ["ops.py", "data/rows.csv", "parts/clean.py"]


def test_a_folder_without_ops_says_what_is_expected(tmp_path):
    with pytest.raises(BuildError, match="has no `ops.py`") as raised:
        places = dict.fromkeys(("sdk", "wit", "cache", "empty", "out"), tmp_path)
        library.build(tmp_path, **places)
    assert raised.value.hint == "`cofferdam new --lang python` writes one"


SAID = """\
Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError: Traceback (most recent call last):
  File "/0/cofferdam_entry.py", line 12, in <module>
    import cofferdam_library
  File "/0/source/cofferdam_library.py", line 3, in <module>
    import ops
  File "/0/source/ops.py", line 1, in <module>
    {line}
{error}


Caused by:
    something inside
"""


def test_what_python_says_is_shown_with_the_authors_paths():
    said = SAID.format(line="import numpy as np", error="ModuleNotFoundError: No module named 'numpy'")
    error = library._explained(said, {"/0/source/": "/home/ada/ops/"})
    assert str(error) == (
        "the ops cannot be loaded\n"
        "Traceback (most recent call last):\n"
        '  File "/home/ada/ops/ops.py", line 1, in <module>\n'
        "    import numpy as np\n"
        "ModuleNotFoundError: No module named 'numpy'"
    )
    assert error.hint.startswith("compute in a Rust op")


def test_an_error_of_a_definition_is_shown_alone():
    said = SAID.format(line="@op", error="cofferdam_op._op.DefinitionError: ops.py:3: op `f`: parameter `x` has no type")
    assert str(library._explained(said, {})) == "ops.py:3: op `f`: parameter `x` has no type"


def test_a_package_with_native_code_is_named_with_what_to_do(tmp_path):
    said = "ERROR: Could not find a version\nERROR: No matching distribution found for numpy>=2\n"
    error = requirements._explained(said, tmp_path / "requirements.txt")
    assert "`numpy` cannot be carried in a component" in str(error)
    assert "Rust op" in error.hint


def test_a_component_without_sockets_stays_as_it_is():
    component = b"\0asm\x0d\0\x01\0" + section(10, vector([b"\0" + name("wasi:cli/stdout@0.2.9") + b"\x05" + leb(0)]))
    assert without_sockets(component) == component


def test_numbers_and_names_are_read_as_they_are_written():
    reader = Reader(leb(0) + leb(127) + leb(128) + leb(2**31) + name("ü") + item(b"abc"))
    assert [reader.leb() for _ in range(4)] == [0, 127, 128, 2**31]
    assert (reader.name(), reader.take(reader.leb()), reader.at_end()) == ("ü", b"abc", True)


def test_signed_numbers_are_read_as_they_are_written():
    for value in (0, 1, 63, 64, -1, -64, -65, 984936, 2**31 - 1, -(2**31)):
        assert Reader(signed_leb(value)).signed_leb() == value
    assert signed_leb(64) == b"\xc0\x00"


def component(segments):
    """A module with these segments within a component."""
    data = vector([alike._segment(at, content) for at, content in segments])
    module = b"\0asm\x01\0\0\0" + section(5, b"\x01\x00\x02") + section(11, data)
    return b"\0asm\x0d\0\x01\0" + section(0, name("before")) + section(1, module) + section(0, name("after"))


def test_what_two_components_have_in_common_comes_first_and_what_differs_is_written_over_it():
    page = bytes(range(1, 251)) * 300
    empty = component([(1024, page), (90_000, b"b" * 500)])
    # A word in the middle differs, something is gone, and there is more at the end.
    changed = page[:40_000] + b"!!" + page[40_002:]
    library = component([(1024, changed), (90_100, b"b" * 300), (95_000, b"the author's part")])
    made = alike.alike(library, empty)
    assert alike._data(made).memory() == alike._data(library).memory()
    first, second, *patches = alike._data(made).segments
    assert [first, second] == alike._data(empty).segments
    assert sum(len(content) for _, content in patches) < 500
    assert made.index(name("before")) < made.index(name("after"))


def test_memories_that_differ_all_over_are_written_in_few_pieces():
    empty = component([(0, bytes([1]) * 640_000)])
    library = component([(0, (bytes(40) + b"x" + bytes(39)) * 8000)])
    made = alike._data(alike.alike(library, empty))
    assert made.memory() == alike._data(library).memory()
    assert len(made.segments) <= alike.PATCHES_MAX + 1


def test_a_component_that_is_laid_out_in_another_way_stays_as_it_is():
    small, large = component([(0, b"x")]), component([(0, bytes(100))])
    assert alike.alike(small, large) == small
    none = b"\0asm\x0d\0\x01\0" + section(0, name("nothing"))
    assert alike.alike(none, large) == none
    assert alike.alike(large, none) == large
