"""Vectors of texts on disk: each text is embedded once, and what was embedded before a kill is not embedded again."""

import contextlib
import os
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

SYNC_SECONDS = 2.0
"""So much work, and a batch, is lost at most when the program is killed."""


class VectorStore:
    """An append-only pair of files: `keys`, 64-bit hashes of token ids, and `vectors`, float32.

    A key is written only after its vectors are on the disk, so that whenever the program dies every key has its
    vectors; what lies behind the last key is cut off when the store is opened.

    Args:
        folder: made if need be.
        shape: of one text's vectors.

    Raises:
        ValueError: another program has the store open.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.shape = folder, shape
        self._row = 4 * int(np.prod(shape))
        # Both stay open as long as the store does.
        self._keys, self._vectors = (open(folder / name, "a+b") for name in ("keys", "vectors"))  # noqa: SIM115
        _lock(self._keys, folder)
        whole = min(os.path.getsize(folder / "keys") // 8, os.path.getsize(folder / "vectors") // self._row)
        self._keys.truncate(8 * whole)
        self._vectors.truncate(self._row * whole)
        keys = np.fromfile(folder / "keys", np.uint64)
        self._places = np.argsort(keys, kind="stable")
        self._sorted = keys[self._places]
        self._waiting: list[np.ndarray] = []
        self._synced = time.monotonic()

    def __len__(self) -> int:
        return len(self._sorted)

    def __enter__(self) -> "VectorStore":
        return self

    def __exit__(self, *_) -> None:
        self.sync()
        self._keys.close()
        self._vectors.close()

    def find(self, keys: np.ndarray) -> np.ndarray:
        """(n,) int64: the row of each key, -1 for one that is not here."""
        places = np.searchsorted(self._sorted, keys)
        inside = np.minimum(places, max(0, len(self) - 1))
        if not len(self):
            return np.full(len(keys), -1)
        return np.where(self._sorted[inside] == keys, self._places[inside], -1)

    def append(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        """Add texts that are not here: `(n,)` uint64, `(n, *shape)` float32."""
        self._vectors.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        self._waiting.append(keys)
        order = np.argsort(keys)
        where = np.searchsorted(self._sorted, keys[order])
        rows = np.arange(len(self), len(self) + len(keys))[order]
        self._sorted = np.insert(self._sorted, where, keys[order])
        self._places = np.insert(self._places, where, rows)
        self._vectors.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Bring vectors, then keys, onto the disk."""
        self._vectors.flush()
        os.fsync(self._vectors.fileno())
        for keys in self._waiting:
            self._keys.write(keys.astype(np.uint64).tobytes())
        self._waiting.clear()
        self._keys.flush()
        self._synced = time.monotonic()

    def vectors(self) -> np.ndarray:
        """`(n, *shape)` float32, memory-mapped."""
        self.sync()
        if not len(self):
            return np.empty((0, *self.shape), np.float32)
        return np.memmap(self.folder / "vectors", np.float32, "r", shape=(len(self), *self.shape))


def key_of(row: Sequence[int]) -> np.uint64:
    """The key of a text: two texts of the same token ids have the same vectors."""
    data = np.asarray(row, np.int64).tobytes()
    return np.uint64(int.from_bytes(blake2b(data, digest_size=8).digest(), "little"))


def _lock(file, folder: Path) -> None:
    with contextlib.suppress(ModuleNotFoundError):  # Windows has none
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"{folder}: another run is embedding into this folder; wait for it, or use another"
            ) from None
