# %% [markdown]
# # Lesson 3: Noise, ties and calibration
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
# Two people read the same two answers, and prefer different ones. A third finds both equally good. A fourth
# agrees with the first, and clicks the wrong button. All four end up as rows of the same file, and a reward
# model is trained on it.
#
# What can such a model still learn, and how good can it get? In this lesson the true probability of every
# preference is known. So each score stands beside the best possible one, and each remedy can be judged by what
# it does, and what it costs.
#
# **You will be able to**
# - say what the best possible accuracy, Brier score and log loss are when people disagree;
# - tell label smoothing from the correction for flipped labels, and say when each helps;
# - give ties a probability of their own;
# - measure whether probabilities mean what they say, and know how far to trust the measurement.
#
# **You need** lesson 1: the Bradley-Terry model and its loss. **Time:** about three hours. The whole notebook runs
# in under a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 1 is some time ago.** A *reward model* gives a text one number. In the *Bradley-Terry model* the first of two texts is
# preferred with probability $\sigma(r_1 - r_2)$; the difference $d$ of the rewards is the *margin*, and $d = \log(p/(1-p))$ are the *log-odds*. The
# loss of a pair is $-\log\sigma(d)$, with $d$ counted from the text that the label prefers. *Held-out* pairs are pairs that nothing was trained on.

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
import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Code

import reward_lab as rl
from reward_lab import statistics
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson03 import check, experiments, figures, predict, shown

SEED = 42  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. Why does this matter?
#
# In one study two labelers who saw the same two answers agreed on 72.6 % of pairs, give or take 1.5 (Ouyang et al.,
# 2022). That leaves more than a quarter of pairs on which people differ. Three different things hide in that quarter:
#
# - **Taste.** The answers are close, or people want different things. Nobody is wrong.
# - **Slips.** Somebody clicked the wrong button, or did not read to the end. The label is wrong.
# - **Ties.** Both answers are equally good, and the form had no button for that.
#
# They look alike in the file, and they call for different remedies. Taste is what the Bradley-Terry model
# describes: a preference has a probability. A slip changes that probability. A tie is a third outcome.

# %% [markdown]
# ## 2. A world whose probabilities are known
#
# *Time to here: 5 minutes.*
#
# In our world a text is described by 20 numbers, and its true reward is their sum, scaled. Of two texts the first is
# preferred with probability $p = \sigma(r_1 - r_2)$. That is the whole world:

# %%
Code(inspect.getsource(statistics.PreferenceWorld), language="python")

# %%
pairs = experiments.draw_world(20_000, SEED)
p = pairs.p
print(f"{len(p):,} pairs, p from {p.min():.4f} to {p.max():.4f}")
print(
    "pairs that are close calls (p from 0.4 to 0.6): "
    f"{((p > 0.4) & (p < 0.6)).double().mean():.0%}"
)
print(f"two people agree on {(p**2 + (1 - p) ** 2).mean():.1%} of pairs")

# %% [markdown]
# The scale was chosen so that two people agree about as often as labelers do.
#
# Two words that are easily confused. **Agreement** is how often two people say the same: $E[p^2 + (1-p)^2]$. The
# **Bayes accuracy** is how often the best predictor agrees with one person. It always names the more probable side,
# so it is right with probability $\max(p, 1-p)$: on average $E[\max(p, 1-p)]$.
#
# **Predict, then run.** People agree with each other on 72 % of pairs here. Can a reward model agree with a person
# more often than people agree with each other?

# %% tags=["experiment"]
predict("best_accuracy", ...)  # in place of the dots: a share of pairs, from 0 to 1

# %% tags=["experiment"]
limits = statistics.limits(p)
print(f"agreement between two people    {(p**2 + (1 - p) ** 2).mean():.3f}")
print(f"Bayes accuracy  E[max(p, 1-p)]  {limits.accuracy:.3f}")
print(f"Brier floor     E[p (1-p)]      {limits.brier:.3f}")
print(
    f"entropy floor   E[H(p)]         {limits.log_loss:.3f} nats (guessing: "
    f"{math.log(2):.3f})"
)
predict.compare("best_accuracy", limits.accuracy)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **Yes.** A person has moods; the best predictor always says what most people would say. In this world that is right on
# about 80 % of pairs, and nothing in the world can be right more often.
#
# </details>
#
# The other two limits are for scores that look at probabilities. The **Brier score** of a forecast $q$ is
# the mean of $(q - y)^2$ with $y = 1$ if the first was preferred, else 0. The **log loss** is the mean of
# $-\log q$ of what happened. Both are least, on average, for the forecast $q = p$, and what then remains is their floor:
#
# $$E[(q - y)^2] = \underbrace{(q - p)^2}_{\text{the model's part}} + \underbrace{p\,(1 - p)}_{\text{the floor}}.$$
#
# **By hand.** Take $p = 0.3$, and forecast 0.3. With probability 0.3 the first is preferred, and the score is
# $0.7^2 = 0.49$. Otherwise it is $0.3^2 = 0.09$. On average $0.3 \cdot 0.49 + 0.7 \cdot 0.09 = 0.21 = 0.3 \cdot 0.7$.
#
# One published lesson gives another floor, $E[\min(p, 1-p)^2]$. For $p = 0.3$ that would be 0.09. No argument is
# needed to see which is right: let people choose many times, and try every forecast.
#
# **Predict, then run.** Which forecast scores best for a pair with $p = 0.3$: 0, 0.3 or 0.5? And how low does it get?

# %% tags=["experiment"]
predict("best_forecast", ...)  # in place of the dots: a probability

# %% tags=["experiment"]
generator = torch.Generator().manual_seed(SEED)
one_pair = statistics.noisy_labels(torch.full((100_000,), 0.3), 0.0, generator).double()
forecasts = np.linspace(0, 1, 51)
scores = np.array([((q - one_pair) ** 2).mean().item() for q in forecasts])

simulated = {}
for n in (100, 1000, 10_000, 100_000):
    worlds = [experiments.draw_world(n, 100 + s).p for s in range(5)]
    simulated[n] = [
        ((w - statistics.noisy_labels(w, 0.0, generator).double()) ** 2).mean().item()
        for w in worlds
    ]

wrong_floor = (torch.minimum(p, 1 - p) ** 2).mean().item()
shown.floors(
    forecasts,
    scores,
    0.3,
    simulated,
    {"E[p (1 - p)]": limits.brier, "E[min(p, 1 - p)²]": wrong_floor},
)
print(
    f"best forecast {forecasts[scores.argmin()]:.2f}, its Brier score "
    f"{scores.min():.3f}"
)
print(
    f"true p on 100,000 labels: Brier score {min(simulated[100_000]):.4f} to "
    f"{max(simulated[100_000]):.4f}"
)
print(f"E[p(1-p)] = {limits.brier:.4f}, E[min(p, 1-p)^2] = {wrong_floor:.4f}")
predict.compare("best_forecast", forecasts[scores.argmin()])

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The floor is $E[p(1-p)]$.** Even the forecaster who knows every probability can't get below it. Whoever takes 0.06
# for the limit will look for a fault in a model that has none.
#
# </details>

# %% [markdown]
# ## 3. Slips: label noise
#
# *Time to here: 25 minutes.*
#
# A slip turns a preference into its opposite. Say it happens with probability $e$, the **flip rate**, whatever the
# pair. Then the label says "first" with probability
#
# $$q = p\,(1 - e) + (1 - p)\,e.$$
#
# **By hand.** $p = 0.9$ and $e = 0.2$: the label says "first" with probability $0.9 \cdot 0.8 + 0.1 \cdot 0.2 = 0.74$.
#
# Each exercise has an answer cell and a check cell below it. Write your answer over the lines that end in
# `NotImplementedError()`, run the cell, then run the check. The notebook goes on whether or not an exercise is solved.

