"""The builder: what it takes along, what it says; components themselves are made and run by the conformance tests."""

import pytest

from cofferdam_build import library, requirements
from cofferdam_build.error import BuildError
from cofferdam_build.sockets import without_sockets
from cofferdam_build.wasm import Reader, item, leb, name, section, vector


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
        library.build(tmp_path, sdk=tmp_path, wit=tmp_path, cache=tmp_path, out=tmp_path / "x.wasm")
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
