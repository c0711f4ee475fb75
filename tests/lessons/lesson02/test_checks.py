"""The checks of lesson 2 accept every legitimate way to write an answer, and name the usual mistakes."""

import collections
import math

import numpy as np
import pytest
import scipy.optimize
import torch
import torch.nn.functional as F

from reward_lab import statistics
from reward_lab.checks.naming import ways
from reward_lab.lessons.lesson02 import checks as lesson02
from reward_lab.lessons.lesson02.checks.abilities import ABILITY_MISTAKES
from reward_lab.lessons.lesson02.checks.board import BOARD_MISTAKES
from reward_lab.lessons.lesson02.checks.errors import ERROR_MISTAKES
from reward_lab.lessons.lesson02.checks.mended import COUNT_MISTAKES
from reward_lab.lessons.lesson02.checks.order import ORDER_MISTAKES
from reward_lab.lessons.lesson02.checks.rankings import RANKING_MISTAKES
from reward_lab.lessons.lesson02.leaderboard import leaderboard as packages_board
from tests.lessons.answers import known, reports_of

LESSON = "02_bradley_terry"

report_on = reports_of(lesson02)


# Legitimate answers


def refuse(wins):
    """The two tests of the exercise, written without the package."""
    graph = (wins > 0).cpu().numpy()
    for links, reason in ((graph | graph.T, "Not connected!"), (graph, "Somebody never wins.")):
        reach = np.linalg.matrix_power(links.astype(float) + np.eye(len(links)), len(links)) > 0
        if not reach.all():
            raise ValueError(reason)


def mle_by_iteration(wins):
    refuse(wins)
    wins = wins.double()
    games, worth = wins + wins.T, torch.ones(len(wins), dtype=torch.float64, device=wins.device)
    for _ in range(1500):
        worth = wins.sum(1) / (games / (worth[:, None] + worth[None, :])).sum(1)
        worth = worth / worth.log().mean().exp()
    return worth.log()


