"""Files that go with a message: read, checked, and refused with a sentence. Reads the disk: not on the main thread."""

import base64
from pathlib import Path

from app.schema.errors import InputError
from app.system.files import plain_reason
from app.ui.chat.records import Attachment, AttachmentKind

TEXT_BYTES = 512 * 1024
IMAGE_BYTES = 3 * 1024 * 1024
_LOOK_BYTES = 8192

# What llama.cpp's image reader knows, by the first bytes of a file: https://github.com/nothings/stb, stb_image.h.
_IMAGES = {b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_attachment(path: Path, takes_images: bool) -> Attachment:
    """A file as an attachment. Raises InputError that names it: too large, not text, an image nobody can look at."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            content = file.read(max(TEXT_BYTES, IMAGE_BYTES) + 1)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {plain_reason(error)}.", "Choose another file.") from error
    kind = image_type(content)
    if kind is not None:
        return image(path.name, content, kind, takes_images, size)
    return _text(path.name, content, size)


def image_type(content: bytes) -> str | None:
    """The media type of an image that the engine can read, None for everything else."""
    return next((kind for start, kind in _IMAGES.items() if content.startswith(start)), None)


def image(name: str, content: bytes, media_type: str, takes_images: bool, size: int | None = None) -> Attachment:
    """An image as an attachment. Raises InputError."""
    if not takes_images:
        raise InputError(
            f"The model cannot look at images, so {name} was not added.", "Launch a model that comes with a projector."
        )
    if (size or len(content)) > IMAGE_BYTES:
        raise InputError(f"{name} is larger than {IMAGE_BYTES >> 20} MB.", "Make the image smaller.")
    encoded = base64.b64encode(content).decode("ascii")
    return Attachment(name=name, kind=AttachmentKind.IMAGE, content=encoded, media_type=media_type)


def _text(name: str, content: bytes, size: int) -> Attachment:
    encoding = next((found for mark, found in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and b"\0" in content[:_LOOK_BYTES]:
        raise InputError(f"{name} is not a text file.", "Text and code files can go with a message.")
    if size > TEXT_BYTES:
        raise InputError(
            f"{name} is too long to go with a message: {size / 1024:.0f} KB.",
            f"Text files up to {TEXT_BYTES >> 10} KB fit; copy the part that matters.",
        )
    return Attachment(name=name, kind=AttachmentKind.TEXT, content=decoded(content, encoding))


def decoded(content: bytes, encoding: str | None) -> str:
    """The text of a file: by its mark, as UTF-8, or else as Windows writes Western text."""
    for each in (encoding or "utf-8", "cp1252"):
        try:
            return content.decode(each).replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", "replace")
