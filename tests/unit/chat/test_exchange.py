"""Export and import lose nothing, and a stranger's file does no harm."""

import json

import pytest

from app.schema.errors import InputError
from app.ui.chat.exchange import as_json, as_markdown, from_json
from app.ui.chat.records import Archived, Attachment, AttachmentKind, Author, Message, Sampling, new_conversation
from app.ui.chat.request import request_body, title_of
from app.ui.chat.tree import Tree


def sample() -> Archived:
    home = new_conversation("Camels").model_copy(update={"leaf": "a2", "system_prompt": "Be kind."})
    parts = [("q", None, Author.USER), ("a1", "q", Author.ASSISTANT), ("a2", "q", Author.ASSISTANT)]
    note = Attachment(name="n.txt", kind=AttachmentKind.TEXT, content="```\nfenced\n```")
    messages = tuple(
        Message(
            id=name,
            conversation=home.id,
            parent=parent,
            author=author,
            text=f"text of {name}",
            model="m" if parent else None,
            attachments=() if parent else (note,),
            created_at=5.0,
        )
        for name, parent, author in parts
    )
    return Archived(conversation=home, messages=messages)


def test_json_there_and_back_under_new_ids() -> None:
    before = sample()
    (after,) = from_json(as_json([before]))
    assert after.conversation.title == "Camels"
    assert {each.id for each in after.messages}.isdisjoint({"q", "a1", "a2"})
    shown = Tree(after.messages).path(after.conversation.leaf)
    assert [each.text for each in shown] == ["text of q", "text of a2"]
    assert len(after.messages) == 3
    assert {each.conversation for each in after.messages} == {after.conversation.id} != {before.conversation.id}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"format": "other"}',
        '{"format": "caravan-conversations"}',
        '{"format": "caravan-conversations", "version": 99, "conversations": []}',
        '{"format": "caravan-conversations", "version": 1, "conversations": [{"messages": 5}]}',
        '{"format": "caravan-conversations", "version": 1, "conversations": [{"a": "\\ud800"}]}',
    ],
)
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        from_json(text)


def test_a_parent_that_is_missing_is_none() -> None:
    content = json.loads(as_json([sample()]))
    del content["conversations"][0]["messages"][0]
    (after,) = from_json(json.dumps(content))
    assert [each.parent for each in after.messages] == [None, None]
    assert after.conversation.leaf is not None


def test_markdown_is_the_branch_that_is_shown() -> None:
    page = as_markdown(sample(), lambda message: message.author.value.title())
    assert page.startswith("# Camels\n")
    assert "> Be kind." in page
    assert "## User\n\n- n.txt\n\ntext of q" in page
    assert "text of a2\n\n*m*" in page
    assert "a1" not in page


def test_the_request_leaves_out_what_is_open() -> None:
    body = request_body("m", sample().messages[:1], "  ", Sampling(temperature=0.0, thinking=False))
    assert body["temperature"] == 0.0
    assert "top_p" not in body
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert [each["role"] for each in body["messages"]] == ["user"]


def test_a_text_file_is_fenced_by_more_than_it_holds() -> None:
    (message,) = request_body("m", sample().messages[:1])["messages"]
    assert message["content"] == "File n.txt:\n````\n```\nfenced\n```\n````\n\ntext of q"


def test_an_image_goes_before_the_text() -> None:
    picture = Attachment(name="x.png", kind=AttachmentKind.IMAGE, content="QUJD", media_type="image/png")
    question = sample().messages[0].model_copy(update={"attachments": (picture,)})
    system, message = request_body("m", [question], "Look.")["messages"]
    assert system == {"role": "system", "content": "Look."}
    assert message["content"][0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    assert message["content"][1] == {"type": "text", "text": "text of q"}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n## Hello there\nmore", "Hello there"),
        ("", ""),
        ("word " * 30, "word word word word word word word word word…"),
        ("中" * 60, "中" * 48 + "…"),
    ],
)
def test_a_title_is_the_first_line(text: str, title: str) -> None:
    assert title_of(text) == title
