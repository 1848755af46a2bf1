"""Work ahead of its use: in order, and never far ahead."""

import threading
import time

import pytest

from styleinv.measuring.loader import ahead


def test_ahead_keeps_the_order_whatever_is_ready_first():
    def load(k):
        time.sleep(0.01 * (k % 3 == 0))
        return 2 * k

    assert list(ahead(load, range(30), threads=4, most=8)) == [2 * k for k in range(30)]


def test_ahead_is_bounded():
    begun = []
    for count, _ in enumerate(ahead(begun.append, range(40), threads=2, most=5), 1):
        time.sleep(0.002)  # time to run further ahead
        assert len(begun) <= count + 5


def test_ahead_loads_in_threads_at_the_same_time():
    both = threading.Barrier(2)
    list(ahead(lambda _: both.wait(5), range(4), threads=2, most=4))


def test_ahead_raises_in_its_place():
    reads = ahead(lambda k: 1 // (k - 2), range(5), threads=2, most=4)
    assert [next(reads), next(reads)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(reads)


def test_ahead_can_be_left():
    before = threading.active_count()
    reads = ahead(lambda k: k, range(1000), threads=2, most=4)
    next(reads)
    reads.close()
    assert threading.active_count() == before
