"""The processor's name as its maker writes it, and the name of the operating system."""

import platform
import re
import sys
from pathlib import Path

_WINDOWS_11 = 22000
"""First build number of Windows 11, whose own version still begins with 10."""


def name_in_cpuinfo(text: str) -> str | None:
    """The first `model name` in Linux's `/proc/cpuinfo`; ARM kernels often write none."""
    match = re.search(r"^(?:model name|Model)\s*:\s*(\S.*)$", text, re.MULTILINE)
    return " ".join(match[1].split()) if match else None


def windows_name(edition: str, build: int) -> str:
    """ "Windows 11 (build 22631)" from the release Python reports and the build number."""
    release = "11" if edition == "10" and build >= _WINDOWS_11 else edition
    return f"Windows {release} (build {build})"


if sys.platform == "win32":
    import winreg

    def processor_name() -> str | None:
        """The name the firmware gives the processor, from the registry; its family and model where that is missing."""
        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
                value, _ = winreg.QueryValueEx(key, "ProcessorNameString")
        except FileNotFoundError:
            value = platform.processor()
        return " ".join(str(value).split()) or None

    def system_name() -> str:
        """Name and build of this Windows."""
        version = sys.getwindowsversion()
        return windows_name(str(version.major), version.build)

else:

    def processor_name() -> str | None:
        """The processor's name; None when the system does not say. Raises OSError when `/proc` cannot be read."""
        cpuinfo = Path("/proc/cpuinfo")
        found = name_in_cpuinfo(cpuinfo.read_text("utf-8", "replace")) if cpuinfo.exists() else None
        return found or platform.processor() or None

    def system_name() -> str:
        """Name of this distribution and its kernel."""
        try:
            name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
        except OSError:
            name = platform.system()
        return f"{name} ({platform.system()} {platform.release()})"
