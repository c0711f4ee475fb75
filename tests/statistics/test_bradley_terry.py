"""Tables of wins against outside oracles: printed estimates, closed forms, choix, scikit-learn, scipy, simulation."""

import itertools
import math

import choix
import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from scipy.special import log_expit
from sklearn.linear_model import LogisticRegression

import reward_lab as rl
from reward_lab import statistics
from reward_lab.lessons.lesson02 import figures
from reward_lab.statistics.win_graph import no_finite_estimate, no_finite_order_effect

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")
    ),
]


def random_wins(players, games, seed, least=0):
    """A table in which everybody beats the next at least once, so that there is a finite estimate."""
    generator = np.random.default_rng(seed)
    table = generator.integers(least, games, (players, players))
    table[np.arange(players), (np.arange(players) + 1) % players] += 1
    np.fill_diagonal(table, 0)
    return torch.from_numpy(table)


# The printed table


def test_the_baseball_table_is_the_printed_one():
    season = statistics.load_baseball()
    assert season.teams == ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
    assert season.wins.dtype == torch.int64 and season.wins.sum() == 21 * 13
    off_diagonal = ~torch.eye(7, dtype=torch.bool)
    assert ((season.wins + season.wins.T)[off_diagonal] == 13).all()
    milwaukee, baltimore = 0, 6
    assert season.home_wins[milwaukee, baltimore] == 6 and season.away_wins[baltimore, milwaukee] == 0
    assert season.home_wins[baltimore, milwaukee] == 2 and season.away_wins[milwaukee, baltimore] == 5


def test_the_published_abilities_and_their_standard_errors_come_out():
    wins = statistics.load_baseball().wins
    abilities = statistics.bt_mle(wins)
    assert abilities.mean().item() == pytest.approx(0, abs=1e-12)
    published = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0]
    assert (abilities - abilities[6]).round(decimals=2).tolist() == pytest.approx(published, abs=1e-9)
    errors = statistics.bt_standard_errors(wins, abilities)
    assert errors.min() > 0.195 and errors.max() < 0.235
    covariance = statistics.bt_covariance(wins, abilities)
    fixed = (covariance.diagonal() + covariance[6, 6] - 2 * covariance[6])[:6].sqrt()
    assert fixed.min() > 0.325 and fixed.max() < 0.345


def test_the_published_home_advantage_and_deviances_come_out():
    season = statistics.load_baseball()
    abilities, alpha = statistics.bt_order_effect(season.home_wins, season.away_wins)
    _, error = statistics.bt_order_standard_errors(season.home_wins, season.away_wins, abilities, alpha)
    assert alpha == pytest.approx(0.302, abs=5e-4) and error == pytest.approx(0.131, abs=5e-4)
    without = statistics.bt_deviance(season.home_wins, season.away_wins, statistics.bt_mle(season.wins))
    assert without == pytest.approx(44.053, abs=5e-4)
    assert statistics.bt_deviance(season.home_wins, season.away_wins, abilities, alpha) < without - 3.84


# Abilities


@pytest.mark.parametrize("device", DEVICES)
def test_two_players_have_a_closed_form(device):
    wins = torch.tensor([[0, 3], [1, 0]], device=device)
    abilities = statistics.bt_mle(wins)
    assert abilities.device.type == device
    assert abilities.tolist() == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    assert statistics.bt_standard_errors(wins, abilities).tolist() == pytest.approx([3**-0.5] * 2)
    home, away = torch.tensor([[0, 3], [1, 0]], device=device), torch.tensor([[0, 1], [1, 0]], device=device)
    abilities, alpha = statistics.bt_order_effect(home, away)
    assert alpha == pytest.approx(math.log(3) / 2)
    assert abilities.tolist() == pytest.approx([math.log(3) / 4, -math.log(3) / 4])


