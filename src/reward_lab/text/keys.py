"""What of a pair becomes keys, 64-bit hashes: its prompt, wherever a file keeps it, and its texts."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from .near import LONG_WORD, runs

COLUMNS = ("prompt", "chosen", "preferred", "rejected", "margin")
"""The columns of a preference file."""
PROMPT_COLUMN = re.compile(
    r"(user_?)?(prompt|instruction|question|query|context|input|history|dialog(ue)?|conv(ersation)?|post|task|title|problem)"
    r"(_?(id|text|hash|idx|key|number|no|nr))?|q_?id|thread_?id",
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
UNSEEN = re.compile("[\\u00ad\\u200b-\\u200f\\u2060\\ufeff]")
"""Characters without a width."""
WORD = re.compile(r"\w+")
MOST_WORDS, FEWEST = 400, 4
"""Words of a text in which a prompt is looked for, and of a part of both texts that may be one."""
NUMBER = re.compile(r"^\W*(?:q|question|prompt|task|no|nr)?\W*\d+\s*[.):]\s+")
MIN_TEXT = 20
"""Letters of a completion that is taken for a text of its own: "Yes." under two prompts ties nothing."""


BOTH, PROMPT, TEXT = 0, 1, BACK + 2
"""Kinds of keys: both texts of a pair without a prompt; its prompt; a whole text. Between the last two lie the common
beginnings: the whole of it is 2, less its last word 3, ... A split may leave out the kinds from the last one on."""
NEAR, SHORT = TEXT + 1, TEXT + 2
"""A prompt that is nearly the same, or its first line; a short text, which ties nothing and is told."""
LADDER = (NEAR, TEXT, TEXT - 1, 5, 3, 2, PROMPT)
"""The last kind that ties, from the strictest on: where these tie nearly everything, the next one is tried."""


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


def keys_of(
    row: dict, prompt: str, pair: tuple[str, str], texts: tuple[str, str]
) -> Iterator[tuple[int, int, int]]:
    """(kind, length where it is a beginning, key) of each key of a pair.

    Args:
        row: as it was read.
        prompt: as it was understood.
        pair: preferred and rejected.
        texts: the same, normalised.
    """
    for name, value in prompt_columns(row).items():
        yield PROMPT, 0, hash_of(f"{name} {normalised(value)}")
    for name in COLUMNS:
        if isinstance(row.get(name), list) and (question := _first_question(row[name])):
            yield PROMPT, 0, _of_prompt(question)
    for text in texts:
        kind = TEXT if len(text) >= MIN_TEXT else SHORT
        yield kind, 0, hash_of(f"text {text}")
    if prompt:
        yield PROMPT, 0, _of_prompt(prompt)
        if (speaks := answer_begins(prompt)) and speaks.start():
            yield PROMPT, 0, _of_prompt(prompt[: speaks.start()])
        if not any(
            isinstance(row.get(name), list) for name in COLUMNS
        ):  # of messages the first question is known
            yield NEAR, 0, _of_prompt(prompt.strip().split("\n", 1)[0])
        return
    yield BOTH, 0, hash_of("both " + "\n".join(sorted(texts)))
    yield from _hidden_prompts(*pair, texts)


def runs_of(prompt: str, texts: tuple[str, str]) -> set[int]:
    """Runs of words of a prompt; where there is none, of the longest part that both texts have: that may be one."""
    if prompt:
        return runs(_words_of_prompt(prompt))
    first, second = texts
    ahead = shared_items(first, second)
    behind = shared_items(first[::-1], second[::-1])
    longest = max(ahead, behind)
    if 2 * longest >= min(len(first), len(second)):
        return runs(words_of(first[:longest] if ahead == longest else first[len(first) - longest :]))
    words, others = words_of(first)[:MOST_WORDS], words_of(second)[:MOST_WORDS]
    same = SequenceMatcher(None, words, others, autojunk=False).find_longest_match()
    return runs(words[same.a : same.a + same.size]) if same.size >= FEWEST else set()


def words_of(text: str) -> list[str]:
    """Letters and digits without what stands between them."""
    return WORD.findall(text)


@lru_cache(maxsize=4)  # the key of a prompt and its runs are made one after the other
def _words_of_prompt(prompt: str) -> list[str]:
    """A prompt's words; its number, and signs and spaces between its words, do not count."""
    text = normalised(prompt)
    if any(map(str.isdigit, text[:20])):
        text = NUMBER.sub("", text)
    return words_of(text) or [text]


def _of_prompt(prompt: str) -> int:
    return hash_of("prompt " + " ".join(_words_of_prompt(prompt)))


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
    for text in (preferred, rejected):  # it may stand in one of them alone
        if (speaks := answer_begins(text)) and speaks.start():
            yield PROMPT, 0, _of_prompt(text[: speaks.start()])  # the first turn, as for messages
    for turn in (1, -1):  # from the beginning, and from the end
        first, second = (text[::turn] for text in texts)
        places = _places(first, second)
        # One hash goes along the text: the beginnings differ by a word each.
        state, done = hashlib.blake2b(b"%d " % turn, digest_size=8), 0
        for number, place in enumerate(places):
            state.update(first[done:place].encode())
            done = place
            kind = PROMPT + len(places) - number
            yield kind, place, int.from_bytes(state.copy().digest(), "little")


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


def normalised(text: str) -> str:
    """Case, spacing and the spelling of a letter in Unicode don't make another text."""
    if not text.isascii():
        text = UNSEEN.sub("", text)
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if text.isprintable() and "  " not in text:  # no other space than single ones
        return text.strip().lower()
    return " ".join(text.lower().split())


def hash_of(text: str) -> int:
    """64 bits of BLAKE2b: the same on every machine, unlike Python's own hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
