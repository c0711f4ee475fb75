# %% [markdown]
# # Lesson 2: Bradley-Terry as statistics
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{{owner_and_name}}/blob/{{tag}}/notebooks/{{lesson}}.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src={{repository}}/blob/{{tag}}/notebooks/{{lesson}}.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{{owner_and_name}}/{{tag}}?urlpath=lab/tree/notebooks/{{lesson}}.ipynb)
#
# **In Colab, first of all:** *File, Save a copy in Drive*. Else your work is gone when the tab is closed. How to
# [hand in and go on](https://github.com/{{owner_and_name}}/blob/{{tag}}/notebooks/README.md#your-work-is-yours); all
# [words](https://github.com/{{owner_and_name}}/blob/{{tag}}/notebooks/glossary.md) and
# [formulas](https://github.com/{{owner_and_name}}/blob/{{tag}}/notebooks/cheat_sheet.md) on a page.
#
# Who is stronger, and how sure are we? A leaderboard of chat models, a season of baseball and a file of preference
# pairs all ask this. In each, somebody won some comparisons, and we want one number per player. The
# Bradley-Terry model of lesson 1 gives the numbers. In this lesson it also says how far to trust them.
#
# The players here are seven baseball teams, because their table is small, real, and analysed in a textbook: every
# estimate you compute can be held against a printed one. At the end the teams become texts, and the table becomes
# a reward model.
#
# **You will be able to**
# - estimate abilities from wins, and say when no finite estimate exists;
# - put a standard error on each ability, and test by simulation whether it is honest;
# - measure the advantage of being at home (or of being shown first), and use whole rankings;
# - say exactly what a reward model adds to a table of abilities.
#
# **You need** lesson 1, logarithms, and matrices as far as the inverse. **Time:** about three hours. The whole notebook
# runs in under a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 1 is some time ago.** The *Bradley-Terry model* gives each side of a comparison one number. The probability
# that one wins is $\sigma$ of the difference: $\sigma(2) = 0.881$. The *loss* of a comparison is $-\log \sigma(\text{winner} - \text{loser})$, and
# training makes its mean small. A *likelihood* is the probability of all that was seen, as a function of the numbers. Its logarithm is minus the
# sum of the losses, so the smallest loss is the largest likelihood. The *inverse* of a matrix $A$ undoes it: $A^{-1} A = I$.

# %%
# Set-up. Run this cell first; running it again does no harm.
import importlib.util as util, subprocess, sys
if not util.find_spec("reward_lab"):  # --no-deps: no other package is touched
    package = "{{repository}}/archive/refs/tags/{{tag}}.tar.gz"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--retries=0", package]
    no_torch = not util.find_spec("torch")
    if no_torch or subprocess.run(pip, capture_output=True).returncode:
        raise RuntimeError("No reward_lab yet. Colab, Kaggle: turn internet on, and "
                           "run this cell again. Elsewhere: README (make setup)")

# %%
import inspect
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Code

import reward_lab as rl
from reward_lab import statistics
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson02 import check, experiments, predict, shown

SEED = 42  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. Why does this matter?
#
# Model A wins 52 % of its comparisons on a leaderboard, model B wins 50 %. Is A better, or was it lucky, or did it meet weaker
# opponents? A number without its uncertainty can't answer that.
#
# The same question sits inside RLHF. Preference pairs are comparisons, a reward model is fitted to them, and
# a policy is trained to raise the reward. Whatever part of the reward is luck, the policy will chase too.
#
# The tools are old. Zermelo wrote the model down for chess in 1929, Bradley and Terry for tasting experiments in 1952.

# %% [markdown]
# ## 2. Building intuition
#
# *Time to here: 5 minutes.*
#
# Here is the season of 1987 in one division of the American League. Each row counts the wins of one team over
# each of the others. Every pair met 13 times.

# %%
season = statistics.load_baseball()
teams = season.teams
wins = season.wins  # (7, 7): wins[i, j] says how often team i beat team j
print(" " * 12 + "".join(f"{team[:4]:>6}" for team in teams) + "   all wins")
for team, row in zip(teams, wins.tolist(), strict=True):
    print(f"{team:12}" + "".join(f"{count:6d}" for count in row) + f"{sum(row):11d}")
print(f"{wins.sum().item()} games")

# %% [markdown]
# Milwaukee won most. But it lost 6 of 13 to Detroit, and Baltimore, at the bottom, still won 18 games. Strength
# shows in many games, never in one.
#
# **Why not just compare win rates?** In this table one could: everybody met everybody equally often. Preference data are
# not like that. Take four players with an uneven calendar: Strong, Middle, Climber and Weak. Climber beat Weak
# 9 times out of 10. Middle spent its time on Strong, and lost 7 of 10; but Middle beat Climber 6 to 4.
#
# **Predict, then run.** Which of the two has the higher win rate, and which is the better player?
#
# Choices: **1** Climber leads in both; **2** Climber has the higher win rate, Middle is better; **3** Middle
# leads in both.

