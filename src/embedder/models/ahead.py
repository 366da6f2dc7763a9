"""Work that a thread does ahead of what needs its results, such as tokenising beside the model."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(work: Callable[[Item], Result], items: Iterable[Item], most: int = 2) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in their order; an error of the work is raised where its result is due.

    >>> list(ahead(len, ["a", "bcd"]))
    [('a', 1), ('bcd', 3)]

    Args:
        work: Runs in one other thread; it should release the interpreter's lock, as tokenizers do.
        items: What it is given.
        most: Results that are held at a time, beside the one in use.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(1) as thread:
        try:
            for item in items:
                waiting.append((item, thread.submit(work, item)))
                if len(waiting) > most:
                    first, result = waiting.popleft()
                    yield first, result.result()
            for first, result in waiting:
                yield first, result.result()
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
