"""Noise, ties and calibration against outside oracles: closed forms, SciPy, scikit-learn, torchmetrics, printed numbers."""

import math
import subprocess
import sys

import choix
import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

import reward_lab as rl
from grader.build import ROOT
from reward_lab import statistics
from reward_lab.lessons.lesson03 import experiments as recipes
from reward_lab.statistics.calibration import index_of_bin

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")
    ),
]
MARGINS = np.array([-3.0, -0.4, 0.0, 1.3, 6.0])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Losses


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.37, 0.5])
def test_both_losses_agree_with_their_formulas_in_float64(device, rate):
    margin = torch.tensor(MARGINS, dtype=torch.float32, device=device)
    right, wrong = 1 / (1 + np.exp(-MARGINS)), 1 / (1 + np.exp(MARGINS))
    smoothed = -((1 - rate) * np.log(right) + rate * np.log(wrong)).mean()
    corrected = -np.log((1 - rate) * right + rate * wrong).mean()
    assert statistics.smoothed_bt_loss(margin, rate).item() == pytest.approx(smoothed, rel=1e-6)
    assert statistics.flip_corrected_loss(margin, rate).item() == pytest.approx(corrected, rel=1e-6)


@pytest.mark.parametrize("loss", [statistics.smoothed_bt_loss, statistics.flip_corrected_loss])
@pytest.mark.parametrize("rate", [0.0, 1e-12, 0.2])
def test_both_losses_and_their_gradients_are_right_at_margins_of_a_thousand(loss, rate):
    margin = torch.tensor([1000.0, -1000.0], requires_grad=True)
    value = loss(margin, rate)
    (gradient,) = torch.autograd.grad(value, margin)
    if loss is statistics.smoothed_bt_loss:
        assert value.item() == pytest.approx(500, rel=1e-6)
        assert gradient.tolist() == pytest.approx([rate / 2, -(1 - rate) / 2], abs=1e-7)
    else:
        largest = 1000 if rate == 0 else -math.log(rate)
        assert value.item() == pytest.approx((largest - math.log(1 - rate)) / 2, rel=1e-6)
        assert gradient.tolist() == pytest.approx([0, -0.5 if rate == 0 else 0], abs=1e-7)


def test_at_rate_0_both_losses_are_the_bradley_terry_loss():
    margin = torch.randn(50, generator=generator())
    plain = rl.bradley_terry_loss(margin, torch.zeros(50)).item()
    assert statistics.smoothed_bt_loss(margin, 0.0).item() == pytest.approx(plain, rel=1e-6)
    assert statistics.flip_corrected_loss(margin, 0.0).item() == pytest.approx(plain, rel=1e-6)


def test_the_smoothed_loss_is_least_at_its_closed_form():
    found = minimize_scalar(
        lambda d: statistics.smoothed_bt_loss(torch.tensor([d], dtype=torch.float64), 0.1).item(),
        options={"xtol": 1e-12},
    )
    assert found.x == pytest.approx(math.log(0.9 / 0.1), abs=1e-4) == pytest.approx(2.1972, abs=2e-4)
    assert found.fun == pytest.approx(0.3251, abs=5e-5)


def test_only_the_corrected_loss_has_its_optimum_at_the_true_probability():
    p, e = 0.8, 0.2
    q = p * (1 - e) + (1 - p) * e

    def best_probability(loss):
        def expected(d):
            margin = torch.tensor([d], dtype=torch.float64)
            return (q * loss(margin, e) + (1 - q) * loss(-margin, e)).item()

        return 1 / (1 + math.exp(-minimize_scalar(expected, bracket=(0, 2)).x))

    assert best_probability(statistics.flip_corrected_loss) == pytest.approx(p, abs=1e-5)
    assert best_probability(statistics.smoothed_bt_loss) == pytest.approx(q * (1 - e) + (1 - q) * e, abs=1e-5)


@pytest.mark.parametrize("loss", [statistics.smoothed_bt_loss, statistics.flip_corrected_loss])
@pytest.mark.parametrize("rate", [-0.1, 0.6, float("nan")])
def test_a_rate_out_of_range_is_an_error_that_says_so(loss, rate):
    with pytest.raises(ValueError, match="from 0 to 0.5"):
        loss(torch.zeros(3), rate)


