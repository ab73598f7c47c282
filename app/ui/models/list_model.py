"""The picker's rows as Qt's lists want them."""

from app.ui.models.rows import Row, facts
from app.ui.parts.row_list import RowList
from app.ui.said import said
from app.ui.words import tr


def row_list() -> RowList[Row]:
    """An empty list of models."""
    return RowList(spoken, _tip)


def spoken(row: Row) -> str:
    """The row as a screen reader reads it."""
    pictures = tr("sees pictures") if row.sees else ""
    parts = (row.name, facts(row), pictures, row.verdict.words, row.verdict.speed_words if row.verdict.speed else "")
    return ", ".join(said(part) for part in parts if part)


def _tip(row: Row) -> str:
    return f"{row.model_id}\n{row.model.path}\n{said(row.verdict.sentence)}"
