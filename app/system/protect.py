"""Protect a small secret at rest so that only this user on this PC can read it back.

On Windows by DPAPI (Microsoft, "CryptProtectData": the user's own key, no dialog). Elsewhere there is nothing to call:
the file's mode 0600 protects it, and the data passes unchanged.
"""

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _UI_FORBIDDEN = 0x1

    class _Blob(ctypes.Structure):
        _fields_ = (("size", wintypes.DWORD), ("data", ctypes.c_void_p))

    def protect(data: bytes) -> bytes:
        """`data` as only this user on this PC can read it. Raises OSError."""
        return _through("CryptProtectData", data)

    def unprotect(data: bytes) -> bytes:
        """What `protect` was given. Raises OSError when another user or another PC protected it, or it is damaged."""
        return _through("CryptUnprotectData", data)

    def _through(function: str, data: bytes) -> bytes:
        given = ctypes.create_string_buffer(data, max(len(data), 1))
        source = _Blob(len(data), ctypes.cast(given, ctypes.c_void_p))
        result = _Blob()
        if not _call(function)(ctypes.byref(source), None, None, None, None, _UI_FORBIDDEN, ctypes.byref(result)):
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            return ctypes.string_at(result.data or 0, result.size)
        finally:
            _local_free()(result.data)

    def _call(function: str) -> "ctypes._NamedFuncPointer":
        call = getattr(ctypes.WinDLL("crypt32", use_last_error=True), function)
        # The last five: description, entropy, reserved, dialog, flags; then the result.
        call.argtypes = (
            ctypes.POINTER(_Blob),
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_void_p,
            wintypes.DWORD,
            ctypes.POINTER(_Blob),
        )
        call.restype = wintypes.BOOL
        return call  # type: ignore[no-any-return]

    def _local_free() -> "ctypes._NamedFuncPointer":
        free = ctypes.WinDLL("kernel32").LocalFree
        free.argtypes = (ctypes.c_void_p,)
        free.restype = ctypes.c_void_p
        return free

else:

    def protect(data: bytes) -> bytes:
        """`data` unchanged: here the mode of the file protects it."""
        return data

    def unprotect(data: bytes) -> bytes:
        """`data` unchanged."""
        return data
