"""The exact Bradley-Terry fit of a linear reward on given features, in memory that does not grow with the pairs."""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""What `choose_penalty` tries, from hardly any to hardly any weight left."""
CHUNK = 16_384
"""Pairs that are held in float64 at a time."""


class Differences:
    """Feature differences of pairs, preferred minus rejected, in coordinates that suit the fit.

    Each column is divided by its root mean square, and all by the root of their number, so that a row has a squared
    length of 1 on average, and a penalty means the same for every backbone. Of fewer pairs than features only the
    space that the pairs span is kept: the optimum lies in it.

    Args:
        values: (n, d) float32 or float64, also a numpy.memmap: it is read in chunks, and never changed.
        margins: (n,) float, by how much the reward should lead; None if all are 0.
        rows: the pairs to fit on, by their numbers; None for all. Others do not count.
    """

    def __init__(self, values: np.ndarray, margins: np.ndarray | None = None, rows: np.ndarray | None = None):
        self.features = values.shape[1]
        self.rows = np.arange(len(values)) if rows is None else rows
        self._values, self._margins, count = values, margins, len(self.rows)
        self._map = lambda x: x
        squares = sum(x.square().sum(dim=0) for x, _ in self.chunks())
        scale = (squares / count * self.features).sqrt()
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))  # (d,)
        if count < self.features:
            whole = torch.from_numpy(np.array(values[self.rows], np.float64))
            basis = torch.linalg.qr((whole / scale).T).Q / scale[:, None]
            self._values = np.zeros((len(values), basis.shape[1]))
            self._values[self.rows] = (whole @ basis).numpy()
            self.back = lambda weights: basis @ weights
        else:
            self._map = lambda x: x / scale
            self.back = lambda weights: weights / scale
        # back: weights in these coordinates -> weights of the features as they are

    @property
    def size(self) -> int:
        """The number of coordinates."""
        return self._values.shape[1]

    def only(self, rows: np.ndarray) -> "Differences":
        """Some of the pairs, by their numbers, in the same coordinates."""
        part = copy.copy(self)
        part.rows = rows
        return part

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows, size) differences and (rows,) margins, float64."""
        for start in range(0, len(self.rows), CHUNK):
            rows = self.rows[start : start + CHUNK]
            margins = np.zeros(len(rows)) if self._margins is None else self._margins[rows]
            yield self._map(torch.from_numpy(self._values[rows]).double()), torch.from_numpy(margins).double()


def fit_linear_reward(differences: Differences, l2: float) -> Tensor:
    """Maximum a posteriori fit of a Bradley-Terry model whose reward is linear in the features.

    Minimises the convex function

        mean over pairs of -log sigmoid(w @ x - margin) + l2 / 2 * sum of squared w,

    with x the scaled differences: logistic regression without intercept (Agresti, Categorical Data Analysis, section
    10.6).

    Args:
        differences: of n pairs.
        l2: above 0: without a penalty, separable pairs have no finite optimum.

    Returns:
        (d,) float64 weights of the features as they are: reward = features @ weights.

    Raises:
        ValueError: l2 is not above 0.
    """
    if not l2 > 0:
        raise ValueError(f"fit_linear_reward: l2 must be above 0, got {l2}")
    return differences.back(
        _minimise(differences, l2, torch.zeros(differences.size, dtype=torch.float64), 1e-8)
    )


def _minimise(differences: Differences, l2: float, start: Tensor, tolerance: float) -> Tensor:
    """The optimum in the coordinates of the differences.

    L-BFGS runs in coordinates u in which the curvature at w = 0, the Gram matrix / 4 + l2, is the identity, so that it
    takes tens of passes over the pairs also where features nearly depend on each other, as those of language models do.
    """
    count = len(differences.rows)
    gram = sum(x.T @ x for x, _ in differences.chunks()) / (4 * count)
    root = torch.linalg.cholesky(gram + l2 * torch.eye(differences.size, dtype=torch.float64))
    u = (root.T @ start).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [u], max_iter=500, tolerance_grad=tolerance, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def weights() -> Tensor:
        return torch.linalg.solve_triangular(root.T, u[:, None], upper=True)[:, 0]

    @torch.no_grad()
    def objective() -> Tensor:
        w = weights()
        value, slope = l2 / 2 * w.square().sum(), l2 * w
        for x, margins in differences.chunks():
            lead = x @ w - margins
            value = value + F.softplus(-lead).sum() / count
            slope = slope - x.T @ torch.sigmoid(-lead) / count
        u.grad = torch.linalg.solve_triangular(root, slope[:, None], upper=False)[:, 0]
        return value

    optimizer.step(objective)
    return weights().detach()


def choose_penalty(
    differences: Differences, folds: np.ndarray, penalties: Sequence[float] = PENALTIES
) -> tuple[float, dict[float, float]]:
    """The penalty with the lowest cross-validated loss.

    Args:
        differences: of n pairs.
        folds: (n,) int64, the fold of each pair; -1 is never left out. Pairs of one prompt belong into one fold.
        penalties: to try.

    Returns:
        The best, and the mean loss on left-out pairs for each. Where there are not two folds, the geometric mean
        of all penalties, and no losses.
    """
    numbers = [fold for fold in np.unique(folds) if fold >= 0]
    if not numbers or (folds == folds[0]).all():
        return float(np.exp(np.mean(np.log(penalties)))), {}
    losses = dict.fromkeys(sorted(penalties, reverse=True), 0.0)
    left_out = sum((folds == fold).sum() for fold in numbers)
    for fold in numbers:
        kept, out = (differences.only(differences.rows[rows]) for rows in (folds != fold, folds == fold))
        weights = torch.zeros(differences.size, dtype=torch.float64)
        for l2 in losses:  # from the largest: each optimum is a good start for the next
            weights = _minimise(kept, l2, weights, 1e-5)
            losses[l2] += _total_loss(out, weights) / left_out
    return min(losses, key=losses.__getitem__), losses


def _total_loss(differences: Differences, weights: Tensor) -> float:
    return sum(F.softplus(margins - x @ weights).sum().item() for x, margins in differences.chunks())
