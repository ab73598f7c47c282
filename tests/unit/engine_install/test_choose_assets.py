"""Which files a PC gets, by the names of a release of January 2026 and of one of today."""

import pytest

from app.engine.release import (
    Asset,
    AssetChoice,
    CudaVersion,
    Manifest,
    NoChoice,
    Release,
    ThisPc,
    choose_assets,
    read_name,
    read_release,
)
from app.engine.release_site import read_manifest
from app.engine.this_pc import this_pc
from app.schema.engine import EngineBackend
from app.schema.hardware import Accelerator, AcceleratorKind, HardwareSnapshot, Processor
from app.system.paths import resources_folder

MANIFEST = read_manifest(resources_folder())

NAMES = {
    "b7836": [
        *(f"llama-b7836-bin-win-{kind}.zip" for kind in ("cpu-x64", "cpu-arm64", "cuda-12.4-x64", "cuda-13.1-x64")),
        *(f"llama-b7836-bin-win-{kind}.zip" for kind in ("vulkan-x64", "sycl-x64", "hip-radeon-x64")),
        "llama-b7836-bin-win-opencl-adreno-arm64.zip",
        "cudart-llama-bin-win-cuda-12.4-x64.zip",
        "cudart-llama-bin-win-cuda-13.1-x64.zip",
        *(f"llama-b7836-bin-ubuntu-{kind}.tar.gz" for kind in ("x64", "vulkan-x64", "s390x")),
        "llama-b7836-bin-macos-arm64.tar.gz",
        "llama-b7836-xcframework.zip",
    ],
    "b11434": [
        *(f"llama-b11434-bin-win-{kind}.zip" for kind in ("cpu-x64", "cpu-arm64", "cuda-12.4-x64", "cuda-13.4-x64")),
        *(f"llama-b11434-bin-win-{kind}.zip" for kind in ("cuda-13.4-arm64", "vulkan-x64", "vulkan-arm64")),
        *(f"llama-b11434-bin-win-{kind}.zip" for kind in ("openvino-2026.1-x64", "sycl-x64", "rocm-10.0-x64")),
        *(f"cudart-llama-bin-win-cuda-{kind}.zip" for kind in ("12.4-x64", "13.4-x64", "13.4-arm64")),
        *(f"llama-b11434-bin-ubuntu-{kind}.tar.gz" for kind in ("x64", "arm64", "s390x", "vulkan-x64", "vulkan-arm64")),
        *(f"llama-b11434-bin-ubuntu-{kind}.tar.gz" for kind in ("cuda-12.8-x64", "cuda-13.4-x64", "rocm-10.0-x64")),
        *(f"cudart-llama-b11434-bin-ubuntu-cuda-{kind}.tar.gz" for kind in ("12.8-x64", "13.4-x64")),
    ],
}


def release(tag: str, without: str = "nothing") -> Release:
    assets = (Asset(name=name, url=f"https://x/{name}", size=1, sha256="a" * 64) for name in NAMES[tag])
    return Release(tag=tag, assets=tuple(asset for asset in assets if without not in asset.name))


def windows(cuda: CudaVersion | None = None, oldest: CudaVersion | None = None, gpu: bool = False) -> ThisPc:
    return ThisPc("windows", "x64", gpu or cuda is not None, cuda, oldest)


def chosen(tag: str, pc: ThisPc, wanted: EngineBackend | None = None) -> AssetChoice:
    choice = choose_assets(release(tag), pc, wanted, MANIFEST)
    assert isinstance(choice, AssetChoice), choice
    return choice


@pytest.mark.parametrize(
    ("tag", "pc", "names"),
    [
        ("b7836", windows(), ["llama-b7836-bin-win-cpu-x64.zip"]),
        ("b11434", windows(), ["llama-b11434-bin-win-cpu-x64.zip"]),
        ("b7836", windows(gpu=True), ["llama-b7836-bin-win-vulkan-x64.zip"]),
        ("b11434", windows(gpu=True), ["llama-b11434-bin-win-vulkan-x64.zip"]),
        (
            "b7836",
            windows((12, 4)),
            ["llama-b7836-bin-win-cuda-12.4-x64.zip", "cudart-llama-bin-win-cuda-12.4-x64.zip"],
        ),
        (
            "b7836",
            windows((13, 1), (8, 6)),
            ["llama-b7836-bin-win-cuda-13.1-x64.zip", "cudart-llama-bin-win-cuda-13.1-x64.zip"],
        ),
        (
            "b11434",
            windows((13, 3), (12, 0)),
            ["llama-b11434-bin-win-cuda-12.4-x64.zip", "cudart-llama-bin-win-cuda-12.4-x64.zip"],
        ),
        (
            "b11434",
            windows((13, 10), (7, 5)),
            ["llama-b11434-bin-win-cuda-13.4-x64.zip", "cudart-llama-bin-win-cuda-13.4-x64.zip"],
        ),
        ("b7836", ThisPc("windows", "arm64", True), ["llama-b7836-bin-win-cpu-arm64.zip"]),
        ("b11434", ThisPc("windows", "arm64", True), ["llama-b11434-bin-win-vulkan-arm64.zip"]),
        ("b7836", ThisPc("linux", "x64"), ["llama-b7836-bin-ubuntu-x64.tar.gz"]),
        ("b7836", ThisPc("linux", "x64", True, (13, 0)), ["llama-b7836-bin-ubuntu-vulkan-x64.tar.gz"]),
        (
            "b11434",
            ThisPc("linux", "x64", True, (13, 0)),
            ["llama-b11434-bin-ubuntu-cuda-12.8-x64.tar.gz", "cudart-llama-b11434-bin-ubuntu-cuda-12.8-x64.tar.gz"],
        ),
        ("b11434", ThisPc("linux", "arm64"), ["llama-b11434-bin-ubuntu-arm64.tar.gz"]),
    ],
)
def test_what_a_pc_gets(tag: str, pc: ThisPc, names: list[str]) -> None:
    assert [asset.name for asset in chosen(tag, pc).assets] == names