# The world and its labels


def test_labels_come_true_as_often_as_the_formula_says():
    p = torch.tensor([0.0, 0.25, 0.9, 1.0]).repeat_interleave(100_000)
    share = statistics.noisy_labels(p, 0.3, generator()).view(4, -1).double().mean(dim=1)
    expected = torch.tensor([0.3, 0.25 * 0.7 + 0.75 * 0.3, 0.9 * 0.7 + 0.1 * 0.3, 0.7])
    assert (share - expected).abs().max() < 5 * math.sqrt(0.25 / 100_000)


@pytest.mark.parametrize("device", DEVICES)
def test_labels_are_a_function_of_the_generator_and_touch_no_other(device):
    p = torch.rand(7, 3).to(device)
    before = torch.get_rng_state()
    first, again, other = (
        statistics.noisy_labels(p, 0.2, torch.Generator(device).manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())
    assert first.dtype == torch.bool and first.shape == p.shape and first.device == p.device


@pytest.mark.parametrize("p, rate", [(1.5, 0.1), (-0.1, 0.1), (float("nan"), 0.1), (0.5, 1.1)])
def test_probabilities_out_of_range_are_an_error(p, rate):
    with pytest.raises(ValueError, match="from 0 to 1"):
        statistics.noisy_labels(torch.tensor([p]), rate, generator())


def test_the_worlds_probability_is_that_of_its_true_rewards():
    world = statistics.PreferenceWorld(num_features=5, scale=2.0)
    pairs = world.draw(40_000, generator())
    rewards = 2.0 / math.sqrt(5) * pairs.first.double().sum(dim=1)
    assert rewards.std().item() == pytest.approx(2.0, rel=0.02)
    margin = rewards - 2.0 / math.sqrt(5) * pairs.second.double().sum(dim=1)
    assert torch.allclose(torch.logit(pairs.p), margin, atol=1e-4)


def test_the_limits_of_the_world_are_those_of_numerical_integration():
    sd = 1.6 * math.sqrt(2)  # the margin is normal with this standard deviation
    margin = np.linspace(-10 * sd, 10 * sd, 200_001)
    weight = norm.pdf(margin, scale=sd)
    p = 1 / (1 + np.exp(-margin))
    entropy = np.logaddexp(0, -margin) * p + np.logaddexp(0, margin) * (1 - p)
    expected = [np.trapezoid(weight * x, margin) for x in (np.maximum(p, 1 - p), p * (1 - p), entropy)]
    limits = statistics.limits(recipes.draw_world(400_000, 0).p)
    assert list(limits) == pytest.approx(expected, abs=1.5e-3)
    assert 1 - 2 * expected[1] == pytest.approx(0.72, abs=0.002)  # agreement between two people


def test_expected_scores_are_the_averages_of_simulated_ones():
    pairs = recipes.draw_world(200_000, 3)
    margin = 0.5 * torch.logit(pairs.p) + 0.3
    labels = statistics.noisy_labels(pairs.p, 0.0, generator()).numpy()
    scores, q = statistics.expected_scores(margin, pairs.p), torch.sigmoid(margin).numpy()
    assert scores.accuracy == pytest.approx(((q > 0.5) == labels).mean(), abs=5e-3)
    assert scores.brier == pytest.approx(brier_score_loss(labels, q), abs=2e-3)
    assert scores.log_loss == pytest.approx(log_loss(labels, q), abs=5e-3)


def test_the_true_probabilities_reach_every_limit_and_others_do_not():
    p = recipes.draw_world(5000, 4).p
    true, limits = statistics.expected_scores(torch.logit(p), p), statistics.limits(p)
    assert list(true) == pytest.approx(list(limits), abs=1e-9)
    other = statistics.expected_scores(torch.logit(p) + 0.5, p)
    assert other.accuracy < limits.accuracy
    assert other.brier > limits.brier and other.log_loss > limits.log_loss


def test_a_margin_of_0_is_a_wrong_ranking():
    assert statistics.expected_scores(torch.zeros(4), torch.full((4,), 0.9)).accuracy == 0


def test_the_brier_floor_is_the_mean_of_p_times_1_minus_p_and_not_of_the_smaller_squared():
    p = recipes.draw_world(200_000, 5).p
    best = brier_score_loss(statistics.noisy_labels(p, 0.0, generator()).numpy(), p.numpy())
    assert best == pytest.approx((p * (1 - p)).mean().item(), abs=2e-3)
    assert best > 2 * (torch.minimum(p, 1 - p) ** 2).mean().item()


def test_the_network_learns_2000_labels_by_heart():
    pairs = recipes.draw_world(2000, 0)
    labels = recipes.draw_labels(pairs.p, 0.2, 0)
    model = recipes.fit_network(pairs, lambda: labels, recipes.plain, seed=0)
    assert ((recipes.margins(model, pairs) > 0) == labels).double().mean() > 0.995


def test_a_linear_fit_finds_the_optimum_that_scikit_learn_finds():
    from sklearn.linear_model import LogisticRegression

    pairs = recipes.draw_world(1000, 1)
    labels = recipes.draw_labels(pairs.p, 0.1, 1)
    model = recipes.fit_linear(pairs, labels, recipes.plain)
    oracle = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9, max_iter=1000)
    oracle.fit((pairs.first - pairs.second).double().numpy(), labels.numpy())
    assert model.layers.weight.detach().numpy()[0] == pytest.approx(oracle.coef_[0], abs=2e-3)


