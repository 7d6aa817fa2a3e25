"""A copy of componentize-py that makes nearly the same component of the same source each time.

A component holds Python as it was when the op had been loaded, and Python hashes texts with a secret that it draws when it
starts: with another secret every dictionary lies differently in memory, and two components of one source differ in 40% of
their chunks. componentize-py gives Python no way to a fixed secret, and takes its randomness from the system. In the copy
that randomness is zeros: the names of what it would ask are others, of the same length. What still differs are times of
files, some hundred bytes in 18 MB, and the order of one table that componentize-py itself goes through: with the other order
a tenth of memory lies elsewhere.

The secret protects servers from requests that are made to collide. A component is nobody's server and gets its inputs from
its own job; where the names are not found (another version, another system) componentize-py is used as it is.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

REPLACED = ((b"\0getrandom\0", b"\0getrandoX\0"), (b"\0/dev/urandom\0", b"\0/dev/zero\0\0\0\0"))
"""The function that is looked up by name, and the file that is read where there is none."""

PACKAGE = "componentize_py"


def folder() -> Path | None:
    """The folder to put in front of Python's path; made at the first call. None where there is nothing to replace."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None or not sys.platform.startswith("linux"):
        return None
    original = Path(found.origin).parent
    home = original.parent / "cofferdam-deterministic"
    if (home / PACKAGE).is_dir():
        return home
    work = original.parent / f"cofferdam-deterministic-{os.getpid()}"
    try:
        if not _copy(original, work / PACKAGE):
            return None
        work.rename(home)
    except OSError:
        # Somebody else was faster.
        return home if (home / PACKAGE).is_dir() else None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home


def _copy(original: Path, copy: Path) -> bool:
    copy.mkdir(parents=True)
    done = False
    for file in original.iterdir():
        if not file.is_file():
            continue
        data = file.read_bytes()
        if file.suffix == ".so" and all(old in data for old, _ in REPLACED):
            for old, new in REPLACED:
                data = data.replace(old, new)
            done = True
        (copy / file.name).write_bytes(data)
    return done
