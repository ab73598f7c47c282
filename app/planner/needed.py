"""How many blocks must lie on the stops so far for those behind to take the rest: with fewer, a row is of no use."""

from collections.abc import Iterable, Sequence

from app.planner.visit import Visit


class Needed:
    """The fewest blocks behind each device of workers with which the line can still finish.

    Each device behind takes the longest range that ends where the next begins, or none. That is no more than any
    division needs: a range that ends earlier begins no later. `own` is what the head's own devices need, all blocks
    where they take none. Up to `most` workers take part; None: as many as there are.
    """

    def __init__(self, workers: Sequence[Sequence[Visit]], own: int, most: int | None) -> None:
        self._workers = workers
        self._most = most
        before = [own] * (1 if most is None else most + 1)
        self._befores = [before]
        for visits in reversed(workers):
            used = [chained(visits, behind)[0] for behind in (before if most is None else before[:-1])]
            before = used if most is None else [before[0], *map(min, before[1:], used)]
            self._befores.append(before)
        self._befores.reverse()

    @property
    def first(self) -> int:
        """The fewest blocks before the first worker."""
        return self._befores[0][-1]

    def behind(self, worker: int, number: int) -> Iterable[tuple[Visit, int]]:
        """The devices of a worker that takes part as the `number`th, with what is needed behind each; none for one too
        many.
        """
        if self._most is not None and number > self._most:
            return ()
        left = 0 if self._most is None else self._most - number
        visits = self._workers[worker]
        return zip(visits, chained(visits, self._befores[worker + 1][left])[1:], strict=True)


def chained(visits: Sequence[Visit], behind: int) -> list[int]:
    """The fewest blocks before each of these devices, any of which may be passed by, and behind the last."""
    found = [behind]
    for visit in reversed(visits):
        found.append(visit.needed(found[-1]))
    found.reverse()
    return found
