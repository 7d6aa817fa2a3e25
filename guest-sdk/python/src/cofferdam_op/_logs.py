"""The standard `logging` and the host's log: every record of every logger becomes a log line with its fields."""

from __future__ import annotations

import logging
import warnings

from cofferdam_op._failure import chain, report, short
from cofferdam_op._host import Host

TRACE = 5
"""The level below `logging.DEBUG`."""

_STANDARD = {
    "args",
    "asctime",
    "created",
    "exc_info",
    "exc_text",
    "filename",
    "funcName",
    "levelname",
    "levelno",
    "lineno",
    "message",
    "module",
    "msecs",
    "msg",
    "name",
    "pathname",
    "process",
    "processName",
    "relativeCreated",
    "stack_info",
    "taskName",
    "thread",
    "threadName",
}
"""What every record has (LogRecord attributes, documentation of `logging`); the rest came by `extra`. They are not read off a
record because that holds the time: a component is a picture of Python's memory, and what was computed of another time lies
elsewhere in it."""


def level_of(number: int) -> str:
    """The host's word for a level."""
    for least, word in ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info")):
        if number >= least:
            return word
    return "debug" if number >= logging.DEBUG else "trace"


class Handler(logging.Handler):
    """Hands records to the host. It keeps lines short and counts those that it drops, so nothing is filtered here."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = [(name, str(value)) for name, value in record.__dict__.items() if name not in _STANDARD]
            if record.name not in ("root", "op"):
                fields.append(("logger", record.name))
            message = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            if error is not None and next(chain(error), None) is not None:
                message = f"{message}\n{report(error)}"
            self.host.log(level_of(record.levelno), message, fields)
        except Exception:
            self.handleError(record)


def install(host: Host) -> None:
    """Sends all that is logged to the host."""
    logging.addLevelName(TRACE, "TRACE")
    root = logging.getLogger()
    root.handlers = [Handler(host)]
    root.setLevel(TRACE)
    logging.captureWarnings(True)
    warnings.formatwarning = _warning


def _warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return f"{short(filename)}:{lineno}: {category.__name__}: {message}"
