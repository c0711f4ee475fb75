# %% [markdown]
# # Lesson 6: Policy gradients and PPO
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
# A reward model gives every answer a score. That alone makes no answer better. In this lesson we use the score: we change a
# language model, step by step, so that it writes answers which score higher. This is the RL in RLHF.
#
# With a large model nobody can say how far such a training has come, because nobody knows the best that could be reached.
# Here we can. Our language has eight words, an answer has six, so there are 262,144 answers, and the best possible policy is a
# sum that a laptop computes in a moment. Every curve in this lesson stands beside that limit.
#
# **You will be able to**
# - say what RLHF maximises, and write down the policy that maximises it;
# - write the losses of REINFORCE and PPO, and say what a baseline and clipping are for;
# - estimate a KL divergence from samples, and know which estimator fails when;
# - find a wrong sign in a training whose reward only ever goes up.
#
# **You need** lesson 1 (the reward model), a little PyTorch, and expectations. **Time:** about two hours. The whole notebook
# runs in about a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 1 is some time ago.** A *reward model* gives every answer one number, and was fitted on pairs of which people preferred
# one. Its number is the *learnt reward*. What people think on average is *gold*; here we know it. A *policy* is a language model that writes answers,
# each with a probability, and the *reference* is the policy that we start from. An *expectation* $E_{y \sim \pi}[r(y)]$ is the mean reward of what the
# policy writes. The *KL divergence* $E_{y \sim \pi}[\log \pi(y) - \log \pi_{\text{ref}}(y)]$ says, in nats, how far the policy is from the reference: 0 if they
# agree, and never below.

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

import numpy as np
import torch
from IPython.display import Code

import reward_lab as rl
from reward_lab import rlhf
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson06 import check, experiments, figures, predict, shown

SEED = 0  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. A language that can be counted
#
# A help desk has an assistant that answers every call in six words. It knows eight words: *please, restart, update, first,
# then, sorry, maybe, thanks*. It learnt to write from old conversations, and nobody ever told it what customers want. It hedges
# and apologises a lot.
#
# In the terms of RLHF this assistant is the **reference policy**: the language model before any training on
# preferences. Ours is a Markov chain, in which each word depends on the one before. Here are eight of its answers.

# %%
world = rlhf.help_desk()
texts = world.sequences(device)  # (262144, 6): every answer there is
log_reference = world.reference_log_probs(device)  # (262144,) exact log-probabilities
gold = world.gold(texts)  # (262144,): what customers really think of each
print(
    f"{world.size:,} answers, whose probabilities sum to "
    f"{log_reference.exp().sum():.6f}\n"
)
print(" gold  an answer of the reference policy")
for answer in world.sample_reference(8, torch.Generator().manual_seed(SEED)):
    print(f"{world.gold(answer).item():5.1f}  {world.text(answer)}")

# %% [markdown]
# What customers want is the **gold reward**. In this world we know it, because we made it:

# %%
Code(inspect.getsource(world.gold), language="python")

# %% [markdown]
# Order matters to them: an update before a restart does damage. The best answer is unique. Look for it in the next cell, and
# at how often the reference policy writes it.

# %%
print(
    "expected gold reward of the reference policy: "
    f"{rlhf.expectation(log_reference, gold):.3f}"
)
print("\n gold  probability  the best answers")
for number in gold.argsort(descending=True, stable=True)[:4]:
    print(
        f"{gold[number].item():5.1f}  {log_reference[number].exp().item():11.7f}  "
        f"{world.text(texts[number])}"
    )

# %% [markdown]
# The reference policy writes the perfect answer about once in 100,000 calls. It averages well below zero.

# %% [markdown]
# ## 2. The reward model
#
# *Time to here: 5 minutes.*
#
# From here on we act as if we did not know the gold reward. As in lesson 1, people compare two answers, and say which they
# prefer. They are not machines: the answer with gold reward $a$ wins against the one with $b$ with probability
# $\sigma(a - b)$. We collect 4,000 pairs of answers of the reference policy, one judgement each.
#
# The reward model is lesson 1's `RewardModel`, unchanged: mean embedding, two layers, one number. It sees a bag of words, and a
# bag has no order. Unless the words carry their places: we give it one token id for every **word at a place**, 48 in all, so
# that "restart as word 2" and "restart as word 5" are different tokens.
#
# **Predict, then run.** Some judgements are coin tosses, so no model can predict all of them. Guess the best possible
# held-out accuracy; then guess how close a bag of words without places comes.

# %% tags=["experiment"]
predict("best_accuracy", ...)  # in place of the dots: an accuracy, from 0 to 1

# %% tags=["experiment"]
rewards, history = experiments.fit_reward_model(world, SEED, device=device)
_, bag_history = experiments.fit_reward_model(world, SEED, places=False, device=device)
best_accuracy = experiments.best_accuracy(
    world, experiments.preference_pairs(world, SEED)[1]
)
print("                          training accuracy   held-out accuracy")
print(
    "bag of words                    "
    f"{bag_history.train_accuracy[-1]:.3f}               "
    f"{bag_history.held_out_accuracy[-1]:.3f}"
)
print(
    f"words with their places         {history.train_accuracy[-1]:.3f}               "
    f"{history.held_out_accuracy[-1]:.3f}"
)
print(f"gold reward, the best possible    -                 {best_accuracy:.3f}")
predict.compare("best_accuracy", best_accuracy)

# %% [markdown]
# <details><summary>What came out</summary>
#
# Places help, and the model comes within 0.06 of what is possible. What is missing are its mistakes. This is the score that
# we will now maximise, mistakes included.
#
# `rewards` holds the learnt reward of **every** answer. The Bradley-Terry loss does not see a constant added to all rewards, so
# we have shifted them: their mean under the reference policy is 0.
#
# </details>

# %% [markdown]
# ## 3. What RLHF maximises
#
# *Time to here: 10 minutes.*
#
# Just a high reward? Then the best policy would write one single answer, the one with the highest score, all day long. And the
# score can be trusted only on answers like those that were compared. So RLHF holds the policy near the reference. It maximises
#
# $$J(\pi) = \mathbb{E}_{y \sim \pi}[r(y)] - \beta \, \mathrm{KL}(\pi \,\|\, \pi_{\mathrm{ref}}), \qquad
# \mathrm{KL}(\pi \,\|\, \pi_{\mathrm{ref}}) = \mathbb{E}_{y \sim \pi}\!\left[\log \frac{\pi(y)}{\pi_{\mathrm{ref}}(y)}\right].$$
#
# The KL divergence is measured in nats; it is 0 for the reference itself. $\beta$ is its price.
#
# This has a solution in closed form:
#
# $$\pi^*(y) = \frac{1}{Z} \, \pi_{\mathrm{ref}}(y) \, e^{r(y)/\beta}, \qquad Z = \sum_y \pi_{\mathrm{ref}}(y) \, e^{r(y)/\beta},
# \qquad J^* = J(\pi^*) = \beta \log Z.$$
#
# Why? Put the definition of $\pi^*$ into $J$ and you get
# $J(\pi) = \beta \log Z - \beta \, \mathrm{KL}(\pi \,\|\, \pi^*)$. The first term is a constant, the second is greatest,
# namely 0, where $\pi = \pi^*$.
#
# **By hand.** Three answers, $\pi_{\mathrm{ref}} = (0.5, 0.3, 0.2)$, $r = (0, 1, 2)$, $\beta = 1$. The products are
# $0.5$, $0.3 \cdot 2.718 = 0.815$ and $0.2 \cdot 7.389 = 1.478$. They sum to $Z = 2.793$, so
# $\pi^* = (0.179, 0.292, 0.529)$ and $J^* = \log 2.793 = 1.027$. The KL is 0.323.

