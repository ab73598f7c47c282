"""What a llama.cpp build is and can do, asked of the programs themselves.

`--version`, `--help` and `--list-devices` of llama-server, `--help` of the worker and of llama-fit-params. The answer
is kept as long as the files stay the same.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from app.engine.commands import SPECULATION, TRACE_VERBOSITY
from app.engine.diagnosis import DETAIL_LINES, GUARDED_HINT, VISUAL_CPP, diagnose_start
from app.engine.events import FailureKind
from app.engine.exit_codes import exit_meaning, is_guarded, is_library_missing, is_library_trouble
from app.engine.failures import parse_failure
from app.engine.fingerprint import fingerprint
from app.engine.locate import Candidate
from app.engine.missing_libraries import is_runtime, missing_libraries
from app.schema.engine import EngineBuild, EngineDevice
from app.schema.errors import CaravanError, EngineBroken, EngineLacksRpc, EngineLibraryMissing
from app.system.spawn import Finished, ProgramMissing, ProgramTimedOut, run_short

ANSWER_SECONDS = 30.0
"""How long `--version` or `--help` may take; a virus scanner looks at a new program first."""

DEVICES_SECONDS = 60.0
"""How long `--list-devices` may take: it wakes the graphics driver."""

MEBIBYTE = 1 << 20

_VERSION = re.compile(r"^version: (.+)$", re.MULTILINE)
_NUMBERS = re.compile(r"^(?:(\d+) \((\w+)\)|\S+ \(build (\d+), commit (\w+)\))")
_NAME = r"-{1,2}[A-Za-z][\w.-]*"
_NAMES = re.compile(rf"^{_NAME}(?:,\s+{_NAME})*", re.MULTILINE)
_TRACE = re.compile(r"^\s+- 4: trace\b", re.MULTILINE)
_SPECULATION = re.compile(r"^--spec-type\s+([\w-]+(?:,[\w-]+)*)", re.MULTILINE)
_DEVICE = re.compile(r"^  (\S+): (.+) \((\d{1,12}) MiB, (\d{1,12}) MiB free\)$", re.MULTILINE)

_Key = tuple[tuple[str, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """What `--version` says: `build` and `commit` are None for a local build, `text` is the whole line."""

    build: int | None
    commit: str | None
    text: str


def parse_version(text: str) -> Version | None:
    """Output of `--version` -> version; lines of drivers and backends before it are skipped.

    None when there is none.
    """
    found = _VERSION.search(text.replace("\r\n", "\n"))
    if found is None:
        return None
    line = found[1].strip()
    numbers = _NUMBERS.match(line)
    if numbers is None:
        return Version(None, None, line)
    build, commit = int(numbers[1] or numbers[3]), numbers[2] or numbers[4]
    return Version(build or None, None if commit == "unknown" else commit, line)


def parse_flags(text: str) -> frozenset[str]:
    """Output of `--help` -> every option name, TRACE_VERBOSITY when log level 4 is called trace, and the kinds of
    guessing ahead, each as `--spec-type=KIND`.
    """
    lines = (found[0] for found in _NAMES.finditer(text))
    names = {name for line in lines for name in re.findall(_NAME, line)}
    kinds = _SPECULATION.search(text)
    guessing = {f"{SPECULATION}{kind}" for kind in kinds[1].split(",")} if kinds else set()
    return frozenset(names | guessing | ({TRACE_VERBOSITY} if _TRACE.search(text) else set()))


def parse_devices(text: str) -> tuple[EngineDevice, ...]:
    """Output of `--list-devices` -> devices in its order.

    Ones without memory of their own (BLAS) hold no layers: left out.
    """
    return tuple(
        EngineDevice(
            name=found[1],
            description=found[2],
            total_bytes=int(found[3]) * MEBIBYTE,
            free_bytes=int(found[4]) * MEBIBYTE,
        )
        for found in _DEVICE.finditer(text.replace("\r\n", "\n"))
        if int(found[3]) > 0
    )


class Prober:
    """Asks candidates and remembers the answers as long as path, size and time of the files stay the same."""

    def __init__(self) -> None:
        self._known: dict[_Key, EngineBuild] = {}

    async def probe(self, candidate: Candidate) -> EngineBuild:
        """The build behind a candidate. Its devices' free bytes are those of the first probe; `list_devices` is fresh.

        Raises EngineMissing, EngineLibraryMissing, EngineLacksRpc or EngineBroken.
        """
        key = await asyncio.to_thread(_key, candidate)
        if key not in self._known:
            self._known[key] = await _probe(candidate)
        return self._known[key].model_copy(update={"source": candidate.source})


async def list_devices(server: str) -> tuple[EngineDevice, ...]:
    """The devices a llama-server sees now. Raises as `Prober.probe` does."""
    return parse_devices((await _ask(Path(server), "--list-devices", deadline=DEVICES_SECONDS)).stdout)


def _key(candidate: Candidate) -> _Key:
    return tuple(_stamp(path) for path in (candidate.server, candidate.worker, candidate.fit_params))


def _stamp(path: Path | None) -> tuple[str, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), status.st_size, status.st_mtime_ns)


async def _probe(candidate: Candidate) -> EngineBuild:
    asked = await _ask(candidate.server, "--version")
    version = parse_version(asked.stderr) or parse_version(asked.stdout)
    if version is None:
        raise EngineBroken(
            f"{candidate.server} does not say which version it is.",
            "Check that it is the llama-server program of llama.cpp.",
            _lines(asked),
        )
    flags = parse_flags((await _ask(candidate.server, "--help")).stdout)
    await _check_rpc(candidate, flags)
    return EngineBuild(
        server=str(candidate.server),
        worker=str(candidate.worker),
        fit_params=await _fit_params(candidate.fit_params),
        source=candidate.source,
        build=version.build,
        commit=version.commit,
        version_text=version.text,
        flags=flags,
        devices=await list_devices(str(candidate.server)),
        fingerprint=None if version.build else await asyncio.to_thread(fingerprint, candidate.server),
    )


async def _check_rpc(candidate: Candidate, flags: frozenset[str]) -> None:
    if candidate.worker is None:
        raise EngineLacksRpc(
            f"There is no rpc-server beside {candidate.server}, so this PC cannot work together with others.",
            "Install the engine that comes with Caravan, or a llama.cpp build made with RPC.",
        )
    if "--rpc" not in flags:
        raise EngineLacksRpc(
            f"{candidate.server} was made without RPC, so it cannot use other PCs.",
            "Install the engine that comes with Caravan, or a llama.cpp build made with RPC.",
        )
    await _ask(candidate.worker, "--help")


async def _fit_params(program: Path | None) -> str | None:
    """The program when it can print its projection; an optional helper that fails is no reason to refuse the engine."""
    if program is None:
        return None
    try:
        asked = await _ask(program, "--help")
    except CaravanError:
        return None
    return str(program) if "-fitp" in parse_flags(asked.stdout) else None


async def _ask(program: Path, question: str, deadline: float = ANSWER_SECONDS) -> Finished:
    try:
        answer = await run_short((str(program), question), deadline=deadline)
    except ProgramMissing as error:
        raise diagnose_start(str(program), error.code, str(error), "this PC") from error
    except ProgramTimedOut as error:
        raise EngineBroken(
            f"{program.name} did not answer {question} within {deadline:g} s.",
            "Try again; if it stays so, update the graphics driver or install the engine again.",
        ) from error
    if answer.returncode != 0:
        missing = await asyncio.to_thread(_missing, program) if is_library_missing(answer.returncode) else ()
        raise _broken(program, question, answer, missing)
    return answer


def _missing(program: Path) -> tuple[str, ...]:
    return missing_libraries(program, Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32"))


def _broken(program: Path, question: str, answer: Finished, missing: tuple[str, ...]) -> CaravanError:
    failures = [failure for line in _lines(answer) if (failure := parse_failure(line)) is not None]
    library = next((failure.subject for failure in failures if failure.kind is FailureKind.LIBRARY_MISSING), None)
    if library is not None or is_library_trouble(answer.returncode):
        named = ", ".join(missing) or library
        trouble = f"library {named} was not found" if named else exit_meaning(answer.returncode)
        if is_runtime(missing):
            hint = f"Install the {VISUAL_CPP} from Microsoft, then try again."
        else:
            hint = f"Install the engine again; on Windows also the {VISUAL_CPP}."
        return EngineLibraryMissing(f"{program.name} cannot start: {trouble}.", hint, _lines(answer))
    return EngineBroken(
        f"{program.name} {question} failed: {exit_meaning(answer.returncode)} (exit code {answer.returncode}).",
        GUARDED_HINT if is_guarded(answer.returncode) else "Install the engine again, or choose another build.",
        _lines(answer),
    )


def _lines(answer: Finished) -> tuple[str, ...]:
    return tuple((answer.stdout + answer.stderr).splitlines()[-DETAIL_LINES:])
