"""What the host is told of an exception, and what of a log record."""

import datetime
import logging

import pytest

from cofferdam_op import Failure, Fault, FaultKind, Http, Outcome, Response
from cofferdam_op._context import Memory
from cofferdam_op._failure import record, report
from cofferdam_op._host import AttemptInfo
from cofferdam_op._logs import TRACE, Handler


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


def broken():
    rows = [1, 2]
    return rows[7]


def wrapped():
    try:
        broken()
    except IndexError as error:
        raise ValueError("the table cannot be read") from error


def test_any_exception_is_told_with_its_type_its_causes_and_its_place():
    found = record(caught(wrapped))
    assert found.message == "ValueError: the table cannot be read"
    assert found.causes[0] == "IndexError: list index out of range"
    assert found.causes[1].startswith("at ")
    assert found.causes[1].endswith('in wrapped: raise ValueError("the table cannot be read") from error')
    assert (found.permanent, found.retry_after_ms) == (False, None)
    assert "in broken: return rows[7]" in report(caught(wrapped))


def test_a_failure_says_whether_to_try_again():
    assert record(Failure("no", permanent=True)).permanent
    assert record(Failure("wait", retry_after=datetime.timedelta(milliseconds=1500))).retry_after_ms == 1500
    assert record(Failure("wait", retry_after=0.25)).retry_after_ms == 250
    with pytest.raises(ValueError, match="not both"):
        Failure("x", permanent=True, retry_after=1)


def test_the_advice_of_a_cause_counts_where_nothing_nearer_says_more():
    def fail():
        try:
            raise Failure("no such month", permanent=True, metadata={"month": 13})
        except Failure as error:
            raise RuntimeError("while splitting") from error

    found = record(caught(fail))
    assert (found.message, found.permanent) == ("RuntimeError: while splitting", True)
    assert [name for name, _ in found.metadata] == ["month"]


def test_deep_recursion_shows_its_two_ends():
    def deeper(n):
        return deeper(n + 1)

    lines = report(caught(lambda: deeper(0))).splitlines()
    assert len(lines) == 23
    assert lines[11].startswith("  ... ")
    assert lines[-1].startswith("RecursionError")


def test_a_circle_of_causes_ends():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert record(one).causes == ["ValueError: two"]


def test_leaving_the_program_is_a_failure():
    assert "sys.exit(3)" in record(SystemExit(3)).message


@pytest.mark.parametrize(
    ("kind", "permanent"),
    [(FaultKind.DENIED, True), (FaultKind.INVALID, True), (FaultKind.UNAVAILABLE, False), (FaultKind.FAILED, False)],
)
def test_a_fault_knows_whether_it_would_come_again(kind, permanent):
    found = record(Fault(kind, "the store said no"))
    assert (found.message, found.permanent) == ("the store said no", permanent)


def test_answers_and_outcomes_become_failures_that_know_about_trying_again():
    api = Http.test(lambda request: Response(503, headers=[("Retry-After", "7")]) if request.path == "/a" else Response(404))
    assert record(caught(lambda: api.get("/a").ok())).retry_after_ms == 7000
    assert record(caught(lambda: api.get("/b").ok())).permanent
    found = record(caught(Outcome(2, stderr=b"no table\n").ok))
    assert (found.message, found.causes) == ("the program ended with code 2", ["no table"])


def test_a_log_record_is_a_line_with_its_level_and_fields():
    host = Memory(AttemptInfo())
    logger = logging.Logger("words.split")
    logger.addHandler(Handler(host))
    logger.setLevel(TRACE)
    logger.log(TRACE, "small")
    logger.warning("%s rows", 3, extra={"colour": "blue", "rows": 3})
    try:
        broken()
    except IndexError:
        logger.exception("it broke")
    assert host.recorded.logs[0] == ("trace", "small", [("logger", "words.split")])
    assert host.recorded.logs[1] == ("warn", "3 rows", [("colour", "blue"), ("rows", "3"), ("logger", "words.split")])
    level, message, _ = host.recorded.logs[2]
    assert level == "error"
    assert message.startswith("it broke\n")
    assert message.endswith("IndexError: list index out of range")
