"""PURE: messages one under another: how high each is, guessed or measured, and where it begins."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate


class Heights:
    """Heights in pixels, below `above` of them that stay empty."""

    def __init__(self, above: int) -> None:
        self._above = above
        self.keys: list[str] = []
        self._places: dict[str, int] = {}
        self._heights: list[int] = []
        self._measured: set[str] = set()
        self._tops: list[int] | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._places

    @property
    def tops(self) -> list[int]:
        """Where each message begins, and at last where all end."""
        if self._tops is None:
            self._tops = list(accumulate(self._heights, initial=self._above))
        return self._tops

    def show(self, keys: Sequence[str], guess: Callable[[str], int], keeps: bool) -> None:
        """These messages now; heights that were known are kept if `keeps`, the others are guessed."""
        known = dict(zip(self.keys, self._heights, strict=True)) if keeps else {}
        self.keys = list(keys)
        self._places = {key: index for index, key in enumerate(self.keys)}
        self._measured &= known.keys() & self._places.keys()
        self._heights = [known[key] if key in known else guess(key) for key in self.keys]
        self._tops = None

    def place(self, key: str) -> int:
        """Which one a message is, counted from 0. Raises KeyError."""
        return self._places[key]

    def between(self, top: int, bottom: int) -> range:
        """The messages of which any part is between two heights."""
        first = max(bisect_right(self.tops, top) - 1, 0)
        return range(min(first, max(len(self.keys) - 1, 0)), min(bisect_right(self.tops, bottom), len(self.keys)))

    def is_measured(self, key: str) -> bool:
        """Whether its height is more than a guess."""
        return key in self._measured

    def measure(self, index: int, height: int) -> bool:
        """Take the height of a message; whether it is another than thought."""
        self._measured.add(self.keys[index])
        if height == self._heights[index]:
            return False
        self._heights[index] = height
        self._tops = None
        return True

    def doubt(self, key: str | None = None) -> None:
        """The height of a message, or of all, has to be measured anew; until then it counts as it was."""
        if key is None:
            self._measured.clear()
        else:
            self._measured.discard(key)
