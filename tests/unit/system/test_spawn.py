"""Real children: how they end, what is read of them, and that nothing of them is left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.system.spawn import (
    LINE_LIMIT,
    Child,
    ProgramMissing,
    ProgramTimedOut,
    clean_environment,
    run_short,
    scrubbed,
    start_child,
    when_let_go,
)
from tests.turns import until

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT_OF_DEAF = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {DEAF!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
LEAVES_GRANDCHILD = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).pid, flush=True)
"""


class Lines:
    """Collects lines and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, stream: str, text: str) -> None:
        self.seen.append((stream, text))
        self._changed.set()

    async def first(self) -> str:
        async with asyncio.timeout(30):
            while not self.seen:
                await self._changed.wait()
        return self.seen[0][1]


def python(code: str, *more: str) -> list[str]:
    return [sys.executable, "-c", code, *more]


async def started(code: str, lines: Callable[[str, str], None], **options: bool) -> Child:
    return await start_child(python(code), on_line=lines, **options)


async def is_gone(pid: int, within: float = 30.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_output_of_both_streams_and_exit_code() -> None:
    lines = Lines()
    child = await started("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)", lines)
    assert await child.wait() == 7
    assert sorted(lines.seen) == [("stderr", "err"), ("stdout", "out")]
    assert child.returncode == 7


@posix_only
async def test_stop_politely() -> None:
    lines = Lines()
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print('up', flush=True)"
    child = await started(code + "\nwhile True: time.sleep(60)", lines)
    await lines.first()
    assert await child.stop(grace=20) == 3


async def test_stop_politely_through_standard_input() -> None:
    lines = Lines()
    child = await started(
        "import sys; print(sys.stdin.readline().strip(), flush=True); sys.exit(4)", lines, with_stdin=True
    )
    assert await child.stop(grace=20, polite="please end") == 4
    assert lines.seen == [("stdout", "please end")]


async def test_write_line_after_the_end_is_harmless() -> None:
    child = await started("pass", Lines(), with_stdin=True)
    await child.wait()
    await child.write_line("anyone?")
    assert await child.stop(grace=0.1, polite="end") == 0


async def test_deaf_child_is_killed_with_its_grandchild() -> None:
    lines = Lines()
    child = await started(
        PARENT_OF_DEAF.replace(
            "import subprocess, sys", "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)", 1
        ),
        lines,
    )
    grandchild = int(await lines.first())
    code = await child.stop(grace=0.2)
    assert code == -signal.SIGKILL if sys.platform != "win32" else code != 0
    assert await is_gone(grandchild)


@posix_only
async def test_grandchild_left_behind_dies_with_the_child() -> None:
    lines = Lines()
    begun = time.monotonic()
    child = await started(LEAVES_GRANDCHILD, lines)
    assert await child.wait() == 0
    assert await is_gone(int(lines.seen[0][1]))
    assert time.monotonic() - begun < 50


@posix_only
async def test_cancelled_stop_still_kills() -> None:
    lines = Lines()
    child = await started(DEAF, lines)
    await lines.first()
    stopping = asyncio.create_task(child.stop(grace=60))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await child.wait() == -signal.SIGKILL


@posix_only
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux")
async def test_child_dies_when_its_starter_is_killed() -> None:
    starter = f"""
import asyncio, sys
from app.system.spawn import start_child
async def main():
    child = await start_child([sys.executable, '-c', {SLEEPER!r}], on_line=lambda *_: print(child_pid(), flush=True))
    global child_pid
    child_pid = lambda: child.pid
    await child.wait()
