"""Pairs as the token ids that TRL takes, in Arrow files: a preference file larger than memory streams."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..language.pretrained import Ids
from .backbone_run import Job, sides
from .nonsense import nonsense_of, nonsense_rows
from .preferences import Preferences

CHUNK = 1024
"""Pairs that are held at a time."""


def write_pairs(job: Job, files: list[tuple[Preferences, np.ndarray]], work: Path):
    """Write `chosen_ids`, `rejected_ids` (int32) and `margin` (float32) of each pair, which TRL takes as they are.

    Args:
        job: its backbone writes and cuts the texts.
        files: preferences, and (n,) bool, which of them are for training; the others are held out.
        work: the folder for the files.

    Returns:
        Training pairs and held-out pairs, each a datasets.Dataset, and what was counted: texts, tokens, truncated texts,
        pairs that are the same in tokens, and training pairs with nonsense (see nonsense.py), which come last.
    """
    import datasets
    from datasets.arrow_writer import ArrowWriter

    ids = datasets.List(datasets.Value("int32"))
    features = datasets.Features(
        {"chosen_ids": ids, "rejected_ids": ids, "margin": datasets.Value("float32")}
    )
    paths = [str(work / f"{name}.arrow") for name in ("train", "held_out")]
    counted = {"texts": 0, "tokens": 0, "truncated": 0, "same": 0, "nonsense_pairs": 0}
    writers = [ArrowWriter(path=path, features=features) for path in paths]

    def write(encoded: Ids, margins: list[float], keep: Iterator[bool]) -> None:
        for chosen, rejected, margin in zip(encoded.rows[::2], encoded.rows[1::2], margins, strict=True):
            row = {"chosen_ids": chosen, "rejected_ids": rejected, "margin": margin}
            writers[0 if next(keep) else 1].write(row)
            counted["same"] += chosen == rejected
        counted["texts"] += len(encoded.rows)
        counted["tokens"] += sum(map(len, encoded.rows))
        counted["truncated"] += sum(encoded.truncated)

    for preferences, kept in files:
        keep = iter(kept)
        for encoded, margins in _encoded(job, preferences):
            write(encoded, margins, keep)
    made = nonsense_of(job.preferences, nonsense_rows(np.flatnonzero(job.kept), job.config.nonsense))
    for _, pair, text in made:
        encoded = job.backbone.texts.encode([pair.prompt] * 2, [pair.preferred, text])
        write(encoded, [0.0], iter([True]))
        counted["nonsense_pairs"] += 1
    for writer in writers:
        writer.finalize()
    return *map(datasets.Dataset.from_file, paths), counted


def _encoded(job: Job, preferences: Preferences) -> Iterator[tuple[Ids, list[float]]]:
    texts, margins = sides(preferences), (pair.margin for pair in preferences)
    while chunk := list(itertools.islice(texts, 2 * CHUNK)):
        yield job.backbone.texts.encode(*zip(*chunk, strict=True)), list(itertools.islice(margins, CHUNK))
