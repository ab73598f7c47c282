"""The list of conversations at the left: search, new, rename, pin, delete with undo, export and import."""

from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.ui.chat.records import Conversation
from app.ui.chat.search import Hit
from app.ui.chat.shelf import Rows, Shelf, when
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Elided, Quiet
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, GROUP, SMALL, UNIT
from app.ui.words import tr

WIDTH = 232
UNDO_MS = 8_000
_ROW = 46
Index = QModelIndex | QPersistentModelIndex


class RowDelegate(QStyledItemDelegate):
    """Paints a conversation: its title, and when it was or what was found."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._title, self._below = ui_font(BODY), ui_font(SMALL)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: D102
        return QSize(0, _ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:  # noqa: D102
        hit = index.data(Rows.HIT)
        if not isinstance(hit, Hit):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place: QRect = option.rect.adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        self._ground(painter, option, place)
        self._words(painter, hit, place.adjusted(10, 5, -10, -5))
        painter.restore()

    def _ground(self, painter: QPainter, option: QStyleOptionViewItem, place: QRect) -> None:
        palette, state = self._theme.palette, option.state  # type: ignore[attr-defined]
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_soft if is_chosen else palette.hover))
            painter.drawRoundedRect(place, 6, 6)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(palette.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(place, 6, 6)

    def _words(self, painter: QPainter, hit: Hit, place: QRect) -> None:
        palette, conversation = self._theme.palette, hit.conversation
        room = place.width() - (18 if conversation.pinned else 0)
        painter.setFont(self._title)
        painter.setPen(QColor(palette.ink))
        title = painter.fontMetrics().elidedText(conversation.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(place, Qt.AlignmentFlag.AlignTop, title)
        if conversation.pinned:
            picture = icon("pin", palette.quiet, 14)
            picture.paint(painter, QRect(place.right() - 14, place.top() + 1, 14, 14))
        painter.setFont(self._below)
        painter.setPen(QColor(palette.quiet))
        below = hit.excerpt or when(conversation.updated_at)
        below = painter.fontMetrics().elidedText(below, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignBottom, below)


class UndoBar(QFrame):
    """Says what was deleted, and brings it back, for some seconds."""

    undone = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("undo")
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP + UNIT, UNIT, UNIT, UNIT)
        self.text = Elided(pixels=SMALL)
        self.button = Button(tr("Undo"), Role.QUIET, self._undo, is_small=True)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        self._timer = QTimer(self, singleShot=True, interval=UNDO_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def offer(self, conversation: Conversation) -> None:
        """Offer to bring a conversation back."""
        self.text.say(tr("Deleted: {title}", title=conversation.title))
        self.show()
        self._timer.start()

    def _undo(self) -> None:
        self.hide()
        self.undone.emit()


class ShelfView(QFrame):
    """`chosen` carries the id of a conversation and of the message that was found in it, or an empty text."""

    chosen = Signal(str, str)
    wants_new = Signal()

    def __init__(self, shelf: Shelf, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shelf, self._theme = shelf, theme
        self.setObjectName("shelf")
        self.setFixedWidth(WIDTH)
        self.new = Button(tr("New chat"), Role.PLAIN, self.wants_new.emit, theme=theme, icon_name="plus", is_small=True)
        self.more = IconButton(theme, "more", tr("Import and export"), self._show_menu, size=16)
        self.search = QLineEdit()
        self.list = QListView()
        self.empty = Quiet(
            tr("What you ask and what is answered is kept here, on this PC only."), wraps=True, pixels=12
        )
        self.undo = UndoBar()
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(GAP + UNIT, GROUP, GAP + UNIT, GAP + UNIT)
        rows.setSpacing(GAP)
        head = QHBoxLayout()
        head.addWidget(self.new, 1)
        self.more.setFixedSize(28, 28)
        head.addWidget(self.more)
        rows.addLayout(head)
        self.search.setPlaceholderText(said(tr("Search all chats")))
        self.search.setAccessibleName(said(tr("Search all chats")))
        self.search.setClearButtonEnabled(True)
        self.search.setFont(ui_font())
        rows.addWidget(self.search)
        self.list.setModel(self._shelf.rows)
        self.list.setItemDelegate(RowDelegate(self._theme, self.list))
        self.list.setAccessibleName(said(tr("Chats")))
        self.list.setMouseTracking(True)
        self.list.setUniformItemSizes(True)
        self.list.setEditTriggers(QListView.EditTrigger.EditKeyPressed)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        rows.addWidget(self.empty)
        rows.addWidget(self.list, 1)
        rows.addWidget(self.undo)

    def _connect(self) -> None:
        shelf, rows = self._shelf, self._shelf.rows
        self.search.textChanged.connect(shelf.search)
        self.list.selectionModel().currentChanged.connect(lambda index, _: self._choose(index))
        self.list.clicked.connect(self._choose)
        self.list.customContextMenuRequested.connect(self._row_menu)
        self.undo.undone.connect(self._bring_back)
        shelf.deleted.connect(self.undo.offer)
        rows.modelReset.connect(self._judge)
        rows.dataChanged.connect(lambda *_: self._judge())
        delete = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.list, self._delete_current)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        self._judge()

    def mark(self, conversation: str) -> None:
        """Show which conversation is open."""
        row = self._shelf.rows.row_of(conversation)
        model = self.list.selectionModel()
        model.blockSignals(True)
        if row is None:
            self.list.setCurrentIndex(QModelIndex())
        else:
            self.list.setCurrentIndex(self._shelf.rows.index(row))
        model.blockSignals(False)
        self.list.viewport().update()

    def menu_for(self, conversation: Conversation) -> QMenu:
        """What can be done with a conversation."""
        key = conversation.id
        menu = QMenu(self)
        menu.addAction(said(tr("Rename")), lambda: self._rename(key))
        menu.addAction(said(tr("Unpin") if conversation.pinned else tr("Pin")), lambda: self._shelf.pin(key))
        menu.addAction(said(tr("Duplicate")), lambda: self._shelf.duplicate(key))
        menu.addSeparator()
        menu.addAction(said(tr("Export as Markdown...")), lambda: self.ask_export([key], ".md", conversation.title))
        menu.addAction(said(tr("Export as JSON...")), lambda: self.ask_export([key], ".json", conversation.title))
        menu.addSeparator()
        menu.addAction(said(tr("Delete")), lambda: self._shelf.delete(key))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def ask_export(self, conversations: list[str], ending: str, title: str) -> None:
        """Ask where to, then export."""
        name = file_name(title) + ending
        kinds = said(tr("Markdown") if ending == ".md" else tr("JSON")) + f" (*{ending})"
        dialog = QFileDialog(self, said(tr("Export")), name, kinds)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(ending[1:])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda chosen: self._shelf.export(conversations, Path(chosen)))
        dialog.open()

    def _judge(self) -> None:
        is_bare = self._shelf.rows.rowCount() == 0
        self.empty.setVisible(is_bare)
        self.empty.say(
            tr("No chat has all these words.")
            if self._shelf.is_searching
            else tr("What you ask and what is answered is kept here, on this PC only.")
        )

    def _choose(self, index: QModelIndex) -> None:
        hit = index.data(Rows.HIT)
        if isinstance(hit, Hit):
            self.chosen.emit(hit.conversation.id, hit.message or "")

    def _row_menu(self, place: QPoint) -> None:
        hit = self.list.indexAt(place).data(Rows.HIT)
        if isinstance(hit, Hit):
            self.menu_for(hit.conversation).popup(self.list.viewport().mapToGlobal(place))

    def _show_menu(self) -> None:
        menu = QMenu(self)
        menu.addAction(said(tr("Import chats...")), self._ask_import)
        every = menu.addAction(
            said(tr("Export all chats...")),
            lambda: self.ask_export(self._shelf.all_ids(), ".json", said(tr("Caravan chats"))),
        )
        every.setEnabled(not self._shelf.is_empty)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _ask_import(self) -> None:
        dialog = QFileDialog(self, said(tr("Import chats")), "", said(tr("Chats that Caravan exported")) + " (*.json)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda chosen: self._shelf.bring_in(Path(chosen)))
        dialog.open()

    def _rename(self, conversation: str) -> None:
        row = self._shelf.rows.row_of(conversation)
        if row is not None:
            self.list.edit(self._shelf.rows.index(row))

    def _delete_current(self) -> None:
        hit = self.list.currentIndex().data(Rows.HIT)
        if isinstance(hit, Hit):
            self._shelf.delete(hit.conversation.id)

    def _bring_back(self) -> None:
        gone = self._shelf.undo()
        if gone is not None:
            self.chosen.emit(gone.id, "")


def file_name(title: str) -> str:
    """A title as a file name that Windows takes too: https://learn.microsoft.com/windows/win32/fileio/naming-a-file."""
    clean = "".join(" " if sign in '<>:"/\\|?*' or not sign.isprintable() else sign for sign in title)
    return " ".join(clean.split())[:80].rstrip(". ") or "chat"
