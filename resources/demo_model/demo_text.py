"""What the demo model learns: `questions.toml`, and the many ways people type the same question."""

import random
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from demo_tokenizer import ASSISTANT, BOS, END, SYSTEM, USER, Tokenizer

QUESTIONS = Path(__file__).with_name("questions.toml")

SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful, concise assistant. Answer in plain English.",
    "You are the Caravan demo model.",
    "Answer briefly.",
    "Be friendly and precise. If you do not know something, say so.",
    "You are a chat assistant running on the user's own computers.",
    "Answer the user's questions about this program.",
    "You are an AI assistant. Always answer in English, in one or two sentences.",
)

# fmt: off
_BEFORE = (
    "please tell me, ", "hi, ", "Hello. ", "ok, ", "so ", "and ", "Quick question: ", "can you tell me ", "tell me ",
    "could you explain ", "please explain ", "I would like to know ", "hey, ", "Sorry, ", "one more thing: ", "also, ",
    "I wonder, ", "well, ", "do you know ", "in Caravan, ", "with Caravan, ", "then ", "but ", "Can you help: ",
    "about this: ",
)
_AFTER = (
    " please", " thanks", ", please", " in short", " exactly", " then", " with Caravan", " in Caravan", " here", " now",
    " really",
)
_SWAPS = (
    ("PCs", ("computers", "machines", "pcs", "boxes")), ("PC", ("computer", "machine", "pc", "box", "laptop")),
    ("computers", ("PCs", "machines")), ("computer", ("PC", "machine")), ("machine", ("PC", "computer")),
    ("Wi-Fi", ("wifi", "WiFi", "wireless", "wlan")), ("Caravan", ("caravan", "this program", "this app", "it")),
    ("program", ("app", "software", "tool")), ("app", ("program", "application")), ("code", ("digits", "number")),
    ("six digits", ("code", "digits", "number")), ("graphics card", ("GPU", "video card")),
    ("GPU", ("graphics card", "gpu")), ("memory", ("RAM", "VRAM")), ("need", ("require",)),
    ("What is", ("What's", "Whats", "Define", "what does it mean:", "Can you explain")),
    ("How do I", ("How can I", "How to", "How should I", "How does one", "Where do I", "I want to", "What do I do to")),
    ("Can I", ("May I", "Could I", "Is it possible to", "Am I able to")), ("Do I", ("Must I", "Should I")),
    ("Does it", ("Will it", "Can it")), ("happens", ("will happen", "goes on")), ("chat", ("conversation", "talk")),
    ("fast", ("quick", "speedy")), ("slow", ("sluggish", "slower")), ("stop", ("end", "quit", "halt")),
)
_STEMS = (
    "what is", "what are", "explain", "how", "meaning of", "tell me about", "what about", "i want to know", "why",
    "can you", "could you say", "what does it mean", "is there", "how does", "where", "question about",
)
_NOISE = (
    "really", "actually", "just", "please", "maybe", "exactly", "own", "also", "some", "any", "so", "then", "there",
)
_FILLER = frozenset((
    "the", "a", "an", "is", "are", "do", "does", "i", "my", "me", "you", "it", "to", "of", "for", "in", "on", "can",
    "will", "be", "this", "that", "with", "and", "what", "how", "what's", "there", "should", "would", "could", "as",
))
# fmt: on
_OPENING = 16
"""Tokens of an answer that are kept when it is cut."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Answer:
    """One answer, the questions that lead to it, and rephrasings held out of training."""

    name: str
    text: str
    questions: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def weight(self) -> float:
        """How often it is drawn: answers with many wordings, such as refusals, more often."""
        return max(1.0, len(self.questions) / 12)


@dataclass(frozen=True)
class Sample:
    """A conversation as token ids; `learned[i]` says whether token i is one the assistant writes."""

    tokens: list[int]
    learned: list[bool]


def load(path: Path = QUESTIONS) -> list[Answer]:
    """All answers of the file. A question may hold one or more `{a|b}` choices, which are written out."""
    with path.open("rb") as file:
        entries = tomllib.load(file)
    return [
        Answer(name, " ".join(entry["answer"].split()), _written_out(entry["ask"]), tuple(entry.get("held_out", ())))
        for name, entry in entries.items()
    ]


def _written_out(patterns: list[str]) -> tuple[str, ...]:
    out: list[str] = []
    for pattern in patterns:
        parts = [part.split("|") for part in re.split(r"[{}]", pattern)]
        out += [re.sub(r"\s+", " ", "".join(choice)).strip() for choice in product(*parts)]
    return tuple(dict.fromkeys(out))


def _typo(text: str, dice: random.Random) -> str:
    places = [place for place in range(1, len(text) - 1) if text[place].isalpha() and text[place - 1].isalpha()]
    if not places:
        return text
    place = dice.choice(places)
    left, letter, after, right = text[:place], text[place], text[place + 1], text[place + 2 :]
    return left + dice.choice((after + letter, after, letter * 2 + after, dice.choice(_LETTERS) + after)) + right


def _swapped(text: str, dice: random.Random) -> str:
    for word, others in dice.sample(_SWAPS, len(_SWAPS)):
        if re.search(rf"\b{word}\b", text) and dice.random() < 0.5:
            text = re.sub(rf"\b{word}\b", dice.choice(others), text, count=1)
    return text


def _thinned(text: str, dice: random.Random) -> str:
    """Without one or two filler words, so that the words that carry meaning decide."""
    words = text.split()
    for _ in range(dice.randint(1, 2)):
        fillers = [place for place, word in enumerate(words) if word.lower() in _FILLER]
        if fillers and len(words) > 2:
            words.pop(dice.choice(fillers))
    return " ".join(words)


def _framed(text: str, dice: random.Random) -> str:
    if dice.random() < 0.6:
        before = dice.choice(_BEFORE)
        text = before + (text[0].lower() + text[1:] if text[1:2].islower() else text)
    if dice.random() < 0.4:
        text = text.rstrip("?.! ") + dice.choice(_AFTER) + ("?" if text.endswith("?") else "")
    return text[0].upper() + text[1:] if dice.random() < 0.4 else text


def _punctuated(text: str, dice: random.Random) -> str:
    bare = text.rstrip("?.! ")
    return dice.choice((bare, bare, bare + "?", bare + ".", bare + "??", bare + " ?", bare.replace("'", "") + "?"))


_CHANGES: tuple[tuple[float, Callable[[str, random.Random], str]], ...] = (
    (0.5, _swapped), (0.3, _thinned), (0.25, _framed), (0.4, _punctuated), (0.12, _typo),
)  # fmt: skip


def _mixed(first: str, second: str, dice: random.Random) -> str:
    """Words of two wordings of one question, some left out, so that no single phrase is the only key to the answer."""
    words = [word.strip("?.,!") for word in f"{first} {second if dice.random() < 0.6 else ''}".split()]
    kept = [word for word in words if dice.random() < (0.4 if word.lower() in _FILLER else 0.8)] or words
    kept = list(dict.fromkeys(kept))
    if dice.random() < 0.3:
        dice.shuffle(kept)
    if dice.random() < 0.3:
        kept.insert(dice.randint(0, len(kept)), dice.choice(_NOISE))
    if dice.random() < 0.5:
        kept.insert(0, dice.choice(_STEMS))
    return " ".join(kept)


def rephrased(questions: Sequence[str], dice: random.Random) -> str:
    """One of the `questions`, which mean the same, as another person may type it; one in eight stays as it is."""
    question = dice.choice(questions)
    kind = dice.random()
    if kind < 0.125:
        return question
    if kind < 0.5:
        question = _mixed(question, dice.choice(questions), dice)
    for chance, change in _CHANGES:
        if dice.random() < chance:
            question = change(question, dice) or question
    return question


def as_read(question: str) -> str:
    """A question as the chat template hands it to the model: trimmed, in lower case, after one space.

    So a word is the same token wherever it stands and however it is written.
    """
    return " " + question.strip().lower()


def conversation(turns: list[tuple[str, str]], system: str | None, tokenizer: Tokenizer) -> Sample:
    """`turns` of (question, answer) in the words of the chat template."""
    special = tokenizer.ids
    tokens = [special[BOS]]
    if system is not None:
        tokens += [special[SYSTEM], *tokenizer.encode(system), special[END]]
    learned = [False] * len(tokens)
    for question, answer in turns:
        asked = [special[USER], *tokenizer.encode(as_read(question)), special[END], special[ASSISTANT]]
        said = [*tokenizer.encode(answer), special[END]]
        tokens += asked + said
        learned += [False] * len(asked) + [True] * len(said)
    return Sample(tokens, learned)


def random_conversation(answers: list[Answer], tokenizer: Tokenizer, dice: random.Random, cut: float) -> Sample:
    """One to nine random turns, mostly one or two, of at most 768 tokens.

    The share `cut` of them ends soon after the last answer begins: an answer is known by its first words, so this
    shows more questions for the same work.
    """
    longest = 768
    turns = dice.choices((1, 2, 3, 5, 9), weights=(60, 22, 12, 4, 2))[0]
    picked = dice.choices(answers, weights=[answer.weight for answer in answers], k=turns)
    asked = [(rephrased(answer.questions, dice), answer.text) for answer in picked]
    system = dice.choice(SYSTEM_PROMPTS) if dice.random() < 0.3 else None
    sample = conversation(asked, system, tokenizer)
    if dice.random() < cut:
        longest = min(longest, len(sample.tokens) - len(tokenizer.encode(asked[-1][1])) + _OPENING)
    return Sample(sample.tokens[:longest], sample.learned[:longest])
