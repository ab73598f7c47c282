"""Ask Windows for administrator rights for one of the fixed verbs, and hear how it ended (`app.system.elevated`).

Microsoft, "ShellExecuteExW" with the verb `runas`: the user sees the UAC prompt and may refuse, which is an answer and
no error. Only ever from a click of the user.
"""

import asyncio
import enum
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from app.schema.options import ELEVATED_ROLE
from app.system.elevated import Answer, Verb
from app.system.program import own_command

DEADLINE = 120.0
"""Seconds that the helper may take after the user has answered."""


class Ending(enum.Enum):
    """What became of the request."""

    DONE = enum.auto()
    REFUSED = enum.auto()
    FAILED = enum.auto()


@dataclass(frozen=True)
class Elevation:
    """What became of the request, and the end of a sentence that says why when it was not done."""

    ending: Ending
    reason: str = ""


_REASONS = {
    Answer.NOT_UNDERSTOOD: "the helper did not understand the request; is another version of Caravan running?",
    Answer.NOT_ELEVATED: "Windows did not give the helper administrator rights",
    Answer.NOT_INSTALLED: "this works in the installed program only",
    Answer.COMMAND_FAILED: "Windows refused the change",
    Answer.NO_EFFECT: "Windows accepted the change but it had no effect; a policy of your organisation may prevent it",
}


def outcome(code: int) -> Elevation:
    """PURE: the helper's exit code as an answer for a person."""
    if code == Answer.DONE:
        return Elevation(Ending.DONE)
    known = code in set(Answer)
    return Elevation(
        Ending.FAILED, _REASONS[Answer(code)] if known else f"the helper ended with code {code & 0xFFFFFFFF:#x}"
    )


async def elevate(verb: Verb, *arguments: str, deadline: float = DEADLINE) -> Elevation:
    """Do `verb` with administrator rights; waits for the user's answer and then at most `deadline` seconds."""
    command = own_command(ELEVATED_ROLE, verb, *arguments)
    return await asyncio.to_thread(run_elevated, command, deadline)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _NO_CLOSE_PROCESS = 0x40
    _NO_ASYNC = 0x100
    _NO_MESSAGE_BOXES = 0x400
    _HIDDEN = 0
    _ERROR_CANCELLED = 1223
    _WAIT_TIMEOUT = 0x102
    _APARTMENT = 0x2

    class _Execution(ctypes.Structure):
        _fields_ = (
            ("cbSize", wintypes.DWORD),
            ("fMask", wintypes.ULONG),
            ("hwnd", wintypes.HWND),
            ("lpVerb", wintypes.LPCWSTR),
            ("lpFile", wintypes.LPCWSTR),
            ("lpParameters", wintypes.LPCWSTR),
            ("lpDirectory", wintypes.LPCWSTR),
            ("nShow", ctypes.c_int),
            ("hInstApp", wintypes.HINSTANCE),
            ("lpIDList", ctypes.c_void_p),
            ("lpClass", wintypes.LPCWSTR),
            ("hkeyClass", wintypes.HKEY),
            ("dwHotKey", wintypes.DWORD),
            ("hIconOrMonitor", wintypes.HANDLE),
            ("hProcess", wintypes.HANDLE),
        )

    def run_elevated(command: Sequence[str], deadline: float) -> Elevation:
        """Start `command` with administrator rights and wait for its end. Blocking, also while the prompt is shown."""
        ole = ctypes.WinDLL("ole32")
        ole.CoInitializeEx.argtypes, ole.CoInitializeEx.restype = (ctypes.c_void_p, wintypes.DWORD), ctypes.c_long
        is_ours = ole.CoInitializeEx(None, _APARTMENT) >= 0
        try:
            return _executed(command, deadline)
        finally:
            if is_ours:
                ole.CoUninitialize()

    def _executed(command: Sequence[str], deadline: float) -> Elevation:
        program, *arguments = command
        wish = _Execution(
            cbSize=ctypes.sizeof(_Execution),
            fMask=_NO_CLOSE_PROCESS | _NO_ASYNC | _NO_MESSAGE_BOXES,
            lpVerb="runas",
            lpFile=program,
            lpParameters=subprocess.list2cmdline(arguments),
            nShow=_HIDDEN,
        )
        execute = ctypes.WinDLL("shell32", use_last_error=True).ShellExecuteExW
        execute.argtypes, execute.restype = (ctypes.POINTER(_Execution),), wintypes.BOOL
        if execute(ctypes.byref(wish)):
            return _awaited(wish.hProcess, deadline)
        code = ctypes.get_last_error()
        if code == _ERROR_CANCELLED:
            return Elevation(Ending.REFUSED, "you did not allow it")
        return Elevation(Ending.FAILED, f"the helper cannot be started: {ctypes.FormatError(code)}")

    def _awaited(process: int | None, deadline: float) -> Elevation:
        if not process:
            return Elevation(Ending.FAILED, "Windows does not say how the helper ended")
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
        kernel.WaitForSingleObject.restype = wintypes.DWORD
        kernel.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
        kernel.GetExitCodeProcess.restype = wintypes.BOOL
        kernel.CloseHandle.argtypes, kernel.CloseHandle.restype = (wintypes.HANDLE,), wintypes.BOOL
        try:
            # It has more rights than we have, so it cannot be ended from here: it has a deadline of its own.
            if kernel.WaitForSingleObject(process, int(deadline * 1000)) == _WAIT_TIMEOUT:
                return Elevation(Ending.FAILED, f"the helper did not end within {deadline:g} s")
            code = wintypes.DWORD()
            if not kernel.GetExitCodeProcess(process, ctypes.byref(code)):
                return Elevation(Ending.FAILED, "Windows does not say how the helper ended")
            return outcome(code.value)
        finally:
            kernel.CloseHandle(process)

else:

    def run_elevated(command: Sequence[str], deadline: float) -> Elevation:
        """Not here: what the verbs change exists on Windows only."""
        return Elevation(Ending.FAILED, _REASONS[Answer.NOT_INSTALLED])
