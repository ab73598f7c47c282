"""PURE: what was found, as rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.schema.download import HubModel
from app.ui.discover.wording import brief_facts, display_repository
from app.ui.words import Phrase


@dataclass(frozen=True)
class Result:
    """One repository as the list shows it."""

    key: str
    name: str
    author: str
    facts: Phrase
    model: HubModel

    @property
    def is_gated(self) -> bool:
        """Whether its files are given only to those who accepted its terms."""
        return self.model.gated


def results_of(models: Iterable[HubModel], now: float) -> list[Result]:
    """A row for each repository, in the order in which the hub told them."""
    every = {each.repository: each for each in models}
    return [
        Result(key=name, name=display_repository(name), author=each.author, facts=brief_facts(each, now), model=each)
        for name, each in every.items()
    ]
