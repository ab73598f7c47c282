"""Windows: hear that the session ends, in a program that has no console or has loaded `user32.dll`.

Such a program is not told by a console handler (Microsoft, "SetConsoleCtrlHandler", remarks), only by the messages
WM_QUERYENDSESSION and WM_ENDSESSION to its top-level windows. This is a hidden one with a thread of its own.
"""

import ctypes
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger("caravan.system")

CLASS_NAME = "CaravanSessionEnd"
"""The window class, by which tests and other programs can find the window."""

WM_DESTROY, WM_CLOSE, WM_QUERYENDSESSION, WM_ENDSESSION = 0x2, 0x10, 0x11, 0x16

if sys.platform == "win32":
    from ctypes import wintypes

    _Procedure = ctypes.WINFUNCTYPE(
        ctypes.c_ssize_t, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM, use_last_error=True
    )

    class _Class(ctypes.Structure):
        _fields_ = (
            ("style", wintypes.UINT),
            ("procedure", _Procedure),
            ("class_extra", ctypes.c_int),
            ("window_extra", ctypes.c_int),
            ("instance", wintypes.HINSTANCE),
            ("icon", wintypes.HANDLE),
            ("cursor", wintypes.HANDLE),
            ("background", wintypes.HANDLE),
            ("menu", wintypes.LPCWSTR),
            ("name", wintypes.LPCWSTR),
        )

    def _user() -> ctypes.WinDLL:
        user = ctypes.WinDLL("user32", use_last_error=True)
        window, number, text = wintypes.HWND, wintypes.UINT, wintypes.LPCWSTR
        message = (window, number, wintypes.WPARAM, wintypes.LPARAM)
        four = (ctypes.c_int,) * 4
        for name, result, arguments in (
            ("RegisterClassW", wintypes.ATOM, (ctypes.POINTER(_Class),)),
            ("UnregisterClassW", wintypes.BOOL, (text, wintypes.HINSTANCE)),
            (
                *("CreateWindowExW", window),
                (wintypes.DWORD, text, text, wintypes.DWORD, *four, window, wintypes.HANDLE, wintypes.HANDLE, None),
            ),
            ("DefWindowProcW", ctypes.c_ssize_t, message),
            ("PostMessageW", wintypes.BOOL, message),
            ("PostQuitMessage", None, (ctypes.c_int,)),
            ("DestroyWindow", wintypes.BOOL, (window,)),
            ("GetMessageW", wintypes.BOOL, (ctypes.POINTER(wintypes.MSG), window, number, number)),
            ("DispatchMessageW", ctypes.c_ssize_t, (ctypes.POINTER(wintypes.MSG),)),
        ):
            function = getattr(user, name)
            function.restype = result
            function.argtypes = tuple(ctypes.c_void_p if each is None else each for each in arguments)
        return user

    class _Window:
        """The window and its thread: `open`, then `close`, from one other thread. Neither waits: it is the loop's."""

        def __init__(self, on_end: Callable[[], object]) -> None:
            self._on_end = on_end
            self._user = _user()
            self._procedure = _Procedure(self._handle)
            self._window: int | None = None
            self._is_closing = False
            self._thread = threading.Thread(target=self._run, name="end of session", daemon=True)

        def open(self) -> None:
            """Returns at once; the first window of a session may take Windows a while."""
            self._thread.start()

        def close(self) -> None:
            self._is_closing = True
            self._ask_to_close()

        def _ask_to_close(self) -> None:
            if self._window is not None:
                self._user.PostMessageW(self._window, WM_CLOSE, 0, 0)

        def _run(self) -> None:
            name, instance = f"{CLASS_NAME}-{threading.get_native_id()}", None
            self._user.RegisterClassW(ctypes.byref(_Class(procedure=self._procedure, name=name)))
            self._window = self._user.CreateWindowExW(0, name, CLASS_NAME, 0, 0, 0, 0, 0, None, None, instance, None)
            if self._is_closing:
                self._ask_to_close()
            if self._window is None:
                _log.info("Windows gives no window, so the end of the session will not be heard")
            message = wintypes.MSG()
            while self._window is not None and self._user.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
                self._user.DispatchMessageW(ctypes.byref(message))
            self._user.UnregisterClassW(name, instance)

        def _handle(self, window: int, message: int, first: int, second: int) -> int:
            if message == WM_QUERYENDSESSION:
                return 1
            if message == WM_ENDSESSION:
                if first:
                    self._on_end()
                return 0
            if message == WM_CLOSE:
                self._user.DestroyWindow(window)
                return 0
            if message == WM_DESTROY:
                self._user.PostQuitMessage(0)
                return 0
            return int(self._user.DefWindowProcW(window, message, first, second))

    @contextmanager
    def session_window(on_end: Callable[[], object]) -> Iterator[None]:
        """Call `on_end` in a thread of our own when the session ends; Windows waits some seconds for its return."""
        window = _Window(on_end)
        window.open()
        try:
            yield
        finally:
            window.close()

else:

    @contextmanager
    def session_window(on_end: Callable[[], object]) -> Iterator[None]:
        """Does nothing: here a signal tells it."""
        yield