# Ties


def test_the_puddings_are_those_of_the_table():
    games = statistics.load_puddings()
    assert len(games.outcome) == 745
    counts = {}
    for key in zip(*(part.tolist() for part in games), strict=True):
        counts[key] = counts.get(key, 0) + 1
    assert [counts[0, 1, o] for o in range(3)] == [19, 22, 16]
    assert [counts[2, 4, o] for o in range(3)] == [16, 15, 17]
    assert [counts[4, 5, o] for o in range(3)] == [11, 21, 12]
    assert len({key[:2] for key in counts}) == 15


def test_davidsons_published_worths_and_nu_come_back_to_every_printed_digit():
    abilities, log_nu = statistics.fit_davidson(statistics.load_puddings())
    worths = torch.softmax(abilities, dim=0).tolist()
    assert [f"{worth:.4f}" for worth in worths] == [
        "0.1388",
        "0.1730",
        "0.1617",
        "0.1654",
        "0.1587",
        "0.2024",
    ]
    assert f"{math.exp(log_nu):.4f}" == "0.7468"
    assert abilities.mean().item() == pytest.approx(0, abs=1e-12)


def davidson_in_numpy(i, j, log_nu):
    worth_i, worth_j = np.exp(i), np.exp(j)
    tie = np.exp(log_nu) * np.sqrt(worth_i * worth_j)
    return np.stack([worth_i, worth_j, tie], axis=-1) / (worth_i + worth_j + tie)[..., None]


def rao_kupper_in_numpy(i, j, log_theta):
    worth_i, worth_j, theta = np.exp(i), np.exp(j), np.exp(log_theta)
    first, second = worth_i / (worth_i + theta * worth_j), worth_j / (worth_j + theta * worth_i)
    return np.stack([first, second, 1 - first - second], axis=-1)


@pytest.mark.parametrize("device", DEVICES)
def test_the_three_probabilities_are_those_of_the_papers(device):
    i, j = torch.randn(2, 30, generator=generator(), dtype=torch.float64).to(device)
    strength = torch.tensor(0.4, dtype=torch.float64, device=device)
    a, b = i.cpu().numpy(), j.cpu().numpy()
    for ours, theirs in (
        (statistics.davidson_log_probabilities, davidson_in_numpy),
        (statistics.rao_kupper_log_probabilities, rao_kupper_in_numpy),
    ):
        assert ours(i, j, strength).exp().cpu().numpy() == pytest.approx(theirs(a, b, 0.4), rel=1e-9)


