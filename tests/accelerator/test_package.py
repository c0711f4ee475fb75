"""What the lessons and one's own preferences do with `device`, on another device: the same numbers as on the CPU."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab import language, rlhf, statistics
from reward_lab.language import grammar
from reward_lab.lessons.lesson04 import experiments as pretraining


def both(device, compute):
    """What a computation gives on the CPU and on the stand-in, as lists of numbers."""
    results = []
    for where in ("cpu", device):
        torch.manual_seed(0)
        results.append(compute(where))
    return results


def assert_alike(results, tolerance=1e-5):
    for a, b in zip(*results, strict=True):
        a, b = (
            np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x, dtype=float) for x in (a, b)
        )
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_the_trainer(device):
    def run(where):
        world = rl.SyntheticPreferenceDataset(64, 6, 20, seed=1)
        model = rl.RewardModel(20, 8, 16)
        config = rl.TrainConfig(epochs=2, log_every=0, patience=1)
        history = rl.train_reward_model(model, world, world.pairs, config, where)
        assert next(model.parameters()).device.type == torch.device(where).type
        return history.train_loss + history.held_out_accuracy

    assert_alike(both(device, run))


def test_held_out_reports_and_scores_in_batches(device):
    pairs = rl.draw_pairs(40, 6, 20, torch.Generator().manual_seed(0))

    def run(where):
        model = rl.RewardModel(20, 8, 16).to(where)
        moved = tuple(part.to(where) for part in pairs)
        return [*rl.held_out_report(model, moved, moved).values(), *rl.score_in_batches(model, moved[0], 7)]

    assert_alike(both(device, run))


def test_a_linear_fit(device):
    pairs = rl.draw_pairs(60, 6, 8, torch.Generator().manual_seed(0))

    def run(where):
        moved = [part.to(where) for part in pairs]
        weights = rl.fit_linear_bradley_terry(*moved, vocab_size=8, l2=1e-2)
        return [*weights, *rl.linear_reward(weights, moved[0])]

    assert_alike(both(device, run))


def test_own_preferences_from_training_to_scores(device, tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"p{i}", "chosen": "a plain good word", "rejected": "some bad jargon word"}
        for i in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(where):
        config = rl.TextConfig(epochs=2, log_every=0, batch_size=8)
        done = rl.train_on_preferences(rl.load_preferences(path), None, config, where, say=lambda line: None)
        done.model.save_pretrained(tmp_path / "model")
        again = rl.RewardModel.from_pretrained(tmp_path / "model", where)
        scores = [
            [s.reward for s in rl.score_texts(m, ["good", "bad word"], "p")] for m in (done.model, again)
        ]
        assert scores[0] == scores[1]
        return [*scores[0], done.metrics["held_out"]["loss"]]

    assert_alike(both(device, run))


def test_labels_drawn_with_a_generator_of_the_device(device):
    p = torch.full((2000,), 0.8, device=device)
    labels = statistics.noisy_labels(p, 0.1, torch.Generator(device).manual_seed(1))
    assert labels.device.type == device and labels.double().mean().item() == pytest.approx(0.74, abs=0.04)


def test_losses_calibration_and_temperature(device):
    def run(where):
        margin = torch.linspace(-3, 3, 20, device=where, requires_grad=True)
        losses = [statistics.smoothed_bt_loss(margin, 0.1), statistics.flip_corrected_loss(margin, 0.2)]
        losses += [rl.bradley_terry_loss(margin, torch.zeros_like(margin))]
        gradients = torch.autograd.grad(sum(losses), margin)[0]
        p, y = torch.sigmoid(margin.detach().double()), torch.arange(20, device=where) > 8
        report = statistics.calibration(p, y, 5)
        return [*losses, *gradients, report["ece"], report["brier"]]

    assert_alike(both(device, run))


def test_a_language_model_and_a_reward_model_on_it(device):
    def run(where):
        model = pretraining.new_language_model(3).to(where)
        ids = grammar.story_pairs(4, 0)[0].to(where)
        mask = (ids != grammar.PAD_ID).long()
        loss = language.next_token_loss(model(ids, mask), ids, mask)
        torch.manual_seed(0)
        reward = language.RewardFromBackbone(model.backbone, freeze=False).to(where)
        return [loss, *reward(ids, mask), *reward(ids)]

    assert_alike(both(device, run), 1e-4)


def test_policies_reinforce_and_ppo(device):
    world = rlhf.help_desk()

    def run(where):
        policy, reference = rlhf.Policy(world).to(where), world.reference_log_probs(where)
        texts = world.sequences(where)[:64]
        log_probs = policy(texts)
        best = rlhf.kl_optimal_policy(
            reference.exp()[:64] / reference.exp()[:64].sum(), world.gold(texts), 0.5
        )
        return [log_probs.sum(), reference.logsumexp(0), *best[:5]]

    assert_alike(both(device, run), 1e-4)


@pytest.mark.parametrize("train", [rlhf.train_reinforce, rlhf.train_ppo])
def test_a_short_run_of_each_trainer(device, train):
    world = rlhf.help_desk()
    config = rlhf.RLConfig(updates=2, batch_size=16, measure_every=1, log_every=0)
    policy, history = train(world, world.gold(world.sequences(device)), config)
    assert next(policy.parameters()).device.type == device
    assert np.isfinite(history.reward[-1]) and np.isfinite(history.kl[-1])


@pytest.mark.parametrize("source", [rlhf.policy_pairs, rlhf.reference_pairs, rlhf.uniform_pairs])
def test_a_short_run_of_dpo_on_each_kind_of_pairs(device, source):
    world = dataclasses.replace(rlhf.help_desk(), length=3)
    held_out = world.sample_preferences(20, torch.Generator().manual_seed(0))
    config = rlhf.DPOConfig(steps=2, measure_every=1)
    policy, history = rlhf.train_dpo(world, source(world, 16, 0), config, held_out=held_out, device=device)
    assert next(policy.parameters()).device.type == device
    assert np.isfinite(history.value).all() and 0 <= history.accuracy[-1] <= 1


def test_what_is_counted_about_a_world(device):
    world = dataclasses.replace(rlhf.help_desk(), length=2)

    def run(where):
        known = rlhf.Known.of(world, where)
        best = rlhf.kl_optimal_policy(known.gold, known.reference, 0.5)
        reward = rlhf.implicit_reward(best, known.reference, 0.5)
        counted = torch.tensor(rlhf.mean_log_ratios(known, best))
        return [*reward[:5], *rlhf.beats_reference(known)[:5], *counted]

    assert_alike(both(device, run), 1e-6)
