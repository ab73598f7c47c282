"""Whether this PC can draw with Vulkan: its loader comes with every current graphics driver."""

import os
import sys
from pathlib import Path

_LINUX_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/run/opengl-driver/lib",
)


def has_vulkan_loader() -> bool:
    """Whether the Vulkan loader is installed. Only looks at files: loading a driver may crash."""
    if sys.platform == "win32":
        root = os.environ.get("SYSTEMROOT", r"C:\Windows")
        return Path(root, "System32", "vulkan-1.dll").is_file()
    return any(Path(folder, "libvulkan.so.1").exists() for folder in _LINUX_FOLDERS)
