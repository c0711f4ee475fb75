"""The pairs that `--tune head` works with: those of the files, and those made with nonsense."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .backbone_run import Job, sides
from .nonsense import nonsense_of, nonsense_rows
from .preferences import Preferences


@dataclass
class HeadPairs:
    """Pairs in the order of their rows: those of the training file, of the held-out file, then those with nonsense.

    Nonsense made of training answers is learnt from; that made of held-out answers says what was learnt.
    """

    files: list[Preferences]
    train: np.ndarray
    """Rows of the pairs to train on; so are the next three."""
    held_out: np.ndarray
    made: np.ndarray
    """Rows of the pairs of whose preferred answers nonsense is made, ascending within each file."""
    made_of_training: int
    """So many of them are training pairs."""
    nonsense: list[tuple[str, str]]
    """(prompt, nonsense) of each."""

    @classmethod
    def of(cls, job: Job) -> "HeadPairs":
        """The pairs of a job; nonsense is made of some of them."""
        train = np.flatnonzero(job.kept)
        sets = [(job.preferences, 0, train)]
        if job.held_out is None:
            sets.append((job.preferences, 0, np.flatnonzero(~job.kept)))
        else:
            sets.append((job.held_out, len(job.preferences), np.arange(len(job.held_out))))
        made: list[list[tuple[int, str, str]]] = []
        for preferences, first, rows in sets:
            found = nonsense_of(preferences, nonsense_rows(rows, job.config.nonsense))
            made.append([(first + number, pair.prompt, text) for number, pair, text in found])
        return cls(
            [job.preferences] if job.held_out is None else [job.preferences, job.held_out],
            train,
            sets[1][1] + sets[1][2],
            np.array([number for part in made for number, *_ in part], np.int64),
            len(made[0]),
            [(prompt, text) for part in made for _, prompt, text in part],
        )

    @property
    def of_files(self) -> int:
        """How many pairs the files have."""
        return sum(map(len, self.files))

    def texts(self) -> Iterator[tuple[str, str]]:
        """(prompt, completion) of all texts: both sides of the files' pairs in turns, then the nonsense."""
        for preferences in self.files:
            yield from sides(preferences)
        yield from self.nonsense

    @property
    def count(self) -> int:
        """How many texts there are."""
        return 2 * self.of_files + len(self.nonsense)

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the vectors of each pair's better and worse text are, from (count,) places of all texts."""
        pairs, nonsense = rows[: 2 * self.of_files], rows[2 * self.of_files :]
        return np.concatenate([pairs[::2], pairs[2 * self.made]]), np.concatenate([pairs[1::2], nonsense])

    def margins(self) -> np.ndarray | None:
        """(pairs,) float64, 0 for those with nonsense; None where all are 0."""
        margins = np.zeros(self.of_files + len(self.made))
        of_files = (pair.margin for preferences in self.files for pair in preferences)
        margins[: self.of_files] = np.fromiter(of_files, np.float64, self.of_files)
        return margins if margins.any() else None

    @property
    def learnt_from(self) -> np.ndarray:
        """Rows of all pairs to train on, those with nonsense last."""
        return np.concatenate([self.train, self.of_files + np.arange(self.made_of_training)])

    @property
    def nonsense_held_out(self) -> np.ndarray:
        """Rows of the pairs of held-out answers against nonsense."""
        return self.of_files + np.arange(self.made_of_training, len(self.made))

    def with_nonsense(self, folds: np.ndarray) -> np.ndarray:
        """Folds of `learnt_from`, from those of `train`: nonsense goes with the answer that it was made of."""
        of = np.searchsorted(self.train, self.made[: self.made_of_training])
        return np.concatenate([folds, folds[of]])
