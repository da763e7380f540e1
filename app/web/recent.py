"""A few large things by key, the most recently asked for, up to a total length.

What is asked for is always kept, however long; what was asked for longest ago goes first. Safe to
share between threads. Knows nothing of what it keeps.
"""

from collections import OrderedDict
from collections.abc import Callable, Sized
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value", bound=Sized)


class Recent(Generic[Value]):
    """Keeps what `get` makes; the lengths of all that is kept add up to `most` or less."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: int, make: Callable[[], Value]) -> Value:
        """The value of a key, made now if it isn't kept; others wait meanwhile."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._most:
                self._kept.popitem(last=False)
            return self._kept[key]
