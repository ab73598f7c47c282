"""PURE: what a 64-bit Windows program or DLL needs and offers. Microsoft, "PE Format": sections, directories."""

import struct
from collections.abc import Iterator
from mmap import mmap

PE32_PLUS = 0x20B
"""The kind of optional header that 64-bit files have."""

_EXPORTS, _IMPORTS = 0, 1
_OPTIONAL_HEADER, _DIRECTORIES = 24, 112
_DESCRIPTOR_BYTES = 20
_NAME_LIMIT = 260

Data = bytes | bytearray | mmap


class Image:
    """A file of this format. Raises ValueError when it is none, or one of another kind of processor."""

    def __init__(self, data: Data) -> None:
        self._data = data
        if data[:2] != b"MZ":
            raise ValueError("no Windows program")
        self._header = self._number(0x3C)
        if data[self._header : self._header + 4] != b"PE\0\0":
            raise ValueError("no Windows program")
        if self._number(self._header + _OPTIONAL_HEADER, "<H") != PE32_PLUS:
            raise ValueError("no 64-bit program")
        self._sections = tuple(self._find_sections())

    def entry_point(self) -> int:
        """Where in the file its code begins."""
        return self.place(self._number(self._header + _OPTIONAL_HEADER + 16))

    def imports(self) -> Iterator[str]:
        """The names of the DLLs without which it does not start. Raises ValueError for a damaged file."""
        begin = self._directory(_IMPORTS)
        while begin is not None and (name := self._number(begin + 12)):
            yield self._name(name)
            begin += _DESCRIPTOR_BYTES

    def exports(self) -> dict[str, int]:
        """Name -> place in the file of every function that it offers by name. Raises ValueError for a damaged file."""
        directory = self._directory(_EXPORTS)
        if directory is None:
            return {}
        count, functions, names, ordinals = (self._number(directory + 24 + 4 * index) for index in range(4))
        found = {}
        for index in range(count):
            name = self._name(self._number(self.place(names) + 4 * index))
            ordinal = self._number(self.place(ordinals) + 2 * index, "<H")
            found[name] = self.place(self._number(self.place(functions) + 4 * ordinal))
        return found

    def place(self, address: int) -> int:
        """Where in the file a relative address lies. Raises ValueError for one that lies nowhere."""
        for begin, size, place in self._sections:
            if begin <= address < begin + size:
                return place + address - begin
        raise ValueError(f"no section holds {address:#x}")

    def _find_sections(self) -> Iterator[tuple[int, int, int]]:
        """Address, size and place in the file of each section."""
        count = self._number(self._header + 6, "<H")
        first = self._header + _OPTIONAL_HEADER + self._number(self._header + 20, "<H")
        for index in range(count):
            size, address, raw_size, place = (self._number(first + 40 * index + 8 + 4 * each) for each in range(4))
            yield address, max(size, raw_size), place

    def _directory(self, index: int) -> int | None:
        address = self._number(self._header + _OPTIONAL_HEADER + _DIRECTORIES + 8 * index)
        return self.place(address) if address else None

    def _name(self, address: int) -> str:
        begin = self.place(address)
        text = self._data[begin : begin + _NAME_LIMIT]
        return text[: text.find(b"\0")].decode("ascii", "replace")

    def _number(self, place: int, form: str = "<I") -> int:
        try:
            found: int = struct.unpack_from(form, self._data, place)[0]
        except struct.error as error:
            raise ValueError("it ends too early") from error
        return found
