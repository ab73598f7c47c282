"""All health warnings of this node, from every service that has some."""

from collections.abc import Callable

from app.schema.event import WarningsChanged
from app.schema.node import HealthWarning


class WarningBoard:
    """Keeps each source's warnings and publishes all of them whenever one source's changed."""

    def __init__(self, publish: Callable[[WarningsChanged], None]) -> None:
        self._publish = publish
        self._warnings: dict[str, tuple[HealthWarning, ...]] = {}

    def set(self, source: str, warnings: tuple[HealthWarning, ...]) -> None:
        """These are the warnings of a source from now on."""
        if self._warnings.get(source, ()) == warnings:
            return
        self._warnings[source] = warnings
        found = dict.fromkeys(each for name in sorted(self._warnings) for each in self._warnings[name])
        self._publish(WarningsChanged(warnings=tuple(found)))
