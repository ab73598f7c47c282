"""What fills the page instead of the models: no node, not known yet, none found, a file about to be dropped."""

from collections.abc import Callable

from PySide6.QtCore import QMimeData
from PySide6.QtWidgets import QStackedWidget, QWidget

from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.ui.parts.buttons import Button, Role
from app.ui.parts.empty import EmptyState
from app.ui.parts.waiting import Waiting
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.words import tr

_MOST_FOLDERS = 6


class States(QStackedWidget):
    """The widget added last is the models themselves."""

    def __init__(
        self,
        theme: Theme,
        open_folder: Callable[[], None],
        start: Callable[[], None],
        look: Callable[[], None],
        find: Callable[[], None],
    ) -> None:
        super().__init__()
        self._before_drop = 0
        self.waiting = Waiting(theme, tr("Looking for models"))
        self.no_node = EmptyState(
            theme,
            "llama",
            tr("Caravan is not running"),
            tr("The models of this PC and its cluster show here once it runs."),
            tr("Start Caravan"),
            start,
        )
        self.empty = EmptyState(
            theme,
            "folder",
            tr("No models yet"),
            "",
            tr("Find a model"),
            find,
        )
        self.folder = Button(tr("Open the models folder"), Role.QUIET, open_folder)
        self.empty.add_button(self.folder)
        self.failure = EmptyState(theme, "warning", tr("The models cannot be shown"), "", tr("Try again"), look)
        self.drop = EmptyState(
            theme, "download", tr("Drop it here"), tr("Caravan reads the file where it lies and says where it fits.")
        )
        for each in (self.waiting, self.no_node, self.empty, self.failure, self.drop):
            self.addWidget(each)
        self.setCurrentWidget(self.waiting)

    def show_models(self) -> None:
        """The models are known."""
        self._stand(self.widget(self.count() - 1))

    def show_waiting(self) -> None:
        """The node has not answered yet."""
        if self.currentWidget() is not self.failure:
            self._stand(self.waiting)

    def show_no_node(self) -> None:
        """There is nobody to ask."""
        self._stand(self.no_node)

    def show_empty(self, status: Status) -> None:
        """No PC of the cluster has a model. Says where Caravan looked."""
        folders = status.catalogue.folders[:_MOST_FOLDERS]
        words = said(tr("Find one on Hugging Face, or drop a .gguf file here. Caravan looked in:"))
        self.empty.text.say("\n".join([words, *folders]))
        self._stand(self.empty)

    def show_failure(self, error: ErrorInfo) -> None:
        """The node did not tell its models."""
        self.failure.text.say(f"{error.sentence} {error.hint}".strip())
        self._stand(self.failure)

    def begin_drop(self) -> None:
        """A file hovers above the page."""
        if self.currentWidget() is not self.drop:
            self._before_drop = self.currentIndex()
            self.setCurrentWidget(self.drop)

    def end_drop(self) -> None:
        """It is dropped, or gone."""
        if self.currentWidget() is self.drop:
            self.setCurrentIndex(self._before_drop)

    def _stand(self, widget: QWidget) -> None:
        if self.currentWidget() is self.drop:
            self._before_drop = self.indexOf(widget)
        else:
            self.setCurrentWidget(widget)


def dropped_models(data: QMimeData) -> list[str]:
    """The local .gguf files in what is dragged."""
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile() and url.path().lower().endswith(".gguf")]
