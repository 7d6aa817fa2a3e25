"""Pure-Python dependencies of a library, from its `requirements.txt`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from cofferdam_build.error import BuildError

KNOWN = {
    "numpy": "compute in a Rust op and hand the data on as `bytes`, for example as an Arrow stream; `statistics`, `array` "
    "and `math` are there",
    "pandas": "read rows with `csv`, or take the bytes of an Arrow stream and hand them on to a Rust op",
    "pyarrow": "take the bytes of an Arrow stream as `bytes` and hand them on to a Rust op",
    "polars": "take the bytes of an Arrow stream as `bytes` and hand them on to a Rust op",
    "pydantic": "use `Config` and dataclasses: they check types and bounds as well",
    "requests": "declare a parameter of type `Http`; a step lends what it may reach",
    "httpx": "declare a parameter of type `Http`; a step lends what it may reach",
}
"""What to do instead, where that is known."""


def of(folder: Path, cache: Path) -> list[Path]:
    """Folders with what a library requires, for the end of Python's path; empty if it requires nothing."""
    required = folder / "requirements.txt"
    return [_install(required, cache / "requirements")] if required.is_file() else []


def _install(requirements: Path, cache: Path) -> Path:
    """The folder with what is required, installed at most once for the same file."""
    if (cache / "complete").is_file() and (cache / "complete").read_bytes() == requirements.read_bytes():
        return cache / "packages"
    shutil.rmtree(cache, ignore_errors=True)
    packages = cache / "packages"
    packages.mkdir(parents=True)
    arguments = ["install", "--target", str(packages), "--only-binary", ":all:", "--no-compile"]
    # So that pip looks for nothing else than wheels that run on every Python.
    arguments += ["--platform", "any", "--implementation", "py", "--abi", "none", "--python-version", "3.14"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments, "-r", str(requirements)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _explained(done.stderr, requirements)
    (cache / "complete").write_bytes(requirements.read_bytes())
    return packages


def _explained(said: str, requirements: Path) -> BuildError:
    missing = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)", said)
    if missing is None:
        return BuildError(f"pip could not install what {requirements} names:\n{said.strip()}")
    package = missing.group(1)
    instead = KNOWN.get(package.lower().replace("_", "-"), "look for one that is pure Python, or do that part in a Rust op")
    return BuildError(
        f"{requirements}: `{package}` cannot be carried in a component: there is no wheel of it that is pure Python "
        f"(`py3-none-any`)",
        hint=instead,
    )
