"""PURE: the stops of the context slider: powers of two, the model's own limit, and what was asked for."""

from bisect import bisect_left

SMALLEST = 512
"""Fewer tokens hold no conversation; the planner goes no lower by itself either."""

ASSUMED_LIMIT = 1 << 17
"""Where the slider ends when the file does not say what the model was trained for."""


def steps(limit: int | None, *extra: int) -> tuple[int, ...]:
    """Context sizes in tokens, rising. `limit` is the largest, `extra` are sizes that must be among them."""
    last = limit or ASSUMED_LIMIT
    powers = []
    step = SMALLEST
    while step < last:
        powers.append(step)
        step *= 2
    return tuple(sorted({*powers, last, *(each for each in extra if 0 < each <= last)}))


def nearest(stops: tuple[int, ...], context: int) -> int:
    """The index of the largest stop that is not above `context`, or the first."""
    index = bisect_left(stops, context)
    if index < len(stops) and stops[index] == context:
        return index
    return max(0, index - 1)


def place_of(stops: tuple[int, ...], context: int) -> float:
    """Where `context` lies among the stops, as an index that may lie between two."""
    index = nearest(stops, context)
    if index == len(stops) - 1 or context <= stops[index]:
        return float(index)
    return index + (context - stops[index]) / (stops[index + 1] - stops[index])