# %% tags=["experiment"]
predict("climber", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
calendar = torch.tensor([[0, 7, 0, 0], [3, 0, 6, 0], [0, 4, 0, 9], [0, 0, 1, 0]])
rates = calendar.sum(dim=1) / (calendar + calendar.T).sum(dim=1)
for name, rate, ability in zip(
    ("Strong", "Middle", "Climber", "Weak"),
    rates,
    statistics.bt_mle(calendar),
    strict=True,
):
    print(f"{name:8} win rate {rate:.2f}   ability {ability:+.2f}")
predict.compare("climber")

# %% [markdown]
# <details><summary>What came out</summary>
#
# Climber has the higher win rate, and the lower ability. A win over Weak is worth little. The abilities know that,
# because they are found for all players together.
#
# </details>

# %% [markdown]
# ## 3. The mathematics
#
# *Time to here: 15 minutes.*
#
# **One number per player.** Player $i$ has an ability $a_i$, in log-odds. The model says
#
# $$P(i \text{ beats } j) = \sigma(a_i - a_j).$$
#
# **The likelihood.** Write $w_{ij}$ for the number of wins of $i$ over $j$. The log-likelihood of the table is
#
# $$\ell(a) = \sum_{i \ne j} w_{ij} \log \sigma(a_i - a_j).$$
#
# The **maximum-likelihood estimate** is the $a$ that makes it largest. This is lesson 1's loss, summed over all games, with a
# minus sign.

# %% tags=["experiment"]
shown.from_games_to_probabilities()

# %% [markdown]
# **By hand.** Two players, 3 wins to 1. The best probability for the first is $3/4$, so $\sigma(a_1 - a_2) = 0.75$ and
# $a_1 - a_2 = \ln 3 = 1.0986$. Centred at zero: $a = (0.5493, -0.5493)$.
#
# **What the maximum looks like.** Set the slope to zero, and out comes one equation per player:
#
# $$\underbrace{\sum_j w_{ij}}_{\text{wins of } i} = \underbrace{\sum_j n_{ij}\, \sigma(a_i - a_j)}_{\text{wins that the abilities promise}}, \qquad n_{ij} = w_{ij} + w_{ji}.$$
#
# At the maximum, every player has exactly as many wins as its ability promises.
#
# **Only differences count.** Add 10 to every ability: no probability changes, and the likelihood can't tell. In statistics the
# level is **not identified**. We have to choose one, and take mean zero: the abilities are *centred*. Some books
# give one player the value 0 in its place. Never compare abilities of two fits before you know which choice was made.

# %% tags=["experiment"]
abilities = statistics.bt_mle(wins)
for shift in (0, 10, -3):
    likelihood = statistics.bt_log_likelihood(wins, abilities + shift)
    print(f"abilities shifted by {shift:+3d}: log-likelihood {likelihood:.6f}")

# %% [markdown]
# ### When there is no estimate
#
# A player who has never lost: how strong is it? An ability of 5 explains that well, 10 explains it better, 20 better
# still. The likelihood has no maximum. Infinity is not a number to report, and a program that stops
# after 1,000 steps reports whatever it had got to.
#
# The rule is about a picture. Draw an arrow from $i$ to $j$ if $i$ ever beat $j$. A finite estimate exists if and only if
# arrows lead **from every player to every other**, in one step or in several: the graph is *strongly connected*
# (Ford, 1957). It can fail in two ways:
# - two groups **never met**. Nothing compares them: each can be shifted on its own;
# - they met, but one group **never lost** to the rest. It can move up for ever. This happens also when each of its members
#   has lost games, but only to the others in the group.

# %% tags=["experiment"]
shown.win_graphs()

# %% [markdown]
# Here is the function that follows the arrows. You may use it below.

# %%
Code(inspect.getsource(statistics.reachable), language="python")

# %% [markdown]
# **Predict, then run.** In the first table A won all 10 games against B and C. In the second A lost one of 11. We climb the
# likelihood for 10,000 iterations. Where will A's ability be after 10, 100, 1,000, 10,000?

# %% tags=["experiment"]
predict("never_lost", ...)  # in place of the dots: A's ability in the end, first table

# %% tags=["experiment"]
climbs = {}
for name, lost in (("A never lost", 0), ("A lost once", 1)):
    table = torch.tensor([[0, 5, 5], [lost, 0, 3], [0, 2, 0]])
    climbs[name] = statistics.bt_mm_path(table, 10_000)[:, 0]
    print(
        f"{name}: ability of A after",
        ", ".join(
            f"{n:,} iterations {climbs[name][n]:.2f}" for n in (10, 100, 1_000, 10_000)
        ),
    )

shown.climbs(climbs)
predict.compare("never_lost", climbs["A never lost"][-1])

# %% [markdown]
# <details><summary>What came out</summary>
#
# With one loss the ability settles. Without one it rises by the same amount for each factor of ten. No
# error appears, and each of these numbers looks like a result. A good program refuses.
#
# </details>

# %% [markdown]
# ## 4. Your turn
#
# *Time to here: 25 minutes.*
#
# Each exercise has an answer cell and a check cell below it. Write your answer over the two lines that end in
# `NotImplementedError()`, run the cell, then run the check. The check says what it expected, what it got, and,
# if it recognises the mistake, which one it is. The notebook goes on whether or not an exercise is solved.

# %% [markdown]
# ### TODO 1: abilities from wins
#
# | | |
# |:---|:---|
# | Purpose | the estimate that leaderboards and reward models share |
# | Difficulty, importance | medium, very high |
# | Time | 25 minutes |
# | Points | 3 |
#
# `bt_mle(wins) -> (K,) Tensor`
#
# `wins` is a `(K, K)` tensor, K of 2 or more, of int64, float32 or float64: `wins[i, j]` counts how often `i` beat `j`. Counts may be
# fractions (half a win each for a draw). The diagonal is 0. Return the maximum-likelihood abilities, **centred at
# zero**, right to 0.001, as a floating-point tensor of shape `(K,)`, on any device, or as a list of K numbers. No prior, no penalty, nothing added to
# the counts. Leave `wins` as it is.
#
# Tables come with a few games or with many thousands, for up to 20 players, and some pairs may never have met. That is fine as long as the graph is
# strongly connected. In a long chain, where each player has met the next one only, the classical iteration moves little in a round and may need
# thousands of them: stop when nothing moves any more, not after a number of rounds that looked large. One call may compute for 5 seconds, which
# any of the ways below does many times over.
#
# If no finite estimate exists, raise a `ValueError` whose message says why:
# - the players fall into groups that never met: the message contains `not connected`;
# - otherwise: the message contains `never loses` or `never wins`, whichever you like.
#
# Upper or lower case does not matter. Only the reason that holds may be in the message. If both hold, say `not connected`. What else it says is up to you; saying who is
# meant is a kindness.
#
# **By hand.** `[[0, 3], [1, 0]]` gives `[0.5493, -0.5493]`. `[[0, 3], [0, 0]]` is an error: player 0 never loses.
#
# <details><summary>Hint 1</summary><code>statistics.reachable(wins).all()</code> says whether arrows lead from everybody to everybody. What does <code>statistics.reachable(wins + wins.T)</code> say?</details>
# <details><summary>Hint 2</summary>The classical iteration: with worth <code>exp(a)</code>, the new worth of i is its wins divided by the sum over j of games[i, j] / (worth[i] + worth[j]). Take logarithms and centre. Repeat.</details>
# <details><summary>Hint 3</summary>Or minimise minus the log-likelihood with <code>torch.optim.LBFGS(..., line_search_fn="strong_wolfe")</code> in float64. Divide it by the number of games: a fixed step that suits ten games is far too long for ten thousand. Whatever you do, bound the number of iterations.</details>
# <details><summary>Solution idea</summary>First the two tests with <code>reachable</code>, on games and then on wins. Then start from zeros, and apply the classical iteration until nothing moves by more than 1e-10. If it still moves after very many rounds, say so with an error: values that have not converged look like any others.</details>


# %% nbgrader={"grade_id": "bt_mle", "solution": true}
def bt_mle(wins):
    """Maximum-likelihood abilities of the Bradley-Terry model.

    Args:
        wins: (K, K) tensor, [i, j] counts how often i beat j; 0 on the diagonal.

    Returns:
        (K,) floating-point tensor with mean zero.

    Raises:
        ValueError: there is no finite estimate; the message says why.
    """
    ### BEGIN SOLUTION
    wins = wins.double()
    games = wins + wins.T
    if not statistics.reachable(games).all():
        raise ValueError(
            "the players are not connected: some never met, not even through others"
        )
    if not statistics.reachable(wins).all():
        raise ValueError("there is a group that never loses to the rest")
    abilities = torch.zeros(len(wins), dtype=torch.float64, device=wins.device)
    for _ in range(100_000):
        worth = abilities.exp()
        worth = wins.sum(dim=1) / (games / (worth.unsqueeze(1) + worth)).sum(dim=1)
        before, abilities = abilities, worth.log() - worth.log().mean()
        if (abilities - before).abs().max() < 1e-10:
            return abilities
    raise RuntimeError(
        "after 100,000 rounds the abilities still move: they are not the estimate"
    )
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_bt_mle", "grade": true, "locked": true, "points": 3}
check.bt_mle(bt_mle)

# %% [markdown]
# **What you just showed.** One number per player explains a whole table, and whether those numbers are finite depends on who beat whom
# only. From here on the notebook uses the package's own versions of your exercises.

# %% [markdown]
# ## 5. Three ways up the hill
#
# *Time to here: 50 minutes.*
#
# The log-likelihood is concave: one hill, one top, and every way up ends there. But not every way is equally quick.
# - **Gradient ascent** moves each ability by a step size times (wins minus promised wins). The step size is ours to get right.
# - **The classical iteration** of hint 2 has no step size. Each round can only go up (Hunter, 2004).
# - **Newton's method** divides by the curvature, which section 6 is about.
#
# **Predict, then run.** Gradient ascent with a step of 0.02 does well here. What will a step of 0.1 do?
#
# Choices: **1** it arrives sooner; **2** it arrives later; **3** it never arrives.

# %% tags=["experiment"]
predict("step_size", ...)  # in place of the dots: 1, 2 or 3


# %% tags=["experiment"]
def climb(step_from, steps=30):
    """Log-likelihood that is missing to the maximum, after each step from zero."""
    a, gaps = torch.zeros(7, dtype=torch.float64), []
    for _ in range(steps + 1):
        gaps.append(
            (
                statistics.bt_log_likelihood(wins, abilities)
                - statistics.bt_log_likelihood(wins, a)
            )
            .clamp(min=1e-13)
            .item()
        )
        a = a + step_from(a)
    return gaps


def surplus(a):
    """Wins minus promised wins: the slope of the log-likelihood."""
    return wins.sum(dim=1) - ((wins + wins.T) * torch.sigmoid(a.unsqueeze(1) - a)).sum(
        dim=1
    )


gaps = {
    "gradient, step 0.1": climb(lambda a: 0.1 * surplus(a)),
    "gradient, step 0.02": climb(lambda a: 0.02 * surplus(a)),
    "classical iteration": (
        statistics.bt_log_likelihood(wins, abilities)
        - statistics.bt_log_likelihood(wins, statistics.bt_mm_path(wins, 30))
    ).clamp(min=1e-13),
    "Newton": climb(
        lambda a: torch.linalg.pinv(statistics.bt_information(wins, a)) @ surplus(a)
    ),
}
shown.ways_up(gaps)
for name, gap in gaps.items():
    print(f"{name:20} missing after 5 iterations {gap[5]:.1e}, after 30 {gap[30]:.1e}")
predict.compare("step_size")

# %% [markdown]
# <details><summary>What came out</summary>
#
# With a step of 0.1 it jumps from one side of the top to the other, for ever. In the training of a network the same thing is called a learning
# rate that is too high. Newton needs a handful of steps, and a matrix inverse in each.
#
# </details>
#
# **Against the textbook.** Agresti prints the estimates with Baltimore at 0.

# %% tags=["experiment"]
published = [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0]
print(f"{'':12}centred  Baltimore = 0  published")
for team, ability, value in zip(teams, abilities, published, strict=True):
    print(f"{team:12}{ability:+7.2f}{ability - abilities[-1]:15.2f}{value:11.2f}")

# %% [markdown]
# ## 6. How sure are we?
#
# *Time to here: 60 minutes.*
#
# **Intuition.** Near the top the hill is round. A sharp top leaves little room: move the abilities a bit, and the data become much less likely.
# On a flat top many abilities explain the data nearly as well. So **the curvature at the top is the information, and
# its inverse is the variance.**
#
# **The matrix.** Differentiate the log-likelihood twice and change the sign. With $p_{ij} = \sigma(a_i - a_j)$:
#
# $$I_{ij} = -\,n_{ij}\, p_{ij} (1 - p_{ij}) \quad (i \ne j), \qquad I_{ii} = \sum_{j \ne i} n_{ij}\, p_{ij} (1 - p_{ij}).$$
#
# A game between equals ($p = 0.5$) tells most: $p(1-p) = 0.25$. A game whose winner was clear beforehand tells almost nothing.
#
# **The catch.** Each row sums to zero, so $I$ has no inverse. That is section 3 again: along a shift of all abilities the hill is level. The
# **pseudo-inverse** leaves that direction out, and gives exactly the covariance of *centred* abilities,
# $C = I^{+}$. The standard errors are $\sqrt{C_{ii}}$.
#
# **By hand.** Two players, 3 wins to 1: $n p (1-p) = 4 \cdot 0.75 \cdot 0.25 = 0.75$, so $I = 0.75 \begin{pmatrix} 1 & -1 \\ -1 & 1 \end{pmatrix}$. Its pseudo-inverse
# is $I^+ = \frac{1}{3} \begin{pmatrix} 1 & -1 \\ -1 & 1 \end{pmatrix}$ (multiply out: $I I^+ I = I$). The standard error of each ability
# is $\sqrt{1/3} = 0.577$.

# %% [markdown]
# ### TODO 2: standard errors
#
# | | |
# |:---|:---|
# | Purpose | the other half of every estimate |
# | Difficulty, importance | medium, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `bt_standard_errors(wins, abilities) -> (K,) Tensor`
#
# `wins` is as in TODO 1. `abilities` is a `(K,)` tensor, float32 or float64. Return the standard errors of the **centred**
# abilities, right to one part in a thousand, as a floating-point tensor of shape `(K,)` or a list of K numbers. Evaluate the matrix at the
# abilities that are given: they need not be centred (they may all lie near 1,000, or near -1,000), and need not be the estimate that belongs to the
# table. You may rely on one thing: the players are connected by games. Somebody may never have lost; some pairs may have played once and others
# a million times.
#
# **By hand.** `[[0, 3], [1, 0]]` with abilities `[0.5493, -0.5493]` gives `[0.5774, 0.5774]`.
#
# <details><summary>Hint 1</summary><code>abilities.unsqueeze(1) - abilities</code> holds all differences, row minus column.</details>
# <details><summary>Hint 2</summary>Let <code>weight = games * p * (1 - p)</code>. The matrix is <code>torch.diag(weight.sum(dim=1)) - weight</code>.</details>
# <details><summary>Hint 3</summary><code>torch.linalg.pinv</code> is the pseudo-inverse. Work in float64: it has to tell the eigenvalue that is 0 from those that are small.</details>
# <details><summary>Solution idea</summary>Build the matrix, take the pseudo-inverse, then the square root of its diagonal.</details>


# %% nbgrader={"grade_id": "bt_standard_errors", "solution": true}
def bt_standard_errors(wins, abilities):
    """Standard errors of centred Bradley-Terry abilities.

    Args:
        wins: (K, K) tensor, [i, j] counts how often i beat j; 0 on the diagonal.
        abilities: (K,) floating-point tensor, where to evaluate the curvature.

    Returns:
        (K,) floating-point tensor.
    """
    ### BEGIN SOLUTION
    a = abilities.double()
    chance = torch.sigmoid(a.unsqueeze(1) - a)
    weight = (wins + wins.T) * chance * (1 - chance)
    information = torch.diag(weight.sum(dim=1)) - weight
    return torch.linalg.pinv(information).diagonal().sqrt()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_bt_standard_errors", "grade": true, "locked": true, "points": 2}
check.bt_standard_errors(bt_standard_errors)

# %% [markdown]
# **What you just showed.** The curvature of the loss at its minimum says how far the estimate can be trusted. Nothing had to be measured twice.

# %% [markdown]
# **Predict, then run.** 273 games, and the teams are up to 1.6 log-odds apart. There are 21 pairs of teams. For how many of them does the difference
# exceed 1.96 standard errors, the usual mark for "not just luck"?

# %% tags=["experiment"]
predict("pairs_apart", ...)  # in place of the dots: a number from 0 to 21

# %% tags=["experiment"]


def pair_errors(wins, abilities):
    """Standard errors of all differences of two abilities, (K, K)."""
    covariance = statistics.bt_covariance(wins, abilities)
    variances = covariance.diagonal()
    return (variances.unsqueeze(1) + variances - 2 * covariance).clamp(min=0).sqrt()


def pairs_told_apart(differences, errors):
    """How many pairs differ by more than 1.96 standard errors."""
    return (torch.triu(differences.abs() > 1.96 * errors, diagonal=1)).sum().item()


errors = statistics.bt_standard_errors(wins, abilities)
differences = abilities.unsqueeze(1) - abilities
against_last = pair_errors(wins, abilities)[-1]
apart = pairs_told_apart(differences, pair_errors(wins, abilities))
shown.intervals(teams, abilities, errors, against_last, apart)
print(f"{'':12}ability  standard error  with Baltimore at 0")
for team, ability, error, other in zip(
    teams, abilities, errors, against_last, strict=True
):
    print(f"{team:12}{ability:+7.2f}{error:16.3f}{other:21.3f}")
print(f"pairs told apart: {apart} of 21")
predict.compare("pairs_apart", apart)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The figure of this lesson.** Milwaukee is first in the table, and can't be told apart from the four teams below it. Most pairs can't be. The last
# place is clearer: Baltimore differs from every other team, though from Cleveland only just. (And these are 21 questions. Among equal teams, one in twenty would seem to differ by luck.)
#
# Left and right show **one** fit. On the right all uncertainty is relative to Baltimore, so Baltimore itself seems to have none. The intervals
# of single abilities depend on what we call zero; differences do not. So do not ask whether two intervals overlap. Ask for the
# standard error of the difference, from the whole covariance matrix: $C_{ii} + C_{jj} - 2 C_{ij}$.
#
# </details>
#
# **Is the first one the best?** Suppose that the abilities were exactly as estimated, and play the season 2,000 times again.
# How often will Milwaukee, then truly the best, have the most wins?

# %% tags=["experiment"]
generator = torch.Generator().manual_seed(SEED)
seasons = statistics.simulate_wins(
    (wins + wins.T).expand(2000, 7, 7), abilities, generator
)
totals = seasons.sum(dim=2)  # (2000, 7)
first = (totals == totals.amax(dim=1, keepdim=True)).double()
share = (first / first.sum(dim=1, keepdim=True)).mean(
    dim=0
)  # a shared first place counts in parts
print(
    "first place in",
    ", ".join(
        f"{s:.0%} {team}" for team, s in zip(teams, share, strict=True) if s > 0.005
    ),
)

# %% [markdown]
# In not much more than half of the seasons. A leaderboard that prints ranks without uncertainty shows one of these seasons.
#
# ### From a log to a leaderboard
#
# Now you build the whole thing, from your own parts. Leaderboards of chat models start with a log: who was compared with whom, and who won. At the end stands a
# list, best player first, in which each ability has its standard error. The log may be any that you like: the season, or your own table tennis club.

# %% [markdown]
# ### TODO 3: a leaderboard
#
# | | |
# |:---|:---|
# | Purpose | the whole way, from the log to numbers that say how sure they are |
# | Difficulty, importance | medium, very high |
# | Time | 20 minutes |
# | Points | 2 |
#
# `leaderboard(games) -> list of (name, ability, standard error)`
#
# `games` is a list with a tuple of three strings per game: `(first, second, result)`. `first` and `second` are the names of two players, and `result` is `"first"`,
# `"second"` or `"tie"`. A tie is **half a win for both**. The same line may come several times: each is a game of its own.
#
# Return one row for each player who is named in the log, first or second: name, centred maximum-likelihood ability, and the standard error of that. The best player comes first, and no
# two are equally good. A row is a tuple or a list; its numbers are Python floats or 0-dim tensors, right to 0.001. If there is no finite estimate, raise a `ValueError`; any wording will do. Leave `games`
# as it is. Call your own `bt_mle` and `bt_standard_errors`, or `statistics.bt_mle` and `statistics.bt_standard_errors`.
#
# **By hand.** `[("Ben", "Ada", "second"), ("Ada", "Ben", "first"), ("Ben", "Ada", "tie")]` has 2.5 wins of Ada and 0.5 of Ben. The odds are 5 to 1, so the abilities
# are $\pm \frac{1}{2} \ln 5 = \pm 0.8047$. The information of a game is $\frac{5}{6} \cdot \frac{1}{6}$; of three it is $0.4167$, and the standard error is $\sqrt{1 / (4 \cdot 0.4167)} = 0.7746$.
# The answer is `[("Ada", 0.8047, 0.7746), ("Ben", -0.8047, 0.7746)]`.
#
# <details><summary>Hint 1</summary>Give each name a number: <code>number = {name: place for place, name in enumerate(names)}</code>. A set of all names, sorted, will do for <code>names</code>.</details>
# <details><summary>Hint 2</summary>For each line, <code>wins[i, j] += 1</code> with the winner's number first. A tie adds 0.5 to <code>wins[i, j]</code> and to <code>wins[j, i]</code>.</details>
# <details><summary>Hint 3</summary><code>zip(names, abilities.tolist(), errors.tolist())</code> are the rows. <code>sorted(rows, key=lambda row: row[1], reverse=True)</code> keeps each row together.</details>
# <details><summary>Solution idea</summary>Names to numbers, lines to a table in float64, abilities from the table, errors from both, rows, sort.</details>

# %% nbgrader={"grade_id": "leaderboard", "solution": true}
def leaderboard(games):
    """Abilities with their standard errors, best player first.

    Args:
        games: list of (first player, second player, "first", "second" or "tie").

    Returns:
        A list of rows (name, ability, standard error).

    Raises:
        ValueError: there is no finite estimate.
    """
    ### BEGIN SOLUTION
    names = sorted({name for first, second, _ in games for name in (first, second)})
    number = {name: place for place, name in enumerate(names)}
    wins = torch.zeros(len(names), len(names), dtype=torch.float64)
    for first, second, result in games:
        i, j = number[first], number[second]
        of_first = {"first": 1.0, "tie": 0.5, "second": 0.0}[result]
        wins[i, j] += of_first
        wins[j, i] += 1 - of_first
    abilities = statistics.bt_mle(wins)
    errors = statistics.bt_standard_errors(wins, abilities)
    rows = zip(names, abilities.tolist(), errors.tolist(), strict=True)
    return sorted(rows, key=lambda row: row[1], reverse=True)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_leaderboard", "grade": true, "locked": true, "points": 2}
check.leaderboard(leaderboard)

# %% [markdown]
# **What you just showed.** Thirty lines are a leaderboard that says how sure it is. Here it is on a log of your choice. Blue is the package's, orange is *yours*, if it is there.

# %% tags=["experiment"]
my_log = None  # or your own: [("Ann", "Ben", "first"), ("Ben", "Cleo", "tie"), ...]

log = my_log or experiments.season_as_games(season)
packages = experiments.attempt(partial(experiments.leaderboard, log), "the package's")
mine = experiments.attempt(
    lambda: experiments.as_rows(leaderboard(log)), "your leaderboard"
)
shown.leaderboards({"the package's": packages, "yours": mine}, len(log))

# %% [markdown]
# ## 7. Can we trust the standard errors?
#
# *Time to here: 110 minutes.*
#
# An interval of 1.96 standard errors to either side promises to hold the truth in 95 % of cases. The promise rests on an approximation for many
# games. Here we can test it, because in a simulation the truth is known: take the abilities as true, play seasons, fit each one, and count how often
# the interval holds the true value.
#
# ### A program that agrees with the textbook
#
# Before that, a colleague's program for the same season. Each team keeps a log of the games that it played. A line says the number of the game, the team that keeps the log, its opponent, and whether
# the team won. She puts the seven logs together, and gives them to this:

# %%
Code(inspect.getsource(experiments.colleagues_report), language="python")

# %% tags=["experiment"]
logs = experiments.team_logs(season)
hers = experiments.colleagues_report(logs, teams=7)
shown.against_the_textbook(hers.abilities - hers.abilities[-1], published)
for line in logs[:3]:
    print(line)
off = (hers.abilities - abilities).abs().max()
print(f"largest difference between the two fits: {off:.6f}")

# %% [markdown]
# Her abilities are the printed ones. "So the program is right", she says. It is not.
#
# **Predict, then run.** What is wrong?
#
# Choices: **1** rows and columns of the table are swapped; **2** each game is counted twice; **3** the covariance is left out of the errors of differences; **4** the abilities should be centred before the covariance is computed.

# %% tags=["experiment"]
predict("bug", ...)  # in place of the dots: 1, 2, 3 or 4

# %% tags=["experiment"]
print(f"games in her table: {hers.wins.sum():.0f}, played: {wins.sum()}")
print(f"standard error of Milwaukee: {hers.errors[0]:.3f}, in place of {errors[0]:.3f}")
her_pairs = pairs_told_apart(differences, hers.errors_of_differences)
print(f"pairs told apart: {her_pairs}, in place of {apart}")
predict.compare("bug")

# %% [markdown]
# <details><summary>1: rows and columns swapped?</summary>No. The winner's row gets the win in both branches. Swapped, the best team would come out last.</details>
# <details><summary>3: no covariance in the errors of differences?</summary>No. <code>- 2 * covariance</code> is there.</details>
# <details><summary>4: not centred?</summary>No. <code>bt_mle</code> centres, and the covariance depends on differences only.</details>
# <details><summary>2: counted twice?</summary>Yes. A game stands in the winner's log and in the loser's. The estimate is the top of the hill, and doubling every count doubles the hill: the top stays where it was. But the hill
# is now twice as sharp. The program believes in twice as many games, so every standard error is too small by a factor of
# the square root of 2, and differences that are luck look real. In preference data the same happens when pairs are mirrored, copied, or judged by one person
# twice, and counted as new.</details>

# %% [markdown]
# ### TODO 4: mend the count
#
# | | |
# |:---|:---|
# | Purpose | as many games as were played, not as many as were noted |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `count_games(logs, teams) -> (K, K) Tensor`
#
# The first part of her program, mended. `logs` is a list of tuples `(game, team, opponent, won)`: the number of the game, the numbers of the team that keeps the log and of its opponent, from 0 to K - 1, and
# a bool. `teams` is K. Return the table of wins, with **each game once**, as a tensor of shape `(K, K)` of any type, or as a list of lists.
# - Lines come in any order. A game has one number, and stands in one log or in both: teams lose pages. Where it stands in both, the two lines agree on who won.
# - Two teams may meet often. Some never meet, and a team without a game has its row and column all the same. `logs` may be empty. Leave it as it is.
#
# **By hand.** `[(1, 0, 1, True), (1, 1, 0, False), (2, 0, 1, True), (2, 1, 0, False), (3, 1, 0, True)]` are three games of two teams: team 0 won two, team 1 won one. The table is `[[0, 2], [1, 0]]`.
#
# <details><summary>Hint 1</summary>Halving what she counted is right for the season, and wrong for game 3.</details>
# <details><summary>Hint 2</summary>Keep the numbers of the games that were counted in a <code>set</code>.</details>
# <details><summary>Hint 3</summary><code>if game in counted: continue</code>, and else <code>counted.add(game)</code>.</details>
# <details><summary>Solution idea</summary>Her loop, in which a game that was counted before is passed over.</details>

# %% nbgrader={"grade_id": "count_games", "solution": true}
def count_games(logs, teams):
    """A table of wins from the logs of all teams, each game counted once.

    Args:
        logs: list of (number of the game, team, opponent, whether the team won).
        teams: K, how many teams there are.

    Returns:
        (K, K) tensor: [i, j] counts how often i beat j.
    """
    ### BEGIN SOLUTION
    wins = torch.zeros(teams, teams, dtype=torch.float64)
    counted = set()
    for game, team, opponent, won in logs:
        if game in counted:
            continue
        counted.add(game)
        if won:
            wins[team, opponent] += 1
        else:
            wins[opponent, team] += 1
    return wins
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_count_games", "grade": true, "locked": true, "points": 2}
check.count_games(count_games)

# %% tags=["experiment"]
mended = experiments.attempt(
    lambda: torch.as_tensor(count_games(logs, 7)).double(), "your count_games"
)
if mended is not None:
    mine = pairs_told_apart(differences, pair_errors(mended, abilities))
    print(f"with your count: {mended.sum():.0f} games, {mine} pairs told apart")

# %% [markdown]
# ### The promise, tested
#
# Now the simulation. 1,000 seasons, in ten groups by seed; each season is fitted once as it is, once with every game counted twice. With standard errors too small by
# $\sqrt 2$, theory says that the intervals hold the truth in $P(|Z| < 1.96 / \sqrt 2) = 83.4\,\%$ of cases.


# %% tags=["experiment"]
def coverage(seed, times, seasons=100):
    """Share of 95 % intervals that hold the truth, every game counted `times` times."""
    generator = torch.Generator().manual_seed(seed)
    held = []
    for season in statistics.simulate_wins(
        (wins + wins.T).expand(seasons, 7, 7), abilities, generator
    ):
        estimate = statistics.bt_mle(times * season)
        held.append(
            (estimate - abilities).abs()
            < 1.96 * statistics.bt_standard_errors(times * season, estimate)
        )
    return torch.stack(held).double().mean().item()


covered = {"games counted once": [], "games counted twice": []}
for seed in range(10):
    once, twice = coverage(seed, times=1), coverage(seed, times=2)
    covered["games counted once"].append(once)
    covered["games counted twice"].append(twice)
    print(f"seed {seed}: share of intervals that hold the truth, ", end="")
    print(f"games counted once {once:.3f}, twice {twice:.3f}")
rl.plots.show(
    rl.plots.plot_seeds(
        covered,
        limits={"theory, counted twice": 0.8342, "promised": 0.95},
        title="The abilities are the same; only one of the two keeps its promise",
        xlabel="share of 95 % intervals that hold the truth",
    ),
    alt="Coverage, mean of ten seeds: "
    + "; ".join(f"{name} {np.mean(shares):.2f}" for name, shares in covered.items())
    + ". Promised are 95 %, and theory says 83.4 % where games are counted twice.",
)
for name, shares in covered.items():
    print(
        f"{name}: coverage {np.mean(shares):.3f}, "
        f"seeds from {min(shares):.3f} to {max(shares):.3f}"
    )

# %% [markdown]
# With every game counted once, 95 % is 95 %: thirteen games a pair are enough for the approximation. Counted twice, it falls to about 0.82, close to the 0.834 of theory.
#
# No check of the estimates could have found this. **Count what is independent, once.**

# %% [markdown]
# ## 8. Home advantage
#
# *Time to here: 130 minutes.*
#
# A team plays better at home. And people who compare two answers lean towards the one that is shown first; so do language
# models that act as judges (Zheng et al., 2023). Both are an **order effect**: a bonus for a place, not for a player.
#
# One more number takes care of it. When $i$ is at home against $j$,
#
# $$P(i \text{ wins}) = \sigma(\alpha + a_i - a_j).$$
#
# $\alpha$ is the log-odds of a home win between equals. $\alpha = 0$ means no advantage; below 0, it is better to be away.
#
# **By hand.** Two teams. At team 0's ground it was 3 to 1 for team 0, at team 1's ground 1 to 1. The observed log-odds of the home side are
# $\ln 3 = \alpha + a_0 - a_1$ and $\ln 1 = \alpha + a_1 - a_0$. Half of the sum: $\alpha = 0.5493$. Half of the difference: $a_0 - a_1 = 0.5493$. Centred: $a = (0.2747, -0.2747)$.

# %% [markdown]
# ### TODO 5: abilities and the order effect
#
# | | |
# |:---|:---|
# | Purpose | separate what a place gives from what a player is |
# | Difficulty, importance | medium, high |
# | Time | 20 minutes |
# | Points | 3 |
#
# `bt_order_effect(home_wins, away_wins) -> (abilities, alpha)`
#
# Both tables are `(K, K)`, with types as in TODO 1 and a diagonal of 0. In both, row $i$ holds wins **of** team $i$:
# - `home_wins[i, j]`: wins of `i` over `j` **at i's ground**;
# - `away_wins[i, j]`: wins of `i` over `j` **at j's ground**.
#
# So `home_wins[i, j] + away_wins[j, i]` games were played at i's ground. The calendar may be uneven: a pair may have met at one ground only, and either
# table by itself may leave somebody without a win. Counts may be fractions, and may go into the ten thousands. Return a tuple (a list or a namedtuple will do): the maximum-likelihood abilities, centred, as in TODO 1, and
# `alpha` as a number (a Python float or a 0-dim tensor), all right to 0.001.
#
# If no finite estimate exists, raise a `ValueError` with a message; any wording will do. Two cases are asked for, and two tests find them:
# - the graph of all wins, at home or away, is not strongly connected;
# - the side at home won every game, or the visitors did. (There are a few rarer cases, in which abilities and $\alpha$ run away together. The package finds these as well.)
#
# **By hand.** `home_wins = [[0, 3], [1, 0]]` and `away_wins = [[0, 1], [1, 0]]` are the two teams above: `([0.2747, -0.2747], 0.5493)`.
#
# <details><summary>Hint 1</summary>Each entry of <code>home_wins</code> adds log sigmoid(alpha + a_i - a_j). What does an entry of <code>away_wins</code> add? There, i is the visitor.</details>
# <details><summary>Hint 2</summary>When the visitor i beats j, the margin of the winner is a_i - a_j - alpha.</details>
# <details><summary>Hint 3</summary>Put abilities and alpha into one float64 tensor of K + 1 parameters that requires gradients, and minimise the loss per game with <code>torch.optim.LBFGS([parameters], max_iter=500, line_search_fn="strong_wolfe")</code>. Centre the abilities at the end.</details>
# <details><summary>Solution idea</summary>Two tests first. Then the loss is minus the sum of both tables times logsigmoid of the margins, <code>difference + alpha</code> for home wins and <code>difference - alpha</code> for away wins.</details>


# %% nbgrader={"grade_id": "bt_order_effect", "solution": true}
def bt_order_effect(home_wins, away_wins):
    """Maximum-likelihood abilities, and the log-odds advantage of being at home.

    Args:
        home_wins: (K, K) tensor, [i, j] counts wins of i over j at i's ground.
        away_wins: (K, K) tensor, [i, j] counts wins of i over j at j's ground.

    Returns:
        abilities: (K,) floating-point tensor with mean zero.
        alpha: a number.

    Raises:
        ValueError: there is no finite estimate.
    """
    ### BEGIN SOLUTION
    home_wins, away_wins = home_wins.double(), away_wins.double()
    if not statistics.reachable(home_wins + away_wins).all():
        raise ValueError("the graph of wins is not strongly connected")
    if not home_wins.any() or not away_wins.any():
        raise ValueError("the same side won every game")
    games = home_wins.sum() + away_wins.sum()
    parameters = torch.zeros(
        len(home_wins) + 1,
        dtype=torch.float64,
        device=home_wins.device,
        requires_grad=True,
    )
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        a, alpha = parameters[:-1], parameters[-1]
        difference = a.unsqueeze(1) - a
        value = (
            -(
                home_wins * F.logsigmoid(difference + alpha)
                + away_wins * F.logsigmoid(difference - alpha)
            ).sum()
            / games
        )
        value.backward()
        return value

    optimizer.step(loss)
    found = parameters.detach()
    return found[:-1] - found[:-1].mean(), found[-1].item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_bt_order_effect", "grade": true, "locked": true, "points": 3}
check.bt_order_effect(bt_order_effect)

# %% [markdown]
# **What you just showed.** A bias that has a name can be measured and taken out. It costs one parameter.
#
# Does the model fit better for it? The **deviance** says how far a fit is from the observed results: twice the log-likelihood that is lost against a model with a free
# probability for each pair and ground. If the smaller model is right, one more parameter lowers it by about 1; by more than 3.84 in 5 % of cases.
#
# **Predict, then run.** How much is it worth to be at home, as the chance of winning against a team of equal strength?

# %% tags=["experiment"]
predict("at_home", ...)  # in place of the dots: a probability, for example 0.6

# %% tags=["experiment"]
at_home, away = season.home_wins, season.away_wins
with_effect, alpha = statistics.bt_order_effect(at_home, away)
_, alpha_error = statistics.bt_order_standard_errors(at_home, away, with_effect, alpha)
without, with_ = (
    statistics.bt_deviance(at_home, away, abilities),
    statistics.bt_deviance(at_home, away, with_effect, alpha),
)
print(
    f"home advantage {alpha:.3f}, standard error {alpha_error:.3f} "
    "(published: 0.302, 0.131)"
)
print(
    f"chance of the home side between equals: {torch.sigmoid(torch.tensor(alpha)):.3f}"
)
print(
    f"deviance without home advantage {without:.3f} (published: 44.053), "
    f"with it {with_:.3f}: lower by {without - with_:.2f}"
)
print(f"largest change of an ability: {(with_effect - abilities).abs().max():.3f}")
predict.compare("at_home", torch.sigmoid(torch.tensor(alpha)))

# %% [markdown]
# <details><summary>What came out</summary>
#
# Being at home is worth about 0.30, or 57.5 % in place of 50 %: more than two standard errors above 0. It matches the printed value.
#
# The abilities hardly move. In this calendar every team is at home about as often as away, so the bonus cancels. Preference data are only
# like that if somebody made sure: **shuffle which answer is shown first**. Otherwise the bonus of the place ends up in the abilities.
#
# </details>

# %% [markdown]
# ## 9. From pairs to rankings
#
# *Time to here: 155 minutes.*
#
# Labelers often put more than two answers in order: InstructGPT's ranked four to nine at a time (Ouyang et al., 2022). The **Plackett-Luce model** reads a
# ranking as a series of choices. The best is chosen among all, the second among those that are left, and so on:
#
# $$P(\text{ranking}) = \prod_{t=1}^{K} \frac{e^{s_{(t)}}}{\sum_{u \ge t} e^{s_{(u)}}},$$
#
# where $s_{(t)}$ is the score of the item at place $t$. With two items this is Bradley-Terry.
#
# **By hand.** Scores 2, 1, 0 in this order: $\frac{e^2}{e^2 + e + 1} \cdot \frac{e}{e + 1} \cdot 1 = 0.6652 \cdot 0.7311 = 0.4863$. The loss is $-\ln 0.4863 = 0.7209$.

# %% [markdown]
# ### TODO 6: the loss of a ranking
#
# | | |
# |:---|:---|
# | Purpose | train on whole rankings |
# | Difficulty, importance | medium, medium |
# | Time | 15 minutes |
# | Points | 2 |
#
# `plackett_luce_nll(scores, ranking) -> scalar Tensor`
#
# `scores` is a `(K,)` tensor, float32 or float64, K of 1 or more: one score per item. `ranking` is a `(K,)` int64 tensor that holds the **item numbers, best first**:
# `ranking[0]` is the number of the best item. Every item is in it once, and there are no ties. Return minus the logarithm of the probability, the **sum** over places, as a 0-dim tensor
# through which gradients flow to `scores`. It must be right for scores from -1,000 to 1,000; the precision of float32 is enough. With one item there is nothing to choose: the loss is 0, and a constant
# will do there.
#
# **By hand.** Scores `[2.0, 1.0, 0.0]`: ranking `[0, 1, 2]` gives 0.7209, ranking `[2, 1, 0]` gives 3.7209.
#
# <details><summary>Hint 1</summary><code>scores[ranking]</code> are the scores, best item first.</details>
# <details><summary>Hint 2</summary>The loss at place t is <code>torch.logsumexp(ordered[t:], dim=0) - ordered[t]</code>.</details>
# <details><summary>Hint 3</summary>A loop over places is fine. Without a loop: <code>torch.logcumsumexp</code> on the flipped scores.</details>
# <details><summary>Solution idea</summary>Order the scores, subtract each from the logsumexp of those from its place on, and sum.</details>


# %% nbgrader={"grade_id": "plackett_luce_nll", "solution": true}
def plackett_luce_nll(scores, ranking):
    """Negative log-likelihood of one ranking under the Plackett-Luce model.

    Args:
        scores: (K,) floating-point tensor, one score per item.
        ranking: (K,) int64 tensor, item numbers, best first.

    Returns:
        A 0-dim tensor: the sum over places.
    """
    ### BEGIN SOLUTION
    ordered = scores[ranking]
    remaining = ordered.flip(0).logcumsumexp(dim=0).flip(0)
    return (remaining - ordered).sum()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_plackett_luce_nll", "grade": true, "locked": true, "points": 2}
check.plackett_luce_nll(plackett_luce_nll)

# %% [markdown]
# **What you just showed.** A ranking of K items is K - 1 choices.
#
# It also *contains* K(K-1)/2 pairs: ten pairs for five items. Many programs take the pairs and use the Bradley-Terry loss, as InstructGPT did. The pairs of one ranking are not
# independent: if A is before B and B before C, then A is before C, and nobody was asked.
#
# **Predict, then run.** We draw rankings of five items with known scores, and fit them both ways. Which will suffer from using the pairs: the estimates, the standard errors, or both?
#
# Choices: **1** the estimates; **2** the standard errors; **3** both.

# %% tags=["experiment"]
predict("pairs_of_rankings", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
true_scores = torch.tensor([1.0, 0.5, 0.0, -0.5, -1.0], dtype=torch.float64)


def fit_as_pairs(rankings):
    """Bradley-Terry on all pairs, as if each were a comparison of its own."""
    table = statistics.pairs_of_rankings(rankings)
    scores = statistics.bt_mle(table)
    return scores, statistics.bt_standard_errors(table, scores)


held, estimates, claimed = {}, {}, {}
for name, fit in (
    ("choices (Plackett-Luce)", statistics.plackett_luce_mle),
    ("all pairs (Bradley-Terry)", fit_as_pairs),
):
    held[name], estimates[name], claimed[name] = [], [], []
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        fits = [
            fit(statistics.draw_rankings(true_scores, 60, generator)) for _ in range(50)
        ]
        scores, errors_claimed = (
            torch.stack(part) for part in zip(*fits, strict=True)
        )  # (50, 5) each
        estimates[name].append(scores)
        claimed[name].append(errors_claimed.mean())
        held[name].append(
            ((scores - true_scores).abs() < 1.96 * errors_claimed)
            .double()
            .mean()
            .item()
        )
    scores = torch.cat(estimates[name])
    print(
        f"{name:26} mean estimates",
        " ".join(f"{s:+.2f}" for s in scores.mean(dim=0)),
        "(true: +1.00 +0.50 +0.00 -0.50 -1.00)",
    )
    print(
        f"{'':26} real spread {scores.std(dim=0).mean():.3f}, "
        f"standard error claimed {np.mean(claimed[name]):.3f}, ",
        end="",
    )
    print(
        f"coverage {np.mean(held[name]):.3f}, "
        f"seeds from {min(held[name]):.3f} to {max(held[name]):.3f}"
    )

shown.coverage_of_rankings(held)
predict.compare("pairs_of_rankings")

# %% [markdown]
# <details><summary>What came out</summary>
#
# Both find the scores. Taking pairs costs a little precision, and breaks the standard errors: ten pairs were counted where four choices were made. It is the bug of section 7 again, in a form that
# is common in practice.
#
# </details>

# %% [markdown]
# ## 10. A reward model is `bt_mle` with a network in place of the table
#
# *Time to here: 175 minutes.*
#
# Take the 273 games as preference pairs: the winner is `preferred`, the loser `rejected`. Now let a model give each team a reward, and minimise the loss
# of lesson 1, with three models:
# - the **table**: `bt_mle`, seven free numbers;
# - an **embedding** of seven numbers, trained with `bradley_terry_loss` and Adam;
# - the whole **reward model** of lesson 1, with encoder and head. A team's name is a text of one token.
#
# **Predict, then run.** Will the three agree? The network has 489 parameters for seven teams.
#
# Choices: **1** all three agree, once they are centred; **2** the network differs from the other two; **3** all
# three differ.

# %% tags=["experiment"]
predict("three_models", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
pairs = torch.repeat_interleave(
    wins.nonzero(), wins[wins > 0], dim=0
)  # (273, 2): winner and loser of each game
winners, losers = pairs.unsqueeze(2).unbind(dim=1)  # (273, 1) each: texts of one token
winners, losers = winners.to(device), losers.to(device)
every_team = torch.arange(7, device=device).unsqueeze(1)  # (7, 1)


class TableOfRewards(torch.nn.Module):
    """One free number per text: a reward model that is nothing but a table."""

    def __init__(self):
        super().__init__()
        self.rewards = torch.nn.Embedding(7, 1)

    def forward(self, token_ids):
        return self.rewards(token_ids[:, 0]).squeeze(1)  # (batch,)


def train(model, steps=500):
    """Full-batch Adam on the Bradley-Terry loss. Returns all teams' rewards."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        loss = rl.bradley_terry_loss(model(winners), model(losers))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model(every_team).detach().cpu().double()


torch.manual_seed(SEED)
models = {
    "embedding": TableOfRewards().to(device),
    "reward model": rl.RewardModel(vocab_size=7, embed_dim=8, hidden_dim=16).to(device),
}
rewards = {name: train(model) for name, model in models.items()}
print(f"{'':12}   bt_mle" + "".join(f"{name:>15}  centred" for name in rewards))
for i, team in enumerate(teams):
    print(
        f"{team:12}{abilities[i]:+9.4f}"
        + "".join(f"{r[i]:+15.4f}{r[i] - r.mean():+9.4f}" for r in rewards.values())
    )
for name, r in rewards.items():
    print(
        f"{name}: {sum(p.numel() for p in models[name].parameters())} parameters, ",
        end="",
    )
    off = (r - r.mean() - abilities).abs().max()
    print(f"largest difference from bt_mle, both centred: {off:.4f}")
predict.compare("three_models")

# %% [markdown]
# <details><summary>What came out</summary>
#
# They agree. The level of the rewards is arbitrary, as it has to be: the loss can't see it, so each model ended wherever its start and its steps took it. Centred, the rewards are the
# abilities. The 489 parameters do no harm here: on seven texts they can say no more than seven numbers can.
#
# So what does a network add? In preference data **hardly any text occurs twice**. Try the table on 20 pairs of 40 different texts:
#
# </details>

# %% tags=["experiment"]
once = torch.zeros(40, 40)
once[torch.arange(0, 40, 2), torch.arange(1, 40, 2)] = (
    1  # text 0 beats text 1, text 2 beats text 3, ...
)
try:
    statistics.bt_mle(once)
except ValueError as error:
    print(error)

# %% [markdown]
# A table must refuse. Nothing links one pair to another. A network shares its weights among all texts: what it learns from one pair moves the reward of every text that looks
# similar. **The network supplies the links that the graph lacks**, and what "similar" means is decided by its architecture, its start and its training. Lesson 1 showed how much depends on these.
#
# It also inherits the rest of this lesson:
# - rewards have no zero: compare differences, within one model only;
# - a network that can rank every training pair correctly is a player who never loses. There is no finite optimum, the loss goes to 0, and the *scale* of the rewards says how long it was
#   trained. That is why lesson 1's model grew so sure of itself;
# - pairs that are copies, or come from one ranking, are not independent;
# - the place in which an answer was shown is part of the data.

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 11. Reflection and next steps
#
# *Time to here: 185 minutes.*
#
# **What we built**
# - maximum likelihood for tables of wins, with a refusal where there is nothing to find;
# - standard errors from the curvature, tested against a known truth;
# - the order effect, the loss of a ranking, and the bridge from a table to a reward model.
#
# **What to remember**
# 1. Only differences of abilities mean anything. Centre before you compare.
# 2. Whether the estimate is finite depends on the graph of wins. Test it; iterations won't tell.
# 3. The curvature of the likelihood is the information. An ability without its standard error is half a result.
# 4. A doubled file has the right estimates and the wrong certainty.
# 5. A reward model is this estimate with shared weights in place of free numbers.
#
# **Five quick questions.** Answer before you open.
#
# 1. Two fits of the same games differ by 3.0 in every ability. Which one is right?
# <details><summary>Answer</summary>Both. Only differences count; the fits chose different zeros.</details>
#
# 2. A has beaten B and C, and lost to nobody. More iterations, a better estimate?
# <details><summary>Answer</summary>No. There is none: A's ability rises with every iteration. A must lose a game, or a prior must be added and named.</details>
#
# 3. Four times as many games between the same teams. What becomes of the standard errors?
# <details><summary>Answer</summary>They are halved: the information is four times as large, and the error is one over its root.</details>
#
# 4. Two 95 % intervals overlap. Are the two players equally good, for all we know?
# <details><summary>Answer</summary>Nobody can say from that. Ask for the standard error of the difference: C_ii + C_jj - 2 C_ij, from the whole covariance.</details>
#
# 5. A reward model trained on 20,000 pairs of 40,000 different texts gives finite rewards, though the graph of wins falls into 20,000 pieces. Why?
# <details><summary>Answer</summary>Its weights are shared: each pair moves the rewards of similar texts. The network supplies the links. (And training stops before the scale runs away.)</details>
#
# **Think about it.** Two questions, two points each, marked by hand. Two or three sentences each are enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_leaderboard", "locked": true}
# **Question 1.** A leaderboard of chat models reports abilities with 95 % intervals. Its organisers announce: "From today each vote also enters with the two sides exchanged, as a win of A over B *and* a
# loss of B against A, so we have twice the data." What happens to the abilities, and what to the intervals? What would really make the intervals shorter?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - the abilities stay as they are, and the intervals become too short by a factor of the square root of 2 (they then hold the truth in about 83 % of cases): a win of A over B *is* a loss of B against A, so
#   each vote is counted twice;
# - more independent votes, best between models that are close or have rarely met (p(1-p) is largest at 0.5).
#
# Accept "more votes" for the second point only if it is said that they must be new or independent.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_leaderboard", "grade": true, "solution": true, "points": 2}
# Each vote is now counted twice. The abilities do not change, but the intervals shrink by the square root of 2 without any new information, so
# they hold the truth less often than they say. Only new independent votes help, most of all between models of about equal strength.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_table", "locked": true}
# **Question 2.** Why can't we give each text in a preference file its own free reward, as `bt_mle` gives each team an ability? And what does a network do about it: what must be
# true of the texts for this to work?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - most texts occur in one pair only, so the graph is not connected (and the winner of each pair never loses): no finite estimate, and none at all for new texts;
# - a network shares weights, so that pairs inform each other through similar texts; it works if texts that look similar to the network also have similar worth (features carry over).
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_table", "grade": true, "solution": true, "points": 2}
# Almost every text is compared once. The graph of wins falls apart into pairs, so free rewards have no finite estimate, and say nothing on a new text. A network
# ties the rewards together through shared weights. That helps if texts which are alike for the network are alike in quality.

# %% [markdown]
# **Common mistakes**
# - reporting what the last iteration gave, for a table that has no finite estimate;
# - comparing abilities of two fits with different zeros;
# - inverting the diagonal of the information in place of the matrix, or inverting a singular matrix;
# - judging a difference by whether two intervals overlap;
# - counting one comparison twice, or all pairs of a ranking as independent.
#
# **Try next**
# - Cut the season to two games a pair. How often is there no finite estimate, and what is the coverage now?
# - Show the better answer first in 80 % of simulated pairs, with $\alpha = 0.5$. What happens to abilities that are fitted without $\alpha$?
# - Choose each next pair to play by its $p(1-p)$ and the uncertainty of its difference. How many games does that save?
#
# **References, and what each is cited for**
# - E. Zermelo, Die Berechnung der Turnier-Ergebnisse als ein Maximumproblem der Wahrscheinlichkeitsrechnung, Mathematische Zeitschrift 29 (1929): the model, the iteration.
# - R. A. Bradley and M. E. Terry, Rank analysis of incomplete block designs, Biometrika 39 (1952): the model of paired comparisons.
# - L. R. Ford, Solution of a ranking problem from binary comparisons, American Mathematical Monthly 64 (1957): when the estimate is finite.
# - D. R. Hunter, MM algorithms for generalized Bradley-Terry models, Annals of Statistics 32 (2004): why each round of the iteration goes up; rankings.
# - A. Agresti, Categorical Data Analysis, 2nd edition (2002): the baseball table and its estimates.
# - R. L. Plackett, The analysis of permutations, Applied Statistics 24 (1975); R. D. Luce, Individual Choice Behavior (1959): the model of rankings.
# - L. Ouyang et al., Training language models to follow instructions with human feedback (2022): rankings of four to nine answers, used as pairs.
# - L. Zheng et al., Judging LLM-as-a-judge with MT-Bench and Chatbot Arena (2023): judges that favour a position.
#
# **Next lesson.** What if people disagree, and what if both answers are equally good? Lesson 3 puts noise, ties and calibration into the model.
