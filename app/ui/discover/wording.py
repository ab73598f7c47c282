"""PURE: what the hub tells of a repository, in plain words."""

from app.schema.download import HubModel
from app.ui.words import Phrase, tr, verbatim

_DAY = 86_400.0

_LICENCES = {
    "apache-2.0": "Apache 2.0",
    "mit": "MIT",
    "gpl-3.0": "GPL 3.0",
    "cc-by-4.0": "CC BY 4.0",
    "cc-by-sa-4.0": "CC BY-SA 4.0",
    "cc-by-nc-4.0": "CC BY-NC 4.0",
    "bsd-3-clause": "BSD",
    "openrail": "OpenRAIL",
    "gemma": "Gemma",
    "llama2": "Llama 2",
    "llama3": "Llama 3",
    "llama3.1": "Llama 3.1",
    "llama3.2": "Llama 3.2",
    "llama3.3": "Llama 3.3",
    "llama4": "Llama 4",
    "health-ai-developer-foundations": "Health AI Developer",
}
"""Names of licences by the hub's ids: https://huggingface.co/docs/hub/repositories-licenses."""


def display_repository(repository: str) -> str:
    """`bartowski/Qwen_Qwen3-8B-GGUF` is `Qwen Qwen3 8B`: its own name, without what all of them are."""
    name = repository.rpartition("/")[2]
    plain = name[:-5] if name.lower().endswith(("-gguf", "_gguf", ".gguf")) else name
    return " ".join(plain.replace("_", " ").replace("-", " ").split()) or name


def facts(model: HubModel, now: float) -> Phrase:
    """The quiet line of a repository: `1.2M downloads a month · 340 likes · updated 3 days ago · Apache 2.0`."""
    downloads, likes, updated = model.downloads, model.likes, model.updated
    return joined(
        tr("{count} downloads a month", count=short_count(downloads)) if downloads is not None else "",
        tr("{count} likes", count=short_count(likes)) if likes is not None else "",
        tr("updated {ago}", ago=ago(updated, now)) if updated is not None else "",
        licence_words(model.licence) or "",
    )


def brief_facts(model: HubModel, now: float) -> Phrase:
    """The same for a row of a list: `1.2M downloads · 340 likes · 3 days ago · Apache 2.0`."""
    downloads, likes, updated = model.downloads, model.likes, model.updated
    return joined(
        tr("{count} downloads", count=short_count(downloads)) if downloads is not None else "",
        tr("{count} likes", count=short_count(likes)) if likes is not None else "",
        ago(updated, now) if updated is not None else "",
        licence_words(model.licence) or "",
    )


def joined(*parts: Phrase | str) -> Phrase:
    """The parts that say anything, a dot between them."""
    filled = {f"part{number}": part for number, part in enumerate(part for part in parts if part)}
    return Phrase(" · ".join(f"{{{name}}}" for name in filled), tuple(filled.items()))


def short_count(count: int) -> str:
    """`950`, `1.2K`, `34K`, `1.2M`."""
    for value, unit in ((count / 1e6, "M"), (count / 1e3, "K")):
        if value >= 0.9995:
            return f"{value:.1f}".removesuffix(".0") + unit if value < 9.95 else f"{value:.0f}{unit}"
    return str(count)


def ago(then: float, now: float) -> Phrase:
    """`today`, `3 days ago`, `5 months ago`; both in seconds since the epoch."""
    days = max(0, int((now - then) // _DAY))
    if days < 2:
        return tr("yesterday") if days else tr("today")
    if days < 14:
        return tr("{count} days ago", count=days)
    if days < 60:
        return tr("{count} weeks ago", count=days // 7)
    if days < 730:
        return tr("{count} months ago", count=days // 30)
    return tr("{count} years ago", count=days // 365)


def licence_words(licence: str | None) -> Phrase | None:
    """The licence by its name, or by the hub's id where that is all there is; None when nobody says."""
    if not licence or licence in {"other", "unknown"}:
        return tr("own licence") if licence == "other" else None
    return verbatim(_LICENCES.get(licence.lower(), licence))
