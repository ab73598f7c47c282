"""The pages of the window: which there are, and how each is made at its first visit."""

import importlib
from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from app.ui.desk import Desk, Wish
from app.ui.style.theme import Theme
from app.ui.window.page import Page
from app.ui.words import Phrase, tr


@dataclass(frozen=True)
class Entry:
    """A page in the rail. `module` has the class `page`; it is imported at the first visit: starting is fast."""

    wish: Wish
    name: Phrase
    icon: str
    module: str
    page: str


ENTRIES = (
    Entry(Wish.CHAT, tr("Chat"), "chat", "app.ui.chat.page", "ChatPage"),
    Entry(Wish.MODELS, tr("Models"), "models", "app.ui.models.page", "ModelsPage"),
    Entry(Wish.CLUSTER, tr("Cluster"), "cluster", "app.ui.cluster.page", "ClusterPage"),
    Entry(Wish.SETTINGS, tr("Settings"), "settings", "app.ui.settings.page", "SettingsPage"),
)
"""In the order of the rail; Ctrl+1 is the first."""


def make_page(entry: Entry, desk: Desk, theme: Theme, parent: QWidget | None = None) -> Page:
    """The page itself."""
    made: Page = getattr(importlib.import_module(entry.module), entry.page)(desk, theme, parent)
    return made
