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
from .backbone_run import Job, Tuned
from .head_pairs import HeadPairs
from .keys import LADDER
from .preferences import Preferences
from .training import measure_differences

CHUNK = 8192
"""Pairs whose vectors are held at a time."""
FOLDS, MANY = 5, 20_000
"""The penalty is cross-validated in so many folds of training prompts; with many pairs, one of the folds will do."""


def tune(job: Job) -> Tuned:
    """Embed, choose the penalty on training prompts left out in turn, fit, and hold the result against held-out pairs."""
    pairs = HeadPairs.of(job)
    with open_store(job.backbone, job.folder / "embeddings") as store:
        embedded = embed(job.backbone, pairs.texts(), pairs.count, store, job.say)
        vectors = store.vectors()
    _report(job, pairs, embedded, len(vectors), vectors.nbytes)
    winners, losers = pairs.places(embedded.rows)
    folds = pairs.with_nonsense(_folds(job.preferences, pairs.train))
    margins = pairs.margins()
    result, poolings = None, {}
    # The pooling asked for comes last: it is the one that stays.
    for pooling in sorted(job.backbone.poolings, key=lambda name: name == job.config.pooling):
        start = time.perf_counter()
        values = _differences(vectors, winners, losers, POOLINGS.index(pooling), job.folder)
        differences = Differences(values, margins, pairs.learnt_from)
        penalty, losses = choose_penalty(differences, folds)
        weights = fit_linear_reward(differences, penalty)
        dtype = job.backbone.body.dtype
        weights = weights.to(dtype).double().numpy()  # measured is what is saved
        lead = _leads(values, weights)
        apart = {"train": lead[pairs.train], "held_out": lead[pairs.held_out]}
        on = {"train": _part(margins, pairs.train), "held_out": _part(margins, pairs.held_out)}
        found = poolings[pooling] = measure_differences(apart["held_out"], on["held_out"])
        text = (
            f"pooling {pooling}: fitted in {duration(time.perf_counter() - start)}, penalty {penalty:.0e}, "
            f"held-out loss {found['loss']:.4f}, accuracy {found['accuracy']:.3f}"
        )
        if len(pairs.nonsense_held_out):
            found["nonsense_wins"] = (lead[pairs.nonsense_held_out] <= 0).double().mean().item()
            text += f"; nonsense beats {found['nonsense_wins']:.0%} of held-out answers"
        job.say(text)
        result = weights, penalty, losses, apart, on
    weights, penalty, losses, apart, on = result
    return Tuned(
        reward_model(job.backbone, job.config.pooling, torch.from_numpy(weights)),
        apart,
        on,
        embedded.new_texts,
        embedded.new_tokens,
        {
            "texts": len(embedded.rows),
            "tokens": embedded.tokens,
            "truncated": embedded.truncated,
            "same": int((winners == losers).sum()),
            "nonsense_pairs": pairs.made_of_training,
        },
        {
            "penalty": penalty,
            "cross_validated_loss": {f"{l2:.0e}": loss for l2, loss in losses.items()},
            "poolings": poolings,
        },
        penalties=losses,
    )


def _report(job: Job, pairs: HeadPairs, embedded: Embedded, kept: int, size: int) -> None:
    texts = len(embedded.rows)
    if pairs.made_of_training:
        job.say(
            f"{pairs.made_of_training:,} training pairs more: a preferred answer against its own words, garbled "
            "(--nonsense 0 for none)"
        )
    job.say(
        f"{embedded.tokens:,} tokens in {texts:,} texts, {embedded.truncated:,} truncated; {texts - embedded.new_texts:,} "
        f"texts were embedded already; vectors of {kept:,} texts ({size / 2**20:,.0f} MiB) are kept in "
        f"{job.folder / 'embeddings'}"
    )


def _part(margins: np.ndarray | None, rows: np.ndarray) -> torch.Tensor | None:
    return None if margins is None else torch.from_numpy(margins[rows])


def _differences(
    vectors: np.ndarray, better: np.ndarray, worse: np.ndarray, pooling: int, folder: Path
) -> np.ndarray:
    """(pairs, dim) float32, in a file that vanishes with the array."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  open as long as the memory map
    for start in range(0, len(better), CHUNK):
        first, second = (vectors[rows[start : start + CHUNK], pooling] for rows in (better, worse))
        (first - second).tofile(file)
    file.flush()
    return np.memmap(file, np.float32, "r", shape=(len(better), vectors.shape[2]))


def _leads(values: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """(pairs,) float64 reward differences."""
    parts = [values[start : start + CHUNK] @ weights for start in range(0, len(values), CHUNK)]
    return torch.from_numpy(np.concatenate(parts))


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
