# %% [markdown]
# # Lesson 7: Over-optimisation
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
# "When a measure becomes a target, it ceases to be a good measure." This is Goodhart's law. A reward model is a measure of
# what people want. In RLHF it becomes a target.
#
# In this lesson we push a reward model too far, on purpose. The learnt reward rises all the way. What do people
# think of the answers? With a large model nobody can follow that, because nobody knows what people think of every answer. Here we do: our world has 262,144 answers, and all of these curves are exact.
#
# **You will be able to**
# - compute what best-of-n sends, for any n, and how far that is from the reference;
# - estimate the same from samples, without bias;
# - fit the usual forms of over-optimisation, and say where they mislead;
# - tell which warnings see the turn coming and which do not;
# - make a reward more cautious, and say what that buys.
#
# **You need** lessons 1 and 6: the reward model, the KL divergence, the best policy for a price $\beta$. **Time:** about two
# hours. The whole notebook runs in about a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 6 is some time ago.** The *reference* writes answers. A *reward model* was trained on comparisons of
# such answers; its score is the *learnt reward*. What customers really think is the *gold reward*. The *KL divergence* of a
# policy to the reference is the mean of $\log(\pi(y)/\pi_{\mathrm{ref}}(y))$ over answers of the policy. It is 0 for the
# reference itself, and it is measured in nats. A policy that is sure of an answer of probability $p$ is $\log(1/p)$ nats away.

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

import torch
from IPython.display import Code

import reward_lab as rl
from reward_lab import rlhf
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson07 import check, experiments, figures, predict, shown

SEED = 0  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. The help desk, and five reward models
#
# We are back at the help desk of lesson 6. An assistant answers every call in six words out of eight: *please, restart, update,
# first, then, sorry, maybe, thanks*. Customers want to be told to restart and then to update. They like a *please* first and a
# *thanks* last. They dislike hedging, and words said twice.
#
# `known` holds all that can be known: every answer, its probability under the reference, and its gold reward.

# %%
known = rlhf.Known.of(rlhf.help_desk(), device)
gold_reference = rlhf.expectation(known.log_reference, known.gold)
print(f"{known.world.size:,} answers")
print(f"gold reward of the reference: {gold_reference:.3f}")
print(f"of the best answer: {known.gold.max():.0f}, '", end="")
print(known.world.text(known.texts[known.gold.argmax()]), end="'\n")

# %% [markdown]
# From here on the gold reward is for our eyes only. The reward model is lesson 1's, with places as in lesson 6. It sees 4,000
# pairs of answers of the reference, each judged once by a customer who is not always sure. One reward model could be a lucky or an unlucky
# one, so we train five, each on 4,000 pairs of its own.

# %% tags=["experiment"]
SEEDS = range(5)
proxies = []
for seed in SEEDS:
    pairs = experiments.preferences(known.world, seed, 4000)
    reward, accuracy = experiments.fit_on(known, pairs, seed)
    proxies.append(reward)
    correlation = rlhf.correlation(known.log_reference, reward, known.gold)
    print(f"reward model {seed}: held-out accuracy {accuracy:.3f}, ", end="")
    print(f"correlation with gold {correlation:.3f}", flush=True)
limit = rlhf.best_accuracy(known)
print(f"the gold reward itself, the best possible: {limit:.3f}")

# %% [markdown]
# These are good reward models. The judgements are noisy, so even the gold reward
# predicts only about 0.81 of them. And on answers of the
# reference the learnt reward goes well with the gold reward. So, let us use it.

# %% [markdown]
# ## 2. Best of n
#
# *Time to here: 5 minutes.*
#
# The simplest way to use a reward model needs no training at all. Let the assistant write n answers, score them, and send the
# one with the highest score. This is **best-of-n**.

# %% tags=["experiment"]
rl.plots.show(
    figures.plot_sampling(),
    alt="Diagram. The reference policy writes n answers, the reward model scores each, "
    "the highest score is sent to the customer, who alone knows the gold reward. "
    "The score is never asked whether it still knows.",
)

# %% [markdown]
# Which answer will be sent? Say one draw scores at most $s$ with probability $F(s)$. The best of n scores at most $s$ only if
# **all** n draws do. That has probability $F(s)^n$. So the answers with score $s$ get, all together, the step that $F^n$ makes
# there:
#
# $$P(\text{the score sent is } s) = F(s)^n - F(s^-)^n,$$
#
# where $F(s^-)$ counts the draws that score strictly less. If several answers have the same score, one of them was drawn: they
# share the step in proportion to their reference probabilities.
#
# **By hand.** Three answers with probabilities $(0.5, 0.3, 0.2)$ and scores $(0, 1, 2)$. Then $F = (0.5, 0.8, 1)$. For $n = 2$,
# $F^2 = (0.25, 0.64, 1)$, and the steps are $(0.25, 0.39, 0.36)$. Now let the first two scores be equal, $(1, 1, 2)$: together
# they get $0.64$, shared 5 to 3, so $(0.40, 0.24, 0.36)$.