@pytest.mark.parametrize("players, games, seed", [(3, 4, 0), (6, 9, 1), (12, 30, 2), (40, 5, 3)])
def test_abilities_agree_with_choix(players, games, seed):
    wins = random_wins(players, games, seed)
    oracle = choix.mm_pairwise(players, pairs_of(wins), tol=1e-12, max_iter=200_000)
    assert statistics.bt_mle(wins).numpy() == pytest.approx(oracle - oracle.mean(), abs=1e-6)


def pairs_of(wins):
    """(winner, loser) for each game."""
    return [pair for pair in itertools.product(range(len(wins)), repeat=2) for _ in range(int(wins[pair]))]


@pytest.mark.parametrize("seed", range(3))
def test_abilities_and_home_advantage_are_a_logistic_regression(seed):
    home, away = random_wins(5, 12, seed, least=1), random_wins(5, 6, seed + 10, least=1)
    rows, labels, weights = [], [], []
    for i, j in itertools.permutations(range(5), 2):
        row = np.zeros(6)
        row[i], row[j], row[5] = 1, -1, 1  # i at home against j
        rows += [row, row]
        labels += [1, 0]
        weights += [home[i, j].item(), away[j, i].item()]
    oracle = LogisticRegression(
        C=1e9, fit_intercept=False, tol=1e-12, max_iter=20_000, solver="newton-cholesky"
    )
    oracle.fit(np.array(rows), labels, sample_weight=weights)
    expected = oracle.coef_[0]
    abilities, alpha = statistics.bt_order_effect(home, away)
    assert abilities.numpy() == pytest.approx(expected[:5] - expected[:5].mean(), abs=1e-4)
    assert alpha == pytest.approx(expected[5], abs=1e-4)


def test_the_estimate_is_where_every_player_has_the_wins_that_its_ability_promises():
    wins = random_wins(8, 40, 4)
    abilities = statistics.bt_mle(wins)
    promised = ((wins + wins.T) * torch.sigmoid(abilities.unsqueeze(1) - abilities)).sum(dim=1)
    assert promised.numpy() == pytest.approx(wins.sum(dim=1).numpy(), abs=1e-8)


def test_extreme_tables_converge():
    ladder = torch.tensor([[0, 10**6, 0], [1, 0, 10**6], [0, 1, 0]])
    assert statistics.bt_mle(ladder).tolist() == pytest.approx([math.log(1e6), 0, -math.log(1e6)], abs=1e-6)
    halves = torch.tensor([[0, 0.5], [1.5, 0]])
    assert statistics.bt_mle(halves).tolist() == pytest.approx([-math.log(3) / 2, math.log(3) / 2])


def test_the_classical_iteration_goes_up_and_arrives_at_the_estimate():
    wins = random_wins(6, 9, 5)
    likelihood = statistics.bt_log_likelihood(wins, statistics.bt_mm_path(wins, 2000))
    assert (likelihood.diff() > -1e-9).all()
    assert statistics.bt_mm_path(wins, 2000)[-1].numpy() == pytest.approx(
        statistics.bt_mle(wins).numpy(), abs=1e-6
    )
    with pytest.raises(ValueError, match="never won"):
        statistics.bt_mm_path(torch.tensor([[0, 2], [0, 0]]), 5)


def test_the_log_likelihood_agrees_with_scipy_and_forgets_the_level():
    wins, abilities = random_wins(5, 9, 6), torch.randn(5, dtype=torch.float64)
    a = abilities.numpy()
    expected = (wins.numpy() * log_expit(a[:, None] - a)).sum()
    assert statistics.bt_log_likelihood(wins, abilities).item() == pytest.approx(expected)
    assert statistics.bt_log_likelihood(wins, abilities + 9).item() == pytest.approx(expected)


# Where there is no finite estimate


def test_a_group_that_never_met_the_rest_is_named():
    wins = torch.tensor([[0, 0, 2, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 2, 0, 0]])
    with pytest.raises(
        ValueError, match=r"not connected: the group \[0, 2\] and the group \[1, 3\] never met"
    ):
        statistics.bt_mle(wins)
    with pytest.raises(ValueError, match="not connected"):
        statistics.bt_mle(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="not connected"):
        statistics.bt_standard_errors(wins, torch.zeros(4))


