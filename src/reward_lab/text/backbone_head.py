"""`--tune head`: each text goes through the backbone once, and the head is fitted exactly."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ..language.embedding import Embedded, embed, open_store
from ..language.pretrained import POOLINGS
from ..language.reward_folder import reward_model
from ..linear_fit import Differences, choose_penalty, fit_linear_reward
from ..progress import duration
from .backbone_run import Job, Tuned, sides
from .links import LADDER
from .preferences import Preferences
from .training import measure_differences

FOLDS, MANY = 5, 20_000
"""The penalty is cross-validated in so many folds of training prompts; with many pairs, one of the folds will do."""


def tune(job: Job) -> Tuned:
    """Embed, choose the penalty on training prompts left out in turn, fit, and hold the result against held-out pairs."""
    files = [job.preferences] if job.held_out is None else [job.preferences, job.held_out]
    with open_store(job.backbone, job.folder / "embeddings") as store:
        total = 2 * sum(map(len, files))
        embedded = [embed(job.backbone, sides(file), total, store, job.say) for file in files]
        vectors = store.vectors()
    margins = [_margins(file) for file in files]
    _report(job, embedded, len(vectors), vectors.nbytes)
    train = np.flatnonzero(job.kept)
    held_out = np.flatnonzero(~job.kept) if job.held_out is None else np.arange(len(job.held_out))
    folds = _folds(job.preferences, train)
    result, poolings = None, {}
    # The pooling asked for comes last: it is the one that stays.
    for pooling in sorted(job.backbone.poolings, key=lambda name: name == job.config.pooling):
        start = time.perf_counter()
        values = [_differences(vectors, one.rows, POOLINGS.index(pooling), job.folder) for one in embedded]
        differences = Differences(values[0], margins[0]).only(train)
        penalty, losses = choose_penalty(differences, folds)
        weights = fit_linear_reward(differences, penalty)
        dtype = job.backbone.body.dtype
        weights = weights.to(dtype).double().numpy()  # measured is what is saved
        apart = {"train": values[0][train] @ weights, "held_out": values[-1][held_out] @ weights}
        apart = {name: torch.from_numpy(np.asarray(value, np.float64)) for name, value in apart.items()}
        on = {"train": _part(margins[0], train), "held_out": _part(margins[-1], held_out)}
        poolings[pooling] = measure_differences(apart["held_out"], on["held_out"])
        job.say(
            f"pooling {pooling}: fitted in {duration(time.perf_counter() - start)}, penalty {penalty:.0e}, "
            f"held-out loss {poolings[pooling]['loss']:.4f}, accuracy {poolings[pooling]['accuracy']:.3f}"
        )
        result = weights, penalty, losses, apart, on
    weights, penalty, losses, apart, on = result
    return Tuned(
        reward_model(job.backbone, job.config.pooling, torch.from_numpy(weights)),
        apart,
        on,
        sum(one.new_texts for one in embedded),
        sum(one.new_tokens for one in embedded),
        {
            "texts": total,
            "tokens": sum(one.tokens for one in embedded),
            "truncated": sum(one.truncated for one in embedded),
            "same": sum(int((one.rows[::2] == one.rows[1::2]).sum()) for one in embedded),
        },
        {
            "penalty": penalty,
            "cross_validated_loss": {f"{l2:.0e}": loss for l2, loss in losses.items()},
            "poolings": poolings,
        },
        penalties=losses,
    )


def _report(job: Job, embedded: list[Embedded], kept: int, size: int) -> None:
    texts = sum(len(one.rows) for one in embedded)
    found = texts - sum(one.new_texts for one in embedded)
    truncated = sum(one.truncated for one in embedded)
    job.say(
        f"{sum(one.tokens for one in embedded):,} tokens in {texts:,} texts, {truncated:,} truncated; {found:,} texts were "
        f"embedded already; vectors of {kept:,} texts ({size / 2**20:,.0f} MiB) are kept in {job.folder / 'embeddings'}"
    )


def _margins(preferences: Preferences) -> np.ndarray | None:
    margins = np.fromiter((pair.margin for pair in preferences), np.float64, len(preferences))
    return margins if margins.any() else None


def _part(margins: np.ndarray | None, rows: np.ndarray) -> torch.Tensor | None:
    return None if margins is None else torch.from_numpy(margins[rows])


def _differences(vectors: np.ndarray, rows: np.ndarray, pooling: int, folder: Path) -> np.ndarray:
    """(pairs, dim) float32, in a file that vanishes with the array."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  open as long as the memory map
    for start in range(0, len(rows), 8192):
        both = vectors[rows[start : start + 8192], pooling]
        (both[::2] - both[1::2]).tofile(file)
    file.flush()
    return np.memmap(file, np.float32, "r", shape=(len(rows) // 2, vectors.shape[2]))


def _folds(preferences: Preferences, train: np.ndarray) -> np.ndarray:
    """(training pairs,) int64: the fold of each, pairs of one prompt in one; -1 is never left out.

    Pairs are tied as for the split, by texts and beginnings of texts, or, where these tie nearly everything, by prompt.
    """
    ties = preferences.links.table()
    for kinds in LADDER:
        groups, number, sizes = np.unique(
            ties.components(kinds)[train], return_inverse=True, return_counts=True
        )
        if len(groups) >= FOLDS and sizes.max() <= 2 * len(train) / FOLDS:
            break
    # The groups stand in the order of hashes: a fair shuffle.
    folds = np.minimum(FOLDS * np.cumsum(sizes) // (len(train) + 1), FOLDS - 1)[number]
    return np.where(folds > 0, -1, folds) if len(train) > MANY else folds
