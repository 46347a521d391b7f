"""The same work on many things, some at a time, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def run(jobs: int, work: Callable[[_T], None], items: Sequence[_T]) -> None:
    """Calls work for each item, so many at a time; in this process where that is one. The first error ends it."""
    if jobs <= 1 or len(items) <= 1:
        for item in items:
            work(item)
        return
    with ProcessPoolExecutor(jobs) as pool:
        working = [pool.submit(work, item) for item in items]
        try:
            for one in working:
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
