from cofferdam_op import Context, Many
from ops import Carrier, CarriersOfMonth, Delays, Month, Tally, seasons


def month(number: int, count: int, total: int) -> CarriersOfMonth:
    tally = Tally(count, 0, Delays(0, 0, None), Delays(count, total, None))
    return CarriersOfMonth(Month(2013, number), [Carrier("UA", "United", tally)])


def test_a_month_without_arrivals_has_no_mean() -> None:
    months = Many([month(2, 2, 10), month(7, 4, 60), month(9, 0, 0)])
    [united] = seasons(Context.test(), months)
    assert united.months == [None, 5, None, None, None, None, 15, None, None, None, None, None]
    assert (united.mean, united.spread, united.worst_month) == (10, 5, 7)
