"""Ways to fail."""

from cofferdam_op import Config, Context, Failure, op


class FailConfig(Config):
    message: str


@op
def fail(config: FailConfig) -> int:
    """Fails with a cause and metadata."""
    try:
        raise Failure("the disk is full")
    except Failure as cause:
        raise Failure(config.message, metadata={"tried": 3}) from cause


@op
def fail_permanent() -> int:
    """Fails for good."""
    raise Failure("it stays wrong", permanent=True)


class LaterConfig(Config):
    milliseconds: int


@op
def fail_later(ctx: Context, config: LaterConfig) -> int:
    """Asks to be tried again later."""
    if ctx.attempt == 1:
        raise Failure("not yet", retry_after=config.milliseconds / 1000)
    return 2


class FlakyConfig(Config):
    attempts: int


@op
def flaky(ctx: Context, config: FlakyConfig) -> int:
    """Fails until that attempt."""
    if ctx.attempt < config.attempts:
        raise Failure(f"attempt {ctx.attempt}")
    return ctx.attempt


@op
def crash() -> int:
    """Reaches past the end."""
    numbers: list[int] = [1, 2, 3]
    return numbers[7]
