"""A copy of componentize-py, and a place to run it in, that make the same component of the same source but for some words.

A component holds Python as it was when the op had been loaded, and Python hashes texts with a secret that it draws when it
starts: with another secret every dictionary lies differently in memory, and two components of one source differ in 40% of
their chunks. componentize-py gives Python no way to a fixed secret, and takes its randomness from the system, also for the
order of tables that it goes through itself: with another order a tenth of memory lies elsewhere. So the system refuses it
the call that gives random bytes, as old kernels do that have none; who is refused reads a device instead; and the copy names
the device that gives zeros, in as many letters. What still differs are times of files, some hundred bytes in 18 MB.

The secret protects servers from requests that are made to collide. A component is nobody's server and gets its inputs from
its own job; where this cannot be done (another version, another system) componentize-py is used as it is.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import os
import platform
import re
import shutil
import struct
import sys
from pathlib import Path

RANDOM, ZERO = (b"/dev/ura", b"ndom"), (b"/dev////", b"zero")
"""The device that is read where the call is refused, and the one that is read instead: in halves, between which there are
instructions where a compiler has made numbers of the name."""

BETWEEN = rb"([^\0]{0,16}?)"
"""Those instructions, on x86-64."""

PACKAGE = "componentize_py"

COPY = "cofferdam-deterministic-2"
"""The folder of the copy, with the number of the way it is made."""

GETRANDOM = {"x86_64": (0xC000003E, 318), "aarch64": (0xC00000B7, 278)}
"""What the kernel calls an architecture (linux/audit.h), and the number of the call `getrandom` there."""

SET_SECCOMP, FILTER, SET_NO_NEW_PRIVS = 22, 2, 38
"""Of prctl(2)."""

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
"""Of a filter (linux/bpf_common.h): a word of what is asked, a comparison with two jumps, the answer."""

NUMBER_AT, ARCHITECTURE_AT = 0, 4
"""Offsets in what a filter is asked (linux/seccomp.h)."""

ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


class _Program(ctypes.Structure):
    """A filter as the kernel takes it (linux/filter.h)."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def without_randomness() -> None:
    """Has the system refuse this process, and what it becomes, the call that gives random bytes; nothing where it cannot."""
    known = GETRANDOM.get(platform.machine()) if sys.platform.startswith("linux") else None
    if known is None:
        return
    architecture, number = known
    instructions = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 0, 2, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (EQUAL, 1, 0, number),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
    program = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    prctl = ctypes.CDLL(None).prctl
    if prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        # Where it is refused, a build is one of several that there can be, and as good.
        prctl(SET_SECCOMP, FILTER, ctypes.byref(_Program(len(instructions), program)), 0, 0)


def folder() -> Path | None:
    """The folder to put in front of Python's path; made at the first call. None where there is nothing to replace."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None or not sys.platform.startswith("linux"):
        return None
    original = Path(found.origin).parent
    home = original.parent / COPY
    if (home / PACKAGE).is_dir():
        return home
    work = original.parent / f"{COPY}-{os.getpid()}"
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
        if file.suffix == ".so":
            data, n = re.subn(BETWEEN.join(RANDOM), rb"\1".join(ZERO), data, flags=re.S)
            done = done or n > 0
        (copy / file.name).write_bytes(data)
    return done