# %% [markdown]
# ### TODO 1: the distribution of best-of-n
#
# | | |
# |:---|:---|
# | Purpose | every curve of this lesson is made of it |
# | Difficulty, importance | medium, very high |
# | Time | 20 minutes |
# | Points | 2 |
#
# `best_of_n(reference, score, n) -> (n_texts,) tensor`
#
# `reference` is a float64 tensor of shape `(n_texts,)`, n_texts at least 1: probabilities that sum to 1, some of which may be 0.
# `score` is a finite floating-point tensor of the same shape, in any order, with or without equal entries. `n` is an int, 1 or
# more. Return the probabilities of the text that is sent, float64, shape `(n_texts,)`, **in the order of the inputs**.
# - Equal scores share in proportion to `reference`. Reference 0 stays 0.
# - Small numbers count: a best text of probability $10^{-18}$ must come out at $10^{-15}$ for n = 1000. And n may be a million.
#
# **By hand.** Reference `[0.5, 0.3, 0.2]`, scores `[0, 1, 2]`, n = 4: `[0.0625, 0.3471, 0.5904]`.
#
# <details><summary>Hint 1</summary>Work on the distinct scores first: <code>levels, level = torch.unique(score, return_inverse=True)</code>, in ascending order. <code>torch.zeros(len(levels), dtype=torch.float64, device=score.device).index_add(0, level, reference)</code> is the probability of each level.</details>
# <details><summary>Hint 2</summary>Next to 1, a float64 has no room for 1e-18. Add up from the top: the probability of scoring <i>higher</i> than a level is small where F is near 1, and <code>torch.log1p(-higher)</code> is then log F with all its digits.</details>
# <details><summary>Hint 3</summary>F^n - G^n = F^n (1 - (G/F)^n), and G/F = 1 - mass/F. With <code>log1p</code> and <code>expm1</code> that is <code>torch.exp(n * log_F) * -torch.expm1(n * torch.log1p(-mass / F))</code>. Rounding may take mass/F a little above 1, so clamp it.</details>
# <details><summary>Solution idea</summary>Mass of each level; what lies above it, from the top; log F; the step as in hint 3; then each text gets its level's step times <code>reference / mass[level]</code>, and 0 where its reference is 0.</details>

