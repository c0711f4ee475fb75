# %% [markdown]
# # Lesson 8: Direct preference optimisation
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
# Lessons 6 and 7 went the long way: judgements, a reward model, then a policy that is pushed by it. Direct preference
# optimisation, DPO, goes from judgements to the policy in one step. Many open models were trained with it, or with one of its kin.
#
# Is anything lost on the short way? In this lesson the best policy is known exactly, so we can measure how far each way comes, with the
# same judgements in the same world.
#
# **You will be able to**
# - turn a policy into the reward that it is best for, and back;
# - compute the log-probability of an answer as every library does, prompt and padding left out;
# - write the losses of DPO and IPO, and a whole training step;
# - say what the pairs decide, and what the loss cannot repair;
# - tell a real symptom from one that only looks like it.
#
# **You need** lesson 6 (the best policy for a price $\beta$) and, for the last page, lesson 7 (best-of-n). **Time:** about two and a half
# hours. The whole notebook runs in about a minute on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 6 is some time ago.** The *reference* writes answers. The *gold reward* is what customers really think.
# A policy that is pushed may earn more gold, and pays $\beta$ for each nat of *KL divergence*, the mean of
# $\log(\pi(y)/\pi_{\mathrm{ref}}(y))$ over its own answers. What counts is $J = \text{gold} - \beta \, \mathrm{KL}$. The policy with the
# highest $J$ is known: $\pi^*(y) = \pi_{\mathrm{ref}}(y)\, e^{r(y)/\beta} / Z$. The number $\log(\pi(y)/\pi_{\mathrm{ref}}(y))$ of one answer
# is its *log-ratio*.

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

import torch
import torch.nn.functional as F
from IPython.display import Code

import reward_lab as rl
from reward_lab import rlhf
from reward_lab.language import ecosystem
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson08 import check, experiments, figures, predict, shown

SEED = 0  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. The same help desk, and what is best there
#
# Answers have six words out of eight, so there are 262,144 of them. Customers judge pairs of answers. They are not always sure: an answer
# with gold reward $a$ wins against one with $b$ with probability $\sigma(a - b)$. A nat costs $\beta = 0.5$.

# %%
SEEDS = range(5)
known = rlhf.Known.of(rlhf.help_desk(), device)
limits = experiments.Limits.of(known)
print(f"the reference:    gold {limits.start:.3f}, KL 0, J {limits.start:.3f}")
print(f"the best policy:  gold {limits.gold:.3f}, KL {limits.kl:.3f}, ", end="")
print(f"J* {limits.value:.3f}")

# %% [markdown]
# All of this lesson happens between these two lines. We will say how much *of the way* a policy has gone: 0 is the reference's $J$, and 1
# is $J^*$.

# %% tags=["experiment"]
rl.plots.show(
    figures.plot_two_roads(),
    alt="Diagram of two roads from judged pairs to a policy. The upper one goes by way "
    "of a reward model and PPO, which writes, scores and steps. The lower one is DPO: "
    "one loss on log-probabilities, straight from the pairs to the policy.",
)

# %% [markdown]
# ## 2. A policy is a reward
#
# *Time to here: 10 minutes.*
#
# The formula of the best policy goes from a reward to a policy. Read it backwards. Take the logarithm of
# $\pi^* = \pi_{\mathrm{ref}}\, e^{r/\beta}/Z$, and solve for the reward:
#
# $$r(y) = \beta \log \frac{\pi^*(y)}{\pi_{\mathrm{ref}}(y)} + \beta \log Z.$$
#
# The last term is the same for all answers. So whoever has the policy has the reward, but for a constant. And any policy at all is the
# best one for some reward: the one on the right. Rafailov and others called this "your language model is secretly a reward model".
#
# **By hand.** Lesson 6's three answers: reference $(0.5, 0.3, 0.2)$, reward $(0, 1, 2)$, $\beta = 1$. The best policy was
# $(0.1790, 0.2919, 0.5291)$. The ratios are $0.358, 0.973, 2.645$, their logarithms $-1.027, -0.027, 0.973$. Their mean under the
# reference is $-0.327$. Without it: $(-0.7, 0.3, 1.3)$. This is the reward $(0, 1, 2)$, minus its mean $0.7$.

# %% [markdown]
# ### TODO 1: the reward behind a policy
#
# | | |
# |:---|:---|
# | Purpose | the one idea that DPO stands on |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 1 |
#
# `implicit_reward(policy, reference, beta) -> (n,) tensor`
#
# `policy` and `reference` are float64 tensors of shape `(n,)`, n at least 1: probabilities above 0 that sum to 1 each. Some may be as small as
# $10^{-30}$. `beta` is a number above 0. Return $\beta \log(\text{policy}/\text{reference})$, shifted so that its mean **under the
# reference** is 0: a float64 tensor of shape `(n,)`.
#
# **By hand.** The numbers above: `[-0.7, 0.3, 1.3]`.
#
# <details><summary>Hint 1</summary>A constant added to all rewards changes no best policy. That is why the shift is ours to choose.</details>
# <details><summary>Hint 2</summary><code>log_ratio = policy.log() - reference.log()</code>, one number an answer.</details>
# <details><summary>Hint 3</summary>A mean under the reference weighs each answer with its probability: <code>(reference * reward).sum()</code>.</details>
# <details><summary>Solution idea</summary>Multiply the log-ratio by beta, then subtract its mean under the reference.</details>

# %% nbgrader={"grade_id": "implicit_reward", "solution": true}
def implicit_reward(policy, reference, beta):
    """The reward for which a policy is the best one, with mean 0 under the reference.

    Args:
        policy: (n,) probabilities, above 0.
        reference: (n,) probabilities, above 0.
        beta: price of a nat.

    Returns:
        (n,) rewards.
    """
    ### BEGIN SOLUTION
    reward = beta * (policy.log() - reference.log())
    return reward - (reference * reward).sum()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_implicit_reward", "grade": true, "locked": true, "points": 1}
check.implicit_reward(implicit_reward)

# %% [markdown]
# **What you just showed.** Policy and reward are two ways to write the same thing. Here it is on all 262,144 answers.