# %% [markdown]
# ### TODO 1: the best policy
#
# | | |
# |:---|:---|
# | Purpose | the limit that every training run of this lesson is held against |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `kl_optimal_policy(reward, reference, beta) -> (n,) tensor`
#
# `reward` and `reference` are floating-point tensors of shape `(n,)`, n at least 1; `reference` holds probabilities that sum
# to 1. `beta` is a Python number above 0. Return the probabilities $\pi^*$, a floating-point tensor of shape `(n,)`. Two things
# to get right:
# - rewards may be in the hundreds, of either sign, and $e^{400}$ is infinite in 32-bit numbers;
# - an answer with reference probability 0 has probability 0, also where its reward is the highest of all.
#
# **By hand.** Reward `[0, 1, 2]`, reference `[0.5, 0.3, 0.2]`, beta 1: `[0.1790, 0.2919, 0.5291]`.
#
# <details><summary>Hint 1</summary>Take the logarithm of the formula. What is multiplied is then added, and nothing overflows.</details>
# <details><summary>Hint 2</summary><code>reference.log() + reward / beta</code> is the logarithm of the answer, up to a constant. The logarithm of 0 is -inf, and that is right.</details>
# <details><summary>Hint 3</summary><code>torch.softmax</code> takes the exponential and divides by the sum, and takes off the largest entry first.</details>
# <details><summary>Solution idea</summary>Softmax, over dimension 0, of the sum in hint 2.</details>

