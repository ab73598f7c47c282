"""PURE: what is worth a notification, from two statuses that follow each other."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.schema.download import DownloadPhase
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Reachability, Status
from app.ui.discover.downloads import name_of
from app.ui.face import NAME_COLUMNS, model_name, pcs_word, problem_of
from app.ui.parts.sizes import size_text
from app.ui.words import Phrase, shortened, tr, verbatim


@dataclass(frozen=True)
class Notice:
    """A notification: a title, and one or two sentences."""

    title: Phrase
    body: Phrase
    is_problem: bool = False


def notices(before: Status | None, after: Status) -> tuple[Notice, ...]:
    """What became ready, arrived or failed, and who came or was lost. The first status of a node tells no news."""
    if before is None:
        return ()
    known = {each.id: each.state for each in before.instances}
    news = (each for each in after.instances if known.get(each.id) is not each.state)
    told = (notice for each in news if (notice := _news(each)) is not None)
    return (*told, *_of_downloads(before, after), *_of_peers(before, after))


def trouble(title: Phrase, error: ErrorInfo) -> Notice:
    """An error as a notification: its sentence, and its hint when it has one."""
    told = problem_of(error)
    body = tr("{sentence} {hint}", sentence=told.sentence, hint=told.hint) if error.hint else told.sentence
    return Notice(title, body, is_problem=True)


def _of_downloads(before: Status, after: Status) -> Iterator[Notice]:
    known = {each.id: each.phase for each in before.downloads}
    for download in after.downloads:
        if known.get(download.id) in {None, download.phase}:
            continue
        name = shortened(name_of(download), NAME_COLUMNS)
        if download.phase is DownloadPhase.DONE:
            size = size_text(download.bytes_total)
            yield Notice(tr("{model} is here", model=name), tr("{size} downloaded. Launch it in Models.", size=size))
        elif download.phase is DownloadPhase.FAILED and download.error is not None:
            yield trouble(tr("{model} was not downloaded", model=name), download.error)


def _of_peers(before: Status, after: Status) -> Iterator[Notice]:
    known = {each.node: each.reachability for each in before.peers}
    for peer in after.peers:
        was, name = known.get(peer.node), shortened(peer.called, NAME_COLUMNS)
        if peer.reachability is Reachability.LOST and was not in {None, Reachability.LOST}:
            why = verbatim(peer.problem) if peer.problem else tr("It does not answer any more.")
            yield Notice(tr("{name} was lost", name=name), why, is_problem=True)
        elif was is None:
            yield Notice(tr("{name} joined the cluster", name=name), tr("It can carry a part of a model now."))


def _news(instance: InstanceStatus) -> Notice | None:
    name = model_name(instance)
    if instance.state is InstanceState.READY:
        return Notice(tr("{model} is ready", model=name), _ready_words(instance))
    if instance.state is InstanceState.FAILED:
        title = tr("{model} stopped", model=name) if instance.ready_at else tr("{model} did not start", model=name)
        return trouble(title, instance.error) if instance.error else Notice(title, title, is_problem=True)
    if instance.state is InstanceState.STOPPED and instance.ended_because is not None:
        return Notice(verbatim(name), verbatim(instance.ended_because))
    return None


def _ready_words(instance: InstanceStatus) -> Phrase:
    pcs = pcs_word(instance.plan.pcs)
    if instance.ready_at is None:
        return tr("Ready on {pcs}", pcs=pcs)
    seconds = max(0.0, instance.ready_at - instance.created_at)
    return tr("Ready in {seconds} s on {pcs}", seconds=f"{seconds:.1f}" if seconds < 10 else round(seconds), pcs=pcs)
