"""The lists that the NSIS script includes: files, firewall rules."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from app.modelstore.walk import ARRIVING
from app.system.autostart import ENTRY, run_line
from app.system.firewall import ENGINE_PROGRAMS, NAMES, addition, removal, wanted_rules
from app.ui.commands import HIDDEN
from installer.setup import ENGINE_FOLDER, Ingredients, file_lines, makensis_command, setup_name, write_lists

SCRIPT = (Path(__file__).resolve().parents[3] / "installer" / "caravan.nsi").read_text("utf-8")
FOLDER = r"C:\Program Files\Caravan ü"


def program(folder: Path, *, engine: bool) -> Path:
    names = [
        "Caravan.exe",
        "caravan-cli.exe",
        "Caravan.pkg",
        "caravan-cli.pkg",
        "_internal/b.dll",
        "_internal/a/$x.txt",
    ]
    for name in [*names, *(["engine/llama-server.exe"] if engine else [])]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return folder


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8-sig").splitlines()


def commands(file: Path) -> list[list[str]]:
    """The argument lists as Windows takes them apart when the program lies in FOLDER."""
    found = []
    for line in lines_of(file):
        if line.startswith("nsExec::Exec '"):
            text = line.removeprefix("nsExec::Exec '").removesuffix("'").replace("$INSTDIR", FOLDER)
            words = re.findall(r'"([^"]*)"|(\S+)', text)
            found.append([quoted or plain for quoted, plain in words])
    return found


def generated(tmp_path: Path, *, engine: bool) -> Path:
    write_lists(program(tmp_path / "program", engine=engine), PurePosixPath("/out/Caravan"), tmp_path / "generated")
    return tmp_path / "generated"


def test_the_firewall_rules_are_those_of_the_program(tmp_path: Path) -> None:
    """The same names, programs, ports and reach, in the same order, as `app.system.firewall` makes."""
    netsh = r"$SYSDIR\netsh.exe"
    programs = [rf"{FOLDER}\Caravan.exe", rf"{FOLDER}\caravan-cli.exe"]
    engines = [rf"{FOLDER}\engine\{name}" for name in ENGINE_PROGRAMS]
    removed = [list(each) for each in removal(netsh, programs)]
    added = [list(addition(rule, netsh)) for rule in wanted_rules(programs, engines)]
    folder = generated(tmp_path, engine=True)
    assert commands(folder / "firewall-remove.nsh") == removed
    assert commands(folder / "firewall-add.nsh") == [*removed, *added]


def test_without_an_engine_no_rule_names_one(tmp_path: Path) -> None:
    folder = generated(tmp_path, engine=False)
    added = [each for each in commands(folder / "firewall-add.nsh") if "add" in each]
    assert {each[5] for each in added} == {f"name={name}" for name in NAMES[:2]}
    assert not any("engine" in word for each in added for word in each)


def test_every_file_is_unpacked_once_in_a_fixed_order(tmp_path: Path) -> None:
    lines = lines_of(generated(tmp_path, engine=True) / "files.nsh")
    assert lines == [
        'SetOutPath "$INSTDIR"',
        'File "/out/Caravan/Caravan.exe"',
        'File "/out/Caravan/Caravan.pkg"',
        'SetOutPath "$INSTDIR\\_internal\\a"',
        'File "/out/Caravan/_internal/a/$$x.txt"',
        'SetOutPath "$INSTDIR\\_internal"',
        'File "/out/Caravan/_internal/b.dll"',
        'SetOutPath "$INSTDIR"',
        'File "/out/Caravan/caravan-cli.exe"',
        'SetOutPath "$INSTDIR\\engine"',
        'File "/out/Caravan/engine/llama-server.exe"',
    ]


def test_on_windows_the_paths_are_those_of_windows() -> None:
    (_, file) = file_lines([PureWindowsPath("_internal", "a.dll")], PureWindowsPath(r"D:\out\Caravan"))
    assert file == r'File "D:\out\Caravan\_internal\a.dll"'


def test_the_script_and_the_program_name_the_same() -> None:
    assert f'!define NAME "{ENTRY}"' in SCRIPT
    started = run_line(["$INSTDIR\\Caravan.exe", HIDDEN])
    assert f"""WriteRegStr HKCU "${{RUN_KEY}}" "${{NAME}}" '{started}'""" in SCRIPT
    assert f'RMDir /r "$INSTDIR\\{ENGINE_FOLDER}"' in SCRIPT
    assert '!define RUN_KEY "Software\\Microsoft\\Windows\\CurrentVersion\\Run"' in SCRIPT
    for name in ("files", "firewall-add", "firewall-remove"):
        assert f'!include "${{GENERATED}}/{name}.nsh"' in SCRIPT


def test_nothing_is_removed_by_tree_but_what_the_installer_or_the_program_made() -> None:
    trees = set(re.findall(r'RMDir /r "([^"]+)"', SCRIPT))
    assert trees == {
        "$INSTDIR\\_internal",
        "$INSTDIR\\engine",
        "$R0",
        "$R0\\$R9",
        f"$R0\\models\\{ARRIVING}",
        "$APPDATA\\$R9",
    }


def test_the_command_says_all_that_the_script_needs() -> None:
    given = Ingredients(
        PurePosixPath("/caravan"), PurePosixPath("/out/g"), PurePosixPath("/out/x.exe"), 1025, "sign it"
    )
    argv = makensis_command("makensis", given)
    defined = {word[2:].partition("=")[0] for word in argv if word.startswith("-D")}
    wanted = set(re.findall(r"\$\{([A-Z_]+)\}", SCRIPT)) - set(re.findall(r"!define (\S+)", SCRIPT))
    assert wanted - {"SIGN_COMMAND", "NSIS_MAX_STRLEN", "SF_SELECTED"} <= defined
    assert "-DSIZE_KIB=2" in argv
    assert argv[-1] == "/caravan/installer/caravan.nsi"
    assert setup_name().endswith("-setup.exe")
