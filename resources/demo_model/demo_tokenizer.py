"""A small byte-level BPE tokenizer that llama.cpp reads as `tokenizer.ggml.model = gpt2`, `pre = gpt-2`.

The split into words imitates the GPT-2 expression. `re` has no letter class, so a letter is written as "a word
character that is neither digit nor underscore"; the two differ only on characters such as superscript digits.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

BOS, PAD, SYSTEM, USER, ASSISTANT, END = "<|bos|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = (BOS, PAD, SYSTEM, USER, ASSISTANT, END)
"""Control tokens. They take the first ids, in this order."""

_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")

Pair = tuple[str, str]
Word = tuple[str, ...]


def byte_letters() -> dict[int, str]:
    """The printable letter GPT-2 writes for each of the 256 bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + place) for place, byte in enumerate(others)}


_LETTERS = byte_letters()


def split_words(text: str) -> list[Word]:
    """Words of `text`, each as the letters of its UTF-8 bytes. No merge crosses a word."""
    return [tuple(_LETTERS[byte] for byte in word.encode()) for word in _WORD.findall(text)]


def _merged(word: Word, pair: Pair) -> Word:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)


def _learn_merges(counts: Counter[Word], wanted: int) -> list[Pair]:
    """The `wanted` most frequent pairs, greedily; ties go to the smaller pair, so the result is reproducible."""
    merges: list[Pair] = []
    while len(merges) < wanted:
        pairs: Counter[Pair] = Counter()
        for word, count in counts.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        joined: Counter[Word] = Counter()
        for word, count in counts.items():
            joined[_merged(word, best) if best[0] in word else word] += count
        counts = joined
    return merges


@dataclass(frozen=True)
class Tokenizer:
    """Merges in order of rank. Ids: control tokens, then the 256 bytes, then one token for each merge."""

    merges: tuple[Pair, ...]

    @classmethod
    def learned(cls, texts: Iterable[str], size: int) -> "Tokenizer":
        """A tokenizer of at most `size` tokens, control tokens included, learned from `texts`."""
        counts = Counter(word for text in texts for word in split_words(text))
        return cls(tuple(_learn_merges(counts, size - len(SPECIAL) - len(_LETTERS))))

    @cached_property
    def tokens(self) -> list[str]:
        """Every token's text in id order, as GGUF stores it."""
        return [*SPECIAL, *_LETTERS.values(), *(left + right for left, right in self.merges)]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token text to id."""
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def _known_words(self) -> dict[Word, list[int]]:
        return {}

    def _encode_word(self, word: Word) -> list[int]:
        pieces = word
        while len(pieces) > 1:
            best = min(itertools.pairwise(pieces), key=lambda pair: self._ranks.get(pair, len(self.merges)))
            if best not in self._ranks:
                break
            pieces = _merged(pieces, best)
        return [self.ids[piece] for piece in pieces]

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text. Control tokens in it are not recognised."""
        out: list[int] = []
        for word in split_words(text):
            if word not in self._known_words:
                self._known_words[word] = self._encode_word(word)
            out += self._known_words[word]
        return out

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids; control tokens are left out, broken UTF-8 becomes a replacement character."""
        byte_of = {letter: byte for byte, letter in _LETTERS.items()}
        letters = "".join(self.tokens[number] for number in ids if number >= len(SPECIAL))
        return bytes(byte_of[letter] for letter in letters).decode(errors="replace")
