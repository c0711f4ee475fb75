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
from dataclasses import dataclass
from functools import cached_property, lru_cache

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
    r"|<start_of_turn>\s*model|<extra_id_1>\s*assistant|\[/INST\]|<\/?(?:assistant|bot)>|<｜Assistant｜>",
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
LADDER = (TEXT, TEXT - 1, 4, 2, 1, PROMPT)
"""The last kind that ties, from the strictest on: where these tie nearly everything, the next one is tried."""


@dataclass(frozen=True)
class Ties:
    """Which pairs share which keys, as arrays: what a split works with."""

    keys: np.ndarray
    """(m,) uint64."""
    rows: np.ndarray
    """(m,) uint32: the pair that has the key."""
    kinds: np.ndarray
    """(m,) uint8, see PROMPT and TEXT."""
    pairs: int

    @cached_property
    def _nodes(self) -> np.ndarray:
        return np.unique(self.keys, return_inverse=True)[1]

    def components(self, kinds: int = TEXT) -> np.ndarray:
        """(pairs,) uint64: tied pairs share a number, whatever the order of the file.

        Args:
            kinds: the last kind of key that ties.
        """
        used = self.kinds <= kinds
        keys, rows, nodes = self.keys[used], self.rows[used], self._nodes[used]
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


class Links:
    """The keys of all pairs of a file: 17 bytes each; three to a pair with a prompt, about twenty without."""

    def __init__(self):
        self._keys, self._rows, self._kinds, self._lengths = array("Q"), array("I"), array("B"), array("I")
        self.pairs = 0
        self._beginning = self._end = None  # what every text of the file begins and ends with

    def add(self, row: dict, prompt: str, preferred: str, rejected: str) -> None:
        """Take in one pair: its row as it was read, and its texts as they were understood."""
        texts = _normalised(preferred), _normalised(rejected)
        kinds, lengths, keys = zip(*_ties(row, prompt, (preferred, rejected), texts), strict=True)
        self._keys.extend(keys)
        self._rows.extend([self.pairs] * len(keys))
        self._kinds.extend(kinds)
        self._lengths.extend(lengths)
        if not prompt:
            for text in texts:
                self._narrow(text)
        self.pairs += 1

    def _narrow(self, text: str) -> None:
        """Keep of what all texts begin and end with only what this one does, too."""
        if self._beginning is None:
            self._beginning = self._end = text
        if not text.startswith(self._beginning):
            self._beginning = text[: shared_items(self._beginning, text)]
        if not text.endswith(self._end):
            self._end = text[len(text) - shared_items(self._end[::-1], text[::-1]) :]

    def digest(self) -> str:
        """SHA-256 of the keys: files whose pairs are tied alike have the same."""
        return hashlib.sha256(self._keys.tobytes()).hexdigest()

    def table(self) -> Ties:
        """All keys but those of templates: what every text of the file begins or ends with ties nothing."""
        kinds, lengths = np.array(self._kinds, np.uint8), np.array(self._lengths, np.uint32)
        template = max(len(self._beginning or ""), len(self._end or "")) if self.pairs > 1 else 0
        used = (kinds == PROMPT) | (kinds == TEXT) | (lengths > template)
        keys, rows = np.array(self._keys, np.uint64), np.array(self._rows, np.uint32)
        return Ties(keys[used], rows[used], kinds[used], self.pairs)

    def shared_with(self, other: "Links") -> np.ndarray:
        """(pairs,) bool: which pairs of this file are tied to a pair of another file."""
        ties = self.table()
        tied = np.zeros(self.pairs, dtype=bool)
        tied[ties.rows[np.isin(ties.keys, other.table().keys)]] = True
        return tied


def prompt_columns(row: dict, depth: int = 3) -> dict[str, str]:
    """Columns, beside `prompt`, that say which prompt a row belongs to, also inside others: name -> value."""
    found = {}
    for name, value in row.items():
        if isinstance(value, dict):
            if depth:
                found.update(prompt_columns(value, depth - 1))
        elif _names_a_prompt(name) and isinstance(value, str | int) and value != "":
            found[name] = str(value)
    return found