# %% tags=["experiment"]
back = rlhf.implicit_reward(limits.policy, known.reference, experiments.BETA)
off = (back - (known.gold - limits.start)).abs().max().item()
print(f"gold reward, from the best policy alone: at most {off:.0e} off")

# %% [markdown]
# Now the trick. Judgements are about pairs, and $P(\text{preferred wins}) = \sigma(r_{\text{pref}} - r_{\text{rej}})$. In the difference
# of two rewards **the constant cancels**. And the constant was the only thing that nobody could compute: $Z$ is a sum over all answers.
# So we can write the loss of lesson 1 with the policy in the place of the reward model:
#
# $$-\log \sigma\Big(\beta \underbrace{\Big(\log\frac{\pi(\text{pref})}{\pi_{\mathrm{ref}}(\text{pref})} - \log\frac{\pi(\text{rej})}{\pi_{\mathrm{ref}}(\text{rej})}\Big)}_{h}\Big).$$
#
# That is DPO. What it needs of a language model is one number a text: its log-probability.

# %% [markdown]
# ## 3. The log-probability of an answer
#
# *Time to here: 25 minutes.*
#
# A language model reads tokens and gives logits. Those at place $t$ are about the token at place $t + 1$. The probability of an
# answer is the product over its tokens, so its log-probability is the **sum**. The prompt is given and not predicted, padding is no text: a
# mask says which tokens count.
#
# **By hand.** Vocabulary of 4, all logits 0, three tokens, mask $(0, 1, 1)$. Each of the two tokens that count has probability $1/4$.
# The answer has $2 \log(1/4) = -2.7726$.

# %% [markdown]
# ### TODO 2: add up what counts
#
# | | |
# |:---|:---|
# | Purpose | every loss on preferences is made of these numbers |
# | Difficulty, importance | medium, very high |
# | Time | 20 minutes |
# | Points | 2 |
#
# `sequence_log_probs(logits, token_ids, mask) -> (batch,) tensor`
#
# `logits` is a floating-point tensor of shape `(batch, seq, vocab)`, seq at least 2; those at place t predict token t + 1. `token_ids` is int64,
# `(batch, seq)`. `mask` has the same shape, of bools, ints or floats: 1 where a token counts, else 0. Return the sum of the log-probabilities of
# the tokens that count: shape `(batch,)`, and gradients flow into `logits`.
# - The first token has nothing before it. It never counts, whatever its mask says.
# - Where the mask is 0, `token_ids` may hold anything, -100 too. A text in which nothing counts has 0.
# - Unlikely tokens count: logits may be hundreds apart.
# - Leave the inputs as they are.
#
# **By hand.** Token ids `[[1, 3, 0]]`, mask `[[0, 1, 1]]`, vocabulary 4. All logits 0: `[-2.7726]`. With a logit of 2 for the right token at
# places 0 and 1, and 0 elsewhere: `[-0.6815]`.
#
# <details><summary>Hint 1</summary>Drop the last logits, they predict nothing; drop the first token and the first mask, nothing predicts them: <code>logits[:, :-1]</code>, <code>token_ids[:, 1:]</code>, <code>mask[:, 1:]</code>.</details>
# <details><summary>Hint 2</summary><code>.log_softmax(dim=-1)</code>, then <code>.gather(-1, targets.unsqueeze(-1)).squeeze(-1)</code> picks one entry a place.</details>
# <details><summary>Hint 3</summary><code>gather</code> cannot look up -100. <code>targets.masked_fill(counts == 0, 0)</code> is a copy with 0 there; what it finds is masked afterwards.</details>
# <details><summary>Solution idea</summary>Shift, log-softmax, gather with safe targets, set to 0 where the mask is 0, and sum over dim 1.</details>

# %% nbgrader={"grade_id": "sequence_log_probs", "solution": true}
def sequence_log_probs(logits, token_ids, mask):
    """Log-probability of each text's answer.

    Args:
        logits: (batch, seq, vocab); those at place t predict token t + 1.
        token_ids: (batch, seq) int64; anything where the mask is 0.
        mask: (batch, seq), 1 where a token counts.

    Returns:
        (batch,) sums over the tokens that count.
    """
    ### BEGIN SOLUTION
    counts = mask[:, 1:].bool()
    targets = token_ids[:, 1:].masked_fill(~counts, 0)
    log_probs = logits[:, :-1].log_softmax(dim=-1)  # (batch, seq - 1, vocab)
    picked = log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return picked.masked_fill(~counts, 0.0).sum(dim=1)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_sequence_log_probs", "grade": true, "locked": true, "points": 2}
check.sequence_log_probs(sequence_log_probs)

# %% [markdown]
# **What you just showed.** The same function serves a policy of our world and a model of billions of parameters. Keep the word *sum* in mind: section 9
# comes back to it.

# %% [markdown]
# ## 4. The loss, and where it leads
#
# *Time to here: 50 minutes.*
#
# **By hand.** $\beta = 0.4$. One pair has log-probabilities $(-5, -7)$ under the policy, preferred first, and $(-6, -6.5)$ under the
# reference. $h = (-5 + 7) - (-6 + 6.5) = 1.5$. The loss is $-\log \sigma(0.6) = 0.4375$.
#
# A second pair: $(-9, -10)$ and $(-8, -8.5)$. Both texts became *less* likely than under the reference, by 1 and by 1.5 nats. But
# $h = 1 - 0.5 = 0.5$ is above 0, and so the loss, $-\log \sigma(0.2) = 0.5981$, is below $\log 2 = 0.6931$. DPO sees differences alone.
#
# Judges err. If a judgement is the wrong way round with probability $\epsilon$, *conservative* DPO takes the mean of the losses of both
# directions: $-(1-\epsilon) \log\sigma(\beta h) - \epsilon \log\sigma(-\beta h)$. That is label smoothing, as in lesson 3.

