"""Preference files: a pair a row, read as a stream."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .files import read_rows
from .links import COLUMNS, Links
from .rows import BadRow, contents, text_of

EXAMPLE_PREFERENCES = Path(__file__).parent.parent / "examples" / "plain_words.jsonl"
"""Pairs that come with the package: plain words are preferred to jargon (see examples/plain_words.py)."""

MOST_MARGIN = 10_000
"""Rewards in float32 can't lead by more and still be told apart."""


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
    memory streams. What is kept is what ties pairs to each other, see links.py.
    """

    def __init__(self, path: Path, prompt_column: str = "prompt"):
        self.path, self.prompt_column = path, prompt_column
        self.columns: Counter[str] = Counter()
        """How many rows have each column."""
        self.identical = 0
        """Rows left out because both completions are the same: they carry no gradient."""
        self.bad_rows: list[tuple[int, str]] = []
        """Rows left out because they can't be used: line number, and what is wrong."""
        self.links = Links()
        """What ties pairs to each other: see links.py."""
        self.digest = ""
        """SHA-256 of the file's lines."""

    def __len__(self) -> int:
        return self.links.pairs

    def __iter__(self) -> Iterator[Preference]:
        left_out = {number for number, _ in self.bad_rows}
        for number, row in read_rows(self.path):
            if number not in left_out:
                pair = _preference(row, self.prompt_column)
                if pair.preferred != pair.rejected:
                    yield pair

    def report(self) -> str:
        """What was read and what was left out, in a sentence or two."""
        text = f"{len(self):,} pairs from {self.path.name}"
        if self.identical:
            text += f"; {self.identical:,} identical pairs dropped (their texts, as read, are the same: no gradient)"
        if self.bad_rows:
            shown = "; ".join(f"line {number}: {problem}" for number, problem in self.bad_rows[:5])
            text += f"; {len(self.bad_rows):,} bad rows skipped ({shown}{'; ...' * (len(self.bad_rows) > 5)})"
        unused = [name for name in self.columns if name not in (*COLUMNS, self.prompt_column)]
        if unused:
            names = ", ".join(f"`{name}`" for name in unused[:8]) + ", ..." * (len(unused) > 8)
            text += f"; columns not used: {names}"
            if self.prompt_column not in self.columns:
                text += " (--prompt-column NAME takes one of them as the prompt)"
        return text


def load_preferences(
    path: str | Path, skip_bad_rows: bool = False, prompt_column: str = "prompt"
) -> Preferences:
    """Check a preference file from its first row to its last.

    JSON lines, a JSON array or Parquet, also compressed (gzip, bzip2, xz), UTF-8, with the columns

        prompt     text or chat messages; may be left out
        chosen     the preferred completion, text or chat messages; `preferred` is another name for it
        rejected   the other one
        margin     a number; may be left out, and is then 0

    as TRL has them. Other columns are named in the report. Chat messages that begin both completions, and no prompt,
    are taken as the prompt; a prompt that stands again at the beginning of both is taken once.

    Args:
        path: the file.
        skip_bad_rows: leave out rows that can't be used, and report them, where the default raises.
        prompt_column: the name of the column with the prompt.

    Returns:
        The Preferences, to iterate over as often as need be.

    Raises:
        ValueError: a row can't be used (the message names file, row and problem), or no pair is left.
        FileNotFoundError: there is no such file.
    """
    preferences = Preferences(Path(path), prompt_column)
    digest = hashlib.sha256(prompt_column.encode())
    for number, row in read_rows(preferences.path):
        digest.update(repr(row).encode())
        try:
            if isinstance(row, BadRow):
                raise row
            preferences.columns.update(row.keys())
            pair = _preference(row, prompt_column)
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
            preferences.links.add(row, pair.prompt, pair.preferred, pair.rejected)
    preferences.digest = digest.hexdigest()
    if not len(preferences):
        raise ValueError(f"{path}: no pair to learn from. {preferences.report()}")
    return preferences


def _preference(row: dict, prompt_column: str) -> Preference:
    """A checked row. Raises BadRow."""
    if row.get("chosen") is not None and row.get("preferred") is not None:
        raise BadRow("`chosen` and `preferred` are two names for one column: keep one")
    winner = "preferred" if row.get("preferred") is not None else "chosen"
    prompt = "" if row.get(prompt_column) is None else text_of(row, prompt_column)
    margin = _margin(row.get("margin"))
    if isinstance(row.get(winner), list) and isinstance(row.get("rejected"), list):
        shared, *sides = _shared_beginning(row[winner], row["rejected"], winner)
        if not prompt or _ends_with(shared, prompt):
            return Preference(shared, *sides, margin)
    return Preference(prompt, text_of(row, winner), text_of(row, "rejected"), margin)


def _ends_with(conversation: str, prompt: str) -> bool:
    """Whether the messages that both sides begin with hold the prompt already, as in UltraFeedback's files."""
    return conversation.strip().endswith(prompt.strip())


def _margin(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST_MARGIN:
        raise BadRow(f"`margin` must be a finite number, {MOST_MARGIN:,} at most, got {str(value)[:40]}")
    return float(value)


def _shared_beginning(preferred: list, rejected: list, winner: str) -> tuple[str, str, str]:
    """Prompt and completions of two conversations: the messages that both begin with are the prompt."""
    first, second = contents(preferred, winner), contents(rejected, "rejected")
    shared = 0
    # The last message of each is its completion, also where both say the same.
    while shared < min(len(preferred), len(rejected)) - 1 and preferred[shared] == rejected[shared]:
        shared += 1
    return "\n".join(first[:shared]), "\n".join(first[shared:]), "\n".join(second[shared:])
