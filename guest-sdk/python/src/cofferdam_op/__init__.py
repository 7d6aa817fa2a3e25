"""Write Cofferdam ops in Python.

An op is a plain function with `@op`: its parameters are the inputs, by name, and what it returns are the outputs. It stays
a plain function, so that pytest tests it without WebAssembly; `cofferdam build` makes the component.

    from cofferdam_op import Context, op

    @op
    def tokenize(ctx: Context, text: str) -> list[str]:
        \"\"\"Splits a text into words.\"\"\"
        words = text.split()
        ctx.add_metadata(words=len(words))
        return words
"""

from cofferdam_op._check import Check, HookEvent, HookFailure
from cofferdam_op._context import Context, Recorded
from cofferdam_op._failure import Failure, Fault, FaultKind
from cofferdam_op._field import Field, MediaType
from cofferdam_op._host import AttemptInfo
from cofferdam_op._logs import TRACE
from cofferdam_op._metadata import MetadataValue
from cofferdam_op._model import Config, Outputs
from cofferdam_op._op import DefinitionError, op
from cofferdam_op._resources import (
    Blob,
    Command,
    Http,
    Keyvalue,
    Outcome,
    Request,
    Response,
    Rows,
    Settings,
    Sql,
)
from cofferdam_op._values import Dynamic, Many, Reader, Stored, WithMetadata, Writer

__all__ = [
    "TRACE",
    "AttemptInfo",
    "Blob",
    "Check",
    "Command",
    "Config",
    "Context",
    "DefinitionError",
    "Dynamic",
    "Failure",
    "Fault",
    "FaultKind",
    "Field",
    "HookEvent",
    "HookFailure",
    "Http",
    "Keyvalue",
    "Many",
    "MediaType",
    "MetadataValue",
    "Outcome",
    "Outputs",
    "Reader",
    "Recorded",
    "Request",
    "Response",
    "Rows",
    "Settings",
    "Sql",
    "Stored",
    "WithMetadata",
    "Writer",
    "op",
]
