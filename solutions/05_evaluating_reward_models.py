# %% [markdown]
# # Lesson 5: Evaluating reward models
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
# A reward model has a held-out accuracy of 0.84. Is it good? It may have learnt what people want. It may have learnt that people
# who judge in a hurry like long answers. The number does not say, because the pairs it is measured on were judged by the same
# people.
#
# In this lesson we choose the judge's bias ourselves. So we know what each measure should find, and see which of them find it.
#
# **You will be able to**
# - tell what a reward model owes to length, with an edit and a standard error;
# - read a win rate at equal length;
# - measure where style helps and where it misleads;
# - find out why a benchmark gives full marks to a model that knows nothing;
# - say whether one model is better than another, or only luckier.
#
# **You need** lesson 1: the reward model, the Bradley-Terry loss, held-out accuracy. Lessons 2 and 3 help. **Time:** about two
# hours. The whole notebook runs in about a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 1 is some time ago.** A *reward model* gives every answer one number. It is trained on pairs: for each, a
# judge preferred one answer. The model says that the first wins with probability $\sigma(r_1 - r_2)$, where
# $\sigma(x) = 1/(1 + e^{-x})$. *Held-out accuracy* is the share of new pairs in which the preferred answer has the higher reward.
# A judge who is not always sure makes mistakes that nobody can foresee, so the best possible accuracy is below 1.

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

import torch
from IPython.display import Code

from reward_lab import statistics
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson05 import check, experiments, predict, shown, world

SEED = 0  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. A judge whose bias we choose
#
# *Time to here: 5 minutes.*
#
# An answer has 16 places. Two to six hold words that matter: a good word adds 0.6 to the answer's **quality**, a bad one takes 0.6
# off. Up to ten places hold *fillers*, which change nothing. The rest is empty. The **length** is the number of words.
#
# A judge prefers the first answer of two with probability
#
# $$P(\text{first}) = \sigma(\Delta\text{quality} + \lambda \, \Delta\text{length}).$$
#
# $\lambda$ is the bias: what one more word of any kind is worth to the judge. With $\lambda = 0$ only quality counts. **By hand.**
# Two answers of equal quality, the first five words longer, $\lambda = 0.4$: $\sigma(2.0) = 0.881$. The judge believes to have
# seen a difference.

# %% tags=["experiment"]
shown.what_is_measured()

# %% [markdown]
# We train lesson 1's reward model on 8,000 pairs of each of three judges, $\lambda = 0$, $0.2$ and $0.4$, five times each with other
# pairs and other initial weights. Then we measure the accuracy on 5,000 held-out pairs **of the same judge**.
#
# **Predict, then run.** The bias grows. What does this accuracy do?
#
# Choices: **1** it falls; **2** it stays the same; **3** it rises.

