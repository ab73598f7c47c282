"""PURE: the bounded table of which node was announced where. Time is handed in; nothing here looks at a clock.

Announcements are not authenticated, so a row is a hint. Whoever repeats another node's announcement only adds rows or
addresses; it cannot replace what was heard before.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from app.cluster.advert import MOST_ADDRESSES, Advert, hint_of, recognise
from app.schema.record import NodeId
from app.schema.sighting import Sighting

CAPACITY = 64
"""Rows at most; strangers give way to trusted peers, then the longest silent to the newest."""

LIFETIME = 45.0
"""Seconds after which a row or an address is forgotten when nobody announced it again: three announcements missed."""

MOST_ROWS_PER_NODE = 4
"""Rows one trusted peer may have: a restart or a clone makes a second, somebody who pretends makes more."""

OVERLAP = 2.0
"""Seconds that the older of two instances must go on speaking after the newer began: a restarted node does not."""

_Key = tuple[str, str, int]


@dataclass
class _Row:
    advert: Advert
    node: NodeId | None
    first: float
    heard: float
    at: float
    addresses: dict[str, float] = field(default_factory=dict)


class Sightings:
    """What was announced, by whom it claims to be. `revision` grows with every visible change.

    Times: `now` in seconds of a clock that only goes forward, `at` in seconds since the epoch.
    """

    def __init__(self, own: NodeId, instance: str, lifetime: float = LIFETIME, capacity: int = CAPACITY) -> None:
        self._own = own
        self._echo = (hint_of(own, instance), instance)
        self._lifetime = lifetime
        self._capacity = capacity
        self._known: tuple[NodeId, ...] = ()
        self._rows: OrderedDict[_Key, _Row] = OrderedDict()
        self._doubled: frozenset[NodeId] = frozenset()
        self.revision = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def doubled(self) -> frozenset[NodeId]:
        """Identities, ours or a trusted peer's, that two instances announce at the same time."""
        return self._doubled

    def know(self, nodes: Collection[NodeId]) -> None:
        """Set the identities to recognise: the trusted peers."""
        self._known = tuple(sorted(set(nodes) - {self._own}))
        for row in self._rows.values():
            row.node = recognise(row.advert, (self._own, *self._known))
        self._look_for_doubles()
        self.revision += 1

    def hear(self, advert: Advert, addresses: Sequence[str], now: float, at: float) -> None:
        """Take in one announcement with the addresses that are worth dialling. Our own echo is dropped."""
        if (advert.hint, advert.instance) == self._echo or not addresses:
            return
        key = (advert.instance, advert.hint, advert.port)
        row = self._rows.get(key) or self._new_row(key, advert, now, at)
        self._rows.move_to_end(key)
        if row.advert != advert:
            row.advert = advert
            self.revision += 1
        row.heard, row.at = now, at
        self._take_addresses(row, addresses, now)
        if row.node is not None:
            self._look_for_doubles()

    def bye(self, instance: str) -> None:
        """Forget an instance that said goodbye."""
        self._drop([key for key in self._rows if key[0] == instance])

    def expire(self, now: float) -> None:
        """Forget the rows and addresses that nobody announced for the lifetime."""
        oldest = now - self._lifetime
        self._drop([key for key, row in self._rows.items() if row.heard < oldest])
        for row in self._rows.values():
            for address in [each for each, heard in row.addresses.items() if heard < oldest]:
                del row.addresses[address]
                self.revision += 1

    def view(self) -> tuple[Sighting, ...]:
        """The rows as records: trusted peers first, then by when they were first seen; without clones of this node."""
        rows = [row for row in self._rows.values() if row.node != self._own]
        rows.sort(key=lambda row: (row.node is None, row.first, row.advert.instance, row.advert.port))
        return tuple(self._sighting(row) for row in rows)

    def _sighting(self, row: _Row) -> Sighting:
        return Sighting(
            node_hint=row.advert.hint,
            instance=row.advert.instance,
            node=row.node,
            addresses=tuple(row.addresses),
            port=row.advert.port,
            pairing_port=row.advert.pairing_port,
            seen_at=row.at,
            is_doubled=row.node in self._doubled,
        )

    def _new_row(self, key: _Key, advert: Advert, now: float, at: float) -> _Row:
        node = recognise(advert, (self._own, *self._known))
        self._make_room(node)
        row = self._rows[key] = _Row(advert, node, now, now, at)
        self.revision += 1
        return row

    def _make_room(self, node: NodeId | None) -> None:
        same = [key for key, row in self._rows.items() if node is not None and row.node == node]
        if len(same) >= MOST_ROWS_PER_NODE:
            self._drop(same[:1])
        elif len(self._rows) >= self._capacity:
            strangers = (key for key, row in self._rows.items() if row.node is None)
            self._drop([next(strangers, next(iter(self._rows)))])

    def _take_addresses(self, row: _Row, addresses: Sequence[str], now: float) -> None:
        for address in addresses:
            if address not in row.addresses:
                self.revision += 1
                if len(row.addresses) >= MOST_ADDRESSES:
                    del row.addresses[min(row.addresses, key=row.addresses.__getitem__)]
            row.addresses[address] = now

    def _drop(self, keys: Sequence[_Key]) -> None:
        dropped = [self._rows.pop(key) for key in keys]
        if dropped:
            self.revision += 1
        if any(row.node is not None for row in dropped):
            self._look_for_doubles()

    def _look_for_doubles(self) -> None:
        rows: defaultdict[NodeId, list[_Row]] = defaultdict(list)
        for row in self._rows.values():
            if row.node is not None:
                rows[row.node].append(row)
        doubled = frozenset(node for node, its_rows in rows.items() if self._is_doubled(node, its_rows))
        if doubled != self._doubled:
            self._doubled = doubled
            self.revision += 1

    def _is_doubled(self, node: NodeId, rows: Sequence[_Row]) -> bool:
        if node == self._own:
            # This very process is the other instance, and it never stopped speaking.
            return any(row.heard - row.first > OVERLAP for row in rows)
        return any(
            older.advert.instance != newer.advert.instance and older.heard - newer.first > OVERLAP
            for older in rows
            for newer in rows
            if older.first <= newer.first
        )
