"""The ops of a library: described, found by name, run."""

from __future__ import annotations

from collections.abc import Mapping

from cofferdam_op._contract import InputValue, OpSpec, Output
from cofferdam_op._host import Host
from cofferdam_op._op import OPS
from cofferdam_op._ports import InvalidValue


def specs() -> list[OpSpec]:
    """The description of all ops that have been defined."""
    return [op.spec() for op in OPS.values()]


def run(op: str, config: bytes, inputs: Mapping[str, InputValue], host: Host) -> list[Output]:
    """Runs one attempt of the op of that name."""
    if op not in OPS:
        known = "`, `".join(OPS)
        raise InvalidValue(f"this library has no op `{op}`; it has `{known}`")
    return OPS[op].run(config, inputs, host)
