"""A folder's path for programs that read paths in the code page of the system, where other characters are lost.

llama.cpp takes its cache folder from an environment variable that way. Windows has a short ASCII name for most
folders (Microsoft, "GetShortPathNameW"); where these are switched off, a folder of this user below `%ProgramData%`
stands in. Elsewhere paths are bytes, and any will do.
"""

import logging
import sys
from pathlib import Path

_log = logging.getLogger("caravan.system")

if sys.platform == "win32":
    import ctypes
    import hashlib
    import os
    import stat
    from ctypes import wintypes

    _TOKEN_QUERY = 0x8
    _TOKEN_USER = 1
    _OWNER = 0x1
    _FILE_OBJECT = 1
    _SDDL_REVISION = 1
    _ERROR_ALREADY_EXISTS = 183
    _ADMINISTRATORS = "S-1-5-32-544"

    class _SecurityAttributes(ctypes.Structure):
        _fields_ = (
            ("nLength", wintypes.DWORD),
            ("lpSecurityDescriptor", ctypes.c_void_p),
            ("bInheritHandle", wintypes.BOOL),
        )

    class _Security:
        """The calls about users and access lists. Raises OSError."""

        def __init__(self) -> None:
            self._advapi = ctypes.WinDLL("advapi32", use_last_error=True)
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            pointer, number = ctypes.c_void_p, wintypes.DWORD
            pointers, text = ctypes.POINTER(ctypes.c_void_p), wintypes.LPCWSTR
            for library, name, result, arguments in (
                (self._kernel, "GetCurrentProcess", wintypes.HANDLE, ()),
                (self._kernel, "CloseHandle", wintypes.BOOL, (wintypes.HANDLE,)),
                (self._kernel, "LocalFree", pointer, (pointer,)),
                (self._kernel, "CreateDirectoryW", wintypes.BOOL, (text, pointer)),
                (self._advapi, "OpenProcessToken", wintypes.BOOL, (wintypes.HANDLE, number, pointers)),
                (
                    *(self._advapi, "GetTokenInformation", wintypes.BOOL),
                    (pointer, ctypes.c_int, pointer, number, ctypes.POINTER(number)),
                ),
                (self._advapi, "ConvertSidToStringSidW", wintypes.BOOL, (pointer, pointers)),
                (
                    *(self._advapi, "ConvertStringSecurityDescriptorToSecurityDescriptorW", wintypes.BOOL),
                    (text, number, pointers, pointer),
                ),
                (
                    *(self._advapi, "GetNamedSecurityInfoW", number),
                    (text, ctypes.c_int, number, pointers, pointers, pointers, pointers, pointers),
                ),
            ):
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments

        def user(self) -> str:
            """The security identifier of the user we run as."""
            token = ctypes.c_void_p()
            _checked(self._advapi.OpenProcessToken(self._kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)))
            try:
                buffer, size = ctypes.create_string_buffer(256), wintypes.DWORD()
                _checked(self._advapi.GetTokenInformation(token, _TOKEN_USER, buffer, 256, ctypes.byref(size)))
                # The answer begins with a pointer to the identifier.
                return self._text(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_void_p))[0])
            finally:
                self._kernel.CloseHandle(token)

        def owner(self, folder: Path) -> str:
            """The security identifier of a folder's owner."""
            owner, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
            code = self._advapi.GetNamedSecurityInfoW(
                str(folder), _FILE_OBJECT, _OWNER, ctypes.byref(owner), None, None, None, ctypes.byref(descriptor)
            )
            if code:
                raise ctypes.WinError(code)
            try:
                return self._text(owner.value)
            finally:
                self._kernel.LocalFree(descriptor)

        def make_private(self, folder: Path, user: str) -> None:
            """Make a folder that only `user`, administrators and the system may enter. One that is there is left."""
            rights = "".join(f"(A;OICI;FA;;;{who})" for who in ("SY", "BA", user))
            descriptor = ctypes.c_void_p()
            _checked(
                self._advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                    f"D:P{rights}", _SDDL_REVISION, ctypes.byref(descriptor), None
                )
            )
            try:
                attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), descriptor, False)
                made = self._kernel.CreateDirectoryW(str(folder), ctypes.byref(attributes))
                if not made and ctypes.get_last_error() != _ERROR_ALREADY_EXISTS:
                    raise ctypes.WinError(ctypes.get_last_error())
            finally:
                self._kernel.LocalFree(descriptor)

        def _text(self, identifier: int | None) -> str:
            text = ctypes.c_void_p()
            _checked(self._advapi.ConvertSidToStringSidW(identifier, ctypes.byref(text)))
            try:
                return ctypes.wstring_at(text.value or 0)
            finally:
                self._kernel.LocalFree(text)

    def _checked(result: int) -> None:
        if not result:
            raise ctypes.WinError(ctypes.get_last_error())

    def short_name(folder: Path) -> Path:
        """The folder's short name, or the folder itself where it has none. It must exist."""
        call = ctypes.WinDLL("kernel32", use_last_error=True).GetShortPathNameW
        call.argtypes = (wintypes.LPCWSTR, wintypes.LPWSTR, wintypes.DWORD)
        call.restype = wintypes.DWORD
        needed = call(str(folder), None, 0)
        text = ctypes.create_unicode_buffer(needed + 1)
        return Path(text.value) if needed and call(str(folder), text, needed + 1) else folder

    def common_folder(program_data: Path) -> Path:
        """This user's own folder below `program_data`, made when it is missing. Raises OSError.

        It lies there directly: who owns a folder between could exchange ours. One that a stranger made is refused.
        """
        security = _Security()
        user = security.user()
        folder = program_data / f"Caravan-{hashlib.sha256(user.encode()).hexdigest()[:16]}"
        security.make_private(folder, user)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
            raise NotADirectoryError(f"{folder} is no folder")
        if security.owner(folder) not in (user, _ADMINISTRATORS):
            raise PermissionError(f"{folder} belongs to somebody else")
        return folder

    def engine_cache_folder(folder: Path) -> Path:
        """`folder`, which exists, by a path in ASCII; another folder of this user when it has none. Blocking.

        As the last resort `folder` itself: the engine then does without a cache.
        """
        if str(folder).isascii():
            return folder
        short = short_name(folder)
        if str(short).isascii():
            return short
        program_data = Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData"))
        try:
            return common_folder(program_data)
        except OSError as error:
            _log.warning("There is no folder whose path the engine can read: %s", error)
            return folder

else:

    def engine_cache_folder(folder: Path) -> Path:
        """`folder`: the engine reads any path here."""
        return folder
