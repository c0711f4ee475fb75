"""The synthetic world and the trainer: reproducible, and right where the right outcome is known."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import reward_lab as rl
from reward_lab.lessons.lesson01 import experiments as recipes


@pytest.fixture
def world():
    return rl.SyntheticPreferenceDataset(64, 6, 30, seed=5)


def test_an_item_is_the_same_pair_in_any_order_and_any_worker(world):
    alone = [world[index] for index in range(64)]
    backwards = [world[index] for index in reversed(range(64))][::-1]
    for workers in (0, 2):
        loaded = [
            item
            for batch in DataLoader(world, batch_size=8, num_workers=workers)
            for item in zip(*batch.values(), strict=True)
        ]
        for one, other, (preferred, rejected) in zip(alone, backwards, loaded, strict=True):
            assert torch.equal(one["preferred"], other["preferred"]) and torch.equal(
                one["preferred"], preferred
            )
            assert torch.equal(one["rejected"], other["rejected"]) and torch.equal(one["rejected"], rejected)


def test_the_preferred_text_never_has_the_lower_quality():
    preferred, rejected = rl.SyntheticPreferenceDataset(5000, 3, 5, seed=2).pairs
    assert (rl.true_quality(preferred) >= rl.true_quality(rejected)).all()
    assert (rl.true_quality(preferred) == rl.true_quality(rejected)).any()  # ties are part of the world


def test_tokens_are_uniform_over_the_whole_vocabulary():
    tokens = torch.cat(rl.SyntheticPreferenceDataset(20_000, 10, 10, seed=3).pairs)
    counts = torch.bincount(tokens.flatten(), minlength=10).double().numpy()
    n = counts.sum()
    # Hoeffding: a share is off by more than 0.005 with probability below 2 exp(-2 n 0.005^2) = 4e-9.
    assert np.abs(counts / n - 0.1).max() < 0.005 and len(counts) == 10


def test_seeds_give_other_pairs_even_where_they_share_their_low_bits():
    pairs = [
        rl.SyntheticPreferenceDataset(10, 20, 1000, seed=seed).preferred for seed in (0, 1, 2**32, 2**32 + 1)
    ]
    assert len({tuple(p.flatten().tolist()) for p in pairs}) == 4


def test_fresh_mode_draws_new_pairs_each_epoch_and_the_same_ones_again():
    fresh = rl.SyntheticPreferenceDataset(10, 20, 1000, seed=1, fresh=True)
    first = fresh.preferred.clone()
    fresh.set_epoch(1)
    assert not torch.equal(fresh.preferred, first)
    fresh.set_epoch(0)
    assert torch.equal(fresh.preferred, first)
    fixed = rl.SyntheticPreferenceDataset(10, 20, 1000, seed=1)
    fixed.set_epoch(1)
    assert torch.equal(fixed.preferred, first)


@pytest.mark.parametrize("arguments", [(0, 5, 10), (5, 0, 10), (5, 5, 1)])
def test_a_world_that_can_not_be_is_refused_with_what_was_expected(arguments):
    with pytest.raises(ValueError, match="must be at least"):
        rl.SyntheticPreferenceDataset(*arguments)
    with pytest.raises(IndexError):
        rl.SyntheticPreferenceDataset(3, 2, 5)[3]


def train(world, seed=0, **config):
    torch.manual_seed(seed)
    model = rl.RewardModel(30, 8, 16)
    history = rl.train_reward_model(
        model, world, world.pairs, rl.TrainConfig(**{"epochs": 3, "log_every": 0, **config})
    )
    return model, history


def test_a_run_is_reproducible_to_the_bit_and_independent_of_the_global_generator(world):
    (one, first), (other, second) = train(world), train(world)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert first.train_loss == second.train_loss
    torch.manual_seed(0)
    model = rl.RewardModel(30, 8, 16)
    torch.rand(1000)
    rl.train_reward_model(model, world, world.pairs, rl.TrainConfig(epochs=3, log_every=0))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), model.parameters(), strict=True))


def test_another_seed_gives_another_order_of_batches(world):
    losses = []
    for seed in (1, 2):
        torch.manual_seed(0)
        model = rl.RewardModel(30, 8, 16)
        losses.append(
            rl.train_reward_model(
                model, world, world, rl.TrainConfig(epochs=2, seed=seed, log_every=0)
            ).train_loss
        )
    assert losses[0] != losses[1]


def test_the_history_is_what_the_trained_model_measures(world):
    model, history = train(world)
    assert all(len(values) == 3 for name, values in vars(history).items() if name != "seconds")
    report = rl.held_out_report(model, world.pairs, world.pairs)
    assert history.train_accuracy[-1] == report["train_accuracy"] == history.held_out_accuracy[-1]
    scores = [rl.score_in_batches(model, part) for part in world.pairs]
    assert history.train_margin[-1] == pytest.approx((scores[0] - scores[1]).mean().item())
    assert history.train_loss[-1] == pytest.approx(rl.bradley_terry_loss(*scores).item())
    assert history.seconds > 0 and model.training


def test_a_progress_line_comes_every_so_many_epochs(world, capsys):
    train(world, log_every=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["2/3", "3/3"]
    assert all("held-out: loss" in line for line in lines)


def test_one_step_equals_the_step_written_by_hand(world):
    torch.manual_seed(1)
    model = rl.RewardModel(30, 8, 16).double()
    other = rl.RewardModel(30, 8, 16).double()
    other.load_state_dict(model.state_dict())
    loss = rl.training_step(model, torch.optim.SGD(model.parameters(), lr=0.3), *world.pairs)
    by_hand = torch.log1p(torch.exp(other(world.rejected) - other(world.preferred))).sum() / 64
    gradients = torch.autograd.grad(by_hand, list(other.parameters()))
    for after, before, gradient in zip(model.parameters(), other.parameters(), gradients, strict=True):
        assert torch.allclose(after, before - 0.3 * gradient, atol=1e-12)
    assert loss == pytest.approx(by_hand.item(), rel=1e-12)


def test_training_reaches_the_optimum_where_it_is_known():
    """A model with one weight a token is logistic regression: the trainer must find its least loss."""

    class Table(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(torch.zeros(8))

        def forward(self, token_ids):
            return self.weights[token_ids].mean(1)

    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(8, (2, 500, 4), generator=generator)
    a_wins = (torch.rand(500, generator=generator) < torch.sigmoid((a - b).double().mean(1))).unsqueeze(1)
    pairs = torch.where(a_wins, a, b), torch.where(a_wins, b, a)
    weights = rl.fit_linear_bradley_terry(*pairs, vocab_size=8, l2=1e-9)
    best = rl.bradley_terry_loss(*(rl.linear_reward(weights, part) for part in pairs)).item()
    config = rl.TrainConfig(epochs=400, batch_size=500, learning_rate=0.05, log_every=0)
    history = rl.train_reward_model(Table(), pairs, pairs, config)
    assert best - 1e-7 <= history.train_loss[-1] <= best + 1e-4


def test_pairs_of_two_shapes_and_no_pairs_are_refused():
    model = rl.RewardModel(30, 8, 16)
    tokens = torch.zeros(4, 3, dtype=torch.int64)
    for pairs in ((tokens, tokens[:2]), (tokens[:0], tokens[:0])):
        with pytest.raises(ValueError, match="n >= 1"):
            rl.train_reward_model(model, pairs, (tokens, tokens))
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        rl.TrainConfig(epochs=0)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA on this machine: training on it is not tested"
)
def test_training_on_cuda_learns_as_on_the_cpu(world):
    torch.manual_seed(0)
    model = rl.RewardModel(30, 8, 16)
    history = rl.train_reward_model(model, world, world.pairs, rl.TrainConfig(epochs=3, log_every=0), "cuda")
    assert history.train_loss == pytest.approx(train(world)[1].train_loss, rel=1e-3)


@pytest.mark.slow
def test_the_usual_recipe_learns_the_pairs_and_the_best_one_the_rule():
    _, usual = recipes.run_recipe(recipes.USUAL, seed=0)
    assert usual.train_accuracy[-1] >= 0.999 and 0.64 < usual.held_out_accuracy[-1] < 0.74
    assert usual.held_out_loss[-1] > np.log(2)  # worse than guessing
    _, best = recipes.run_recipe(recipes.BEST, seed=0)
    assert best.held_out_accuracy[-1] >= 0.80
