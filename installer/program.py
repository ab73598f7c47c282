"""`python -m installer.program FOLDER`: the Windows program in `FOLDER/Caravan`, by PyInstaller, with its size printed.

Runs with Windows Python that has Caravan's locked packages and the group `package`. Two runs from the same lock file
and the same SOURCE_DATE_EPOCH give the same files.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from installer import contents, licences

ROOT = Path(__file__).resolve().parents[1]

SIZE_AIM = 90 << 20
"""Bytes that the installed program should need at most without an engine: 90 MB as Windows counts them."""

SIZE_LIMIT = 96 << 20
"""Bytes that a test holds it to. The chat's database, all pages and a font for formulas came after the aim."""

_FIRST_ZIP_DATE = 315532800
"""Seconds: 1980-01-01, which every file format can hold; for a checkout without its history."""

_SHOWN = 12


def source_date() -> int:
    """Seconds since 1970 that stand for the date of every file: SOURCE_DATE_EPOCH, else the last commit's date."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        return int(told)
    git = shutil.which("git")
    if git is None:
        return _FIRST_ZIP_DATE
    done = subprocess.run([git, "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else _FIRST_ZIP_DATE


def build(folder: Path) -> Path:
    """Build the program below `folder`, replacing an older one; returns its folder. Raises CalledProcessError."""
    target = folder / contents.WINDOWED
    shutil.rmtree(target, ignore_errors=True)
    work = folder / "work"
    options = ("--noconfirm", "--clean", "--log-level=WARN", "--distpath", str(folder), "--workpath", str(work))
    date = source_date()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(date), "PYTHONHASHSEED": "1"}
    argv = [sys.executable, "-m", "PyInstaller", *options, str(ROOT / "build.spec")]
    subprocess.run(argv, cwd=ROOT, env=environment, check=True)
    shutil.rmtree(work)
    compress_library(target / "_internal" / "base_library.zip")
    shorten_metadata(target / "_internal")
    share_modules(target)
    licences.collect(ROOT, target / "_internal" / "licenses")
    for file in target.rglob("*"):
        os.utime(file, (date, date))
    return target


def compress_library(file: Path) -> None:
    """Compress the archive of the modules that Python begins with; PyInstaller only stores them. In a fixed order."""
    half = file.with_suffix(".half")
    with zipfile.ZipFile(file) as plain, zipfile.ZipFile(half, "w") as packed:
        for entry in sorted(plain.infolist(), key=lambda entry: entry.filename):
            kept = zipfile.ZipInfo(entry.filename, entry.date_time)
            packed.writestr(kept, plain.read(entry), zipfile.ZIP_DEFLATED, 9)
    half.replace(file)


def shorten_metadata(folder: Path) -> None:
    """Keep of what packages tell about themselves the fields, not the page for readers that follows an empty line."""
    for file in folder.glob("*.dist-info/METADATA"):
        fields, _, _ = file.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
        file.write_bytes(fields + b"\n")


def share_modules(folder: Path) -> None:
    """Make the second program's file of modules a hard link to the first one's. Raises ValueError if they differ."""
    first, second = (folder / f"{name}.pkg" for name in (contents.WINDOWED, contents.CONSOLE))
    if first.read_bytes() != second.read_bytes():
        raise ValueError("The two programs hold different modules.")
    second.unlink()
    os.link(first, second)


def sizes(folder: Path) -> dict[Path, int]:
    """Bytes of every file, the biggest first; the modules that both programs share count once."""
    shared = folder / f"{contents.CONSOLE}.pkg"
    files = (path for path in folder.rglob("*") if path.is_file() and path != shared)
    found = {path.relative_to(folder): path.stat().st_size for path in files}
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def size_report(found: dict[Path, int]) -> Iterator[str]:
    """Lines for a person: the whole, whether it is within the aim, and the biggest files."""
    whole = sum(found.values())
    verdict = "within" if whole <= SIZE_AIM else "OVER"
    yield f"installed without an engine: {_mb(whole)} in {len(found)} files, {verdict} {_mb(SIZE_AIM)}; {whole} bytes"
    for path, size in list(found.items())[:_SHOWN]:
        yield f"{_mb(size):>12}  {path.as_posix()}"


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB"


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="installer.program", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    began = time.monotonic()
    target = build(parser.parse_args().folder.absolute())
    sys.stdout.write(f"{target}: built in {time.monotonic() - began:.0f} s\n")
    sys.stdout.write("".join(f"{line}\n" for line in size_report(sizes(target))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
