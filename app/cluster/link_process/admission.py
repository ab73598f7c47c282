"""PURE: who may begin a handshake: a token bucket per address, and few unproven connections at once."""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

RATE = 50.0
"""Connections per second of one address in the long run. One that proves to be a peer costs nothing."""

BURST = 400
"""Connections of one address at once: a head opens up to 34 per worker when it starts (llama.cpp b7827)."""

ADDRESSES = 1024
"""Addresses remembered; the one longest unheard of is forgotten."""

HALF_OPEN = 32
"""Connections at once that have not proven who they are."""

T = TypeVar("T", bound=Hashable)


class TokenBuckets:
    """How fast each address may connect. `now` is monotonic seconds."""

    def __init__(self, rate: float = RATE, burst: float = BURST, addresses: int = ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._addresses = addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: float) -> bool:
        """Whether this address may connect once more now."""
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)
        return allowed

    def give_back(self, address: str) -> None:
        """It proved to be a peer: its connection does not count."""
        if address in self._buckets:
            tokens, since = self._buckets[address]
            self._buckets[address] = (min(self._burst, tokens + 1), since)


class HalfOpen(Generic[T]):
    """The unproven connections. When there are too many, the oldest of the greediest address gives way.

    So an address that opens many and stays silent pushes out its own, and a good one is through in milliseconds.
    """

    def __init__(self, limit: int = HALF_OPEN) -> None:
        self._limit = limit
        self._members: dict[T, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: T, address: str) -> T | None:
        """Take it in; returns the one that must go for it."""
        self._members[member] = address
        self._counts[address] += 1
        if len(self._members) <= self._limit:
            return None
        greediest = max(self._counts, key=lambda each: self._counts[each])
        victim = next(each for each, origin in self._members.items() if origin == greediest)
        self.discard(victim)
        return victim

    def discard(self, member: T) -> None:
        """It is proven, or gone."""
        address = self._members.pop(member, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]
