"""PURE: what a person does first, as four steps, each with how it stands."""

from dataclasses import dataclass
from enum import StrEnum

from app.schema.engine import INSTALL_ENDS, InstallPhase
from app.schema.node import HealthWarning, Status
from app.schema.record import ModelId
from app.ui.settings.engine_words import build_name, source_words
from app.ui.window.memory import Remembered
from app.ui.words import Phrase, tr, verbatim

DEMO_MODEL = ModelId("caravan-demo")
"""The small model that comes with the program."""

FIXABLE = ("network_public", "firewall_blocks")
"""Warnings the node can put right."""

_NETWORK = frozenset({*FIXABLE, "discovery_blocked", "discovery_no_network", "discovery_port_taken",
                      "discovery_failed", "peer_port_unusable"})  # fmt: skip


class StepState(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    TODO = "todo"
    WORKING = "working"
    ATTENTION = "attention"
    DONE = "done"


class StepKind(StrEnum):
    """The steps in their order."""

    ENGINE = "engine"
    NETWORK = "network"
    MODEL = "model"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class Step:
    """One card. `warnings` are what the network step shows, each with a fix where there is one."""

    kind: StepKind
    state: StepState
    title: Phrase
    text: Phrase
    warnings: tuple[HealthWarning, ...] = ()


def wanted(status: Status | None, remembered: Remembered) -> bool:
    """Whether the window opens with the first steps: never seen, and nothing shows that this PC was used before."""
    if remembered.saw_first_steps or remembered.last_model is not None:
        return False
    return status is None or not (status.peers or status.instances)


def steps(status: Status | None) -> tuple[Step, ...]:
    """The four steps as they stand now."""
    return (_engine(status), _network(status), _model(status), _cluster(status))


def _engine(status: Status | None) -> Step:
    title = tr("The engine")
    if status is None:
        return Step(StepKind.ENGINE, StepState.WAITING, title, tr("Caravan is starting."))
    install, build = status.engine_install, status.engine.build
    if install is not None and install.phase not in INSTALL_ENDS:
        return Step(StepKind.ENGINE, StepState.WORKING, title, tr("llama.cpp is being installed."))
    if build is not None:
        text = tr("{engine}, {origin}. It is ready.", engine=build_name(build), origin=source_words(build))
        return Step(StepKind.ENGINE, StepState.DONE, title, text)
    if status.hardware is None and status.engine.problem is None:
        return Step(StepKind.ENGINE, StepState.WAITING, title, tr("Looking for llama.cpp on this PC."))
    if install is not None and install.phase is InstallPhase.FAILED:
        return Step(StepKind.ENGINE, StepState.ATTENTION, title, tr("llama.cpp could not be installed."))
    return Step(
        StepKind.ENGINE,
        StepState.TODO,
        title,
        tr("llama.cpp does the work of running models. Caravan can download the build that suits this PC."),
    )


def _network(status: Status | None) -> Step:
    title = tr("The network")
    if status is None or status.hardware is None:
        return Step(StepKind.NETWORK, StepState.WAITING, title, tr("Looking at the network of this PC."))
    warnings = tuple(each for each in status.warnings if each.code in _NETWORK)
    if warnings:
        text = tr("Other PCs may not reach this one yet. You can go on with this PC alone.")
        return Step(StepKind.NETWORK, StepState.ATTENTION, title, text, warnings)
    return Step(StepKind.NETWORK, StepState.DONE, title, tr("Nothing is in the way of other PCs."))


def _model(status: Status | None) -> Step:
    title = tr("A first model")
    if status is None:
        return Step(StepKind.MODEL, StepState.WAITING, title, tr("A small model comes with Caravan."))
    if status.catalogue.models > 1:
        text = tr("{count} models are on this PC already, a small one of Caravan's own among them.",
                  count=status.catalogue.models)  # fmt: skip
        return Step(StepKind.MODEL, StepState.DONE, title, text)
    text = tr("A small model comes with Caravan: it shows in a second that everything works. For real answers, "
              "find one on Hugging Face, or drop a .gguf file on the Models page.")  # fmt: skip
    state = StepState.TODO if status.engine.build is not None else StepState.WAITING
    return Step(StepKind.MODEL, state, title, text)


def _cluster(status: Status | None) -> Step:
    title = tr("More PCs")
    if status is None:
        return Step(StepKind.CLUSTER, StepState.WAITING, title, tr("Several PCs carry a model that one cannot."))
    if status.peers:
        text = tr("This PC works with {names}.", names=_listed(tuple(each.called for each in status.peers)))
        return Step(StepKind.CLUSTER, StepState.DONE, title, text)
    text = tr("Start Caravan on another PC. One of the two shows six digits, the other takes them.")
    return Step(StepKind.CLUSTER, StepState.TODO, title, text)


def _listed(names: tuple[str, ...]) -> Phrase:
    if len(names) > 3:
        return tr("{first}, {second} and {count} more", first=names[0], second=names[1], count=len(names) - 2)
    if len(names) == 1:
        return verbatim(names[0])
    return tr("{first} and {last}", first=", ".join(names[:-1]), last=names[-1])