# %% nbgrader={"grade_id": "kl_optimal_policy", "solution": true}
def kl_optimal_policy(reward, reference, beta):
    """The policy that maximises expected reward minus beta times KL.

    Args:
        reward: (n,) floating point.
        reference: (n,) probabilities; entries may be 0.
        beta: price of a nat of KL, above 0.

    Returns:
        (n,) probabilities.
    """
    ### BEGIN SOLUTION
    return torch.softmax(reference.log() + reward / beta, dim=0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_kl_optimal_policy", "grade": true, "locked": true, "points": 2}
check.kl_optimal_policy(kl_optimal_policy)

# %% [markdown]
# **What you just showed.** The answer to RLHF is known before the training starts. What is hard is to get there: a real
# language has far more answers than anybody can list, so $Z$ can't be computed, and one can only sample.
#
# **Predict, then run.** With $\beta = 0.5$, will the best policy write the best-scored answer nearly always, or seldom?
#
# Choices: **1** nearly always; **2** every second time or so; **3** seldom.

# %% tags=["experiment"]
predict("best_policy", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
BETA = 0.5
best = rlhf.kl_optimal_policy(rewards, log_reference.exp(), BETA)
j_star = rlhf.optimal_value(rewards, log_reference, BETA)
gold_star = rlhf.expectation(best.log(), gold)
print("                   J   learnt reward     KL     gold")
for name, log_probs in (("reference", log_reference), ("best policy", best.log())):
    reward = rlhf.expectation(log_probs, rewards)
    kl = rlhf.kl_divergence(log_probs, log_reference)
    print(
        f"{name:12s}  {reward - BETA * kl + 0.0:6.3f}      {reward:6.3f}     "
        f"{kl:6.3f}   {rlhf.expectation(log_probs, gold):6.3f}"
    )
print(f"\nJ* = beta log Z = {j_star:.3f}")
held_by = best.sort(descending=True).values.cumsum(0)
print(
    "the best policy writes the best-scored answer once in "
    f"{1 / best[rewards.argmax()].item():,.0f} calls"
)
print(
    f"90 % of its probability is spread over {(held_by < 0.9).sum().item() + 1:,} "
    "answers"
)
predict.compare("best_policy")

# %% [markdown]
# <details><summary>What came out</summary>
#
# **Seldom.** The reference hardly ever writes that answer, and the price holds the best policy near the reference: it
# spreads over thousands of answers. It moved about 2.4 nats, and the gold reward went up with the learnt one, from -1.7
# to 1.7. The way from $J(\pi_{\mathrm{ref}}) = 0$ to $J^*$ is what we now try to walk, with samples only.
#
# </details>

# %% [markdown]
# ## 4. Policy gradients
#
# *Time to here: 25 minutes.*
#
# **The policy.** It is the reference plus a small network that has read all words so far and corrects the next word's
# logits. The network's last layer starts at zero, so at the start the policy *is* the reference. Large models are often
# trained in the same way, with a frozen base and a small adapter.

# %%
Code(inspect.getsource(rlhf.Policy.forward), language="python")

# %% [markdown]
# **The problem.** We want the gradient of $\mathbb{E}_{y \sim \pi_\theta}[R(y)]$. But the parameters $\theta$ decide *which*
# answers are written, and writing is a random choice: no gradient flows through it.
#
# **The way out.** Since $\nabla \pi = \pi \, \nabla \log \pi$,
#
# $$\nabla_\theta \, \mathbb{E}_{y \sim \pi_\theta}[R(y)] = \mathbb{E}_{y \sim \pi_\theta}\big[ R(y) \, \nabla_\theta \log \pi_\theta(y) \big].$$
#
# In words: write some answers. Make the well rewarded ones more likely, in proportion to the reward. This is REINFORCE.
#
# **The baseline.** Subtract any number $b$ from the reward, and the mean does not change, because
# $\mathbb{E}[\nabla \log \pi] = \nabla \sum_y \pi(y) = \nabla 1 = 0$. What changes is the noise. If all rewards lie
# between 7 and 9, plain REINFORCE makes *every* answer that it wrote more likely. With $b = 8$ it learns at once that a 7
# is bad.
#
# **By hand.** Three answers with log-probabilities $(-2, -1, -3)$, rewards $(3, 1, 2)$, baseline $1.5$. The differences are
# $(1.5, -0.5, 0.5)$. Their products with the log-probabilities are $-3$, $0.5$ and $-1.5$, with mean $-1.3333$. The loss is
# minus that: $1.3333$. Its value means nothing. What counts is its gradient with respect to the log-probabilities,
# $-(1.5, -0.5, 0.5)/3$: a step downhill raises the first and the third.

# %% [markdown]
# ### TODO 2: the policy gradient loss
#
# | | |
# |:---|:---|
# | Purpose | turns a reward that has no gradient into a gradient for the policy |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `policy_gradient_loss(log_probs, rewards, baseline) -> scalar tensor`
#
# `log_probs` and `rewards` are floating-point tensors of shape `(batch,)`, batch at least 1, one entry an answer.
# `baseline` is a Python number, a 0-dim tensor, or a tensor of shape `(batch,)`. Return the **mean over the batch** of
# $-(\text{reward} - \text{baseline}) \cdot \log \pi$, as a 0-dim tensor that can be differentiated. The gradient goes
# through `log_probs` **only**: should rewards or baseline require gradients, none may flow into them.
#
# **By hand.** Log-probabilities `[-2, -1, -3]`, rewards `[3, 1, 2]`, baseline 1.5: the loss is 1.3333.
#
# <details><summary>Hint 1</summary>The advantage, reward minus baseline, is a plain number to this loss.</details>
# <details><summary>Hint 2</summary><code>.detach()</code> gives a tensor that gradients do not pass. The difference of rewards and baseline is always a tensor, even where the baseline is a number.</details>
# <details><summary>Hint 3</summary>PyTorch minimises, and we want to maximise: mind the minus.</details>
# <details><summary>Solution idea</summary><code>-(advantage * log_probs).mean()</code> with <code>advantage = (rewards - baseline).detach()</code>.</details>

# %% nbgrader={"grade_id": "policy_gradient_loss", "solution": true}
def policy_gradient_loss(log_probs, rewards, baseline):
    """The loss whose gradient is the REINFORCE estimate, with its sign turned.

    Args:
        log_probs: (batch,) log-probability of each answer; carries the gradient.
        rewards: (batch,) reward of each answer.
        baseline: a number, a 0-dim tensor or a (batch,) tensor.

    Returns:
        A 0-dim tensor.
    """
    ### BEGIN SOLUTION
    advantage = (rewards - baseline).detach()
    return -(advantage * log_probs).mean()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_policy_gradient_loss", "grade": true, "locked": true, "points": 2}
check.policy_gradient_loss(policy_gradient_loss)

# %% [markdown]
# **What you just showed.** The reward is a black box to this loss. It could come from a network, a program, or a person.
#
# **How much noise does a baseline save?** Here we can know: the exact gradient is a sum over all answers. We draw 60
# batches of 64 answers, and compare each batch's estimate with the exact gradient. The baseline of an answer is the
# mean reward of the *other* answers in its batch, so that it knows nothing of the answer itself.
#
# A reward model's zero is arbitrary. So we also ask what happens when all rewards come out 2, 5 or 10 higher.
#
# **Predict, then run.** Adding 10 to all rewards changes no preference. What will it do to the noise?

# %% tags=["experiment"]
predict("noise", ...)  # in place of the dots: how many times the variance?

# %% tags=["experiment"]
offsets = (0.0, 2.0, 5.0, 10.0)
torch.manual_seed(SEED)
untrained = rlhf.Policy(world).to(device)
noise = {"no baseline": [], "baseline: mean of the others": []}
for offset in offsets:
    for baseline, (name, values) in zip((False, True), noise.items(), strict=True):
        found = experiments.gradient_noise(
            untrained, world, rewards + offset, baseline, batches=60
        )
        values.append(found.variance / found.signal)
        print(
            f"rewards + {offset:4.1f}, {name:28s}: variance {found.variance:6.2f}, "
            f"cosine to the exact gradient {found.cosine:.2f}"
        )

# %% tags=["experiment"]
saved = noise["no baseline"][-1] / noise["baseline: mean of the others"][-1]
rl.plots.show(
    figures.plot_gradient_noise(
        offsets,
        noise,
        f"Without a baseline, adding 10 to all rewards means {saved:.0f} times the "
        "variance",
    ),
    alt="Gradient variance against the constant added to all rewards, in units of the "
    "squared gradient: "
    + "; ".join(
        f"{name} from {values[0]:.1f} to {values[-1]:.1f}"
        for name, values in noise.items()
    )
    + ".",
)
predict.compare("noise", saved)

# %% [markdown]
# <details><summary>What came out</summary>
#
# With a baseline the constant does no harm at all. Without one, the noise grows with its square, and the estimate
# hardly points in the right direction any more. At the start our rewards have mean 0 by our own choice, so there the
# baseline saves nothing. But a policy that learns does not stay at 0.
#
# </details>

# %% [markdown]
# **REINFORCE, the whole loop.** Write 256 answers. The reward of each is its learnt reward minus
# $\beta \log(\pi(y)/\pi_{\mathrm{ref}}(y))$, which has mean $J$. Take one step of Adam. Do this 80 times.
# `train_reinforce` is that loop; after every fifth batch it also computes the exact $J$, which the training never sees.

# %%
Code(inspect.getsource(rlhf.train_reinforce), language="python")

# %% [markdown]
# We run it with a baseline, and without one on rewards that came out 5 higher. Five seeds each. (For the second, 5 is taken
# off afterwards, so that the curves can be compared.)

# %% tags=["experiment"]
SEEDS = range(5)
OFFSET = 5.0


def share_text(history, optimum=j_star):
    share = history.share_of_way(optimum)
    return f"J {history.value[-1]:.3f}, {share:.1%} of the way to J* = {optimum:.3f}"


runs = {"REINFORCE, no baseline, rewards + 5": [], "REINFORCE with baseline": []}
for seed in SEEDS:
    config = rlhf.RLConfig(beta=BETA, seed=seed, log_every=0)
    _, run = rlhf.train_reinforce(world, rewards + OFFSET, config, baseline=False)
    run.value = [value - OFFSET for value in run.value]
    runs["REINFORCE, no baseline, rewards + 5"].append(run)
    print(f"no baseline, seed {seed}: {share_text(run)}")

# %% tags=["experiment"]
for seed in SEEDS:
    _, run = rlhf.train_reinforce(
        world, rewards, rlhf.RLConfig(beta=BETA, seed=seed, log_every=0)
    )
    runs["REINFORCE with baseline"].append(run)
    print(f"with baseline, seed {seed}: {share_text(run)}")

# %% [markdown]
# Same number of answers, same learning rate. The baseline alone makes the difference between about 0.88 and more than
# 0.97 of the way.

# %% [markdown]
# ## 5. How far did we go? Three ways to estimate a KL
#
# *Time to here: 45 minutes.*
#
# The penalty needs $\mathrm{KL}(\pi \,\|\, \pi_{\mathrm{ref}})$. With a real language model it can't be summed, only
# estimated: draw answers from $\pi$, and average something. With $\ell = \log p - \log q$ for a sample from $p$, three
# candidates are in use:
#
# $$k_1 = \ell, \qquad k_2 = \tfrac{1}{2}\ell^2, \qquad k_3 = e^{-\ell} - 1 + \ell.$$
#
# - $k_1$ is the definition. Its mean is right. But single values are often negative, though a KL never is.
# - $k_2$ is never negative. Its mean is not the KL, but close to it while $p$ and $q$ are close.
# - $k_3$ adds to $k_1$ the term $q/p - 1$, whose mean under $p$ is 0. So its mean is right, and it is never negative, as
#   $e^{x} \ge 1 + x$.
#
# **By hand.** $p = 0.5$, $q = 0.25$: $\ell = \log 2 = 0.6931$, so $k_1 = 0.6931$, $k_2 = 0.2402$,
# $k_3 = 0.5 - 1 + 0.6931 = 0.1931$. And $p = 0.5$, $q = 0.75$: $\ell = -0.4055$, so $k_1 = -0.4055$, $k_2 = 0.0822$,
# $k_3 = 1.5 - 1 - 0.4055 = 0.0945$.

# %% [markdown]
# ### TODO 3: the estimators
#
# | | |
# |:---|:---|
# | Purpose | the KL penalty, and the most watched curve of every RLHF run |
# | Difficulty, importance | easy, high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `kl_estimators(log_p, log_q) -> (k1, k2, k3)`
#
# `log_p` and `log_q` are floating-point tensors of the same shape, any shape: the log-probabilities of samples **from p**
# under p and under q. Return a tuple (or list) of three floating-point tensors of that shape, one value **per sample**:
# no averaging. $k_3$ must be accurate near 0: for log-ratios as small as $10^{-3}$ in float32 and $10^{-8}$ in float64,
# to one percent. Log-probabilities may be as low as -800, log-ratios of either sign as large as 40.
#
# **By hand.** `log_p = log([0.5, 0.5])`, `log_q = log([0.25, 0.75])`: k1 `[0.6931, -0.4055]`, k2 `[0.2402, 0.0822]`, k3
# `[0.1931, 0.0945]`.
#
# <details><summary>Hint 1</summary>All three are functions of one tensor, the log-ratio.</details>
# <details><summary>Hint 2</summary>For a log-ratio of 0.001, k3 is 0.0000005. In float32 the number 1.001 is rounded in its seventh decimal, which is as large as the result.</details>
# <details><summary>Hint 3</summary><code>torch.expm1(x)</code> is exp(x) - 1 without that loss.</details>
# <details><summary>Solution idea</summary><code>log_ratio = log_p - log_q</code>; return it, half its square, and <code>torch.expm1(-log_ratio) + log_ratio</code>.</details>

# %% nbgrader={"grade_id": "kl_estimators", "solution": true}
def kl_estimators(log_p, log_q):
    """Three estimates of KL(p || q) for each sample from p.

    Args:
        log_p: log-probability of each sample under p.
        log_q: of the same shape, under q.

    Returns:
        k1, k2, k3, each of the inputs' shape.
    """
    ### BEGIN SOLUTION
    log_ratio = log_p - log_q
    return log_ratio, log_ratio**2 / 2, torch.expm1(-log_ratio) + log_ratio
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_kl_estimators", "grade": true, "locked": true, "points": 2}
check.kl_estimators(kl_estimators)

# %% [markdown]
# **What you just showed.** Three unlike formulas for one quantity. Which is best? In this world bias and spread are
# exact numbers. We take best policies for three prices: close to the reference ($\beta = 5$), further off (2), and the
# one that we train for (0.5).
#
# **Predict, then run.** $k_3$ has the right mean and is never negative. Is it the best choice everywhere?
#
# Choices: **1** yes, everywhere; **2** no, k1 is the best everywhere; **3** no, none is the best everywhere.

# %% tags=["experiment"]
predict("estimators", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
print(f"{'':19} bias / true KL {'':16} standard deviation / true KL")
print("beta   true KL      k1       k2       k3   ", end="")
print("         k1       k2       k3     k1 negative")
for beta in (5.0, 2.0, 0.5):
    p = rlhf.kl_optimal_policy(rewards, log_reference.exp(), beta)
    true = rlhf.kl_divergence(p.log(), log_reference)
    estimates = torch.stack(rlhf.kl_estimators(p.log(), log_reference))  # (3, 262144)
    means = (estimates * p).sum(dim=1)
    deviations = ((estimates - means.unsqueeze(1)) ** 2 * p).sum(dim=1).sqrt()
    bias, spread = (means / true - 1).tolist(), (deviations / true).tolist()
    negative = p[estimates[0] < 0].sum().item()
    print(
        f"{beta:4.1f}   {true:7.4f}   {bias[0]:6.2f}   {bias[1]:6.2f}   "
        f"{bias[2]:6.2f}        "
        f"{spread[0]:6.2f}   {spread[1]:6.2f}   {spread[2]:6.2f}       {negative:.0%}"
    )
predict.compare("estimators")

# %% [markdown]
# <details><summary>What came out</summary>
#
# **No.** Close to the reference $k_3$ is the clear winner: $k_1$ spreads more than five times as much. Far from it the
# table turns. $k_3$ contains $e^{-\ell} = q/p$, and an answer that the policy has almost given up, but still writes now
# and then, makes that enormous. At 2.4 nats its standard deviation is about 15 times the KL itself, and $k_1$, the
# plain definition, is by far the best. $k_2$ is off by more than half there. Two of the three have the right mean; none
# is best everywhere.
#
# </details>

# %% [markdown]
# ## 6. From answers to words: advantages
#
# *Time to here: 60 minutes.*
#
# REINFORCE gives one number to a whole answer. If "please restart sorry sorry update thanks" scores badly, all six
# words are blamed. PPO gives each word its own **advantage**: how much better did things turn out than expected just
# before that word?
#
# Expectation is the job of a second network, the **critic**: $V_t$ is its estimate, before word $t$, of all the reward
# that is still to come. Writing word $t$ earns $r_t$, and leaves the estimate $V_{t+1}$. The surprise is
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t.$$
#
# If the critic were perfect, $\delta_t$ would be the advantage. It is not perfect, above all at the start. So we also
# listen to what happened later. **Generalised advantage estimation** adds up later surprises, with fading weight:
#
# $$A_t = \delta_t + \gamma \lambda A_{t+1}, \qquad A_T = 0.$$
#
# $\lambda = 0$ trusts the critic alone; $\lambda = 1$ trusts what really came, noise and all. The critic itself learns
# from the **returns** $A_t + V_t$.
#
# **By hand.** Three words, rewards $(0, 0, 1)$, values $(0.5, 0.5, 0.5, 0)$, $\gamma = 1$, $\lambda = 0.5$. The surprises are
# $(0, 0, 0.5)$. From the back: $A = 0.5$, then $0 + 0.5 \cdot 0.5 = 0.25$, then $0.125$. Returns: $(0.625, 0.75, 1)$.

# %% [markdown]
# ### TODO 4: generalised advantage estimation
#
# | | |
# |:---|:---|
# | Purpose | says which word deserves the praise |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `gae(rewards, values, gamma, lam) -> (advantages, returns)`
#
# `rewards` is a floating-point tensor of shape `(batch, T)`, T from 1 to some hundreds. `values` has shape `(batch, T + 1)`: column
# $t$ is the critic's estimate **before** word $t$, and the last column is the estimate after the last word. Use that
# column as it is: the caller puts 0 there where texts end. `gamma` and `lam` are numbers from 0 to 1. Return a tuple
# (or list) of two tensors of shape `(batch, T)`: the advantages as in the formula, not normalised, and the returns,
# which are advantages plus `values[:, :-1]`. **You** detach: `values` may require gradients, and neither result may.
#
# **By hand.** Rewards `[[0, 0, 1]]`, values `[[0.5, 0.5, 0.5, 0]]`, gamma 1, lam 0.5: advantages `[[0.125, 0.25, 0.5]]`,
# returns `[[0.625, 0.75, 1.0]]`.
#
# <details><summary>Hint 1</summary>All surprises at once: <code>rewards + gamma * values[:, 1:] - values[:, :-1]</code>.</details>
# <details><summary>Hint 2</summary>The recursion needs the next advantage first. So the loop starts at the last word.</details>
# <details><summary>Hint 3</summary><code>for t in reversed(range(T)):</code> with one running tensor of shape <code>(batch,)</code>, which starts at zeros.</details>
# <details><summary>Solution idea</summary>Detach the values; compute the surprises; in the loop set <code>running = delta[:, t] + gamma * lam * running</code> and store it in column t; the returns are advantages plus <code>values[:, :-1]</code>.</details>

# %% nbgrader={"grade_id": "gae", "solution": true}
def gae(rewards, values, gamma, lam):
    """Generalised advantage estimation.

    Args:
        rewards: (batch, T).
        values: (batch, T + 1); the last column is the value after the last step.
        gamma: discount.
        lam: 0 trusts the critic, 1 the rewards.

    Returns:
        advantages and returns, each (batch, T), without gradients.
    """
    ### BEGIN SOLUTION
    values = values.detach()
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    advantages = torch.zeros_like(delta)
    running = torch.zeros_like(delta[:, 0])
    for t in reversed(range(delta.shape[1])):
        running = delta[:, t] + gamma * lam * running
        advantages[:, t] = running
    return advantages, advantages + values[:, :-1]
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_gae", "grade": true, "locked": true, "points": 2}
check.gae(gae)

# %% [markdown]
# **What you just showed.** One pass from the back spreads a reward over the words that led to it.
#
# **Predict, then run.** At the start the critic knows nothing: all values are 0. The reward 1 comes after the last of
# six words. Which words get credit for $\lambda = 0$, for $0.95$, for $1$?
#
# Choices: **1** with 0 all six words, with 1 the last; **2** with 0 the last word, with 1 all six; **3** all
# six, whatever lambda is.

# %% tags=["experiment"]
predict("credit", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
late_reward = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
for lam in (0.0, 0.95, 1.0):
    advantages, _ = rlhf.gae(late_reward, torch.zeros(1, 7), 1.0, lam)
    print(
        f"lambda {lam:4.2f}: " + "  ".join(f"{a:.3f}" for a in advantages[0].tolist())
    )
predict.compare("credit")

# %% [markdown]
# <details><summary>What came out</summary>
#
# With $\lambda = 0$ only the last word hears of the reward, until the critic has learnt to pass it on. $0.95$ is the
# usual choice.
#
# </details>

# %% [markdown]
# ## 7. PPO: take several steps, but not too far
#
# *Time to here: 80 minutes.*
#
# REINFORCE throws a batch away after one step. When writing answers is the expensive part, as with large models, that
# is a waste. But after the first step the batch comes from a policy that no longer exists. The correction is the
# **ratio** $\rho = \pi_{\text{new}} / \pi_{\text{old}}$ for each word. It is right as long as it stays near 1, and
# misleading when it does not.
#
# PPO therefore stops rewarding a word for moving once its ratio has left the band from $1 - \epsilon$ to $1 + \epsilon$:
#
# $$\text{objective} = \min\big(\rho A, \; \mathrm{clip}(\rho, 1 - \epsilon, 1 + \epsilon)\, A\big).$$
#
# **By hand**, with $\epsilon = 0.2$. A good word ($A = 1$) at $\rho = 1.5$: $\min(1.5, 1.2) = 1.2$, and flat, no further
# push. A bad word ($A = -1$) at $\rho = 0.5$: $\min(-0.5, -0.8) = -0.8$, flat as well. But a bad word at $\rho = 1.5$:
# $\min(-1.5, -1.2) = -1.5$, and not flat: it went the wrong way and is pulled back. A good word at $\rho = 0.5$:
# $\min(0.5, 0.8) = 0.5$, pulled back too. The loss is minus the mean of the four: $-(1.2 - 0.8 - 1.5 + 0.5)/4 = 0.15$.

# %% tags=["experiment"]
rl.plots.show(
    figures.plot_clipped_objective(0.2),
    alt="PPO's objective against the ratio. Left, for a good word: rises with the "
    "ratio and is flat above 1.2. Right, for a bad "
    "word: flat below 0.8 and falling above.",
)

# %% tags=["experiment"]
rl.plots.show(
    figures.plot_loop(),
    alt="Diagram of one round of PPO: the policy writes answers; the reward model "
    "scores each, and the reference gives the log-ratio of each word; both make the "
    "reward of each word; from it and the value function come advantages; several "
    "clipped steps on the same answers change the policy. Gold looks on and teaches "
    "nobody.",
)

# %% [markdown]
# ### TODO 5: the clipped loss
#
# | | |
# |:---|:---|
# | Purpose | the loss of PPO, and of most RLHF since |
# | Difficulty, importance | medium, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `ppo_loss(new_log_probs, old_log_probs, advantages, clip) -> scalar tensor`
#
# The first three are floating-point tensors of one shape, any shape; `clip` is a number between 0 and 1. Return
# **minus the mean over all elements** of the clipped objective, as a 0-dim tensor that can be differentiated. The
# advantages are used as they are, not normalised. The gradient goes through `new_log_probs` **only**: should the other
# two require gradients, none may flow into them. Log-probabilities may be as low as -200.
#
# **By hand.** Ratios `[1.5, 0.5, 1.5, 0.5]`, advantages `[1, -1, -1, 1]`, clip 0.2: the loss is 0.15.
#
# <details><summary>Hint 1</summary>A ratio of probabilities is the exp of a difference of log-probabilities. Each of them alone may be too small for its exp.</details>
# <details><summary>Hint 2</summary><code>ratio.clamp(1 - clip, 1 + clip)</code> is the clipped ratio.</details>
# <details><summary>Hint 3</summary><code>torch.minimum(a, b)</code> works element by element. <code>torch.min(a)</code> is one number.</details>
# <details><summary>Solution idea</summary>Detach old log-probabilities and advantages; compute the ratio, both products, their minimum, the mean, and put a minus in front.</details>

# %% nbgrader={"grade_id": "ppo_loss", "solution": true}
def ppo_loss(new_log_probs, old_log_probs, advantages, clip):
    """PPO's clipped objective, with its sign turned.

    Args:
        new_log_probs: under the policy in training; carries the gradient.
        old_log_probs: of the same shape, under the policy that wrote the texts.
        advantages: of the same shape.
        clip: how far the ratio may count.

    Returns:
        A 0-dim tensor.
    """
    ### BEGIN SOLUTION
    advantages = advantages.detach()
    ratio = torch.exp(new_log_probs - old_log_probs.detach())
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_ppo_loss", "grade": true, "locked": true, "points": 2}
check.ppo_loss(ppo_loss)

# %% [markdown]
# **What you just showed.** The `min` makes the objective a pessimist: it believes in a gain only inside the band, and
# in a loss always.
#
# **The whole loop.** Write 256 answers. Each word pays its share of the KL penalty, and the last word earns the learnt
# reward. GAE turns this into advantages. Then four clipped steps on the same batch, for policy and critic. Again 80
# batches.

# %%
Code(
    inspect.getsource(rlhf.kl_shaped_rewards)
    + "\n\n"
    + inspect.getsource(rlhf.train_ppo),
    language="python",
)

# %% [markdown]
# **What does clipping buy?** We make it hard on purpose: 10 batches only, and 20 steps on each. Three seeds, with clip
# 0.2 and with no clipping at all.
#
# **Predict, then run.** Twenty steps in a row along a stale gradient: a little worse, much worse, or better, because
# more is learnt from each batch?
#
# Choices: **1** a little worse; **2** much worse; **3** better.

# %% tags=["experiment"]
predict("stale", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
def many_passes(clip):
    for seed in range(3):
        config = rlhf.RLConfig(
            beta=BETA,
            seed=seed,
            updates=10,
            passes=20,
            clip=clip,
            measure_every=1,
            log_every=0,
        )
        policy, run = rlhf.train_ppo(world, rewards, config)
        answers = policy.sample(1000, torch.Generator(device).manual_seed(seed))
        print(
            f"clip {clip}, seed {seed}: J after each batch ",
            " ".join(f"{value:6.2f}" for value in run.value[1:]),
        )
        print(
            "    among 1,000 answers of the last policy "
            f"{len(world.numbers(answers).unique())} are different"
        )


many_passes(clip=0.2)

# %% tags=["experiment"]
many_passes(clip=float("inf"))
predict.compare("stale")

# %% [markdown]
# <details><summary>What came out</summary>
#
# **Ruin.** Without clipping, the first batches throw the policy far from everything it knew, to a handful of answers,
# and it does not come back: it hardly writes anything else, so nothing else can be found to be better. With clipping
# the same 20 steps are safe, and 10 batches take it most of the way.
#
# </details>

# %% [markdown]
# ## 8. PPO against the exact optimum
#
# *Time to here: 105 minutes.*
#
# **Predict, then run.** Five seeds. Each policy writes 20,480 answers; the language has 262,144. How much of the way
# from $J(\pi_{\mathrm{ref}})$ to $J^*$ will it stand at?

# %% tags=["experiment"]
predict("share_of_way", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
runs["PPO"], policies = [], []


def run_ppo(seed, log_every=0):
    policy, run = rlhf.train_ppo(
        world, rewards, rlhf.RLConfig(beta=BETA, seed=seed, log_every=log_every)
    )
    policies.append(policy)
    runs["PPO"].append(run)
    print(
        f"PPO, seed {seed}: {share_text(run)}; gold {run.gold[-1]:.3f}, of the best "
        f"policy {gold_star:.3f}",
        flush=True,
    )


run_ppo(0, log_every=20)
run_ppo(1)

# %% tags=["experiment"]
run_ppo(2)
run_ppo(3)

# %% tags=["experiment"]
run_ppo(4)
mean_share = float(np.mean([run.share_of_way(j_star) for run in runs["PPO"]]))
predict.compare("share_of_way", mean_share)

# %% tags=["experiment"]
def texts_needed(run, share=0.95):
    """Texts written until J first stands at this share of the way, or None."""
    moments = zip(run.texts, run.value, strict=True)
    return next((n for n, value in moments if value >= share * j_star), None)


for name, histories in runs.items():
    shares = [run.share_of_way(j_star) for run in histories]
    needed = [texts_needed(run) for run in histories]
    print(
        f"{name:36s} ends at {min(shares):.3f} to {max(shares):.3f} of the way; texts "
        f"to 0.95: {needed}"
    )

worst = min(run.share_of_way(j_star) for run in runs["PPO"])
rl.plots.show(
    figures.plot_runs(
        runs,
        {
            "value": {"J*, the best possible": j_star, "reference": 0.0},
            "gold": {
                "gold reward of the best policy": gold_star,
                "reference": rlhf.expectation(log_reference, gold),
            },
        },
        f"PPO stands at {worst:.0%} of the way to the exact optimum, in every one of "
        "five seeds",
    ),
    alt="Left: J against texts written for REINFORCE without and with a baseline, and "
    "PPO; bands over five seeds. PPO reaches the "
    "line J* first, REINFORCE with baseline a little later and lower, REINFORCE "
    "without a baseline stays clearly below. Right: the gold reward "
    f"rises from {rlhf.expectation(log_reference, gold):.1f} to about that of the best "
    f"policy, {gold_star:.1f}.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The figure of this lesson.** The dash-dotted line is the most that any policy can reach. PPO gets to it, in every
# seed, and so does the gold reward get to that of the best policy. REINFORCE with a baseline is close behind. What PPO
# buys is texts: it needs less than half as many to reach 0.95 of the way, because it uses each batch four times. With a
# model that takes seconds for one answer, that is what counts.
#
# </details>

# %% [markdown]
# ## 9. A bug that looks like success
#
# *Time to here: 105 minutes.*
#
# A colleague wrote her own loop. She shows you her curve of the learnt reward, beside yours. Two seeds each.

# %% tags=["experiment"]
her_runs, her_policies = [], []
for seed in range(2):
    config = rlhf.RLConfig(beta=BETA, seed=seed, log_every=0)
    policy, run = rlhf.train_ppo(world, rewards, config, experiments.colleagues_rewards)
    her_policies.append(policy)
    her_runs.append(run)
    print(f"seed {seed} is done", flush=True)
compared = {"yours": runs["PPO"][:2], "your colleague's": her_runs}
hers, yours = (
    np.mean([run.reward[-1] for run in some]) for some in (her_runs, runs["PPO"][:2])
)
rl.plots.show(
    figures.plot_runs(
        compared,
        {"reward": {}},
        f"Your colleague's reward: {hers:.1f}. Yours: {yours:.1f}.",
    ),
    alt="Learnt reward against texts written. Both curves rise; the colleague's ends "
    + f"{hers - yours:.1f} higher than yours.",
)
print(f"final learnt reward: yours {yours:.2f}, your colleague's {hers:.2f}")

# %% [markdown]
# The learnt reward is what both were after, and hers is far higher. Nothing crashed, the curve is smooth, and it holds
# for both seeds.
#
# **Predict, then run.** Before you congratulate her: which other curve would you ask for, and what do you expect it to show?
#
# Choices: **1** the loss: it does not fall; **2** the KL: it is far too high; **3** the reward of other seeds:
# it is lower.

# %% tags=["experiment"]
predict("other_curve", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
kl_of_best = rlhf.kl_divergence(best.log(), log_reference)
shown.other_curves(compared, kl_of_best, j_star, rlhf.expectation(log_reference, gold))
print(
    f"her KL {her_runs[0].kl[-1]:.1f} nats, her J {her_runs[0].value[-1]:.2f}, her "
    f"gold reward {her_runs[0].gold[-1]:.2f}"
)
print("what her policy writes:")
for answer in her_policies[0].sample(3, torch.Generator(device).manual_seed(SEED)):
    print("   ", world.text(answer))
predict.compare("other_curve")

# %% [markdown]
# <details><summary>What came out</summary>
#
# Her KL shoots up at once and stays at the end of the scale. That is no policy that pays for its distance. It looks
# like one that is **paid** for it.
#
# <details><summary>What is wrong?</summary>The sign of the penalty. A word that the reference would hardly write should cost something; in her code it earns
# something. The policy runs from the reference as fast as it can, into answers on which the reward model has never been
# trained. The learnt reward likes it there. Compare her line with that of <code>kl_shaped_rewards</code> in section
# 7.</details>
#
# </details>

# %%
Code(inspect.getsource(experiments.colleagues_rewards), language="python")

# %% [markdown]
# **What to remember.** A learnt reward that rises proves nothing: it is a training score. Watch the KL beside it. With
# a penalty that works it levels off after a few nats. With the wrong sign, or no penalty at all, it climbs until there
# is nowhere left to go.

# %% [markdown]
# ## 10. What did the policy learn to write?
#
# *Time to here: 110 minutes.*
#
# Before and after, six answers each, from the first of the five runs.

# %% tags=["experiment"]
def show_answers(title, answers):
    print(f"{title}\nlearnt   gold   answer")
    for answer in answers:
        number = world.numbers(answer)
        print(
            f"{rewards[number].item():6.2f}  {gold[number].item():5.1f}   "
            f"{world.text(answer)}"
        )
    print()


show_answers(
    "Before: the reference policy",
    world.sample_reference(6, torch.Generator().manual_seed(SEED)).to(device),
)
show_answers(
    "After: PPO", policies[0].sample(6, torch.Generator(device).manual_seed(SEED))
)

# %% [markdown]
# It says what to do, and mostly in the right order. Six answers are an impression. In this world we can count instead:
# exact shares, over all answers.

# %% tags=["experiment"]
with torch.no_grad():
    log_policy = policies[0].all_log_probs()
is_restart = texts == world.words.index("restart")
is_update = texts == world.words.index("update")
properties = {
    "hedges (`maybe`)": (texts == world.words.index("maybe")).any(dim=1),
    "says sorry twice or more": (texts == world.words.index("sorry")).sum(dim=1) >= 2,
    "update after a restart": (is_update & (is_restart.cumsum(dim=1) > 0)).any(dim=1),
    "three or more restarts and updates": (is_restart | is_update).sum(dim=1) >= 3,
}
print(f"{'share of answers':36s}before   after")
for name, has in properties.items():
    print(
        f"{name:36s}{rlhf.expectation(log_reference, has):6.3f}  "
        f"{rlhf.expectation(log_policy, has):6.3f}"
    )
before, after = (
    rlhf.correlation(log_probs, rewards, gold)
    for log_probs in (log_reference, log_policy)
)
print(
    f"\ncorrelation of learnt and gold reward on what is written: before {before:.2f}, "
    f"after {after:.2f}"
)

# %% [markdown]
# The hedging is much rarer, and most answers now have an update after a restart. That is what customers want. But the
# policy has also found something else: it crowds its answers with restarts and updates, which nobody asked for. And the
# last line is a warning. The reward model was trained on answers like those before. On answers like those after, its
# score tells less about what customers think.

# %% [markdown]
# ### Where gold and learnt reward part
#
# How far should one go? The price $\beta$ decides, and here we need no training to see what it does: the best policy
# for each $\beta$ is a formula, your TODO 1. We let the price fall from 100 to 0.02, and follow both rewards.
#
# **Predict, then run.** The learnt reward can only rise when the price falls. What will the gold reward do?
#
# Choices: **1** rise, too; **2** rise, and level off; **3** rise, and then fall.

# %% tags=["experiment"]
predict("gold", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
betas = np.geomspace(100, 0.02, 60)
path = {"kl": [], "learnt": [], "gold": []}
for beta in betas:
    log_probs = rlhf.kl_optimal_policy(rewards, log_reference.exp(), float(beta)).log()
    path["kl"].append(rlhf.kl_divergence(log_probs, log_reference))
    path["learnt"].append(rlhf.expectation(log_probs, rewards))
    path["gold"].append(rlhf.expectation(log_probs, gold))
peak = int(np.argmax(path["gold"]))
ppo_run = {
    f"PPO at beta {BETA}, gold reward": (runs["PPO"][0].kl[-1], runs["PPO"][0].gold[-1])
}
shown.path_of_optima(path, peak, ppo_run)
print(
    f"gold reward: {path['gold'][0]:.2f} at beta 100, highest {path['gold'][peak]:.2f} "
    f"at beta {betas[peak]:.2f} and KL {path['kl'][peak]:.1f}, ",
    end="",
)
print(f"at the end {path['gold'][-1]:.2f} at KL {path['kl'][-1]:.1f}\n")
show_answers(
    "The reward model's favourites",
    texts[rewards.argsort(descending=True, stable=True)[:4]],
)
show_answers("The best answer of all", texts[gold.argmax()].unsqueeze(0))
predict.compare("gold")

# %% [markdown]
# <details><summary>What came out</summary>
#
# The reward model has understood that restarting and updating are good, and that restarting comes first. It has never
# seen anybody object to a third restart in a row, because the reference policy hardly ever writes that. So it
# concludes: the more, the better. A policy that pushes the score far enough finds exactly this, and it is no bug of
# PPO: these are *exact* optima.
#
# This is Goodhart's law. (Lesson 7 is about it.) The KL penalty is what kept our PPO run on the good side of the peak.
#
# </details>

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 11. Reflection and next steps
#
# **What we built**
# - a policy that starts as the reference and learns from a learnt reward;
# - REINFORCE and PPO, each beside the exact optimum;
# - a KL penalty, three ways to estimate it, and a run in which it was wrong.
#
# **What to remember**
# 1. RLHF maximises reward minus $\beta$ KL. The best policy is the reference times $e^{r/\beta}$.
# 2. A baseline leaves the gradient's mean alone and takes its noise away.
# 3. Clipping makes it safe to use a batch several times, and that saves texts.
# 4. A rising learnt reward is a training score. Show it with the KL, and with something that was not trained on.
#
# **Five quick questions.** Answer before you open.
#
# 1. The reward model adds 7 to every answer. What happens to the best policy?
# <details><summary>Answer</summary>Nothing. The factor $e^{7/\beta}$ stands above and below the fraction line, and cancels.</details>
#
# 2. $\beta$ is halved. Does the best policy stay nearer to the reference?
# <details><summary>Answer</summary>No, it goes further: distance costs half as much.</details>
#
# 3. A sampled KL (k1, the mean of $\log \pi - \log \pi_{\text{ref}}$) comes out below 0. Is there a bug?
# <details><summary>Answer</summary>Not for that reason. The KL itself is never below 0, but this estimate of it can be, with few samples.</details>
#
# 4. In the very first PPO step on a batch, how many ratios are clipped?
# <details><summary>Answer</summary>None. The policy is still the one that wrote the texts, so every ratio is 1.</details>
#
# 5. Lambda is 1 in GAE. What is the advantage of a word?
# <details><summary>Answer</summary>What is still to come, all of it, minus the value that was foreseen there: no bias by the value function, and the most noise.</details>
#
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_penalty", "locked": true}
# **Question 1.** Why does RLHF subtract a KL penalty from the reward, instead of maximising the learnt reward alone?
# Say what the penalty protects against, and what happens at the two extremes, $\beta$ very large and $\beta$ near 0.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - the reward model can be trusted only near the texts it was trained on (samples of the reference); the penalty keeps the policy there, so it
#   protects against exploiting the reward model's errors (over-optimisation). "It keeps the text fluent / diverse" is worth the point if a reason is given;
# - very large beta: the policy stays the reference, nothing is learnt; beta near 0: all probability on the learnt reward's maximum, whose gold
#   reward may be bad (section 10: below the reference's).
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_penalty", "grade": true, "solution": true, "points": 2}
# The reward model is only right on texts like those it was trained on. The penalty keeps the policy close to them, so
# that it can't exploit the model's mistakes. With a very large beta the policy stays the reference; with beta near 0 it
# writes only the answer with the highest learnt reward, which people may hate.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_baseline", "locked": true}
# **Question 2.** The baseline changes nothing about the mean of the gradient. Why does it help, and why must the
# baseline of an answer not depend on that answer?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - it lowers the variance: without it every written text is pushed by the size of its reward, most of which is a constant that carries no information; with
#   it only the difference to what was expected counts;
# - the proof that the mean stays the same takes b out of the expectation, E[b grad log pi] = b E[grad log pi] = 0; if b depends on the answer that
#   step fails and the gradient is biased (extreme case: b = the reward itself, the gradient is always 0).
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_baseline", "grade": true, "solution": true, "points": 2}
# Without a baseline a large common part of the rewards pushes every text, and only the small differences carry
# information; subtracting it lowers the variance. The mean stays the same because b times the mean of grad log pi is 0,
# and that needs a b which is the same whatever the answer. If b were the answer's own reward, nothing would be learnt.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_curves", "locked": true}
# **Question 3.** A training run reports a learnt reward that rises steadily to a record. Name two further things that
# you would look at before you believe that the policy got better, and say for each what would make you suspicious.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each thing with its sign of trouble. For example:
# - the KL to the reference: it keeps rising, or jumps far up, in place of levelling off after a few nats (wrong sign, missing penalty);
# - samples: repeated, short or identical texts;
# - people's judgement (gold) on new samples, or a reward model trained on fresh comparisons of the policy's own texts: it does not rise with the learnt reward.
#   A second reward model trained on other pairs of the REFERENCE's texts is no such sign, and gets no credit: it makes the same mistake, and rises too;
# - the entropy of the policy: falls to 0.
# No credit for a second look at the learnt reward or the training loss.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_curves", "grade": true, "solution": true, "points": 2}
# The KL to the reference: if it shoots up in place of levelling off early, the penalty is missing or has the wrong
# sign. And samples, judged by people: if they all look alike, or people like them less while the score rises, the
# policy exploits the reward model.

# %% [markdown]
# **Common mistakes**
# - the sign of the policy loss: the reward then falls, and at least one notices;
# - the sign of the KL penalty: the reward then rises faster than ever, and one may not;
# - `exp(new) / exp(old)` in place of `exp(new - old)`: NaN for long texts;
# - the clipped term without the `min`: a ratio that went the wrong way is never pulled back;
# - log-probabilities recomputed with dropout on: old and new then differ before anything was learnt, and the ratios are noise.
#
# **Try next**
# - Train with $\beta = 0.1$. Does PPO still find the best policy? Look at its gold reward.
# - Set `passes` to 1 and to 16. How many texts does each need to get to 0.95 of the way?
# - Replace the learnt rewards by `gold`. Which answers does the best policy write now?
#
# **References, and what each is cited for**
# - R. J. Williams, Simple statistical gradient-following algorithms for connectionist reinforcement learning (1992): REINFORCE and its baseline.
# - J. Schulman et al., High-dimensional continuous control using generalized advantage estimation (2016): GAE.
# - J. Schulman et al., Proximal policy optimization algorithms (2017): the clipped objective.
# - J. Schulman, Approximating KL divergence (2020): the three estimators.
# - T. Korbak et al., RL with KL penalties is better viewed as Bayesian inference (2022): the best policy in closed form.
# - L. Ouyang et al., Training language models to follow instructions with human feedback (2022): PPO with a KL penalty per token, as in section 7.
# - E. J. Hu et al., LoRA (2021): adapters that start at zero.
#
# **Next lesson.** Lesson 7 goes over the peak of section 10 on purpose. Lesson 8 does without a reward model, and ends at the same best policy.
