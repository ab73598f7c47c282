"""Functions of Wine 10 that end the program or answer wrongly, filled in with their few bytes of code.

- `crealf`, `cimagf`: only stubs. NumPy's Windows wheels call both at import.
- `GetUserNameA`: in a program whose code page is UTF-8, as the packaged one is, it makes room for the name's characters
  and not for its bytes, and hands out memory that nobody wrote. Wine's DPAPI makes its key of the answer, so what one
  process protected the next could not read back when the user is called `Jörg 测试`. Now it answers `user`, always.
  Windows' own DPAPI asks nothing there.
"""

from pathlib import Path

from app.engine.portable_executable import Image

# Microsoft's x64 calling convention: a pair of floats of 8 bytes comes in RCX, a float goes back in XMM0; pointers come
# in RCX and RDX, a number goes back in EAX.
CODE = {
    "ucrtbase.dll": {
        "crealf": "660f6ec1c3",  # movd xmm0, ecx; ret
        "cimagf": "48c1e920660f6ec1c3",  # shr rcx, 32; movd xmm0, ecx; ret
    },
    "advapi32.dll": {
        "GetUserNameA": (
            "833a05"  # cmp dword [rdx], 5
            "c70205000000"  # mov dword [rdx], 5
            "7210"  # jb over the next four
            "c70175736572"  # mov dword [rcx], "user"
            "c6410400"  # mov byte [rcx + 4], 0
            "b801000000"  # mov eax, 1
            "c3"  # ret
            "65488b042530000000"  # mov rax, gs:[0x30]: the thread's block
            "c740687a000000"  # mov dword [rax + 0x68], 0x7a: its last error, ERROR_INSUFFICIENT_BUFFER
            "31c0c3"  # xor eax, eax; ret
        )
    },
}


def fill(folder: Path) -> None:
    """Write the code over the functions of the 64-bit DLLs in `folder`. Raises KeyError for a missing one."""
    for library, functions in CODE.items():
        file = folder / library
        data = bytearray(file.read_bytes())
        exports = Image(bytes(data)).exports()
        for name, text in functions.items():
            code = bytes.fromhex(text)
            begin = exports[name]
            data[begin : begin + len(code)] = code
        half = file.with_suffix(".half")
        half.write_bytes(data)
        half.replace(file)
