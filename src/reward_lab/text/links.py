"""What ties pairs to each other, so that what is tied stays on one side of a split.

Two pairs with one prompt, or with one text, say something about each other: a model that has seen the first knows more
about the second than about a new one. Files hide their prompts in many ways. What is found of them becomes keys, 64-bit
hashes; pairs that share a key are tied.
"""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

COLUMNS = ("prompt", "chosen", "preferred", "rejected", "margin")
"""The columns of a preference file."""
PROMPT_COLUMN = re.compile(
    r"(user_?)?(prompt|instruction|question|query|context|input|history|dialog(ue)?|conversation|post|task|title|problem)"
    r"(_?(id|text|hash|idx))?",
    re.IGNORECASE,
)
"""Names of columns that say which prompt a pair belongs to."""
SPEAKS = re.compile(
    r"(?:^|\n)\s*(?:#+\s*)?(?:assistant|ai|bot|chatbot|model|gpt|response|answer|output|a)\s*:"  # Assistant:, ### Response:
    r"|<\|(?:assistant|im_start\|>\s*assistant|start_header_id\|>\s*assistant)"
    r"|<start_of_turn>\s*model|\[/INST\]|<\/?(?:assistant|bot)>|<｜Assistant｜>",
    re.IGNORECASE,
)
"""Where the turn of the one who answers begins, in the templates in use."""
BACK = 8
"""Words by which a common beginning may go on after the prompt, where both answers of a pair begin alike."""
LONG_WORD = 20
MIN_TEXT = 20
"""Letters of a completion that is taken for a text of its own: "Yes." under two prompts ties nothing."""


PROMPT, TEXT = 0, BACK + 1
"""Kinds of keys. Between them lie the common beginnings: the whole of it is 1, less its last word 2, ... A split may leave
out the kinds from the last one on."""


