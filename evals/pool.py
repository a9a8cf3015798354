"""Threads that work on attempts or items side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def side_by_side(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool that is waited for, but for an interruption: then what runs need not come to its end.

    Args:
        count: how many work at one time.
        name: of their threads.
    """
    pool = ThreadPoolExecutor(count, name)
    try:
        yield pool
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
