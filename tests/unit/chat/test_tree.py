"""Branches of a conversation are kept, and one of them is shown."""

from hypothesis import given
from hypothesis import strategies as st

from app.ui.chat.records import Author, Message
from app.ui.chat.tree import Tree, last_question


def message(name: str, parent: str | None, author: Author = Author.USER) -> Message:
    return Message(id=name, conversation="c", parent=parent, author=author, text=name, created_at=1.0)


def sample() -> Tree:
    """q1 - a1 - q2 - a2, with a second answer b1 to q1 and an edited question e2 after a1."""
    says = Author.ASSISTANT
    return Tree(
        [
            message("q1", None),
            message("a1", "q1", says),
            message("q2", "a1"),
            message("a2", "q2", says),
            message("b1", "q1", says),
            message("e2", "a1"),
        ]
    )


def names(tree: Tree, leaf: str | None) -> list[str]:
    return [each.id for each in tree.path(leaf)]


def test_the_path_and_its_versions() -> None:
    tree = sample()
    assert names(tree, "a2") == ["q1", "a1", "q2", "a2"]
    assert tree.place("a1") == (1, 2)
    assert tree.place("e2") == (2, 2)
    assert names(tree, tree.turned("a1", 1)) == ["q1", "b1"]
    assert names(tree, tree.turned("e2", -1)) == ["q1", "a1", "q2", "a2"]
    assert names(tree, tree.turned("e2", 1)) == ["q1", "a1", "e2"]


def test_deleting_shows_another_version_or_the_parent() -> None:
    rest, leaf = sample().without("e2")
    assert names(rest, leaf) == ["q1", "a1", "q2", "a2"]
    rest, leaf = rest.without("q2")
    assert names(rest, leaf) == ["q1", "a1"]
    assert len(rest) == 3
    rest, leaf = rest.without("q1")
    assert (len(rest), leaf) == (0, None)


def test_replacing_keeps_the_place() -> None:
    tree = sample()
    tree.put(message("a1", "q1", Author.ASSISTANT).model_copy(update={"text": "new"}))
    assert tree.siblings("a1") == ["a1", "b1"]
    assert tree.get("a1").text == "new"


def test_a_damaged_file_does_not_hang() -> None:
    tree = Tree([message("a", "b"), message("b", "a")])
    assert len(tree.path("a")) == 2
    assert names(Tree([message("x", "gone")]), "x") == ["x"]


def test_the_last_question() -> None:
    tree = sample()
    found = last_question(tree.path("a2"))
    assert found is not None
    assert found.id == "q2"


@given(st.lists(st.integers(0, 30), max_size=30))
def test_every_message_is_on_a_branch_and_no_branch_is_lost(parents: list[int]) -> None:
    tree = Tree()
    for index, parent in enumerate(parents):
        tree.put(message(str(index), str(parent % index) if index and parent % index else None))
    reached = {each.id for number in range(len(parents)) for each in tree.path(tree.leaf_below(str(number)))}
    assert reached == {each.id for each in tree.all()}
