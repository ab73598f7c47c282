"""No part is claimed whose files are not all there, whatever is loaded, deleted or exchanged, in any order."""

from hypothesis import given
from hypothesis import strategies as st

from app.instances.kept_parts import MOST_PARTS, KeptPart, after_load, size_of, still_there
from app.schema.model import ModelPart
from app.schema.record import ModelId

BYTES = 100
"""Of each large tensor."""


def tensor(model: str, block: int, version: int = 0) -> str:
    """The file of the one large tensor of a block, by its content."""
    return f"{hash((model, block, version)) & (2**64 - 1):016x}.{BYTES}"


def part(first: int, last: int, model: str = "camel") -> ModelPart:
    return ModelPart(
        model_id=ModelId(model),
        model_bytes=1000,
        first_layer=first,
        last_layer=last,
        holds_output=False,
        large_bytes=BYTES * max(0, last - first + 1),
    )


class Disk:
    """A worker's disk as it is, and what is remembered of it."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.known: tuple[KeptPart, ...] = ()
        self.versions: dict[str, int] = {}

    def files(self, wanted: ModelPart) -> frozenset[str]:
        model = str(wanted.model_id)
        version = self.versions.get(model, 0)
        return frozenset(tensor(model, i, version) for i in range(wanted.first_layer, wanted.last_layer + 1))

    def load(self, wanted: ModelPart) -> None:
        given = frozenset(self.there)
        saved = self.files(wanted) - given
        self.there |= saved
        self.known = after_load(still_there(self.known, self.there), wanted, 500, saved, given, self.there)

    def delete(self, number: int) -> None:
        if self.there:
            self.there.discard(sorted(self.there)[number % len(self.there)])
            self.known = still_there(self.known, self.there)

    def claims(self, wanted: ModelPart) -> bool:
        return any(each.part.covers(wanted) for each in self.known)


loads = st.builds(
    lambda model, first, count: part(first, first + count, model),
    st.sampled_from(["camel", "donkey"]),
    st.integers(0, 4),
    st.integers(0, 3),
)
steps = st.lists(st.one_of(loads, st.integers(0, 20)), max_size=25)


@given(steps)
def test_what_is_claimed_is_there(order: list[ModelPart | int]) -> None:
    disk = Disk()
    for step in order:
        if isinstance(step, int):
            disk.delete(step)
            continue
        disk.load(step)
        assert disk.claims(step)
        for each in disk.known:
            assert disk.files(each.part) <= disk.there
            assert size_of(each.files) >= each.part.large_bytes


def test_another_file_of_the_same_name_and_size_ends_what_was_believed() -> None:
    disk = Disk()
    disk.load(part(0, 3))
    disk.load(part(4, 5))
    disk.versions["camel"] = 1
    disk.load(part(0, 3))
    assert disk.claims(part(0, 3))
    assert not disk.claims(part(4, 5))


def test_a_part_is_not_lost_with_files_of_another_model_when_it_was_sent_whole() -> None:
    disk = Disk()
    disk.load(part(0, 3, "donkey"))
    disk.load(part(0, 3))
    disk.there -= disk.files(part(0, 3, "donkey"))
    disk.known = still_there(disk.known, disk.there)
    assert disk.claims(part(0, 3))
    assert not disk.claims(part(0, 0, "donkey"))


def test_a_part_that_was_there_partly_goes_with_any_file_it_may_need() -> None:
    disk = Disk()
    disk.load(part(0, 1))
    disk.load(part(0, 3))
    assert disk.claims(part(0, 3))
    disk.there -= {tensor("camel", 0)}
    disk.known = still_there(disk.known, disk.there)
    assert disk.known == ()


def test_what_is_missing_or_too_small_is_not_claimed() -> None:
    saved = disk_files = frozenset({tensor("camel", 0)})
    assert after_load((), part(0, 1), 500, saved, frozenset(), disk_files) == ()
    assert after_load((), part(0, 0), 500, saved, frozenset(), ()) == ()
    assert after_load((), part(0, -1), 500, frozenset(), disk_files, disk_files) == ()


def test_no_more_parts_than_a_heartbeat_may_carry() -> None:
    disk = Disk()
    for number in range(MOST_PARTS + 5):
        disk.load(part(0, 0, f"model {number}"))
    assert len(disk.known) == MOST_PARTS
    assert disk.claims(part(0, 0, f"model {MOST_PARTS + 4}"))
    assert not disk.claims(part(0, 0, "model 0"))
