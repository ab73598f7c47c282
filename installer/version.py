"""The version in the forms that Windows wants. `app/__init__.py` says it."""

import re

from app import __version__

COMPANY = "The Caravan developers"
PRODUCT = "Caravan"
DESCRIPTION = "Caravan: one model over the PCs of a LAN"
COPYRIGHT = "Apache-2.0 licence"


def version_numbers(version: str = __version__) -> tuple[int, int, int, int]:
    """Four numbers: `0.1.0` is 0, 1, 0, 0. Raises ValueError for a version that does not begin with numbers."""
    found = re.match(r"\d+(?:\.\d+){0,3}", version)
    if found is None:
        raise ValueError(f"The version {version!r} does not begin with numbers.")
    numbers = [int(part) for part in found.group().split(".")]
    first, second, third, fourth = (*numbers, 0, 0, 0)[:4]
    return first, second, third, fourth
