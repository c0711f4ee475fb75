"""Preference files: JSONL, one pair a line, read as a stream."""

import hashlib
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .rows import BadRow, contents, numbered_lines, parse_row, text_of

EXAMPLE_PREFERENCES = Path(__file__).parent.parent / "examples" / "plain_words.jsonl"
"""Pairs that come with the package: plain words are preferred to jargon (see examples/plain_words.py)."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One comparison: which of two completions was preferred."""

    prompt: str
    preferred: str
    rejected: str
    margin: float = 0.0
    """By how much the reward of the preferred completion should at least exceed the other's."""


def join_prompt(prompt: str, completion: str) -> str:
    """The one text that a reward model scores: the prompt, a line break, the completion."""
    return f"{prompt}\n{completion}" if prompt else completion


class Preferences:
    """The pairs of a preference file. Made by `load_preferences`.

    Iterating reads the file anew and yields a Preference for each good row, so that a file larger than
    memory streams. What is kept is 8 bytes for each pair.
    """

    def __init__(self, path: Path):
        self.path = path
        self.identical = 0
        """Rows left out because both completions are the same: they carry no gradient."""
        self.bad_rows: list[tuple[int, str]] = []
        """Rows left out because they can't be used: line number, and what is wrong."""
        self.groups = np.empty(0, dtype=np.uint64)
        """(n,) one number for each pair; pairs with the same prompt (without one: the same two texts) share it."""
        self.digest = ""
        """SHA-256 of the file's lines."""

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[Preference]:
        left_out = {number for number, _ in self.bad_rows}
        with self.path.open("rb") as file:
            for number, line in numbered_lines(file):
                if number not in left_out:
                    pair = _preference(parse_row(line))
                    if pair.preferred != pair.rejected:
                        yield pair

    def report(self) -> str:
        """What was read and what was left out, in a sentence or two."""
        text = f"{len(self):,} pairs from {self.path.name}"
        if self.identical:
            text += f"; {self.identical:,} identical pairs dropped (they carry no gradient)"
        if self.bad_rows:
            shown = "; ".join(f"line {number}: {problem}" for number, problem in self.bad_rows[:5])
            text += f"; {len(self.bad_rows):,} bad rows skipped ({shown}{'; ...' * (len(self.bad_rows) > 5)})"
        return text


def load_preferences(path: str | Path, skip_bad_rows: bool = False) -> Preferences:
    """Check a preference file from its first line to its last.

    One JSON object a line, UTF-8, with the columns

        prompt     text or chat messages; may be left out
        chosen     the preferred completion, text or chat messages; `preferred` is another name for it
        rejected   the other one
        margin     a number; may be left out, and is then 0

    as TRL has them. Other columns are ignored. Chat messages that begin both completions, and no prompt, are
    taken as the prompt.

    Args:
        path: the file.
        skip_bad_rows: leave out rows that can't be used, and report them, where the default raises.

    Returns:
        The Preferences, to iterate over as often as need be.

    Raises:
        ValueError: a row can't be used (the message names file, line and problem), or no pair is left.
        FileNotFoundError: there is no such file.
    """
    preferences = Preferences(Path(path))
    groups, digest = array("Q"), hashlib.sha256()
    with preferences.path.open("rb") as file:
        for number, line in numbered_lines(file):
            digest.update(line)
            try:
                pair = _preference(parse_row(line))
            except BadRow as error:
                if not skip_bad_rows:
                    raise ValueError(
                        f"{path}, line {number}: {error}. To go on without such rows: skip_bad_rows=True, "
                        "on the command line --skip-bad-rows"
                    ) from None
                preferences.bad_rows.append((number, str(error)))
                continue
            if pair.preferred == pair.rejected:
                preferences.identical += 1
            else:
                groups.append(_group(pair))
    preferences.groups = np.frombuffer(groups, dtype=np.uint64) if groups else preferences.groups
    preferences.digest = digest.hexdigest()
    if not len(preferences):
        raise ValueError(f"{path}: no pair to learn from. {preferences.report()}")
    return preferences


def held_out_rows(preferences: Preferences, share: float, most: int) -> np.ndarray:
    """Choose pairs to hold out of training, by prompt: no prompt then stands on both sides.

    The choice depends on the texts alone, not on the order of the file.

    Args:
        preferences: as loaded.
        share: of the prompts, above 0 and below 1; at least one prompt is held out.
        most: pairs at most.

    Returns:
        (n,) bool, True for held-out pairs.

    Raises:
        ValueError: all pairs have one prompt, so that nothing can be held out by prompt.
    """
    prompts, sizes = np.unique(preferences.groups, return_counts=True)  # sorted by hash: a fair shuffle
    if len(prompts) < 2:
        raise ValueError(
            f"{preferences.path}: all pairs share one prompt, so none can be held out by prompt. "
            "Give held-out pairs in a file of their own (--eval-file)"
        )
    wanted = max(1, min(int(share * len(prompts)), int((np.cumsum(sizes) <= most).sum())))
    return np.isin(preferences.groups, prompts[:wanted])


def _preference(row: dict) -> Preference:
    """A checked row. Raises BadRow."""
    if row.get("chosen") is not None and row.get("preferred") is not None:
        raise BadRow("`chosen` and `preferred` are two names for one column: keep one")
    winner = "preferred" if row.get("preferred") is not None else "chosen"
    prompt = "" if row.get("prompt") is None else text_of(row, "prompt")
    margin = row.get("margin")
    if margin is None:
        margin = 0.0
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not math.isfinite(margin):
        raise BadRow(f"`margin` must be a finite number, got {margin!r}")
    if not prompt and isinstance(row.get(winner), list) and isinstance(row.get("rejected"), list):
        return Preference(*_shared_beginning(row[winner], row["rejected"], winner), float(margin))
    return Preference(prompt, text_of(row, winner), text_of(row, "rejected"), float(margin))


def _shared_beginning(preferred: list, rejected: list, winner: str) -> tuple[str, str, str]:
    """Prompt and completions of two conversations: the messages that both begin with are the prompt."""
    first, second = contents(preferred, winner), contents(rejected, "rejected")
    shared = 0
    # The last message of each is its completion, also where both say the same.
    while shared < min(len(preferred), len(rejected)) - 1 and preferred[shared] == rejected[shared]:
        shared += 1
    return "\n".join(first[:shared]), "\n".join(first[shared:]), "\n".join(second[shared:])


def _group(pair: Preference) -> int:
    """A 64-bit hash of the prompt; without one, of the two completions in either order."""
    text = pair.prompt or "\n".join(sorted((pair.preferred, pair.rejected)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
