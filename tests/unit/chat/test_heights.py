"""Where messages begin, which of them are between two heights, and what is kept when others are shown."""

from hypothesis import given
from hypothesis import strategies as st

from app.ui.chat.heights import Heights

ABOVE = 10


def shown(*heights: int) -> Heights:
    """Messages "0", "1", ... of these heights, all guessed."""
    made = Heights(ABOVE)
    made.show([str(number) for number in range(len(heights))], lambda key: heights[int(key)], keeps=False)
    return made


def test_messages_stand_one_under_another() -> None:
    assert shown(5, 7, 1).tops == [10, 15, 22, 23]
    assert shown().tops == [10]


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(0, 400), st.integers(0, 200))
def test_between_are_those_of_which_a_part_is_there(heights: list[int], top: int, high: int) -> None:
    made = shown(*heights)
    bottom = top + high
    parts = [index for index in range(len(heights)) if made.tops[index] <= bottom and made.tops[index + 1] > top]
    found = made.between(top, bottom)
    assert set(parts) <= set(found)
    # At the end there is always one to hold on to.
    assert [each for each in found if each not in parts] in ([], [len(heights) - 1])


def test_a_measured_height_moves_what_is_below() -> None:
    made = shown(5, 7, 1)
    assert not made.is_measured("1")
    assert made.measure(1, 20)
    assert made.is_measured("1")
    assert made.tops == [10, 15, 35, 36]
    assert not made.measure(1, 20)


def test_what_is_doubted_counts_as_it_was() -> None:
    made = shown(5, 7)
    made.measure(0, 6)
    made.measure(1, 8)
    made.doubt("0")
    assert (made.is_measured("0"), made.is_measured("1"), made.tops) == (False, True, [10, 16, 24])
    made.doubt()
    assert not made.is_measured("1")


def test_what_was_there_keeps_its_height_and_another_conversation_nothing() -> None:
    made = shown(5, 7)
    made.measure(1, 8)
    made.show(["new", "1"], lambda _: 100, keeps=True)
    assert (made.tops, made.is_measured("1"), made.place("1")) == ([10, 110, 118], True, 1)
    assert "0" not in made
    made.show(["1"], lambda _: 50, keeps=False)
    assert (made.tops, made.is_measured("1")) == ([10, 60], False)
