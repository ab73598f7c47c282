"""The widgets of messages: one each while it is in sight, used again for another message afterwards."""

from collections.abc import Callable, ItemsView

from PySide6.QtWidgets import QWidget

from app.ui.chat.message_view import MessageView

_MOST_RESTING = 16

Make = Callable[[str, QWidget], MessageView]
Reuse = Callable[[str, MessageView], bool]


class ViewPool:
    """`make` makes a view in `parent`; `reuse` shows another message in one that rests, if that can be.

    `grown` hears the message of a view that has changed its height.
    """

    def __init__(self, make: Make, reuse: Reuse, parent: QWidget, grown: Callable[[str], None]) -> None:
        self._make, self._reuse = make, reuse
        self._parent, self._grown = parent, grown
        self._views: dict[str, MessageView] = {}
        self._resting: list[MessageView] = []

    def __contains__(self, key: str) -> bool:
        return key in self._views

    def get(self, key: str) -> MessageView | None:
        """The view of a message, None while it has none."""
        return self._views.get(key)

    def items(self) -> ItemsView[str, MessageView]:
        """Every message that has a view, and its view."""
        return self._views.items()

    def take(self, key: str) -> MessageView:
        """The view of a message; one it did not have yet has to be filled and measured."""
        if key not in self._views:
            rested = next((each for each in reversed(self._resting) if self._reuse(key, each)), None)
            if rested is None:
                rested = self._make(key, self._parent)
                rested.grown.connect(self._grown)
            else:
                self._resting.remove(rested)
            self._views[key] = rested
        return self._views[key]

    def drop(self, key: str) -> None:
        """A message has left the sight; its view rests."""
        view = self._views.pop(key)
        if len(self._resting) < _MOST_RESTING:
            view.rest()
            self._resting.append(view)
        else:
            discard(view)

    def clear(self) -> None:
        """Discard all views."""
        for view in (*self._views.values(), *self._resting):
            discard(view)
        self._views.clear()
        self._resting.clear()


def discard(view: MessageView) -> None:
    """A widget is not needed any more."""
    view.hide()
    view.deleteLater()
