"""What was understood of a preference file, said before any training: `python -m reward_lab.train --dry-run`."""

from array import array
from collections import Counter
from collections.abc import Iterator

import numpy as np

from .keys import COLUMNS, answer_begins, hash_of, prompt_columns
from .preferences import Preference, Preferences, join_prompt
from .rows import kind
from .tokenizer import WordTokenizer
from .training import TextConfig, training_rows

NO_PROMPT = "not found; words that both answers begin or end with tie pairs to each other"
EXAMPLES = 3
SHOWN = 60
"""Tokens of an example that are shown."""


def where_prompt_is(row: dict, pair: Preference, prompt_column: str = "prompt") -> str:
    """In words, where the prompt of a pair was found."""
    if pair.prompt:
        given = row.get(prompt_column) not in (None, "", [])
        return f"in the column `{prompt_column}`" if given else "in the messages that both answers begin with"
    speaks = answer_begins(pair.preferred)
    if speaks and speaks.start() and pair.preferred[: speaks.end()] == pair.rejected[: speaks.end()]:
        return "inside both texts, before the turn of the one who answers"
    if beside := prompt_columns(row):
        names = ", ".join(f"`{name}`" for name in sorted(beside))
        return f"only its sign beside the answers, in {names}: it ties pairs, and the model does not read it"
    return NO_PROMPT


def describe(
    preferences: Preferences, config: TextConfig, held_out: Preferences | None = None
) -> Iterator[str]:
    """Lines that say what training on a file would read, leave out, hold out, and see.

    Args:
        preferences: as loaded.
        config: what training would be given.
        held_out: held-out pairs of a file of their own, where there is one.

    Raises:
        ValueError: the file can't be split.
        ModuleNotFoundError: `tokenizers` is not installed.
    """
    facts = _Facts(preferences)
    form = (
        f"converted from {preferences.format}"
        if preferences.format
        else "prompt, chosen and rejected as they are"
    )
    yield _line("form", f"{form}; " + "; ".join(f"{name} is {said}" for name, said in facts.kinds.items()))
    used = [name for name in preferences.columns if name in (*COLUMNS, preferences.prompt_column)]
    yield _line("columns used", ", ".join(used))
    yield _line("not used", ", ".join(name for name in preferences.columns if name not in used) or "none")
    for where, count in facts.where.most_common():
        yield _line("prompt", f"{where}: {count:,} pairs")
    yield _line(
        "duplicates", f"{facts.repeated:,} pairs stand there again; {facts.contrary:,} the other way round"
    )
    yield _line("identical", f"{preferences.identical:,} pairs with two equal texts dropped")
    for reason, count in preferences.left_out.items():
        yield _line("left out", f"{count:,} {reason}")
    yield _line("bad rows", f"{len(preferences.bad_rows):,} skipped")
    for name in ("prompt", "chosen", "rejected"):
        yield _line("words" if name == "prompt" else "", f"{name:8} {_spread(facts.words[name])}")
    yield _line("longer", facts.longer)
    if preferences.note:
        yield _line("note", preferences.note)
    kept, warnings = training_rows(preferences, held_out, config.held_out_share)
    yield from _split_and_examples(preferences, config, kept, warnings)


def _split_and_examples(
    preferences: Preferences, config: TextConfig, kept: np.ndarray, warnings: list[str]
) -> Iterator[str]:
    held = int((~kept).sum())
    safe = "" if warnings else "; no prompt and no text stands on both sides"
    yield _line("split", f"{len(preferences) - held:,} pairs for training, {held:,} held out by prompt{safe}")
    for warning in warnings:
        yield _line("warning", warning)
    training = (pair for keep, pair in zip(kept, preferences, strict=True) if keep)
    texts = (join_prompt(pair.prompt, f"{pair.preferred}\n{pair.rejected}") for pair in training)
    tokenizer = WordTokenizer.train(texts, config.vocab_size, config.max_length)
    yield _line(
        "vocabulary", f"{tokenizer.vocab_size:,} words; at most {config.max_length} tokens of a text are read"
    )
    for number, pair in zip(range(1, EXAMPLES + 1), preferences, strict=False):
        yield f"example {number}, as the model will read it:"
        for name, side in (("chosen", pair.preferred), ("rejected", pair.rejected)):
            yield f"  {name:8} {_read(tokenizer, join_prompt(pair.prompt, side))}"


def _read(tokenizer: WordTokenizer, text: str) -> str:
    words = tokenizer.words(text)
    cut = f" ... ({len(words)} tokens)" if len(words) > SHOWN else f" ({len(words)} tokens)"
    dropped = "(beginning cut off) " if tokenizer.encode([text])[1][0] else ""
    return dropped + " ".join(words[:SHOWN]) + cut


class _Facts:
    """One pass over the pairs: where prompts are, how long texts are, what stands there twice."""

    def __init__(self, preferences: Preferences):
        self.where: Counter[str] = Counter()
        self.kinds: dict[str, str] = {}
        self.words = {name: array("I") for name in ("prompt", "chosen", "rejected")}
        forth, back = array("Q"), array("Q")
        for row, pair in preferences.with_rows():
            self.where[where_prompt_is(row, pair, preferences.prompt_column)] += 1
            if not self.kinds:
                names = (preferences.prompt_column, "chosen", "preferred", "rejected")
                self.kinds = {name: _form(row[name]) for name in names if row.get(name) is not None}
            sides = pair.prompt, pair.preferred, pair.rejected
            for known, text in zip(self.words.values(), sides, strict=True):
                known.append(len(text.split()))
            for known, texts in ((forth, sides), (back, (sides[0], sides[2], sides[1]))):
                known.append(hash_of(f"{[*map(len, texts)]}{''.join(texts)}"))
        first, times = np.unique(np.array(forth, np.uint64), return_counts=True)
        self.repeated = int((times - 1).sum())
        self.contrary = int(np.isin(np.array(back, np.uint64), first).sum())
        lead = np.array(self.words["chosen"], int) - np.array(self.words["rejected"], int)
        longer, unequal = int((lead > 0).sum()), int((lead != 0).sum())
        self.longer = f"chosen in {longer:,} of {unequal:,} pairs of unequal length"


def _form(value: object) -> str:
    return "a list of messages" if isinstance(value, list) else kind(value)


def _spread(lengths: array) -> str:
    low, middle, high = np.quantile(np.array(lengths), [0, 0.5, 1])
    return f"{middle:,.0f} in the middle, {low:,.0f} to {high:,.0f}"


def _line(name: str, text: str) -> str:
    return f"  {name:12} {text}"
