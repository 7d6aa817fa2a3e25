"""What the op of an asset check returns, and what an op that is a hook is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from cofferdam_op._context import Context

Severity = Literal["warn", "error"]


@dataclass
class Verdict:
    """What the output of a check holds."""

    passed: bool
    severity: Severity
    description: str | None


@dataclass
class Check:
    """The verdict of an asset check: `Check.passed()`, or `Check.failed("why", severity="warn", rows=0)`."""

    verdict: Verdict
    metadata: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def passed(description: str | None = None, **facts: Any) -> Check:
        """All is well."""
        return Check(Verdict(True, "error", description), facts)

    @staticmethod
    def failed(description: str, *, severity: Severity = "error", **facts: Any) -> Check:
        """Something is wrong: what, in one line. `error` is what a blocking check stops for."""
        return Check(Verdict(False, severity, description), facts)

    def state(self, ctx: Context) -> Verdict:
        """The host reads the verdict from the step's metadata, so that it need not open values."""
        ctx.add_metadata(passed=self.verdict.passed, severity=self.verdict.severity)
        if self.verdict.description is not None:
            ctx.add_metadata(description=self.verdict.description)
        ctx.add_metadata(self.metadata)
        return self.verdict


@dataclass
class HookFailure:
    """Why a step failed."""

    kind: str
    """`op-failed`, `trap`, `timeout` and so on."""
    message: str


@dataclass
class HookEvent:
    """The input `event` of an op that is a hook: what became of the step that it watches."""

    run: str
    step: str
    op: str
    status: str
    """`succeeded` or `failed`."""
    attempt: int
    failure: HookFailure | None = None
