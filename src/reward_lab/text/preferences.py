"""Preference files: a pair a row, read as a stream."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .conversions import LeftOut
from .files import read_rows
from .formats import convert, hint, looks_like
from .keys import COLUMNS
from .links import Links
from .rows import BadRow, contents, text_of

EXAMPLE_PREFERENCES = Path(__file__).parent.parent / "examples" / "plain_words.jsonl"
"""Pairs that come with the package: plain words are preferred to jargon (see examples/plain_words.py)."""

MOST_MARGIN = 10_000
"""Rewards in float32 can't lead by more and still be told apart."""

SINGLE_ANSWERS = {"response", "output", "completion", "answer", "messages", "conversations", "text"}
SINGLE = "; this looks like single answers, and a reward model learns from pairs of a better and a worse one"
LOOKED_AT = 100
"""Pairs by which a file that can be read as it is may still be named as another data set."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One comparison: which of two completions was preferred."""

    prompt: str
    preferred: str
    rejected: str
    margin: float = 0.0
    """By how much the reward of the preferred completion should at least exceed the other's."""

    def signed(self) -> bytes:
        """The pair as bytes, different for different pairs."""
        texts = self.prompt, self.preferred, self.rejected
        return f"{[*map(len, texts)]}{self.margin!r}{''.join(texts)}".encode()


def join_prompt(prompt: str, completion: str) -> str:
    """The one text that a reward model scores: the prompt, a line break, the completion."""
    return f"{prompt}\n{completion}" if prompt else completion


class Preferences:
    """The pairs of a preference file. Made by `load_preferences`.

    Iterating reads the file anew and yields a Preference for each good row, so that a file larger than
    memory streams. What is kept is what ties pairs to each other, see links.py.
    """

    def __init__(self, path: Path, prompt_column: str = "prompt", format: str | None = None):
        self.path, self.prompt_column, self.format = path, prompt_column, format
        self.columns: Counter[str] = Counter()
        """How many rows have each column."""
        self.identical = 0
        """Rows left out because both completions are the same: they carry no gradient."""
        self.bad_rows: list[tuple[int, str]] = []
        """Rows left out because they can't be used: line number, and what is wrong."""
        self.left_out: Counter[str] = Counter()
        """What a conversion left out: reason -> how often."""
        self.note = ""
        """What should be known of the file and stops nothing."""
        self.links = Links()
        """What ties pairs to each other: see links.py."""
        self.digest = ""
        """SHA-256 of the file's pairs."""

    def __len__(self) -> int:
        return self.links.pairs

    def __iter__(self) -> Iterator[Preference]:
        return (pair for _, pair in self.with_rows())

    def with_rows(self) -> Iterator[tuple[dict, Preference]]:
        """Each good row, as it was read and converted, beside the pair that it was understood as."""
        for _, row, pair in read_pairs(self.path, self.prompt_column, self.format):
            if isinstance(pair, Preference) and pair.preferred != pair.rejected:
                yield row, pair

    def report(self) -> str:
        """What was read and what was left out, in a sentence or two."""
        text = f"{len(self):,} pairs from {self.path.name}" + f", converted from {self.format}" * bool(
            self.format
        )
        if self.identical:
            text += f"; {self.identical:,} identical pairs dropped (their texts, as read, are the same: no gradient)"
        for reason, times in self.left_out.items():
            text += f"; left out: {times:,} {reason}"
        if self.bad_rows:
            shown = "; ".join(f"line {number}: {problem}" for number, problem in self.bad_rows[:5])
            text += f"; {len(self.bad_rows):,} bad rows skipped ({shown}{'; ...' * (len(self.bad_rows) > 5)})"
        unused = [name for name in self.columns if name not in (*COLUMNS, self.prompt_column)]
        if unused:
            names = ", ".join(f"`{name}`" for name in unused[:8]) + ", ..." * (len(unused) > 8)
            text += f"; columns not used: {names}"
            if self.prompt_column not in self.columns:
                text += " (--prompt-column NAME takes one of them as the prompt)"
        return f"{text}; {self.note}" if self.note else text


def load_preferences(
    path: str | Path,
    skip_bad_rows: bool = False,
    prompt_column: str = "prompt",
    format: str | None = None,
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
        format: the data set that the file's rows come from, to convert them: see formats.py.

    Returns:
        The Preferences, to iterate over as often as need be.

    Raises:
        ValueError: a row can't be used (the message names file, row and problem), no pair is left, or there is no such
            format.
        FileNotFoundError: there is no such file.
    """
    preferences = Preferences(Path(path), prompt_column, format)
    digest = hashlib.sha256(prompt_column.encode())
    for number, row, pair in read_pairs(preferences.path, prompt_column, format):
        if isinstance(pair, LeftOut):
            preferences.left_out[pair.reason] += 1
            continue
        if isinstance(row, dict):
            preferences.columns.update(row.keys())
        if isinstance(pair, BadRow):
            if not skip_bad_rows:
                raise ValueError(
                    f"{path}, line {number}: {pair}. To go on without such rows: skip_bad_rows=True, "
                    "on the command line --skip-bad-rows"
                )
            preferences.bad_rows.append((number, str(pair)))
        elif pair.preferred == pair.rejected:
            preferences.identical += 1
        else:
            if (
                len(preferences) < LOOKED_AT
                and not format
                and not preferences.note
                and (form := looks_like(row))
            ):
                preferences.note = hint(form)
            digest.update(pair.signed())
            preferences.links.add(row, pair.prompt, pair.preferred, pair.rejected)
    preferences.digest = digest.hexdigest() + preferences.links.digest()[:16]
    if not len(preferences):
        raise ValueError(f"{path}: no pair to learn from. {preferences.report()}")
    return preferences


def read_pairs(
    path: Path, prompt_column: str = "prompt", format: str | None = None
) -> Iterator[tuple[int, dict | BadRow | LeftOut, Preference | BadRow | LeftOut]]:
    """Line number, row and pair of each row of a file; in place of a pair, why there is none.

    A row is what a conversion made of it, where there is one. What is wrong with a row of another format names it.
    """
    rows = read_rows(path)
    for number, row in convert(rows, format) if format else rows:
        try:
            yield number, row, _preference(row, prompt_column) if isinstance(row, dict) else row
        except BadRow as error:
            form = None if format else looks_like(row)
            told = f"; {hint(form)}" if form else SINGLE if SINGLE_ANSWERS & row.keys() else ""
            yield number, row, BadRow(f"{error}{told}")


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
