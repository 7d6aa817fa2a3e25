"""Why an op failed, and what that says about trying again."""

from __future__ import annotations

import datetime
import linecache
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from cofferdam_op._contract import FailureRecord
from cofferdam_op._metadata import to_entries

CAUSES_MAX = 16
"""Causes of one failure that are told: a chain of exceptions can be a circle."""

FRAMES_MAX = 20
"""Frames of one exception that are shown: recursion that is too deep has a thousand."""

_HERE = os.path.dirname(__file__)


class Failure(Exception):
    """Raised by an op that cannot do its work: the message is for the person who runs the job.

    `permanent` says that trying again makes no sense, `retry_after` (seconds, or a `timedelta`) that it does, but not
    sooner. Without either the step's retry policy decides, as it does for every other exception. What it was raised
    `from` becomes its causes.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | datetime.timedelta | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        if permanent and retry_after is not None:
            raise ValueError("a failure is `permanent` or has `retry_after`, not both")
        if isinstance(retry_after, datetime.timedelta):
            retry_after = retry_after.total_seconds()
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        """Seconds."""
        self.metadata = dict(metadata or {})


class FaultKind(Enum):
    """Sorts of trouble with a resource."""

    DENIED = "denied"
    """The step lends no such resource, or its settings forbid the call."""
    INVALID = "invalid"
    """The call makes no sense: a malformed request, a wrong statement, a wrong type."""
    UNAVAILABLE = "unavailable"
    """The other side cannot be reached or took too long; trying again may help."""
    FAILED = "failed"
    """The other side refused or failed."""
    TOO_LARGE = "too-large"
    """The request or the answer is larger than allowed."""


class Fault(Exception):
    """A call on a resource did not succeed. Where nobody catches it, the attempt fails, for good if the same call would
    end the same way."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    @property
    def permanent(self) -> bool:
        """True if the same call would end the same way."""
        return self.kind in (FaultKind.DENIED, FaultKind.INVALID, FaultKind.TOO_LARGE)


class ValueUnavailable(OSError):
    """The host did not serve a large value. `permanent` if another try with the same inputs would end the same way."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what led to it, outermost first."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen and len(seen) <= CAUSES_MAX:
        seen.add(id(at))
        yield at
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)


def words(error: BaseException) -> str:
    """What an exception says, in one line or more."""
    if isinstance(error, (Failure, Fault, ValueUnavailable)):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the op called sys.exit({error.code!r}) instead of returning or raising"
    name, text = type(error).__name__, str(error)
    return f"{name}: {text}" if text else name


def frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Where it was raised, outermost first, without frames of this package."""
    found = traceback.extract_tb(error.__traceback__)
    return [frame for frame in found if os.path.dirname(frame.filename) != _HERE]


def place(frame: traceback.FrameSummary) -> str:
    """`ops.py:12, in clean: rows[5]`"""
    source = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f"{short(frame.filename)}:{frame.lineno}, in {frame.name}" + (f": {source}" if source else "")


def short(filename: str) -> str:
    """A file in a component lies in folders that the build made."""
    return re.sub(r"^/0/(source/)?", "", filename)


def record(error: BaseException) -> FailureRecord:
    """What the host is told of an exception."""
    told = list(chain(error))
    causes = [words(cause) for cause in told[1:]]
    if not isinstance(error, Failure) and (at := frames(error)):
        causes.append("at " + place(at[-1]))
    made = FailureRecord(words(error), causes, None, False, [])
    for one in told:
        if isinstance(one, Failure):
            made.metadata += [entry for entry in to_entries(one.metadata) if entry[0] not in dict(made.metadata)]
    for one in told:
        after = getattr(one, "retry_after", None) if isinstance(one, Failure) else None
        if after is not None:
            made.retry_after_ms = max(0, round(after * 1000))
            break
        if isinstance(one, (Failure, Fault, ValueUnavailable)) and one.permanent:
            made.permanent = True
            break
    return made


def report(error: BaseException) -> str:
    """The traceback as Python shows it, for the log."""
    lines = []
    for one in reversed(list(chain(error))):
        shown = [f"  {place(frame)}" for frame in frames(one)]
        if (left_out := len(shown) - FRAMES_MAX) > 0:
            half = FRAMES_MAX // 2
            shown[half:-half] = [f"  ... {left_out} more"]
        lines += [*shown, words(one)]
    return "\n".join(["the op raised an exception:", *lines])