def test_cuda_13_is_not_for_cards_it_dropped() -> None:
    pascal = windows((13, 4), (6, 1))
    assert next(asset.name for asset in chosen("b11434", pascal).assets) == "llama-b11434-bin-win-cuda-12.4-x64.zip"


def test_an_old_driver_gets_vulkan_and_is_told_why() -> None:
    choice = chosen("b11434", windows((11, 8)))
    assert choice.backend is EngineBackend.VULKAN
    assert "11.8" in choice.notices[0]
    assert "12.4, 13.4" in choice.notices[0]


def test_programs_without_their_runtime_are_not_chosen() -> None:
    choice = choose_assets(
        release("b11434", without="cudart-llama-bin-win-cuda-13.4"), windows((13, 4)), None, MANIFEST
    )
    assert isinstance(choice, AssetChoice)
    assert "12.4" in choice.assets[0].name


@pytest.mark.parametrize(
    ("pc", "wanted", "told"),
    [
        (windows(), EngineBackend.CUDA, "no NVIDIA driver"),
        (windows((11, 8)), EngineBackend.CUDA, "11.8"),
        (ThisPc("windows", "arm64"), EngineBackend.VULKAN, "no vulkan build for Windows arm64"),
        (ThisPc("other", "arm64"), None, "no ready build"),
        (ThisPc("linux", "other"), None, "no ready build"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(pc: ThisPc, wanted: EngineBackend | None, told: str) -> None:
    refusal = choose_assets(release("b7836"), pc, wanted, MANIFEST)
    assert isinstance(refusal, NoChoice)
    assert told in refusal.sentence
    assert refusal.hint


@pytest.mark.parametrize("wanted", list(EngineBackend))
def test_a_wish_is_followed(wanted: EngineBackend) -> None:
    assert chosen("b11434", windows((13, 4)), wanted).backend is wanted


def test_every_listed_name_is_one_kind_or_none() -> None:
    kinds = {name: read_name(name, "windows", MANIFEST) for name in NAMES["b11434"]}
    named = {name: each.kind for name, each in kinds.items() if each is not None}
    assert len(named) == 10
    assert named["cudart-llama-bin-win-cuda-13.4-arm64.zip"] == "cuda_runtime"
    assert "llama-b11434-bin-win-rocm-10.0-x64.zip" not in named


def listed(**changes: object) -> dict[str, object]:
    asset = {"name": "a.zip", "size": 5, "browser_download_url": "https://x/a.zip", "digest": f"sha256:{'B' * 64}"}
    return {"tag_name": "b1", "assets": [{**asset, **changes}]}


def only_asset(record: dict[str, object], manifest: Manifest = MANIFEST) -> Asset | None:
    found = read_release(record, manifest)
    assert found is not None
    return found.assets[0] if found.assets else None


def test_a_release_record_is_read() -> None:
    assert only_asset(listed()) == Asset(name="a.zip", url="https://x/a.zip", size=5, sha256="b" * 64)


@pytest.mark.parametrize("digest", [None, "", "md5:123", "sha256:xyz", f"sha256:{'b' * 63}", 5])
def test_a_digest_that_is_none_stays_unknown(digest: object) -> None:
    asset = only_asset(listed(digest=digest))
    assert asset is not None
    assert asset.sha256 is None


@pytest.mark.parametrize("changes", [{"name": None}, {"size": "5"}, {"size": 0}, {"state": "new"}])
def test_unfinished_assets_are_left_out(changes: dict[str, object]) -> None:
    assert only_asset(listed(**changes)) is None


@pytest.mark.parametrize(
    "record", [{}, {"tag_name": "b1"}, {"tag_name": 1, "assets": []}, {"tag_name": "b", "assets": 1}]
)
def test_what_is_no_release_is_none(record: dict[str, object]) -> None:
    assert read_release(record, MANIFEST) is None


def test_a_pin_overrules_the_release() -> None:
    manifest = MANIFEST.model_copy(update={"pins": {"b1": {"a.zip": "c" * 64}}})
    asset = only_asset(listed(), manifest)
    assert asset is not None
    assert asset.sha256 == "c" * 64


def test_a_pc_by_its_hardware() -> None:
    card = Accelerator(key="0", name="card", kind=AcceleratorKind.CUDA, cuda_version="13.1", compute_capability="8.6")
    old = card.model_copy(update={"key": "1", "compute_capability": "6.1"})
    hardware = HardwareSnapshot(
        hostname="x",
        operating_system="Windows 11",
        architecture="amd64",
        processor=Processor(name="p", logical_cores=2),
        ram_bytes=1,
        accelerators=(card, old),
    )
    assert this_pc(hardware, "win32", False) == ThisPc("windows", "x64", True, (13, 1), (6, 1))
    bare = hardware.model_copy(update={"accelerators": (), "architecture": "aarch64"})
    assert this_pc(bare, "linux", True) == ThisPc("linux", "arm64", True)
    assert this_pc(bare.model_copy(update={"architecture": "riscv64"}), "darwin", False) == ThisPc("other", "other")
