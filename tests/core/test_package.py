"""The package against outside oracles: closed forms, float64, scikit-learn, published numbers."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import reward_lab as rl

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")
    ),
]


def loss_in_float64(differences) -> float:
    """The Bradley-Terry loss written in another way, in double precision."""
    return float(np.mean(np.logaddexp(0.0, -np.asarray(differences, dtype=np.float64))))


@pytest.mark.parametrize("device", DEVICES)
def test_the_loss_has_its_published_values(device):
    def loss(preferred, rejected):
        return rl.bradley_terry_loss(
            torch.tensor(preferred, device=device), torch.tensor(rejected, device=device)
        ).item()

    assert loss([2.0], [0.0]) == pytest.approx(0.1269, abs=5e-5)
    assert loss([-2.0], [0.0]) == pytest.approx(2.1269, abs=5e-5)
    assert loss([0.0], [0.0]) == pytest.approx(math.log(2), abs=1e-7)
    assert loss([3.0, 1.5, 4.0], [1.0, 2.0, 0.5]) == pytest.approx(0.3769, abs=5e-5)


@pytest.mark.parametrize("scale", [1.0, 30.0, 200.0, 1e4])
def test_the_loss_agrees_with_float64_and_stays_finite_at_any_margin(scale):
    rewards = torch.randn(2, 200, generator=torch.Generator().manual_seed(0)) * scale
    loss = rl.bradley_terry_loss(*rewards).item()
    differences = rewards[0].double() - rewards[1].double()
    assert loss == pytest.approx(loss_in_float64(differences.numpy()), rel=1e-5)


def test_the_gradient_of_the_loss_is_minus_one_minus_sigmoid_over_n():
    preferred = torch.tensor([3.0, -150.0, 0.2], requires_grad=True)
    rejected = torch.tensor([1.0, 50.0, 0.2])
    rl.bradley_terry_loss(preferred, rejected).backward()
    sigmoid = 1 / (1 + np.exp(-np.array([2.0, -200.0, 0.0])))
    assert preferred.grad.numpy() == pytest.approx(-(1 - sigmoid) / 3, rel=1e-6)


def test_the_loss_does_not_change_when_all_rewards_shift():
    preferred, rejected = torch.randn(2, 50, dtype=torch.float64)
    shifted = rl.bradley_terry_loss(preferred + 7, rejected + 7)
    assert shifted.item() == pytest.approx(rl.bradley_terry_loss(preferred, rejected).item(), rel=1e-12)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        rl.bradley_terry_loss(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="non-empty"):
        rl.preference_accuracy(torch.zeros(0), torch.zeros(0))


def test_a_tie_is_not_a_correct_ranking():
    preferred, rejected = torch.tensor([3.0, 1.5, 4.0, 2.0]), torch.tensor([1.0, 2.0, 0.5, 1.8])
    assert rl.preference_accuracy(preferred, rejected) == 0.75
    assert rl.preference_accuracy(preferred, preferred) == 0.0
    assert type(rl.preference_accuracy(preferred, rejected)) is float


@pytest.mark.parametrize("device", DEVICES)
def test_the_encoder_is_the_mean_embedding_through_two_layers(device):
    torch.manual_seed(0)
    encoder = rl.SimpleTextEncoder(50, 8, 16).to(device)
    tokens = torch.randint(50, (5, 7), device=device)
    pooled = encoder.embedding(tokens).mean(dim=1)
    assert torch.allclose(encoder(tokens), encoder.layers(pooled), atol=1e-6)
    assert encoder(tokens).shape == (5, 16)
    assert torch.allclose(encoder(tokens), encoder(tokens.flip(1)), atol=1e-6)  # the order is forgotten


def test_a_smaller_start_scales_the_embeddings_and_nothing_else():
    models = []
    for std in (1.0, 0.02):
        torch.manual_seed(3)
        models.append(rl.RewardModel(100, 8, 16, embedding_std=std).state_dict())
    for name, weight in models[0].items():
        scale = 0.02 if "embedding" in name else 1.0
        assert torch.equal(models[1][name], weight * scale)


def test_the_reward_model_has_the_parameters_that_the_lesson_counts():
    model = rl.RewardModel(vocab_size=1000, embed_dim=64, hidden_dim=128)
    assert (
        sum(p.numel() for p in model.parameters())
        == 1000 * 64 + 64 * 128 + 128 + 128 * 128 + 128 + 128 + 1
        == 88961
    )
    assert model(torch.randint(1000, (4, 20))).shape == (4,)


class Moody(torch.nn.Module):
    """Scores by mode, and raises on request."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, token_ids):
        if token_ids.shape[1] == 13:
            raise RuntimeError("unlucky")
        return token_ids.double().mean(1) * (self.weight if not self.training else 0)


