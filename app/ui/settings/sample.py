"""The settings, the logs and the first run in their states, for pictures and tests."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from app.schema.engine import (
    EngineBackend,
    EngineBuild,
    EngineDevice,
    EngineInstall,
    EngineInstallRequest,
    EngineStatus,
    InstallPhase,
)
from app.schema.errors import CaravanError, EngineMissing, ErrorInfo, InputError
from app.schema.node import CatalogueStatus, HealthWarning, Status
from app.schema.settings import Settings
from app.ui.desk import Desk, Wish
from app.ui.errand import Errand
from app.ui.face import Link
from app.ui.mailbox import Mailbox
from app.ui.settings.logs_section import LogsSection
from app.ui.settings.page import SettingsPage
from app.ui.showcase import BUILD, GB, alone, home
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import SIZE, MainWindow

_SETTLE_MS = 400

REFUSED = InputError(
    "The engine on this PC (b11434-c0ffee) does not know the extra argument --tempp.", "Did you mean --temp?"
)


def build() -> EngineBuild:
    """An engine with two devices."""
    devices = (
        EngineDevice(name="CUDA0", description="NVIDIA GeForce RTX 4090", total_bytes=24 * GB, free_bytes=22 * GB),
        EngineDevice(name="Vulkan1", description="AMD Radeon(TM) Graphics", total_bytes=16 * GB, free_bytes=15 * GB),
    )
    server = r"C:\Users\Anna\AppData\Local\Caravan\engine\b11434-cuda\llama-server.exe"
    return BUILD.model_copy(update={"server": server, "devices": devices})


def status(**fields: object) -> Status:
    """One PC with that engine, some folders, and these fields."""
    catalogue = CatalogueStatus(
        models=7,
        folders=(r"C:\Users\Anna\AppData\Local\Caravan\models", r"D:\Modelle", r"C:\Users\Anna\.ollama\models"),
    )
    base = alone().model_copy(update={"engine": EngineStatus(build=build()), "catalogue": catalogue})
    return base.model_copy(update=fields)


def changed_settings() -> Settings:
    """Settings of somebody who changed many."""
    return Settings(
        model_folders=(r"D:\Modelle", r"E:\Archiv\Große Modelle für den nächsten Winter\GGUF"),
        extra_arguments=("--temp", "0.7"),
        cpu_threads=12,
        unload_after=30,
    )


def installing() -> EngineInstall:
    """An install in the middle of its download."""
    return EngineInstall(
        id="one",
        phase=InstallPhase.DOWNLOADING,
        build="b11434",
        backend=EngineBackend.CUDA,
        file="llama-b11434-bin-win-cuda-12.4-x64.zip",
        bytes_done=183 << 20,
        bytes_total=562 << 20,
        rate=11.6e6,
    )


def failed_install() -> EngineInstall:
    """One that failed."""
    error = ErrorInfo(
        code="download_failed",
        sentence="GitHub does not answer: the name api.github.com was not found.",
        hint="Check this PC's internet connection, or install from files.",
    )
    return EngineInstall(id="two", phase=InstallPhase.FAILED, build="b11434", error=error)


def missing_engine() -> EngineStatus:
    """No engine."""
    return EngineStatus(problem=EngineMissing("WORKSHOP has no engine.", "Install llama.cpp.").info())


HURDLES = (
    HealthWarning(
        code="network_public",
        sentence='This PC\'s network "FRITZ!Box 7590" is set to Public, so Windows blocks other PCs.',
        hint="Do that only at home or where you trust everybody.",
    ),
    HealthWarning(
        code="firewall_blocks",
        sentence="The Windows firewall on this PC does not let other PCs reach Caravan.",
        hint="Click Fix, or allow Caravan in Windows Security.",
    ),
)


def log_lines(count: int) -> list[str]:
    """The node's log of an eventful day."""
    return list(_lines(count))


