"""Which kind of network each adapter is in, as Windows sees it. Windows lets nobody in from a Public network.

Read without elevation through the Network List Manager (Microsoft, `netlistmgr.h`), whose answers are not translated
text. Blocking: call it off the event loop. Elsewhere there are no such kinds and the answer is unknown.
"""

import sys
import uuid
from dataclasses import dataclass
from enum import StrEnum


class NetworkCategory(StrEnum):
    """What the user, or the domain, said about a network."""

    PUBLIC = "public"
    PRIVATE = "private"
    DOMAIN = "domain"


@dataclass(frozen=True)
class ConnectedNetwork:
    """A network that one adapter is in now. `adapter` is the adapter's GUID; `name` is empty when it has none."""

    name: str
    category: NetworkCategory
    adapter: uuid.UUID


if sys.platform == "win32":
    import contextlib
    import ctypes
    import logging
    import winreg
    from collections.abc import Iterator
    from ctypes import wintypes
    from typing import Any

    _CLASS = uuid.UUID("dcb00c01-570f-4a9b-8d69-199fdba5723b")
    _MANAGER = uuid.UUID("dcb00000-570f-4a9b-8d69-199fdba5723b")
    _IN_PROCESS_OR_LOCAL_SERVER = 0x1 | 0x4
    _MULTITHREADED = 0
    _MODE_ALREADY_CHOSEN = -2147417850  # RPC_E_CHANGED_MODE

    # Places in the tables of functions: three of IUnknown, four of IDispatch, then each interface's own in its order.
    _RELEASE = 2
    _MANAGER_CONNECTIONS = 9
    _CONNECTIONS_NEXT = 8
    _CONNECTION_NETWORK = 7
    _CONNECTION_ADAPTER = 12
    _NETWORK_NAME = 7
    _NETWORK_CATEGORY = 18

    _CATEGORIES = {0: NetworkCategory.PUBLIC, 1: NetworkCategory.PRIVATE, 2: NetworkCategory.DOMAIN}

    _ADAPTERS = r"SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"

    _log = logging.getLogger("caravan.system")

    class _Guid(ctypes.Structure):
        _fields_ = (("data", ctypes.c_byte * 16),)

    def _guid(value: uuid.UUID) -> _Guid:
        return _Guid.from_buffer_copy(value.bytes_le)

    def networks() -> tuple[ConnectedNetwork, ...] | None:
        """The networks that adapters are in now, None when Windows does not say."""
        try:
            with _com():
                return tuple(_read())
        except OSError as error:
            _log.info("Windows does not say which networks this PC is in: %s", error)
            return None

    @contextlib.contextmanager
    def _com() -> Iterator[None]:
        ole = ctypes.WinDLL("ole32")
        ole.CoInitializeEx.argtypes, ole.CoInitializeEx.restype = (ctypes.c_void_p, wintypes.DWORD), ctypes.c_long
        code = ole.CoInitializeEx(None, _MULTITHREADED)
        if code < 0 and code != _MODE_ALREADY_CHOSEN:
            raise ctypes.WinError(code)
        try:
            yield
        finally:
            if code >= 0:
                ole.CoUninitialize()

    def _read() -> Iterator[ConnectedNetwork]:
        with _created() as manager, _got(manager, _MANAGER_CONNECTIONS) as connections:
            while (connection := _next(connections)) is not None:
                with _released(connection), _got(connection, _CONNECTION_NETWORK) as network:
                    adapter, category = _Guid(), ctypes.c_int()
                    _call(connection, _CONNECTION_ADAPTER, ctypes.byref(adapter))
                    _call(network, _NETWORK_CATEGORY, ctypes.byref(category))
                    known = _CATEGORIES.get(category.value)
                    if known is not None:
                        yield ConnectedNetwork(_name(network), known, uuid.UUID(bytes_le=bytes(adapter)))

    @contextlib.contextmanager
    def _created() -> Iterator[int]:
        create = ctypes.OleDLL("ole32").CoCreateInstance
        create.argtypes = (
            ctypes.POINTER(_Guid),
            ctypes.c_void_p,
            wintypes.DWORD,
            ctypes.POINTER(_Guid),
            ctypes.POINTER(ctypes.c_void_p),
        )
        found = ctypes.c_void_p()
        create(_guid(_CLASS), None, _IN_PROCESS_OR_LOCAL_SERVER, _guid(_MANAGER), ctypes.byref(found))
        with _released(found.value or 0) as manager:
            yield manager

    @contextlib.contextmanager
    def _got(owner: int, place: int) -> Iterator[int]:
        found = ctypes.c_void_p()
        _call(owner, place, ctypes.byref(found))
        with _released(found.value or 0) as object_:
            yield object_

    @contextlib.contextmanager
    def _released(object_: int) -> Iterator[int]:
        try:
            yield object_
        finally:
            _call(object_, _RELEASE, is_count=True)

    def _next(connections: int) -> int | None:
        found, count = ctypes.c_void_p(), wintypes.ULONG()
        _call(connections, _CONNECTIONS_NEXT, wintypes.ULONG(1), ctypes.byref(found), ctypes.byref(count))
        return found.value if count.value else None

    def _name(network: int) -> str:
        text = ctypes.c_void_p()
        # A network without a name is still in a category.
        with contextlib.suppress(OSError):
            _call(network, _NETWORK_NAME, ctypes.byref(text))
        free = ctypes.WinDLL("oleaut32").SysFreeString
        free.argtypes, free.restype = (ctypes.c_void_p,), None
        try:
            return ctypes.wstring_at(text.value) if text.value else ""
        finally:
            free(text)

    def _call(object_: int, place: int, *arguments: Any, is_count: bool = False) -> int:
        """Call a function of a COM object by its place in the table. Raises OSError for a failure."""
        table = ctypes.cast(object_, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
        kinds = [type(each) if isinstance(each, wintypes.ULONG) else ctypes.c_void_p for each in arguments]
        function = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *kinds)(table[place] or 0)
        code = function(object_, *arguments)
        if code < 0 and not is_count:
            raise ctypes.WinError(code)
        return int(code)

    def adapter_name(adapter: uuid.UUID) -> str | None:
        """What people call an adapter (`Ethernet`), None when Windows has no name for it. Blocking."""
        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE, rf"{_ADAPTERS}\{{{str(adapter).upper()}}}\Connection"
            ) as key:
                name = winreg.QueryValueEx(key, "Name")[0]
        except OSError:
            return None
        return name if isinstance(name, str) else None

    def adapter_index(adapter: uuid.UUID) -> int | None:
        """The number by which Windows' own commands know an adapter; None when there is no such adapter."""
        helper = ctypes.WinDLL("iphlpapi")
        helper.ConvertInterfaceGuidToLuid.argtypes = (ctypes.POINTER(_Guid), ctypes.POINTER(ctypes.c_ulonglong))
        helper.ConvertInterfaceLuidToIndex.argtypes = (
            ctypes.POINTER(ctypes.c_ulonglong),
            ctypes.POINTER(wintypes.ULONG),
        )
        luid, index = ctypes.c_ulonglong(), wintypes.ULONG()
        if helper.ConvertInterfaceGuidToLuid(_guid(adapter), ctypes.byref(luid)):
            return None
        if helper.ConvertInterfaceLuidToIndex(ctypes.byref(luid), ctypes.byref(index)):
            return None
        return index.value or None

else:

    def networks() -> tuple[ConnectedNetwork, ...] | None:
        """Unknown: this system puts networks into no categories."""
        return None

    def adapter_name(adapter: uuid.UUID) -> str | None:
        """Unknown here."""
        return None

    def adapter_index(adapter: uuid.UUID) -> int | None:
        """Unknown here."""
        return None