@lru_cache(maxsize=4096)
def _names_a_prompt(name: str) -> bool:
    return name != "prompt" and PROMPT_COLUMN.fullmatch(name) is not None


def shared_items(a: Sequence, b: Sequence) -> int:
    """How many letters (or words) two texts have in common from their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:  # halving: comparing slices is quick, letter by letter is not
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[:middle] == b[:middle] else (low, middle - 1)
    return low


def _ties(
    row: dict, prompt: str, pair: tuple[str, str], texts: tuple[str, str]
) -> Iterator[tuple[int, int, int]]:
    """(kind, length where it is a beginning, key) of each key of a pair; `texts` is the pair, normalised."""
    for name, value in prompt_columns(row).items():
        yield PROMPT, 0, hash_of(f"{name} {_normalised(value)}")
    for name in COLUMNS:
        if isinstance(row.get(name), list) and (question := _first_question(row[name])):
            yield PROMPT, 0, hash_of(f"prompt {_normalised(question)}")
    for text in texts:
        if len(text) >= MIN_TEXT:
            yield TEXT, 0, hash_of(f"text {text}")
    if prompt:
        yield PROMPT, 0, hash_of(f"prompt {_normalised(prompt)}")
        if (speaks := answer_begins(prompt)) and speaks.start():
            yield PROMPT, 0, hash_of(f"prompt {_normalised(prompt[: speaks.start()])}")
        return
    yield PROMPT, 0, hash_of("both " + "\n".join(sorted(texts)))
    yield from _hidden_prompts(*pair, texts)


def answer_begins(text: str) -> re.Match | None:
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


def _hidden_prompts(preferred: str, rejected: str, texts: tuple[str, str]) -> Iterator[tuple[int, int, int]]:
    """Keys of a prompt that stands inside both texts."""
    speaks = answer_begins(preferred)
    # The first turn, as for messages.
    if speaks and speaks.start() and preferred[: speaks.end()] == rejected[: speaks.end()]:
        yield PROMPT, 0, hash_of(f"prompt {_normalised(preferred[: speaks.start()])}")
    for turn in (1, -1):  # from the beginning, and from the end
        first, second = (text[::turn] for text in texts)
        places = _places(first, second)
        # One hash goes along the text: the beginnings differ by a word each.
        state, done = hashlib.blake2b(b"%d " % turn, digest_size=8), 0
        for number, place in enumerate(places):
            state.update(first[done:place].encode())
            done = place
            yield len(places) - number, place, int.from_bytes(state.copy().digest(), "little")


def _places(first: str, second: str) -> list[int]:
    """Where a common beginning of two texts may end: after each of its last words, ascending, at most BACK.

    A word includes the space before it. Of what is too long for a word (Thai, Chinese), every letter counts.
    """
    end = shared_items(first, second)
    start = max(first.rfind(" ", 0, end), 0)
    words = [
        text[start : None if (stop := text.find(" ", start + 1)) < 0 else stop] for text in (first, second)
    ]
    places: list[int] = []
    if min(map(len, words)) > LONG_WORD:
        places += range(end, start, -1)[:BACK]
    elif words[0] == words[1] and end:
        places.append(end)
    while start and len(places) < BACK:
        end, start = start, max(first.rfind(" ", 0, start), 0)
        places += range(end, start, -1)[:BACK] if end - start > LONG_WORD else (end,)
    return places[BACK - 1 :: -1]


def _normalised(text: str) -> str:
    """Case, spacing and the spelling of a letter in Unicode don't make another prompt."""
    if not text.isascii():
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if text.isprintable() and "  " not in text:  # no other space than single ones
        return text.strip().lower()
    return " ".join(text.lower().split())


def hash_of(text: str) -> int:
    """64 bits of BLAKE2b: the same on every machine, unlike Python's own hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
