import asyncio
import sys
from pathlib import Path

import pytest

from app.engine.capabilities import Prober, parse_devices, parse_flags, parse_version
from app.engine.commands import TRACE_VERBOSITY
from app.engine.diagnosis import VISUAL_CPP
from app.engine.locate import Candidate, Places, candidates
from app.schema import errors
from tests.fakes.fake_llama import write_programs
from tests.unit.engine import recorded


@pytest.mark.parametrize(
    ("text", "build", "commit"),
    [
        ("version: 7836 (3a2b1c0)\nbuilt with Clang 19.1.5 for Windows x86_64\n", 7836, "3a2b1c0"),
        ("version: 0.6.0-dev (build 11434, commit abcdef123)\r\nbuilt with Clang\r\n", 11434, "abcdef123"),
        ("version: 0.6.0-dev (build 0, commit unknown)\nbuilt with GNU", None, None),
        ("ggml_cuda_init: found 1 CUDA devices:\nload_backend: loaded RPC\nversion: 9000 (aa)\n", 9000, "aa"),
        ("version: something new\n", None, None),
    ],
)
def test_a_version_is_read(text: str, build: int | None, commit: str | None) -> None:
    version = parse_version(text)
    assert version is not None
    assert (version.build, version.commit) == (build, commit)


def test_a_text_without_a_version_is_none() -> None:
    assert parse_version("usage: something else") is None


def test_recorded_versions() -> None:
    assert recorded.build("b7827").build == 7827
    assert recorded.build("b11434").identity == "0.6.0-dev (build 0, commit unknown)"


@pytest.mark.parametrize("name", recorded.BUILDS)
def test_options_of_the_recorded_builds(name: str) -> None:
    flags = parse_flags(recorded.read(f"{name}-server-help").of("stdout"))
    assert {"--rpc", "-dev", "--device", "-ngl", "--n-gpu-layers", "--no-webui", "-nr", "--jinja", "--fit"} <= flags
    assert ("--load-mode" in flags) == (name == "b11434")
    assert ("--no-mmap" in flags) == (name == "b7827")
    assert (TRACE_VERBOSITY in flags) == (name == "b11434")
    assert not [flag for flag in flags if " " in flag or "," in flag or not flag.startswith("-")]
    # Words of descriptions are no options.
    assert "-" not in flags
    assert "-cores" not in flags


@pytest.mark.parametrize("name", recorded.BUILDS)
def test_workers_are_listed_as_devices(name: str) -> None:
    recording = recorded.read(f"{name}-list-devices-rpc")
    devices = parse_devices(recording.of("stdout"))
    assert [device.name for device in devices] == ["RPC0", "RPC1"]
    assert [device.description for device in devices] == recording.endpoints
    assert devices[0].total_bytes == devices[0].free_bytes == 24105 << 20


def test_no_device_is_an_empty_list() -> None:
    for name in recorded.BUILDS:
        assert parse_devices(recorded.read(f"{name}-list-devices").of("stdout")) == ()


def test_a_gpu_with_brackets_in_its_name_and_a_library_device() -> None:
    text = (
        "Available devices:\r\n  CUDA0: NVIDIA RTX A2000 (Laptop) (12281 MiB, 11180 MiB free)\r\n"
        "  BLAS: OpenBLAS (0 MiB, 0 MiB free)\r\n"
    )
    (device,) = parse_devices(text)
    assert device.description == "NVIDIA RTX A2000 (Laptop)"
    assert device.free_bytes == 11180 << 20


async def candidate_of(server: Path) -> Candidate:
    return (await asyncio.to_thread(candidates, Places(setting=server), {}))[0]


posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="the fake's Windows programs are .cmd files, named in full"
)


@posix_only
async def test_a_build_is_probed_and_remembered(tmp_path: Path) -> None:
    server = write_programs(tmp_path / "engine with spaces ü", {"FAKE_LLAMA_DEVICES": "CUDA0:24000"})
    candidate = await candidate_of(server)
    prober = Prober()
    build = await prober.probe(candidate)
    assert (build.build, build.commit, build.identity) == (11434, "abcdef123", "b11434-abcdef123")
    assert build.server == str(server)
    assert build.worker == str(server.parent / "ggml-rpc-server")
    assert build.fit_params is not None
    assert [device.name for device in build.devices] == ["CUDA0"]
    assert build.accepts("--no-kv-unified")
    server.with_name("ggml-rpc-server").chmod(0o600)  # mode alone is no change of the file
    assert await prober.probe(candidate) == build


@posix_only
async def test_a_changed_program_is_probed_again(tmp_path: Path) -> None:
    server = write_programs(tmp_path)
    candidate = await candidate_of(server)
    prober = Prober()
    await prober.probe(candidate)
    write_programs(tmp_path, {"FAKE_LLAMA_BUILD": "11999"})
    assert (await prober.probe(candidate)).build == 11999


@posix_only
async def test_a_missing_library_is_named(tmp_path: Path) -> None:
    server = write_programs(tmp_path, {"FAKE_LLAMA_MISSING_LIBRARY": "libggml-base.so.0"})
    candidate = await candidate_of(server)
    with pytest.raises(errors.EngineLibraryMissing, match=r"libggml-base\.so\.0") as told:
        await Prober().probe(candidate)
    assert VISUAL_CPP in told.value.hint


@posix_only
async def test_a_build_without_a_worker_is_refused(tmp_path: Path) -> None:
    server = write_programs(tmp_path)
    (tmp_path / "ggml-rpc-server").unlink()
    candidate = await candidate_of(server)
    with pytest.raises(errors.EngineLacksRpc, match="no rpc-server"):
        await Prober().probe(candidate)


@posix_only
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/bin/sh\nkill -SEGV $$\n", "crashed"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("#!/bin/sh\necho hello\n", "which version"),
    ],
)
async def test_a_broken_program_is_explained(tmp_path: Path, script: str, told: str) -> None:
    server = write_programs(tmp_path)
    server.write_text(script)
    candidate = await candidate_of(server)
    with pytest.raises(errors.EngineBroken, match=told):
        await Prober().probe(candidate)


@posix_only
async def test_a_file_that_may_not_be_run_is_a_missing_engine(tmp_path: Path) -> None:
    server = write_programs(tmp_path)
    server.chmod(0o644)
    candidate = await candidate_of(server)
    with pytest.raises(errors.EngineMissing, match="llama-server on this PC cannot be started"):
        await Prober().probe(candidate)