@pytest.mark.parametrize(
    "fit, probabilities",
    [(statistics.fit_davidson, davidson_in_numpy), (statistics.fit_rao_kupper, rao_kupper_in_numpy)],
)
def test_the_fits_find_the_optimum_that_scipy_finds(fit, probabilities):
    games = statistics.load_puddings()
    first, second, outcome = (part.numpy() for part in games)

    def nll(x):
        return -np.log(probabilities(x[first], x[second], x[6])[np.arange(745), outcome]).sum()

    found = minimize(nll, np.append(np.zeros(6), 0.5), method="BFGS", options={"gtol": 1e-5}).x
    abilities, strength = fit(games)
    assert abilities.numpy() == pytest.approx(found[:6] - found[:6].mean(), abs=1e-5)
    assert strength == pytest.approx(found[6], abs=1e-5)


def test_davidsons_likelihood_is_stable_and_symmetric():
    high, low = torch.tensor([800.0, -800.0]), torch.tensor([-800.0, 800.0])
    assert statistics.davidson_nll(high, low, torch.tensor(0.0), torch.tensor([0, 1])).item() == 0
    assert statistics.davidson_nll(high, low, torch.tensor(0.0), torch.tensor([1, 0])).item() == 1600
    assert statistics.davidson_nll(high, low, torch.tensor(0.0), torch.tensor([2, 2])).item() == 800
    i, j = torch.randn(2, 9, generator=generator())
    outcome = torch.tensor([0, 1, 2] * 3)
    swapped = torch.tensor([1, 0, 2] * 3)
    log_nu = torch.tensor(0.3)
    assert statistics.davidson_nll(i, j, log_nu, outcome).item() == pytest.approx(
        statistics.davidson_nll(j + 7, i + 7, log_nu, swapped).item(), rel=1e-5
    )


def test_fits_of_simulated_leagues_find_the_abilities():
    truth = torch.tensor([-1.0, 0.0, 0.3, 0.7], dtype=torch.float64)
    for model, fit in (("Davidson", statistics.fit_davidson), ("Rao and Kupper", statistics.fit_rao_kupper)):
        abilities, strength = fit(recipes.draw_games(model, truth, 0.5, 20_000, seed=1))
        assert abilities.numpy() == pytest.approx(truth.numpy(), abs=0.05)
        assert strength == pytest.approx(0.5, abs=0.05)


def test_without_a_tie_there_is_no_fit_of_a_tie_model():
    games = statistics.Games(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="no finite estimate exists: there is no tie"):
        statistics.fit_davidson(games)


def test_davidson_nll_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match="the same shape"):
        statistics.davidson_nll(torch.zeros(3), torch.zeros(1), torch.tensor(0.0), torch.tensor([0, 1, 2]))


