"""The Windows build of llama.cpp, asked by our own code."""

import os
import shutil
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.commands import HeadSpec, fit_command, head_command
from app.engine.fit import measure
from app.engine.locate import Candidate, Places, locate
from app.schema.engine import EngineBuild
from app.schema.errors import EngineLibraryMissing
from app.schema.plan import KvType
from app.system.paths import resources_folder
from app.system.spawn import run_short

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
    assert "llama-server" in caught.value.sentence