def _lines(count: int) -> Iterator[str]:
    said = (
        ("INFO   ", "caravan.node", "engine b11434-c0ffee found"),
        ("INFO   ", "caravan.cluster", "LIVING ROOM answers in 0.4 ms"),
        ("INFO   ", "caravan.instances", "Qwen3-32B-Q4_K_M: workers started 2/2"),
        ("WARNING", "caravan.cluster", "LAPTOP has not answered for 3 s"),
        ("DEBUG  ", "caravan.modelstore", "17 files looked at in 12 ms"),
        ("INFO   ", "caravan.api", "chat: 412 tokens in 19.3 s"),
        ("ERROR  ", "caravan.instances", "llama-server ended with code 0xC0000409 while loading layer 14"),
    )
    for number in range(count):
        level, room, text = said[(number * 5 + number // 7) % len(said)]
        moment = f"2026-11-21T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{number % 1000:03d}Z"
        yield f"{moment} {level} {room}: {text}"


class SampleNode:
    """A node that has settings and logs. `changes` keeps what it was asked to set, `installs` what to install."""

    def __init__(self, settings: Settings, lines: list[str]) -> None:
        self.held = settings
        self.lines = {"caravan": lines, "head-7f3a": lines[:40]}
        self.changes: list[Settings] = []
        self.installs: list[EngineInstallRequest] = []
        self.calls: list[str] = []

    async def settings(self) -> Settings:
        """What holds."""
        return self.held

    async def change_settings(self, settings: Settings) -> Settings:
        """Set, or refuse an argument as a node does."""
        if "--tempp" in settings.extra_arguments:
            raise REFUSED
        self.held = settings
        self.changes.append(settings)
        return settings

    async def logs(self, name: str, lines: int) -> tuple[list[str], list[str]]:
        """The end of a log."""
        if name not in self.lines:
            raise InputError(f"There is no log named {name!r}.")
        return self.lines[name][-lines:], list(self.lines)

    async def install_engine(self, request: EngineInstallRequest) -> EngineInstall:
        """Begin."""
        self.installs.append(request)
        return installing()

    async def cancel_engine_install(self) -> None:
        """End."""
        self.calls.append("cancel install")

    async def shut_down(self) -> None:
        """End everything."""
        self.calls.append("shut down")


class Answering:
    """Errands that the made-up node answers at once; the answer comes as from the bridge, later."""

    def __init__(self, node: SampleNode) -> None:
        self._node = node
        self._mailbox = Mailbox()

    def ask(
        self,
        work: Callable[..., Awaitable[Any]],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        """Do the work now."""
        errand = Errand(self._mailbox, on_error or (lambda error: None))

        async def told() -> Any:
            return await work(self._node)

        try:
            answer = asyncio.run(told())
        except CaravanError as error:
            errand.fail(error.info())
        else:
            if on_done is not None:
                errand.post(lambda: on_done(answer))
        return errand

    def stream(self, work: Callable[..., AsyncGenerator[Any, None]], on_item: Any, *more: Any) -> Errand:
        """Never answered: nothing here streams."""
        return Errand(self._mailbox, lambda error: None)


@dataclass(frozen=True)
class Sample:
    """One picture: the section that is open (empty: the first run), and what happens before it is taken."""

    name: str
    status: Status | None
    section: str = ""
    then: Callable[[QWidget], None] | None = None


def samples() -> tuple[Sample, ...]:
    """Every state worth a picture."""
    changed, none = changed_settings(), missing_engine()
    return (
        Sample("settings-this-pc", status(), "this-pc"),
        Sample("settings-restart", status(settings=Settings(name="客厅里的游戏电脑")), "this-pc"),
        Sample("settings-models", status(settings=changed), "models"),
        Sample("settings-engine", status(settings=changed), "engine"),
        Sample("settings-engine-missing", status(engine=none), "engine"),
        Sample("settings-engine-installing", status(engine_install=installing()), "engine"),
        Sample("settings-engine-failed", status(engine_install=failed_install(), engine=none), "engine"),
        Sample("settings-refused", status(), "engine", _refuse),
        Sample("settings-api", status(), "api"),
        Sample("settings-look", status(), "look"),
        Sample("settings-advanced", status(), "advanced"),
        Sample("settings-about", status(), "about"),
        Sample("settings-no-node", None, "this-pc"),
        Sample("logs", status(), "logs"),
        Sample("logs-filtered", status(), "logs", _filter),
        Sample("first-run-starting", None),
        Sample("first-run", status(engine=none, warnings=HURDLES, catalogue=CatalogueStatus(models=1))),
        Sample("first-run-installing", status(engine=none, engine_install=installing())),
        Sample("first-run-done", home().model_copy(update={"warnings": (), "catalogue": CatalogueStatus(models=7)})),
    )


def pictures() -> tuple[tuple[str, Callable[[Desk, Theme], QWidget]], ...]:
    """Name and maker of every picture. A maker gives the whole window, on a desk of its own that has answers."""
    return tuple((each.name, _maker(each)) for each in samples())


def _maker(sample: Sample) -> Callable[[Desk, Theme], QWidget]:
    def make(desk: Desk, theme: Theme) -> QWidget:
        settings = sample.status.settings if sample.status is not None else Settings()
        own = Desk(Answering(SampleNode(settings, log_lines(2400))), desk.paths)
        own.closes_to_tray = True
        own.take_link(Link.FOUND if sample.status else Link.STARTING if not sample.section else Link.LOST,
                      "http://127.0.0.1:52415")  # fmt: skip
        if sample.status is not None:
            own.take_status(sample.status)
        window = MainWindow(own, theme, Memory(desk.paths))
        # The window is all that keeps its desk.
        own.setParent(window)
        window.resize(SIZE)
        window.show()
        if sample.section:
            window.open_page(Wish.SETTINGS, sample.section)
        else:
            window.open_first_steps()
        settle()
        if sample.then is not None and window.page is not None:
            sample.then(window.page)
            settle()
        return window

    return make


def settle() -> None:
    """Let Qt's loop run until every answer is there."""
    loop = QEventLoop()
    QTimer.singleShot(_SETTLE_MS, loop.quit)
    loop.exec()


def _refuse(page: QWidget) -> None:
    assert isinstance(page, SettingsPage)
    section: Any = page.section
    section.extra_field.put("--tempp 0.7")
    section.threads_field.put("many")


def _filter(page: QWidget) -> None:
    assert isinstance(page, SettingsPage)
    assert isinstance(page.section, LogsSection)
    page.section.search.setText("caravan.instances")
