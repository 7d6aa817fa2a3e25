"""What a person can do something about."""

from __future__ import annotations


class BuildError(Exception):
    """Why there is no component: what is wrong, and what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