# %% [markdown]
# ### TODO 1: noisy labels
#
# | | |
# |:---|:---|
# | Purpose | the source of every label in this lesson |
# | Difficulty, importance | easy, high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `noisy_labels(p, flip_rate, generator) -> bool tensor`
#
# `p` is a float32 or float64 tensor of any shape (0-dim and empty ones too), with values from 0 to 1. `flip_rate` is
# a Python float from 0 to 1. `generator` is a `torch.Generator` on the device of `p`. Two things are random, for each
# element on its own:
# - the preference is True with probability p;
# - it is then turned into its opposite with probability `flip_rate`.
#
# Return a bool tensor of p's shape, on p's device. Every random number comes from the generator, as it is: do not
# seed it, copy it, or use another one, and leave the global generator alone. Only how often a label is True counts, not how you draw it: one draw with the
# right probability is as good as two.
#
# **By hand.** p = 1 and flip rate 0.2: the label is True with probability 0.8. p = 0.5: with probability 0.5,
# whatever the flip rate.
#
# <details><summary>Hint 1</summary><code>torch.rand(p.shape, generator=generator, device=p.device)</code> draws uniform numbers between 0 and 1.</details>
# <details><summary>Hint 2</summary>A uniform number is below 0.3 with probability 0.3. So <code>torch.rand(...) &lt; p</code> is a preference.</details>
# <details><summary>Hint 3</summary>Draw again for the flips. Two bool tensors differ where <code>a ^ b</code> (or <code>a != b</code>) is True.</details>
# <details><summary>Solution idea</summary>Draw <code>preference = torch.rand(...) &lt; p</code> and <code>flipped = torch.rand(...) &lt; flip_rate</code>, and return <code>preference ^ flipped</code>.</details>


# %% nbgrader={"grade_id": "noisy_labels", "solution": true}
def noisy_labels(p, flip_rate, generator):
    """Draw a preference with probability p each, then flip with probability flip_rate.

    Args:
        p: float tensor of any shape, probability that the first text is preferred.
        flip_rate: from 0 to 1.
        generator: torch.Generator on p's device; the only source of randomness.

    Returns:
        A bool tensor of p's shape: whether the label prefers the first text.
    """
    ### BEGIN SOLUTION
    preference = torch.rand(p.shape, generator=generator, device=p.device) < p
    flipped = torch.rand(p.shape, generator=generator, device=p.device) < flip_rate
    return preference ^ flipped
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_noisy_labels", "grade": true, "locked": true, "points": 2}
check.noisy_labels(noisy_labels)

# %% [markdown]
# **What you just showed.** Taste and slips leave the same kind of trace, a label that could have been the other one.
# From the labels alone they can't be told apart. What a slip does to the limits can be computed, though.

# %% tags=["experiment"]
print("flip rate   best accuracy on such labels   entropy floor of such labels")
for flip_rate in (0.0, 0.1, 0.2, 0.3, 0.4):
    noisy = statistics.limits(p * (1 - flip_rate) + (1 - p) * flip_rate)
    print(
        f"   {flip_rate:.1f}              {noisy.accuracy:.3f}                         "
        f" {noisy.log_loss:.3f}"
    )

# %% [markdown]
# **Noise in the test labels lowers the ceiling too.** With 20 % slips a perfect model scores 0.68 against the noisy
# labels, and about 0.80 against what people prefer. A held-out accuracy of 0.68 can be bad or perfect; it depends on
# the labels. From here on we judge models by the true p, without slips.
#
# ### What noise does to the rewards
#
# We fit the simplest model that can express the rule, one weight per feature, to 20,000 pairs. The weights are then
# exact to within a few percent, and what remains is what the noise does.
#
# Noise pulls every probability towards one half. A margin is the log-odds of a probability, so every margin shrinks. The
# order of two texts does not change: $q$ is above one half exactly where $p$ is (as long as $e < 0.5$).
#
# **Predict, then run.** With 20 % of labels flipped, by how much do the rewards shrink: to about 0.8, 0.6 or 0.4 of the
# true scale? And what happens to the accuracy?

