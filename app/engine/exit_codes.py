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
    0xC0000022: "Windows or an antivirus program denied it access to a file it needs",
    0xC0000428: "Windows does not trust the signature of one of its files",
    0xC0E90002: "a policy of this PC (Smart App Control or its administrator) does not allow it",
    0xC0000906: "an antivirus program takes one of its files for malware",
    0xC0000907: "an antivirus program removed one of its files as malware",
}

_LIBRARY_TROUBLE = (LIBRARY_MISSING, 0xC0000139, 0xC000007B, 0xC0000142)

_GUARDED = (0xC0000022, 0xC0000428, 0xC0E90002, 0xC0000906, 0xC0000907)

_REFUSALS = {
    2: "its file is gone; an antivirus program may have removed it",
    3: "its folder is gone",
    5: "Windows or an antivirus program denies access to it",
    8: "Windows has no memory left for it",
    14: "Windows has no memory left for it",
    32: "another program, often an antivirus program, holds its file open",
    33: "another program, often an antivirus program, holds its file open",
    193: "its file is damaged or no program for this Windows",
    216: "it is made for another kind of processor",
    225: "an antivirus program takes it for malware",
    226: "an antivirus program removed it as malware",
    740: "it asks for administrator rights, which an engine does not need",
    1260: "a policy of this PC's administrator does not allow it",
    1455: "Windows has no memory left for it",
    4551: "a policy of this PC (Smart App Control or its administrator) does not allow it",
    14001: "a library (DLL) it needs was not found",
}
"""By Windows' error number (`winerror.h`), why a program was not even started."""

_GUARDED_REFUSALS = (2, 5, 32, 33, 225, 226, 1260, 4551)

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


def is_library_trouble(returncode: int) -> bool:
    """Whether Windows says with this code that a DLL was not found, does not fit or could not start."""
    return returncode & 0xFFFFFFFF in _LIBRARY_TROUBLE


def is_guarded(returncode: int) -> bool:
    """Whether an antivirus program or a policy ended it, as far as the code tells."""
    return returncode & 0xFFFFFFFF in _GUARDED


def refusal_meaning(code: int | None) -> str | None:
    """The end of a sentence that begins with "the program cannot be started:"; None for a number that tells nothing."""
    return _REFUSALS.get(code) if code is not None else None


def is_guarded_refusal(code: int | None) -> bool:
    """Whether an antivirus program or a policy may be why it could not be started."""
    return code in _GUARDED_REFUSALS


def _signal(number: int) -> str:
    return _SIGNALS.get(number, f"it was ended by signal {number}")


def _number(returncode: int) -> str:
    unsigned = returncode & 0xFFFFFFFF
    return f"0x{unsigned:08X}" if unsigned > 0xFFFF else str(returncode)
