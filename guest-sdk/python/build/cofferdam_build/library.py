"""From a folder with ops to a component: what is taken along, how componentize-py is called, what its words mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cofferdam_build import deterministic, requirements
from cofferdam_build.alike import alike
from cofferdam_build.error import BuildError
from cofferdam_build.sockets import without_sockets

MODULE = "ops"
"""The module that holds the ops, or brings them."""

WORLD = "library"

LEFT_OUT = {"__pycache__", "tests", "node_modules", "target", "build", "dist"}
"""Folders that are no part of a library."""

MTIME = 946_684_800
"""What stands as the time of every file, so that the same source makes the same component: 2000-01-01."""

ENTRY = '''\
"""What the component exports. What every library needs is loaded first, before anything is looked for in the author's
folders, and this text is the same for all libraries: so most of what Python keeps lies at the same places in all of their
components, and is stored and sent once."""

import gc
import sys

gc.disable()

import cofferdam_op._guest
from cofferdam_op import _layout

_layout.settle()
sys.path[:0] = ["/0/source", "/0/packages"]

import cofferdam_library

_layout.clear()
gc.freeze()
gc.enable()

Ops = cofferdam_library.Ops
'''

LIBRARY = '''\
"""The author's library."""

import {module}
from cofferdam_op._guest import Library, keep_sources

keep_sources("/0/")


class Ops(Library):
    def __init__(self):
        super().__init__({name!r}, {version!r})
'''


def build(folder: Path, *, sdk: Path, wit: Path, cache: Path, empty: Path, out: Path) -> list[Path]:
    """Makes the component; gives the files and folders of which it would be another one if they changed. `empty` is the
    component that all are made alike, which is made where there is none."""
    folder = folder.resolve()
    files = sources(folder)
    if not any(file.relative_to(folder) in (Path("ops.py"), Path("ops/__init__.py")) for file in files):
        raise BuildError(
            f"{folder} has no `ops.py`: the module that holds the ops of a library, or imports them",
            hint="`cofferdam new --lang python` writes one",
        )
    packages = requirements.of(folder, cache)
    project = folder / "pyproject.toml"
    name, version = _said(project, "name", folder.name), _said(project, "version", "0.1.0")
    made = _made(folder, files, packages[0] if packages else None, (name, version), sdk, wit)
    if not empty.is_file():
        _make_empty(empty, sdk, wit)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_suffix(".new")
    fresh.write_bytes(alike(made, empty.read_bytes()))
    fresh.replace(out)
    return sorted({*files, *(file.parent for file in files), folder, project, folder / "requirements.txt"})


def _make_empty(empty: Path, sdk: Path, wit: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cofferdam-") as work:
        module = Path(work, "ops.py")
        module.touch()
        made = _made(Path(work), [module], None, ("empty", "0.1.0"), sdk, wit)
    fresh = empty.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(made)
    try:
        # Never in place of another: builds that run side by side must be made like the same one.
        os.link(fresh, empty)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _made(
    folder: Path, files: list[Path], packages: Path | None, called: tuple[str, str], sdk: Path, wit: Path
) -> bytes:
    """The component of these files, with its name and version."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-") as work:
        entry, staged = Path(work, "entry"), Path(work, "entry", "source")
        _stage(files, folder, staged)
        # Its folder must be there whether it is needed or not, so that the list of folders is the same.
        bundled = Path(entry, "packages")
        shutil.copytree(packages, bundled) if packages else bundled.mkdir()
        name, version = called
        text = LIBRARY.format(module=MODULE, name=name, version=version)
        Path(entry, "cofferdam_entry.py").write_text(ENTRY)
        Path(staged, "cofferdam_library.py").write_text(text)
        # A copy, because Python leaves its bytecode beside what it loads, and loads that the next time.
        copied = Path(work, "sdk")
        shutil.copytree(sdk, copied, ignore=shutil.ignore_patterns("__pycache__"))
        for each in (entry, copied):
            _settle(each)
        made = Path(work, "made.wasm")
        _componentize([entry.name, copied.name], wit, made, {"/0/source/": f"{folder}/"})
        return without_sockets(made.read_bytes())


def sources(folder: Path) -> list[Path]:
    """The files that a library may need while it is loaded, sorted: modules, data beside them, its settings."""
    found = []
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in LEFT_OUT and not name.startswith(".") and not Path(at, name, "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            is_test = name.startswith("test_") or name == "conftest.py"
            if not name.startswith(".") and not is_test and Path(name).suffix not in (".wasm", ".pyc"):
                found.append(Path(at, name))
    return found


def _stage(files: list[Path], folder: Path, staged: Path) -> None:
    for file in files:
        target = staged / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _settle(folder: Path) -> None:
    for at, _, names in os.walk(folder, topdown=False):
        for name in names:
            os.utime(Path(at, name), (MTIME, MTIME))
        os.utime(at, (MTIME, MTIME))


def _said(project: Path, key: str, default: str) -> str:
    """The name or the version in `pyproject.toml`, if there is one."""
    found = re.search(rf'^{key}\s*=\s*"([^"]+)"', project.read_text(), re.M) if project.is_file() else None
    return found.group(1) if found else default


def _componentize(path: list[str], wit: Path, made: Path, shown: dict[str, str]) -> None:
    arguments = ["--quiet", "--wit-path", str(wit), "--world", WORLD, "componentize", "cofferdam_entry"]
    for each in path:
        arguments += ["--python-path", each]
    # componentize-py adds the packages of the virtual environment that it is told of, and looks for those of other
    # environments if it is told of none: so there is one, without packages.
    none = made.parent / "none"
    (none / "lib" / "site-packages").mkdir(parents=True)
    environment = os.environ | {"VIRTUAL_ENV": str(none), "PYTHONPATH": str(deterministic.folder() or "")}
    script = "import sys; from componentize_py import script; sys.exit(script())"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--output", str(made)],
        env=environment,
        cwd=made.parent,
        preexec_fn=deterministic.without_randomness,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not made.is_file():
        raise _explained(done.stdout + done.stderr, shown)


def _explained(said: str, shown: dict[str, str]) -> BuildError:
    """What Python said when the ops were loaded, with the author's own paths."""
    trace = re.search(r"Traceback \(most recent call last\):.*?(?=\n\nCaused by|\n\n\S|\Z)", said, re.S)
    text = trace.group(0) if trace else said.strip()
    # componentize-py's own frames, around those of the ops.
    text = re.sub(r'^.*?^    import ops\n', "Traceback (most recent call last):\n", text, count=1, flags=re.S | re.M)
    for inside, outside in shown.items():
        text = text.replace(f'"{inside}', f'"{outside}')
    defined = re.search(r"DefinitionError: (.*)\Z", text.strip(), re.S)
    if defined is not None:
        return BuildError(defined.group(1).strip())
    absent = re.search(r"ModuleNotFoundError: No module named '([^']+)'", text)
    hint = None
    if absent is not None:
        package = absent.group(1).partition(".")[0]
        hint = requirements.KNOWN.get(package, f"name what brings `{package}` in requirements.txt, if it is pure Python")
    return BuildError(f"the ops cannot be loaded\n{text.strip()}", hint=hint)