def test_a_group_that_never_loses_is_named_though_each_member_has_lost():
    wins = torch.tensor([[0, 3, 1, 2], [2, 0, 1, 1], [0, 0, 0, 3], [0, 0, 2, 0]])
    with pytest.raises(
        ValueError, match=r"\[0, 1\] never loses to the rest, and the group \[2, 3\] never wins"
    ):
        statistics.bt_mle(wins)
    with pytest.raises(ValueError, match=r"\[0, 1\] never loses"):
        statistics.bt_order_effect(wins, wins)


def separated(home, away, with_alpha):
    """Linear programming's word on whether some direction makes no game less likely: the definition of separation."""
    players = len(home)
    rows = []
    for i, j in itertools.permutations(range(players), 2):
        for count, sign in ((home[i, j], 1), (away[i, j], -1)):
            if count > 0:
                row = np.zeros(players + 1)
                row[i], row[j], row[players] = 1, -1, sign if with_alpha else 0
                rows.append(row)
    rows = np.array(rows) if rows else np.zeros((1, players + 1))
    free = players + 1 if with_alpha else players
    basis = np.vstack([np.eye(players + 1)[1:free]])  # the first ability is held at 0
    if np.linalg.matrix_rank(rows @ basis.T) < len(basis):
        return True  # some direction changes nothing at all
    gain = -rows.sum(axis=0)
    bounds = [(0, 0)] + [(-1, 1)] * (players - 1) + [(-1, 1) if with_alpha else (0, 0)]
    return linprog(gain, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=bounds).fun < -1e-9


@pytest.mark.parametrize("seed", range(150))
def test_the_graph_tests_agree_with_linear_programming(seed):
    generator = np.random.default_rng(seed)
    players, density = generator.integers(2, 6), generator.uniform(0.15, 0.7)
    home, away = (generator.random((2, players, players)) < density).astype(float)
    for table in (home, away):
        np.fill_diagonal(table, 0)
    both = torch.from_numpy(home), torch.from_numpy(away)
    assert (no_finite_estimate(both[0] + both[1]) is not None) == separated(home, away, with_alpha=False)
    assert (no_finite_order_effect(*both) is not None) == separated(home, away, with_alpha=True)


def test_an_infinite_advantage_is_refused_with_the_side_that_has_it():
    wins = random_wins(4, 5, 7)
    none = torch.zeros_like(wins)
    with pytest.raises(ValueError, match="infinite advantage of the home side"):
        statistics.bt_order_effect(wins, none)
    with pytest.raises(ValueError, match="infinite advantage of the away side"):
        statistics.bt_order_effect(none, wins)


@pytest.mark.parametrize(
    "wins, says",
    [
        (torch.zeros(2, 3), r"shape \(K, K\)"),
        (torch.zeros(1, 1), "K of 2 or more"),
        (torch.tensor([[0.0, -1.0], [1.0, 0.0]]), "not below 0"),
        (torch.tensor([[0.0, math.nan], [1.0, 0.0]]), "finite"),
        (torch.tensor([[1, 1], [1, 0]]), "diagonal"),
    ],
)
def test_what_is_no_table_of_wins_is_refused(wins, says):
    with pytest.raises(ValueError, match=says):
        statistics.bt_mle(wins)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        statistics.bt_standard_errors(random_wins(3, 5, 0), torch.zeros(4))
    with pytest.raises(ValueError, match="same shape"):
        statistics.bt_order_effect(random_wins(3, 5, 0), random_wins(4, 5, 0))


# Standard errors


