import threading

import pytest

from embedder.models.ahead import ahead


def test_the_thread_is_ahead_by_so_many_results_and_no_more():
    done, threads = [], set()

    def work(number):
        threads.add(threading.get_ident())
        done.append(number)
        return number * number

    for used, (number, square) in enumerate(ahead(work, range(10), most=2)):
        assert (number, square) == (used, used * used)
        assert len(done) <= used + 3  # those that wait, and the one in use
    assert done == list(range(10))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_is_raised_where_its_result_is_due_and_ends_the_work():
    done = []

    def work(number):
        done.append(number)
        return 1 / (2 - number)

    results = ahead(work, range(100), most=2)
    assert [next(results), next(results)] == [(0, 0.5), (1, 1.0)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(done) <= 5


def test_what_is_no_longer_wanted_is_not_computed():
    done = []
    results = ahead(done.append, range(100), most=2)
    next(results)
    results.close()
    assert len(done) <= 3
