"""Windows Python only: what other programs show on the screen, and the messages that Windows itself sends them."""

import ctypes
from ctypes import wintypes
from dataclasses import dataclass

WM_SETTINGCHANGE, WM_QUERYENDSESSION, WM_ENDSESSION = 0x1A, 0x11, 0x16
EVERYBODY = 0xFFFF
LOGOFF = 0x80000000
TRAY = "Shell_TrayWnd"
"""The window class of the taskbar. Wine shows it as long as a tray icon is in it."""

_ABORT_IF_HUNG = 0x2
_PATIENCE_MS = 30_000
_MOST_CHARACTERS = 256


@dataclass(frozen=True)
class Window:
    """A top-level window: its handle, process, class and title."""

    handle: int
    pid: int
    kind: str
    title: str
    is_visible: bool


def windows() -> list[Window]:
    """All top-level windows there are, from the front to the back."""
    found: list[Window] = []

    def look(handle: int, _: int) -> bool:
        found.append(_window(handle))
        return True

    _user().EnumWindows(ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)(look), 0)
    return found


def shown(pid: int) -> list[str]:
    """The titles of a process's windows that a person sees; what has no title is no window to a person."""
    return [each.title for each in windows() if each.pid == pid and each.is_visible and each.title]


def has_tray_icon() -> bool:
    """Whether any program has an icon near the clock."""
    return any(each.kind == TRAY and each.is_visible for each in windows())


def pixel(handle: int, x: int, y: int) -> str:
    """The colour at a place in a window, as `#rrggbb`."""
    user, draw = _user(), ctypes.WinDLL("gdi32")
    user.GetDC.restype = wintypes.HDC
    context = user.GetDC(wintypes.HWND(handle))
    try:
        draw.GetPixel.argtypes, draw.GetPixel.restype = (wintypes.HDC, ctypes.c_int, ctypes.c_int), wintypes.COLORREF
        blue_green_red = draw.GetPixel(context, x, y)
    finally:
        user.ReleaseDC(wintypes.HWND(handle), wintypes.HDC(context))
    return f"#{int.from_bytes(blue_green_red.to_bytes(4, 'little')[:3], 'big'):06x}"


def send(handle: int, message: int, first: int = 0, second: int = 0) -> int:
    """What a window answers to a message, at most after the 5 s that Windows grants. Raises OSError after them."""
    answer = ctypes.c_size_t()
    sent = _user().SendMessageTimeoutW(
        wintypes.HWND(handle),
        message,
        wintypes.WPARAM(first),
        wintypes.LPARAM(second),
        _ABORT_IF_HUNG,
        _PATIENCE_MS,
        ctypes.byref(answer),
    )
    if not sent:
        raise ctypes.WinError(ctypes.get_last_error())
    return answer.value


def tell_settings_changed(what: str) -> None:
    """What Windows tells every window after a person changed `what` in the Settings."""
    name = ctypes.create_unicode_buffer(what)
    send(EVERYBODY, WM_SETTINGCHANGE, 0, ctypes.addressof(name))


def sign_out(pid: int) -> bool:
    """Ask all windows of a process, then tell them that the session ends; whether all of them agreed."""
    own = [each.handle for each in windows() if each.pid == pid]
    agreed = [send(each, WM_QUERYENDSESSION, 0, LOGOFF) for each in own]
    for each in own:
        _tell_the_end(each)
    return all(agreed)


def _tell_the_end(handle: int) -> None:
    """The program may end by the word to another of its windows, also in the middle of this one."""
    try:
        send(handle, WM_ENDSESSION, 1, LOGOFF)
    except OSError:
        if _user().IsWindow(wintypes.HWND(handle)):
            raise


def _window(handle: int) -> Window:
    user, pid = _user(), wintypes.DWORD()
    kind, title = (ctypes.create_unicode_buffer(_MOST_CHARACTERS) for _ in range(2))
    user.GetWindowThreadProcessId(wintypes.HWND(handle), ctypes.byref(pid))
    user.GetClassNameW(wintypes.HWND(handle), kind, _MOST_CHARACTERS)
    user.GetWindowTextW(wintypes.HWND(handle), title, _MOST_CHARACTERS)
    return Window(handle, pid.value, kind.value, title.value, bool(user.IsWindowVisible(wintypes.HWND(handle))))


def _user() -> ctypes.WinDLL:
    return ctypes.WinDLL("user32", use_last_error=True)
