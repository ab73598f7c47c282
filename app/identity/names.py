"""Names of PCs as they come from elsewhere: short, printable, one line."""

import unicodedata

NAME_LIMIT = 64
"""Characters."""


def clean_name(text: str) -> str:
    """`text` when it may be shown as the name of a PC. Raises ValueError: too long, empty, or with hidden characters.

    Control and format characters (line breaks, colour codes, reversed writing) could make a name look like another.
    """
    if not text.strip() or len(text) > NAME_LIMIT:
        raise ValueError("a name has 1 to 64 characters")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text):
        raise ValueError("a name holds no hidden characters")
    return text.strip()


def own_name(text: str) -> str:
    """This PC's name as others accept it: hidden characters dropped, cut to size, never empty."""
    kept = "".join(each for each in text if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return kept.strip()[:NAME_LIMIT].strip() or "a PC"
