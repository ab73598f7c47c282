"""Functions that Wine 10's C library only has as stubs which end the program, filled in with their few bytes of code.

NumPy's Windows wheels call both at import. The layout of the file is Microsoft's "PE Format": headers, sections,
export directory.
"""

import struct
from pathlib import Path

# A pair of floats of 8 bytes comes in RCX, a float goes back in XMM0: Microsoft's x64 calling convention.
CODE = {
    "crealf": bytes.fromhex("660f6ec1c3"),  # movd xmm0, ecx; ret
    "cimagf": bytes.fromhex("48c1e920660f6ec1c3"),  # shr rcx, 32; movd xmm0, ecx; ret
}


def fill(library: Path) -> None:
    """Write the code over the stubs of a 64-bit DLL. Raises KeyError when a function is not exported at all."""
    data = bytearray(library.read_bytes())
    exports = exported(data)
    for name, code in CODE.items():
        begin = exports[name]
        data[begin : begin + len(code)] = code
    library.write_bytes(data)


def exported(data: bytes | bytearray) -> dict[str, int]:
    """Name -> place in the file of every function that a 64-bit DLL exports by name."""
    header = _number(data, 0x3C, "<I")
    sections = _sections(data, header)
    directory = _place(_number(data, header + 24 + 112, "<I"), sections)
    count, functions, names, ordinals = struct.unpack_from("<4I", data, directory + 24)
    found = {}
    for index in range(count):
        name_at = _place(_number(data, _place(names, sections) + 4 * index, "<I"), sections)
        ordinal = _number(data, _place(ordinals, sections) + 2 * index, "<H")
        address = _number(data, _place(functions, sections) + 4 * ordinal, "<I")
        found[data[name_at : data.index(0, name_at)].decode("ascii")] = _place(address, sections)
    return found


def _sections(data: bytes | bytearray, header: int) -> list[tuple[int, int, int]]:
    """Address, size and place in the file of each section."""
    count, first = _number(data, header + 6, "<H"), header + 24 + _number(data, header + 20, "<H")
    found = []
    for index in range(count):
        size, address, raw_size, place = struct.unpack_from("<4I", data, first + 40 * index + 8)
        found.append((address, max(size, raw_size), place))
    return found


def _place(address: int, sections: list[tuple[int, int, int]]) -> int:
    return next(place + address - begin for begin, size, place in sections if begin <= address < begin + size)


def _number(data: bytes | bytearray, place: int, form: str) -> int:
    found: int = struct.unpack_from(form, data, place)[0]
    return found
