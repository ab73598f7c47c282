"""PURE: the tray's menu as a value, made whole from the last status."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Status
from app.schema.record import ModelId
from app.ui.face import Link, face, in_state, model_name
from app.ui.words import Phrase, tr

DEMO_MODEL = ModelId("caravan-demo")
"""The small model that comes with the program."""

_LIVE = (InstanceState.STARTING, InstanceState.READY, InstanceState.STOPPING)


class Command(StrEnum):
    """What an entry does when it is chosen."""

    EXPLAIN = "explain"
    LAUNCH_DEMO = "launch_demo"
    UNLOAD = "unload"
    COPY_ADDRESS = "copy_address"
    OPEN_PAGES = "open_pages"
    SHOW_LOGS = "show_logs"
    START = "start"
    QUIT = "quit"


@dataclass(frozen=True)
class MenuEntry:
    """One line; without `command` it only tells, without `text` it is a separator. `target` is an instance's id."""

    text: Phrase | None = None
    command: Command | None = None
    target: str = ""
    is_enabled: bool = True


@dataclass(frozen=True)
class Place:
    """What the menu needs to know beside the status. `ends_node` says that the node ends when the tray quits."""

    link: Link = Link.STARTING
    api_url: str | None = None
    ends_node: bool = False


SEPARATOR = MenuEntry()


def menu_model(status: Status | None, place: Place | None = None) -> tuple[MenuEntry, ...]:
    """The whole menu. Without a `place`, a status means that its node was found."""
    place = place or Place(Link.FOUND if status is not None else Link.STARTING)
    shown = face(status, place.link)
    return (
        MenuEntry(shown.line, is_enabled=False),
        *([MenuEntry(tr("What happened, and what to do..."), Command.EXPLAIN)] if shown.problem else []),
        *_models(status, place),
        *_node(place),
        SEPARATOR,
        MenuEntry(_quit_words(place), Command.QUIT, is_enabled=place.link is not Link.ENDING),
    )


def _models(status: Status | None, place: Place) -> Iterator[MenuEntry]:
    if status is None or place.link is not Link.FOUND:
        return
    yield SEPARATOR
    live = in_state(status, *_LIVE)
    is_free = status.engine.build is not None and all(each.model_id != DEMO_MODEL for each in live)
    yield MenuEntry(tr("Launch the demo model"), Command.LAUNCH_DEMO, is_enabled=is_free)
    for instance in live:
        yield _unload(instance)


def _unload(instance: InstanceStatus) -> MenuEntry:
    model = model_name(instance)
    is_launch = instance.state is InstanceState.STARTING
    text = tr("Cancel the launch of {model}", model=model) if is_launch else tr("Unload {model}", model=model)
    return MenuEntry(text, Command.UNLOAD, instance.id, instance.state is not InstanceState.STOPPING)


def _node(place: Place) -> Iterator[MenuEntry]:
    yield SEPARATOR
    if place.link is Link.LOST:
        yield MenuEntry(tr("Start Caravan"), Command.START)
    has_address = place.link is Link.FOUND and place.api_url is not None
    if has_address:
        yield MenuEntry(tr("Copy API address"), Command.COPY_ADDRESS)
        yield MenuEntry(tr("Open API pages"), Command.OPEN_PAGES)
    yield MenuEntry(tr("Show logs folder"), Command.SHOW_LOGS)


def _quit_words(place: Place) -> Phrase:
    stays = place.link is Link.FOUND and not place.ends_node
    return tr("Quit (Caravan keeps running)") if stays else tr("Quit")