# %% nbgrader={"grade_id": "best_of_n", "solution": true}
def best_of_n(reference, score, n):
    """The distribution of the text with the highest score among n draws.

    Args:
        reference: (n_texts,) float64 probabilities; entries may be 0.
        score: (n_texts,) what the draws are ranked by.
        n: how many are drawn.

    Returns:
        (n_texts,) float64 probabilities, in the order of the inputs.
    """
    ### BEGIN SOLUTION
    levels, level = torch.unique(score, return_inverse=True)
    mass = torch.zeros(len(levels), dtype=torch.float64, device=score.device)
    mass = mass.index_add(0, level, reference.double())
    higher = (mass.flip(0).cumsum(0).flip(0) - mass).clamp(0, 1)
    log_at_most = torch.log1p(-higher)
    share = (mass / log_at_most.exp()).nan_to_num(0).clamp(max=1)
    step = torch.exp(n * log_at_most) * -torch.expm1(n * torch.log1p(-share))
    within = torch.where(reference > 0, reference / mass[level], 0)
    return torch.where(reference > 0, step[level] * within, 0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_best_of_n", "grade": true, "locked": true, "points": 2}
check.best_of_n(best_of_n)

# %% [markdown]
# **What you just showed.** Best-of-n is a policy like any other, with a probability for every answer. It only needs no training.
# It looks at the *order* of the scores alone.
#
# **How far does it go?** Each doubling of n looks at twice as many answers. The KL of best-of-n to the reference is never more
# than
#
# $$\mathrm{KL} \le \log n - \frac{n-1}{n},$$
#
# and equal to it where every score is different and every answer rare (Beirami and others, 2024). **By hand**, n = 4: the bound is
# $1.386 - 0.75 = 0.636$. The three answers above have 0.560, because they are not rare.
#
# **Predict, then run.** Lesson 6's PPO went 2.4 nats. How many answers does best-of-n need for that: about 10, 30, or 1,000?

# %% tags=["experiment"]
predict("draws", ...)  # in place of the dots: a number of answers

# %% tags=["experiment"]
one = experiments.best_of_n_curve(known, proxies[0])
print("        n   exact KL   bound")
for n, kl in list(zip(one.n, one.kl, strict=True))[::2]:
    print(f"{n:9,d}   {abs(kl):8.4f}   {rlhf.best_of_n_kl_bound(n):.4f}")
far = next(n for n, kl in zip(one.n, one.kl, strict=True) if kl > 2.4)
print(f"the first power of two beyond 2.4 nats: {far}")
predict.compare("draws", far)

# %% [markdown]
# <details><summary>What the table shows</summary>About 30. The KL grows like log n: slowly. A million answers, each scored, take it
# to 13 nats. That is why best-of-n is hard to beat for a few nats, and hopeless for many. With a learnt score, where hardly two
# answers tie, exact KL and bound agree until the n comes near to one over the probability of the best answer.</details>

# %% [markdown]
# ## 3. The same from samples
#
# *Time to here: 35 minutes.*
#
# Nobody can list all answers of a large model. One writes N answers of the reference once, scores them, and asks: what would
# best-of-n be worth, for each n up to N?
#
# The obvious way is to split the N answers into groups of n, and average the gold of each group's best. That wastes nearly
# all of what is known. Better: average over **all** groups of n that can be formed. Put the answers in ascending order of score. Answer
# $i$ is the best of a group if the other $n - 1$ come from the $i - 1$ below it. There are $\binom{i-1}{n-1}$ such groups, out of
# $\binom{N}{n}$:
#
# $$\hat g_n = \sum_{i=1}^{N} \frac{\binom{i-1}{n-1}}{\binom{N}{n}} \; g_{(i)}.$$
#
# The same count is behind pass@k for programs. It is unbiased: each group is a fair best-of-n.
#
# **By hand.** Scores $(0.2, 0.9, 0.5, 0.7)$, gold $(1, 2, 4, 3)$. In ascending order of score the gold is $(1, 4, 3, 2)$. For
# $n = 2$ there are 6 groups, and the four answers are best in 0, 1, 2 and 3 of them: $(0 + 4 + 6 + 6)/6 = 2.667$.

# %% [markdown]
# ### TODO 2: the estimate
#
# | | |
# |:---|:---|
# | Purpose | best-of-n for every n, from one set of scored answers |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `best_of_n_estimate(score, gold, n) -> float`
#
# `score` and `gold` are floating-point tensors of shape `(N,)`, N at least 1, in any order; no two scores are equal. `n` is an
# int, 1 or more. Return $\hat g_n$, a Python number or a 0-dim tensor. If n is larger than N, raise `ValueError`. N may be in the
# thousands: $\binom{2000}{1000}$ has 600 digits, and no float holds it.
#
# **By hand.** For the four answers above and n = 1, 2, 3, 4: 2.5, 2.6667, 2.25, 2.0.
#
# <details><summary>Hint 1</summary><code>gold[score.argsort()]</code> is the gold in ascending order of score.</details>
# <details><summary>Hint 2</summary><code>math.comb</code> gives whole numbers of any size, and Python divides two of them without overflow: <code>math.comb(i - 1, n - 1) / math.comb(N, n)</code>.</details>
# <details><summary>Hint 3</summary>The first n - 1 answers are the best of no group: there <code>math.comb</code> gives 0.</details>
# <details><summary>Solution idea</summary>Check n. Compute the weight of each place, 1 to N, as in hint 2. Multiply by the sorted gold, and sum.</details>

# %% nbgrader={"grade_id": "best_of_n_estimate", "solution": true}
def best_of_n_estimate(score, gold, n):
    """Expected gold of best-of-n, from N scored texts of the reference.

    Args:
        score: (N,) what texts are ranked by.
        gold: (N,) what is averaged.
        n: size of a group.

    Returns:
        A number.

    Raises:
        ValueError: n is larger than N.
    """
    ### BEGIN SOLUTION
    if n > len(score):
        raise ValueError(f"n is {n}, and there are only {len(score)} texts")
    # From the top: n / N, and each weight is (i - n + 1) / i times the one above it.
    weight, total = n / len(score), 0.0
    ranked = gold[score.argsort()].tolist()
    for i in range(len(ranked) - 1, -1, -1):
        total += weight * ranked[i]
        weight *= (i - n + 1) / i if i > 0 else 0.0
    return total
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_best_of_n_estimate", "grade": true, "locked": true, "points": 2}
check.best_of_n_estimate(best_of_n_estimate)

# %% [markdown]
# **What you just showed.** One set of samples is worth a whole curve.
#
# **Your own best-of-n.** The next cell draws five sets of 4,096 answers, and holds the estimates against the exact value. Circles
# and crosses are *your* two functions, if they are there. (All later cells use the package's, so nothing stops if they are not.)
#
# **Predict, then run.** Where will the estimates be poor?
#
# Choices: **1** at small n; **2** in the middle; **3** at n near N.

# %% tags=["experiment"]
predict("poor", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
COUNT, ns = 4096, [2**k for k in range(13)]
sets, estimates = [], []
for seed in SEEDS:
    draw = torch.Generator().manual_seed(100 + seed)
    numbers = known.world.numbers(known.world.sample_reference(COUNT, draw)).to(device)
    sets.append((proxies[0][numbers], known.gold[numbers]))
    estimates.append([rlhf.best_of_n_estimate(*sets[-1], n) for n in ns])


def my_exact():
    mine = [best_of_n(known.reference, proxies[0], n) for n in ns]
    return [(p * known.gold).sum().item() for p in mine]


def my_estimate():
    return [float(best_of_n_estimate(*sets[0], n)) for n in ns]


own = {
    "your best_of_n": experiments.attempt(my_exact, "your best_of_n"),
    "your estimate, first set": experiments.attempt(my_estimate, "your estimate"),
}
own = {name: values for name, values in own.items() if values}
exact = one.gold[: len(ns)]
for name, values in own.items():
    off = max(abs(a - b) for a, b in zip(values[:9], exact, strict=False))
    print(f"{name}: at most {off:.3f} from the exact gold up to n = 256")

# %% tags=["experiment"]
shown.estimates(ns, exact, estimates, own)
spread = [max(values) - min(values) for values in zip(*estimates, strict=True)]
print(f"range of the five estimates: {spread[4]:.2f} at n = 16, ", end="")
print(f"{spread[8]:.2f} at n = 256, {spread[12]:.2f} at n = 4,096")
predict.compare("poor")

# %% [markdown]
# <details><summary>Where are they poor?</summary>Near N. There is one group of 4,096, and its best answer is a single
# answer: the estimate is one number of gold. In the middle each estimate is an average over a great many groups. Rule of thumb:
# trust it to n of about N/10.</details>

# %% [markdown]
# ## 4. Goodhart, exactly
#
# *Time to here: 55 minutes.*
#
# **Predict, then run.** Five reward models, n from 1 to a million. The learnt reward rises. What does the gold reward do?
#
# Choices: **1** it rises as well; **2** it rises and levels off; **3** it rises and falls.

# %% tags=["experiment"]
predict("gold", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
curves = [experiments.best_of_n_curve(known, reward) for reward in proxies]
shown.turn(curves)
print("reward model   highest gold   at n     KL    gold, learnt at n = 1,048,576")
for seed, c in enumerate(curves):
    top = c.peak
    print(f"{seed:12d}   {c.gold[top]:12.2f}   {c.n[top]:4d}   {c.kl[top]:.2f}", end="")
    print(f"   {c.gold[-1]:8.2f} {c.learnt[-1]:8.2f}")
predict.compare("gold")

# %% [markdown]
# <details><summary>What the figure shows</summary>It falls, in five of five. Up to some hundred draws a better score means a better answer. From there on a better
# score means a worse one. The turn is not at the very end: at n = 16 all is well, and a thousand draws are already too
# many. Nothing is wrong with these reward models on the data they were trained on.</details>
#
# **Where does it go wrong?** Look at what they like best.

# %% tags=["experiment"]
print("learnt   gold  reference   the favourites of reward model 0")
for number in proxies[0].argsort(descending=True)[:4]:
    print(f"{proxies[0][number]:6.2f}  {known.gold[number]:5.1f}  ", end="")
    print(f"{known.reference[number]:.1e}   {known.world.text(known.texts[number])}")
words = known.world.words
restarts = (known.texts == words.index("restart")).sum(dim=1)
updates = (known.texts == words.index("update")).sum(dim=1)
crowded = (restarts + updates >= 4).double()
print("\nshare of answers with four or more restarts and updates, and their mean gold")
for n in (1, 256, 2**20):
    p = rlhf.best_of_n(known.reference, proxies[0], n)
    share = (p * crowded).sum()
    print(f"n = {n:9,d}: {share:.3f}   {(p * crowded * known.gold).sum() / share:.2f}")

# %% [markdown]
# The reward model learnt that restarts and updates are good. It never learnt that a third one is too many, because the reference hardly
# ever writes that. Where it saw nothing it carries on in a straight line. And best-of-n finds exactly the places where that line
# leads too high. An error that is rare under the reference is not rare among the answers with the highest scores.

# %% [markdown]
# ### Is it best-of-n's fault?
#
# There are other ways to push. The exact optimum of lesson 6, $\pi_{\mathrm{ref}} e^{r/\beta}/Z$, for a price $\beta$ that falls.
# PPO with no penalty. PPO with a penalty of 0.25 a nat. Same reward models.
#
# **Predict, then run.** At equal KL the exact optimum has, by definition, the highest learnt reward there is. How does its gold
# compare with that of best-of-n?
#
# Choices: **1** it has more; **2** it has the same; **3** it has less.

# %% tags=["experiment"]
predict("optimum", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
optima = [experiments.optimum_curve(known, reward) for reward in proxies]
free, penalised = [], []
for seed in SEEDS:
    for beta, updates, runs in ((0.0, 20, free), (0.25, 40, penalised)):
        config = rlhf.RLConfig(
            beta=beta,
            seed=seed,
            updates=updates,
            measure_every=updates // 10,
            log_every=0,
        )
        _, history = rlhf.train_ppo(known.world, proxies[seed], config)
        runs.append(experiments.curve_of_run(history))
    print(f"PPO on reward model {seed} is done", flush=True)

# %% tags=["experiment"]
traces = {"exact optimum": optima, "PPO, no penalty": free, "PPO, beta 0.25": penalised}
shown.pushers(curves, traces)
for seed, c in enumerate(curves):
    optimum = experiments.optimum_at(known, proxies[seed], c.kl[10])
    print(f"at {c.kl[10]:.2f} nats, optimum minus best-of-1,024: ", end="")
    print(f"learnt {optimum.learnt[0] - c.learnt[10]:+.2f}, ", end="")
    print(f"gold {optimum.gold[0] - c.gold[10]:+.2f}")
for name, runs in (("no penalty", free), ("beta 0.25", penalised)):
    print(f"PPO, {name:10s}: ends at KL", end=" ")
    print(" ".join(f"{r.kl[-1]:5.1f}" for r in runs), end="")
    print("; gold", " ".join(f"{r.gold[-1]:5.2f}" for r in runs))
predict.compare("optimum")

# %% [markdown]
# <details><summary>What the figure shows</summary>Less, in five of five. Whoever is better at pushing the learnt reward gets deeper into its
# errors for the same distance. Best-of-n looks only at the order of scores, so a score that is far too high gets no more than one that is just the
# highest. Without a penalty PPO runs through the peak to the end of the scale. The penalty does not change the road. It says where to stop.</details>

# %% [markdown]
# ## 5. A law of the road?
#
# *Time to here: 60 minutes.*
#
# Gao, Schulman and Hilton measured such curves with large models, and found two forms that fit. With $d = \sqrt{\mathrm{KL}}$, the
# gold reward **gained** over the reference is
#
# $$\text{best-of-n: } \; d\,(\alpha - \beta d), \qquad \text{RL: } \; d\,(\alpha - \beta \log d).$$
#
# $\alpha$ is how well it starts, $\beta$ how fast that fades (no price here). For given data both are linear in $\alpha$ and $\beta$, so least squares has
# a formula: two columns, $d$ and $-d^2$ (or $-d \log d$), and **no intercept**, since no distance means no gain.
#
# Where is the top? Set the derivative to 0. Best-of-n: $\alpha - 2 \beta d = 0$, so $d = \alpha / (2\beta)$. RL:
# $\alpha - \beta \log d - \beta = 0$, so $d = e^{\alpha/\beta - 1}$. The KL there is $d^2$.
#
# **By hand.** $\alpha = 2$, $\beta = 0.5$: the best-of-n form has its top at $d = 2$, KL 4, and gains $2 (2 - 1) = 2$.

# %% [markdown]
# ### TODO 3: fit the forms
#
# | | |
# |:---|:---|
# | Purpose | a curve in two numbers, and where it says to stop |
# | Difficulty, importance | medium, medium |
# | Time | 20 minutes |
# | Points | 2 |
#
# `fit_overoptimization(kl, gain, form) -> (alpha, beta, kl_at_peak)`
#
# `kl` and `gain` are floating-point tensors of shape `(n,)`: the KL in nats, 0 or more, and the gold reward minus that of the reference.
# `form` is `"bon"` or `"rl"`. Leave points with KL 0 out; at least two different ones remain. Fit by ordinary least
# squares, without intercept and without weights. Return three numbers (Python numbers or 0-dim tensors): $\alpha$, $\beta$ and the **KL** at the top of the fitted curve.
# If $\beta \le 0$ the curve never turns: `float("inf")`. The fitted $\alpha$ is above 0.
#
# **By hand.** KL `[0, 0.25, 1, 4]`, gain `[0, 1.3, 2.1, 2.9]`, form `"bon"`: 2.8366, 0.6950, 4.1640.
#
# <details><summary>Hint 1</summary><code>there = kl &gt; 0</code>, then <code>d = kl[there].double().sqrt()</code>.</details>
# <details><summary>Hint 2</summary><code>columns = torch.stack([d, -d * d], dim=1)</code>; for "rl" the second one is <code>-d * d.log()</code>.</details>
# <details><summary>Hint 3</summary><code>torch.linalg.lstsq(columns, y.unsqueeze(1)).solution</code> has alpha and beta in a column.</details>
# <details><summary>Solution idea</summary>Filter, make the columns, solve, and then the KL at the top by the formula of the form, inf first.</details>

# %% nbgrader={"grade_id": "fit_overoptimization", "solution": true}
def fit_overoptimization(kl, gain, form):
    """Fit gain = d (alpha - beta d), or d (alpha - beta log d), with d = sqrt(kl).

    Args:
        kl: (n,) in nats, at least 0.
        gain: (n,) gold reward minus the reference's.
        form: "bon" or "rl".

    Returns:
        alpha, beta, and the KL at which the fitted curve is highest.
    """
    ### BEGIN SOLUTION
    there = kl > 0
    d, y = kl[there].double().sqrt(), gain[there].double()
    fading = d if form == "bon" else d.log()
    columns = torch.stack([d, -d * fading], dim=1)
    q, r = torch.linalg.qr(columns)
    solution = torch.linalg.solve_triangular(r, (q.T @ y).unsqueeze(1), upper=True)
    alpha, beta = solution.flatten().tolist()
    if beta <= 0:
        return alpha, beta, float("inf")
    top = alpha / (2 * beta) if form == "bon" else math.exp(alpha / beta - 1)
    return alpha, beta, top**2
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_fit_overoptimization", "grade": true, "locked": true, "points": 2}
check.fit_overoptimization(fit_overoptimization)

# %% [markdown]
# **What you just showed.** Curves like ours, in two numbers. How well do the forms do, and what are they good for? We fit both to best-of-n
# and to the road of exact optima. Then we act as a careful engineer would: we fit only up to 5 nats, and let the form tell where
# the top will be.
#
# **Predict, then run.** Over the whole road the fit is good. Where will the fit to the first 5 nats put the top?
#
# Choices: **1** about where it is; **2** too near; **3** too far out.

# %% tags=["experiment"]
predict("foresees", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
def fits(curve, within=13.0):
    """For each form: the fit to the points up to some KL, and its R² there."""
    kl = torch.tensor(curve.kl).clamp(min=0)
    gain, use = torch.tensor(curve.gold) - gold_reference, kl <= within
    found = {}
    for form in ("bon", "rl"):
        alpha, beta, top = rlhf.fit_overoptimization(kl[use], gain[use], form)
        fitted = rlhf.fitted_gain(kl, alpha, beta, form)
        found[form] = (fitted, top, rlhf.explained(gain[use], fitted[use]))
    return kl, gain, found


print("                   R² of form           KL at the top")
print("                   best-of-n     RL     true   fit to all   fit to first 5 nats")
for name, group in (("best-of-n", curves), ("exact optimum", optima)):
    for seed, c in enumerate(group):
        whole, early = fits(c)[2], fits(c, within=5.0)[2]
        print(
            f"{name:13s} {seed}    {whole['bon'][2]:.3f}    {whole['rl'][2]:.3f}",
            end="",
        )
        print(f"      {c.kl[c.peak]:.1f}         {whole['bon'][1]:4.1f}", end="")
        print(f"                  {early['bon'][1]:4.1f}")
predict.compare("foresees")

# %% tags=["experiment"]
panels = {}
for name, c in (("best-of-n", curves[0]), ("exact optimum", optima[0])):
    kl, gain, whole = fits(c)
    early = fits(c, within=5.0)[2]
    lines = {
        "best-of-n form": whole["bon"][0],
        "RL form": whole["rl"][0],
        "best-of-n form, fitted to 5 nats": early["bon"][0],
    }
    use = kl <= 13
    panels[name] = (kl[use], gain[use], {fit: v[use] for fit, v in lines.items()})
shown.fits(panels)

# %% [markdown]
# <details><summary>What the table shows</summary>The early fits put the top two or three times too far out, or further. The bend that makes the top is hardly
# there in the first 5 nats. The forms describe a curve; they do not foresee it. The second surprise is the RL form. It was found for PPO with large models. On our road of exact
# optima the form for best-of-n fits better in all five. Such forms are summaries of what was measured, in one setting. They are no law.</details>

# %% [markdown]
# ## 6. A bug that looks like care
#
# *Time to here: 90 minutes.*
#
# A colleague knows all this. "Never judge a reward by the model that you push. I trained a **second** reward model, on 4,000 other
# pairs, judged by other customers. It has never seen the first one. I choose the n at which the second model is happiest. Its score
# rises to the very end, so there is no over-optimisation up to a million draws."
#
# This is how she chooses, and her curves.

# %%
Code(inspect.getsource(experiments.colleagues_choice), language="python")

# %% tags=["experiment"]
double = []
for seed in SEEDS:
    others = experiments.preferences(known.world, 5000 + seed, 4000)
    second, accuracy = experiments.fit_on(known, others, 100 + seed)
    double.append(experiments.best_of_n_curve(known, proxies[seed], second))
    agree = rlhf.correlation(known.log_reference, proxies[seed], second)
    print(f"second model {seed}: held-out accuracy {accuracy:.3f}, ", end="")
    print(f"correlation with the first {agree:.2f}", flush=True)

# %% tags=["experiment"]
shown.second(double)
her_n = [
    experiments.colleagues_choice(c.n, c.second, [0] * len(c.n), [0] * len(c.n))
    for c in double
]
print("she chooses n =", ", ".join(f"{n:,}" for n in her_n))

# %% [markdown]
# Everything here is good practice: other pairs, other judges, five seeds, smooth curves.
#
# **What is wrong?** Choose one before you open the answers.
# - (a) The second model is too weak: with more pairs its score would have turned.
# - (b) The two models saw pairs of the same kind of texts, so they make the same mistakes in the same places.
# - (c) One must choose n on the first model's score.
# - (d) Nothing.

# %% tags=["experiment"]
my_answer = None  # "a", "b", "c" or "d"

turned = sum(c.gold[-1] < c.gold[c.peak] - 0.5 for c in double)
print(f"gold at her n: {', '.join(f'{c.gold[-1]:.2f}' for c in double)}")
print(f"highest gold:  {', '.join(f'{c.gold[c.peak]:.2f}' for c in double)}")
print(f"gold has turned in {turned} of 5")
shown.second_and_gold(double)

# %% [markdown]
# <details><summary>(a) too weak?</summary>No. It is as accurate as the first on answers of the reference. More pairs of the same kind show it no more crowded answers
# than before: the reference writes next to none.</details>
# <details><summary>(b) the same mistakes?</summary>Yes. Being independent means different noise. It does not mean different blind spots. Both models were trained on
# texts of the reference, and both must guess what lies beyond them, with the same architecture. A held-out score is honest only about the kind of texts that were held
# out.</details>
# <details><summary>(c) the first model's score?</summary>That is worse still: it is what is being maximised.</details>
# <details><summary>(d) nothing?</summary>Look at the gold curve.</details>
#
# What would have told her? People, asked about **these** answers. We compare answers of each best-of-n with answers of
# best-of-16, as a common opponent, and count who wins. The judge is as noisy as ever.
#
# How many judgements does that take? If best-of-256 wins against best-of-65,536 with probability $p$, a one-sided test at 5 % that finds
# it four times out of five needs about
#
# $$\left(\frac{1.645 \cdot 0.5 + 0.842 \sqrt{p(1-p)}}{p - 0.5}\right)^2 \text{ comparisons.}$$
#
# **Predict, then run.** 4,000 judgements did not show the turn. How many fresh ones do: 50, 500, or 5,000?

# %% tags=["experiment"]
predict("fresh", ...)  # in place of the dots: a number of comparisons

# %% tags=["experiment"]
needed = []
for seed, reward in enumerate(proxies):
    few, many, most = rlhf.best_of_n_path(known.reference, reward, (256, 4096, 65536))
    p, near = (rlhf.win_probability(known, few, other) for other in (most, many))
    print(f"reward model {seed}: best-of-256 beats best-of-65,536 ", end="")
    print(f"with p = {p:.2f}: ", end="")
    needed.append(experiments.comparisons_needed(p))
    print(f"{needed[-1]} comparisons; ", end="")
    print(f"best-of-4,096 with {near:.2f}: {experiments.comparisons_needed(near)}")
predict.compare("fresh", sum(needed) / len(needed))

# %% [markdown]
# <details><summary>How many?</summary>About 50, if they are asked where it matters. Not the number of judgements counts, but which texts are judged. A closer question, 256 against
# 4,096, costs some hundreds: the gold rewards differ less.</details>

# %% [markdown]
# ### TODO 4: mend the choice
#
# | | |
# |:---|:---|
# | Purpose | stop where people stop liking it |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `choose_n(ns, second_score, wins, comparisons) -> int`
#
# Four lists of the same length, one entry a candidate, in any order: `ns`, distinct whole numbers; `second_score`, the mean score of a
# second reward model on best-of-n; `wins`, how many fresh comparisons best-of-n won against the common opponent, a tie as half a win;
# `comparisons`, how many it had, which may be 0. The colleague took the highest `second_score`. Return the n with the highest
# **share** of wins. Of equal shares return the smallest n. A candidate without comparisons can't be chosen; at least one
# candidate has some. Shares are equal if they are equal as floats, `wins / comparisons`.
#
# **By hand.** `ns` `[16, 256, 4096, 65536]`, scores `[2.4, 3.4, 3.9, 4.1]`, wins `[20, 13, 24, 9]` of `[40, 20, 40, 20]`: shares
# 0.5, 0.65, 0.6 and 0.45, so 256.
#
# <details><summary>Hint 1</summary>Which of the four lists is the bug? You don't need it.</details>
# <details><summary>Hint 2</summary>Walk through <code>zip(ns, wins, comparisons)</code>, and skip candidates with 0 comparisons.</details>
# <details><summary>Hint 3</summary>Python compares tuples entry by entry: the highest <code>(share, -n)</code> has the highest share, and among equals the smallest n.</details>
# <details><summary>Solution idea</summary><code>max</code> over <code>(won / of, -n)</code> for candidates with <code>of &gt; 0</code>; return minus its second entry.</details>

# %% nbgrader={"grade_id": "choose_n", "solution": true}
def choose_n(ns, second_score, wins, comparisons):
    """Choose n by fresh comparisons.

    Args:
        ns: the candidates.
        second_score: what a second reward model thinks of each.
        wins: fresh comparisons that each one won.
        comparisons: how many each one had; may be 0.

    Returns:
        One of `ns`.
    """
    ### BEGIN SOLUTION
    compared = zip(ns, wins, comparisons, strict=True)
    return -max((won / of, -n) for n, won, of in compared if of > 0)[1]
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_choose_n", "grade": true, "locked": true, "points": 2}
check.choose_n(choose_n)

# %% [markdown]
# Now with the choice mended: 200 fresh comparisons for each of five candidates, against best-of-16. Where your `choose_n` is there, it is asked as well.

# %% tags=["experiment"]
candidates = [16, 256, 4096, 65536, 2**20]
print("reward model   shares of wins of n = 16, 256, 4,096, 65,536, 1,048,576")
for seed, c in enumerate(double):
    opponent = rlhf.best_of_n(known.reference, proxies[seed], 16)
    wins = [
        experiments.fresh_comparisons(known, p, opponent, 200, 900 + 10 * seed + k)
        for k, p in enumerate(
            rlhf.best_of_n_path(known.reference, proxies[seed], candidates)
        )
    ]
    scores = [c.second[c.n.index(n)] for n in candidates]
    asked = (candidates, scores, wins, [200] * 5)
    chosen = rlhf.choose_n(candidates, wins, [200] * 5)
    print(f"{seed:12d}  ", " ".join(f"{won / 200:.2f}" for won in wins), end="")
    print(f"   chosen {chosen}, gold {c.gold[c.n.index(chosen)]:.2f}", end="")
    print(f" (hers {c.gold[-1]:.2f}, the best n {c.gold[c.peak]:.2f})")
    if seed == 0:
        mine = experiments.attempt(partial(choose_n, *asked), "your choose_n")
        if mine:
            print(f"{'':14s}yours: {mine}")

# %% [markdown]
# **What you just showed.** The signal was cheap. It only had to come from people, and from the policy's own texts.

# %% [markdown]
# ## 7. What helps?
#
# *Time to here: 105 minutes.*
#
# Two things are tried in practice. The first: several reward models in place of one, and distrust where they disagree. Far from the
# training texts models should disagree, as nothing there holds them together.
#
# A reward model's zero means nothing. Before scores of several members can be compared, each member is shifted to mean 0 under
# the reference. Then there are three usual ways to put them together:
# - **mean**: the average of the members;
# - **min**: the most sceptical member for each text;
# - **uwo**, uncertainty-weighted: mean minus a coefficient times the variance between the members.
#
# **By hand.** Reference $(0.5, 0.3, 0.2)$, three members $(1, 2, 0)$, $(3, 2, 0.5)$, $(2, 2, -2)$. Their means under the reference are $1.1$, $2.2$ and
# $1.2$, so they become $(-0.1, 0.9, -1.1)$, $(0.8, -0.2, -1.7)$ and $(0.8, 0.8, -3.2)$. Mean: $(0.5, 0.5, -2)$. Min: $(-0.1, -0.2, -3.2)$.
# The variances are $(0.18, 0.247, 0.78)$, so uwo with coefficient 0.5 is $(0.41, 0.377, -2.39)$.

# %% [markdown]
# ### TODO 5: a cautious reward
#
# | | |
# |:---|:---|
# | Purpose | a reward that distrusts itself where it knows nothing |
# | Difficulty, importance | easy, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `conservative_reward(scores, reference, mode, coefficient) -> (n,) tensor`
#
# `scores` is a floating-point tensor of shape `(members, n)`, members at least 1; `reference` has shape `(n,)`, of the same dtype: probabilities that sum to 1.
# `mode` is `"mean"`, `"min"` or `"uwo"`; `coefficient` is a number, 0 or more, which only `"uwo"` uses. Shift each member to mean 0
# under the reference, then put them together as above. The variance divides by the number of members. Return a floating-point tensor of shape `(n,)`. A constant added
# to one member must change nothing.
#
# **By hand.** The numbers above: mean `[0.5, 0.5, -2]`, min `[-0.1, -0.2, -3.2]`, uwo with 0.5 `[0.41, 0.3767, -2.39]`.
#
# <details><summary>Hint 1</summary><code>scores @ reference</code> is the mean of each member under the reference, shape <code>(members,)</code>.</details>
# <details><summary>Hint 2</summary>To subtract it from the rows, it needs the shape <code>(members, 1)</code>: <code>.unsqueeze(1)</code>.</details>
# <details><summary>Hint 3</summary><code>.var(dim=0, correction=0)</code> divides by the number of members. <code>.min(dim=0)</code> returns values and indices.</details>
# <details><summary>Solution idea</summary>Centre the rows; then <code>min(dim=0).values</code>, or the mean over dim 0, from which "uwo" takes off the coefficient times the variance.</details>

# %% nbgrader={"grade_id": "conservative_reward", "solution": true}
def conservative_reward(scores, reference, mode, coefficient):
    """One reward of several members' scores, lower where they disagree.

    Args:
        scores: (members, n).
        reference: (n,) probabilities.
        mode: "mean", "min" or "uwo".
        coefficient: price of the variance, for "uwo".

    Returns:
        (n,) rewards.
    """
    ### BEGIN SOLUTION
    centred = scores - (scores @ reference).unsqueeze(1)
    if mode == "min":
        return centred.min(dim=0).values
    mean = centred.mean(dim=0)
    if mode == "mean":
        return mean
    return mean - coefficient * centred.var(dim=0, correction=0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_conservative_reward", "grade": true, "locked": true, "points": 2}
check.conservative_reward(conservative_reward)

# %% [markdown]
# **What you just showed.** Caution is three lines. Does it help?
#
# The second remedy needs no new idea, only the lesson of section 6: ask about the right texts. Spend half of the judgements on texts of
# the reference, train a first reward model, and push it far, to n = 65,536. Spend the other half on what comes out, compared with texts of
# the reference. Train anew on both halves together.
#
# To be fair, everybody gets the same 2,000 judgements:
# - **one model** on 2,000 reference pairs;
# - **five members**, each on those 2,000 pairs drawn anew with replacement, by their mean, and by uwo with coefficient 2;
# - **half of the labels on the policy's own texts**: one model on 1,000 + 1,000 pairs.
#
# **Predict, then run.** At n = a million, do five members cure it?
#
# Choices: **1** yes, gold no longer falls; **2** no, but they end higher than one model; **3** no, they end where one model does.

# %% tags=["experiment"]
predict("cure", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
ways = ("one model", "five, mean", "five, uwo", "own texts labelled")
remedies = {name: [] for name in ways}
known_n = experiments.DRAWS[::2]
for seed in SEEDS:
    pairs = experiments.preferences(known.world, seed, 2000)
    members = experiments.bootstrap_members(known, pairs, 5, seed)
    rewards = {"one model": experiments.fit_on(known, pairs, seed)[0]}
    for name, mode in (("five, mean", "mean"), ("five, uwo", "uwo")):
        rewards[name] = rlhf.conservative_reward(members, known.reference, mode, 2.0)
    half = tuple(side[:1000] for side in pairs)
    first, _ = experiments.fit_on(known, half, seed)
    pushed = rlhf.best_of_n(known.reference, first, 2**16)
    own_texts = experiments.judged_pairs(known, pushed, 1000, 7000 + seed)
    both = tuple(torch.cat(sides) for sides in zip(half, own_texts, strict=True))
    rewards["own texts labelled"], _ = experiments.fit_on(known, both, seed)
    for name, reward in rewards.items():
        remedies[name].append(experiments.best_of_n_curve(known, reward, ns=known_n))
    print(f"seed {seed} is done", flush=True)

# %% tags=["experiment"]
shown.remedies(remedies, known.gold.max().item())
print("                    highest gold, each seed", end="         ")
print("gold at n = 1,048,576             mean")
for name, group in remedies.items():
    ends = [c.gold[-1] for c in group]
    print(f"{name:18s} ", " ".join(f"{c.gold[c.peak]:5.2f}" for c in group), end="   ")
    print(" ".join(f"{end:5.2f}" for end in ends), f"  {sum(ends) / 5:5.2f}")
predict.compare("cure")

# %% [markdown]
# <details><summary>What the figure shows</summary>Both remedies end above the one model in five of five, and
# none is a cure. Ensembles mitigate: the mean helps in four of five, uwo in all. But members share what none of them ever saw, so most curves still turn. It
# costs five trainings. Labels on the policy's own texts do about as much with one model, which has seen what crowded answers are worth. And the next round could
# start from there: push again, ask again. At the very top, answers worth 5, nobody arrives.</details>

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 8. Reflection and next steps
#
# **What to remember**
# 1. Best-of-n is a policy: $F^n - F(s^-)^n$. It is about $\log n - 1$ nats away from the reference.
# 2. The learnt reward of what is pushed always rises. It is a training score.
# 3. Gold turns where the reward model knows nothing. Whoever pushes harder gets there sooner.
# 4. A second model trained on the same kind of texts shares the blind spot. A few fresh judgements of the policy's own texts do not.
# 5. A fitted form describes the road behind. It does not foresee the bend.
#
# **Five quick questions.** Answer before you open.
#
# 1. Best-of-n is run on a score $r$ and on $r^3$. Which one goes further from the reference?
# <details><summary>Answer</summary>Neither. The cube keeps the order, and best-of-n looks at nothing else: the same texts are sent. (The optimum $\pi_{\mathrm{ref}} e^{r/\beta}/Z$ would change.)</details>
#
# 2. n goes from 64 to 128. By about how much does the KL grow?
# <details><summary>Answer</summary>By $\log 2 = 0.69$ nats, less a little less than 0.01. Each doubling adds about as much.</details>
#
# 3. An estimate of best-of-1,000 from 1,000 samples is exactly one number of gold. Is it biased?
# <details><summary>Answer</summary>No. It is a fair best-of-1,000. It is only as noisy as a single text.</details>
#
# 4. Somebody reports: "held-out accuracy went up, so it is safe to push further." What do you ask?
# <details><summary>Answer</summary>Held out from which texts? Accuracy on texts of the reference says nothing about texts that the reference hardly ever writes.</details>
#
# 5. Five members of an ensemble all love crowded restarts. What does "min" do about it?
# <details><summary>Answer</summary>Nothing: the lowest of five high numbers is high. An error that all members share passes every vote.</details>

# %% [markdown] nbgrader={"grade_id": "ask_reflect_turn", "locked": true}
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.
#
# **Question 1.** The reward models of this lesson have a correlation of about 0.9 with the gold reward on answers of the reference. Why does
# pushing them still make answers worse in the end?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - the correlation (or accuracy) holds on texts of the reference, where the model was trained; texts with extreme scores are rare there, and about
#   them it has learnt nothing;
# - selection: among texts with a very high score those are over-represented whose score is too high (the error is selected along with the
#   quality); named with an example such as crowded restarts is worth the point.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_turn", "grade": true, "solution": true, "points": 2}
# The correlation was measured on texts that the reference writes. Texts with record scores are almost never among them, so nothing
# there was learnt. By taking the highest score we also pick the texts whose score is too high by mistake, such as answers full of restarts.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_second", "locked": true}
# **Question 2.** The colleague's second reward model had other pairs, other judges and other initial weights. Why did it not see the turn, and
# what would a second opinion need that it had not?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - both models saw the same kind of texts (the reference's) and have the same form, so they extrapolate alike: their errors are shared, not independent;
# - it needs judgements about the texts that the pushed policy writes (fresh comparisons, or training pairs from the policy). "A bigger model" or "more pairs of the same kind"
#   earns nothing.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_second", "grade": true, "solution": true, "points": 2}
# Both were trained on texts of the reference and have the same architecture, so where there were no texts they guess in the same way. A second
# opinion needs people's judgements about the policy's own texts: a few dozen comparisons of them were enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_budget", "locked": true}
# **Question 3.** You may buy 5,000 judgements for a new RLHF project, in two rounds. How would you spend them, and what would you watch to decide where
# to stop?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - a first round on texts of the reference, and a good part on texts of the pushed policy, with a new reward model trained on both;
# - some judgements kept for stopping: fresh comparisons of policies at several KL (or n), and stop where their win rate no longer rises. "Watch the learnt reward" or
#   "a second reward model" alone earns nothing; the KL alone earns nothing.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_budget", "grade": true, "solution": true, "points": 2}
# About half on pairs of the reference, to train a first model; push it; most of the rest on pairs of the policy's own texts, to train again. I would
# keep a few hundred to compare policies at several distances, and stop where the share of wins stops rising.

# %% [markdown]
# **Common mistakes**
# - ranking by gold in place of the score: the curve then never turns;
# - ties ranked by place: the order of the file decides what is sent;
# - `F**n - G**n` for rare texts: 0, where the answer is small but not 0;
# - an intercept in the fit, or $d$ = KL: other numbers, and a top in the wrong place;
# - members that were not centred: one member's zero decides the minimum;
# - a second reward model taken for a second opinion.
#
# **Try next**
# - Replace `proxies[0]` by `known.gold` in section 2. How far does the bound on the KL lie above the exact KL now, and why?
# - Push the reward of section 7 with PPO. Does labelling the policy's own texts still help?
# - Do a second round: label texts of best-of-n by the *new* reward. How high does gold get?
#
# **References, and what each is cited for**
# - L. Gao, J. Schulman, J. Hilton, Scaling laws for reward model overoptimization (2022): the two forms of section 5.
# - A. Beirami et al., Theoretical guarantees on the best-of-n alignment policy (2024): the bound on the KL.
# - M. Chen et al., Evaluating large language models trained on code (2021): the unbiased count, for pass@k.
# - T. Coste et al., Reward model ensembles help mitigate overoptimization (2023): mean, min, uwo.
# - J. Eisenstein et al., Helping or herding? (2023): ensembles mitigate and do not eliminate, as errors are shared.
#
# **Next lesson.** Lesson 8 leaves the reward model out: direct preference optimisation, from judgements to a policy in one step.
