"""The role with administrator rights: its verbs, what it refuses, and that it believes no exit code."""

import sys
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath

import pytest

from app.system.elevate import Elevation, Ending, elevate, outcome, run_elevated
from app.system.elevated import Answer, Bench, Verb, main, our_programs, perform
from app.system.firewall_state import FirewallState, Rule, firewall_state
from app.system.network_profile import ConnectedNetwork, NetworkCategory, adapter_index, networks

ADAPTER = uuid.UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")
ENGINE = r"C:\Users\Jörg\AppData\Local\Caravan\engine\b11434\rpc-server.exe"
SYSTEM = PureWindowsPath(r"C:\Windows\System32")


class Windows:
    """Records the commands and does to its own small firewall and network what they say, unless it is a stub."""

    def __init__(self, *, code: int = 0, is_stub: bool = False, category: NetworkCategory = NetworkCategory.PUBLIC):
        self.commands: list[Sequence[str]] = []
        self.rules: list[Rule] = []
        self.category = category
        self._code = code
        self._is_stub = is_stub

    def run(self, command: Sequence[str]) -> int:
        self.commands.append(command)
        said = dict(each.split("=", 1) for each in command if "=" in each)
        if self._code or self._is_stub:
            return self._code
        if "add" in command:
            allows = said["action"] == "allow"
            self.rules.append(Rule(said["name"], said["program"], True, allows, 6, (), frozenset(NetworkCategory)))
        elif "delete" in command:
            self.rules = [
                rule
                for rule in self.rules
                if not (said["name"] in (rule.name, "all") and said.get("program", rule.program) == rule.program)
            ]
        else:
            self.category = NetworkCategory.PRIVATE
        return 0

    def read_firewall(self, programs: Iterable[str]) -> FirewallState:
        wanted = set(programs)
        return FirewallState({}, tuple(rule for rule in self.rules if rule.program in wanted))

    def read_networks(self) -> tuple[ConnectedNetwork, ...]:
        return (ConnectedNetwork("Home", self.category, ADAPTER),)


OURS = (r"C:\Program Files\Caravan ü\Caravan.exe", r"C:\Program Files\Caravan ü\caravan-cli.exe")


def bench(windows: Windows, *, ours: Sequence[str] = OURS, is_elevated: bool = True) -> Bench:
    def index_of(adapter: uuid.UUID) -> int | None:
        return 12 if adapter == ADAPTER else None

    return Bench(ours, SYSTEM, is_elevated, windows.run, windows.read_firewall, windows.read_networks, index_of)


def test_allow_makes_the_rules_and_reads_them_back() -> None:
    windows = Windows()
    windows.rules = [Rule("Caravan", OURS[0], True, False, 6, (), frozenset(NetworkCategory))]
    for _ in range(2):
        assert perform([Verb.FIREWALL_ALLOW, ENGINE], bench(windows)) is Answer.DONE
        allowed = {(rule.name, rule.program) for rule in windows.rules if rule.allows}
        assert allowed == {(name, program) for name in ("Caravan peers", "Caravan discovery") for program in OURS}
        assert [rule.program for rule in windows.rules if not rule.allows] == [ENGINE]
        assert len(windows.rules) == 5
    assert {command[0] for command in windows.commands} == {r"C:\Windows\System32\netsh.exe"}


def test_remove_leaves_nothing_of_ours_and_all_of_others() -> None:
    windows = Windows()
    other = Rule("other", r"C:\other.exe", True, True, 6, (), frozenset(NetworkCategory))
    perform([Verb.FIREWALL_ALLOW, ENGINE], bench(windows))
    windows.rules.append(other)
    assert perform([Verb.FIREWALL_REMOVE], bench(windows)) is Answer.DONE
    assert windows.rules == [other]


def test_a_network_is_made_private() -> None:
    windows = Windows()
    assert perform([Verb.NETWORK_PRIVATE, str(ADAPTER)], bench(windows)) is Answer.DONE
    (command,) = windows.commands
    assert command[0] == r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    assert "-InterfaceIndex 12 " in command[-1]


WORK = ([Verb.FIREWALL_ALLOW, ENGINE], [Verb.NETWORK_PRIVATE, str(ADAPTER)])


@pytest.mark.parametrize("argv", WORK)
def test_a_command_that_says_it_worked_is_not_believed(argv: list[str]) -> None:
    assert perform(argv, bench(Windows(is_stub=True))) is Answer.NO_EFFECT


