"""What can go wrong, as exceptions: what the instance says is their text."""


class CofferdamError(Exception):
    """All of them."""


class Unreachable(CofferdamError):
    """Nobody answers at that address, or somebody else does."""


class Unauthorized(CofferdamError):
    """The token is missing, does not hold any more, or its role may not do that."""


class NotFound(CofferdamError):
    """There is no such job, run, step or output."""


class Refused(CofferdamError):
    """What was asked for is wrong. `problems` are its mistakes, each as a terminal would show it."""

    def __init__(self, message: str, problems: list[str]) -> None:
        super().__init__("\n".join([message, *problems]))
        self.problems = problems


class RunFailed(CofferdamError):
    """A run that was waited for has failed."""

    def __init__(self, run_id: str, error: str | None) -> None:
        super().__init__(f"run {run_id} failed" + (f": {error}" if error else ""))
        self.run_id = run_id


class RunCanceled(CofferdamError):
    """A run that was waited for was cancelled."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} was cancelled")
        self.run_id = run_id
