"""The two lists of finding: repositories, and the files of one."""

from app.ui.discover.file_delegate import HEIGHT as FILE_HEIGHT
from app.ui.discover.file_delegate import FileDelegate
from app.ui.discover.file_rows import FileRow
from app.ui.discover.result_delegate import HEIGHT as RESULT_HEIGHT
from app.ui.discover.result_delegate import ResultDelegate
from app.ui.discover.results import Result
from app.ui.parts.row_list import RowList
from app.ui.parts.row_view import RowView
from app.ui.said import said, tip
from app.ui.style.theme import Theme
from app.ui.words import tr


def result_view(theme: Theme) -> RowView[Result]:
    """An empty list of repositories."""
    view = RowView[Result](theme, RowList(spoken_result, _result_tip), RESULT_HEIGHT, tr("Models found"))
    view.paint_with(ResultDelegate(theme))
    return view


def file_view(theme: Theme) -> RowView[FileRow]:
    """An empty list of quantizations."""
    view = RowView[FileRow](theme, RowList(spoken_file, _file_tip), FILE_HEIGHT, tr("Quantizations"))
    view.paint_with(FileDelegate(theme))
    return view


def spoken_result(result: Result) -> str:
    """A repository as a screen reader reads it."""
    gated = tr("its terms must be accepted first") if result.is_gated else ""
    parts = (result.name, tr("by {author}", author=result.author), result.facts, gated)
    return ", ".join(said(part) for part in parts if part)


def spoken_file(row: FileRow) -> str:
    """A quantization as a screen reader reads it."""
    verdict = row.verdict
    parts = (
        row.name,
        row.mark or "",
        row.meaning or "",
        row.size,
        verdict.words,
        verdict.speed_words if verdict.speed else "",
    )
    return ", ".join(said(part) for part in parts if part)


def _result_tip(result: Result) -> str:
    gated = tr("Its owner gives it only to accounts that accepted its terms.") if result.is_gated else ""
    return tip("\n".join(part for part in (result.model.repository, said(gated)) if part))


def _file_tip(row: FileRow) -> str:
    count = len(row.file.parts)
    parts = said(tr("In {count} parts, which belong together.", count=count)) if count > 1 else ""
    return tip("\n".join(part for part in (row.file.name, parts, said(row.verdict.sentence)) if part))
