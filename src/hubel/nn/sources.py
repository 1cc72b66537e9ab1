"""Source code and syntax trees where several threads read them at once, as those of a server do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
TRIES = 20


def source_of(cls: type) -> str:
    """The source code of a class.

    >>> from hubel.nn.layers import MinPool2d
    >>> source_of(MinPool2d).splitlines()[0]
    'class MinPool2d(nn.MaxPool2d):'
    """
    return again(lambda: inspect.getsource(cls))


def again(parse: Callable[[], _T]) -> _T:
    """What `parse` returns, tried anew where the parser of CPython before 3.11.8 and 3.12.1 trips over another thread
    that parses at the same time, with a SystemError about its recursion depth (python/cpython#106905).
    """
    for _ in range(TRIES - 1):
        try:
            return parse()
        except SystemError:
            continue
    return parse()
