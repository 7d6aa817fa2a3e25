"""`Config` and `Outputs`: classes whose typed fields are what they say, as dataclasses are."""

from __future__ import annotations

import copy
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from cofferdam_op._field import UNSET, Field, FieldSpec
from cofferdam_op._hints import record_of
from cofferdam_op._shape import Mismatch

if TYPE_CHECKING or sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        return lambda of: of


def _to_dataclass(kind: type, *, frozen: bool) -> None:
    """Makes the class a dataclass; a `Field` as default becomes a field of one, mutable defaults are copied."""
    specs: dict[str, FieldSpec] = {}
    for name in kind.__dict__.get("__annotations__", None) or _annotations(kind):
        default = kind.__dict__.get(name, dataclasses.MISSING)
        if isinstance(default, FieldSpec):
            specs[name] = default
            value, factory = default.default, default.default_factory
            setattr(kind, name, _field(value, factory))
        elif isinstance(default, (list, dict, set)):
            setattr(kind, name, _field(default, UNSET))
    kind.__field_specs__ = {**getattr(kind, "__field_specs__", {}), **specs}  # type: ignore[attr-defined]
    dataclasses.dataclass(kw_only=True, frozen=frozen)(kind)


def _annotations(kind: type) -> dict[str, Any]:
    """Those of the class itself. From Python 3.14 on they are made when they are asked for."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(kind, format=annotationlib.Format.FORWARDREF)
    return {}


def _field(value: Any, factory: Any) -> Any:
    if factory is not UNSET:
        return dataclasses.field(default_factory=factory)
    if isinstance(value, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(value))
    return dataclasses.field() if value is UNSET else dataclasses.field(default=value)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Config:
    """The config of an op: a class that derives from this one, with a typed field for each key. Keys that it does not
    have are refused, bounds and types are checked, also where a test makes one."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _to_dataclass(cls, frozen=True)

    def __post_init__(self) -> None:
        shape = record_of(type(self))
        try:
            shape.dump(self, "")
        except Mismatch as error:
            raise ValueError(f"{type(self).__name__}: {error}") from None


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class Outputs:
    """Several outputs: a class that derives from this one, with a typed field for each. One with the default None is
    optional: None leaves it out and skips what depends on it."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _to_dataclass(cls, frozen=False)