# %% tags=["experiment"]
predict("shrink", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
RATES = (0.0, 0.1, 0.2, 0.3)


def plain_fits(seed):
    """Scale of the fitted rewards (1 is right), and accuracy, for each flip rate."""
    train, held_out = (
        experiments.draw_world(20_000, seed, device),
        experiments.draw_held_out(seed, device),
    )
    for rate in RATES:
        model = experiments.fit_linear(
            train, experiments.draw_labels(train.p, rate, seed), experiments.plain
        )
        margin = experiments.margins(model, held_out)
        yield (
            experiments.relative_scale(margin, held_out.p),
            statistics.expected_scores(margin, held_out.p).accuracy,
        )


plain_scales, accuracies = np.array(
    [list(plain_fits(seed)) for seed in range(5)]
).transpose(2, 0, 1)
for rate, scale, accuracy in zip(RATES, plain_scales.T, accuracies.T, strict=True):
    print(
        f"flip rate {rate:.1f}: scale {scale.min():.2f} to {scale.max():.2f}, ", end=""
    )
    print(
        f"accuracy {accuracy.min():.3f} to {accuracy.max():.3f} (best possible "
        f"{limits.accuracy:.3f})"
    )
predict.compare("shrink", plain_scales[:, RATES.index(0.2)].mean())

# %% [markdown]
# <details><summary>What came out</summary>
#
# The rewards shrink to 0.4 of their scale, and the accuracy hardly moves. With many pairs and a model that fits,
# **noise harms the scale long before it harms the order**. Whoever looks at the accuracy only will not see it. Whoever
# uses the rewards as numbers will: a penalty that was weighed against rewards of one scale meets rewards of another.
#
# </details>

# %% [markdown]
# ## 4. Two remedies that look alike
#
# *Time to here: 45 minutes.*
#
# **Label smoothing** lowers the target: the preferred text should win with probability $1 - s$, not 1. For a margin $d$
#
# $$\ell_s(d) = -(1 - s)\log\sigma(d) - s\log\sigma(-d).$$
#
# **The flip-corrected loss** lowers nothing. It says how the label came about: the model gives a preference, the slip
# comes on top. The label that we see has probability $(1-e)\,\sigma(d) + e\,\sigma(-d)$, so
#
# $$\ell_e(d) = -\log\big[(1 - e)\,\sigma(d) + e\,\sigma(-d)\big].$$
#
# The first averages two logarithms, the second takes the logarithm of an average. You will write both, and
# then see how much hangs on that.

# %% [markdown]
# ### TODO 2: the smoothed loss
#
# | | |
# |:---|:---|
# | Purpose | the usual remedy against a model that is too sure |
# | Difficulty, importance | easy, medium |
# | Time | 10 minutes |
# | Points | 2 |
#
# `smoothed_bt_loss(margin, smoothing) -> scalar tensor`
#
# `margin` is a float32 or float64 tensor of shape `(n,)`, n at least 1: reward of the preferred text minus reward of
# the rejected one. `smoothing` is a Python float from 0 to 0.5. Return the **mean** over the pairs of $\ell_s$, as a
# 0-dim tensor that can be differentiated. The target of the preferred text is 1 - smoothing. (Some libraries spread
# the smoothing over both classes, and so use half as much. We do not.) The loss and its gradient must be right for
# margins from -1,000 to +1,000, 0 among them, and at smoothing 0.
#
# **By hand.** Margins 2 and -1, smoothing 0.1. The first pair: $0.9 \cdot 0.1269 + 0.1 \cdot 2.1269 = 0.3269$. The
# second: $0.9 \cdot 1.3133 + 0.1 \cdot 0.3133 = 1.2133$. The mean is 0.7701.
#
# <details><summary>Hint 1</summary><code>-F.logsigmoid(margin)</code> is the loss if the label is right, <code>-F.logsigmoid(-margin)</code> if it is wrong.</details>
# <details><summary>Hint 2</summary>The weights of the two are <code>1 - smoothing</code> and <code>smoothing</code>.</details>
# <details><summary>Hint 3</summary>No <code>.item()</code>, no <code>torch.tensor(...)</code> around the result: training goes backward from it.</details>
# <details><summary>Solution idea</summary>Add the two weighted losses, and take the mean. <code>F.binary_cross_entropy_with_logits</code> with a target of <code>1 - smoothing</code> is the same.</details>


# %% nbgrader={"grade_id": "smoothed_bt_loss", "solution": true}
def smoothed_bt_loss(margin, smoothing):
    """Mean Bradley-Terry loss whose target is 1 - smoothing.

    Args:
        margin: (n,) float tensor, reward of preferred minus reward of rejected.
        smoothing: from 0 to 0.5.

    Returns:
        A 0-dim tensor.
    """
    ### BEGIN SOLUTION
    return -(
        (1 - smoothing) * F.logsigmoid(margin) + smoothing * F.logsigmoid(-margin)
    ).mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_smoothed_bt_loss", "grade": true, "locked": true, "points": 2}
check.smoothed_bt_loss(smoothed_bt_loss)

# %% [markdown]
# **What you just showed.** The plain loss always wants a larger margin. The smoothed one has enough at $\sigma(d) = 1
# - s$, which is $d = \ln\frac{1-s}{s}$: for $s = 0.1$ that is 2.1972, where the loss is 0.3251. A wider margin costs
# more again. So smoothing puts a lid on how sure the model gets, **whatever the data say**.

# %% [markdown]
# ### TODO 3: the flip-corrected loss
#
# | | |
# |:---|:---|
# | Purpose | a likelihood that knows about slips |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `flip_corrected_loss(margin, flip_rate) -> scalar tensor`
#
# `margin` as before; positive where the text that was **labelled** as preferred has the higher reward. `flip_rate` is
# a Python float, at least 0 and below 0.5. Return the **mean** over the pairs of $\ell_e$, as a 0-dim tensor that can
# be differentiated. The loss and its gradient must be right for margins from -1,000 to +1,000, and also at a flip rate of 0.001 or
# 0, where this is the Bradley-Terry loss. That last corner is where the formula as written breaks: $\sigma(-1000)$ is
# 0 in 32 bits.
#
# **By hand.** Margins 2 and -1, flip rate 0.1. The first label has probability $0.9 \cdot 0.8808 + 0.1 \cdot 0.1192 =
# 0.8046$, loss 0.2174. The second $0.9 \cdot 0.2689 + 0.1 \cdot 0.7311 = 0.3152$, loss 1.1547. The mean is 0.6860.
#
# <details><summary>Hint 1</summary>The logarithm of a product is a sum: that of "kept" is <code>log(1 - flip_rate)</code> plus <code>F.logsigmoid(margin)</code>.</details>
# <details><summary>Hint 2</summary><code>torch.logaddexp(a, b)</code> is <code>log(exp(a) + exp(b))</code>, computed without overflow.</details>
# <details><summary>Hint 3</summary><code>math.log(0)</code> raises. <code>torch.log(torch.tensor(0.0))</code> is minus infinity, which is right: <code>logaddexp</code> adds nothing for it.</details>
# <details><summary>Solution idea</summary>Put <code>flip_rate</code> into a tensor like <code>margin</code>, form the two logarithms, join them with <code>torch.logaddexp</code>, and take minus the mean.</details>


# %% nbgrader={"grade_id": "flip_corrected_loss", "solution": true}
def flip_corrected_loss(margin, flip_rate):
    """Mean of -log[(1 - flip_rate) sigmoid(margin) + flip_rate sigmoid(-margin)].

    Args:
        margin: (n,) float tensor.
        flip_rate: at least 0, below 0.5.

    Returns:
        A 0-dim tensor.
    """
    ### BEGIN SOLUTION
    rate = torch.tensor(flip_rate, dtype=margin.dtype, device=margin.device)
    kept = torch.log(1 - rate) + F.logsigmoid(margin)
    flipped = torch.log(rate) + F.logsigmoid(-margin)
    return -torch.logaddexp(kept, flipped).mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_flip_corrected_loss", "grade": true, "locked": true, "points": 2}
check.flip_corrected_loss(flip_corrected_loss)

# %% [markdown]
# **What you just showed.** The probability of a label is never below $e$: it may have been a slip. So no pair can
# cost more than $-\log e$. Let us see both losses beside the plain one.
#
# **Predict, then run.** A pair is ranked badly wrong, with a margin of -8. With the plain loss it pulls with a force
# of nearly 1. How hard does it pull with each of the other two?

# %% tags=["experiment"]
predict("pull", ...)  # in place of the dots: the flip-corrected loss's force, 0 to 1

# %% tags=["experiment"]
d = torch.linspace(-8, 8, 201, dtype=torch.float64, requires_grad=True)
shapes = {
    "Bradley-Terry": experiments.plain,
    "smoothed, s = 0.1": lambda m: statistics.smoothed_bt_loss(m, 0.1),
    "flip-corrected, e = 0.1": lambda m: statistics.flip_corrected_loss(m, 0.1),
}
values = {
    name: np.array([loss(x[None]).item() for x in d.detach()])
    for name, loss in shapes.items()
}
slopes = {
    name: torch.autograd.grad(loss(d) * len(d), d)[0].numpy()
    for name, loss in shapes.items()
}
lowest = math.log(0.9 / 0.1)
shown.loss_shapes(d.detach().numpy(), values, slopes, rate=0.1)
print(
    f"smoothed loss at ln(0.9/0.1) = {lowest:.4f}: "
    f"{statistics.smoothed_bt_loss(torch.tensor([lowest]), 0.1):.4f}"
)
for name in shapes:
    print(
        f"{name:24s} slope at margin -8: {slopes[name][0]:+.3f}, at +8: "
        f"{slopes[name][-1]:+.3f}"
    )
predict.compare("pull", -slopes["flip-corrected, e = 0.1"][0])

# %% [markdown]
# <details><summary>What came out</summary>
#
# **Two different answers.** Smoothing changes what happens on the right: a pair that is ranked rightly by a wide
# margin is pulled back. A badly wrong pair still pulls with force 0.9. The correction changes what happens on the
# left: a badly wrong pair is taken for a slip, and lets go. On the right it never pulls back.
#
# Which one gives the rewards their scale back? Take a pair with true probability $p$, flipped at rate $e$, and ask
# for the margin that is best on average over its noisy labels:
# - plain: $\sigma(d) = q$, the noisy probability. Too small.
# - smoothed with $s = e$: $\sigma(d) = q(1-e) + (1-q)e$. The noise goes in **a second time**. Smaller still.
# - corrected: $(1-e)\,\sigma(d) + e\,\sigma(-d) = q$, which holds exactly at $\sigma(d) = p$.
#
# </details>


# %% tags=["experiment"]
def scales(seed, loss_at):
    """Scale of the rewards fitted with a loss, for each flip rate."""
    train, held_out = (
        experiments.draw_world(20_000, seed, device),
        experiments.draw_held_out(seed, device),
    )
    for rate in RATES:
        model = experiments.fit_linear(
            train, experiments.draw_labels(train.p, rate, seed), loss_at(rate)
        )
        yield experiments.relative_scale(
            experiments.margins(model, held_out), held_out.p
        )


at_rate = {
    "smoothed": lambda rate: lambda m: statistics.smoothed_bt_loss(m, rate),
    "corrected": lambda rate: lambda m: statistics.flip_corrected_loss(m, rate),
}
curves = {"Bradley-Terry": plain_scales}
for name, loss_at in at_rate.items():
    curves[name + " at the flip rate"] = np.array(
        [list(scales(seed, loss_at)) for seed in range(5)]
    )
    at_20 = curves[name + " at the flip rate"][:, RATES.index(0.2)]
    print(f"{name:10s} at flip rate 0.2: scale {at_20.min():.2f} to {at_20.max():.2f}")
rl.plots.show(
    figures.plot_bands(
        RATES,
        curves,
        ("true scale", 1.0),
        "20,000 pairs, one weight per feature: only the correction keeps the scale",
        "share of labels that are flipped",
        "scale of the rewards",
    ),
    alt="Scale of the rewards, mean over seeds, as the flip rate rises from 0 to 30 %: "
    + "; ".join(
        f"{name} from {scale[:, 0].mean():.2f} to {scale[:, -1].mean():.2f}"
        for name, scale in curves.items()
    )
    + ". The range of the corrected fit widens.",
)

# %% [markdown]
# With a model that fits, many pairs, and a known flip rate, the correction does what it promises, and smoothing makes
# things worse. Now do the whole comparison yourself.

# %% [markdown]
# ### TODO 4: the cures compared
#
# | | |
# |:---|:---|
# | Purpose | a noisy world, three losses, and a verdict that rests on the truth |
# | Difficulty, importance | medium, very high |
# | Time | 25 minutes |
# | Points | 2 |
#
# `compare_cures(difference, labels, held_out, p, flip_rate) -> dict`
#
# `difference` is a `(n, d)` tensor, float32 or float64: of each training pair, the features of the first text minus those of the second. `labels` is a bool tensor of shape `(n,)`: whether the first text is
# **labelled** as preferred. `held_out` is `(m, d)`, the same for other pairs, and `p`, a float64 tensor of shape `(m,)`, is their true probability that the first text is preferred, above 0 and below 1. `flip_rate` is at least 0 and below 0.5.
#
# A reward is one weight per feature, no constant: the margin of a pair is `difference @ weights`. Find the weights at which the **mean loss** of the training pairs is least, once for each loss: `plain` (Bradley-Terry), `smoothed` with smoothing
# `flip_rate`, `corrected` with `flip_rate`. No penalty; start from weights of 0, and go on until the loss no longer falls. Then judge each fit on the held-out pairs, and return a dict with the keys `"plain"`, `"smoothed"` and `"corrected"`, each with a tuple (or list) of two numbers, right to 0.005:
# - **scale**: with fitted margins $m$ and true ones $t = \log(p/(1-p))$, the slope $\sum m t / \sum t^2$. It is 1 where the rewards have their true scale;
# - **accuracy**: how often the fit agrees with a person: the mean of $p$ where $m > 0$, and of $1 - p$ elsewhere.
#
# Call your own losses, or `statistics.smoothed_bt_loss` and `statistics.flip_corrected_loss`. Leave the inputs as they are.
#
# **By hand.** One feature, all 100 differences 1, 74 labels True, flip rate 0.2; one held-out pair, difference 1, $p = 0.9$. Plain: $\sigma(w) = 0.74$, so $w = 1.0460$. Smoothed: $\sigma(w) = 0.74 \cdot 0.8 + 0.26 \cdot 0.2 = 0.644$, so $w = 0.5928$. Corrected:
# $0.8\,\sigma(w) + 0.2\,(1 - \sigma(w)) = 0.74$, so $\sigma(w) = 0.9$ and $w = 2.1972$, the true margin. The scales are 0.476, 0.270 and 1, the accuracies all 0.9.
#
# <details><summary>Hint 1</summary>A loss wants the margin of the text that is labelled as preferred: turn the sign where the label is False. <code>torch.where(labels, 1.0, -1.0).unsqueeze(1) * difference</code> does it once for all.</details>
# <details><summary>Hint 2</summary><code>torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")</code> and one <code>optimizer.step(objective)</code>, in which <code>objective</code> clears the gradient, computes the loss, calls <code>backward()</code> and returns the loss. In float64.</details>
# <details><summary>Hint 3</summary>Write a function <code>fit(loss)</code> first, and call it with three losses: <code>lambda m: statistics.smoothed_bt_loss(m, flip_rate)</code> is one.</details>
# <details><summary>Solution idea</summary>Signed differences; for each loss a fit from zeros; held-out margins; slope on <code>torch.logit(p)</code>; <code>torch.where(m > 0, p, 1 - p).mean()</code>.</details>

# %% nbgrader={"grade_id": "compare_cures", "solution": true}
def compare_cures(difference, labels, held_out, p, flip_rate):
    """Fit rewards with three losses, and judge the fits by the true probabilities.

    Args:
        difference: (n, d) features of the first texts minus those of the second.
        labels: (n,) bool, whether the first text is labelled as preferred.
        held_out: (m, d), of other pairs.
        p: (m,) true probability that the first text is preferred.
        flip_rate: how often a label was flipped; also the smoothing.

    Returns:
        A dict: "plain", "smoothed", "corrected" -> (scale, accuracy).
    """
    ### BEGIN SOLUTION
    signed = torch.where(labels, 1.0, -1.0).unsqueeze(1).double() * difference.double()

    def fit(loss):
        weights = signed.new_zeros(signed.shape[1]).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [weights], max_iter=100, line_search_fn="strong_wolfe"
        )

        def objective():
            optimizer.zero_grad()
            value = loss(signed @ weights)
            value.backward()
            return value

        optimizer.step(objective)
        return weights.detach()

    true, found = torch.logit(p.double()), {}
    for name, loss in {
        "plain": lambda m: statistics.smoothed_bt_loss(m, 0.0),
        "smoothed": lambda m: statistics.smoothed_bt_loss(m, flip_rate),
        "corrected": lambda m: statistics.flip_corrected_loss(m, flip_rate),
    }.items():
        margin = held_out.double() @ fit(loss)
        scale = (margin * true).sum() / true.square().sum()
        accuracy = torch.where(margin > 0, p, 1 - p).mean()
        found[name] = (scale.item(), accuracy.item())
    return found
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_compare_cures", "grade": true, "locked": true, "points": 2}
check.compare_cures(compare_cures)

