# %% [markdown]
# # Lesson NN: Win rates
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{{owner_and_name}}/blob/{{tag}}/notebooks/{{lesson}}.ipynb)
# [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src={{repository}}/blob/{{tag}}/notebooks/{{lesson}}.ipynb)
# [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{{owner_and_name}}/{{tag}}?urlpath=lab/tree/notebooks/{{lesson}}.ipynb)
#
# Two models answered the same prompts, and each answer has a score. Which model is better, and by how much?
#
# **You will be able to**
# - compute a win rate, ties included.
#
# **You need** comparisons of tensors. **Time:** about 15 minutes.

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
import reward_lab as rl
from reward_lab.lessons import points_so_far, start
from my_course.lessons.lessonNN import check, experiments, figures

SEED = 42  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. Who wins?
#
# The **win rate** of the first model is the share of prompts on which its score is higher. Equal scores are a tie, and a tie is half a win for
# each side. The two win rates then sum to 1.

# %% [markdown]
# ## TODO 1: win rate
#
# | | |
# |:---|:---|
# | Difficulty, importance | easy, high |
# | Time | 10 minutes |
# | Points | 10 |
#
# `win_rate(first, second) -> float`
#
# `first` and `second` are `(n,)` floating-point tensors, n of 1 or more, on any device. Return the share of places where `first` is higher, each tie as half a win: a Python number or a 0-dim tensor.
# Leave the inputs as they are.
#
# **By hand.** `[2, 1, 0, 3]` against `[1, 1, 2, 0]`: won, tied, lost, won. That is (1 + 0.5 + 0 + 1) / 4 = 0.625.
#
# <details><summary>Hint 1</summary><code>first &gt; second</code> is a tensor of bools.</details>
# <details><summary>Hint 2</summary><code>.double()</code> turns bools into 0 and 1.</details>
# <details><summary>Hint 3</summary>Ties are where <code>first == second</code>.</details>
# <details><summary>Solution idea</summary>Add the wins and half of the ties, place by place, and take the mean.</details>

# %% nbgrader={"grade_id": "win_rate", "solution": true}
def win_rate(first, second):
    """Share of comparisons that the first model wins; a tie is half a win.

    Args:
        first, second: (n,) scores.

    Returns:
        A number between 0 and 1.
    """
    ### BEGIN SOLUTION
    won = (first > second).double()
    tied = (first == second).double()
    return (won + tied / 2).mean().item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_win_rate", "grade": true, "locked": true, "points": 10}
check.win_rate(win_rate)

# %% [markdown]
# **What you just showed.** One number compares two models, without any scale of the scores. From here on the notebook uses the package's own
# version of your exercise.
#
# **Predict, then run.** The scores scatter with a standard deviation of 2. At which advantage does the first model win three times out of four?

# %% tags=["experiment"]
advantages = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]
rates = [experiments.win_rate(*experiments.draw_scores(10_000, advantage, SEED)) for advantage in advantages]
for advantage, rate in zip(advantages, rates, strict=True):
    print(f"advantage {advantage:.1f}: win rate {rate:.3f}")

rl.plots.show(
    figures.plot_win_rates(advantages, rates, "The win rate saturates"),
    alt="The win rate of the first model rises from 0.5 at an advantage of 0 to about 0.92 at 4, steeply first and then ever more slowly.",
)

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# **What we built:** a win rate that treats both models alike.
