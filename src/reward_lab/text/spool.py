"""Completions in a temporary file, so that any number of them can be put together by prompt and ranked."""

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from .keys import hash_of
from .scoring import Score, score_pairs

NO_PROMPT = hash_of("")


class Spool:
    """Completions with their prompts and line numbers: 16 bytes each stay in memory, the texts are on disk.

    Args:
        rows: line number, prompt and completion, read once.
    """

    def __init__(self, rows: Iterable[tuple[int, str, str]]):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the spool
        places, prompts, place = array("Q"), array("Q"), 0
        for row in rows:
            places.append(place)
            prompts.append(hash_of(row[1]))
            place += self._file.write(json.dumps(row).encode() + b"\n")
        self._places, self._prompts = np.array(places), np.array(prompts)
        _, first, group = np.unique(self._prompts, return_index=True, return_inverse=True)
        self._order = np.argsort(first[group], kind="stable")  # prompts as they come first

    def __len__(self) -> int:
        return len(self._order)

    def _read(self, number: int) -> tuple[int, str, str]:
        self._file.seek(self._places[number])
        return tuple(json.loads(self._file.readline()))

    def scored(self, model) -> Iterator[dict]:
        """Rows with the score and the rank of each completion, those of one prompt together, the best first.

        Completions without a prompt stay in their order, and their rank is None.

        Args:
            model: see score_pairs.
        """
        texts = (self._read(number)[1:] for number in self._order)
        scores = zip(self._order.tolist(), score_pairs(model, texts), strict=True)
        for prompt, group in groupby(scores, key=lambda one: self._prompts[one[0]]):
            if prompt == NO_PROMPT:
                yield from (self._row(number, None, *_numbers(score)) for number, score in group)
            else:
                yield from self._ranked(group)

    def _ranked(self, group: Iterable[tuple[int, Score]]) -> Iterator[dict]:
        columns = [array(kind) for kind in "QdIIB"]
        for number, score in group:
            for column, value in zip(columns, (number, *_numbers(score)), strict=True):
                column.append(value)
        best_first = np.argsort(-np.array(columns[1]), kind="stable")
        for rank, i in enumerate(best_first.tolist(), 1):
            number, *numbers = (column[i] for column in columns)
            yield self._row(number, rank, *numbers)

    def _row(
        self, number: int, rank: int | None, reward: float, tokens: int, unknown: int, truncated: int
    ) -> dict:
        line, prompt, completion = self._read(number)
        return {
            "prompt": prompt,
            "completion": completion,
            "score": reward,
            "rank": rank,
            "line": line,
            "tokens": tokens,
            "unknown": unknown,
            "truncated": bool(truncated),
        }


def _numbers(score: Score) -> tuple[float, int, int, bool]:
    return score.reward, score.tokens, score.unknown, score.truncated
