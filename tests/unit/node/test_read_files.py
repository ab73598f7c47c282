"""A file counts as in RAM only while it and all that was read since can be there."""

from hypothesis import given
from hypothesis import strategies as st

from app.node.read_files import ReadFiles
from app.schema.record import ModelId

CAMEL, DONKEY = ModelId("camel"), ModelId("donkey")


def test_what_was_read_since_counts() -> None:
    files = ReadFiles()
    assert not files.has(CAMEL, 1 << 40)
    files.read(CAMEL, 10)
    assert files.has(CAMEL, 10)
    assert not files.has(CAMEL, 9)
    files.read(DONKEY, 5)
    assert files.has(DONKEY, 5)
    assert not files.has(CAMEL, 14)
    assert files.has(CAMEL, 15)
    files.read(CAMEL, 10)
    assert files.has(CAMEL, 10)
    assert not files.has(DONKEY, 14)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 50)), max_size=20), st.integers(0, 100))
def test_no_more_is_believed_to_be_there_than_there_is_room_for(order: list[tuple[str, int]], free: int) -> None:
    files = ReadFiles()
    for name, size in order:
        files.read(ModelId(name), size)
    sizes = dict(order)
    assert sum(sizes[name] for name in sizes if files.has(ModelId(name), free)) <= free