def mle_by_lbfgs(wins):
    refuse(wins)
    wins = wins.double()
    a = torch.zeros(len(wins), dtype=torch.float64, device=wins.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([a], max_iter=500, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = -(wins * F.logsigmoid(a[:, None] - a[None, :])).sum() / wins.sum()
        value.backward()
        return value

    optimizer.step(loss)
    return a - a.mean()  # still requires gradients


def mle_by_newton(wins):
    refuse(wins)
    wins = wins.double()
    a = wins.new_zeros(len(wins))
    for _ in range(100):
        p = torch.sigmoid(a[:, None] - a)
        weight = (wins + wins.T) * p * (1 - p)
        information = torch.diag(weight.sum(1)) - weight + 1.0 / len(wins)
        step = torch.linalg.solve(information, wins.sum(1) - ((wins + wins.T) * p).sum(1))
        a = a + step / max(1, step.abs().max())
    return a.float()


def mle_by_adam(wins):
    refuse(wins)
    wins = wins.float()
    a = torch.zeros(len(wins), device=wins.device, requires_grad=True)
    optimizer = torch.optim.Adam([a], lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.997)
    for _ in range(2000):
        loss = -(wins / wins.sum() * F.logsigmoid(a.unsqueeze(1) - a)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return (a - a.mean()).detach()


def mle_in_python(wins):
    refuse(wins)
    w = wins.tolist()
    players = range(len(w))
    a = [0.0 for _ in players]
    for _ in range(2000):
        worth = [math.exp(x) for x in a]
        a = [
            math.log(sum(w[i]) / sum((w[i][j] + w[j][i]) / (worth[i] + worth[j]) for j in players))
            for i in players
        ]
        a = [x - sum(a) / len(a) for x in a]
    return a


def iterate(wins, rounds, until=0.0):
    """The classical iteration, which stops after so many rounds, or where nothing moves by more than `until`."""
    refuse(wins)
    wins = wins.double()
    games, a = wins + wins.T, torch.zeros(len(wins), dtype=torch.float64, device=wins.device)
    for _ in range(rounds):
        worth = a.exp()
        new = (wins.sum(1) / (games / (worth[:, None] + worth)).sum(1)).log()
        new = new - new.mean()
        moved, a = (new - a).abs().max(), new
        if moved < until:
            break
    return a


def mle_by_2000_rounds(wins):
    return iterate(wins, 2000)


def mle_with_scipy(wins):
    refuse(wins)
    won = wins.cpu().numpy().astype(float)

    def loss(a):
        margins = a[:, None] - a
        chance = 1 / (1 + np.exp(-margins))
        slope = ((won + won.T) * chance).sum(1) - won.sum(1)
        return (won * np.logaddexp(0, -margins)).sum() / won.sum(), slope / won.sum()

    a = scipy.optimize.minimize(loss, np.zeros(len(won)), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return torch.as_tensor(a - a.mean())


def mle_by_gradient_steps_that_fit(wins):
    """Each player's surplus, divided by a bound on its curvature."""
    refuse(wins)
    wins = wins.double()
    games, a = wins + wins.T, torch.zeros(len(wins), dtype=torch.float64, device=wins.device)
    for _ in range(4000):
        surplus = wins.sum(1) - (games * torch.sigmoid(a[:, None] - a)).sum(1)
        a = a + 2 * surplus / games.sum(1)
        a = a - a.mean()
    return a


def errors_by_eigenvectors(wins, abilities):
    values, vectors = torch.linalg.eigh(statistics.bt_information(wins, abilities))
    return (vectors[:, 1:].square() / values[1:]).sum(1).sqrt()


def errors_with_a_multiplier(wins, abilities):
    """The constraint "sum zero" as one more row and column."""
    information = statistics.bt_information(wins, abilities).cpu().numpy()
    players = len(information)
    bordered = np.ones((players + 1, players + 1))
    bordered[:-1, :-1], bordered[-1, -1] = information, 0
    return np.sqrt(np.diag(np.linalg.inv(bordered))[:-1]).tolist()


def errors_in_a_basis(wins, abilities):
    information = statistics.bt_information(wins, abilities)
    start = torch.eye(len(wins), dtype=torch.float64, device=information.device)
    start[:, 0] = 1
    basis = torch.linalg.qr(start).Q[:, 1:]
    return (basis @ torch.linalg.inv(basis.T @ information @ basis) @ basis.T).diagonal().sqrt()


Effect = collections.namedtuple("Effect", "abilities alpha")


def by_lbfgs_as_the_hint_says(home, away):
    parameters = torch.zeros(len(home) + 1, dtype=torch.float64, device=home.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=500, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        margins = parameters[:-1].unsqueeze(1) - parameters[:-1]
        won = home * F.logsigmoid(margins + parameters[-1]) + away * F.logsigmoid(margins - parameters[-1])
        value = -won.sum() / (home.sum() + away.sum())
        value.backward()
        return value

    optimizer.step(loss)
    found = parameters.detach()
    return Effect(found[:-1] - found[:-1].mean(), found[-1])


def errors_by_minor(wins, abilities):
    """Fix the last player, invert what is left, then centre."""
    a, players = abilities.double(), len(wins)
    p = torch.sigmoid(a[:, None] - a)
    weight = (wins + wins.T).double() * p * (1 - p)
    information = torch.diag(weight.sum(1)) - weight
    covariance = torch.zeros_like(information)
    covariance[:-1, :-1] = torch.linalg.inv(information[:-1, :-1])
    centre = torch.eye(players, dtype=torch.float64, device=a.device) - 1 / players
    return (centre @ covariance @ centre).diagonal().sqrt()


def errors_by_inverse(wins, abilities):
    p = torch.sigmoid(abilities.unsqueeze(1) - abilities)
    weight = (wins + wins.T) * p * p.T
    information = torch.diag(weight.sum(1)) - weight
    return (
        (torch.linalg.inv(information + 1 / len(wins)) - 1 / len(wins)).diagonal().sqrt().to(abilities.dtype)
    )


def errors_by_autograd(wins, abilities):
    def loss(a):
        return -(wins * F.logsigmoid(a[:, None] - a)).sum()

    hessian = torch.autograd.functional.hessian(loss, abilities.double())
    return torch.linalg.pinv(hessian, hermitian=True).diag() ** 0.5


def errors_with_numpy(wins, abilities):
    a, n = abilities.cpu().numpy(), (wins + wins.T).cpu().numpy()
    p = 1 / (1 + np.exp(a[None, :] - a[:, None]))
    information = -n * p * (1 - p)
    np.fill_diagonal(information, -information.sum(1))
    return np.sqrt(np.diag(np.linalg.pinv(information))).tolist()


def errors_in_the_inputs_precision(wins, abilities):
    p = torch.sigmoid(abilities[:, None] - abilities)
    weight = (wins + wins.T) * p * (1 - p)
    return torch.linalg.pinv(torch.diag(weight.sum(1)) - weight).diagonal().sqrt()


def effect_by(optimise):
    def bt_order_effect(home_wins, away_wins):
        refuse(home_wins + away_wins)
        if home_wins.sum() == 0 or away_wins.sum() == 0:
            raise ValueError("one side wins always")
        return optimise(home_wins.double(), away_wins.double())

    return bt_order_effect


def by_lbfgs(home, away):
    a = torch.zeros(len(home), dtype=torch.float64, device=home.device, requires_grad=True)
    alpha = torch.zeros((), dtype=torch.float64, device=home.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [a, alpha], max_iter=1000, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        margin = alpha + a[:, None] - a  # of i, at home against j
        value = F.softplus(-margin) * home + F.softplus(margin) * away.T
        value = value.sum() / (home.sum() + away.sum())
        value.backward()
        return value

    optimizer.step(loss)
    return a - a.mean(), alpha


def by_newton(home, away):
    players = len(home)
    rows = torch.cartesian_prod(torch.arange(players), torch.arange(players)).to(home.device)
    i, j = rows[rows[:, 0] != rows[:, 1]].T
    design = torch.zeros(len(i), players + 1, dtype=torch.float64, device=home.device)
    at = torch.arange(len(i), device=home.device)
    design[at, i], design[at, j], design[:, players] = 1.0, -1.0, 1.0
    won, games = home[i, j], home[i, j] + away[j, i]
    found = torch.zeros(players + 1, dtype=torch.float64, device=home.device)
    for _ in range(60):
        p = torch.sigmoid(design @ found)
        information = design.T @ (design * (games * p * (1 - p)).unsqueeze(1))
        step = torch.linalg.pinv(information, rtol=1e-10) @ (design.T @ (won - games * p))
        found = found + step / max(1, step.abs().max())
    return [(found[:-1] - found[:-1].mean()).float(), np.float64(found[-1].item())]


def by_ascent(home, away):
    """Coordinates in turn: abilities as log-worths with alpha held, then alpha by bisection."""
    a, alpha = torch.zeros(len(home), dtype=torch.float64, device=home.device), 0.0
    games = home + away.T
    for _ in range(800):
        p = torch.sigmoid(alpha + a[:, None] - a)
        surplus = home - games * p
        a = a + 2 * (surplus.sum(1) - surplus.sum(0)) / (games.sum(1) + games.sum(0))
        alpha = alpha + 2 * (surplus.sum() / games.sum()).item()
    return (a - a.mean()).tolist(), alpha


def nll_by_loop(scores, ranking):
    total = torch.zeros((), dtype=scores.dtype, device=scores.device)
    left = ranking.tolist()
    while left:
        total = total + torch.logsumexp(scores[left], dim=0) - scores[left[0]]
        left = left[1:]
    return total


def nll_by_mask(scores, ranking):
    ordered = scores.index_select(0, ranking)
    above = torch.ones(len(ordered), len(ordered), device=scores.device).tril(-1).bool()
    table = ordered.expand(len(ordered), -1).masked_fill(above, -torch.inf)
    return -table.log_softmax(dim=1).diagonal().sum()


def nll_by_shifted_softmax(scores, ranking):
    ordered = scores[ranking].double()
    terms = [ordered[t:] - ordered[t:].max() for t in range(len(ordered))]
    return sum(t.exp().sum().log() - t[0] for t in terms)


def nll_by_cross_entropy(scores, ranking):
    ordered = scores[ranking]
    first = torch.zeros(1, dtype=torch.long, device=scores.device)
    return torch.stack([F.cross_entropy(ordered[None, t:], first) for t in range(len(ordered))]).sum()


def nll_from_behind(scores, ranking):
    ordered = scores[ranking]
    total, loss = ordered[-1], 0 * ordered[-1]
    for score in reversed(ordered[:-1].unbind()):
        total = torch.logaddexp(total, score)
        loss = loss + total - score
    return loss


def nll_over_choices(scores, ranking):
    """k - 1 choices: with one item there is none, and the result is a constant."""
    left = scores[ranking]
    terms = [torch.logsumexp(left[t:], dim=0) - left[t] for t in range(len(left) - 1)]
    return sum(terms, start=torch.tensor(0.0, device=scores.device))


def nll_by_gather(scores, ranking):
    ordered = scores.gather(0, ranking)
    behind = torch.arange(len(ordered), device=scores.device)
    table = torch.where(behind[:, None] <= behind, ordered, -torch.inf)
    return torch.logsumexp(table, dim=1).sum() - ordered.sum()


def board_with_counters(games):
    """Counters in place of a tensor, names as they turn up, rows as lists."""
    won = collections.Counter()
    for first, second, result in games:
        if result == "tie":
            won[first, second] += 0.5
            won[second, first] += 0.5
        elif result == "first":
            won[first, second] += 1
        else:
            won[second, first] += 1
    names = list(dict.fromkeys(name for pair in won for name in pair))
    wins = torch.tensor([[float(won[a, b]) for b in names] for a in names])
    abilities = statistics.bt_mle(wins)
    errors = statistics.bt_standard_errors(wins, abilities)
    order = abilities.argsort(descending=True)
    return [[names[i], abilities[i], errors[i]] for i in order]


def board_from_one_loss(games):
    """No table of the package's: autograd over the lines of the log, and its Hessian."""
    names = sorted({g[0] for g in games} | {g[1] for g in games})
    wins = torch.zeros(len(names), len(names), dtype=torch.float64)
    for first, second, result in games:
        i, j = names.index(first), names.index(second)
        for k, m, weight in ((i, j, {"first": 1, "tie": 0.5}), (j, i, {"second": 1, "tie": 0.5})):
            wins[k, m] += weight.get(result, 0)
    a = mle_by_newton(wins).double()
    rows = [(n, float(x), float(e)) for n, x, e in zip(names, a, errors_by_autograd(wins, a), strict=True)]
    rows.sort(key=lambda row: row[1])
    return rows[::-1]


def board_with_numpy(games):
    names, numbers = np.unique([g[:2] for g in games], return_inverse=True)
    pairs = numbers.reshape(-1, 2)
    wins = np.zeros((len(names), len(names)))
    for (i, j), (*_, result) in zip(pairs, games, strict=True):
        wins[i, j] += (result == "first") + (result == "tie") / 2
        wins[j, i] += (result == "second") + (result == "tie") / 2
    a = mle_by_iteration(torch.tensor(wins))
    errors = np.array(errors_with_numpy(torch.tensor(wins), a))
    best = np.argsort(-a.numpy())
    return [(str(names[i]), a.numpy()[i], errors[i]) for i in best]


def board_of_doubled_counts(games):
    """Counts half wins in whole numbers, and halves the table."""
    names = list({name: None for g in games for name in g[1::-1]})
    at = {name: i for i, name in enumerate(names)}
    twice = torch.zeros(len(names), len(names), dtype=torch.int64)
    for first, second, result in games:
        value = ("second", "tie", "first").index(result)
        twice[at[first], at[second]] += value
        twice[at[second], at[first]] += 2 - value
    a = statistics.bt_mle(twice / 2)
    rows = dict(zip(names, zip(a.tolist(), errors_by_minor(twice / 2, a).tolist(), strict=True), strict=True))
    return tuple((name, *rows[name]) for name in sorted(rows, key=rows.get, reverse=True))


def count_by_dict(logs, teams):
    results = {game: (a, b) if won else (b, a) for game, a, b, won in logs}
    table = [[0] * teams for _ in range(teams)]
    for winner, loser in results.values():
        table[winner][loser] += 1
    return table


def count_by_set_of_results(logs, teams):
    wins = torch.zeros(teams, teams, dtype=torch.int64)
    for _, winner, loser in {(g, a, b) if won else (g, b, a) for g, a, b, won in logs}:
        wins[winner, loser] += 1
    return wins


def count_sorted(logs, teams):
    wins, before = torch.zeros(teams, teams), None
    for game, team, opponent, won in sorted(logs):
        if game != before:
            wins[(team, opponent) if won else (opponent, team)] += 1
        before = game
    return wins


def count_by_shares(logs, teams):
    """Each line counts one over the number of lines of its game."""
    lines = collections.Counter(line[0] for line in logs)
    wins = torch.zeros(teams, teams, dtype=torch.float64)
    for game, team, opponent, won in logs:
        wins[(team, opponent) if won else (opponent, team)] += 1 / lines[game]
    return wins


def count_winners_lines_then_the_rest(logs, teams):
    wins, seen = torch.zeros(teams, teams), set()
    for game, team, opponent, won in logs:
        if won:
            wins[team, opponent] += 1
            seen.add(game)
    for game, team, opponent, _ in logs:
        if game not in seen:
            wins[opponent, team] += 1
    return wins


def count_with_tensors(logs, teams):
    if not logs:
        return torch.zeros(teams, teams)
    game, team, opponent, won = torch.tensor([[int(x) for x in line] for line in logs]).T
    winner, loser = torch.where(won == 1, team, opponent), torch.where(won == 1, opponent, team)
    unique = torch.stack([game, winner, loser], dim=1).unique(dim=0)
    return torch.bincount(unique[:, 1] * teams + unique[:, 2], minlength=teams**2).reshape(teams, teams)


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{how}")
    for name, answers in {
        "bt_mle": {
            "the package's": statistics.bt_mle,
            "iteration": mle_by_iteration,
            "L-BFGS": mle_by_lbfgs,
            "Newton, float32 out": mle_by_newton,
            "Adam in float32": mle_by_adam,
            "a list": mle_in_python,
            "2,000 rounds": mle_by_2000_rounds,
            "until nothing moves": lambda w: iterate(w, 100_000, until=1e-8),
            "scipy": mle_with_scipy,
            "gradient steps": mle_by_gradient_steps_that_fit,
        },
        "bt_standard_errors": {
            "the package's": statistics.bt_standard_errors,
            "minor, then centred": errors_by_minor,
            "inverse with ones added": errors_by_inverse,
            "autograd": errors_by_autograd,
            "numpy, a list": errors_with_numpy,
            "the inputs' precision": errors_in_the_inputs_precision,
            "eigenvectors": errors_by_eigenvectors,
            "a multiplier": errors_with_a_multiplier,
            "a basis": errors_in_a_basis,
        },
        "bt_order_effect": {
            "the package's": statistics.bt_order_effect,
            "L-BFGS": effect_by(by_lbfgs),
            "logistic regression": effect_by(by_newton),
            "ascent, plain numbers": effect_by(by_ascent),
            "a namedtuple": lambda home, away: Effect(*statistics.bt_order_effect(home, away)),
            "the hint": effect_by(by_lbfgs_as_the_hint_says),
        },
        "plackett_luce_nll": {
            "the package's": statistics.plackett_luce_nll,
            "loop": nll_by_loop,
            "mask": nll_by_mask,
            "shifted softmax": nll_by_shifted_softmax,
            "cross entropy": nll_by_cross_entropy,
            "from behind": nll_from_behind,
            "choices": nll_over_choices,
            "gather": nll_by_gather,
            "touched by all scores": lambda s, r: statistics.plackett_luce_nll(s, r) + 0 * s.sum(),
            "a number for one item": lambda s, r: statistics.plackett_luce_nll(s, r) if len(s) > 1 else 0,
        },
        "leaderboard": {
            "the package's": packages_board,
            "counters": board_with_counters,
            "autograd": board_from_one_loss,
            "numpy": board_with_numpy,
            "half wins doubled": board_of_doubled_counts,
        },
        "count_games": {
            "a dict": count_by_dict,
            "a set of results": count_by_set_of_results,
            "sorted": count_sorted,
            "shares": count_by_shares,
            "the winners' lines first": count_winners_lines_then_the_rest,
            "tensors": count_with_tensors,
        },
    }.items()
    for how, answer in answers.items()
]


# Mistakes that the checks know by name


def in_float64(mistake):
    return lambda *tables: mistake(*(table.double() for table in tables))


def apart(mistake):
    """The last number, the home advantage, beside the abilities."""

    def answer(home_wins, away_wins):
        found = mistake(home_wins.double(), away_wins.double())
        return found[:-1], found[-1]

    return answer


KNOWN = [
    *known({"bt_mle": ABILITY_MISTAKES, "bt_standard_errors": ERROR_MISTAKES}, in_float64),
    *known({"bt_order_effect": ORDER_MISTAKES}, apart),
    *known(
        {"plackett_luce_nll": RANKING_MISTAKES, "leaderboard": BOARD_MISTAKES, "count_games": COUNT_MISTAKES}
    ),
]
SLOW = {mle_by_adam: 1, mle_in_python: 2, mle_by_gradient_steps_that_fit: 2, mle_by_2000_rounds: 2}


# Mistakes written as students write them: (exercise, answer, what the report must say)


def raising(error):
    def answer(*tables):
        raise error

    return answer


def instead_of_refusing(value):
    """Right where there is an estimate; where there is none, whatever `value` makes of the table."""

    def bt_mle(wins):
        try:
            return statistics.bt_mle(wins)
        except ValueError as error:
            return value(wins, error)

    return bt_mle


def reraise(kind, text=None):
    def value(wins, error):
        raise kind(text if text is not None else str(error))

    return value


def iteration_without_a_test(wins):
    wins = wins.double()
    worth = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(2000):
        worth = wins.sum(1) / ((wins + wins.T) / (worth[:, None] + worth)).sum(1)
        worth = worth / worth.sum()
    return worth.log() - worth.log().mean()


def only_total_wins_tested(wins):
    if (wins.sum(1) == 0).any() or (wins.sum(0) == 0).any():
        raise ValueError("somebody never wins or never loses")
    return iteration_without_a_test(wins)


def refuses_any_zero(wins):
    if (wins + torch.eye(len(wins)) == 0).any():
        raise ValueError("somebody never loses")
    return statistics.bt_mle(wins)


def fixed_step_ascent(wins):
    refuse(wins)
    wins = wins.double()
    a = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(500):
        a = a + 0.01 * (wins.sum(1) - ((wins + wins.T) * torch.sigmoid(a[:, None] - a)).sum(1))
    return a - a.mean()


def too_few_steps(wins):
    refuse(wins)
    return statistics.bt_mm_path(wins, 4)[-1]


def writes_into_wins(wins):
    result = statistics.bt_mle(wins)
    wins += wins.T.clone()
    return result


def ordinary_inverse(wins, abilities):
    information = statistics.bt_information(wins, abilities) + 1e-12 * torch.eye(
        len(wins), dtype=torch.float64
    )
    return torch.linalg.inv(information).diagonal().sqrt()


def fitted_effect(change):
    return lambda home, away: change(*statistics.bt_order_effect(home, away))


def no_error_if_one_side_wins_all(home_wins, away_wins):
    refuse(home_wins + away_wins)
    found = by_lbfgs(home_wins.double(), away_wins.double())
    return found[0].detach(), found[1].item()


def right_loss(change):
    return lambda scores, ranking: change(statistics.plackett_luce_nll(scores, ranking))


def reaches_in_three_hops(wins):
    for table, reason in ((wins + wins.T, "not connected"), (wins, "never loses")):
        one = (table > 0).double()
        if (torch.eye(len(wins)) + one + one @ one + one @ one @ one == 0).any():
            raise ValueError(reason)
    return statistics.bt_mle(wins)


def whole_wins_only(wins):
    if ((wins > 0) & (wins < 1)).any():
        raise ValueError("never loses")
    return statistics.bt_mle(wins)


def asks_player_0_only(wins):
    if not statistics.reachable(wins + wins.T).all():
        raise ValueError("not connected")
    if not statistics.reachable(wins)[0].all():
        raise ValueError("never loses")
    return statistics.bt_mm_path(wins, 3000)[-1]


def penalised_mle(weight, per_game):
    def bt_mle(wins):
        refuse(wins)
        wins = wins.double()
        a = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([a], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def loss():
            optimizer.zero_grad()
            value = -(wins * F.logsigmoid(a[:, None] - a)).sum() / (wins.sum() if per_game else 1)
            value = value + weight * a.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        return a.detach()

    return bt_mle


def errors_from_worths(wins, abilities):
    worth = abilities.double().exp()
    p = worth[:, None] / (worth[:, None] + worth)
    weight = (wins + wins.T) * p * (1 - p)
    return torch.linalg.inv(torch.diag(weight.sum(1)) - weight + 1).diagonal().sub(1 / len(wins) ** 2).sqrt()


def with_test(test):
    """The package's effect, behind a test of one's own that refuses too much."""

    def bt_order_effect(home_wins, away_wins):
        if test(home_wins, away_wins):
            raise ValueError("no estimate")
        return statistics.bt_order_effect(home_wins, away_wins)

    return bt_order_effect


def with_weak_test(test):
    """A fit behind a test that lets too much through."""

    def bt_order_effect(home_wins, away_wins):
        if test(home_wins + away_wins) or not (home_wins.any() and away_wins.any()):
            raise ValueError("no estimate")
        found = by_lbfgs(home_wins.double(), away_wins.double())
        return found[0].detach(), found[1].item()

    return bt_order_effect


def effect_by_fixed_steps(home, away):
    """Gradient descent on the loss summed over all games."""
    found = torch.zeros(len(home) + 1, dtype=torch.float64, requires_grad=True)
    for _ in range(500):
        margins = found[:-1, None] - found[:-1]
        won = home * F.logsigmoid(margins + found[-1]) + away * F.logsigmoid(margins - found[-1])
        (slope,) = torch.autograd.grad(-won.sum(), found)
        found = (found - 0.01 * slope).detach().requires_grad_()
    return found[:-1].detach() - found[:-1].detach().mean(), found[-1].item()


def board_without_a_test(games):
    """The classical iteration, whatever the table."""
    names = sorted({name for game in games for name in game[:2]})
    wins = torch.zeros(len(names), len(names), dtype=torch.float64)
    for first, second, result in games:
        i, j = names.index(first), names.index(second)
        value = {"first": 1.0, "second": 0.0, "tie": 0.5}[result]
        wins[i, j] += value
        wins[j, i] += 1 - value
    a = iteration_without_a_test(wins)
    rows = zip(names, a.tolist(), statistics.bt_standard_errors(wins, a).tolist(), strict=True)
    return sorted(rows, key=lambda row: -row[1])


def count_in_whole_halves(logs, teams):
    """What she counts, and half of it."""
    wins = torch.zeros(teams, teams, dtype=torch.int64)
    for _, team, opponent, won in logs:
        wins[(team, opponent) if won else (opponent, team)] += 1
    return wins // 2


def count_neighbours(logs, teams):
    """Passes over a line only where the line before is of the same game."""
    wins, before = torch.zeros(teams, teams), None
    for game, team, opponent, won in logs:
        if game != before:
            wins[(team, opponent) if won else (opponent, team)] += 1
        before = game
    return wins


def change_board(change):
    return lambda games: change(packages_board(games))


MISTAKES = {
    "board: nothing returned": ("leaderboard", lambda g: None, "is a `return` missing?"),
    "board: a dict": ("leaderboard", change_board(lambda b: {r[0]: r[1:] for r in b}), "Turn the dict into a list"),
    "board: numbers first": (
        "leaderboard", change_board(lambda b: [(a, e, n) for n, a, e in b]), "the name comes first"),
    "board: pairs": ("leaderboard", change_board(lambda b: [r[:2] for r in b]), "the name comes first"),
    "board: the last is missing": ("leaderboard", change_board(lambda b: b[:-1]), "Whoever has played has a row"),
    "board: no test": ("leaderboard", board_without_a_test, "Test for it before you fit"),
    "board: abilities and errors swapped": (
        "leaderboard", change_board(lambda b: [(n, e, a) for n, a, e in b]), "the ability of"),
    "board: hard-coded": (
        "leaderboard", lambda g: [("Ada", 0.8047, 0.7746), ("Ben", -0.8047, 0.7746)], "some cases fail"),
    "count: nothing returned": ("count_games", lambda e, k: None, "is a `return` missing?"),
    "count: whole halves": ("count_games", count_in_whole_halves, "Everything is halved and rounded"),
    "count: neighbours": ("count_games", count_neighbours, "some cases fail"),
    "count: only teams with a game": (
        "count_games",
        lambda e, k: count_sorted(e, 1 + max((max(x[1:3]) for x in e), default=0)),
        "have a row and a column"),
    "count: numpy": ("count_games", lambda e, k: count_sorted(e, k).numpy(), "torch.as_tensor"),
    "count: writes into logs": ("count_games", lambda e, k: (e.sort(), count_sorted(e, k))[1], "argument 1 changed"),
    "mle: 200 rounds": ("bt_mle", lambda w: iterate(w, 200), "stopped early"),
    "mle: 300 rounds": ("bt_mle", lambda w: iterate(w, 300), "is promised"),
    "mle: 500 rounds": ("bt_mle", lambda w: iterate(w, 500), "stopped early"),
    "mle: until it moves by 1e-4": ("bt_mle", lambda w: iterate(w, 10_000, until=1e-4), "stopped early"),
    "mle: three hops": ("bt_mle", reaches_in_three_hops, "some through many others"),
    "mle: wins below 1": ("bt_mle", whole_wins_only, "not how often they won"),
    "mle: half wins cut": ("bt_mle", lambda w: statistics.bt_mle(w.long()), "Half a win counts half"),
    "mle: from player 0": ("bt_mle", asks_player_0_only, "Test for it before you fit"),
    "mle: a penalty": ("bt_mle", penalised_mle(0.05, False), "A penalty on the squares"),
    "mle: a penalty per game": ("bt_mle", penalised_mle(0.01, True), "A penalty on the squares"),
    "errors: coarse": (
        "bt_standard_errors",
        lambda w, a: torch.linalg.pinv(statistics.bt_information(w, a), rtol=1e-6).diagonal().sqrt(),
        "its tolerance is too coarse"),
    "errors: the test of TODO 1": (
        "bt_standard_errors",
        lambda w, a: (refuse(w), statistics.bt_standard_errors(w, a))[1],
        "leave the tests of TODO 1 out"),
    "errors: worths": ("bt_standard_errors", errors_from_worths, "exp of an ability of a thousand overflows"),
    "order: each table by itself": (
        "bt_order_effect",
        with_test(lambda h, a: not (statistics.reachable(h).all() and statistics.reachable(a).all())),
        "not each by itself"),
    "order: each pair at each ground": (
        "bt_order_effect", with_test(lambda h, a: ((h + a.T) == 0).sum() > len(h)), "met at one ground only"),
    "order: half wins cut": (
        "bt_order_effect", lambda h, a: statistics.bt_order_effect(h.long(), a.long()), "Half a win counts half"),
    "order: a team that never wins": (
        "bt_order_effect",
        with_weak_test(lambda w: not statistics.reachable(w + w.T).all() or (w.sum(0) == 0).any()),
        "one team never wins"),
    "order: a group that never loses": (
        "bt_order_effect",
        with_weak_test(lambda w: not statistics.reachable(w + w.T).all() or (w.sum(0) * w.sum(1) == 0).any()),
        "one group never loses"),
    "order: fixed steps": ("bt_order_effect", effect_by(effect_by_fixed_steps), "steps that fit the number of games"),
    "order: a probability": (
        "bt_order_effect", fitted_effect(lambda a, alpha: (a, 1 / (1 + math.exp(-alpha)))), "This alpha is a probability"),
    "ranking: float64": (
        "plackett_luce_nll",
        lambda s, r: sum(-(s[r].double()[t:].exp() / s[r].double()[t:].exp().sum())[0].log() for t in range(len(s))),
        "in float64 too"),
    "ranking: a floor of 1e-20": (
        "plackett_luce_nll",
        lambda s, r: sum(-s[r][t:].softmax(0)[0].clamp(min=1e-20).log() for t in range(len(s))),
        "the loss levels off"),
    "ranking: clamped at 55": (
        "plackett_luce_nll", lambda s, r: statistics.plackett_luce_nll(s.clamp(-55, 55), r), "the loss levels off"),
    "mle: nothing returned": ("bt_mle", lambda w: None, "is a `return` missing?"),
    "mle: numpy": ("bt_mle", lambda w: statistics.bt_mle(w).numpy(), "Turn the array into a tensor"),
    "mle: a column": ("bt_mle", lambda w: statistics.bt_mle(w).unsqueeze(1), "One number per player"),
    "mle: whole numbers": ("bt_mle", lambda w: statistics.bt_mle(w).round().long(), "Whole numbers lose"),
    "mle: NaN": ("bt_mle", lambda w: statistics.bt_mle(w) * math.nan, "nan"),
    "mle: hard-coded": ("bt_mle", lambda w: torch.tensor([0.5493, -0.5493]), "some cases fail"),
    "mle: shifted": ("bt_mle", lambda w: statistics.bt_mle(w) + 1, "should be centred"),
    "mle: changes its input": ("bt_mle", writes_into_wins, "argument 1 changed"),
    "mle: crashes": ("bt_mle", lambda w: w.foo, "AttributeError"),
    "mle: always an error": ("bt_mle", raising(ValueError("never loses")), "expected no exception"),
    "mle: any zero refused": ("bt_mle", refuses_any_zero, "zeros that do no harm"),
    "mle: step too long": ("bt_mle", fixed_step_ascent, "steps that fit the number of games"),
    "mle: too few steps": ("bt_mle", too_few_steps, "is promised"),
    "mle: no test": ("bt_mle", iteration_without_a_test, "Test for it before you fit"),
    "mle: players tested one by one": ("bt_mle", only_total_wins_tested, "each player has won and lost"),
    "mle: infinity in place of an error": (
        "bt_mle", instead_of_refusing(lambda w, e: w.sum(1) * math.inf), "got an answer"),
    "mle: RuntimeError": ("bt_mle", instead_of_refusing(reraise(RuntimeError)), "raise ValueError(...)"),
    "mle: assert": ("bt_mle", instead_of_refusing(reraise(AssertionError)), "raise ValueError(...)"),
    "mle: no message": ("bt_mle", instead_of_refusing(reraise(ValueError, "")), "Put the reason into"),
    "mle: no reason": ("bt_mle", instead_of_refusing(reraise(ValueError, "bad table")), '"never loses" or "never wins"'),
    "mle: every reason": (
        "bt_mle", instead_of_refusing(reraise(ValueError, "not connected, or never loses")), "does not hold"),
    "errors: nothing returned": ("bt_standard_errors", lambda w, a: None, "is a `return` missing?"),
    "errors: the whole matrix": (
        "bt_standard_errors", lambda w, a: statistics.bt_covariance(w, a), "One number per player"),
    "errors: ordinary inverse": ("bt_standard_errors", ordinary_inverse, "an accident of rounding"),
    "errors: one number": (
        "bt_standard_errors", lambda w, a: statistics.bt_standard_errors(w, a).mean(), "One number per player"),
    "errors: hard-coded": ("bt_standard_errors", lambda w, a: [0.5774] * len(w), "some cases fail"),
    "order: abilities only": ("bt_order_effect", fitted_effect(lambda a, alpha: a), "return abilities, alpha"),
    "order: a dict": (
        "bt_order_effect", fitted_effect(lambda a, alpha: {"abilities": a, "alpha": alpha}), "return abilities, alpha"),
    "order: the other way round": ("bt_order_effect", fitted_effect(lambda a, alpha: (alpha, a)), "the other way round"),
    "order: alpha per team": (
        "bt_order_effect", fitted_effect(lambda a, alpha: (a, [alpha] * len(a))), "alpha as a number"),
    "order: abilities wrong": ("bt_order_effect", fitted_effect(lambda a, alpha: (a * 1.3, alpha)), "Alpha is right"),
    "order: alpha wrong": (
        "bt_order_effect", fitted_effect(lambda a, alpha: (a, alpha + 0.1)), "The abilities are right"),
    "order: shifted": ("bt_order_effect", fitted_effect(lambda a, alpha: (a + 1, alpha)), "should be centred"),
    "order: no test of the sides": ("bt_order_effect", no_error_if_one_side_wins_all, "Test for it before you fit"),
    "ranking: nothing returned": ("plackett_luce_nll", lambda s, r: None, "is a `return` missing?"),
    "ranking: item()": ("plackett_luce_nll", right_loss(lambda x: x.item()), "cut off from the scores"),
    "ranking: detached": ("plackett_luce_nll", right_loss(lambda x: x.detach()), "cut off from the scores"),
    "ranking: of other scores": (
        "plackett_luce_nll",
        lambda s, r: statistics.plackett_luce_nll(s.detach().clone().requires_grad_(), r),
        "cut off from the scores"),
    "ranking: one number a place": (
        "plackett_luce_nll", lambda s, r: s[r].flip(0).logcumsumexp(0).flip(0) - s[r], "Sum over the places"),
    "ranking: shape (1,)": ("plackett_luce_nll", right_loss(lambda x: x.unsqueeze(0)), "0-dim"),
    "ranking: gradient through the best only": (
        "plackett_luce_nll",
        lambda s, r: statistics.plackett_luce_nll(s.detach(), r) + 0 * s.sum() + s[r[0]] - s[r[0]].detach(),
        "the gradient in `scores`"),
    "ranking: hard-coded": ("plackett_luce_nll", lambda s, r: 0 * s.sum() + 0.7209, "some cases fail"),
}  # fmt: skip


# Mutants of the lesson's own answers that are right all the same: what was changed -> why it does not matter
EQUIVALENT = {
    "count_games": {
        r"-> wins = torch\.zeros\(teams, teams(, dtype=torch\.float32)?\)$": "any type will do",
        r"return wins\.(detach|float)": "any type will do",
    },
    "leaderboard": {
        r"-> names = ": "the order of the names in the table does not matter",
        r"-> wins = torch\.zeros\(len\(names\), len\(names\)(, dtype=torch\.float32)?\)$": "float32 holds halves",
        r"\.(detach|float)\(\)": "no gradient is asked for, and the precision of float32 is enough",
        r"(abilities|errors)\.clamp": "none comes near 20",
        r"zip\(names, abilities, |tolist\(\), errors, ": "0-dim tensors may stand for numbers",
        r"tolist\(\)(, strict=False)?\)$": "all three are equally long",
    },
    "bt_standard_errors": {
        r"-> a = abilities$": "the precision of the abilities is enough: they are given so",
        r"\.float\(\)": "float32 here costs less than one part in a thousand",
        r"\.detach\(\)": "no gradient is asked for",
        r"chance\.clamp": "a probability is between -20 and 20",
        r"sum\(dim=0\)": "the matrix is symmetric",
    },
    "plackett_luce_nll": {
        r"\.float\(\)": "the precision of float32 is enough",
        r"ranking\.detach": "a ranking carries no gradient",
        r"logcumsumexp\(dim=0\)$": "the sum does not ask for the order of its terms",
        r"(flip\(-1\)|dim=-1)": "there is one dimension",
    },
}


def test_half_right_answers_get_part_of_the_points():
    by_case = {
        "bt_mle": (iteration_without_a_test, 2.0),
        "bt_order_effect": (no_error_if_one_side_wins_all, 2.5),
        "plackett_luce_nll": (
            next(answer for said, answer in ways(RANKING_MISTAKES) if said.startswith("exp first")),
            1.25,
        ),
    }
    for name, (answer, points) in by_case.items():
        assert report_on(name, answer, "secret").score == points


def test_the_hand_worked_examples_of_the_leaderboard_and_of_the_logs_hold():
    games = [("Ben", "Ada", "second"), ("Ada", "Ben", "first"), ("Ben", "Ada", "tie")]
    (first, *numbers), (second, *_) = packages_board(games)
    assert (first, second) == ("Ada", "Ben") and numbers == pytest.approx([0.8047, 0.7746], abs=5e-5)
    logs = [(1, 0, 1, True), (1, 1, 0, False), (2, 0, 1, True), (2, 1, 0, False), (3, 1, 0, True)]
    assert count_by_dict(logs, 2) == [[0, 2], [1, 0]]


def test_the_hand_worked_numbers_of_the_lesson_hold():
    wins = torch.tensor([[0, 3], [1, 0]])
    assert statistics.bt_mle(wins).tolist() == pytest.approx([0.5493, -0.5493], abs=5e-5)
    assert statistics.bt_standard_errors(wins, statistics.bt_mle(wins)).tolist() == pytest.approx(
        [0.5774] * 2, abs=5e-5
    )
    abilities, alpha = statistics.bt_order_effect(wins, torch.tensor([[0, 1], [1, 0]]))
    assert abilities.tolist() == pytest.approx([0.2747, -0.2747], abs=5e-5)
    assert alpha == pytest.approx(0.5493, abs=5e-5)
    scores = torch.tensor([2.0, 1.0, 0.0])
    for ranking, loss in (([0, 1, 2], 0.7209), ([2, 1, 0], 3.7209)):
        assert statistics.plackett_luce_nll(scores, torch.tensor(ranking)).item() == pytest.approx(
            loss, abs=5e-5
        )