class Links:
    """The keys of all pairs of a file: 20 bytes each; three to a pair with a prompt, about twenty without."""

    def __init__(self):
        self._keys, self._rows, self._kinds, self._lengths = array("Q"), array("I"), array("B"), array("I")
        self.pairs = 0
        self._common = {"beginning": None, "end": None}

    def add(self, row: dict, prompt: str, preferred: str, rejected: str) -> None:
        """Take in one pair: its row as it was read, and its texts as they were understood."""
        for kind, length, text in _ties(row, prompt, preferred, rejected):
            self._keys.append(_hash(text))
            self._rows.append(self.pairs)
            self._kinds.append(kind)
            self._lengths.append(length)
        if not prompt:
            for name, turn in (("beginning", 1), ("end", -1)):
                for text in (preferred, rejected):
                    text, known = _normalised(text)[::turn], self._common[name]
                    self._common[name] = text if known is None else known[: shared_items(known, text)]
        self.pairs += 1

    def table(self, kinds: int = TEXT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys (m,) uint64, the pairs they belong to (m,) int64, and their kinds (m,), up to a kind.

        What every text of the file begins or ends with is a template and ties nothing.
        """
        keys, rows = np.array(self._keys, np.uint64), np.array(self._rows, np.int64)
        found, lengths = np.array(self._kinds, np.uint8), np.array(self._lengths, np.int64)
        template = max(len(text or "") for text in self._common.values()) if self.pairs > 1 else 0
        says_something = (found == PROMPT) | (found == TEXT) | (lengths > template)
        used = (found <= kinds) & says_something
        return keys[used], rows[used], found[used]

    def components(self, kinds: int = TEXT) -> np.ndarray:
        """(pairs,) uint64: tied pairs share a number, whatever the order of the file.

        Args:
            kinds: the last kind of key that ties.
        """
        keys, rows, _ = self.table(kinds)
        _, nodes = np.unique(keys, return_inverse=True)
        label = np.full(self.pairs, np.iinfo(np.uint64).max)
        np.minimum.at(label, rows, keys)
        while True:  # the least key of a component spreads over it, one tie a round
            least = np.full(nodes.max(initial=-1) + 1, np.iinfo(np.uint64).max)
            np.minimum.at(least, nodes, label[rows])
            spread = label.copy()
            np.minimum.at(spread, rows, least[nodes])
            if (spread == label).all():
                return label
            label = spread

    def shared_with(self, other: "Links") -> np.ndarray:
        """(pairs,) bool: which pairs of this file are tied to a pair of another file."""
        keys, rows, _ = self.table()
        tied = np.zeros(self.pairs, dtype=bool)
        tied[rows[np.isin(keys, other.table()[0])]] = True
        return tied


def prompt_columns(row: dict, depth: int = 3) -> dict[str, str]:
    """Columns, beside `prompt`, that say which prompt a row belongs to, also inside others: name -> value."""
    found = {}
    for name, value in row.items():
        if isinstance(value, dict) and depth:
            found.update(prompt_columns(value, depth - 1))
        elif (
            name != "prompt"
            and PROMPT_COLUMN.fullmatch(name)
            and isinstance(value, str | int)
            and value != ""
        ):
            found[name] = str(value)
    return found


def shared_items(a: Sequence, b: Sequence) -> int:
    """How many letters (or words) two texts have in common from their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # halving: comparing slices is quick, letter by letter is not
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[:middle] == b[:middle] else (low, middle - 1)
    return low


def _ties(row: dict, prompt: str, preferred: str, rejected: str) -> Iterator[tuple[int, int, str]]:
    """(kind, length where it is a beginning, text) of each key of a pair."""
    for name, value in prompt_columns(row).items():
        yield PROMPT, 0, f"{name} {_normalised(value)}"
    for name in COLUMNS:
        if isinstance(row.get(name), list) and (question := _first_question(row[name])):
            yield PROMPT, 0, f"prompt {_normalised(question)}"
    texts = [_normalised(text) for text in (preferred, rejected)]
    for text in texts:
        if len(text) >= MIN_TEXT:
            yield TEXT, 0, f"text {text}"
    if prompt:
        yield PROMPT, 0, f"prompt {_normalised(prompt)}"
        if (speaks := _answer_begins(prompt)) and speaks.start():
            yield PROMPT, 0, f"prompt {_normalised(prompt[: speaks.start()])}"
        return
    yield PROMPT, 0, "both " + "\n".join(sorted(texts))
    yield from _hidden_prompts(preferred, rejected, texts)


def _answer_begins(text: str) -> re.Match | None:
    """Where the first answer of a conversation in a template begins."""
    # Looking for one of these signs first is ten times as quick, and most texts have none.
    return SPEAKS.search(text) if ":" in text or "<" in text or "[/" in text else None


def _first_question(messages: list) -> str | None:
    """What a person said first in a list of chat messages: a conversation is one prompt, at whichever turn it was judged."""
    for message in messages:
        if isinstance(message, dict) and message.get("role", message.get("from")) in ("user", "human"):
            said = message.get("content", message.get("value"))
            return said if isinstance(said, str) and said else None
    return None


def _hidden_prompts(preferred: str, rejected: str, texts: list[str]) -> Iterator[tuple[int, int, str]]:
    """Keys of a prompt that stands inside both texts."""
    speaks = _answer_begins(preferred)
    # The first turn, as for messages.
    if speaks and speaks.start() and preferred[: speaks.end()] == rejected[: speaks.end()]:
        yield PROMPT, 0, f"prompt {_normalised(preferred[: speaks.start()])}"
    for turn in (1, -1):  # from the beginning, and from the end
        first, second = (_words(text)[::turn] for text in texts)
        shared = shared_items(first, second)
        for back in range(min(BACK, shared)):
            words = first[: shared - back]
            yield 1 + back, sum(map(len, words)), f"{turn} {'|'.join(words)}"


def _words(text: str) -> list[str]:
    """The words of a text with the spaces before them; the letters of what is too long for a word (Thai, Chinese)."""
    words = re.findall(r" ?[^ ]+", text)
    return [part for word in words for part in ([word] if len(word) <= LONG_WORD else word)]


def _normalised(text: str) -> str:
    """Case, spacing and the spelling of a letter in Unicode don't make another prompt."""
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(text.split())


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
