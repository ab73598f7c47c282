"""Install, engine, restart and the first steps in words."""

from collections.abc import Callable

import pytest

from app.schema.engine import EngineInstall, EngineStatus, InstallPhase
from app.schema.errors import EngineMissing, ErrorInfo
from app.schema.node import CatalogueStatus, HealthWarning, Status
from app.schema.record import ModelId
from app.schema.settings import READ_AT_START, Settings
from app.ui.settings.engine_words import build_name, device_words, folder_of, source_words
from app.ui.settings.first_steps import StepState, steps, wanted
from app.ui.settings.install_words import install_look
from app.ui.settings.restart import AT_START, Baseline, waiting, waiting_sentence
from app.ui.settings.sample import build, installing, missing_engine, status
from app.ui.showcase import alone, home
from app.ui.window.memory import Remembered


def test_a_download_says_how_much_how_fast_how_long() -> None:
    look = install_look(installing())
    assert str(look.title) == "Downloading llama.cpp b11434"
    assert str(look.detail) == "183 MB of 562 MB · 11 MB/s · 34 s left"
    assert look.part == pytest.approx(183 / 562)
    assert look.is_running


def test_what_is_not_known_is_not_told() -> None:
    look = install_look(EngineInstall(id="x", phase=InstallPhase.DOWNLOADING))
    assert (look.detail, look.part) == (None, None)
    half = EngineInstall(id="x", phase=InstallPhase.DOWNLOADING, bytes_done=1 << 20)
    assert (str(install_look(half).detail), install_look(half).part) == ("1 MB", None)


@pytest.mark.parametrize("phase", list(InstallPhase))
def test_every_phase_has_words_and_only_failures_errors(phase: InstallPhase) -> None:
    error = ErrorInfo(code="download_failed", sentence="No.")
    look = install_look(EngineInstall(id="x", phase=phase, build="b1", error=error))
    assert str(look.title)
    assert (look.error is not None) is (phase is InstallPhase.FAILED)
    assert look.is_running is (phase not in {InstallPhase.DONE, InstallPhase.FAILED, InstallPhase.CANCELLED})


def test_an_engine_in_words() -> None:
    made = build()
    assert str(build_name(made)) == "llama.cpp b11434"
    assert str(source_words(made)) == "installed by Caravan"
    assert folder_of(made) == r"C:\Users\Anna\AppData\Local\Caravan\engine\b11434-cuda"
    assert folder_of(made.model_copy(update={"server": "/opt/llama/llama-server"})) == "/opt/llama"
    assert "22 GB of 24 GB free" in str(device_words(made.devices[0]))
    assert "your own" in str(build_name(made.model_copy(update={"build": None})))


def changed(**fields: object) -> tuple[Baseline, Status]:
    before = status()
    return Baseline.of(before, None), before.model_copy(update={"settings": Settings(**fields)})


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({}, []),
        ({"sharing": False, "cpu_threads": 3, "extra_arguments": ("--temp", "1")}, []),
        ({"name": "ATTIC"}, ["the name"]),
        ({"name": "WORKSHOP"}, []),
        ({"engine_path": "/x", "model_folders": ("/y",)}, ["the model folders", "the engine's path"]),
    ],
)
def test_what_waits_for_the_next_start(fields: dict[str, object], what: list[str]) -> None:
    assert [str(each) for each in waiting(*changed(**fields))] == what


def test_a_node_that_started_again_uses_everything() -> None:
    before, now = changed(model_folders=("/y",))
    started = now.model_copy(update={"node": now.node.model_copy(update={"started_at": 5.0})})
    assert waiting(Baseline.of(started, before), started) == ()


def test_all_that_waits_is_one_sentence() -> None:
    what = waiting(*changed(name="ATTIC", engine_path="/x", model_folders=("/y",)))
    assert "(the name, the model folders and the engine's path)" in str(waiting_sentence(what))


STATES: tuple[tuple[str, Callable[[], Status | None], tuple[StepState, ...]], ...] = (
    ("no node", lambda: None, (StepState.WAITING,) * 4),
    (
        "no engine",
        lambda: status(engine=missing_engine(), catalogue=CatalogueStatus(models=1)),
        (StepState.TODO, StepState.DONE, StepState.WAITING, StepState.TODO),
    ),
    (
        "installing",
        lambda: status(engine=missing_engine(), engine_install=installing()),
        (StepState.WORKING, StepState.DONE, StepState.DONE, StepState.TODO),
    ),
    (
        "all done",
        lambda: home().model_copy(update={"warnings": (), "catalogue": CatalogueStatus(models=3)}),
        (StepState.DONE,) * 4,
    ),
    (
        "looking",
        lambda: alone().model_copy(update={"hardware": None, "engine": EngineStatus()}),
        (StepState.WAITING, StepState.WAITING, StepState.WAITING, StepState.TODO),
    ),
)


@pytest.mark.parametrize(("make", "states"), [each[1:] for each in STATES], ids=[each[0] for each in STATES])
def test_how_the_steps_stand(make: Callable[[], Status | None], states: tuple[StepState, ...]) -> None:
    found = steps(make())
    assert tuple(each.state for each in found) == states
    assert all(str(each.text) for each in found)


def test_a_hurdle_is_in_the_network_step() -> None:
    warning = HealthWarning(code="firewall_blocks", sentence="It blocks.")
    other = HealthWarning(code="hardware", sentence="No GPU.")
    network = steps(status(warnings=(warning, other)))[1]
    assert network.state is StepState.ATTENTION
    assert network.warnings == (warning,)


def test_the_first_steps_are_for_those_who_have_not_seen_them() -> None:
    assert wanted(None, Remembered())
    assert wanted(alone(), Remembered())
    assert not wanted(None, Remembered(saw_first_steps=True))
    assert not wanted(alone(), Remembered(last_model=ModelId("x")))
    assert not wanted(home(), Remembered())


def test_an_engine_that_is_broken_is_to_do() -> None:
    broken = EngineStatus(problem=EngineMissing("None.").info())
    failed = EngineInstall(id="x", phase=InstallPhase.FAILED)
    assert steps(status(engine=broken, engine_install=failed))[0].state is StepState.ATTENTION


def test_each_setting_that_waits_for_the_next_start_has_words() -> None:
    assert {name for name, _ in AT_START} == READ_AT_START