# %% [markdown]
# ### TODO 3: the loss
#
# | | |
# |:---|:---|
# | Purpose | lesson 1's loss, with the policy in the reward model's place |
# | Difficulty, importance | easy, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `dpo_loss(policy_preferred, policy_rejected, reference_preferred, reference_rejected, beta, smoothing=0.0) -> scalar tensor`
#
# The first four are floating-point tensors of shape `(batch,)`: log-probabilities of the preferred and the rejected texts under the policy and under the reference.
# `beta` is a number above 0, `smoothing` one from 0 to 0.5. Return the mean over the pairs of
# $-(1-\epsilon) \log\sigma(\beta h) - \epsilon \log\sigma(-\beta h)$, with $h$ as above and $\epsilon$ the smoothing.
# - Gradients flow into the policy's log-probabilities, and into nothing else.
# - $\beta h$ may be as low as -200 and as high as 200.
#
# **By hand.** The first pair: 0.4375, with smoothing 0.1 0.4975. The second: 0.5981. Both together: 0.5178.
#
# <details><summary>Hint 1</summary>h is a difference of differences: the policy's minus the reference's.</details>
# <details><summary>Hint 2</summary><code>F.logsigmoid</code> is exact at any margin; the logarithm of a sigmoid is not.</details>
# <details><summary>Hint 3</summary><code>.detach()</code> makes a number of a tensor: no gradient goes through it.</details>
# <details><summary>Solution idea</summary>Compute h, detach the reference's part, weigh the two log-sigmoids, and take the mean.</details>

# %% nbgrader={"grade_id": "dpo_loss", "solution": true}
def dpo_loss(
    policy_preferred,
    policy_rejected,
    reference_preferred,
    reference_rejected,
    beta,
    smoothing=0.0,
):
    """The loss of direct preference optimisation.

    Args:
        policy_preferred, policy_rejected: (batch,) log-probabilities of the policy.
        reference_preferred, reference_rejected: (batch,) of the reference.
        beta: price of a nat.
        smoothing: how likely a judgement is the wrong way round.

    Returns:
        A scalar tensor, the mean over the pairs.
    """
    ### BEGIN SOLUTION
    reference = (reference_preferred - reference_rejected).detach()
    h = (policy_preferred - policy_rejected) - reference
    won, lost = F.logsigmoid(beta * h), F.logsigmoid(-beta * h)
    return (-(1 - smoothing) * won - smoothing * lost).mean()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_dpo_loss", "grade": true, "locked": true, "points": 2}
check.dpo_loss(dpo_loss)

# %% [markdown]
# **What you just showed.** There is no reward model in it, and no text has to be written.
#
# Where does this loss lead? Not on a few thousand pairs, but in principle: all pairs of the reference, each with the exact probability of
# either judgement, and a policy that can be anything. That takes size times size numbers, so we let answers have three words for a moment: 512 answers,
# 262,144 pairs. The policy has one free logit for each answer. Adam minimises the expected loss.
#
# **Predict, then run.** Where does it end, measured in $J$?
#
# Choices: **1** short of the best policy; **2** at the best policy; **3** beyond it.