def test_the_table_is_a_tracked_file_of_the_package_so_that_a_wheel_holds_it():
    # hatchling packs every file below the package that git does not ignore.
    table = "src/reward_lab/statistics/datasets/puddings.csv"
    listed = subprocess.run(["git", "ls-files", table], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert listed.stdout.strip() == table


# Calibration


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bins", [1, 7, 10, 16])
def test_the_report_agrees_with_torchmetrics_and_scikit_learn(device, bins):
    p = torch.rand(3000, generator=generator(), dtype=torch.float64) * 0.999
    outcomes = statistics.noisy_labels(p**2, 0.1, generator(1))
    report = statistics.calibration(p.to(device), outcomes.to(device), bins)
    oracle = binary_calibration_error(p, outcomes.long(), n_bins=bins, norm="l1").item()
    assert report["ece"] == pytest.approx(oracle, abs=1e-6)
    assert report["brier"] == pytest.approx(brier_score_loss(outcomes.numpy(), p.numpy()), rel=1e-9)
    assert sum(count for _, _, count in report["curve"]) == 3000


def test_the_points_are_the_means_of_numpys_histogram_bins():
    p = torch.rand(500, generator=generator(), dtype=torch.float64)
    outcomes = statistics.noisy_labels(p, 0.0, generator(1))
    edges = np.linspace(0, 1, 9)
    count, _ = np.histogram(p.numpy(), edges)
    sums, _ = np.histogram(p.numpy(), edges, weights=p.numpy())
    hits, _ = np.histogram(p.numpy(), edges, weights=outcomes.double().numpy())
    curve = np.array(statistics.calibration(p, outcomes, 8)["curve"])
    assert curve == pytest.approx(np.stack([sums / count, hits / count, count], axis=1), rel=1e-9)


def test_an_edge_belongs_to_the_bin_above_and_1_to_the_last():
    p = torch.tensor([0.0, 0.25, 0.4999, 0.5, 0.75, 1.0])
    assert index_of_bin(p, 4).tolist() == [0, 1, 1, 2, 3, 3]
    curve = statistics.calibration(p, torch.tensor([False, True, True, False, True, True]), 4)["curve"]
    assert [count for _, _, count in curve] == [1, 2, 1, 2]


def test_empty_bins_are_left_out():
    report = statistics.calibration(torch.tensor([0.05, 0.95]), torch.tensor([False, True]), 10)
    assert report["curve"] == [(pytest.approx(0.05), 0.0, 1), (pytest.approx(0.95), 1.0, 1)]
    assert report["ece"] == pytest.approx(0.05) and report["brier"] == pytest.approx(0.0025)


@pytest.mark.parametrize(
    "p, outcomes, bins, says",
    [
        ([0.5, 1.5], [True, False], 4, "sigmoid"),
        ([0.5, float("nan")], [True, False], 4, "sigmoid"),
        ([0.5], [True, False], 4, "same|shape"),
        ([], [], 4, "non-empty"),
        ([0.5], [True], 0, "at least 1"),
    ],
)
def test_a_bad_report_is_an_error_that_says_what_was_expected(p, outcomes, bins, says):
    with pytest.raises(ValueError, match=says):
        statistics.calibration(torch.tensor(p), torch.tensor(outcomes, dtype=torch.bool), bins)


def test_the_expected_error_of_a_calibrated_forecaster_is_that_of_simulation():
    p = recipes.draw_world(2000, 0).p
    runs = [
        statistics.calibration(p, statistics.noisy_labels(p, 0.0, generator(s)), 10)["ece"]
        for s in range(200)
    ]
    assert statistics.expected_ece(p, 10) == pytest.approx(np.mean(runs), rel=0.06)
    assert np.mean(runs) > 0.01  # though its true error is 0


def test_the_temperature_is_that_of_a_search_by_scipy():
    pairs = recipes.draw_world(3000, 2)
    margin = 4.0 * torch.logit(pairs.p)
    outcomes = statistics.noisy_labels(pairs.p, 0.0, generator())

    def nll(log_t):
        q = torch.sigmoid(margin / math.exp(log_t)).numpy()
        return log_loss(outcomes.numpy(), q)

    found = math.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x)
    temperature = statistics.fit_temperature(margin, outcomes)
    assert temperature == pytest.approx(found, rel=1e-4)
    assert temperature == pytest.approx(4.0, rel=0.1)


def test_margins_without_a_best_temperature_are_an_error():
    margin = torch.tensor([1.0, -2.0, 3.0])
    with pytest.raises(ValueError, match="right sign"):
        statistics.fit_temperature(margin, margin > 0)
    with pytest.raises(ValueError, match="no better than chance"):
        statistics.fit_temperature(margin, margin < 0)


def test_the_new_modules_import_no_more_than_torch_numpy_and_matplotlib():
    code = "import sys, reward_lab; print([m for m in ('scipy', 'sklearn', 'torchmetrics', 'IPython') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_dropped_and_halved_ties_are_a_bradley_terry_fit_of_what_is_left():
    games = statistics.load_puddings()
    wins = torch.zeros(6, 6, dtype=torch.float64)
    ties = torch.zeros_like(wins)
    for first, second, outcome in zip(*(part.tolist() for part in games), strict=True):
        if outcome == 2:
            ties[first, second] += 1
        else:
            winner, loser = (first, second) if outcome == 0 else (second, first)
            wins[winner, loser] += 1
    for share in (0.0, 0.5):
        expected = choix.ilsr_pairwise_dense((wins + share * (ties + ties.T)).numpy())
        torch.testing.assert_close(
            statistics.fit_bradley_terry(games, share),
            torch.tensor(expected - expected.mean()),
            atol=1e-5,
            rtol=0,
        )
