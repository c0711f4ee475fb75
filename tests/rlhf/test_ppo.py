"""Losses, estimators and training loops against definitions, closed forms and brute force."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import softmax
from scipy.stats import norm

from reward_lab import rlhf
from reward_lab.lessons.lesson06 import experiments as rl_recipes

from .test_worlds import small_world, wrinkled

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")
    ),
]


def gradient_of(policy, value):
    return torch.cat([part.flatten() for part in torch.autograd.grad(value, list(policy.parameters()))])


# The policy gradient


@pytest.mark.parametrize("baseline", [0.0, 5.0, torch.tensor(-3.0)])
def test_the_mean_policy_gradient_over_all_texts_is_the_exact_gradient(baseline):
    world = small_world(3, 3)
    policy, texts = wrinkled(world), world.sequences()
    reward = torch.randn(world.size, generator=torch.Generator().manual_seed(0))
    exact = gradient_of(policy, -(policy.all_log_probs().exp() * reward).sum())
    mean = torch.zeros_like(exact)
    for text, own in zip(texts.split(1), reward.split(1), strict=True):
        # Each text as a batch of one, weighed by its probability: the mean over all batches that could be drawn.
        log_prob = policy(text).sum(dim=1)
        mean += log_prob.exp().detach() * gradient_of(
            policy, rlhf.policy_gradient_loss(log_prob, own, baseline)
        )
    assert mean.numpy() == pytest.approx(exact.numpy(), abs=1e-5)


def test_the_policy_gradient_loss_has_the_lessons_value_and_gradient():
    log_probs = torch.tensor([-2.0, -1.0, -3.0], requires_grad=True)
    loss = rlhf.policy_gradient_loss(log_probs, torch.tensor([3.0, 1.0, 2.0]), 1.5)
    loss.backward()
    assert loss.item() == pytest.approx(4 / 3) and log_probs.grad.tolist() == pytest.approx(
        [-0.5, 1 / 6, -1 / 6]
    )


def test_leaving_the_text_itself_out_of_the_baseline_keeps_the_gradient_unbiased():
    world = small_world(2, 2)
    policy = wrinkled(world)
    reward = torch.tensor([0.0, 3.0, -1.0, 2.0])
    exact = gradient_of(policy, -(policy.all_log_probs().exp() * reward).sum())
    with torch.no_grad():
        probability = policy.all_log_probs().exp()
    mean = torch.zeros_like(exact)
    for first in range(4):  # every batch of two texts
        for second in range(4):
            batch = torch.tensor([first, second])
            others = reward[batch.flip(0)]
            loss = rlhf.policy_gradient_loss(policy(world.token_ids(batch)).sum(1), reward[batch], others)
            mean += probability[first] * probability[second] * gradient_of(policy, loss)
    assert mean.numpy() == pytest.approx(exact.numpy(), abs=1e-5)


def test_a_baseline_takes_the_noise_of_a_constant_away():
    world = small_world(3, 3)
    torch.manual_seed(0)
    policy, reward = rlhf.Policy(world), torch.randn(world.size)
    plain = rl_recipes.gradient_noise(policy, world, reward + 10, baseline=False)
    helped = rl_recipes.gradient_noise(policy, world, reward + 10, baseline=True)
    unmoved = rl_recipes.gradient_noise(policy, world, reward, baseline=True)
    assert plain.variance > 10 * helped.variance and helped.variance == pytest.approx(
        unmoved.variance, rel=1e-3
    )


# KL estimators


def test_the_estimators_have_their_published_bias_and_spread():
    """KL(N(0,1) || N(1,1)) = 0.5 (Schulman, 2020), by numerical integration."""

    def moment(which, power):
        def integrand(x):
            log_p, log_q = (torch.tensor(norm.logpdf(x, mean), dtype=torch.float64) for mean in (0, 1))
            return norm.pdf(x) * rlhf.kl_estimators(log_p, log_q)[which].item() ** power

        return quad(integrand, -12, 12)[0]

    for which, bias, spread in ((0, 0.0, 2.00), (1, 0.25, 1.73), (2, 0.0, 1.70)):
        mean = moment(which, 1)
        assert mean / 0.5 - 1 == pytest.approx(bias, abs=1e-6)
        assert math.sqrt(moment(which, 2) - mean**2) / 0.5 == pytest.approx(spread, abs=5e-3)


def test_the_third_estimator_keeps_its_digits_near_zero():
    log_ratio = np.array([1e-2, 1e-4, -1e-4, 1e-6])
    series = log_ratio**2 / 2 - log_ratio**3 / 6 + log_ratio**4 / 24
    k3 = rlhf.kl_estimators(torch.from_numpy(log_ratio), torch.zeros(4, dtype=torch.float64))[2]
    assert k3.numpy() == pytest.approx(series, rel=1e-6)
    in_float32 = rlhf.kl_estimators(torch.tensor([1e-3]), torch.zeros(1))[2].item()
    assert in_float32 == pytest.approx(4.998e-7, rel=1e-3)
    assert (torch.expm1(torch.tensor(0.0)) == rlhf.kl_estimators(torch.zeros(1), torch.zeros(1))[2]).all()


# Advantages


def test_gae_is_the_sum_of_its_definition():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    values = torch.randn(4, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    gamma, lam = 0.9, 0.8
    advantages, returns = rlhf.gae(rewards, values, gamma, lam)
    r, v = rewards.numpy(), values.detach().numpy()
    for row in range(4):
        for t in range(7):
            total = sum(
                (gamma * lam) ** (s - t) * (r[row, s] + gamma * v[row, s + 1] - v[row, s])
                for s in range(t, 7)
            )
            assert advantages[row, t].item() == pytest.approx(total, rel=1e-10)
            assert returns[row, t].item() == pytest.approx(total + v[row, t], rel=1e-10)
    assert not advantages.requires_grad and not returns.requires_grad


def test_gae_has_its_two_limits():
    rewards, values = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    one_step, _ = rlhf.gae(rewards, values, 0.7, 0.0)
    assert one_step.numpy() == pytest.approx((rewards + 0.7 * values[:, 1:] - values[:, :-1]).numpy())
    _, monte_carlo = rlhf.gae(rewards, values, 1.0, 1.0)
    expected = rewards.flip(1).cumsum(1).flip(1) + values[:, -1:]
    assert monte_carlo.numpy() == pytest.approx(expected.numpy())


def test_gae_has_the_lessons_values():
    advantages, returns = rlhf.gae(
        torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.5, 0.5, 0.0]]), 1.0, 0.5
    )
    assert advantages.tolist() == [[0.125, 0.25, 0.5]] and returns.tolist() == [[0.625, 0.75, 1.0]]


# PPO's objective


def test_ppo_loss_is_a_loop_over_its_definition():
    generator = torch.Generator().manual_seed(0)
    new, old, advantages = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)
    total = 0.0
    for n, o, a in zip(
        new.flatten().tolist(), old.flatten().tolist(), advantages.flatten().tolist(), strict=True
    ):
        ratio = math.exp(n - o)
        total += min(ratio * a, min(max(ratio, 0.8), 1.2) * a)
    assert rlhf.ppo_loss(new, old, advantages, 0.2).item() == pytest.approx(-total / 30, rel=1e-12)


def test_ppo_loss_pulls_on_a_word_only_where_it_should():
    new = torch.tensor([1.5, 0.5, 1.5, 0.5, 1.1]).log().requires_grad_()
    advantages = torch.tensor([1.0, -1.0, -1.0, 1.0, 1.0], requires_grad=True)
    old = torch.zeros(5, requires_grad=True)
    loss = rlhf.ppo_loss(new, old, advantages, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-(1.2 - 0.8 - 1.5 + 0.5 + 1.1) / 5)
    assert new.grad.tolist() == pytest.approx([0, 0, 1.5 / 5, -0.5 / 5, -1.1 / 5])
    assert old.grad is None and advantages.grad is None


def test_ratios_that_overflow_leave_the_loss_and_its_gradient_numbers():
    new = torch.tensor([-1.0, -1.0, -200.0], requires_grad=True)
    loss = rlhf.ppo_loss(new, torch.tensor([-200.0, -200.0, -1.0]), torch.tensor([1.0, 0.0, -1.0]), 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-(1.2 + 0.0 - 0.8) / 3)
    assert new.grad.tolist() == [0.0, 0.0, 0.0]  # all three are on the flat side


def test_the_gradient_of_ppo_loss_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(1)
    new, old, advantages = torch.randn(3, 12, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda n: rlhf.ppo_loss(n, old, advantages, 0.2), new.requires_grad_())


def test_the_first_step_of_ppo_is_a_policy_gradient():
    log_probs = torch.tensor([-1.0, -2.0, -250.0])
    advantages = torch.tensor([1.0, -2.0, 0.5])
    new, again = (log_probs.clone().requires_grad_() for _ in range(2))
    rlhf.ppo_loss(new, log_probs, advantages, 0.2).backward()
    rlhf.policy_gradient_loss(again, advantages, 0.0).backward()
    assert torch.allclose(new.grad, again.grad)


# The optimum


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e4])
def test_the_optimal_policy_is_scipys_softmax_for_rewards_of_any_size(scale):
    generator = torch.Generator().manual_seed(0)
    reward = torch.randn(40, generator=generator, dtype=torch.float64) * scale
    reference = torch.randn(40, generator=generator, dtype=torch.float64).softmax(dim=0)
    expected = softmax(np.log(reference.numpy()) + reward.numpy() / 0.3)
    assert rlhf.kl_optimal_policy(reward, reference, 0.3).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_optimal_policy_never_writes_what_the_reference_never_writes():
    best = rlhf.kl_optimal_policy(torch.tensor([500.0, 1.0, 0.0]), torch.tensor([0.0, 0.5, 0.5]), 1.0)
    assert best.tolist() == pytest.approx([0, 1 / (1 + math.exp(-1)), 1 / (1 + math.e)], abs=1e-6)


def test_shapes_and_prices_that_make_no_sense_are_refused():
    two, three = torch.zeros(2), torch.zeros(3)
    for wrong, said in (
        (lambda: rlhf.policy_gradient_loss(two, three, 0.0), r"\(batch,\)"),
        (lambda: rlhf.policy_gradient_loss(two, two, three), "baseline"),
        (lambda: rlhf.kl_estimators(two, three), "same shape"),
        (lambda: rlhf.gae(torch.zeros(2, 3), torch.zeros(2, 3), 1.0, 1.0), r"\(batch, T \+ 1\)"),
        (lambda: rlhf.ppo_loss(two, two, three, 0.2), "same shape"),
        (lambda: rlhf.kl_optimal_policy(two, three, 1.0), r"\(n,\)"),
        (lambda: rlhf.kl_optimal_policy(two, two, 0.0), "above 0"),
        (lambda: rlhf.RLConfig(passes=0), "passes must be at least 1"),
        (lambda: rlhf.train_ppo(small_world(), two), "one for each text"),
    ):
        with pytest.raises(ValueError, match=said):
            wrong()


# Training


def test_shaped_rewards_add_up_to_the_penalised_reward_of_the_text():
    log_probs, reference = -torch.rand(2, 5, 6)
    rewards = torch.randn(5)
    shaped = rlhf.kl_shaped_rewards(rewards, log_probs, reference, 0.3)
    expected = rewards - 0.3 * (log_probs.sum(1) - reference.sum(1))
    assert shaped.sum(dim=1).numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert torch.allclose(shaped[:, :-1], -0.3 * (log_probs - reference)[:, :-1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("train", [rlhf.train_reinforce, rlhf.train_ppo])
def test_training_reaches_the_optimum_of_a_small_world(train, device):
    world = small_world(4, 3)
    rewards = torch.randn(world.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(
        device
    )
    rewards -= rlhf.expectation(world.reference_log_probs(device), rewards)
    config = rlhf.RLConfig(beta=0.7, updates=60, batch_size=128, log_every=0)
    policy, history = train(world, rewards, config)
    assert history.share_of_way(rlhf.optimal_value(rewards, world.reference_log_probs(device), 0.7)) > 0.9
    # What the history says is what enumeration says.
    with torch.no_grad():
        log_probs = policy.all_log_probs()
    assert history.value[0] == pytest.approx(0, abs=1e-5) and history.kl[0] == pytest.approx(0, abs=1e-5)
    expected = rlhf.regularised_value(log_probs, rewards, world.reference_log_probs(device), 0.7)
    assert history.value[-1] == pytest.approx(expected, abs=1e-5)
    assert history.gold[-1] == pytest.approx(
        rlhf.expectation(log_probs, world.gold(world.sequences(device))), abs=1e-5
    )
    assert history.texts[-1] == 60 * 128


def test_a_run_is_a_function_of_its_seed_and_leaves_the_callers_generator_alone(capsys):
    world, rewards = small_world(), torch.linspace(-1, 1, 27)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    config = rlhf.RLConfig(updates=3, batch_size=8, log_every=3)
    one, two = (rlhf.train_ppo(world, rewards, config)[1] for _ in range(2))
    other = rlhf.train_ppo(world, rewards, rlhf.RLConfig(updates=3, batch_size=8, log_every=0, seed=1))[1]
    assert one.value == two.value != other.value
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr().out.count("24 texts  learnt reward") == 2


def test_the_colleagues_policy_runs_away_from_the_reference():
    world, rewards = small_world(4, 3), torch.zeros(64)
    config = rlhf.RLConfig(beta=0.5, updates=40, batch_size=128, log_every=0)
    (_, right), (_, wrong) = (
        rlhf.train_ppo(world, rewards, config, shape)
        for shape in (rlhf.kl_shaped_rewards, rl_recipes.colleagues_rewards)
    )
    assert right.kl[-1] < 0.05 and wrong.kl[-1] > 2


def test_the_reward_model_knows_the_order_only_with_places():
    world = rlhf.help_desk()
    texts = world.token_ids(torch.arange(1000, 1400))
    rewards, _ = rl_recipes.fit_reward_model(world, places=False)
    shuffled = texts[:, torch.tensor([5, 3, 1, 0, 2, 4])]
    assert torch.allclose(rewards[world.numbers(texts)], rewards[world.numbers(shuffled)], atol=1e-5)
    assert rlhf.expectation(world.reference_log_probs(), rewards) == pytest.approx(0, abs=1e-9)