@pytest.mark.parametrize("training", [True, False])
def test_scoring_in_batches_changes_no_score_and_puts_the_mode_back(training):
    model, tokens = Moody().train(training), torch.randint(100, (101, 5))
    scores = [rl.score_in_batches(model, tokens, size) for size in (1, 7, 101, 1000)]
    assert all(torch.equal(scores[0], other) for other in scores)
    assert torch.equal(scores[0], tokens.double().mean(1)) and not scores[0].requires_grad
    assert model.training is training
    with pytest.raises(RuntimeError, match="unlucky"):
        rl.score_in_batches(model, torch.zeros(3, 13, dtype=torch.int64))
    assert model.training is training


def test_the_held_out_report_counts_by_hand():
    tokens = torch.tensor([[1], [2], [3], [4]])
    model = Moody().eval()
    train = (tokens, torch.tensor([[0], [2], [5], [1]]))  # right, tie, wrong, right
    report = rl.held_out_report(model, train, (tokens[:1], tokens[1:2]))
    assert report == {"train_accuracy": 0.5, "held_out_accuracy": 0.0, "gap": 0.5}


@pytest.mark.parametrize("l2", [3e-3, 0.1])
def test_the_linear_fit_is_logistic_regression_without_intercept(l2):
    preferred, rejected = rl.SyntheticPreferenceDataset(400, 20, 50, seed=1).pairs
    weights = rl.fit_linear_bradley_terry(preferred, rejected, 50, l2=l2).numpy()
    difference = (rl.token_frequencies(preferred, 50) - rl.token_frequencies(rejected, 50)).numpy()
    # Pairs have no label to balance, so half of them are shown the other way round.
    signs = np.where(np.arange(400) % 2, 1, -1)
    oracle = LogisticRegression(C=1 / l2, fit_intercept=False, tol=1e-10, max_iter=20_000)
    oracle.fit(difference * signs[:, None], signs)
    assert weights == pytest.approx(oracle.coef_[0], abs=2e-3 * np.abs(oracle.coef_).max())
    texts = torch.randint(50, (30, 20))
    assert rl.linear_reward(torch.tensor(weights), texts).numpy() == pytest.approx(
        rl.token_frequencies(texts, 50).numpy() @ weights
    )


def test_the_linear_fit_needs_a_penalty():
    with pytest.raises(ValueError, match="l2 must be above 0"):
        rl.fit_linear_bradley_terry(
            torch.ones(1, 2, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64), 3, l2=0
        )


def test_importing_the_package_brings_nothing_that_colab_would_have_to_install():
    unwanted = {"nbgrader", "sklearn", "jupytext", "IPython", "pandas"}
    code = f"import sys, reward_lab; print(*({unwanted} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_the_figures_mark_what_they_claim(capsys):
    history = rl.History([0.6, 0.1], [0.7, 1.0], [0.1, 3.0], [0.7, 1.2], [0.6, 0.65], [0.1, 0.2])
    for figure in (
        rl.plots.plot_bradley_terry(),
        rl.plots.plot_history(history, "title"),
        rl.plots.plot_seeds({"a": [0.7, 0.8]}, {"limit": 1.0}, "title", "accuracy"),
        rl.plots.plot_quality_against_reward({"x": (np.array([1.0, 2.0]), np.array([1.0, 3.0]))}, "title"),
    ):
        assert all(axis.get_xlabel() and axis.get_title() is not None for axis in figure.axes)
        rl.plots.plt.close(figure)
