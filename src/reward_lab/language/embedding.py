"""Embed a stream of texts, each once, in batches of like length."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ..progress import Progress
from .pretrained import Backbone, batches_of
from .vector_store import VectorStore, key_of

CHUNK = 4096
"""Texts that are held at a time; their batches are of like length."""


@dataclass
class Embedded:
    """Which rows of the store belong to the texts, and what the texts were."""

    rows: np.ndarray
    """(texts,) int64, in the order given."""
    tokens: int = 0
    truncated: int = 0
    new_texts: int = 0
    """Texts that were embedded now; the others were found."""
    new_tokens: int = 0


def open_store(backbone: Backbone, folder: Path) -> VectorStore:
    """The vectors of this backbone: (2, dim) a text, the last token's and the mean (see Backbone.vectors)."""
    return VectorStore(folder / backbone.fingerprint(), (2, backbone.dim))


def embed(
    backbone: Backbone,
    texts: Iterable[tuple[str, str]],
    total: int,
    store: VectorStore,
    say: Callable[[str], object],
) -> Embedded:
    """Bring the vectors of all texts into a store.

    Args:
        backbone: reads (prompt, completion).
        texts: read once, in chunks.
        total: how many there are, for the time to go.
        store: keeps the vectors.
        say: called with a line now and then.
    """
    result, rows, progress = Embedded(np.empty(0, np.int64)), [], Progress("embedded", total, say)
    for chunk in _chunks(texts, CHUNK):
        ids = backbone.texts.encode(*zip(*chunk, strict=True))
        result.tokens += sum(map(len, ids.rows))
        result.truncated += sum(ids.truncated)
        keys = np.array([key_of(row) for row in ids.rows], np.uint64)
        missing = np.unique(np.where(store.find(keys) < 0, np.arange(len(keys)), -1))
        _, first = np.unique(keys, return_index=True)
        new = np.intersect1d(first, missing[missing >= 0])
        progress.skip(len(chunk) - len(new))
        device = next(backbone.body.parameters()).device
        for part in batches_of([ids.rows[i] for i in new], device):
            numbers = new[part]
            batch = [ids.rows[i] for i in numbers]
            store.append(keys[numbers], backbone.vectors(batch))
            progress.add(len(batch), sum(map(len, batch)))
        rows.append(store.find(keys))
    store.sync()
    if rows:
        result.rows = np.concatenate(rows)
    result.new_texts, result.new_tokens = progress.worked, progress.tokens
    return result


def _chunks(items: Iterable, size: int) -> Iterator[list]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