# %% tags=["experiment"]
predict("exact", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
three = rlhf.Known.of(experiments.short(known.world), device)
best = experiments.Limits.of(three)
steps = (10, 30, 100)
for count, policy in zip(steps, experiments.population(three, steps), strict=True):
    kl = rlhf.kl_divergence(policy.log(), best.policy.log())
    J = rlhf.regularised_value(
        policy.log(), three.gold, three.log_reference, experiments.BETA
    )
    print(f"{count:4d} steps: {best.share(J):.4f} of the way to J*, ", end="")
    print(f"{kl:.4f} nats from the best policy")
predict.compare("exact")

# %% [markdown]
# <details><summary>Where it ends</summary>At the best policy, to four digits after a hundred steps, and nearer with every further one. The minimum of the loss is
# where the reward behind the policy equals the gold reward, but for a constant. There, by section 2, the policy is
# $\pi_{\mathrm{ref}}\,e^{r/\beta}/Z$. DPO has <b>the same optimum as PPO</b>. Nothing is lost in the loss. If something is lost, it
# must be lost with the pairs.</details>

# %% [markdown]
# ## 5. A whole training step
#
# *Time to here: 75 minutes.*
#
# Now you build the thing itself, from your own parts. One step of DPO: ask both models about both texts of each pair, compute the loss,
# and take one step of the optimizer.
#
# Our policy looks like any language model here: `rlhf.CausalPolicy` reads token ids that begin with a start token (number 8), and gives
# logits. The start token plays the prompt, so its mask is 0.

# %%
policy = rlhf.CausalPolicy(rlhf.Policy(known.world).to(device))
pair = experiments.preferences(known.world, seed=0, count=1)
batch = rlhf.as_batch(policy, pair, device)
for side in ("preferred", "rejected"):
    ids = batch[side][0]
    print(f"{side:9s} {ids.tolist()}  {known.world.text(ids[1:])}")
print(f"mask      {batch['preferred_mask'][0].tolist()}")
print(f"logits: shape {tuple(policy(batch['preferred']).shape)}")

# %% [markdown]
# ### TODO 4: one step of DPO
#
# | | |
# |:---|:---|
# | Purpose | the whole algorithm; a loop around it is all that is missing |
# | Difficulty, importance | medium, very high |
# | Time | 25 minutes |
# | Points | 2 |
#
# `dpo_step(policy, reference, optimizer, batch, beta) -> float`
#
# `policy` and `reference` are modules: token ids `(batch, seq)` to logits `(batch, seq, vocab)`. `optimizer` holds the policy's parameters. `batch` is
# a dict: `preferred` and `rejected`, int64 tensors of token ids, and `preferred_mask` and `rejected_mask`, of the same shapes, with 1 where a
# token counts. The preferred texts of a batch may have another seq than the rejected ones. Do **one** step on the DPO loss, without smoothing, and return the loss from
# before the step, as a Python number.
# - Gradients may be left over from before: they must not count. The step is a plain one: nothing is clipped.
# - The reference is only asked. No gradient is left in it, none of its own changes, and both models stay in the mode they are in.
# - Call your own `sequence_log_probs` and `dpo_loss`, or `rlhf.sequence_log_probs` and `rlhf.dpo_loss`.
#
# **By hand.** Policy and reference equal, as at the start: every $h$ is 0, and the loss is $\log 2 = 0.6931$. A first loss that is anything else is a bug in how one of the
# two is asked.
#
# <details><summary>Hint 1</summary>Four calls of a model give four tensors of log-probabilities, two of the policy and two of the reference. Their order is that of the loss.</details>
# <details><summary>Hint 2</summary>Ask the reference inside <code>with torch.no_grad():</code>.</details>
# <details><summary>Hint 3</summary>Then the three lines of every training step: <code>optimizer.zero_grad()</code>, <code>loss.backward()</code>, <code>optimizer.step()</code>.</details>
# <details><summary>Solution idea</summary>A small inner function that takes a model and returns the log-probabilities of both sides; call it for both models; loss; the three lines; <code>loss.item()</code>.</details>

# %% nbgrader={"grade_id": "dpo_step", "solution": true}
def dpo_step(policy, reference, optimizer, batch, beta):
    """One step of DPO on one batch of pairs.

    Args:
        policy: the language model that is trained.
        reference: the language model that is only asked.
        optimizer: of the policy's parameters.
        batch: `preferred`, `rejected`, and `preferred_mask`, `rejected_mask`.
        beta: price of a nat.

    Returns:
        The loss before the step, a float.
    """
    ### BEGIN SOLUTION
    def both_sides(model):
        found = []
        for side in ("preferred", "rejected"):
            ids, mask = batch[side], batch[side + "_mask"]
            found.append(rlhf.sequence_log_probs(model(ids), ids, mask))
        return found

    with torch.no_grad():
        of_reference = both_sides(reference)
    loss = rlhf.dpo_loss(*both_sides(policy), *of_reference, beta)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_dpo_step", "grade": true, "locked": true, "points": 2}
check.dpo_step(dpo_step)

# %% [markdown]
# **What you just showed.** That is all of DPO. Let it run: 200 steps on batches of 256 pairs of the reference, each pair judged once and
# seen once, 51,200 judgements. Circles are *your* step, if it is there. (All later cells use the package's.)

# %% tags=["experiment"]
one = experiments.fresh_run(known, "the reference's texts", SEED)
mine = experiments.attempt(
    lambda: experiments.fresh_run(known, "the reference's texts", SEED, dpo_step),
    "your dpo_step",
)
shown.own(one, mine, limits)
print(f"after {one.judgements[-1]:,} judgements: J {one.value[-1]:.3f}, ", end="")
print(f"{limits.share(one.value[-1]):.3f} of the way to J*")
if mine:
    off = max(abs(a - b) for a, b in zip(mine.value, one.value, strict=True))
    print(f"your dpo_step: at most {off:.3f} from the package's")

# %% [markdown]
# ## 6. What the pairs decide
#
# *Time to here: 100 minutes.*
#
# The run stopped well short of $J^*$, and more of the same hardly helps. Pairs can come from elsewhere:
# - **the reference's texts**, as in most published data sets;
# - **uniform texts**: every word as likely as any other, so every corner of the world is seen;
# - **the policy's own texts**, written and judged afresh in every step. This is *online* DPO.
#
# PPO learns from its own texts too. It shall run beside them, told the gold reward itself.
#
# **Predict, then run.** With 51,200 judgements each: which pairs take DPO furthest?
#
# Choices: **1** the policy's own texts; **2** the reference's texts; **3** uniform texts.

# %% tags=["experiment"]
predict("pairs", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
fresh = {}
for texts in experiments.SOURCES:
    fresh[texts] = [experiments.fresh_run(known, texts, seed) for seed in SEEDS]
    print(f"DPO on {texts}: five runs done", flush=True)
ppo = [experiments.told_run(known, seed) for seed in SEEDS]

# %% tags=["experiment"]
shown.sources(fresh, ppo, limits)
print("                               of the way to J*          KL   gold")
for name, group in {**fresh, "PPO, told the gold reward": ppo}.items():
    shares = [limits.share(run.value[-1]) for run in group]
    kl, gold = (sum(getattr(r, part)[-1] for r in group) / 5 for part in ("kl", "gold"))
    print(f"{name:28s}   {sum(shares) / 5:.3f} ", end="")
    print(f"({min(shares):.3f} to {max(shares):.3f})   {kl:5.2f}  {gold:5.2f}")
print(f"{'the best policy':28s}   1{'':25s}{limits.kl:5.2f}  {limits.gold:5.2f}")
predict.compare("pairs")

# %% [markdown]
# <details><summary>What the figure shows</summary>The policy's own. The loss, the optimizer and the number of judgements are the same in all three; only the texts differ. The best policy puts
# nearly all of its weight on answers that the reference hardly ever writes. Pairs of the reference never show two of those side by
# side, so how good they are against each other is left to how the network carries on from elsewhere. Uniform texts show every corner, and
# each one rarely. The policy's own texts are where the policy is: the judge corrects what the policy really says.</details>
#
# How much of the best policy lies where the reference never looks?

# %%
up = limits.policy > known.reference
print(f"answers that become likelier: {known.reference[up].sum():.3f} of the ", end="")
print(f"reference's texts, {limits.policy[up].sum():.3f} of the best policy's")

# %% [markdown]
# So 93 of 100 texts in such pairs are texts that the best policy makes rarer. Remember that for the next section.

# %% [markdown]
# ## 7. Ten epochs on the same pairs
#
# *Time to here: 115 minutes.*
#
# Judgements are dear, and one usually trains on the same pairs more than once. Take 4,000 pairs of the reference and ten epochs. Another 2,000 pairs are held out.
#
# **Predict, then run.** Over ten epochs the training loss falls, and held-out accuracy rises. What does $J$ do?
#
# Choices: **1** it rises as well; **2** it rises and levels off; **3** it rises and falls.

# %% tags=["experiment"]
predict("epochs", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
small_policies, small = [], []
for seed in SEEDS:
    policy, history = experiments.small_run(known, seed)
    small_policies.append(policy)
    small.append(history)

# %% tags=["experiment"]
shown.small(small, known, limits)
print("                        epoch 1       3       5      10")
for part in ("loss", "accuracy", "value", "kl", "gold"):
    means = [sum(getattr(run, part)[e] for run in small) / 5 for e in (1, 3, 5, 10)]
    print(f"{part:21s}", "".join(f"{mean:8.3f}" for mean in means))
print(f"the gold reward itself: loss {rlhf.best_loss(known):.3f}, ", end="")
print(f"accuracy {rlhf.best_accuracy(known):.3f}")
peaks = [max(range(11), key=run.value.__getitem__) for run in small]
print(f"J is highest after epoch {', '.join(map(str, peaks))}")
predict.compare("epochs")

# %% [markdown]
# <details><summary>What the figure shows</summary>It rises and falls, in five of five. Two things play a part. The training loss ends just below what is possible on new pairs, so some noise was learnt by
# heart; with fresh pairs (section 6) $J$ levels off and does not fall. And the policy leaves the texts that are judged: each epoch takes it further out, KL grows, and what it gains in gold no longer pays for that.
# <b>Held-out accuracy shows neither.</b> Held-out pairs are texts of the reference, and those the policy still ranks a little better. It is lesson 7's over-optimisation. There is no reward model to blame.</details>
#
# Those who train with DPO often see something that alarms them: the log-probability of the *preferred* texts falls during training. Forum threads call it
# a bug. We know the best policy, so we can ask it.
#
# **Predict, then run.** At the **best** policy of all: how do the mean log-ratios of preferred and rejected texts stand?
#
# Choices: **1** preferred above 0, rejected below; **2** both above 0; **3** both below 0.

# %% tags=["experiment"]
predict("ratios", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
at_best = rlhf.mean_log_ratios(known, limits.policy)
shown.log_ratios(small, at_best)
print(f"the best policy: preferred {at_best[0]:.2f}, rejected {at_best[1]:.2f}")
for name in ("preferred", "rejected"):
    ends = [getattr(run, name)[-1] for run in small]
    print(f"after 10 epochs, {name:9s}: {sum(ends) / 5:.2f}")
for beta in (1.0, 2.0):
    ratios = rlhf.mean_log_ratios(known, experiments.Limits.of(known, beta).policy)
    print(f"the best policy at beta {beta:g}: {ratios[0]:.2f} and {ratios[1]:.2f}")
predict.compare("ratios")

# %% [markdown]
# <details><summary>What the figure shows</summary>Both far below 0. It has to be so: 93 % of what the reference writes becomes rarer, winners among them. A text that won was
# better than one other text of the reference. That does not make it one of the answers that the best policy gives. So "both fall" is <b>no symptom</b>. At a higher price
# the best policy stays nearer, and they fall less. What tells how it goes is what the policy writes: its KL, and fresh judgements of its own texts. (Where the preferred answers
# are what one wants to hear, and they are lost to something unsafe, falling is a harm of its own: Razin and others saw refusals drop.)</details>

# %% [markdown]
# ## 8. Another loss: IPO
#
# *Time to here: 125 minutes.*
#
# If all judges agree on a pair, $P = 1$, the logistic loss is content only at $h = \infty$: no price keeps the policy near the reference. Azar and others
# proposed a loss with a finite goal for every pair, identity preference optimisation:
#
# $$\Big(h - \frac{1}{2\tau}\Big)^2, \qquad \text{with } \tau \text{ the price of a nat.}$$
#
# For one pair that is judged many times and won with probability $P$, DPO's best $h$ is $\operatorname{logit}(P)/\beta$, and IPO's is
# $(2P - 1)/(2\tau)$. **By hand**, $P = 0.8$ and a price of 0.5: $1.386/0.5 = 2.773$ against $0.6/1 = 0.6$. At $P = 1$: infinity against 1.
#
# **By hand.** The two pairs of section 4, $\tau = 0.4$: the goal is $1.25$. $h = 1.5$ gives $0.0625$; $h = 0.5$ gives $0.5625$.

# %% [markdown]
# ### TODO 5: the loss of IPO
#
# | | |
# |:---|:---|
# | Purpose | what another loss on the same four numbers aims at |
# | Difficulty, importance | easy, medium |
# | Time | 5 minutes |
# | Points | 1 |
#
# `ipo_loss(policy_preferred, policy_rejected, reference_preferred, reference_rejected, tau) -> scalar tensor`
#
# As in TODO 3; `tau` is a number above 0. Return the mean of $(h - 1/(2\tau))^2$ over the pairs. Gradients flow into the policy's
# log-probabilities alone.
#
# **By hand.** The pairs above: 0.0625 and 0.5625, together 0.3125.
#
# <details><summary>Hint 1</summary>h is the same as in the loss of DPO.</details>
# <details><summary>Hint 2</summary>The goal is one number for all pairs: <code>1 / (2 * tau)</code>.</details>
# <details><summary>Hint 3</summary><code>.square()</code> first, <code>.mean()</code> second.</details>
# <details><summary>Solution idea</summary>h, minus the goal, squared, mean.</details>

# %% nbgrader={"grade_id": "ipo_loss", "solution": true}
def ipo_loss(
    policy_preferred, policy_rejected, reference_preferred, reference_rejected, tau
):
    """The loss of identity preference optimisation.

    Args:
        policy_preferred, policy_rejected: (batch,) log-probabilities of the policy.
        reference_preferred, reference_rejected: (batch,) of the reference.
        tau: price of a nat.

    Returns:
        A scalar tensor, the mean over the pairs.
    """
    ### BEGIN SOLUTION
    reference = (reference_preferred - reference_rejected).detach()
    h = (policy_preferred - policy_rejected) - reference
    return (h - 1 / (2 * tau)).square().mean()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_ipo_loss", "grade": true, "locked": true, "points": 1}
check.ipo_loss(ipo_loss)

# %% [markdown]
# **What you just showed.** A square in the place of a log-sigmoid. Its optimum is known too: with pairs of the reference it is
# $\pi_{\mathrm{ref}}(y)\, e^{P(y)/\tau}/Z$, where $P(y)$ is the probability that $y$ beats a text of the reference. So IPO maximises a *win rate*, where DPO maximises
# a reward. A win rate is at most 1, however good the answer.
#
# **Predict, then run.** At $\beta = 0.5$ the best policy is 3.49 nats from the reference. How far is IPO's optimum at $\tau = 0.5$, in nats?

# %% tags=["experiment"]
predict("identity", ...)  # in place of the dots: a number of nats

# %% tags=["experiment"]
print(" tau   IPO's optimum: KL   gold     trained, five seeds: KL")
for tau in (0.5, 0.1):
    p = experiments.ipo_optimum(known, tau)
    kl = rlhf.kl_divergence(p.log(), known.log_reference)
    print(f"{tau:4.2f}   {kl:16.2f}   {(p * known.gold).sum():5.2f}", end="     ")
    runs = [experiments.ipo_run(known, tau, seed) for seed in SEEDS]
    print(" ".join(f"{run.kl[-1]:5.2f}" for run in runs))
    print(f"{'gold':>45s}  ", " ".join(f"{run.gold[-1]:5.2f}" for run in runs))
p = experiments.ipo_optimum(known, 0.02)
kl = rlhf.kl_divergence(p.log(), known.log_reference)
print(f"0.02   {kl:16.2f}   {(p * known.gold).sum():5.2f}")
p = experiments.ipo_optimum(known, 0.5)
predict.compare("identity", rlhf.kl_divergence(p.log(), known.log_reference))

# %% [markdown]
# <details><summary>How far?</summary>A ninth of a nat: it hardly moves, and at 0.5 the trained policies are where the formula says. At 0.1 they go half a nat further than they should, with pairs of the reference once more. A price in units of reward and a price in units of win rate are different
# prices. To go as far as DPO does at 0.5, IPO needs a tau of about 0.02. So a value of "beta" tells nothing until it is said for which loss.
# And see to the units once more: TRL's IPO divides the log-ratios by the number of tokens first.</details>

# %% [markdown]
# ## 9. A bug that nobody sees
#
# *Time to here: 135 minutes.*
#
# A colleague trains DPO on the same 4,000 pairs, at the same price, with her own code. It takes the log-probabilities of single words, of both texts of a pair at once.

# %%
Code(inspect.getsource(experiments.colleagues_loss), language="python")

# %% tags=["experiment"]
her_step = experiments.step_from_words(experiments.colleagues_loss)
hers = [experiments.small_run(known, seed, step=her_step)[1] for seed in SEEDS]
shown.logged(hers, known)
accuracies = [run.accuracy[-1] for run in hers]
print(f"held-out accuracy, five seeds: {min(accuracies):.3f} ", end="")
print(f"to {max(accuracies):.3f}", end="")
ours = [run.accuracy[-1] for run in small]
print(f" (ours, section 7: {min(ours):.3f} to {max(ours):.3f})")

# %% [markdown]
# Loss and accuracy look as they should, on five seeds. Something is wrong all the same.
#
# **Predict, then run.** What is it?
#
# Choices: **1** the two sides are swapped somewhere; **2** the score of a text is a mean; **3** the reference gets gradients.

# %% tags=["experiment"]
predict("wrong", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
sixth = experiments.Limits.of(known, experiments.BETA / 6)
shown.unlogged(hers, small, limits, sixth)
for name, runs in (("hers", hers), ("sum over tokens", small)):
    print(f"{name:15s}: after 10 epochs KL", end=" ")
    print(" ".join(f"{run.kl[-1]:5.2f}" for run in runs), end=", J ")
    print(" ".join(f"{run.value[-1]:5.2f}" for run in runs))
print(f"the best policy at a price of 0.5 / 6: KL {sixth.kl:.2f}")
predict.compare("wrong")

# %% [markdown]
# <details><summary>1: swapped sides?</summary>No. Then accuracy would fall below one half.</details>
# <details><summary>2: a mean?</summary>Yes. The log-probability of a text is the sum over its tokens. The mean of six is a sixth of it, so her
# beta is in truth 0.5/6 = 0.083: a nat costs next to nothing, and the policy runs away. Accuracy compares two margins, and a sixth of a margin has the same sign. Loss and accuracy cannot
# show it. The KL does, at once.</details>
# <details><summary>3: gradients in the reference?</summary>No. They would change nothing: the optimizer holds the policy's parameters alone.</details>
#
# With texts of different lengths it is worse: each text has a price of its own, and long answers are the cheapest to move.
#
# **By hand.** The preferred text has three words, $(-1, -2, -1)$ under the policy and $(-2, -2, -3)$ under the reference. The rejected one has two, $(-2, -2)$ and
# $(-1, -2)$. Sums: log-ratios $-4 + 7 = 3$ and $-4 + 3 = -1$, so $h = 4$; at $\beta = 0.5$ the loss is $-\log\sigma(2) = 0.1269$. Her means: $1$ and $-0.5$, $h = 1.5$, loss $0.3869$.

# %% [markdown]
# ### TODO 6: mend the loss
#
# | | |
# |:---|:---|
# | Purpose | texts of any length at the price that was asked for |
# | Difficulty, importance | easy, very high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `mended_loss(policy_words, reference_words, mask, beta) -> scalar tensor`
#
# `policy_words` and `reference_words` are floating-point tensors of shape `(2, batch, seq)`: log-probabilities of single words, the preferred texts first, the rejected ones second.
# `mask` has the same shape and dtype: 1 for a word, 0 for padding; each text has at least one word. Where the mask is 0 any finite number may stand. Return the DPO loss at the price `beta`, without smoothing, mean over the pairs, for texts of
# **any** length. Gradients flow into `policy_words` alone. You may call `dpo_loss`, yours or `rlhf.dpo_loss`.
#
# **By hand.** The pair above, 0.1269.
#
# <details><summary>Hint 1</summary>Multiplying by 6 mends it in this world, and in no other.</details>
# <details><summary>Hint 2</summary><code>(words * mask).sum(dim=-1)</code> has shape <code>(2, batch)</code>.</details>
# <details><summary>Hint 3</summary><code>scores[0]</code> are those of the preferred texts, <code>scores[1]</code> of the rejected ones.</details>
# <details><summary>Solution idea</summary>Her function, with nothing divided.</details>

# %% nbgrader={"grade_id": "mended_loss", "solution": true}
def mended_loss(policy_words, reference_words, mask, beta):
    """DPO's loss from the log-probabilities of single words.

    Args:
        policy_words: (2, batch, seq), preferred texts first.
        reference_words: (2, batch, seq).
        mask: (2, batch, seq), 1 for a word, 0 for padding.
        beta: price of a nat.

    Returns:
        A scalar tensor, the mean over the pairs.
    """
    ### BEGIN SOLUTION
    policy = (policy_words * mask).sum(dim=-1)  # (2, batch)
    reference = (reference_words * mask).sum(dim=-1)
    return rlhf.dpo_loss(policy[0], policy[1], reference[0], reference[1], beta)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_mended_loss", "grade": true, "locked": true, "points": 2}
check.mended_loss(mended_loss)

# %% tags=["experiment"]
my_step = experiments.step_from_words(mended_loss)
mended = experiments.attempt(
    partial(experiments.small_run, known, SEED, step=my_step), "your mended_loss"
)
if mended:
    print(f"with your mended_loss: KL {mended[1].kl[-1]:.2f}, ", end="")
    print(f"J {mended[1].value[-1]:.2f} (section 7: {small[0].value[-1]:.2f})")

# %% [markdown]
# **What you just showed.** A curve of the loss says that something is learnt. It does not say at which price.

# %% [markdown]
# ## 10. One page: three ways, the same judgements
#
# *Time to here: 150 minutes.*
#
# Three lessons, one question. You have a reference and 4,000 judgements, at $\beta = 0.5$ a nat. Best-of-n? PPO? DPO?
#
# The first two train lesson 7's reward model. Best-of-32 goes about as far as PPO does. For DPO there are 3 epochs, and the 10 of section 7.
# *Learnt* is the mean of the reward that a way believes in: the reward model's, or for DPO the one behind its policy. Both are 0 for the reference, so learnt stands
# beside *gained*, the gold above the reference's. Five seeds each.
#
# **Predict, then run.** Which one ends lowest in $J$?
#
# Choices: **1** best of 32; **2** PPO; **3** DPO.

# %% tags=["experiment"]
predict("lowest", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
pages = []
for seed in SEEDS:
    page = experiments.ways(known, seed)
    longer = experiments.way_of_dpo(known, small_policies[seed], small[seed])
    pages.append({**page, "DPO, 10 epochs": longer})

# %% tags=["experiment"]
shown.one_page(pages, limits)
print(f"{'':17s}learnt  gained    gold    KL    J (range)            texts written")
print(f"{'':60s}training   answer")
for name in pages[0]:
    group = [page[name] for page in pages]
    learnt, gold, kl, J = (
        sum(getattr(way, part) for way in group) / 5
        for part in ("learnt", "gold", "kl", "value")
    )
    values = [way.value for way in group]
    print(f"{name:15s}  {learnt:6.2f}  {gold - limits.start:6.2f}  {gold:6.2f}", end="")
    print(f"  {kl:4.2f}  {J:5.2f} ({min(values):5.2f} to {max(values):4.2f})", end="")
    print(f"  {group[0].written:6,d}  {group[0].per_answer:7d}")
gained = limits.gold - limits.start
print(f"the best policy  {gained:6.2f}  {gained:6.2f}  {limits.gold:6.2f}", end="")
print(f"  {limits.kl:4.2f}  {limits.value:5.2f}")
predict.compare("lowest")

# %% tags=["experiment"]
for name in pages[0]:
    seconds = [page[name].seconds for page in pages]
    print(f"{name:15s} training took {sum(seconds) / 5:.1f} s of one core")

# %% [markdown]
# <details><summary>What the page says</summary>DPO, in five of five. Gold first, and cost beside it:
# <ul>
# <li><b>Best-of-32</b> and <b>PPO</b> are equal in J to a few hundredths. They push the same reward model about equally far. PPO paid once, with 20,480 texts written and scored while it trained. Best-of-n pays for ever: 32 texts for each answer.</li>
# <li><b>DPO</b> wrote no text and needs no second model. It ends lower: after 3 epochs it has not gone far enough, after 10 it has gone further than PPO for no more gold.</li>
# <li><b>What they believe.</b> The reward model is cautious, as it was trained with weight decay: best-of-32 and PPO gained more gold than it says. DPO after 10 epochs believes more than it gained.</li>
# </ul>
# Is it only badly tuned? A little: with smoothing 0.1, or with a higher beta in training, J reaches about 0.3 and no longer falls (<code>python -m tests.bench dpo</code>), and that is still below the other two. The reward model
# reads a text as a bag of words with places, and carries on from few pairs in a sensible way. The policy's network has to learn the same in the form of next words. When the policy's own texts are judged (section 6), there is
# little left to carry on, and DPO comes within 0.05 of the way. All of this is one small world. With large models people still argue.</details>

# %% [markdown]
# ## 11. The same with TRL
#
# *Time to here: 160 minutes. This section is not graded.*
#
# In practice nobody writes the loop. TRL's `DPOTrainer` takes a model of `transformers`, a tokenizer, and pairs with the columns `prompt`, `chosen` and `rejected`. Our
# policy becomes such a model in a few lines (`lessons/lesson08/with_trl.py`): a small one, made here, with our 3 epochs on the same 4,000 pairs in the same order. If all is right on both sides, both must
# land at the same place.
#
# Where `trl` is missing (in Colab: `!pip install trl`) the cell says so and goes on. For a real model write the name of one into `hub_model`, on a GPU; it is then
# trained on the same pairs.

# %% tags=["experiment"]
hub_model = None  # in Colab a name, such as "HuggingFaceTB/SmolLM2-135M-Instruct"

missing = ecosystem.missing()
if missing:
    print("This section needs " + ", ".join(missing) + ". It is skipped.")
else:
    log_probs, log = experiments.trl_run(known, SEED)
    kl = rlhf.kl_divergence(log_probs, known.log_reference)
    gold = rlhf.expectation(log_probs, known.gold)
    ours = pages[0]["DPO, 3 epochs"]
    print(f"TRL:   KL {kl:.4f}, gold {gold:.4f}, J {gold - experiments.BETA * kl:.4f}")
    print(f"ours:  KL {ours.kl:.4f}, gold {ours.gold:.4f}, J {ours.value:.4f}")
    margin = log[-1]["rewards/margins"]
    print(f"TRL's log at the end: loss {log[-1]['loss']:.3f}, margin {margin:.2f}")
    if hub_model:
        hub_log = experiments.hub_run(hub_model, known, SEED, steps=100)
        losses = hub_log[0]["loss"], hub_log[-1]["loss"]
        print(f"{hub_model}: loss {losses[0]:.3f} at first, {losses[1]:.3f} at the end")

# %% [markdown]
# <details><summary>What to see in the two lines</summary>The same KL, the same gold: two programs that were written apart do the same thing. What TRL logs, loss, margin and accuracy on texts of the data set, is what section 7
# taught you not to trust alone. <code>rewards/chosen</code> is beta times the log-ratio of the preferred texts. It is below 0 here, and now you know why that is no bug.</details>

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 12. Reflection and next steps
#
# **What to remember**
# 1. Any policy is the best one for some reward, and only the constant $\beta \log Z$ is missing. In a pair it cancels.
# 2. DPO's loss has the same optimum as PPO. What is lost is lost with the pairs.
# 3. Pairs of the reference leave the best answers to extrapolation. Judgements of the policy's own texts do not.
# 4. Held-out accuracy is about texts of the reference. It can rise while the policy gets worse. Watch the KL, and ask people about what the policy writes.
# 5. Both log-ratios fall at the best policy too. It is no symptom.
# 6. A log-probability is a sum. Mean, sum and the kind of loss change what $\beta$ means.
#
# **Five quick questions.** Answer before you open.
#
# 1. Policy and reference are the same model. What is DPO's loss, and what IPO's at $\tau = 0.5$?
# <details><summary>Answer</summary>$h = 0$: $\log 2 = 0.693$, and $(0 - 1)^2 = 1$. If a first loss is another one, policy and reference were not asked in the same way.</details>
#
# 2. A loss that never leaves 0.6931: name two causes.
# <details><summary>Answer</summary>Beta is 0, or the policy is taken as its own reference. In both cases the margin that the loss sees is always 0. (A learning rate of 0 does it too.)</details>
#
# 3. Why is there no $Z$ in the loss?
# <details><summary>Answer</summary>It is the same for both answers to a prompt, and only their difference counts.</details>
#
# 4. "The log-probability of our chosen answers falls, so we add a term that holds it up." What do you ask?
# <details><summary>Answer</summary>What it does to gold, or to judgements of the policy's own texts. At the best policy it falls as well, so holding it up may cost what one wants.</details>
#
# 5. Held-out accuracy went from 0.77 to 0.78. Is the policy better?
# <details><summary>Answer</summary>Nobody can say from that. It ranks texts of the reference a little better. In section 7 the policy got worse at the same time.</details>

# %% [markdown] nbgrader={"grade_id": "ask_reflect_same", "locked": true}
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.
#
# **Question 1.** DPO and PPO have the same optimum. Why did DPO on pairs of the reference stop at about 0.7 of the way, and online DPO not?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - the optimum is the same for *all* pairs with exact probabilities (population, free policy); with a sample, only texts that occur in pairs are told apart, and the best policy's texts
#   hardly occur among the reference's (about 7 % of its mass);
# - online pairs are texts of the policy itself, so errors there are judged and corrected as it moves. "More data" alone earns nothing.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_same", "grade": true, "solution": true, "points": 2}
# The same optimum holds for all pairs. Pairs of the reference nearly never contain the answers that the best policy gives, so their rewards are extrapolated. Online, the
# policy's own texts are judged, and what is wrong about them is corrected where it stands.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_watch", "locked": true}
# **Question 2.** You run DPO on a real model. Loss falls, held-out accuracy is at 0.78 and rising, the log-probabilities of chosen and rejected answers both fall. What would you
# measure to decide whether to stop, and what do these four curves tell you about it?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - fresh judgements (win rate) of the policy's own texts against an earlier checkpoint or the reference, and/or the KL on the policy's own texts;
# - these curves do not tell: they are about texts of the data set, not of the policy; both falling happens at the optimum too. "Stop because chosen falls" or "accuracy still rises, so go on" earns nothing.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_watch", "grade": true, "solution": true, "points": 2}
# I would let people compare texts of the present policy with those of an earlier checkpoint, and look at the KL on its own texts. The four curves are about texts of
# the data set. They can all look like this while the policy improves and while it gets worse.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_choose", "locked": true}
# **Question 3.** 4,000 judgements, and an answer is asked for a million times a day. Best-of-32, PPO or DPO? Use the numbers of section 10, gold and cost, and say what would change your mind.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - a choice that uses both sides: best-of-32 costs 32 texts an answer and so is out (or only as a yardstick) at that volume; PPO has about the same J and pays once; DPO is the cheapest to train and has the lower J here;
# - what would change it: judgements of the policy's own texts can be had (online DPO), few answers a day (best-of-n), no means to train with PPO, or a world where the reward model is not the better learner. A choice without numbers earns at most one point.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_choose", "grade": true, "solution": true, "points": 2}
# PPO: its J is that of best-of-32, and after 20,480 texts in training an answer costs one text and not 32. DPO would be simpler, and it ended clearly lower with these pairs.
# If I could have the policy's own texts judged, I would take online DPO. For a few answers a day I would take best-of-n.

# %% [markdown]
# **Common mistakes**
# - mean in place of sum over tokens: another price for each length;
# - the mask not shifted along with the tokens: one prompt token in, one answer token out;
# - the policy taken as its own reference, or the reference trained along: the loss stays at, or returns to, 0.693;
# - gradients recorded through the reference: no error, twice the memory;
# - more epochs because held-out accuracy still rises;
# - a "beta" carried over from one loss to another.
#
# **Try next**
# - Train with `smoothing=0.1` (`partial(rlhf.preference_step, partial(rlhf.dpo_loss, smoothing=0.1))` as the step). Does $J$ still fall after epoch 3?
# - Let lesson 7's reward model be the judge of online DPO's own texts. Does it reach what PPO reaches?
# - Spend 2,000 judgements on pairs of the reference and 2,000 on pairs of the policy after them.
#
# **References, and what each is cited for**
# - R. Rafailov et al., Direct preference optimization: your language model is secretly a reward model (2023): sections 2 and 4.
# - E. Mitchell, A note on DPO with noisy preferences and relationship to IPO (2023): the smoothed loss.
# - M. G. Azar et al., A general theoretical paradigm to understand learning from human preferences (2023): IPO and its optimum.
# - N. Razin et al., Unintentional unalignment: likelihood displacement in direct preference optimization (2024): refusals that drop.
# - R. Rafailov et al., Scaling laws for reward model overoptimization in direct alignment algorithms (2024): DPO and its kin degrade, often before one epoch ends.
#
# **Next lesson.** Lesson 9 does all of it on a real language model.
