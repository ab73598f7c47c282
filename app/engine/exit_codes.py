"""PURE: what the exit code of an engine program means, in plain words.

Sources: POSIX signals as Python reports them (negative), shell conventions (126, 127, 128 + signal), and the Windows
NTSTATUS values that loader and run-time library end a process with (`ntstatus.h`).
"""

LIBRARY_MISSING = 0xC0000135
"""NTSTATUS of a program whose DLL was not found."""

_WINDOWS = {
    LIBRARY_MISSING: "a library (DLL) it needs was not found",
    0xC0000139: "a library (DLL) it needs has the wrong version",
    0xC000007B: "a library (DLL) it needs is for another kind of processor",
    0xC0000142: "a library (DLL) it needs could not start",
    0xC0000005: "it crashed: it touched memory that is not its own",
    0xC000001D: "this processor lacks an instruction it uses",
    0xC0000094: "it crashed: a division by zero",
    0xC00000FD: "it crashed: its stack overflowed",
    0xC0000017: "Windows had no memory left for it",
    0xC000012D: "Windows had no memory left for it",
    0xC0000374: "it crashed: its memory was damaged",
    0xC0000409: "it gave up after an error it could not handle",
    0xC000013A: "it was interrupted",
    0x40010004: "it was ended from outside",
}

_SIGNALS = {
    1: "its session ended",
    2: "it was interrupted",
    4: "this processor lacks an instruction it uses",
    6: "it gave up after an error it could not handle",
    7: "it crashed: a file it was reading became shorter, or the disk failed",
    8: "it crashed: a wrong calculation",
    9: "it was killed from outside; the system does that when memory runs out",
    11: "it crashed: it touched memory that is not its own",
    13: "the program it was talking to went away",
    15: "it was asked to end",
}
"""By Linux's numbers (`signal(7)`): a Windows PC names only a few of them, and it is told how a peer's engine ended."""


def exit_meaning(returncode: int) -> str:
    """The end of a sentence that begins with "the program ended:". Any integer is accepted, signed or not."""
    if returncode == 0:
        return "it ended without an error"
    if returncode < 0 and -returncode < 128:
        return _signal(-returncode)
    known = _WINDOWS.get(returncode & 0xFFFFFFFF)
    if known is not None:
        return known
    if 128 < returncode < 192:
        return _signal(returncode - 128)
    if returncode == 127:
        return "it or a library it needs was not found"
    if returncode == 126:
        return "the system does not allow it to run"
    return f"it ended with code {_number(returncode)}"


def is_library_missing(returncode: int) -> bool:
    """Whether Windows says with this code that a DLL was not found."""
    return returncode & 0xFFFFFFFF == LIBRARY_MISSING


def _signal(number: int) -> str:
    return _SIGNALS.get(number, f"it was ended by signal {number}")


def _number(returncode: int) -> str:
    unsigned = returncode & 0xFFFFFFFF
    return f"0x{unsigned:08X}" if unsigned > 0xFFFF else str(returncode)
