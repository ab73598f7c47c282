"""Settings of the engine: which llama.cpp, another one, and what it is started with."""

from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.schema.engine import EngineStatus
from app.schema.node import Status
from app.ui.desk import Desk
from app.ui.models.arguments import arguments_text
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.labels import Elided, Heading, Quiet
from app.ui.parts.pill import Pill
from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.engine_words import build_name, device_words, folder_of, source_words
from app.ui.settings.fields import read_arguments, read_path, read_threads
from app.ui.settings.install_view import InstallView
from app.ui.settings.rows import Group, Setting, switch_setting, text_setting
from app.ui.settings.section import Section
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL, UNIT
from app.ui.words import tr

_PATH_REASON = tr("A llama-server of your own, or its folder. It comes before an installed one. Default: none.")
_EXTRA_REASON = tr(
    "Go to every llama-server this PC starts, after Caravan's own. Quotes around a value with spaces. Default: none."
)
_THREADS_REASON = tr("For the layers that stay on the processor. Default: the engine's own choice.")
_CACHE_REASON = tr(
    "Weights that came over the network are kept on this PC's disk, so the next start is faster. Turned off, they are "
    "removed. Default: on."
)


class EngineSection(Section):
    """What runs the models."""

    def __init__(self, desk: Desk, theme: Theme, changes: Changes) -> None:
        super().__init__(
            tr("Engine"), tr("llama.cpp does the work. Every PC that shares a model needs the same build.")
        )
        self._engine: EngineStatus | None = None
        self.name, self.pill = Heading(level=2), Pill()
        self.place = Elided("", pixels=SMALL + 1)
        self.facts = Quiet(wraps=True, pixels=12)
        self.problem = Banner(theme, Tone.TIGHT, "")
        self.install = InstallView(desk, theme)
        self.add(self._build_card())
        self.path, self.path_field = text_setting(
            theme,
            changes,
            "engine_path",
            tr("An engine of your own"),
            _PATH_REASON,
            read_path,
            lambda settings: settings.engine_path or "",
            is_mono=True,
            buttons=(Button(tr("Choose..."), Role.PLAIN, self._choose),),
        )
        self.extra, self.extra_field = text_setting(
            theme,
            changes,
            "extra_arguments",
            tr("Extra arguments"),
            _EXTRA_REASON,
            read_arguments,
            lambda settings: arguments_text(settings.extra_arguments),
            hint="--temp 0.7",
            is_mono=True,
        )
        self.threads, self.threads_field = self._threads(theme, changes)
        self.cache, _ = switch_setting(theme, changes, "engine_cache", tr("Keep received weights"), _CACHE_REASON)
        self.add(Group(self.path, self.extra, self.threads, self.cache))
        self.close_column()

    def shown(self, status: Status | None) -> None:  # noqa: D102
        self.install.show_status(status)
        if self.install.has_failed:
            # One thing to look at is enough.
            self.problem.hide()
        engine = status.engine if status is not None else EngineStatus()
        if engine != self._engine:
            self._engine = engine
            self._show(engine, status is not None)

    def _show(self, engine: EngineStatus, is_known: bool) -> None:
        build = engine.build
        self.name.say(build_name(build) if build is not None else tr("No engine yet"))
        if build is not None:
            self.pill.show_as(source_words(build), Tone.GOOD)
        else:
            self.pill.show_as(
                tr("missing") if is_known else tr("not known yet"), Tone.TIGHT if is_known else Tone.NEUTRAL
            )
        self.place.say(folder_of(build) if build is not None else "")
        self.place.setVisible(build is not None)
        lines = [said(device_words(each)) for each in build.devices] if build is not None else []
        if build is not None and not lines:
            lines = [said(tr("It lists no GPU: models run on the processor."))]
        self.facts.say("\n".join([*lines, *engine.notices]))
        self.facts.setVisible(bool(self.facts.text()))
        self.problem.setVisible(engine.problem is not None and not self.install.has_failed)
        if engine.problem is not None:
            self.problem.tell(Tone.TIGHT, engine.problem.sentence, engine.problem.hint)

    def _threads(self, theme: Theme, changes: Changes) -> tuple[Setting, QWidget]:
        return text_setting(
            theme,
            changes,
            "cpu_threads",
            tr("CPU threads"),
            _THREADS_REASON,
            read_threads,
            lambda settings: str(settings.cpu_threads or ""),
            hint=tr("Automatic"),
        )

    def _choose(self) -> None:
        dialog = QFileDialog(self, said(tr("The llama-server to use")))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(["llama-server (llama-server llama-server.exe)", said(tr("All files (*)"))])
        dialog.fileSelected.connect(self.path_field.put)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _build_card(self) -> Card:
        card = Card()
        top = QHBoxLayout()
        top.setSpacing(GAP)
        top.addWidget(self.name)
        top.addWidget(self.pill)
        top.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(UNIT)
        words.addLayout(top)
        words.addWidget(self.place)
        words.addWidget(self.facts)
        card.rows.addLayout(words)
        card.rows.addWidget(self.problem)
        card.rows.addSpacing(UNIT)
        card.rows.addWidget(self.install)
        return card
