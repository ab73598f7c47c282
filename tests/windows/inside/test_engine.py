"""The Windows build of llama.cpp, asked by our own code."""

import asyncio
import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from ctypes import wintypes
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.commands import HeadSpec, fit_command, head_command
from app.engine.fit import measure
from app.engine.locate import Candidate, Places, locate
from app.engine.portable_executable import Image
from app.schema.engine import EngineBuild
from app.schema.errors import EngineBroken, EngineLibraryMissing, EngineMissing
from app.schema.plan import KvType
from app.system.paths import resources_folder
from app.system.spawn import run_short

GENERIC_READ, OPEN_EXISTING = 0x80000000, 3
MODEL = resources_folder() / "demo_model" / "caravan-demo.gguf"


@pytest.fixture
async def build() -> EngineBuild:
    return await Prober().probe(await locate(Places(), os.environ))


async def test_it_is_found_with_its_helpers_and_says_what_it_can(build: EngineBuild, engine_folder: Path) -> None:
    assert build.server == str(engine_folder / "llama-server.exe")
    assert build.worker == str(engine_folder / "ggml-rpc-server.exe")
    assert build.fit_params == str(engine_folder / "llama-fit-params.exe")
    assert {"--rpc", "--jinja", "-fa", "--alias"} <= build.flags


async def test_it_runs_from_a_folder_with_an_awkward_name(engine_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "llama ü 测试 🐪"
    shutil.copytree(engine_folder, folder)
    build = await Prober().probe(await locate(Places(setting=folder), {}))
    assert build.server == str(folder / "llama-server.exe")


def head(model: Path) -> HeadSpec:
    return HeadSpec(
        model_path=str(model),
        alias="demo",
        port=1,
        api_key="secret",
        rpc_endpoints=(),
        devices=(),
        gpu_layers=0,
        tensor_split=(),
        context=512,
        slots=1,
        kv_type=KvType.F16,
        threads=1,
    )


async def test_it_takes_the_command_line_and_measures_a_model_in_an_awkward_place(
    build: EngineBuild, tmp_path: Path
) -> None:
    model = tmp_path / "the demo (copy) ü 测试.gguf"
    shutil.copyfile(MODEL, model)
    command = fit_command(build, head(model))
    assert command is not None
    assert await measure(command, "this PC", {})


async def test_every_option_of_the_head_is_known_to_it(build: EngineBuild) -> None:
    argv = head_command(build, head(MODEL)).argv
    done = await run_short((*argv, "--version"), deadline=60)
    assert done.returncode == 0, done


async def test_a_missing_dll_is_told_as_one(engine_folder: Path, tmp_path: Path) -> None:
    """An import table that names a DLL that is nowhere: Windows ends the program with 0xC0000135 before it begins."""
    program = tmp_path / "llama-server.exe"
    data = (engine_folder / "llama-server.exe").read_bytes()
    library = b"WS2_32.dll\0"
    assert library in data
    program.write_bytes(data.replace(library, b"NOWHERE.dl\0"))
    with pytest.raises(EngineLibraryMissing) as caught:
        await Prober().probe(Candidate(server=program, worker=program, fit_params=None, source="setting"))
    assert caught.value.sentence == "llama-server.exe cannot start: library NOWHERE.dl was not found."
    assert "Visual C++" in caught.value.hint


async def test_a_missing_runtime_of_microsofts_is_told_with_its_name(engine_folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "llama-server.exe"
    data = (engine_folder / "llama-server.exe").read_bytes()
    program.write_bytes(data.replace(b"WS2_32.dll\0", b"VCRUNTIME9\0"))
    with pytest.raises(EngineLibraryMissing) as caught:
        await Prober().probe(Candidate(server=program, worker=program, fit_params=None, source="setting"))
    assert "VCRUNTIME9" in caught.value.sentence
    assert caught.value.hint.startswith("Install the Microsoft Visual C++ Redistributable (x64)")


ABORT = bytes.fromhex("b907000000cd29")
"""mov ecx, 7; int 0x29: how Microsoft's C library ends a program that gave up (`__fastfail`), with 0xC0000409."""


async def test_an_abort_is_told_as_one(engine_folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "llama-server.exe"
    data = bytearray((engine_folder / program.name).read_bytes())
    begin = Image(bytes(data)).entry_point()
    data[begin : begin + len(ABORT)] = ABORT
    program.write_bytes(data)
    assert (await run_short((str(program), "--version"), deadline=60)).returncode & 0xFFFFFFFF == 0xC0000409
    with pytest.raises(EngineBroken) as caught:
        await Prober().probe(Candidate(server=program, worker=program, fit_params=None, source="setting"))
    assert "it gave up after an error it could not handle" in caught.value.sentence


@contextlib.contextmanager
def held_by_a_scanner(file: Path) -> Iterator[None]:
    """The file open and shared with nobody, as an antivirus program holds it while it looks."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = wintypes.HANDLE
    handle = kernel.CreateFileW(str(file), GENERIC_READ, 0, None, OPEN_EXISTING, 0, None)
    assert handle not in (None, wintypes.HANDLE(-1).value), ctypes.WinError(ctypes.get_last_error())
    try:
        yield
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))


async def test_a_scanner_that_lets_go_soon_is_waited_for(engine_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(engine_folder, folder)

    async def look() -> None:
        with held_by_a_scanner(folder / "llama-server.exe"):
            await asyncio.sleep(0.5)

    scanner = asyncio.create_task(look())
    await asyncio.sleep(0.05)
    build = await Prober().probe(await locate(Places(setting=folder), {}))
    assert scanner.done()
    assert build.server == str(folder / "llama-server.exe")
    await scanner


async def test_a_scanner_that_keeps_the_engine_is_told(engine_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(engine_folder, folder)
    found = await locate(Places(setting=folder), {})
    with held_by_a_scanner(folder / "llama-server.exe"), pytest.raises(EngineBroken) as caught:
        await Prober().probe(found)
    assert "another program, often an antivirus program, holds its file open" in caught.value.sentence
    assert "antivirus" in caught.value.hint


async def test_an_engine_that_a_scanner_deleted_is_told(engine_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(engine_folder, folder)
    found = await locate(Places(setting=folder), {})
    (folder / "llama-server.exe").unlink()
    with pytest.raises(EngineMissing) as caught:
        await Prober().probe(found)
    assert "llama-server.exe" in caught.value.sentence
    assert "an antivirus program may have removed it" in caught.value.sentence