# %% [markdown]
# **What you just showed.** Whether a cure helps is a question that can be answered, in a world whose truth is known. Here it is answered at four flip rates, 20,000 pairs each. Lines are the package's, circles *yours*, if they are there.

# %% tags=["experiment"]
packages = experiments.cures_at(experiments.compare_cures, RATES, SEED, device)
mine = experiments.attempt(
    partial(experiments.cures_at, compare_cures, RATES, SEED, device),
    "your compare_cures",
)
shown.cures(RATES, packages, mine)

# %% [markdown]
# A model that fits, many pairs, a known rate: all three conditions matter. What if they do not hold?

# %% [markdown]
# ## 5. When does which one help?
#
# *Time to here: 105 minutes.*
#
# Four situations, five seeds each. The losses are always the same three: Bradley-Terry, smoothed with $s = 0.1$, and
# corrected for 20 % of slips. Where there are no slips, the correction is thus told something false. The network has 64
# hidden units, and time enough to learn its 2,000 labels by heart, slips included.
#
# Two scores, both on 20,000 held-out pairs and judged by the true p: the log loss above its floor (a perfect model has
# 0), and the accuracy. `run_regime` is the code for all of it:

# %%
Code(inspect.getsource(experiments.run_regime), language="python")

# %% [markdown]
# **Predict, then run.** For each of the four: which loss gives the best log loss, and does any of them change the
# accuracy?
#
# Choices: **1** one loss is best in all four; **2** it depends, and the accuracy never changes; **3** it
# depends, and the accuracy changes with the network.

