"""Pairs of texts as token ids, on disk: training reads batches of a file that need not fit into memory."""

import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..batches import Batch
from .preferences import Preference, Preferences, join_prompt
from .tokenizer import PADDING_ID, UNKNOWN_ID, WordTokenizer

CHUNK_PAIRS, CHUNK_LETTERS = 1024, 1_000_000
"""Pairs that are tokenised at a time: so many, or fewer if their texts are long."""
GIVE_BACK = 8
"""Batches after which the pages of the file that they touched are given back: the kernel keeps them while it has room."""
MEASURED = 10_000
"""Pairs at most on which training is measured after each epoch."""


class TokenPairs:
    """Token ids of pairs of texts of any length, end to end in one array.

    Args:
        tokens: (total,) int32, all texts one after the other: preferred, rejected, preferred, ...
        offsets: (2 * pairs + 1,) int64; text i is tokens[offsets[i] : offsets[i + 1]].
        margins: (pairs,) float32, or None if all are 0.
        rows: (n,) int64, the pairs that this object stands for, in this order.
    """

    device = "cpu"

    def __init__(self, tokens: np.ndarray, offsets: np.ndarray, margins: np.ndarray | None, rows: np.ndarray):
        self.tokens, self.offsets, self.margins, self._rows = tokens, offsets, margins, rows
        self._batches = 0

    def __len__(self) -> int:
        return len(self._rows)

    def select(self, rows: np.ndarray) -> "TokenPairs":
        """Some of the pairs, by number or by a mask; nothing is copied but the numbers."""
        return TokenPairs(self.tokens, self.offsets, self.margins, self._rows[rows])

    def batch(self, index: Tensor) -> Batch:
        """Some pairs as rectangles, padded to the longest text among them.

        Args:
            index: (batch,) int64 on the CPU.

        Returns:
            Preferred and rejected token ids, each (batch, longest) int32, and margins, (batch,) or None.
        """
        pairs = self._rows[index.numpy()]
        texts = np.concatenate([2 * pairs, 2 * pairs + 1])
        starts = self.offsets[texts]
        lengths = self.offsets[texts + 1] - starts
        columns = np.arange(max(1, lengths.max()))  # embedding_bag takes no empty rectangle
        inside = columns < lengths[:, None]  # (2 * batch, longest)
        token_ids = np.full(inside.shape, PADDING_ID, dtype=np.int32)
        token_ids[inside] = self.tokens[(starts[:, None] + columns)[inside]]
        self._batches += 1
        if self._batches % GIVE_BACK == 0:
            _give_back(self.tokens)
        margins = None if self.margins is None else torch.from_numpy(self.margins[pairs])
        return *torch.from_numpy(token_ids).chunk(2), margins

    def measured(self) -> Batch:
        """All pairs in one batch, or, where they are many, some that lie evenly among them."""
        return self.batch(torch.linspace(0, len(self) - 1, min(len(self), MEASURED)).round().long())


def _give_back(tokens: np.ndarray) -> None:
    """Let the pages of a mapped file not count as this process's memory any longer."""
    mapped = getattr(tokens.base, "obj", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # Windows has no such call
        mapped.madvise(mmap.MADV_DONTNEED)


@dataclass
class Encoded:
    """What tokenising a file did to it, for the report."""

    texts: int = 0
    tokens: int = 0
    unknown: int = 0
    """Tokens that stand for a word outside the vocabulary."""
    truncated: int = 0
    """Texts of which only the end was kept."""
    same: int = 0
    """Pairs whose two texts have the same tokens, so that the model can't tell them apart."""

    def report(self) -> str:
        """The same in a sentence."""
        share = self.unknown / max(1, self.tokens)
        return (
            f"{self.tokens:,} tokens, {self.tokens / max(1, self.texts):.1f} a text; {share:.1%} unknown words; "
            f"{self.truncated:,} of {self.texts:,} texts truncated; {self.same:,} pairs the same after tokenising"
        )


def encode_pairs(
    preferences: Preferences, tokenizer: WordTokenizer, folder: str | Path | None = None
) -> tuple[TokenPairs, Encoded]:
    """Tokenise a preference file. A prompt and its completion become one text (see join_prompt).

    Args:
        preferences: read once, in chunks.
        tokenizer: also decides where texts are truncated.
        folder: where the token ids are kept, 4 bytes each, in a file that vanishes with the object. Default: the
            system's temporary folder.
    """
    # The memory map stays when the file is closed.
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    lengths, margins, encoded = [], [], Encoded()
    for chunk in _chunks(preferences):
        texts = [join_prompt(pair.prompt, side) for pair in chunk for side in (pair.preferred, pair.rejected)]
        ids, truncated = tokenizer.encode(texts)
        flat = np.fromiter(chain.from_iterable(ids), dtype=np.int32)
        flat.tofile(file)
        lengths.append(np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))
        margins.append(np.array([pair.margin for pair in chunk], dtype=np.float32))
        encoded.texts += len(ids)
        encoded.tokens += len(flat)
        encoded.unknown += int((flat == UNKNOWN_ID).sum())
        encoded.truncated += sum(truncated)
        encoded.same += sum(map(list.__eq__, ids[::2], ids[1::2]))
    file.flush()
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    tokens = (
        np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.int32)
        if encoded.tokens  # an empty file can't be mapped
        else np.empty(0, np.int32)
    )
    margin = np.concatenate(margins)
    store = TokenPairs(tokens, offsets, margin if margin.any() else None, np.arange(encoded.texts // 2))
    return store, encoded


def _chunks(preferences: Preferences) -> Iterator[list[Preference]]:
    chunk, letters = [], 0
    for pair in preferences:
        chunk.append(pair)
        letters += 2 * len(pair.prompt) + len(pair.preferred) + len(pair.rejected)
        if len(chunk) == CHUNK_PAIRS or letters > CHUNK_LETTERS:
            yield chunk
            chunk, letters = [], 0
    if chunk:
        yield chunk
