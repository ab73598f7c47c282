"""One spelling for PCI addresses."""

import re

_ADDRESS = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")


def normal_pci_id(text: str) -> str | None:
    """`0000:01:00.0` for every spelling of that address (NVML writes an eight-digit domain); None for anything else."""
    match = _ADDRESS.fullmatch(text.strip().lower())
    if match is None:
        return None
    domain, bus, device, function = match.groups(default="0")
    return f"{int(domain, 16):04x}:{bus}:{device}.{function}"
