"""A saved model on labelled preferences: accuracy with its interval, subsets, calibration, length, another model."""

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .conversions import LeftOut
from .keys import PROMPT
from .links import Links
from .measures import ModelScores, compare, measures
from .preferences import Preference, load_preferences, read_pairs
from .rows import BadRow, text_of
from .scorer import Scorer
from .understanding import NO_PROMPT, where_prompt_is

CHUNK = 512
"""Rows that are scored at a time."""
EDITED = 1000
"""Rows on which the edit is tried, at most."""


@dataclass(frozen=True)
class Item:
    """A prompt with its right answers and its wrong ones: one and one of a pair, more in RewardBench 2."""

    row: dict
    prompt: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """(prompt, answer) of each answer, the right ones first."""
        return [(self.prompt, answer) for answer in (*self.right, *self.wrong)]


class Labelled:
    """The rows of a file to evaluate on. Iterating reads the file; afterwards, what was left out and what ties rows."""

    def __init__(
        self,
        path: str | Path,
        prompt_column: str = "prompt",
        format: str | None = None,
        skip_bad_rows: bool = False,
    ):
        self.path, self.prompt_column, self.format = Path(path), prompt_column, format
        self.skip_bad_rows = skip_bad_rows
        self._forget()

    def _forget(self) -> None:
        self.links = Links()
        self.columns: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        """Reason -> how many rows."""
        self.without_prompt = 0

    def __iter__(self) -> Iterator[Item]:
        self._forget()
        for number, row, pair in read_pairs(self.path, self.prompt_column, self.format):
            if isinstance(row, dict):
                self.columns.update(row.keys())
            item = self._item(row, pair)
            if isinstance(item, BadRow) and not self.skip_bad_rows:
                raise ValueError(
                    f"{self.path}, line {number}: {item}. To go on without such rows: --skip-bad-rows"
                )
            if isinstance(item, Item):
                self.links.add(row, item.prompt, item.right[0], item.wrong[0])
                yield item
            else:
                self.left_out["bad rows" if isinstance(item, BadRow) else item.reason] += 1

    def _item(self, row: object, pair: object) -> Item | BadRow | LeftOut:
        if isinstance(pair, Preference):
            self.without_prompt += where_prompt_is(row, pair, self.prompt_column) == NO_PROMPT
            if pair.preferred == pair.rejected:
                return LeftOut("pairs with two equal texts")
            return Item(row, pair.prompt, (pair.preferred,), (pair.rejected,))
        sides = [row.get(name) for name in ("chosen", "rejected")] if isinstance(row, dict) else []
        if not sides or not all(isinstance(side, list) and side for side in sides):
            return pair
        if not all(isinstance(answer, str) for side in sides for answer in side):
            return pair
        try:
            prompt = "" if row.get(self.prompt_column) is None else text_of(row, self.prompt_column)
        except BadRow as error:
            return error
        self.without_prompt += not prompt
        return Item(row, prompt, *map(tuple, sides))


def evaluate(
    labelled: Labelled,
    scorers: dict[str, Scorer],
    by: str | None = None,
    train_file: str | Path | None = None,
) -> dict:
    """What is to be said of one or two models on labelled preferences, as plain numbers and texts.

    Args:
        labelled: the file's rows.
        scorers: name of a model -> what gives its rewards; the first is evaluated, a second is compared with it.
        by: the column whose values are subsets; None for `subset`, where the file has it.
        train_file: the file that the model was trained on; rows that share a prompt or a text with it are warned of.

    Raises:
        ValueError: a row can't be used, no row is left, or there is no such column.
    """
    models = {name: ModelScores() for name in scorers}
    groups, names = array("I"), {}
    rows = iter(tqdm(labelled, unit=" rows", disable=None))  # a bar where there is a terminal
    while chunk := list(islice(rows, CHUNK)):
        texts = [text for item in chunk for text in item.texts]
        edited = max(0, EDITED - len(groups))
        for name, scorer in scorers.items():
            models[name].take(chunk, scorer(texts), scorer if edited else None, edited)
        groups.extend(names.setdefault(_group(item.row, by), len(names)) for item in chunk)
    if not groups:
        raise ValueError(
            f"{labelled.path}: no row to evaluate on; left out: {dict(labelled.left_out) or 'nothing'}"
        )
    if by and by not in labelled.columns:
        raise ValueError(
            f"--by {by}: {labelled.path.name} has no such column; it has {', '.join(labelled.columns)}"
        )
    clusters = labelled.links.table(near=False).components(PROMPT)
    first, *others = models.values()
    by = by or ("subset" if "subset" in labelled.columns else None)
    report = {"file": labelled.path.name, "model": next(iter(models)), "rows": len(groups)}
    report |= {"prompts": len(np.unique(clusters)), "left_out": dict(labelled.left_out)}
    report |= {"by": by} | measures(first, clusters, np.array(list(names))[groups] if by else None)
    if others:
        report["against"] = {"model": list(models)[1]} | compare(first, others[0], clusters)
    report["warnings"] = [*_warnings(labelled, report), *_shared(labelled, train_file)]
    return report


def trained_on(folder: str | Path, labelled: Labelled) -> list[str]:
    """A warning where the file is the one that the model in this folder was trained on."""
    try:
        data = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))["data"]
        known = data["keys"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if known != labelled.links.digest():
        return []
    return [
        f"{labelled.path.name} is the file that {folder} was trained on ({data['training_pairs']:,} of its "
        f"{data['pairs']:,} pairs): this is no accuracy on new preferences"
    ]


def _group(row: dict, by: str | None) -> str:
    value = row.get(by or "subset")
    return "(none)" if value is None else str(value)


def _shared(labelled: Labelled, train_file: str | Path | None) -> list[str]:
    if train_file is None:
        return []
    try:
        trained = load_preferences(train_file, True, labelled.prompt_column)
    except ValueError:  # perhaps of the same data set
        if labelled.format is None:
            raise
        trained = load_preferences(train_file, True, labelled.prompt_column, labelled.format)
    shared = int(labelled.links.shared_with(trained.links).sum())
    if not shared:
        return []
    return [
        f"{shared:,} of {labelled.links.pairs:,} rows share a prompt or a text with {Path(train_file).name}: their "
        "accuracy says little about new prompts"
    ]


def _warnings(labelled: Labelled, report: dict) -> list[str]:
    found = []
    if report["not_finite"]:
        found.append(
            f"{report['not_finite']:,} rows have a reward that is no finite number; they count as wrong"
        )
    if 2 * report["ties"] > report["rows"]:
        found.append(
            f"{report['ties']:,} of {report['rows']:,} rows are ties: the model can't tell their answers apart (it may know "
            "none of their words, or cut off where they differ)"
        )
    if labelled.without_prompt:
        found.append(
            f"no prompt was found for {labelled.without_prompt:,} rows: each counts as a prompt of its own, and the "
            "intervals are too short where several answer one prompt (--prompt-column NAME)"
        )
    if report["prompts"] < 2:
        found.append(
            "all rows have one prompt: nothing can be said about other prompts, and there are no intervals"
        )
    return found