@pytest.mark.parametrize("argv", WORK)
def test_a_refused_command(argv: list[str]) -> None:
    assert perform(argv, bench(Windows(code=1))) is Answer.COMMAND_FAILED


@pytest.mark.parametrize("argv", [*WORK, [Verb.FIREWALL_REMOVE]])
def test_without_rights_nothing_is_tried(argv: list[str]) -> None:
    windows = Windows()
    assert perform(argv, bench(windows, is_elevated=False)) is Answer.NOT_ELEVATED
    assert windows.commands == []


@pytest.mark.parametrize(
    "argv",
    [
        [],
        [""],
        ["format"],
        ["firewall-allow", r"C:\Windows\System32\svchost.exe"],
        ["firewall-allow", "llama-server.exe"],
        ["firewall-allow", 'C:\\x" action=allow\\llama-server.exe'],
        ["firewall-remove", "all"],
        ["network-private"],
        ["network-private", "12; Remove-Item C:"],
        ["network-private", str(uuid.UUID(int=5))],
        ["network-private", str(ADAPTER), "more"],
    ],
)
def test_anything_else_is_refused_before_anything_happens(argv: list[str]) -> None:
    windows = Windows()
    assert perform(argv, bench(windows)) is Answer.NOT_UNDERSTOOD
    assert windows.commands == []


def test_from_a_checkout_it_does_nothing() -> None:
    assert main([Verb.FIREWALL_ALLOW]) == Answer.NOT_INSTALLED
    assert perform([Verb.FIREWALL_ALLOW], bench(Windows(), ours=())) is Answer.NOT_INSTALLED


def test_only_our_programs_of_the_folder_count(tmp_path: Path) -> None:
    for name in ("Caravan.exe", "other.exe"):
        (tmp_path / name).touch()
    assert our_programs(tmp_path) == (str(tmp_path / "Caravan.exe"),)


@pytest.mark.skipif(sys.platform != "win32", reason="netsh is Windows")
def test_the_systems_own_programs_are_run() -> None:
    if not is_wine():
        pytest.skip("changes the firewall of a real Windows")
    from app.system.elevated import _run, _windows

    system, is_elevated = _windows()
    assert (Path(system) / "netsh.exe").is_file()
    assert is_elevated
    # Wine's netsh answers 0 and keeps nothing.
    real = Bench(OURS, system, is_elevated, _run, firewall_state, networks, adapter_index)
    assert perform([Verb.FIREWALL_ALLOW, ENGINE], real) is Answer.NO_EFFECT
    assert perform([Verb.FIREWALL_REMOVE], real) is Answer.DONE


def test_every_answer_is_a_plain_reason() -> None:
    assert outcome(0) == Elevation(Ending.DONE)
    for answer in set(Answer) - {Answer.DONE}:
        assert outcome(answer).ending is Ending.FAILED
        assert outcome(answer).reason
    assert "0xc0000005" in outcome(0xC0000005).reason


@pytest.mark.skipif(sys.platform == "win32", reason="the answer of other systems")
async def test_elsewhere_it_is_refused() -> None:
    assert (await elevate(Verb.FIREWALL_REMOVE)).ending is Ending.FAILED


@pytest.fixture(scope="module")
def _desktop() -> None:
    """Wine starts its desktop with the first program that asks for a window, as that program's child."""
    if sys.platform == "win32":
        import ctypes

        ctypes.WinDLL("user32").GetDesktopWindow()


@pytest.mark.usefixtures("_desktop")
@pytest.mark.skipif(sys.platform != "win32", reason="ShellExecute is Windows")
@pytest.mark.parametrize(
    ("code", "reason"), [("sys.exit(0)", ""), ("sys.exit(44)", "had no effect"), ("time.sleep(1)", "did not end")]
)
def test_the_helpers_exit_code_comes_back(code: str, reason: str) -> None:
    if not is_wine():
        pytest.skip("shows a prompt on a real Windows")
    command = [sys.executable, "-c", f"import sys, time; {code}"]
    found = run_elevated(command, 20 if "exit" in code else 0.1)
    assert reason in found.reason
    assert (found.ending is Ending.DONE) is (reason == "")


@pytest.mark.skipif(sys.platform != "win32", reason="ShellExecute is Windows")
def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    found = run_elevated([str(tmp_path / "gone.exe")], 5)
    assert found.ending is Ending.FAILED
    assert "cannot be started" in found.reason


def is_wine() -> bool:
    import ctypes

    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