# %% tags=["experiment"]
predict("which_loss", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
SEEDS = range(5)
LOSSES = {
    "Bradley-Terry": experiments.plain,
    "smoothed, s = 0.1": lambda m: statistics.smoothed_bt_loss(m, 0.1),
    "corrected, e = 0.2": lambda m: statistics.flip_corrected_loss(m, 0.2),
}


def over_seeds(regime, loss):
    """(Log loss above its floor, accuracy) for each seed."""
    runs = (experiments.run_regime(regime, loss, seed, device)[1:] for seed in SEEDS)
    return [
        (scores.log_loss - floor.log_loss, scores.accuracy) for scores, floor in runs
    ]


def compare(regime):
    """The three losses in one situation, with two lines for each."""
    print(regime.name)
    runs = {}
    for name, loss in LOSSES.items():
        runs[name] = over_seeds(regime, loss)
        excess, accuracy = np.array(runs[name]).T
        print(
            f"  {name}: accuracy {accuracy.min():.3f} to {accuracy.max():.3f}, mean "
            f"{accuracy.mean():.3f};"
        )
        print(
            f"     log loss above its floor {excess.min():.3f} to {excess.max():.3f}, "
            f"mean {excess.mean():.3f}"
        )
    return runs


regimes = [
    experiments.Regime("linear model, 200 pairs, no slips", "linear", 200, 0.0),
    experiments.Regime("linear model, 200 pairs, 20 % slips", "linear", 200, 0.2),
    experiments.Regime("linear model, 5,000 pairs, 20 % slips", "linear", 5000, 0.2),
]
results = {regime.name: compare(regime) for regime in regimes}

# %% tags=["experiment"]
network = experiments.Regime("network, 2,000 pairs, 20 % slips", "network", 2000, 0.2)
results[network.name] = compare(network)
predict.compare("which_loss")

# %% tags=["experiment"]
excess = {
    name: {loss: np.mean(runs, axis=0)[0] for loss, runs in result.items()}
    for name, result in results.items()
}
helped = sum(
    found["smoothed, s = 0.1"] < 0.95 * found["Bradley-Terry"]
    for found in excess.values()
)
rl.plots.show(
    figures.plot_regimes(
        results,
        limits.accuracy,
        math.log(2) - limits.log_loss,
        "No loss is best everywhere: the correction needs pairs and a model that "
        "fits,\n"
        f"and smoothing lowers the log loss in {helped} of {len(results)} situations",
    ),
    alt="Four situations. Linear, 200 pairs, no slips: smoothing has the lowest log "
    "loss, the correction is far off. "
    "Linear, 200 pairs, slips: plain and smoothed alike, correction far off. Linear, "
    "5,000 pairs, slips: the correction "
    "is nearly at the limit. Network: smoothing lowers the log loss and the accuracy, "
    "the correction raises both.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The figure of this lesson.** Read it row by row.
# - **Few pairs, no slips.** Smoothing helps the log loss: 200 pairs for 20 weights make a model too sure, and a lid
#   on its sureness is right, if for no deep reason. The order does not change. The correction is told of slips that
#   are not there, dismisses honest labels, and its rewards run away.
# - **Few pairs, slips.** Nothing helps. The correction knows the true rate, and still runs away: with so few pairs it
#   can find weights that explain every contradiction as a slip.
# - **Many pairs, slips, a model that fits.** The correction comes close to the floor. Smoothing is worse than doing
#   nothing.
# - **A network that learns by heart.** Nobody comes near the limits. The correction ranks best, because it does not
#   chase every slip; but it is far too sure. Smoothing lowers the log loss, and ranks worse than the plain loss. (The
#   likely reason: the plain loss loses interest in a pair that is ranked by a wide margin. The smoothed one keeps
#   fitting every label, slip or not, to the same margin.)
#
# So: correct when the rate is known and the data are many; smooth when the probabilities matter more than the order,
# and check the accuracy when you do. And ask what neither can do. Neither brings the information back that noise
# destroyed: compare the accuracies of the network with the limit.
#
# </details>

# %% [markdown]
# ### A result that looks like progress
#
# A colleague reports that the network of the last row needs no remedy. "With 20 % slips and the plain loss my loss falls smoothly, and noise does
# no harm." Model, optimizer, number of pairs and of steps are those above. `people` is a function: a call asks people about all the pairs, and
# 20 % of the answers are slips. Her training:

# %%
Code(inspect.getsource(experiments.colleagues_training), language="python")

# %% tags=["experiment"]
her_runs = []
for seed in range(3):
    train = experiments.draw_world(2000, seed, device)
    her_runs.append(
        experiments.train_network(experiments.colleagues_training, train, 0.2, seed)
    )
shown.training_losses([losses for _, losses in her_runs])

# %% [markdown]
# The curve is as it should be, and her held-out accuracy comes close to the Bayes accuracy. It is too good to be true.
#
# **Predict, then run.** What is wrong with it?
#
# Choices: **1** the margin of the wrong text is pushed up; **2** people are asked again at every step; **3** gradients of earlier steps are added up; **4** the held-out pairs are trained on.

# %% tags=["experiment"]
predict("bug", ...)  # in place of the dots: 1, 2, 3 or 4

# %% tags=["experiment"]
print("held-out accuracy   section 5   colleague   best possible")
for seed, (model, _) in enumerate(her_runs):
    held_out = experiments.draw_held_out(seed, device)
    margin = experiments.margins(model, held_out)
    theirs = statistics.expected_scores(margin, held_out.p).accuracy
    ours = results[network.name]["Bradley-Terry"][seed][1]
    print(
        f"seed {seed}                {ours:.3f}       {theirs:.3f}         "
        f"{statistics.limits(held_out.p).accuracy:.3f}"
    )
predict.compare("bug")

# %% [markdown]
# <details><summary>1: the wrong text?</summary>No. <code>torch.where</code> turns the margin where the second text is preferred. Otherwise accuracy would be below one half.</details>
# <details><summary>3: gradients added up?</summary>No. <code>optimizer.zero_grad()</code> comes before <code>backward()</code>, once a step.</details>
# <details><summary>4: trained on held-out pairs?</summary>No. They never enter the function.</details>
# <details><summary>2: asked at every step?</summary>Yes. The labels are drawn anew at every step. Each pair is judged by 200 people, one a step, in
# place of one. Their votes average to q, and the slips average out. Real data have one label for a pair (or three),
# and it is the same in every epoch: a label that is wrong stays wrong. The loss curve looks normal, the held-out
# number is honest, and the experiment is about another data set. It would have cost 200 times as much to
# collect.</details>
#
# The same mistake hides in a `Dataset` that draws its noise in `__getitem__`. Draw the labels once, before training.
#
# **By hand.** Two pairs, one weight at 0, differences 1 and 1, learning rate 1, two steps. The first answers are True, True. Both losses are $\ln 2$, and the mean slope is $-0.5$: the weight goes to 0.5. With the same answers the second loss is
# $-\log \sigma(0.5) = 0.4741$. Asked anew, with answers False, False, it would be $0.9741$.

# %% [markdown]
# ### TODO 5: mend the training
#
# | | |
# |:---|:---|
# | Purpose | one label for a pair, as in real data |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `mended_training(model, optimizer, first, second, people, steps) -> list of losses`
#
# Her program, mended. `model` maps features `(n, d)` to rewards `(n,)`, `optimizer` holds its parameters. `first` and `second` are `(n, d)` tensors. A call of `people()` returns a bool tensor of shape `(n,)`, whether the first text
# is preferred, and costs money: it is to be called **once**. Make `steps` steps (1 or more) on all pairs, on the mean Bradley-Terry loss of these labels, and return the `steps` losses as Python numbers, each from **before** its step.
# Gradients left over from before must not count.
#
# **By hand.** The two pairs above: losses 0.6931 and 0.4741.
#
# <details><summary>Hint 1</summary>Which line of hers must not be repeated?</details>
# <details><summary>Hint 2</summary>A line above the loop is run once.</details>
# <details><summary>Hint 3</summary>Everything else stays: <code>zero_grad()</code>, <code>backward()</code>, <code>step()</code>, and the mean of <code>F.softplus(-signed)</code>.</details>
# <details><summary>Solution idea</summary>Move <code>preferred = people()</code> above the loop.</details>

# %% nbgrader={"grade_id": "mended_training", "solution": true}
def mended_training(model, optimizer, first, second, people, steps):
    """Train on labels that people gave once.

    Args:
        model: (n, d) features -> (n,) rewards.
        optimizer: of the model's parameters.
        first, second: (n, d) features of the two texts of each pair.
        people: a call asks people: (n,) bool, whether the first text is preferred.
        steps: how many.

    Returns:
        A list of the losses before each step.
    """
    ### BEGIN SOLUTION
    preferred = people()
    losses = []
    for _ in range(steps):
        margin = model(first) - model(second)
        loss = F.softplus(-torch.where(preferred, margin, -margin)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_mended_training", "grade": true, "locked": true, "points": 2}
check.mended_training(mended_training)

# %% tags=["experiment"]
train, held_out = (
    experiments.draw_world(2000, 0, device),
    experiments.draw_held_out(0, device),
)
mine = experiments.attempt(
    partial(experiments.train_network, mended_training, train, 0.2, 0),
    "your mended_training",
)
if mine:
    margin = experiments.margins(mine[0], held_out)
    scores = statistics.expected_scores(margin, held_out.p)
    print(f"with your mended_training: held-out accuracy {scores.accuracy:.3f}")

# %% [markdown]
# ## 6. Ties
#
# *Time to here: 130 minutes.*
#
# "Both are equally good" is an answer, too. A model with two outcomes has no place for it. Two common ways around:
# - **drop** the ties, and fit Bradley-Terry to the rest;
# - count each as **half a win** for both sides.
#
# The third way is a model with three outcomes. Davidson's (1970) gives a tie the geometric mean of the two worths,
# times a parameter $\nu$. With worths $\pi_i = e^{\lambda_i}$ the three outcomes stand in the proportions
#
# $$\text{i wins} : \text{j wins} : \text{tie} \;=\; \pi_i : \pi_j : \nu\sqrt{\pi_i \pi_j}.$$
#
# Ties are likeliest between equals, and $\nu$ says how likely: at equal worth $P(\text{tie}) = \nu / (2 + \nu)$.

# %% [markdown]
# ### TODO 6: the likelihood of ties
#
# | | |
# |:---|:---|
# | Purpose | train on "both equally good" |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `davidson_nll(ability_i, ability_j, log_nu, outcome) -> scalar tensor`
#
# `ability_i` and `ability_j` are tensors of shape `(n,)`, n at least 1, float32 or float64: the logarithms $\lambda$
# of the worths of the two sides of each comparison. `log_nu` is a 0-dim tensor of the same dtype, $\log \nu$.
# `outcome` is an int64 tensor of shape `(n,)`: 0 where i wins, 1 where j wins, 2 for a tie. Return the **mean** over
# the comparisons of minus the log-probability of the outcome, as a 0-dim tensor. It must be differentiable with
# respect to both abilities and `log_nu`, and right for abilities between -1,000 and 1,000.
#
# **By hand.** $\lambda_i = 1$, $\lambda_j = 0$, $\log\nu = 0.2$. The proportions are $e^1 : e^0 : e^{0.2 + 0.5}$,
# that is 2.718 : 1 : 2.014, and sum to 5.732. The probabilities are 0.474, 0.174 and 0.351, the losses 0.746, 1.746
# and 1.046. If each outcome came once, the mean is 1.1794.
#
# <details><summary>Hint 1</summary>The logarithm of the tie's term is <code>log_nu + (ability_i + ability_j) / 2</code>.</details>
# <details><summary>Hint 2</summary>Three terms, divided by their sum: that is a softmax of the three logarithms.</details>
# <details><summary>Hint 3</summary><code>torch.stack([...], dim=1)</code> makes an <code>(n, 3)</code> tensor of scores, in the order of the outcomes.</details>
# <details><summary>Solution idea</summary><code>F.cross_entropy(scores, outcome)</code> takes the scores and the outcomes as they are, and returns the mean.</details>


# %% nbgrader={"grade_id": "davidson_nll", "solution": true}
def davidson_nll(ability_i, ability_j, log_nu, outcome):
    """Mean negative log-likelihood of comparisons with ties, in Davidson's model.

    Args:
        ability_i: (n,) float tensor, log-worth of side i.
        ability_j: (n,) float tensor, log-worth of side j.
        log_nu: 0-dim float tensor.
        outcome: (n,) int64. 0: i wins, 1: j wins, 2: tie.

    Returns:
        A 0-dim tensor.
    """
    ### BEGIN SOLUTION
    tie = log_nu + (ability_i + ability_j) / 2
    return F.cross_entropy(torch.stack([ability_i, ability_j, tie], dim=1), outcome)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_davidson_nll", "grade": true, "locked": true, "points": 2}
check.davidson_nll(davidson_nll)

# %% [markdown]
# **What you just showed.** Ties need no new machinery: a third class in a cross-entropy. Put a reward model in the
# place of the abilities, and it trains on ties.
#
# **Real data.** Davidson's own example: six brands of chocolate pudding, 745 comparisons, 27 % of them ties. He
# printed the worths (scaled to sum to 1) and $\nu$. We fit the same model, and beside it the one of **Rao and
# Kupper** (1967), in which one side wins only if it is ahead by more than a threshold: $P(\text{i wins}) =
# \sigma(\lambda_i - \lambda_j - \eta)$, and a tie is the rest.

# %% tags=["experiment"]
games = statistics.load_puddings()
abilities, log_nu = statistics.fit_davidson(games)
rk_abilities, log_theta = statistics.fit_rao_kupper(games)
print("brand            1      2      3      4      5      6")
for name, values in {
    "Davidson": abilities,
    "Rao, Kupper": rk_abilities,
    "ties dropped": statistics.fit_bradley_terry(games, 0.0),
    "ties halved": statistics.fit_bradley_terry(games, 0.5),
}.items():
    print(
        f"{name:13s}"
        + "".join(f" {worth:.4f}" for worth in torch.softmax(values, dim=0).tolist())
    )
print(
    f"nu = {math.exp(log_nu):.4f}   (Davidson, 1970: .1388 .1730 .1617 .1654 .1587 "
    ".2024, nu = .7468)"
)

# %% [markdown]
# Davidson's numbers come back to all four decimals. The other three fits put the brands in the same order. Do the
# data say which model of ties is right? The log-likelihood of each, beside two limits: brands that are all alike, and
# a model that has three free probabilities for each of the 15 pairs, which no model can beat on these data.

# %% tags=["experiment"]
davidson = statistics.davidson_log_probabilities(
    abilities[games.first], abilities[games.second], torch.tensor(log_nu).double()
)
rao_kupper = statistics.rao_kupper_log_probabilities(
    rk_abilities[games.first],
    rk_abilities[games.second],
    torch.tensor(log_theta).double(),
)
counts = torch.zeros(6, 6, 3, dtype=torch.float64).index_put_(
    tuple(games), torch.ones(()).double(), accumulate=True
)
played = counts.sum(dim=2)
shares = torch.bincount(games.outcome).double() / len(games.outcome)
alike = torch.stack([(1 - shares[2]) / 2, (1 - shares[2]) / 2, shares[2]])
free = torch.special.xlogy(counts, counts / played.clamp(min=1)[..., None]).sum()
print(f"mean log loss: all alike  {-alike.log()[games.outcome].mean():.4f}")
print(f"               Davidson   {F.nll_loss(davidson, games.outcome):.4f}")
print(f"               Rao-Kupper {F.nll_loss(rao_kupper, games.outcome):.4f}")
print(f"               free       {-free / len(games.outcome):.4f}")

gap = torch.linspace(-4, 4, 161, dtype=torch.float64)
zero = torch.zeros_like(gap)
tie_curves = {
    "Davidson": statistics.davidson_log_probabilities(
        gap, zero, torch.tensor(log_nu).double()
    )[:, 2].exp(),
    "Rao and Kupper": statistics.rao_kupper_log_probabilities(
        gap, zero, torch.tensor(log_theta).double()
    )[:, 2].exp(),
}
i, j = torch.nonzero(played, as_tuple=True)
rate = counts[i, j, 2] / played[i, j]
observed = (
    abilities[i] - abilities[j],
    rate,
    (rate * (1 - rate) / played[i, j]).sqrt(),
)
rl.plots.show(
    figures.plot_tie_probability(
        gap.numpy(),
        {name: curve.numpy() for name, curve in tie_curves.items()},
        tuple(part.numpy() for part in observed),
        "Six puddings can't tell the two models of ties apart: they are too alike",
    ),
    alt=f"Both curves peak near {tie_curves['Davidson'].max():.2f} where the abilities "
    "are equal. Davidson's falls more slowly on "
    f"both sides. The {len(rate)} observed shares, from {rate.min():.2f} to "
    f"{rate.max():.2f}, lie within "
    f"{observed[0].abs().max():.1f} of the centre, where the curves coincide.",
)

# %% [markdown]
# **No.** The two log losses differ by less than 0.0001, because the puddings are so alike that only the middle of the
# curves is ever tested. The models differ where one side is much better: Davidson still expects ties there, Rao and
# Kupper fewer.
#
# ### What dropping and halving do
#
# The puddings can't show it, so we make a league whose abilities are known: six players, spread evenly from -1.5 to
# 1.5, 400 games a pair. Once the league follows Davidson, once Rao and Kupper.
#
# **Predict, then run.** A tie as half a win for each: harmless, or does it change the scale of the abilities?
#
# Choices: **1** harmless; **2** the abilities shrink; **3** the abilities stretch.

# %% tags=["experiment"]
predict("half_a_win", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
truth = torch.linspace(-1.5, 1.5, 6, dtype=torch.float64)
FITS = {
    "Davidson": lambda games: statistics.fit_davidson(games)[0],
    "Rao and Kupper": lambda games: statistics.fit_rao_kupper(games)[0],
    "ties dropped": lambda games: statistics.fit_bradley_terry(games, 0.0),
    "ties halved": lambda games: statistics.fit_bradley_terry(games, 0.5),
}
for league, log_tie in (("Davidson", 0.0), ("Rao and Kupper", 0.6)):
    drawn = [
        experiments.draw_games(league, truth, log_tie, 400, seed) for seed in range(5)
    ]
    ties = np.mean([(games.outcome == 2).double().mean() for games in drawn])
    print(
        f"a league after {league}, {ties:.0%} ties; scale of the fitted abilities (1 "
        "is right):"
    )
    for name, fit in FITS.items():
        fitted = [fit(games) for games in drawn]
        scale = [
            (abilities @ truth / truth.square().sum()).item() for abilities in fitted
        ]
        right = sum(
            torch.equal(abilities.argsort(), torch.arange(6)) for abilities in fitted
        )
        print(
            f"  {name:15s} {min(scale):.2f} to {max(scale):.2f}; true order in {right} "
            f"of {len(drawn)}"
        )
predict.compare("half_a_win")

# %% [markdown]
# <details><summary>What came out</summary>
#
# - **Halving shrinks** the abilities, in the first league to two thirds, in the second a little: a tie between
#   unequals counts as evidence that they are equal.
# - **Dropping** is right in Davidson's world, where the rest follows Bradley-Terry exactly. In Rao and Kupper's it
#   stretches: what remains are the decisions that were clear.
# - The **right model** of ties gets the scale right. The wrong one does not.
#
# All of them find the true order, in every league. As with noise, it is the scale that suffers first.
#
# </details>

# %% [markdown]
# ## 7. Calibration
#
# *Time to here: 155 minutes.*
#
# A model says 0.8 on a hundred pairs. If it means what it says, about 80 of them go that way. A model for which this
# holds at every probability is **calibrated**.
#
# To look, sort the pairs into bins by probability. In each bin compare the mean probability with the observed rate.
# That is the **reliability diagram**. The mean distance, each bin weighted by its share of the pairs, is the
# **expected calibration error** (ECE).
#
# A trap that is special to preferences: the data come as (preferred, rejected). If you put $\sigma(r_w - r_l)$ in and
# "1" for every outcome, every bin has an observed rate of 1, and a perfectly calibrated model looks hopeless. The
# order of the two texts must not depend on the label. In our world the first text is the one that was drawn first.

# %% [markdown]
# ### TODO 7: the calibration report
#
# | | |
# |:---|:---|
# | Purpose | do the probabilities mean what they say? |
# | Difficulty, importance | medium, high |
# | Time | 20 minutes |
# | Points | 2 |
#
# `calibration(probabilities, outcomes, bins) -> dict`
#
# `probabilities` is a float32 or float64 tensor of shape `(n,)`, n at least 1, from 0 to 1: of each pair, the
# probability that the first text is preferred. `outcomes` is a bool tensor of shape `(n,)`: whether it was. `bins` is
# a whole number, at least 1. Return a dict with
# - `curve`: a list with one tuple `(mean probability, observed rate, count)` for each bin that is **not empty**, from
#   the lowest bin to the highest. (Lists in place of tuples pass, and so does a tensor of shape `(k, 3)`.)
# - `ece`: the sum over these bins of (count / n) times |mean probability - observed rate|;
# - `brier`: the mean over the pairs of (probability - outcome) squared, with True as 1 and False as 0.
#
# The bins are of equal width on [0, 1]. Bin $k$, from 0, holds $k/\text{bins} \le p < (k+1)/\text{bins}$: an edge
# belongs to the bin above it. The last bin also holds 1. (The checks put a probability on an edge only where `bins`
# is a power of two, so that rounding plays no part.) The probabilities are used as they are, also those below one
# half. Numbers may be Python or NumPy numbers or 0-dim tensors.
#
# **By hand.** Probabilities 0.1, 0.2, 0.7, 0.9, outcomes False, True, True, True, two bins. The lower bin: mean 0.15,
# rate 0.5, count 2. The upper: mean 0.8, rate 1, count 2. ECE: $0.5 \cdot 0.35 + 0.5 \cdot 0.2 = 0.275$. Brier score:
# $(0.01 + 0.64 + 0.09 + 0.01) / 4 = 0.1875$.
#
# <details><summary>Hint 1</summary>PyTorch does not subtract bools: <code>outcomes.double()</code>.</details>
# <details><summary>Hint 2</summary><code>(probabilities * bins).long()</code> is the number of the bin, but for 1.0, which <code>.clamp(max=bins - 1)</code> puts right.</details>
# <details><summary>Hint 3</summary>Loop over the bins; <code>inside = index == k</code> selects the pairs of one; skip it if none is inside.</details>
# <details><summary>Solution idea</summary>For each bin with pairs, append mean, rate and count to the curve. The ECE is a sum over the curve.</details>


# %% nbgrader={"grade_id": "calibration", "solution": true}
def calibration(probabilities, outcomes, bins):
    """Expected calibration error, Brier score, points of the reliability diagram.

    Args:
        probabilities: (n,) float tensor from 0 to 1.
        outcomes: (n,) bool tensor, what happened.
        bins: number of equal-width bins on [0, 1].

    Returns:
        A dict with `ece`, `brier` and `curve`, a list of
        (mean probability, observed rate, count).
    """
    ### BEGIN SOLUTION
    happened = outcomes.double()
    index = (probabilities * bins).long().clamp(max=bins - 1)
    curve, ece = [], 0.0
    for k in range(bins):
        inside = index == k
        count = inside.sum().item()
        if count == 0:
            continue
        mean, rate = (
            probabilities[inside].double().mean().item(),
            happened[inside].mean().item(),
        )
        curve.append((mean, rate, count))
        ece += count / len(probabilities) * abs(mean - rate)
    brier = ((probabilities - happened) ** 2).mean().item()
    return {"ece": ece, "brier": brier, "curve": curve}
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_calibration", "grade": true, "locked": true, "points": 2}
check.calibration(calibration)

# %% [markdown]
# **What you just showed.** Two numbers with different meanings. The Brier score has a floor, E[p(1-p)], and falls for
# a model that knows more. The ECE ignores what the model knows: the forecast 0.5 for every pair is calibrated, and
# useless.
#
# ### How far can the ECE be trusted?
#
# A forecaster who says the true p is calibrated. Its calibration error is 0.
#
# **Predict, then run.** What ECE will `calibration` report for it, with 10 bins, on 100 labels? And on 10,000?

# %% tags=["experiment"]
predict("ece", ...)  # in place of the dots: the ECE on 100 labels

# %% tags=["experiment"]
SIZES = (30, 100, 300, 1000, 3000, 10_000, 30_000)
measured = np.zeros((30, len(SIZES)))
expected = np.zeros(len(SIZES))
for column, n in enumerate(SIZES):
    for seed in range(30):
        true_p = experiments.draw_world(n, 500 + seed).p
        labels = experiments.draw_labels(true_p, 0.0, 500 + seed)
        measured[seed, column] = statistics.calibration(true_p, labels, 10)["ece"]
        expected[column] += statistics.expected_ece(true_p, 10) / 30
shown.perfect_forecaster(SIZES, measured, expected)
for n in (100, 10_000):
    column = SIZES.index(n)
    print(
        f"{n:6,} labels: ECE {measured[:, column].min():.3f} to "
        f"{measured[:, column].max():.3f}, ",
        end="",
    )
    print(
        f"mean {measured[:, column].mean():.3f}, calculated {expected[column]:.3f}, "
        "true value 0"
    )
predict.compare("ece", measured[:, SIZES.index(100)].mean())

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The ECE is biased upward.** In each bin the observed rate misses the true one by chance, and absolute values do
# not cancel. With a hundred labels the perfect forecaster shows nearly 0.1. The size of this bias can be calculated
# (`expected_ece`): it falls with the square root of the number of labels, and grows with the number of bins. **Hold
# an ECE against that number, never against 0.**
#
# </details>
#
# ### A network that is too sure, and one number that helps
#
# Now the plain network without slips: 2,000 pairs, learnt by heart. **Temperature scaling** divides all of its
# margins by one number $T$, chosen on pairs that it was not trained on so that their log loss is least.
#
# **Predict, then run.** One number for the whole model. Can it change the accuracy?
#
# Choices: **1** yes, it rises; **2** yes, it falls; **3** no.

# %% tags=["experiment"]
predict("temperature", ...)  # in place of the dots: 1, 2 or 3


# %% tags=["experiment"]
def scaled_network(seed):
    """The plain network and temperature scaling: held-out pairs, T and margins."""
    no_slips = experiments.Regime(
        "network, 2,000 pairs, no slips", "network", 2000, 0.0
    )
    model, _, _ = experiments.run_regime(no_slips, experiments.plain, seed, device)
    validation, held_out = (
        experiments.draw_held_out(1000 + seed, device, 1000),
        experiments.draw_held_out(seed, device),
    )
    labels = experiments.draw_labels(validation.p, 0.0, 1000 + seed)
    temperature = statistics.fit_temperature(
        experiments.margins(model, validation), labels
    )
    return held_out, temperature, experiments.margins(model, held_out)


for seed in range(3):
    held_out, temperature, margin = scaled_network(seed)
    before, after = (
        statistics.expected_scores(m, held_out.p)
        for m in (margin, margin / temperature)
    )
    floor = statistics.limits(held_out.p)
    print(f"seed {seed}: T = {temperature:.1f}")
    for name in ("accuracy", "brier", "log_loss"):
        values = (getattr(scores, name) for scores in (before, after, floor))
        print(
            "   {:9s} before {:.3f}, after {:.3f}, limit {:.3f}".format(name, *values)
        )
predict.compare("temperature")

# %% tags=["experiment"]
labels = experiments.draw_labels(held_out.p, 0.0, 77)
reports = {
    "plain network": statistics.calibration(torch.sigmoid(margin), labels, 10),
    f"after division by T = {temperature:.1f}": statistics.calibration(
        torch.sigmoid(margin / temperature), labels, 10
    ),
    "the true p": statistics.calibration(held_out.p, labels, 10),
}
surest = reports["plain network"]["curve"][-1]
rl.plots.show(
    figures.plot_reliability(
        reports,
        "One number mends the calibration; the Brier score stays above its floor, "
        f"{statistics.limits(held_out.p).brier:.3f}",
    ),
    alt="Three reliability diagrams. The plain network's is much flatter than the "
    "diagonal: where it says "
    f"{surest[0]:.2f}, about {surest[1]:.2f} happen. After temperature scaling the "
    "points lie close to the diagonal, for the "
    "true p on it.",
)
for name, report in reports.items():
    print(f"{name:26s} ECE {report['ece']:.3f}, Brier score {report['brier']:.3f}")
print(
    "ECE of a calibrated forecaster on as many labels: about "
    f"{statistics.expected_ece(held_out.p, 10):.3f}"
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The accuracy is the same to the last digit**: dividing by a number changes no sign. The log loss falls from far
# above guessing to well below it. The ECE falls from about 0.2 to below 0.02. That is still more than a calibrated
# forecaster shows (the last line): one number mends most of it, not all.
#
# But calibrated is not the same as good. The Brier score is still above its floor: the network can't tell apart pairs
# that the true p tells apart, and no temperature will teach it. (Compare section 5: smoothing paid for its log loss
# with accuracy. Temperature scaling does not, but it needs held-out pairs.) And a temperature that is chosen on noisy
# labels fits the noisy probabilities: it can't know about slips.
#
# </details>

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 8. Reflection and next steps
#
# *Time to here: 185 minutes.*
#
# **What to remember**
# 1. When people disagree, the best possible accuracy is E[max(p, 1-p)], the Brier floor E[p(1-p)], the floor of the
#    log loss E[H(p)]. Hold every score against its floor.
# 2. Noise shrinks rewards long before it disturbs their order.
# 3. Smoothing puts a lid on sureness. The correction models the slips. They agree in nothing but the number they are
#    given.
# 4. Ties are a third outcome. Halving them shrinks the rewards; whether dropping them is right depends on how ties
#    arise.
# 5. An ECE is biased upward. Compare it with what a calibrated forecaster would show.
#
# **Five quick questions.** Answer before you open.
#
# 1. Two people agree on 72 % of pairs. Can a model agree with a person on 75 %?
# <details><summary>Answer</summary>Yes. The model may always name the likelier side; a person has moods. The ceiling is E[max(p, 1-p)].</details>
#
# 2. p = 0.9, and 20 % of labels are flipped. How often does the label say "first"?
# <details><summary>Answer</summary>0.9 · 0.8 + 0.1 · 0.2 = 0.74.</details>
#
# 3. Smoothing with s = 0.2 where 20 % of the labels are flipped: does it take the noise out?
# <details><summary>Answer</summary>No. It puts the same noise in a second time: rewards shrink more than with the plain loss.</details>
#
# 4. A forecaster says 0.5 for every pair. Its ECE, and its Brier score?
# <details><summary>Answer</summary>If the first text wins half of the pairs, the ECE is about 0: it is calibrated. The Brier score is 0.25, that of guessing.</details>
#
# 5. A perfect forecaster on 100 labels with 10 bins: is its ECE 0?
# <details><summary>Answer</summary>No, about 0.1. Observed rates miss by chance, and absolute values do not cancel. Compare with <code>expected_ece</code>.</details>
#
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_ceiling", "locked": true}
# **Question 1.** A team reports a reward model that agrees with held-out labels on 72 % of pairs, and labelers who
# agree with each other on 73 %. "We are at the ceiling", they say. Are they? Use the two quantities of section 2.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - agreement between people, E[p^2 + (1-p)^2], is not the ceiling of a model; the ceiling is the Bayes accuracy
#   E[max(p, 1-p)], and it is higher (in the lesson's world 0.80 against 0.72);
# - a caveat that is right: the ceiling can't be computed from the agreement alone, it depends on how p is spread; or
#   slips in the held-out labels lower the ceiling; or several labels for a pair would be needed to estimate p.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_ceiling", "grade": true, "solution": true, "points": 2}
# No. Agreement between two people is E[p^2 + (1-p)^2], but a model may always name the likelier side, so its ceiling
# is E[max(p, 1-p)], which is higher: 0.80 against 0.72 in this lesson's world. How much higher depends on how p is
# spread over the pairs, for which one would need several labels of each.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_remedy", "locked": true}
# **Question 2.** You have 500 labelled pairs, a large network, and a guess that about 10 % of labels are slips. Would
# you use the flip-corrected loss, smoothing, or neither? Use a result from section 5, and say what you would measure
# to find out.
#
# ### BEGIN MARK SCHEME
# 2 points: 1 for a choice with a reason from section 5, 1 for a sound measurement. For example:
# - the correction ranked better with the network, but was far too sure; with few pairs its rewards ran away, so it
#   needs a check or a temperature;
# - smoothing lowered the log loss and cost accuracy; temperature scaling does the first without the second;
# - neither, with more labels for each pair in place of a remedy, is a valid choice with a reason. Measurement:
#   held-out pairs, accuracy and log loss both, over several seeds; a held-out set labelled by several people; the
#   flip rate from pairs that were labelled twice by the same person. Training scores only: 0 for this point.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_remedy", "grade": true, "solution": true, "points": 2}
# In section 5 the correction gave the network the best order, so I would try it, with a temperature fitted on
# held-out pairs because its margins were far too large. I would compare it with the plain loss on held-out pairs that
# several people labelled, by accuracy and by log loss, over a few seeds.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_equal", "locked": true}
# **Question 3.** A data set has 30 % ties. A colleague wants to add each tie twice, once in each order, and use the
# plain Bradley-Terry loss. Which of the ways of section 6 is that, what does it do to the rewards, and when would you
# object?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - it is halving (up to weight: each tie then counts as one win for each side), and it shrinks the differences
#   between rewards;
# - a reasoned view: object where the scale matters (probabilities, a KL penalty, best-of-n against a threshold) or
#   ties come between unequal texts; not where only the order matters, which was the same for all fits in section 6.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_equal", "grade": true, "solution": true, "points": 2}
# It is the halving of section 6, with twice the weight. It pulls the rewards of tied texts together, and so shrinks
# the scale of all of them. I would object if the rewards are used as numbers, for example against a KL penalty; for
# the order alone it did no harm in section 6.

# %% [markdown]
# **Common mistakes**
# - to take the agreement between labelers, or 1.0, for the ceiling of a model;
# - to smooth because "the labels are noisy": smoothing adds the noise once more;
# - to draw the noise anew in every epoch;
# - to compute calibration with the preferred text always first: every outcome is then 1;
# - to choose the temperature on the training pairs: they are all ranked rightly, and the best T is close to 0.
#
# **Try next**
# - Tell the correction a wrong flip rate: 0.1 and 0.3 in place of 0.2. Which error is worse?
# - Let the flip rate depend on the pair: more slips where p is near one half. Does the correction still find the scale?
# - Stop the network of section 5 after 30 steps. How much of the difference between the losses remains?
# - Use 50 bins for the ECE of the true p. What does `expected_ece` say?
#
# **References, and what each is cited for**
# - L. Ouyang et al., Training language models to follow instructions with human feedback (2022): agreement between
#   labelers of 72.6 % (plus or minus 1.5).
# - G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950): the
#   Brier score.
# - T. Gneiting and A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, JASA 102 (2007): the
#   true p scores best.
# - C. Szegedy et al., Rethinking the Inception architecture for computer vision (2016): label smoothing.
# - G. Patrini et al., Making deep neural networks robust to label noise (2017): the forward correction.
# - R. R. Davidson, On extending the Bradley-Terry model to accommodate ties in paired comparison experiments, JASA 65
#   (1970): the model, the pudding data, the worths and nu.
# - P. V. Rao and L. L. Kupper, Ties in paired-comparison experiments: a generalization of the Bradley-Terry model,
#   JASA 62 (1967): the threshold model.
# - M. P. Naeini et al., Obtaining well calibrated probabilities using Bayesian binning (2015): the expected
#   calibration error.
# - R. Roelofs et al., Mitigating bias in calibration error estimation (2022): the bias of the ECE.
# - C. Guo et al., On calibration of modern neural networks (2017): networks are too sure; temperature scaling.
#
# **Next lesson.** Why does a reward model start from a pretrained language model? Lesson 4 pretrains one, and counts
# the pairs that it saves.
