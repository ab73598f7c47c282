"""Phrases in the language of the person."""

import html

from PySide6.QtCore import QCoreApplication

from app.ui.words import Phrase


def tip(text: Phrase | str) -> str:
    """A text as a tooltip that shows it as it is: Qt takes what looks like HTML for HTML, and names may look so."""
    words = said(text)
    if "<" not in words:
        return words
    return f"<span>{html.escape(words)}</span>".replace("\n", "<br>")


def said(phrase: Phrase | str) -> str:
    """The text to show; one that is a `str` already is data (a name, a sentence of the node) and stays as it is."""
    if isinstance(phrase, str):
        return phrase
    return phrase.said(lambda source: QCoreApplication.translate("Caravan", source))
