"""PURE: the tray's menu as a value, made whole from the last status."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Status
from app.schema.record import ModelId
from app.ui.face import NAME_COLUMNS, Link, Speeds, face, in_state, model_name
from app.ui.words import Phrase, shortened, tr

DEMO_MODEL = ModelId("caravan-demo")
"""The small model that comes with the program."""

_LIVE = (InstanceState.STARTING, InstanceState.READY, InstanceState.STOPPING)


class Command(StrEnum):
    """What an entry does when it is chosen."""

    EXPLAIN = "explain"
    OPEN = "open"
    CHAT = "chat"
    MODELS = "models"
    JOIN = "join"
    INVITE = "invite"
    LAUNCH = "launch"
    UNLOAD = "unload"
    SHARING = "sharing"
    COPY_ADDRESS = "copy_address"
    OPEN_PAGES = "open_pages"
    AUTOSTART = "autostart"
    SETTINGS = "settings"
    SHOW_LOGS = "show_logs"
    START = "start"
    QUIT = "quit"
    QUIT_ALL = "quit_all"


@dataclass(frozen=True)
class MenuEntry:
    """One line; without `command` it only tells, without `text` it is a separator.

    `target` is an instance's or a model's id; `is_checked` None means that there is nothing to tick.
    """

    text: Phrase | None = None
    command: Command | None = None
    target: str = ""
    is_enabled: bool = True
    is_checked: bool | None = None


@dataclass(frozen=True)
class Place:
    """What the menu needs to know beside the status. `ends_node` says that the node ends when the tray quits."""

    link: Link = Link.STARTING
    api_url: str | None = None
    ends_node: bool = False


@dataclass(frozen=True)
class Habits:
    """What the person did before: `starts_at_sign_in` is None where it is not known yet."""

    last_model: ModelId | None = None
    starts_at_sign_in: bool | None = None
    keeps_node: bool | None = None


SEPARATOR = MenuEntry()


def menu_model(
    status: Status | None,
    place: Place | None = None,
    habits: Habits | None = None,
    speeds: Speeds = MappingProxyType({}),
) -> tuple[MenuEntry, ...]:
    """The whole menu. Without a `place`, a status means that its node was found. `speeds` as for `face`."""
    place = place or Place(Link.FOUND if status is not None else Link.STARTING)
    habits = habits or Habits()
    shown = face(status, place.link, speeds)
    return (
        MenuEntry(shown.line, is_enabled=False),
        *([MenuEntry(tr("What happened, and what to do..."), Command.EXPLAIN)] if shown.problem else []),
        *_windows(status, place),
        *_models(status, place, habits),
        *_node(place),
        *_program(place, habits),
        SEPARATOR,
        *_quit(status, place, habits),
    )


def _windows(status: Status | None, place: Place) -> Iterator[MenuEntry]:
    if place.link is Link.ENDING:
        return
    yield SEPARATOR
    yield MenuEntry(tr("Open Caravan"), Command.OPEN)
    yield MenuEntry(tr("Chat"), Command.CHAT)
    yield MenuEntry(tr("Models"), Command.MODELS)
    if status is not None and place.link is Link.FOUND:
        yield MenuEntry(tr("Join cluster..."), Command.JOIN)
        yield MenuEntry(tr("Invite a PC..."), Command.INVITE)


def _models(status: Status | None, place: Place, habits: Habits) -> Iterator[MenuEntry]:
    if status is None or place.link is not Link.FOUND:
        return
    yield SEPARATOR
    live = in_state(status, *_LIVE)
    last = last_model(status, habits)
    wanted = last or DEMO_MODEL
    is_free = status.engine.build is not None and all(each.model_id != wanted for each in live)
    yield MenuEntry(_launch_words(last), Command.LAUNCH, wanted, is_free)
    for instance in live:
        yield _unload(instance)
    yield MenuEntry(tr("Pause sharing this PC"), Command.SHARING, is_checked=not status.settings.sharing)


def last_model(status: Status, habits: Habits) -> ModelId | None:
    """The model that was launched last: as the node knows it, else as the window saw it run."""
    return status.last_launches[0].model_id if status.last_launches else habits.last_model


def _launch_words(last: ModelId | None) -> Phrase:
    if last is None or last == DEMO_MODEL:
        return tr("Launch the demo model")
    return tr("Load last model ({model})", model=shortened(last, NAME_COLUMNS))


def _unload(instance: InstanceStatus) -> MenuEntry:
    model = model_name(instance)
    is_launch = instance.state is InstanceState.STARTING
    text = tr("Cancel the launch of {model}", model=model) if is_launch else tr("Unload {model}", model=model)
    return MenuEntry(text, Command.UNLOAD, instance.id, instance.state is not InstanceState.STOPPING)


def _node(place: Place) -> Iterator[MenuEntry]:
    if place.link is Link.LOST:
        yield SEPARATOR
        yield MenuEntry(tr("Start Caravan"), Command.START)
    if place.link is Link.FOUND and place.api_url is not None:
        yield SEPARATOR
        yield MenuEntry(tr("Copy API address"), Command.COPY_ADDRESS)
        yield MenuEntry(tr("Open API pages"), Command.OPEN_PAGES)


def _program(place: Place, habits: Habits) -> Iterator[MenuEntry]:
    yield SEPARATOR
    if habits.starts_at_sign_in is not None:
        text = tr("Start with Windows") if sys.platform == "win32" else tr("Start at sign-in")
        yield MenuEntry(text, Command.AUTOSTART, is_checked=habits.starts_at_sign_in)
    if place.link is not Link.ENDING:
        yield MenuEntry(tr("Settings"), Command.SETTINGS)
    yield MenuEntry(tr("Logs"), Command.SHOW_LOGS)


def _quit(status: Status | None, place: Place, habits: Habits) -> Iterator[MenuEntry]:
    is_possible = place.link is not Link.ENDING
    if place.link is Link.FOUND and not place.ends_node:
        yield MenuEntry(tr("Quit (Caravan keeps running)"), Command.QUIT)
    elif is_serving(status, place) and habits.keeps_node:
        yield MenuEntry(tr("Quit (keeps serving)"), Command.QUIT)
        yield MenuEntry(tr("Stop serving and quit"), Command.QUIT_ALL)
    else:
        yield MenuEntry(tr("Quit"), Command.QUIT, is_enabled=is_possible)


def is_serving(status: Status | None, place: Place) -> bool:
    """Whether quitting would take something away from somebody: a model, or a part that another PC uses."""
    if status is None or place.link is not Link.FOUND or not place.ends_node:
        return False
    return bool(in_state(status, *_LIVE) or status.leases)
