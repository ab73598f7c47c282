"""What a person reads when a model file cannot be used. Each function builds an error; the caller raises it."""

from pathlib import Path

from app.schema.errors import GgufHostile, GgufTruncated, GgufUnsupported, ModelNotFound, ModelUnreadable, NotGguf

_AGAIN = "Download the file again; if the same happens, get it from another source."


def size_words(count: int) -> str:
    """A count of bytes in words for a sentence: `3 bytes`, `1.5 GB`. 1 GB is 2^30, as on Windows and in every list."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} byte" if count == 1 else f"{count} bytes"


def truncated(path: Path, missing: int, at_least: bool = False) -> GgufTruncated:
    """The file ends `missing` bytes too early; `at_least` when only a lower bound is known."""
    some = "at least " if at_least else ""
    exact = f" ({missing} bytes)" if missing >= 1000 else ""
    return GgufTruncated(
        f"The model file {path.name} is incomplete: {some}{size_words(missing)}{exact} are missing at its end.",
        "Wait until its download has finished, or download it again.",
        (str(path),),
    )


def hostile(path: Path, what: str) -> GgufHostile:
    """The header contradicts itself or asks for absurd amounts; `what` completes the sentence."""
    return GgufHostile(f"The model file {path.name} is damaged: {what}.", _AGAIN, (str(path),))


def unsupported(
    path: Path, what: str, hint: str = "Look for an update of Caravan, or use another file."
) -> GgufUnsupported:
    """The file may be fine, but this Caravan cannot read or run it; `what` completes `The model file x`."""
    return GgufUnsupported(f"The model file {path.name} {what}.", hint, (str(path),))


def not_gguf(path: Path, what: str, hint: str = "Choose a file in the GGUF format.") -> NotGguf:
    """Something else than a GGUF file lies at `path`; `what` completes the sentence."""
    return NotGguf(f"{path.name or path} is not a GGUF model file: {what}.", hint, (str(path),))


def unreadable(path: Path, error: OSError | ValueError) -> ModelUnreadable | ModelNotFound:
    """The operating system refuses; says which file and in whose words."""
    if isinstance(error, PermissionError):
        return ModelUnreadable(
            f"The model file {path.name} cannot be opened: this user account may not read it.",
            "Change the permissions of the file, or close the program that holds it open.",
            (str(path),),
        )
    if isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)):
        return ModelNotFound(
            f"There is no model file {path.name} in {path.parent}.",
            "It may have been moved or deleted, or its drive is not connected.",
            (str(path),),
        )
    return ModelUnreadable(
        f"The model file {path.name} cannot be read: {error.strerror or error}.",
        "Check the drive it lies on.",
        (str(path),),
    )