asyncio.run(main())
"""
    process = await asyncio.to_thread(
        subprocess.Popen, python(starter), stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert process.stdout is not None
    child = int(await asyncio.to_thread(process.stdout.readline))
    assert psutil.pid_exists(child)
    process.kill()
    await asyncio.to_thread(process.wait)
    process.stdout.close()
    assert await is_gone(child)


async def test_long_line_is_cut_and_nothing_is_lost() -> None:
    lines = Lines()
    size = LINE_LIMIT * 3 + 17
    child = await started(f"import sys; sys.stdout.write('x' * {size} + chr(10) + 'after' + chr(10))", lines)
    await child.wait()
    *pieces, last = [text for _, text in lines.seen]
    assert last == "after"
    assert "".join(pieces) == "x" * size
    assert all(pieces)
    assert len(pieces) >= 2


async def test_output_without_a_final_newline_and_not_utf8() -> None:
    lines = Lines()
    child = await started("import sys; sys.stdout.buffer.write(b'caf\\xe9\\r\\n\\nend')", lines)
    await child.wait()
    assert [text for _, text in lines.seen] == ["caf\ufffd", "", "end"]


@pytest.mark.expects_error_logs
async def test_failing_reader_does_not_block_the_child(caplog: pytest.LogCaptureFixture) -> None:
    def fail(stream: str, text: str) -> None:
        raise RuntimeError("bad reader")

    child = await started("print('x' * 1000 * 1000); print('y' * 1000 * 1000)", fail)
    async with asyncio.timeout(30):
        assert await child.wait() == 0
    assert "bad reader" in caplog.text


@pytest.mark.parametrize("start", [lambda argv: run_short(argv, deadline=5), lambda argv: started_argv(argv)])
async def test_missing_program(start: Callable[[list[str]], object], tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="no such program"):
        await start([str(tmp_path / "no such program")])  # type: ignore[misc]


@pytest.mark.parametrize(("code", "tries"), [(32, 3), (33, 3), (5, 1), (2, 1), (None, 1)])
async def test_only_a_program_that_somebody_holds_is_tried_again(code: int | None, tries: int) -> None:
    tried = 0

    async def start() -> str:
        nonlocal tried
        tried += 1
        if tried == tries and tries > 1:
            return "started"
        raise ProgramMissing("held", code)

    if tries > 1:
        assert await when_let_go(start, (0, 0, 0)) == "started"
    else:
        with pytest.raises(ProgramMissing):
            await when_let_go(start, (0, 0, 0))
    assert tried == tries


async def test_a_program_that_is_never_let_go_is_an_error() -> None:
    async def start() -> None:
        raise ProgramMissing("held", 32)

    with pytest.raises(ProgramMissing, match="held"):
        await when_let_go(start, (0, 0))


@pytest.mark.skipif(sys.platform != "win32", reason="Windows numbers its errors")
async def test_windows_number_of_the_error_is_kept(tmp_path: Path) -> None:
    (tmp_path / "damaged.exe").write_text("no program")
    for name, code in (("damaged.exe", 193), ("gone.exe", 2)):
        with pytest.raises(ProgramMissing) as caught:
            await run_short([str(tmp_path / name)], deadline=5)
        assert caught.value.code == code


async def started_argv(argv: list[str]) -> Child:
    return await start_child(argv, on_line=Lines())


@posix_only
async def test_program_that_may_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program")
    with pytest.raises(ProgramMissing):
        await run_short([str(tmp_path / "data")], deadline=5)


async def test_run_short_collects_output() -> None:
    done = await run_short(
        python("import os, sys; print(os.environ['COLOUR']); sys.stderr.write('e'); sys.exit(2)"),
        deadline=20,
        env={"COLOUR": "grün", "PYTHONUTF8": "1"},
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (2, "grün", "e")


async def test_run_short_kills_the_tree_at_its_deadline(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = PARENT_OF_DEAF.replace("print(child.pid, flush=True)", f"open({str(note)!r}, 'w').write(str(child.pid))")
    # Two interpreters must have started by then; a busy machine, and Windows, take their time.
    for deadline in (2, 8, 32):
        with pytest.raises(ProgramTimedOut, match=f"did not end in {deadline} s"):
            await run_short(python(code), deadline=deadline)
        if note.exists() and note.read_text():
            break
    assert await is_gone(int(note.read_text()))


@posix_only
async def test_run_short_does_not_wait_for_a_grandchild() -> None:
    done = await run_short(python(LEAVES_GRANDCHILD), deadline=20)
    assert await is_gone(int(done.stdout.split()[0]))


@posix_only
async def test_cancelled_run_short_kills_the_program(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r} + '.new', 'w').write(str(os.getpid()))\n"
    code += f"os.replace({str(note)!r} + '.new', {str(note)!r}); time.sleep(60)"
    running = asyncio.create_task(run_short(python(code), deadline=60))
    async with asyncio.timeout(30):
        while not note.exists():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await is_gone(int(note.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")
async def test_no_file_descriptors_threads_or_tasks_are_left() -> None:
    async def once() -> None:
        lines = Lines()
        child = await started(SLEEPER, lines, with_stdin=True)
        await lines.first()
        await child.stop(grace=20)
        await run_short(python("print(1)"), deadline=20)
        with pytest.raises(ProgramTimedOut):
            await run_short(python(SLEEPER), deadline=0.05)

    def census() -> tuple[int, int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count(), len(asyncio.all_tasks())

    await once()
    # The watcher thread of a child ends a moment after the child.
    before = await settled(census)
    for _ in range(3):
        await once()
    await until(lambda: all(now <= then for now, then in zip(census(), before, strict=True)))


async def settled(census: Callable[[], tuple[int, int, int]]) -> tuple[int, int, int]:
    last = census()
    for _ in range(100):
        await asyncio.sleep(0.01)
        last = min(last, census())
    return last


def test_environment_of_a_frozen_build_is_scrubbed() -> None:
    inside = os.path.join(os.sep, "opt", "caravan", "_internal")
    path = os.pathsep.join([inside, "/usr/bin", os.path.join(inside, "Qt")])
    frozen = {"_MEIPASS2": "x", "_PYI_ARCHIVE_FILE": "y", "PATH": path, "LD_LIBRARY_PATH": inside, "HOME": "/h"}
    assert scrubbed(frozen, inside) == {"PATH": "/usr/bin", "HOME": "/h"}
    assert scrubbed({**frozen, "LD_LIBRARY_PATH_ORIG": "/mine"}, inside)["LD_LIBRARY_PATH"] == "/mine"
    qt = {"QT_PLUGIN_PATH": os.path.join(inside, "plugins"), "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    assert scrubbed(qt, inside) == {}
    assert scrubbed({"QT_PLUGIN_PATH": "/usr/lib/qt6/plugins"}, inside) == {"QT_PLUGIN_PATH": "/usr/lib/qt6/plugins"}
    assert scrubbed({"PATH": path, "LD_LIBRARY_PATH": "/l"}, None) == {"PATH": path, "LD_LIBRARY_PATH": "/l"}


def test_extra_environment_wins() -> None:
    assert clean_environment({"PATH": "mine"})["PATH"] == "mine"
    assert json.dumps(clean_environment())
