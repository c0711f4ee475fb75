"""The exact fit of a linear reward against scikit-learn, the lesson's own fit, and the conditions of an optimum."""

import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab import linear_fit
from reward_lab.linear_fit import Differences, choose_penalty, fit_linear_reward


def features(pairs, dim, seed=0):
    """Differences of features that nearly depend on each other and have sizes from 0.01 to 100."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((pairs, dim)) @ (np.eye(dim) + rng.standard_normal((dim, dim)))
    values = (mixed * 10.0 ** rng.uniform(-2, 2, dim)).astype(np.float32)
    worth = rng.standard_normal(dim) / values.std(axis=0)
    chosen = values @ worth + 2 * rng.standard_normal(pairs) > 0
    return np.where(chosen[:, None], values, -values)


@pytest.mark.parametrize("pairs, dim", [(400, 30), (20, 50), (60, 60)])
@pytest.mark.parametrize("l2", [1e-4, 1e-1])
def test_the_fit_is_that_of_scikit_learn(pairs, dim, l2):
    linear_model = pytest.importorskip("sklearn.linear_model")
    values = features(pairs, dim)
    scale = np.sqrt((values.astype(float) ** 2).mean(axis=0) * dim)
    signs = np.where(np.arange(pairs) % 2, 1, -1)
    oracle = linear_model.LogisticRegression(
        C=1 / (pairs * l2), fit_intercept=False, solver="newton-cholesky", tol=1e-10
    )
    oracle.fit(values / scale * signs[:, None], signs)
    weights = fit_linear_reward(Differences(values), l2).numpy()
    expected = values / scale @ oracle.coef_[0]
    assert values @ weights == pytest.approx(expected, abs=2e-4 * np.abs(expected).max())


def test_the_fit_is_that_of_lesson_1(monkeypatch):
    preferred, rejected = rl.SyntheticPreferenceDataset(300, 10, 20, seed=0).pairs
    old = rl.fit_linear_bradley_terry(preferred, rejected, 20, l2=0.5)
    bags = [rl.token_frequencies(side, 20) for side in (preferred, rejected)]
    differences = Differences((bags[0] - bags[1]).numpy())
    # The old penalty is on weights of unscaled features, and beside a sum, not a mean.
    monkeypatch.setattr(differences, "_map", lambda x: x)
    monkeypatch.setattr(differences, "back", lambda weights: weights)
    assert torch.allclose(fit_linear_reward(differences, 0.5 / 300), old, atol=1e-6)


def test_margins_move_the_optimum_to_where_the_gradient_is_zero(monkeypatch):
    monkeypatch.setattr(linear_fit, "CHUNK", 7)  # reading in chunks changes nothing
    values, margins, l2 = features(50, 5), np.linspace(0, 2, 50), 0.05
    weights = fit_linear_reward(Differences(values, margins), l2).numpy()
    scale = np.sqrt((values.astype(float) ** 2).mean(axis=0) * 5)
    x, w = values / scale, weights * scale
    gradient = l2 * w - x.T @ (1 / (1 + np.exp(x @ w - margins))) / 50
    assert np.abs(gradient).max() < 1e-6
    assert not np.allclose(weights, fit_linear_reward(Differences(values), l2).numpy(), rtol=0.05)


def test_a_feature_that_never_differs_gets_no_weight_and_no_penalty_is_refused():
    values = features(30, 4)
    values[:, 2] = 0
    assert fit_linear_reward(Differences(values), 1e-3)[2] == 0
    with pytest.raises(ValueError, match="l2 must be above 0"):
        fit_linear_reward(Differences(values), 0.0)


def test_the_penalty_is_the_one_whose_left_out_loss_is_lowest():
    values, folds = features(100, 20), np.arange(100) % 4
    best, losses = choose_penalty(Differences(values), folds, (1e-3, 1e-1, 10.0))
    expected = {}
    for l2 in losses:
        lost = []
        for fold in range(4):
            differences = Differences(values)
            weights = fit_linear_reward(differences.only(np.flatnonzero(folds != fold)), l2).numpy()
            lost += np.logaddexp(0, -values[folds == fold] @ weights).tolist()
        expected[l2] = np.mean(lost)
    assert losses == pytest.approx(expected, rel=1e-3) and best == min(expected, key=expected.get)


def test_without_two_folds_there_is_a_penalty_all_the_same():
    best, losses = choose_penalty(Differences(features(3, 5)), np.zeros(3, int), (1e-4, 1.0))
    assert best == pytest.approx(1e-2) and losses == {}