# %% tags=["experiment"]
predict("own", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
SEEDS, BIASES = range(5), (0.0, 0.2, 0.4)
models, measured = {}, {}
for lam in BIASES:
    models[lam] = [experiments.train(lam, 0.0, seed, device) for seed in SEEDS]
    measured[lam] = [experiments.measure(m, lam, 0.0, device) for m in models[lam]]
    accuracies = " ".join(f"{m.accuracy:.3f}" for m in measured[lam])
    print(f"bias {lam}: own judge {accuracies}; ", end="")
    print(f"best possible {measured[lam][0].ceiling:.3f}", flush=True)
predict.compare("own")

# %% [markdown]
# <details><summary>Why?</summary>It rises. Length is easy to see, and a judge who goes by it is easy to foresee. The best possible
# accuracy rises as well, and the models stay close below it. Seen from here the biased models are the better ones.</details>
#
# **Predict, then run.** Now a judge *without* bias looks at the same kind of answers. What is the mean accuracy of the models of the
# judge with $\lambda = 0.4$? (The models without bias reach about 0.81.)

# %% tags=["experiment"]
predict("fair", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
for lam in BIASES:
    fair = [m.fair_accuracy for m in measured[lam]]
    print(f"bias {lam}: judge without bias {sum(fair) / 5:.3f}", end="")
    print(f" ({min(fair):.3f} to {max(fair):.3f})", end="")
    print(f"; best possible {measured[lam][0].fair_ceiling:.3f}")
shown.two_judges(measured)
predict.compare("fair", sum(fair) / 5)

# %% [markdown]
# <details><summary>What the figure shows</summary>About 0.72. While the one accuracy rises the other falls, in five of five. Held-out pairs guard
# against pairs learnt by heart. They do not guard against a judge who is wrong in the same way each time.</details>
#
# And who uses such a model? Let it choose among 16 answers.

# %% tags=["experiment"]
for lam in BIASES:
    chosen = [experiments.best_of_16(m, device=device) for m in models[lam]]
    quality, length, highest = (sum(c) / 5 for c in zip(*chosen, strict=True))
    print(
        f"bias {lam}: best of 16 has quality {quality:.2f}, {length:.1f} words", end=""
    )
    print(f"; the best of the 16 has {highest:.2f}")

# %% [markdown]
# With people as judges nobody can look up $\lambda$. The rest of this lesson finds it without looking it up.

# %% [markdown]
# ## 2. What does one more word do?
#
# *Time to here: 20 minutes.*
#
# The first idea: correlate the reward with the length. Here are two kinds of models. One comes from a judge with
# $\lambda = 0.2$. The other comes from a judge **without** bias, in a world where better answers happen to be longer: in 40 % of the
# answers the fillers follow the quality.
#
# **Predict, then run.** Does the correlation of reward and length tell the two kinds apart?
#
# Choices: **1** yes, clearly; **2** only just; **3** no.

# %% tags=["experiment"]
predict("correlation", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
FOLLOWS = 0.4
honest = {}
for lam in BIASES:
    trained = [experiments.train(lam, FOLLOWS, seed, device) for seed in SEEDS]
    honest[lam] = [experiments.measure(m, lam, FOLLOWS, device) for m in trained]
biased, longer = measured[0.2], honest[0.0]
print("correlation of reward and length")
print("bias 0.2:                    ", *(f"{m.correlation:.2f}" for m in biased))
print("no bias, good answers longer:", *(f"{m.correlation:.2f}" for m in longer))
predict.compare("correlation")

# %% [markdown]
# <details><summary>Why not?</summary>The ranges overlap. In the second world length goes with quality, so every good model correlates with length. A
# correlation says that two things go together. It does not say that one of them does it.</details>
#
# The second idea: do it. Take an answer, **change its length and nothing else**, and look at what the reward does. Each
# answer is compared with its own edited copy, so all that is special about the answer drops out. This is a *paired* experiment.
#
# For differences $d_1, \dots, d_n$ the effect is their mean. Its standard error is $s/\sqrt{n}$, where $s$ is their standard
# deviation with $n - 1$.
#
# **By hand.** Differences $(0.3, 0.1, 0.5, 0.3)$: mean $0.3$; squared distances $0, 0.04, 0.04, 0$, so
# $s = \sqrt{0.08/3} = 0.163$ and the standard error is $0.163/2 = 0.0816$.

# %% [markdown]
# ### TODO 1: the effect of an edit
#
# | | |
# |:---|:---|
# | Purpose | the one measure that tells cause from company |
# | Difficulty, importance | easy, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `counterfactual_effect(model, texts, edited) -> (mean, standard_error)`
#
# `model` maps `(batch, seq_len)` token ids to `(batch,)` rewards. `texts` and `edited` are int64 tensors with n rows, n at least 2; row i of
# `edited` is text i after the edit. The two may differ in seq_len. Return the mean of the differences edited minus original, and its standard error with $n - 1$: two Python
# numbers or 0-dim tensors.
# - Score in evaluation mode and without gradients, and leave the model in the mode in which it came.
#
# **By hand.** Differences `(0.3, 0.1, 0.5, 0.3)`: `(0.3, 0.0816)`.
#
# <details><summary>Hint 1</summary>Lesson 1's rules for every evaluation: <code>model.eval()</code>, <code>torch.no_grad()</code>, and the mode put back at the end.</details>
# <details><summary>Hint 2</summary>Subtract first, text by text. Everything else is done with the differences alone.</details>
# <details><summary>Hint 3</summary><code>Tensor.std()</code> divides by n - 1 unless told otherwise.</details>
# <details><summary>Solution idea</summary>Remember <code>model.training</code>; score both under <code>no_grad</code> in evaluation mode; difference; mean; standard deviation divided by the square root of n; mode back.</details>

# %% nbgrader={"grade_id": "counterfactual_effect", "solution": true}
def counterfactual_effect(model, texts, edited):
    """What an edit does to the reward.

    Args:
        model: (batch, seq_len) token ids -> (batch,) rewards.
        texts: (n, seq_len) token ids.
        edited: (n, any length) token ids, row by row the same texts after the edit.

    Returns:
        (mean of the differences, its standard error).
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    with torch.no_grad():
        difference = model(edited).double() - model(texts).double()
    model.train(was_training)
    return difference.mean().item(), difference.std().item() / len(difference) ** 0.5
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_counterfactual_effect", "grade": true, "locked": true, "points": 2}
check.counterfactual_effect(counterfactual_effect)

# %% [markdown]
# **What you just showed.** An experiment beats a correlation, and it needs no judge at all.
#
# The edit here puts a filler into an empty place. There is a second way, for those who can't edit: regress the reward on length **and** quality. It
# needs the quality, which with people nobody knows.

# %% tags=["experiment"]
print("what one more filler does to the reward")
for name, group in (("bias 0.2", biased), ("no bias, good answers longer", longer)):
    print(f"{name:28s}", *(f"{m.effect:6.3f}" for m in group))
print(f"largest standard error: {max(m.standard_error for m in biased + longer):.4f}")
print("slope of the reward in the length alone, good answers longer")
for lam, group in honest.items():
    print(f"bias {lam}:", *(f"{m.naive_slope:.3f}" for m in group))
shown.recovered(
    {"length independent of quality": measured, "good answers longer": honest}
)

# %% [markdown]
# <details><summary>What the figure shows</summary>The edit finds the injected bias in both worlds, and so does the slope at equal quality. The
# slope that looks at length alone finds it in the first world. In the second it finds a bias of almost 0.2 where there is none. The dots scatter around the diagonal because the
# models do: each learnt a little more or less of the bias from its pairs.</details>
#
# **What the standard error says, and what not.** It is tiny, because thousands of answers were edited. It is the error *for this model*. Another seed
# is another model. The five dots show that spread, and it is much larger.

# %% [markdown]
# ## 3. Who wins at equal length?
#
# *Time to here: 45 minutes.*
#
# Two assistants are compared by a judge. The *win rate* is the share of comparisons that the first one wins. Here the first is
# **verbose**: the words that matter come from the same hand, but there are at least four fillers. With a judge without bias
# it wins half of the time. What does the judge with $\lambda = 0.4$ say?
#
# Nobody can rerun people without their bias. But one can ask what the fit says at length difference 0. Let $d$ be the length
# difference of each pair and $s$ the standard deviation of all $d$. Fit
#
# $$P(\text{win}) = \sigma\big(a + b \tanh(d / s)\big)$$
#
# by maximum likelihood, and read it at $d = 0$: $\sigma(a)$ is the **length-controlled win rate**. The $\tanh$ keeps a few
# very long answers from deciding the fit. AlpacaEval 2 does the same, with further terms for model and instruction.
#
# **By hand.** 40 comparisons with only two differences: 30 times $d = +1$, of which 24 are won; 10 times $d = -1$, of which 4 are won. Raw:
# $28/40 = 0.70$. Two groups, two parameters: the fit meets both rates, whatever $\tanh(\pm 1/s) = \pm t$ is.
# $a + bt = \operatorname{logit} 0.8 = 1.386$ and $a - bt = \operatorname{logit} 0.4 = -0.405$, so $a = 0.490$ and $\sigma(a) = 0.620$.

# %% [markdown]
# ### TODO 2: the length-controlled win rate
#
# | | |
# |:---|:---|
# | Purpose | a comparison that verbosity does not decide |
# | Difficulty, importance | medium, high |
# | Time | 25 minutes |
# | Points | 2 |
#
# `length_controlled_win_rate(wins, length_difference) -> float`
#
# `wins` is a floating-point tensor of shape `(n,)`: 1 where the first assistant won, 0 where it lost, 0.5 for a tie, or anything between. `length_difference` is a
# floating-point tensor of the same shape, the first one's length minus the other's. Fit $a$ and $b$ by maximum likelihood **without a penalty**, with $s$ the *population* standard
# deviation (divide by n). Return $\sigma(a)$, accurate to 4 digits: a Python number or a 0-dim tensor.
# - If all differences are equal, raise `ValueError`: nothing can be controlled. The data are otherwise such that a best fit exists.
#
# **By hand.** The 40 comparisons above: 0.6202.
#
# <details><summary>Hint 1</summary>It is a logistic regression with two columns, a constant and <code>torch.tanh(d / d.std(correction=0))</code>. Use float64.</details>
# <details><summary>Hint 2</summary>Newton's method: with p the fitted probabilities, the slope is <code>x.T @ (wins - p)</code> and the curvature <code>(x * (p * (1 - p)).unsqueeze(1)).T @ x</code>. A step is <code>torch.linalg.solve(curvature, slope)</code>.</details>
# <details><summary>Hint 3</summary>Far from the top Newton's step can be much too long. Limit it: divide by <code>max(1, step.abs().max())</code>. Thirty steps are plenty.</details>
# <details><summary>Solution idea</summary>Check that d varies; build the two columns; start from zeros; take limited Newton steps; return the sigmoid of the first weight.</details>

# %% nbgrader={"grade_id": "length_controlled_win_rate", "solution": true}
def length_controlled_win_rate(wins, length_difference):
    """The win rate that a fit foretells for answers of equal length.

    Args:
        wins: (n,) from 0 to 1.
        length_difference: (n,) first minus other.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: all differences are equal.
    """
    ### BEGIN SOLUTION
    won, d = wins.double(), length_difference.double()
    if not d.std(correction=0) > 0:
        raise ValueError("the length differences are all equal")
    x = torch.stack([torch.ones_like(d), torch.tanh(d / d.std(correction=0))], dim=1)
    weights = torch.zeros(2, dtype=torch.float64, device=d.device)
    for _ in range(100):
        p = torch.sigmoid(x @ weights)
        curvature = (x * (p * (1 - p)).unsqueeze(1)).T @ x
        step = torch.linalg.solve(curvature, x.T @ (won - p))
        weights = weights + step / step.abs().max().clamp(min=1)
    return torch.sigmoid(weights[0]).item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_length_controlled_win_rate", "grade": true, "locked": true, "points": 2}
check.length_controlled_win_rate(length_controlled_win_rate)

# %% [markdown]
# **Predict, then run.** The judge with $\lambda = 0.4$ lets the verbose assistant win about 60 % of 4,000 comparisons. What is its length-controlled win rate, in per cent?

# %% tags=["experiment"]
predict("controlled", ...)  # in place of the dots: a number of per cent

# %% tags=["experiment"]
controlled = []
for lam in (0.0, *BIASES[1:]):
    for seed in SEEDS:
        d = experiments.duel(lam, seed=seed)
        found = statistics.length_controlled_win_rate(d.wins, d.length_difference)
        controlled.append((lam, d.wins.mean().item(), found, d.fair))
        print(
            f"bias {lam}: raw {controlled[-1][1]:.3f}, length-controlled {found:.3f}",
            end="",
        )
        print(f", judge without bias {d.fair:.3f}")
shown.controlled(controlled)
predict.compare("controlled", 100 * sum(c[2] for c in controlled[-5:]) / 5)

# %% [markdown]
# <details><summary>What the figure shows</summary>About 52 %, two points above what the judge without bias says, where the raw rate is ten above. It is not exact: the judge's bias is
# linear in the length, and the fit's is a tanh.</details>
#
# **What it can't do.** It takes out everything that goes with length. Had the verbose assistant also been better *because* it explains more, that would
# be taken out as well. Length control answers one question: who wins among answers of equal length?

# %% [markdown]
# ## 4. Where style helps, and where it misleads
#
# *Time to here: 70 minutes.*
#
# A mean accuracy hides where a model fails. RM-Bench therefore tells each answer, the better and the worse, in three styles from
# plain to long. That makes nine comparisons for each question, better style by worse style:
#
# | better \ worse | plain | medium | long |
# |:---|:---|:---|:---|
# | plain | normal | hard | hard |
# | medium | easy | normal | hard |
# | long | easy | easy | normal |
#
# On the diagonal the styles are equal: *normal*. Below it style helps: *easy*. Above it style misleads: *hard*. Each of the three
# is the share of right comparisons in its three cells.
#
# **By hand.** One question, rewards of the better answer $(1, 2, 3)$, of the worse one $(0, 1.5, 2)$. Normal: $1 > 0$, $2 > 1.5$, $3 > 2$,
# so 1. Hard: $1 > 1.5$ no, $1 > 2$ no, $2 > 2$ no, since a tie is not right: 0.

# %% [markdown]
# ### TODO 3: accuracy by style
#
# | | |
# |:---|:---|
# | Purpose | see where a model goes by style |
# | Difficulty, importance | easy, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `style_accuracy(preferred, rejected) -> dict`
#
# Both are floating-point tensors of shape `(n, 3)`, n at least 1: rewards of the better and of the worse answer to n questions, in three styles from plain to long. Return a dict with the keys
# `"easy"`, `"normal"` and `"hard"`, each a Python number or a 0-dim tensor: the share of right comparisons, over questions and cells. Right is a strictly higher reward for the better answer.
#
# **By hand.** `[[1, 2, 3], [0.5, 1, 1.5]]` against `[[0, 1.5, 2], [1, 1, 2]]`: easy 0.8333, normal 0.5, hard 0.
#
# <details><summary>Hint 1</summary><code>preferred[:, :, None] &gt; rejected[:, None, :]</code> has shape (n, 3, 3): better style by worse style.</details>
# <details><summary>Hint 2</summary>Average over the questions first. What is left is the 3 x 3 table above.</details>
# <details><summary>Hint 3</summary><code>tril(-1)</code> keeps what lies below the diagonal, <code>triu(1)</code> what lies above. Each has three cells: divide by 3, not by 9.</details>
# <details><summary>Solution idea</summary>The table of shares; its lower triangle, its diagonal and its upper triangle, each summed and divided by 3.</details>

# %% nbgrader={"grade_id": "style_accuracy", "solution": true}
def style_accuracy(preferred, rejected):
    """Accuracy where the style helps, is equal, and misleads.

    Args:
        preferred: (n, 3) rewards of the better answers, plain to long.
        rejected: (n, 3) rewards of the worse answers.

    Returns:
        {"easy": ..., "normal": ..., "hard": ...}
    """
    ### BEGIN SOLUTION
    right = (preferred[:, :, None] > rejected[:, None, :]).double().mean(dim=0)
    return {
        "easy": right.tril(-1).sum().item() / 3,
        "normal": right.diagonal().mean().item(),
        "hard": right.triu(1).sum().item() / 3,
    }
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_style_accuracy", "grade": true, "locked": true, "points": 2}
check.style_accuracy(style_accuracy)

# %% [markdown]
# **Predict, then run.** The models of the judge with $\lambda = 0.4$ have an accuracy of 0.84 with their own judge. What is their accuracy on *hard*?
#
# Choices: **1** above 0.8; **2** between 0.5 and 0.8; **3** below 0.5, worse than guessing.

# %% tags=["experiment"]
predict("hard", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
styles = {}
for lam in BIASES:
    scored = [experiments.style_scores(m, device=device) for m in models[lam]]
    styles[lam] = [statistics.style_accuracy(*s) for s in scored]
    for kind in ("easy", "normal", "hard"):
        print(f"bias {lam}, {kind:6s}:", *(f"{s[kind]:.3f}" for s in styles[lam]))
shown.styles(styles)
predict.compare("hard")

# %% [markdown]
# <details><summary>What the figure shows</summary>Below 0.5, in five of five. With equal style these models are nearly always right, so they do know what is good. Ten
# fillers are worth about 4 to them, and the mean difference in quality is about 2. The best models that RM-Bench tested were at 46.6 % under such interference.</details>

# %% [markdown]
# ## 5. A benchmark that everybody passes
#
# *Time to here: 90 minutes.*
#
# Pairs are easy to guess: a coin gets half of them. Newer benchmarks ask for the best of four. A colleague has written one. The right
# answer stands first, then come three others. The program has run for months, and its curves look fine.

# %% tags=["experiment"]
Code(inspect.getsource(experiments.colleagues_benchmark), language="python")

# %% tags=["experiment"]
four = {
    lam: [experiments.best_of_4_scores(m, device=device) for m in models[lam]]
    for lam in BIASES
}
print(f"{len(four[0.0][0])} questions, a coin would get 0.25")
for lam in BIASES:
    print(
        f"bias {lam}:",
        *(f"{experiments.colleagues_benchmark(s):.3f}" for s in four[lam]),
    )

# %% [markdown]
# Everybody is good, and the models without bias are perfect.
#
# **Predict, then run.** We give the colleague a model that has learnt nothing: every answer gets the reward 1. What is its accuracy?

# %% tags=["experiment"]
predict("constant", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
nothing = experiments.best_of_4_scores(experiments.AlwaysTheSame(), device=device)
found = experiments.colleagues_benchmark(nothing)
print(f"a model that has learnt nothing: {found:.3f}")
predict.compare("constant", found)

# %% [markdown]
# **Predict, then run.** So what is wrong with it? (The next cell counts ties at the top, after his squeezing and before.)
#
# Choices: **1** argmax gives every tie to the first column; **2** sigmoid and bfloat16 make rewards equal that were different;
# **3** both of these.

# %% tags=["experiment"]
predict("bug", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
for lam in BIASES:
    squeezed = [torch.sigmoid(s + 8).bfloat16() for s in four[lam]]
    ties = [(s == s.amax(dim=1, keepdim=True)).sum(dim=1) > 1 for s in squeezed]
    print(
        f"bias {lam}: ties at the top",
        *(f"{t.double().mean():.2f}" for t in ties),
        end="",
    )
    raw = [(s == s.amax(dim=1, keepdim=True)).sum(dim=1) > 1 for s in four[lam]]
    print("; in the raw rewards", *(f"{t.double().mean():.2f}" for t in raw))
predict.compare("bug")

# %% [markdown]
# <details><summary>What is wrong</summary>Both. A bfloat16 has 8 bits for its digits. Just below 1 its steps are 0.004, so 0.9985 and 0.9999 become one number. They stand for rewards of -1.5 and 1.
# That alone would only blur. Then <code>argmax</code> takes the first of equals, and the colleague has put the right answer there. A blur became a perfect score. Public
# evaluations have had the same fault.</details>

# %% [markdown]
# ### TODO 4: mend it
#
# | | |
# |:---|:---|
# | Purpose | an accuracy that a model has to earn |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `best_of_k_accuracy(scores) -> float`
#
# `scores` is a floating-point tensor of shape `(n, k)`, n and k at least 1: raw rewards, with the right answer in column 0. Return how often the right answer has the highest reward, a Python number or
# a 0-dim tensor.
# - If m answers share the top and the right one is among them, the question counts 1/m. That is what a coin among them would get.
# - A row with a NaN anywhere counts 0: such a model has not answered.
# - Do not round or squeeze the scores: rewards that differ in the last digit of float64 differ.
#
# **By hand.** `[[2, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]]`: $(1 + 1/2 + 0 + 1/4)/4 = 0.4375$.
#
# <details><summary>Hint 1</summary>Who shares the top? <code>scores == scores.amax(dim=1, keepdim=True)</code> is a bool tensor of shape (n, k).</details>
# <details><summary>Hint 2</summary>The first column of it says whether the right answer is at the top, its row sums with how many.</details>
# <details><summary>Hint 3</summary>The maximum of a row with NaN is NaN, and NaN equals nothing, not even itself. So such a row has nobody at the top. Take care not to divide by 0.</details>
# <details><summary>Solution idea</summary><code>top[:, 0] / top.sum(dim=1).clamp(min=1)</code>, then the mean.</details>

# %% nbgrader={"grade_id": "best_of_k_accuracy", "solution": true}
def best_of_k_accuracy(scores):
    """How often the right answer has the highest reward of k; ties are shared.

    Args:
        scores: (n, k) rewards, the right answer in column 0.

    Returns:
        A number from 0 to 1.
    """
    ### BEGIN SOLUTION
    top = scores == scores.amax(dim=1, keepdim=True)
    return (top[:, 0].double() / top.sum(dim=1).clamp(min=1)).mean().item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_best_of_k_accuracy", "grade": true, "locked": true, "points": 2}
check.best_of_k_accuracy(best_of_k_accuracy)

# %% tags=["experiment"]
print(f"a model that has learnt nothing: {statistics.best_of_k_accuracy(nothing):.3f}")
for lam in BIASES:
    print(
        f"bias {lam}, mended:",
        *(f"{statistics.best_of_k_accuracy(s):.3f}" for s in four[lam]),
    )
shown.benchmarks(four)

# %% [markdown]
# <details><summary>What the figure shows</summary>Mended, the benchmark tells the models apart: 1.0, below 0.9, about 0.7. The colleague's numbers were too high for every biased model, and by how much
# depends on how large its rewards happen to be.</details>
#
# **Weights decide too.** RewardBench's *Safety* is a mean of five accuracies, weighted by the number of pairs. For half of 2024
# the counts of two subsets stood swapped in its table: 250 and 154. Nobody's answers changed when that was mended. A model that refuses everything it should, and
# much that it should not, fell by 4 points.

# %% tags=["experiment"]
subsets = dict(zip(experiments.SAFETY, (0.9, 0.95, 0.9, 0.6, 0.7), strict=True))
swapped = {
    **experiments.SAFETY,
    "xstest-should-refuse": 250,
    "xstest-should-respond": 154,
}
print(f"right counts: {experiments.section_score(subsets, experiments.SAFETY):.4f}")
print(f"swapped counts: {experiments.section_score(subsets, swapped):.4f}")

# %% [markdown]
# ## 6. Is the difference real?
#
# *Time to here: 105 minutes.*
#
# Model A is right on 83.5 % of 200 pairs, model B on 80 %. Is A better? Both saw the same pairs, and on most of them both are
# right or both are wrong. Those say nothing. Only the pairs on which **one alone** is right do. Say A alone is right on $b$ of
# them and B alone on $c$. If the models are equally good, each of these $b + c$ is A's with probability 1/2, like a coin.
#
# So how surprising is $b$ against $c$ for a coin? This is McNemar's test, in its exact form:
#
# $$p = \min\big(1,\; 2\,P(X \le \min(b, c))\big), \qquad X \sim \mathrm{Binomial}(b + c, 1/2).$$
#
# **By hand.** $b = 5$, $c = 1$: $P(X \le 1) = (1 + 6)/64 = 0.109$, so $p = 0.219$. Ten against two: $0.0386$.

# %% [markdown]
# ### TODO 5: a paired test
#
# | | |
# |:---|:---|
# | Purpose | tell better from luckier |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `paired_test(right_a, right_b) -> float`
#
# Both are bool tensors of shape `(n,)`, n at least 1: whether each model is right on each pair. Return the two-sided p-value above, a Python number or a 0-dim tensor. Without a pair on which one
# alone is right it is 1. $n$ may be several thousand: $2^{2000}$ is no float.
#
# **By hand.** $b = 5$, $c = 1$: 0.2188.
#
# <details><summary>Hint 1</summary><code>(right_a &amp; ~right_b).sum()</code> is b.</details>
# <details><summary>Hint 2</summary><code>math.comb</code> gives whole numbers of any size, and Python divides two whole numbers without overflow: <code>sum(math.comb(n, k) for k in range(m + 1)) / 2**n</code>.</details>
# <details><summary>Hint 3</summary>For b = c twice the sum is above 1, since the middle counts twice: take the minimum with 1.</details>
# <details><summary>Solution idea</summary>b and c as ints; the smaller one; the sum of binomial coefficients up to it, twice, over 2**(b + c); at most 1.</details>

# %% nbgrader={"grade_id": "paired_test", "solution": true}
def paired_test(right_a, right_b):
    """Exact two-sided p-value of McNemar's test.

    Args:
        right_a: (n,) bool, whether the first model is right.
        right_b: (n,) bool, the same for the second.

    Returns:
        A number from 0 to 1.
    """
    ### BEGIN SOLUTION
    only_a = int((right_a & ~right_b).sum())
    only_b = int((right_b & ~right_a).sum())
    count, term, total = only_a + only_b, 1, 0
    for k in range(min(only_a, only_b) + 1):
        total += term
        term = term * (count - k) // (k + 1)
    return min(1.0, 2 * total / 2**count)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_paired_test", "grade": true, "locked": true, "points": 2}
check.paired_test(paired_test)

# %% [markdown]
# **Predict, then run.** Model 0 without bias and model 0 of the judge with $\lambda = 0.2$ differ by two to three points in accuracy with a
# judge without bias. On how many pairs must we look before the test sees it: about 200, 2,000 or 20,000?

# %% tags=["experiment"]
predict("needed", ...)  # in place of the dots: a number of pairs

# %% tags=["experiment"]
right_0, right_2 = (experiments.right_on(models[lam][0], device) for lam in BIASES[:2])
needed = None
for n in (50, 100, 200, 500, 1000, 2000, 5000):
    a, b = right_0[:n], right_2[:n]
    p = statistics.paired_test(a.cpu(), b.cpu())
    needed = needed or (n if p < 0.05 else None)
    alone = f"{int((a & ~b).sum()):4d} against {int((b & ~a).sum()):3d}"
    print(
        f"{n:5d} pairs: accuracy {a.double().mean():.3f} and {b.double().mean():.3f}, ",
        end="",
    )
    print(f"alone right {alone}, p = {p:.2g}")
predict.compare("needed", needed)

# %% [markdown]
# <details><summary>What the table shows</summary>About 2,000. With 50 or 100 pairs, as many subsets of leader boards have, such a difference is noise: the worse
# model may well be ahead. An unpaired test of two proportions would need more still, since it throws away that both saw the same pairs.</details>

# %% [markdown]
# ## 7. Your report card
#
# *Time to here: 115 minutes.*
#
# All five measures on one page: that is an evaluation. The next cell calls *your* five functions, if they are there, on a model without bias and on one
# with. (A function that is not there yet leaves its row empty, and nothing stops.)

# %% tags=["experiment"]
draw = torch.Generator().manual_seed(11)
before, after = world.with_one_more_filler(
    world.draw_answers(2000, draw).to(device), draw
)


def card(functions, model):
    """One number of each measure for one model."""
    effect, win_rate, style, best, test = functions
    better, worse = experiments.style_scores(model, device=device)
    wins, lengths = experiments.judged_duel(model, device=device)
    reference = experiments.right_on(models[0.0][1], device)
    return {
        "one more filler": lambda: effect(model, before.token_ids, after.token_ids)[0],
        "verbose writer, equal length": lambda: win_rate(wins, lengths),
        "accuracy where style misleads": lambda: style(better, worse)["hard"],
        "best of 4": lambda: best(experiments.best_of_4_scores(model, device=device)),
        "p against a model without bias": lambda: test(
            experiments.right_on(model, device), reference
        ),
    }


def win_rate_of(won, difference):
    return statistics.length_controlled_win_rate(won.cpu(), difference.cpu())


def p_of(a, b):
    return statistics.paired_test(a.cpu(), b.cpu())


theirs = (statistics.counterfactual_effect, win_rate_of, statistics.style_accuracy)
theirs += (statistics.best_of_k_accuracy, p_of)
mine = (counterfactual_effect, length_controlled_win_rate, style_accuracy)
mine += (best_of_k_accuracy, paired_test)
rows = {}
for lam in (0.0, 0.4):
    for name, ask in card(theirs, models[lam][0]).items():
        own = experiments.attempt(
            lambda n=name, m=models[lam][0]: float(card(mine, m)[n]()), name
        )
        rows[f"{name}, bias {lam}"] = (ask(), own)
        told = "nothing yet" if own is None else f"{own:.4f}"
        print(f"{name}, bias {lam}: {ask():.4f}, yours: {told}")

# %% tags=["experiment"]
shown.report_card(rows)

# %% [markdown]
# **With your own files.** The same evaluation is a command. It reads preferences as JSON lines, splits nothing, and says how sure it is:
#
# ```
# python -m reward_lab.train --train-file train.jsonl --output-dir my_model
# python -m reward_lab.evaluate --model my_model --file held_out.jsonl --by subset
# ```
#
# It tells accuracy with an interval, by subset, ties, calibration and what length is worth to the model. `--against other_model` adds the paired test.

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 8. Reflection and next steps
#
# **What to remember**
# 1. Held-out pairs share the judge's bias. Accuracy on them rises with it.
# 2. A correlation with length accuses honest models. An edit does not.
# 3. A win rate at equal length answers a question about equal length, and no other.
# 4. Look where style misleads. A mean hides it.
# 5. Give every benchmark a model that knows nothing. Whatever it scores is the zero of the scale.
# 6. Only pairs on which one model alone is right tell two models apart.
#
# **Five quick questions.** Answer before you open.
#
# 1. A model's held-out accuracy exceeds the best possible accuracy of a judge without bias. Is something wrong with the arithmetic?
# <details><summary>Answer</summary>No. The held-out pairs were judged by somebody who is easier to foresee, for instance because of a bias.</details>
#
# 2. An edit that adds "Thank you" to every answer raises the reward by 0.30, standard error 0.001. Is the model biased towards politeness?
# <details><summary>Answer</summary>It likes these two words. That may be politeness or length. Add two neutral words in a second edit, and compare.</details>
#
# 3. A raw win rate is 0.62, the length-controlled one 0.55. The assistant's answers are...
# <details><summary>Answer</summary>Mostly longer than the other's, before a judge who likes length. At equal length it still wins more often than not.</details>
#
# 4. "normal" 0.95, "hard" 0.40, "easy" 1.00. Does the model know what is good?
# <details><summary>Answer</summary>Yes: with equal style it is nearly always right. But style is worth more to it than most differences in quality.</details>
#
# 5. A and B differ on 4 of 10,000 pairs, all in favour of A. What is p?
# <details><summary>Answer</summary>2 / 16 = 0.125. The 9,996 others say nothing.</details>

# %% [markdown] nbgrader={"grade_id": "ask_reflect_accuracy", "locked": true}
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.
#
# **Question 1.** Your team's reward model goes from 0.81 to 0.84 in held-out accuracy after the labels of a second company were added. Name a good and a bad reason for it, and say how
# you would find out which it is.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - a good reason (more pairs, more careful judges, so a better fit) **and** a bad one (the new judges have a bias that is easy to learn, and the held-out pairs now contain their judgements);
# - a way to tell: accuracy on held-out pairs of the old judges (or of fresh, careful ones), or the effect of an edit of length or style before and after.
#   "More data" alone or "look at the loss" earns nothing.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_accuracy", "grade": true, "solution": true, "points": 2}
# Good: more pairs and more careful judges give a better fit. Bad: the new judges like long answers, which is easy to learn, and the held-out pairs contain their judgements too. I would
# measure both models on pairs of the old judges only, and measure what one more sentence without content does to the reward.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_bug", "locked": true}
# **Question 2.** What was wrong with the colleague's benchmark, why did nobody notice, and which check would have shown it in a minute?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - squeezing into bfloat16 makes ties, and argmax gives ties to the first column, where the right answer always stands (both parts named);
# - the numbers looked good, as one hopes for; a model that knows nothing (constant, random, shuffled columns) should have got 0.25, and got 1.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_bug", "grade": true, "solution": true, "points": 2}
# Sigmoid and bfloat16 made many rewards equal, and argmax then takes the first column, where the right answer was. High numbers were expected, so nobody asked. A constant model should get a
# quarter of the questions and got all of them.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_length", "locked": true}
# **Question 3.** A colleague proposes to subtract 0.2 times the length from every reward, because the edit shows an effect of 0.2 a word. When is that right, and when does it do harm?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - right if the effect is a pure bias of the judge, the same for all answers (as in this lesson's world);
# - harm where length carries quality, for example if people really want more detail, or the effect differs between kinds of answers: then something wanted is taken out, and an optimiser will write too short answers.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_length", "grade": true, "solution": true, "points": 2}
# It is right if a word without content is worth 0.2 to the judge everywhere, as here. If longer answers are better for a reason, such as a step that was explained, it takes that away too, and a policy that
# is trained on it will leave things out.

# %% [markdown]
# **Common mistakes**
# - the standard error of two separate means in place of paired differences: many times too large;
# - evaluation in training mode: dropout adds noise that no seed explains;
# - a penalty in the length-controlled fit: the answer is pulled towards the raw rate or towards a half;
# - the upper and the lower triangle of the style table swapped;
# - `argmax` where ties are possible;
# - a test that counts pairs on which both models are right.
#
# **Try next**
# - Train on pairs from which longer answers were removed at random until length is balanced. What is the effect of an edit now?
# - Make the judge's bias a threshold: only answers above 12 words get a bonus. Which measures still find it?
# - Evaluate a model of your own preferences with `python -m reward_lab.evaluate`.
#
# **References, and what each is cited for**
# - N. Lambert et al., RewardBench (2024): sections, weights and counts; the swapped counts stood in its repository from March to September 2024.
# - S. Malik et al., RewardBench 2 (2025): the best of four, ties shared.
# - Y. Liu et al., RM-Bench (2024): easy, normal and hard; 46.6 % under style interference.
# - Y. Dubois et al., Length-controlled AlpacaEval (2024): the fit with tanh, read at difference 0.
# - Q. McNemar, Note on the sampling error of the difference between correlated proportions (1947): the paired test.
#
# **Next lesson.** Lesson 6 uses the reward model: policy gradients and PPO.
