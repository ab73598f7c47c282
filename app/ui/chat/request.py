"""PURE: what is asked of the model, as the body of `POST /v1/chat/completions`."""

from collections.abc import Sequence
from typing import Any

from app.ui.chat.records import Attachment, AttachmentKind, Author, Message, Sampling


def request_body(
    model: str, path: Sequence[Message], system_prompt: str = "", sampling: Sampling | None = None
) -> dict[str, Any]:
    """The request for the next message of a path. A path that ends with an answer asks to go on with it, which
    llama-server refuses to do where the model would think first.

    What the sampling leaves open is left out, so that the model's own default holds. `return_progress`,
    `timings_per_token` (so that figures are known of an answer that is stopped) and `chat_template_kwargs` are
    llama-server's.
    """
    chosen = (sampling or Sampling()).model_dump(exclude_none=True)
    goes_on = bool(path) and path[-1].author is Author.ASSISTANT
    thinking = False if goes_on else chosen.pop("thinking", None)
    chosen.pop("thinking", None)
    return {
        "model": model,
        "messages": _messages(path, system_prompt),
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "timings_per_token": True,
        **chosen,
        **({} if thinking is None else {"chat_template_kwargs": {"enable_thinking": thinking}}),
    }


def _messages(path: Sequence[Message], system_prompt: str) -> list[dict[str, Any]]:
    said = [{"role": each.author.value, "content": _content(each)} for each in path if each.text or each.attachments]
    return [{"role": "system", "content": system_prompt}, *said] if system_prompt.strip() else said


def _content(message: Message) -> str | list[dict[str, Any]]:
    texts = [_quoted(each) for each in message.attachments if each.kind is AttachmentKind.TEXT]
    text = "\n\n".join([*texts, message.text]) if texts else message.text
    images = [_image(each) for each in message.attachments if each.kind is AttachmentKind.IMAGE]
    return [*images, {"type": "text", "text": text}] if images else text


def _quoted(attachment: Attachment) -> str:
    """A file as a fenced block; the fence is longer than any in the file."""
    longest = current = 0
    for sign in attachment.content:
        current = current + 1 if sign == "`" else 0
        longest = max(longest, current)
    fence = "`" * max(3, longest + 1)
    name = "".join(sign for sign in attachment.name if sign.isprintable() and sign != "`")
    return f"File {name}:\n{fence}\n{attachment.content.rstrip()}\n{fence}"


def _image(attachment: Attachment) -> dict[str, Any]:
    url = f"data:{attachment.media_type};base64,{attachment.content}"
    return {"type": "image_url", "image_url": {"url": url}}


def title_of(text: str, columns: int = 48) -> str:
    """A title for a conversation, from its first message: its first line, cut at a word."""
    line = next((line.strip(" #>*`-\t") for line in text.splitlines() if line.strip(" #>*`-\t")), "")
    line = "".join(sign for sign in line if sign.isprintable())
    if len(line) <= columns:
        return line
    cut = line[:columns]
    return (cut.rsplit(" ", 1)[0] if " " in cut[columns // 2 :] else cut).rstrip(" ,.;:") + "…"
