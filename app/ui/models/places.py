"""PURE: which program's folder a model lies in, told by its path."""

from enum import StrEnum
from pathlib import PurePosixPath

from app.schema.model import ModelFile
from app.ui.words import Phrase, tr, verbatim

DEMO_FOLDER = "demo_model"
"""The folder in `resources/` with the model that comes with Caravan."""


class Program(StrEnum):
    """Whose folder it is."""

    CARAVAN = "caravan"
    BUILT_IN = "built_in"
    OLLAMA = "ollama"
    LM_STUDIO = "lm_studio"
    HUGGING_FACE = "hugging_face"
    LLAMA_CPP = "llama_cpp"
    OTHER = "other"


_NAMES = {
    Program.CARAVAN: "Caravan",
    Program.OLLAMA: "Ollama",
    Program.LM_STUDIO: "LM Studio",
    Program.HUGGING_FACE: "Hugging Face",
    Program.LLAMA_CPP: "llama.cpp",
}

_MARKS = (
    (Program.OLLAMA, (".ollama", "ollama")),
    (Program.LM_STUDIO, (".lmstudio", "lm-studio", "lmstudio")),
    (Program.HUGGING_FACE, ("huggingface",)),
    (Program.LLAMA_CPP, ("llama.cpp",)),
    (Program.BUILT_IN, (DEMO_FOLDER,)),
)
"""Folder names by which a program's store is known; the first that matches counts."""


def program_of(model: ModelFile) -> Program:
    """The program whose folder holds a model; `OTHER` is a folder the person added."""
    folders = [part.casefold() for part in PurePosixPath(model.folder.replace("\\", "/")).parts]
    for program, marks in _MARKS:
        if any(mark in folders for mark in marks):
            return program
    return Program.CARAVAN if "caravan" in folders else Program.OTHER


def program_words(program: Program, folder: str) -> Phrase:
    """`Ollama`, `built in`; of a folder that somebody added its last two names, as one alone is often `models`."""
    if program is Program.BUILT_IN:
        return tr("built in")
    return verbatim(_NAMES.get(program) or "/".join(_last_names(folder)) or folder)


def _last_names(folder: str) -> list[str]:
    return [part for part in folder.replace("\\", "/").split("/") if part][-2:]