@pytest.mark.parametrize("seed", range(3))
def test_the_information_is_minus_the_matrix_of_second_derivatives(seed):
    wins, abilities = random_wins(5, 20, seed), torch.randn(5, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(lambda a: statistics.bt_log_likelihood(wins, a), abilities)
    assert statistics.bt_information(wins, abilities).numpy() == pytest.approx(-hessian.numpy(), abs=1e-9)
    expected = np.sqrt(np.diag(np.linalg.pinv(-hessian.numpy(), rcond=1e-10)))
    assert statistics.bt_standard_errors(wins, abilities).numpy() == pytest.approx(expected)
    assert statistics.bt_standard_errors(wins, abilities + 5).numpy() == pytest.approx(expected)


def test_standard_errors_with_an_order_effect_are_those_of_the_second_derivatives():
    home, away = random_wins(5, 12, 1, least=1), random_wins(5, 6, 2, least=1)
    abilities, alpha = statistics.bt_order_effect(home, away)

    def minus_log_likelihood(p):
        difference = p[:5, None] - p[:5]
        return -(
            home.numpy() * log_expit(difference + p[5]) + away.numpy() * log_expit(difference - p[5])
        ).sum()

    found = minimize(minus_log_likelihood, np.zeros(6), tol=1e-12).x
    assert alpha == pytest.approx(found[5], abs=1e-4)
    step, point = 1e-4, np.append(abilities.numpy(), alpha)
    shifts = step * np.eye(6)
    hessian = np.array(
        [
            [
                sum(
                    s * t * minus_log_likelihood(point + s * a + t * b)
                    for s, t in itertools.product((1, -1), repeat=2)
                )
                / (4 * step**2)
                for b in shifts
            ]
            for a in shifts
        ]
    )
    expected = np.sqrt(np.diag(np.linalg.pinv(hessian, rcond=1e-5)))
    errors, alpha_error = statistics.bt_order_standard_errors(home, away, abilities, alpha)
    assert np.append(errors.numpy(), alpha_error) == pytest.approx(expected, rel=1e-3)


def test_simulated_seasons_have_the_stated_law():
    games = torch.tensor([[0, 4000, 0], [4000, 0, 9], [0, 9, 0]])
    abilities = torch.tensor([0.7, -0.4, 0.0])
    wins = statistics.simulate_wins(games.expand(50, 3, 3), abilities, torch.Generator().manual_seed(0))
    assert torch.equal(wins + wins.mT, games.double().expand(50, 3, 3))
    chance = 1 / (1 + math.exp(-1.1))
    assert wins[:, 0, 1].mean().item() / 4000 == pytest.approx(chance, abs=5 * math.sqrt(0.25 / 4000 / 50))


# Rankings


def nll_in_python(scores, ranking):
    """The definition, with exact sums of large numbers left to math.fsum, relative to the largest score left."""
    total = 0.0
    for place in range(len(ranking)):
        rest = [scores[item] for item in ranking[place:]]
        largest = max(rest)
        total += largest + math.log(math.fsum(math.exp(s - largest) for s in rest)) - rest[0]
    return total


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("scale", [1.0, 30.0, 400.0])
def test_the_loss_of_a_ranking_agrees_with_its_definition(scale, device):
    generator = torch.Generator().manual_seed(1)
    for items in (1, 2, 5, 9):
        scores = (scale * torch.randn(items, generator=generator)).to(device).requires_grad_()
        ranking = torch.randperm(items, generator=generator).to(device)
        loss = statistics.plackett_luce_nll(scores, ranking)
        assert loss.item() == pytest.approx(
            nll_in_python(scores.tolist(), ranking.tolist()), rel=1e-5, abs=1e-5
        )
        (gradient,) = torch.autograd.grad(loss, scores)
        assert torch.isfinite(gradient).all() and gradient.sum().item() == pytest.approx(0, abs=1e-4)


def test_chances_of_all_rankings_sum_to_one_and_two_items_are_bradley_terry():
    scores = torch.tensor([0.3, -1.2, 0.8, 0.0], dtype=torch.float64)
    rankings = [torch.tensor(r) for r in itertools.permutations(range(4))]
    assert sum(torch.exp(-statistics.plackett_luce_nll(scores, r)).item() for r in rankings) == pytest.approx(
        1
    )
    pair = statistics.plackett_luce_nll(scores[:2], torch.tensor([1, 0])).item()
    assert pair == pytest.approx(rl.bradley_terry_loss(scores[1:2], scores[:1]).item())
    assert statistics.plackett_luce_nll(scores, torch.stack(rankings)).item() == pytest.approx(
        sum(statistics.plackett_luce_nll(scores, r).item() for r in rankings)
    )


def test_scores_from_rankings_agree_with_choix_and_the_curvature_of_the_loss():
    scores = torch.tensor([1.0, 0.4, 0.0, -0.6])
    rankings = statistics.draw_rankings(scores, 200, torch.Generator().manual_seed(3))
    found, errors = statistics.plackett_luce_mle(rankings)
    oracle = choix.ilsr_rankings(4, rankings.tolist(), tol=1e-10)
    assert found.numpy() == pytest.approx(oracle - oracle.mean(), abs=1e-6)
    hessian = torch.autograd.functional.hessian(lambda s: statistics.plackett_luce_nll(s, rankings), found)
    expected = np.sqrt(np.diag(np.linalg.pinv(hessian.numpy(), rcond=1e-9)))
    assert errors.numpy() == pytest.approx(expected, rel=1e-6)
    assert found.numpy() == pytest.approx(scores.numpy() - scores.numpy().mean(), abs=5 * errors.max().item())


def test_drawn_rankings_have_the_stated_law_and_hold_all_their_pairs():
    scores = torch.tensor([0.9, 0.0, -0.5])
    rankings = statistics.draw_rankings(scores, 20_000, torch.Generator().manual_seed(0))
    for ranking in itertools.permutations(range(3)):
        share = (rankings == torch.tensor(ranking)).all(dim=1).double().mean().item()
        chance = math.exp(-nll_in_python(scores.tolist(), ranking))
        assert share == pytest.approx(chance, abs=5 * math.sqrt(chance / 20_000))
    table = statistics.pairs_of_rankings(torch.tensor([[2, 0, 1], [0, 1, 2]]))
    assert table.tolist() == [[0, 2, 1], [0, 0, 1], [1, 1, 0]]


def test_rankings_without_a_finite_estimate_and_things_that_are_no_rankings_are_refused():
    with pytest.raises(ValueError, match="never loses"):
        statistics.plackett_luce_mle(torch.tensor([[0, 1, 2], [0, 2, 1]]))
    for ranking in ([0, 0, 1], [0, 1], [1, 2, 3]):
        with pytest.raises(ValueError, match="plackett_luce_nll"):
            statistics.plackett_luce_nll(torch.zeros(3), torch.tensor(ranking))


# The link of the series


def test_a_reward_model_that_is_a_table_learns_the_maximum_likelihood_abilities():
    wins = random_wins(6, 9, 8)
    winners, losers = torch.tensor(pairs_of(wins)).T
    table = torch.nn.Embedding(6, 1).double()
    optimizer = torch.optim.LBFGS(
        table.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        value = rl.bradley_terry_loss(table(winners).squeeze(1), table(losers).squeeze(1))
        value.backward()
        return value

    optimizer.step(loss)
    rewards = table.weight.detach().squeeze(1)
    assert (rewards - rewards.mean()).numpy() == pytest.approx(statistics.bt_mle(wins).numpy(), abs=1e-4)


def test_the_figures_mark_what_they_claim():
    figure = figures.plot_intervals(
        {"one": ([1.0, -1.0], [0.5, 0.2]), "two": ([0.0, 0.1], [0.0, 0.1])}, ["a", "b"], "title", "ability"
    )
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    (bar,) = figure.axes[0].containers
    (segments,) = [c.get_segments() for c in bar.lines[2]]
    assert segments[0][:, 0] == pytest.approx([1 - 0.98, 1 + 0.98])
    rl.plots.plt.close(figure)
    figure = figures.plot_lines({"up": [1, 10], "down": [3, 1]}, "title", "step", "value", yscale="log")
    assert figure.axes[0].get_yscale() == "log" and len(figure.axes[0].lines) == 2
    rl.plots.plt.close(figure)
