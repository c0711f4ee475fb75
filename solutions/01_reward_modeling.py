# %% [markdown]
# # Lesson 1: Reward modelling
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
# A language model can be trained towards anything that gives its answers a score. For "was this answer
# helpful?" no formula gives the score. So we learn it, from people who compared two answers and said which
# one they prefer. The network that learns it is the **reward model**. Everything that comes after it in
# RLHF (reinforcement learning from human feedback) can only be as good as this score.
#
# In this lesson you build a reward model, train it until it ranks every training pair correctly, and then
# find out what that perfect score was hiding.
#
# **You will be able to**
# - turn comparisons into probabilities and into a loss, with the Bradley-Terry model;
# - write the four parts of a training program: a metric, a data set, a training step, a report;
# - tell a model that learnt the rule from one that learnt the pairs, and name three cures.
#
# **You need** Python, a little PyTorch, and the derivative of a logarithm. **Time:** about two hours. The
# whole notebook runs in under a minute on two CPU cores, and unchanged on a GPU.

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
import os
import tempfile

import numpy as np
import torch
from IPython.display import Code
from torch.utils.data import Dataset

import reward_lab as rl
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson01 import check, experiments, predict, shown

SEED = 42  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. Why does this matter?
#
# How do you tell a language model what a good answer is? For "what is 17 times 23?" a program can check the
# answer. For "explain gravity to a child" there is no answer key. Ten people would write ten good
# explanations, and give the same one ten different marks.
#
# But show two explanations side by side, and most people can say at once which one they like better.
# **Comparing is easier than scoring.** This is the idea on which RLHF rests:
#
# 1. People compare pairs of answers.
# 2. A reward model learns a score that agrees with their choices.
# 3. The language model is trained towards a high score.
#
# This lesson is about step 2.

# %% [markdown]
# ## 2. Building intuition
#
# *Time to here: 5 minutes.*
#
# Think of a teacher with a pile of essays. Is this one worth 7 points or 8? Hard to say, and next week the
# teacher might say otherwise. Is this essay better than that one? Much easier.
#
# Enough comparisons put the whole pile in order. If A beats B and B beats C, then A should score higher than
# C, though nobody compared those two. A reward model does the same with a network: it looks for scores under
# which the winners come out on top.
#
# A **preference pair** is one such comparison: a prompt, the answer that was preferred, and the one that was
# rejected. Here are three.

# %%
preference_data = [
    {
        "prompt": "Explain machine learning simply.",
        "preferred": "Machine learning is when computers learn patterns from data, "
        "like how you learn to recognize faces.",
        "rejected": "ML utilizes gradient-based optimization of parameterized "
        "function approximators.",
    },
    {
        "prompt": "What is reinforcement learning?",
        "preferred": "RL is like training a dog — good behavior gets treats "
        "(rewards), bad behavior gets nothing.",
        "rejected": "Reinforcement learning optimizes a policy via the Bellman "
        "optimality equation.",
    },
    {
        "prompt": "How do neural networks work?",
        "preferred": "A neural network passes information through layers, "
        "like a game of telephone, refining the message at each step.",
        "rejected": "Neural networks are differentiable computational graphs "
        "with backpropagation.",
    },
]
for pair in preference_data:
    for key, text in pair.items():
        print(f"{key:>10}: {text}")
    print()

# %% [markdown]
# What do the preferred answers have in common? They use plain words and a picture from everyday life. Nobody
# wrote that rule down. A reward model has to find it from the choices alone.
#
# Outside this series the two texts are often called `chosen` and `rejected` (in TRL, OpenRLHF and
# RewardBench files); here they are `preferred` and `rejected`, and mean the same. `load_preferences` in section 9 takes both.

# %% [markdown]
# ## 3. The mathematics
#
# *Time to here: 10 minutes.*
#
# **From two scores to a probability.** Say the answer $y_w$ (the winner) has reward $r_w$ and the answer $y_l$
# has reward $r_l$. People are not machines: the better answer should win often, not always, and more often
# when it is much better. The **Bradley-Terry model** says how often:
#
# $$P(y_w \succ y_l) = \sigma(r_w - r_l), \qquad \sigma(z) = \frac{1}{1 + e^{-z}}.$$
#
# Only the difference counts. Add 10 to every reward, and no probability changes.
#
# **By hand.** Take $r_w = 3.0$ and $r_l = 1.0$. The difference is 2.0, and
#
# $$\sigma(2.0) = \frac{1}{1 + e^{-2.0}} = \frac{1}{1.135} = 0.881.$$
#
# With these rewards the model expects the first answer to win in 88.1 % of comparisons.
#
# **From a probability to a loss.** We want the rewards under which the choices that people made are as likely as
# possible. Maximising a product of probabilities is the same as minimising the sum of their negative
# logarithms, so the loss of one pair is
#
# $$\mathcal{L} = -\log \sigma(r_w - r_l).$$
#
# **By hand.** The difference +2 costs $-\log 0.881 = 0.127$. The difference -2, the wrong way round, costs
# $-\log 0.119 = 2.127$. A model that can't tell the two apart has difference 0, and pays $\ln 2 = 0.693$.
#
# **Predict, then run.** What does the loss do far to the left, where the model is sure and wrong? Does it level
# off, grow like a straight line, or grow like a square? Decide before you run the cell.
#
# Choices: **1** it levels off; **2** it grows like a straight line; **3** it grows like a square.

# %% tags=["experiment"]
predict("far_left", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
shown.bradley_terry()
for difference in (2.0, 0.0, -2.0):
    loss = rl.bradley_terry_loss(torch.tensor([difference]), torch.tensor([0.0]))
    print(f"difference {difference:+.0f}: loss {loss:.4f}")
predict.compare("far_left")

# %% [markdown]
# <details><summary>What came out</summary>
#
# **A straight line.** For a large negative difference $d$ the loss is close to $-d$. A pair that is ranked badly
# wrong keeps pulling with full force, and no pair pulls with more: the slope never exceeds 1 in size. A pair that is
# ranked rightly by a wide margin hardly pulls at all.
#
# </details>

# %% [markdown]
# ## 4. Let's build it, part by part
#
# *Time to here: 18 minutes.*
#
# In RLHF a reward model starts from a pretrained language model, whose output layer is replaced by one
# that gives a single number. Ours has the same two parts, small enough to train in seconds.

# %% tags=["experiment"]
shown.encoder_and_head()

# %% [markdown]
# ### Part 1: the text encoder
#
# A text comes in as a list of token ids. Each token has an **embedding**, a vector that is learnt. The encoder
# averages the embeddings of all tokens, and passes the average through two layers.
#
# Averaging forgets the order of the tokens: "dog bites man" and "man bites dog" get the same vector. For the
# world of this lesson that is enough.

# %% tags=["experiment"]
Code(inspect.getsource(rl.SimpleTextEncoder), language="python")

# %%
encoder = rl.SimpleTextEncoder(vocab_size=1000, embed_dim=64, hidden_dim=128).to(device)
token_ids = torch.randint(0, 1000, (2, 20), device=device)
print(
    f"token ids {tuple(token_ids.shape)}  ->  vectors {tuple(encoder(token_ids).shape)}"
)

# %% [markdown]
# ### Part 2: the reward head
#
# One linear layer turns the vector into one number. That is the whole difference between a language model
# and a reward model: not a word comes out, but a score.

# %% tags=["experiment"]
Code(inspect.getsource(rl.RewardModel), language="python")

# %%
reward_model = rl.RewardModel(vocab_size=1000, embed_dim=64, hidden_dim=128).to(device)
token_ids = torch.randint(0, 1000, (4, 20), device=device)
rewards = reward_model(token_ids)
print(f"token ids {tuple(token_ids.shape)}  ->  rewards {tuple(rewards.shape)}")
print(
    "rewards of four random texts, before any training:",
    [round(r, 3) for r in rewards.tolist()],
)

# %% [markdown]
# ### Part 3: the Bradley-Terry loss
#
# The formula of section 3, averaged over a batch. One trap: computed as written, sigmoid first and logarithm
# second, it breaks. In 32-bit numbers $\sigma(-200)$ is exactly 0, and its logarithm is minus infinity.
# `logsigmoid` computes both in one step, without going through the 0.

# %% tags=["experiment"]
Code(inspect.getsource(rl.bradley_terry_loss), language="python")

# %%
reward_preferred = torch.tensor([3.0, 1.5, 4.0])
reward_rejected = torch.tensor([1.0, 2.0, 0.5])
print("differences:", (reward_preferred - reward_rejected).tolist())
print(f"loss: {rl.bradley_terry_loss(reward_preferred, reward_rejected):.4f}")

far_wrong = torch.tensor([-200.0])
print(
    "at a difference of -200: sigmoid then log "
    f"{-torch.log(torch.sigmoid(far_wrong)).item()}, ",
    end="",
)
print(f"logsigmoid {rl.bradley_terry_loss(far_wrong, torch.zeros(1)).item()}")

# %% [markdown]
# The second pair has the rejected answer on top ($1.5 < 2.0$). It alone adds more to the loss than the other
# two together.

# %% [markdown]
# ## 5. Your turn
#
# *Time to here: 25 minutes.*
#
# Each exercise has an answer cell and a check cell below it. Write your answer over the two lines that end in
# `NotImplementedError()`, run the cell, then run the check. The check says what it expected, what it got, and,
# if it recognises the mistake, which one it is. The notebook goes on whether or not an exercise is solved.

# %% [markdown]
# ### TODO 1: preference accuracy
#
# | | |
# |:---|:---|
# | Purpose | the number by which every reward model is judged |
# | Difficulty, importance | easy, high |
# | Time | 5 minutes |
# | Points | 2 |
#
# `preference_accuracy(reward_preferred, reward_rejected) -> float`
#
# Both inputs are float32 or float64 tensors of shape `(n,)`, with at least one pair, and finite. Return the fraction of pairs whose
# preferred reward is **strictly** higher. A tie is not a correct ranking. A Python float, a NumPy number and a
# 0-dim tensor all count.
#
# **By hand.** Preferred `[3.0, 1.5, 4.0, 2.0]`, rejected `[1.0, 2.0, 0.5, 1.8]`: right, wrong, right, right. That is
# 3 of 4, so 0.75.
#
# <details><summary>Hint 1</summary>A comparison of two tensors works element by element.</details>
# <details><summary>Hint 2</summary><code>reward_preferred > reward_rejected</code> has one True or False per pair. As a number, True is 1.</details>
# <details><summary>Hint 3</summary>PyTorch takes the mean of floats only: call <code>.float()</code> first.</details>
# <details><summary>Solution idea</summary>Compare with <code>&gt;</code>, convert to float, take the mean, and turn it into a Python number with <code>.item()</code>.</details>


# %% nbgrader={"grade_id": "preference_accuracy", "solution": true}
def preference_accuracy(reward_preferred, reward_rejected):
    """Fraction of pairs whose preferred reward is strictly higher.

    Args:
        reward_preferred: (n,) tensor, n >= 1.
        reward_rejected: (n,) tensor.

    Returns:
        A number between 0.0 and 1.0.
    """
    ### BEGIN SOLUTION
    return (reward_preferred > reward_rejected).float().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_preference_accuracy", "grade": true, "locked": true, "points": 2}
check.preference_accuracy(preference_accuracy)

# %% [markdown]
# **What you just showed.** Accuracy looks at the order only. It can't tell a margin of 0.001 from one of 100, and
# it has no slope to follow. That is why we train on the loss, and report the accuracy.

# %% [markdown]
# ### TODO 2: a world whose rule is known
#
# | | |
# |:---|:---|
# | Purpose | data for which we can say whether the model learnt the right thing |
# | Difficulty, importance | medium, high |
# | Time | 15 minutes |
# | Points | 3 |
#
# `SyntheticPreferenceDataset(num_pairs, seq_len, vocab_size)` with `__len__` and `__getitem__(idx) -> dict`
#
# With real preferences nobody knows the true rule, so nobody can say how much of it a model has found. So we
# make a world with a rule of our own: a text is a random sequence of token ids, and **its quality is its mean
# token id**. An item is a dict with two keys:
# - `preferred`: the sequence of higher quality, an int64 tensor of shape `(seq_len,)`;
# - `rejected`: the other one, of the same kind.
#
# All tokens are independent and uniform on 0 .. `vocab_size - 1`. At equal quality either order is right. Pairs
# differ from index to index, and any of them may be asked for at any time, and again. You may draw in `__getitem__` or draw everything in `__init__`; both count.
#
# **By hand.** With `seq_len = 4`, the draws `[9, 1, 3, 3]` (mean 4.0) and `[5, 5, 5, 2]` (mean 4.25): the second is
# preferred, though the first holds the largest token.
#
# <details><summary>Hint 1</summary><code>torch.randint(0, self.vocab_size, (self.seq_len,))</code> draws one sequence. Its upper end is never drawn.</details>
# <details><summary>Hint 2</summary>Token ids are whole numbers, and PyTorch takes no mean of those: <code>sequence.float().mean()</code>.</details>
# <details><summary>Hint 3</summary>Draw two sequences, compute both means, and decide with an <code>if</code> which one goes where.</details>
# <details><summary>Solution idea</summary>In <code>__getitem__</code>: draw <code>a</code> and <code>b</code>; if the mean of <code>a</code> is below that of <code>b</code>, swap them; return <code>{"preferred": a, "rejected": b}</code>.</details>


# %% nbgrader={"grade_id": "SyntheticPreferenceDataset", "solution": true}
class SyntheticPreferenceDataset(Dataset):
    """Preference pairs of random token sequences, ranked by their mean token id."""

    def __init__(self, num_pairs, seq_len, vocab_size):
        self.num_pairs = num_pairs
        self.seq_len = seq_len
        self.vocab_size = vocab_size

    def __len__(self):
        """How many pairs there are."""
        ### BEGIN SOLUTION
        return self.num_pairs
        ### END SOLUTION

    def __getitem__(self, idx):
        """A dict with `preferred` and `rejected`, each (seq_len,) int64."""
        ### BEGIN SOLUTION
        first = torch.randint(0, self.vocab_size, (self.seq_len,))
        second = torch.randint(0, self.vocab_size, (self.seq_len,))
        if first.float().mean() < second.float().mean():
            first, second = second, first
        return {"preferred": first, "rejected": second}
        ### END SOLUTION


# %% nbgrader={"grade_id": "check_SyntheticPreferenceDataset", "grade": true, "locked": true, "points": 3}
check.SyntheticPreferenceDataset(SyntheticPreferenceDataset)

# %% [markdown]
# **What you just showed.** You hold a world whose answer key is known. The rule never errs, so a perfect reward model
# would rank every pair correctly: the best possible accuracy, the **Bayes accuracy**, is exactly 1.0. Keep that
# number in mind.

# %% [markdown]
# ## 6. Putting it all together
#
# *Time to here: 47 minutes.*
#
# From here on the notebook uses the package's own versions of your exercises, so that nothing below depends on
# yours. One difference: the package's data set draws all pairs once, from a seed. Item 7 is then the same pair
# every time you ask for it. A data set that draws anew at every call never shows the model the same pair twice,
# and that will turn out to matter a great deal.

# %% tags=["experiment"]
dataset = rl.SyntheticPreferenceDataset(
    num_pairs=2000, seq_len=20, vocab_size=1000, seed=SEED
)
pair = dataset[0]
print(f"{len(dataset)} pairs of sequences of {len(pair['preferred'])} tokens")
for key in ("preferred", "rejected"):
    print(
        f"first pair, {key:9s}: quality {rl.true_quality(pair[key]).item():.1f}, "
        f"tokens {pair[key][:6].tolist()} ..."
    )
print(f"model parameters: {sum(p.numel() for p in reward_model.parameters()):,}")

# %% [markdown]
# ### TODO 3: one training step
#
# | | |
# |:---|:---|
# | Purpose | the four lines in which all learning happens |
# | Difficulty, importance | medium, high |
# | Time | 10 minutes |
# | Points | 3 |
#
# `training_step(model, optimizer, preferred, rejected) -> float`
#
# `preferred` and `rejected` are int64 token ids of shape `(batch, seq_len)`. `model(token_ids)` gives rewards of
# shape `(batch,)`. Take exactly one plain `optimizer.step()`, of the optimizer that is given, on the **mean** Bradley-Terry loss of the batch, and
# return the loss from **before** the step, as a number. Three things to get right:
# - the loss and its gradient must be right for margins from -200 to +200, 0 among them;
# - gradients left over from before must not matter;
# - no clipping, and the model stays in the mode in which it came.
#
# **By hand.** One pair, and a model with one weight $w = 2$: the preferred text has reward $w$, the rejected one 0.
# The margin is 2, the loss 0.1269, and its slope $-(1 - \sigma(2)) = -0.1192$. Plain gradient descent with
# learning rate 0.5 moves $w$ to $2 + 0.5 \cdot 0.1192 = 2.0596$. The function returns 0.1269.
#
# <details><summary>Hint 1</summary><code>backward()</code> adds to the gradients that are there. Who empties them, and when?</details>
# <details><summary>Hint 2</summary>Three calls, each once: <code>optimizer.zero_grad()</code>, <code>loss.backward()</code>, <code>optimizer.step()</code>.</details>
# <details><summary>Hint 3</summary>The loss is <code>-F.logsigmoid(margin).mean()</code> with <code>torch.nn.functional</code> as <code>F</code>, or <code>rl.bradley_terry_loss</code>.</details>
# <details><summary>Solution idea</summary>Score both halves, compute the loss, empty the gradients, go backward, step, and return <code>loss.item()</code>: the value was computed before the step.</details>


# %% nbgrader={"grade_id": "training_step", "solution": true}
def training_step(model, optimizer, preferred, rejected):
    """One optimizer step on the mean Bradley-Terry loss of a batch.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards.
        optimizer: a torch.optim.Optimizer over the model's parameters.
        preferred: (batch, seq_len) int64 token ids.
        rejected: (batch, seq_len) int64 token ids.

    Returns:
        The loss before the step, as a number.
    """
    ### BEGIN SOLUTION
    loss = rl.bradley_terry_loss(model(preferred), model(rejected))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_training_step", "grade": true, "locked": true, "points": 3}
check.training_step(training_step)

# %% [markdown]
# **What you just showed.** A loop over batches that calls this function is a complete trainer. The package's
# `train_reward_model` is that loop, plus measurements after every epoch.

# %% [markdown]
# ## 7. Training and results
#
# *Time to here: 60 minutes.*
#
# The usual recipe: Adam with learning rate 0.001, batches of 32, 20 passes over the 2,000 pairs.
#
# **Predict, then run.** Guessing gives an accuracy of 0.5 and a loss of 0.693. Where will 20 epochs take the accuracy on
# the training pairs?

# %% tags=["experiment"]
predict("training_accuracy", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
reward_model, history = experiments.run_recipe(experiments.USUAL, SEED, device)
for epoch in (1, 5, 10, 15, 20):
    loss, accuracy = history.train_loss[epoch - 1], history.train_accuracy[epoch - 1]
    print(
        f"epoch {epoch:2d}: training loss {loss:.4f}, training accuracy {accuracy:.3f}"
    )
predict.compare("training_accuracy", history.train_accuracy[-1])

# %% tags=["experiment"]
rl.plots.show(
    rl.plots.plot_history(
        history,
        "The training loss goes to 0, the training accuracy to 1",
        held_out=False,
    ),
    alt=f"Training loss falls from {history.train_loss[0]:.2f} to "
    f"{history.train_loss[-1]:.2f} and training accuracy rises from "
    f"{history.train_accuracy[0]:.2f} to {history.train_accuracy[-1]:.2f}; after ten "
    f"of twenty epochs it is {history.train_accuracy[9]:.2f}.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# Every one of the 2,000 pairs is ranked correctly, and the loss is almost 0. Many tutorials stop here.
#
# </details>

# %% [markdown]
# ## 8. Final output
#
# *Time to here: 65 minutes.*
#
# Does a higher reward go with a higher quality? We draw 20 sequences whose tokens lie within 100 of a centre, move
# the centre from 100 to 900, and compare the model's reward with the true quality.

# %% tags=["experiment"]
generator = torch.Generator().manual_seed(SEED)
clustered = torch.stack(
    [
        torch.randint(max(0, c - 100), min(1000, c + 100), (20,), generator=generator)
        for c in range(100, 901, 42)
    ]
)


def quality_and_reward(model, token_ids):
    """True quality and predicted reward of each text, as two arrays."""
    rewards = rl.score_in_batches(model, token_ids.to(device))
    return rl.true_quality(token_ids).numpy(), rewards.cpu().numpy()


on_clustered = quality_and_reward(reward_model, clustered)
correlation = np.corrcoef(*on_clustered)[0, 1]
rl.plots.show(
    rl.plots.plot_quality_against_reward(
        {"texts around one value": on_clustered}, "Higher quality, higher reward"
    ),
    alt=f"Predicted reward rises with true quality, from {on_clustered[1][0]:.0f} at "
    f"{on_clustered[0][0]:.0f} to "
    f"{on_clustered[1][-1]:.0f} at {on_clustered[0][-1]:.0f}.",
)
print(f"correlation between true quality and predicted reward: {correlation:.2f}")

# %% [markdown]
# A perfect training score and a correlation above 0.9. By the usual standard we are done: the model has learnt that
# quality is the mean token id.
#
# Has it?

# %% [markdown]
# ### 8.1 The pairs it has never seen
#
# The test of a rule is a case that was not used to find it. We draw 5,000 new pairs from the same world. The true
# rule ranks all of them correctly, so the best possible score is 1.0.

# %% [markdown]
# ### TODO 4: the held-out report
#
# | | |
# |:---|:---|
# | Purpose | the one table that shows whether a model learnt the rule or the pairs |
# | Difficulty, importance | medium, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `held_out_report(model, train_pairs, held_out_pairs) -> dict`
#
# Each pairs argument is a tuple of two int64 tensors of shape `(n, seq_len)`: the preferred and the rejected token
# ids. Return a dict with `train_accuracy`, `held_out_accuracy` and `gap`, which is the first minus the second and may
# be negative. Every pair counts once, and a tie counts as wrong. Three rules for every evaluation:
# - the model scores in **evaluation mode**, and ends in the mode in which it came;
# - no gradients are recorded, and none are left on the parameters;
# - no parameter changes.
#
# **By hand.** 131 of 200 training pairs right: 0.655. 60 of 100 held-out pairs right: 0.600. The gap is 0.055.
#
# <details><summary>Hint 1</summary><code>model.training</code> tells the mode. Remember it before you call <code>model.eval()</code>.</details>
# <details><summary>Hint 2</summary>Score inside <code>with torch.no_grad():</code>.</details>
# <details><summary>Hint 3</summary>If you score in batches, count the correct pairs and divide once at the end. The mean of batch accuracies gives a short last batch too much weight.</details>
# <details><summary>Solution idea</summary>Remember the mode, call <code>model.eval()</code>, compute both accuracies under <code>no_grad</code>, put the mode back with <code>model.train(was_training)</code>, return the dict.</details>


# %% nbgrader={"grade_id": "held_out_report", "solution": true}
def held_out_report(model, train_pairs, held_out_pairs):
    """Accuracy on training pairs beside accuracy on held-out pairs.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards.
        train_pairs: tuple of preferred and rejected token ids, each (n, seq_len) int64.
        held_out_pairs: the same, for pairs that training has not seen.

    Returns:
        A dict with the numbers `train_accuracy`, `held_out_accuracy` and `gap`.
    """
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    accuracies = []
    with torch.no_grad():
        for preferred, rejected in (train_pairs, held_out_pairs):
            correct = model(preferred) > model(rejected)
            accuracies.append(correct.float().mean().item())
    model.train(was_training)
    train_accuracy, held_out_accuracy = accuracies
    return {
        "train_accuracy": train_accuracy,
        "held_out_accuracy": held_out_accuracy,
        "gap": train_accuracy - held_out_accuracy,
    }
    ### END SOLUTION


# %% nbgrader={"grade_id": "check_held_out_report", "grade": true, "locked": true, "points": 2}
check.held_out_report(held_out_report)

# %% [markdown]
# **Predict, then run.** The training accuracy is 1.000. What is the accuracy on the new pairs? Commit to a number.

# %% tags=["experiment"]
predict("held_out_accuracy", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
held_out = tuple(part.to(device) for part in experiments.held_out_pairs(SEED))
train = tuple(part.to(device) for part in dataset.pairs)
report = rl.held_out_report(reward_model, train, held_out)
print("                     this model   guessing   best possible")
both = "       0.500         1.000"
print(f"training accuracy      {report['train_accuracy']:.3f} {both}")
print(f"held-out accuracy      {report['held_out_accuracy']:.3f} {both}")
print(f"training loss          {history.train_loss[-1]:.3f}        0.693         0.000")
print(
    f"held-out loss          {history.held_out_loss[-1]:.3f}        0.693         0.000"
)
predict.compare("held_out_accuracy", report["held_out_accuracy"])

# %% tags=["experiment"]
rl.plots.show(
    rl.plots.plot_history(
        history,
        f"Trained to {report['train_accuracy']:.3f}, worth "
        f"{report['held_out_accuracy']:.2f}: it learnt the pairs",
    ),
    alt=f"Training accuracy reaches {history.train_accuracy[-1]:.2f} while held-out "
    f"accuracy never exceeds {max(history.held_out_accuracy):.2f}. "
    f"Training loss falls to {history.train_loss[-1]:.2f} while held-out loss rises "
    f"from {min(history.held_out_loss):.2f} to "
    f"{history.held_out_loss[-1]:.1f}, far above the {rl.plots.CHANCE_LOSS:.3f} of "
    "guessing.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# The held-out accuracy is about two thirds. And look at the held-out **loss**: it ends at about 2, almost three times what
# guessing costs. The model is not only wrong on one pair in three, it is sure of itself where it is wrong.
#
# The dashed curve turns upward after a few epochs. Had we looked at training numbers only, we would never have known.
#
# </details>

# %% [markdown]
# ### 8.2 Why the correlation looked so good
#
# The 20 sequences of section 8 were easy: each was drawn around one value, and their qualities span 100 to 900. The
# training sequences are not like that. Twenty uniform tokens average close to 500 almost always (the standard deviation of
# their mean is about 65). So the figure tested the model on differences several times larger than those it will
# be asked about.
#
# **Predict, then run.** What will the correlation be on uniform sequences, like those of the training pairs?

# %% tags=["experiment"]
predict("uniform_correlation", ...)  # in place of the dots: a number from -1 to 1

# %% tags=["experiment"]
uniform = torch.randint(0, 1000, (500, 20), generator=generator)
on_uniform = quality_and_reward(reward_model, uniform)
shown.two_kinds_of_texts(on_clustered, on_uniform)
print(
    f"correlation on clustered texts {np.corrcoef(*on_clustered)[0, 1]:.2f}, ", end=""
)
print(f"on uniform texts {np.corrcoef(*on_uniform)[0, 1]:.2f}")
predict.compare("uniform_correlation", np.corrcoef(*on_uniform)[0, 1])

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The lesson in the figure.** A test on easy cases flatters every model. Test on the kind of input that the model will
# be used on.
#
# </details>

# %% [markdown]
# ### 8.3 A yardstick
#
# Is that bad, or are 2,000 pairs just too few? We need something to hold it against. Take the simplest model that can
# express the rule: **one weight per token**, the reward being the mean weight of the text's tokens. With the
# Bradley-Terry loss this is a logistic regression, with one best solution, and no network, learning rate or
# initialisation to get wrong. A small L2 penalty keeps the weights finite.
#
# **Predict, then run.** It has 1,000 weights, the network 88,961. Which one ranks new pairs better?
#
# Choices: **1** the network; **2** the linear fit; **3** both about equally well.

# %% tags=["experiment"]
predict("network_or_linear", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
weights = rl.fit_linear_bradley_terry(*train, vocab_size=1000)
linear_accuracy = rl.preference_accuracy(
    *(rl.linear_reward(weights, part) for part in held_out)
)
print(
    f"held-out accuracy: network {report['held_out_accuracy']:.3f}, linear fit "
    f"{linear_accuracy:.3f}, best possible 1.000"
)
shown.linear_weights(weights)
predict.compare("network_or_linear")

# %% [markdown]
# <details><summary>What came out</summary>
#
# The linear fit beats the network by more than 0.1 on the same 2,000 pairs. So the pairs held more than the
# network took from them.
#
# The figure also shows what limits the linear fit. The true rule is a straight line: token 700 is worth a little more
# than token 699. But the fit does not know that neighbours are alike. It learns every token from the 80 times it occurs, and the
# noise that remains costs the last 0.18.
#
# </details>

# %% [markdown]
# ### 8.4 Three cures
#
# Three things could be at fault: too few different pairs, too much freedom, or a bad place to start from. Each
# suggests a cure. We change one thing at a time, and run each five times, with five seeds for data and
# initial weights, because one lucky run proves nothing. `run_recipe` is the code for all of them:

# %% tags=["experiment"]
Code(inspect.getsource(experiments.run_recipe), language="python")

# %% tags=["experiment"]
SEEDS = range(5)


def over_seeds(recipe):
    """Held-out accuracy for each seed, with a line for each."""
    accuracies = []
    for seed in SEEDS:
        _, run = experiments.run_recipe(recipe, seed, device)
        accuracies.append(run.held_out_accuracy[-1])
        print(f"seed {seed}: training accuracy {run.train_accuracy[-1]:.3f}, ", end="")
        print(
            f"held-out accuracy {run.held_out_accuracy[-1]:.3f}, held-out loss "
            f"{run.held_out_loss[-1]:.2f}"
        )
    print(f"mean held-out accuracy {np.mean(accuracies):.3f}")
    return accuracies


results = {"usual recipe": over_seeds(experiments.USUAL)}

# %% [markdown]
# **Cure 1: fresh pairs.** Draw 2,000 new pairs every epoch, 40,000 in all, with the same number of steps. Nothing can be
# learnt by heart that comes only once.

# %% tags=["experiment"]
results["fresh pairs every epoch"] = over_seeds(experiments.FRESH_PAIRS)

# %% [markdown]
# The best cure is more data. It is also the one that money buys: in practice every pair is a person's time.
#
# **Cure 2: weight decay.** Every step takes a small share off every weight. Whatever the data do not keep up, fades. Decay 3 with
# learning rate 0.001 takes off 0.3 % a step; that is strong, and it has to be.

# %% tags=["experiment"]
results["weight decay 3"] = over_seeds(experiments.WEIGHT_DECAY)

# %% [markdown]
# **Cure 3: a smaller start.** PyTorch draws embeddings with standard deviation 1. Averaged over 20 tokens, that is a
# large random signal that has nothing to do with quality, and the layers above can use it to tell the training pairs
# apart. It acts like a fingerprint of each text. Draw the embeddings with standard deviation 0.02 and the
# fingerprints are gone: what the embeddings come to hold has to be learnt.
#
# **Predict, then run.** Only the start differs; the model can still fit every training pair. Will it?
#
# Choices: **1** yes, and nothing else changes; **2** yes, and it ranks more new pairs rightly; **3** no, it
# can't fit them any more.

# %% tags=["experiment"]
predict("small_start", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
results["embeddings start at 0.02"] = over_seeds(experiments.SMALL_START)
predict.compare("small_start")

# %% [markdown]
# <details><summary>What came out</summary>
#
# The training accuracy is 1.000 again, so no freedom was taken away. The held-out accuracy is up by more than 0.1.
# Two models can fit the same pairs perfectly and differ in what they say about new ones. **Where training
# starts decides which of them you get.** But the held-out loss is still far above 0.693: the model is still
# too sure of itself. Weight decay mends that, so we take both, and larger batches. (Guessing has a held-out loss of 0.69.)
#
# </details>

# %% tags=["experiment"]
results["small start, decay 5, batch 500"] = over_seeds(experiments.BEST)

# %% tags=["experiment"]
linear = []
for seed in SEEDS:
    pairs = rl.SyntheticPreferenceDataset(2000, 20, 1000, seed=seed).pairs
    weights = rl.fit_linear_bradley_terry(*pairs, vocab_size=1000)
    linear.append(
        rl.preference_accuracy(
            *(
                rl.linear_reward(weights, part)
                for part in experiments.held_out_pairs(seed)
            )
        )
    )

usual, start = (
    np.mean(results["usual recipe"]),
    np.mean(results["embeddings start at 0.02"]),
)
rl.plots.show(
    rl.plots.plot_seeds(
        results,
        limits={
            "guessing": 0.5,
            "linear fit, same pairs": float(np.mean(linear)),
            "best possible": 1.0,
        },
        title="Same model, 2,000 pairs, all of them ranked rightly: "
        f"{usual:.2f} or {start:.2f}\n"
        "on new pairs, depending on where training starts",
        xlabel="held-out accuracy",
    ),
    alt="Held-out accuracy of five recipes, mean of five seeds each: "
    + "; ".join(f"{name} {np.mean(values):.2f}" for name, values in results.items())
    + f". The linear fit has {np.mean(linear):.2f}, guessing 0.5, the best is 1.",
)

# %% [markdown]
# **The figure of this lesson.** One model, five ways to train it. Two findings:
# - with 2,000 fixed pairs the network now reaches what the linear fit reaches, and no more: that is what the pairs
#   hold for a model that learns each token separately;
# - only fresh pairs go beyond it.

# %% [markdown]
# ### 8.5 A bug that looks like success
#
# A colleague had every pair judged by two people, put the 4,000 judgements into one file, shuffled it, and split it in
# half. With the usual recipe, on this split, the held-out accuracy comes out far better than ours.
#
# **Predict, then run.** Read the code before you run it. Where does the better number come from?
#
# Choices: **1** two judgements of a pair tell more than one; **2** some pairs stand in both halves; **3** there
# are twice as many pairs to learn from.

# %% tags=["experiment"]
predict("better_number", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
# Each pair twice: two people judged it.
judgements = [torch.cat([part, part]) for part in dataset.pairs]
order = torch.randperm(
    len(judgements[0]), generator=torch.Generator().manual_seed(SEED)
)
first_half = tuple(part[order[:2000]].to(device) for part in judgements)
second_half = tuple(part[order[2000:]].to(device) for part in judgements)

torch.manual_seed(SEED)
model = rl.RewardModel(vocab_size=1000, embed_dim=64, hidden_dim=128)
_ = rl.train_reward_model(
    model, first_half, second_half, rl.TrainConfig(log_every=10), device
)

# %% [markdown]
# <details><summary>What is wrong?</summary>Every pair is in the file twice. After the shuffle, half of the "held-out" pairs are
# also in the training half. The model has learnt those by heart, and ranks them perfectly. The split must go by pair (in
# practice: by prompt), not by judgement.</details>

# %% tags=["experiment"]
trained_on = {tuple(row) for row in torch.cat(first_half, dim=1).tolist()}
seen = torch.tensor(
    [tuple(row) in trained_on for row in torch.cat(second_half, dim=1).tolist()],
    device=device,
)
print(f"{seen.float().mean():.0%} of the held-out pairs were in the training half")
for name, rows in (("seen in training", seen), ("really new", ~seen)):
    scores = [rl.score_in_batches(model, part[rows]) for part in second_half]
    print(f"accuracy on pairs {name}: {rl.preference_accuracy(*scores):.3f}")
predict.compare("better_number")

# %% [markdown]
# ## 9. The same on real words
#
# *Time to here: 105 minutes.*
#
# So far a text was a list of numbers. The promise was a model that scores any text, so we turn to words. Two things are new.
# - **A tokenizer** gives every word a number. It is made from the training texts. A word that it never saw becomes `[UNK]`, one token
#   for all unknown words. In this file every word occurs more than once, so `[UNK]` is never trained, and counts for almost nothing.
# - **Prompt and completion become one text**, joined by a line break. The model scores the whole of it.
#
# The package comes with 400 pairs, made by a program (`reward_lab/examples/plain_words.py`) whose rule is known: of two
# explanations, the one with the smaller share of jargon words is preferred. So the best possible accuracy is again 1.0. For a file of
# your own, put its path in place of `rl.EXAMPLE_PREFERENCES`: one JSON object a line, with `prompt`, `chosen` and `rejected`.
#
# Five lines: read, train, save, load, score. Training starts small, has weight decay, holds a tenth of the prompts out, and keeps the
# weights of the lowest held-out loss: what section 8 taught.

# %% tags=["experiment"]
folder = tempfile.mkdtemp()  # with files that you want to keep, a folder of your own

preferences = rl.load_preferences(rl.EXAMPLE_PREFERENCES)
run = rl.train_on_preferences(
    preferences, config=rl.TextConfig(seed=SEED, log_every=5), device=device
)
run.model.save_pretrained(folder)
model = rl.RewardModel.from_pretrained(folder, device)
scores = rl.score_texts(
    model,
    ["Water that falls from clouds.", "Stochastic precipitation dynamics."],
    prompt="What is rain?",
)

print("\nfiles:", *sorted(os.listdir(folder)))
for score in scores:
    print(f"reward {score.reward:+.2f}  {score.completion}")
print("\n                      this model   guessing   best possible")
for name, title in (("train", "training"), ("held_out", "held-out")):
    accuracy = run.metrics[name]["accuracy"]
    print(f"{title} accuracy       {accuracy:.3f}        0.500         1.000")

# %% [markdown]
# **Predict, then run.** Now the six texts of section 2. None of them is in the training file. Will the model rank all three pairs
# rightly? And what will it make of a "text" that only strings everyday words together?
#
# Choices: **1** all three pairs right, the string of words last; **2** all three pairs right, the string of
# words first; **3** not all three pairs right.

# %% tags=["experiment"]
predict("real_words", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
for pair in preference_data:
    print(pair["prompt"])
    for score in rl.rank_texts(
        model, [pair["preferred"], pair["rejected"]], pair["prompt"]
    ):
        label = "preferred" if score.completion == pair["preferred"] else "rejected"
        print(
            f"  reward {score.reward:+6.2f}  {label:9}  {score.unknown} of "
            f"{score.tokens} tokens unknown"
        )

nonsense = rl.score_texts(
    model,
    ["like like a dog a dog guitar telephone like like"],
    preference_data[0]["prompt"],
)[0]
print(f"\nreward {nonsense.reward:+6.2f}  nonsense   {nonsense.completion}")
predict.compare("real_words")

# %% [markdown]
# <details><summary>What came out</summary>
#
# All three pairs come out right, each by more than 2. The nonsense beats them all.
#
# The model has learnt which *words* go with winning, because no more was needed. Training and held-out accuracy don't
# show it: the held-out pairs come from the same program, and none of them is nonsense. A language model that is trained towards this reward would
# soon write "like like a dog". This is **reward hacking**, and later lessons are about it.
#
# </details>
#
# **Your turn.** Write a text, run the cell, and try to find a good explanation that scores badly.

# %% tags=["experiment"]
my_prompt = "Explain machine learning simply."
my_text = "Gradient-based optimization is like rolling a ball down a hill."

mine = rl.score_texts(model, [my_text], my_prompt)[0]
print(f"reward {mine.reward:+.2f}, {mine.unknown} of {mine.tokens} tokens unknown")
print("as the model reads it:", *model.tokenizer.words(my_text))

# %% [markdown]
# Without a notebook: `python -m reward_lab.train --train-file prefs.jsonl --output-dir out`, then `python -m reward_lab.score --model out`.

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 10. Reflection and next steps
#
# *Time to here: 115 minutes.*
#
# **What we built**
# - a reward model that learns from comparisons, with the Bradley-Terry loss;
# - a world with a known rule, so that every result stands beside the best possible one;
# - a report that shows training and held-out accuracy side by side;
# - a model of real texts, saved, loaded, and scoring what you type.
#
# **What to remember**
# 1. Reward models learn from comparisons. Only differences between rewards mean anything.
# 2. A training accuracy of 1.000 says nothing about new pairs. Never show it without the held-out one.
# 3. Test on the kind of input that the model will be used on.
# 4. Hold every score against a simple model and against the best possible.
# 5. More pairs, regularisation and the starting point are three different cures. Try them one at a time.
#
# **Five quick questions.** Answer before you open.
#
# 1. A model gives every text the reward 3. What is its loss on a pair, and its accuracy?
# <details><summary>Answer</summary>Every margin is 0: the loss is ln 2 = 0.693, and the accuracy 0, as ties count as wrong.</details>
#
# 2. All rewards rise by 100. What happens to the loss?
# <details><summary>Answer</summary>Nothing. It sees differences only.</details>
#
# 3. Training loss 0.01, training accuracy 1.000. Name the number that you ask for.
# <details><summary>Answer</summary>Accuracy (and loss) on pairs that training has not seen, beside guessing and the best possible.</details>
#
# 4. The held-out loss is above 0.693 and the held-out accuracy is above one half. How can both be?
# <details><summary>Answer</summary>Most pairs are ranked rightly, and the model is very sure where it is wrong. Few large losses outweigh many small ones.</details>
#
# 5. Every pair was judged by two people. You shuffle the judgements and split them. What goes wrong?
# <details><summary>Answer</summary>Many pairs stand in both halves. The held-out half is not held out: split by pair, or by prompt.</details>
#
# **Think about it.** Three questions, two points each, marked by hand. Two or three sentences each are enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_noise", "locked": true}
# **Question 1.** What happens if the preferences are noisy, because people disagree? In one study two labelers agreed on
# 73 % of pairs (Ouyang et al., 2022). Say what this does to the best possible held-out accuracy, and what a model that reaches training accuracy 1.000
# on such data has learnt.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - the best possible accuracy falls below 1: no model can predict a coin toss, so the ceiling is the mean of max(p, 1-p);
# - a training accuracy of 1.000 then means that the model has learnt the errors too (memorised noise), so held-out accuracy suffers.
#
# Accept either point said in terms of the loss (its floor is the entropy of the labels, above 0). No credit for
# "the model gets worse" without a reason.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_noise", "grade": true, "solution": true, "points": 2}
# When labels are noisy even the true rule disagrees with some of them, so the best possible accuracy is below 1. A
# model that fits all of the training pairs has learnt the mistakes by heart as well, and will do worse on new pairs.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_ties", "locked": true}
# **Question 2.** How would you handle ties, pairs where people find both answers equally good? Name one way to use
# them in training, and say what it does to the two rewards.
#
# ### BEGIN MARK SCHEME
# 2 points: 1 for a workable way, 1 for its effect on the rewards. For example:
# - add each tie in both orders, or use a target of 0.5: the loss is then least at equal rewards, so it pulls them together;
# - a model with three outcomes (Davidson; Rao and Kupper): ties are likeliest when the rewards are close;
# - leave ties out: 1 point at most, with the remark that information on small differences is lost.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_ties", "grade": true, "solution": true, "points": 2}
# Use a target of one half: add the pair in both orders, or use the loss -0.5 log sigma(d) - 0.5 log sigma(-d). It is least at
# d = 0, so it pulls the two rewards together.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_pretrained", "locked": true}
# **Question 3.** In RLHF the reward model starts from a pretrained language model. Why is that important? Use something that
# you saw in section 8.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - pretraining supplies knowledge of language that a few thousand pairs can't teach (which words are alike, what a text means), so
#   far fewer pairs are needed;
# - a link to section 8: the linear fit does not know that neighbouring tokens are alike; the starting point decides
#   which of the models that fit the pairs is found; or fresh data are expensive and pretraining replaces part of them.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_pretrained", "grade": true, "solution": true, "points": 2}
# A pretrained model already knows which tokens and sentences are alike, so it does not need to see each of them in many
# pairs. Section 8 showed that the starting point decides what a model says about new pairs, even when the fit to the training pairs is the same.

# %% [markdown]
# **Common mistakes**
# - `>=` in the accuracy: a model that gives every text the same reward then scores 1.0.
# - `log(sigmoid(x))`: infinite or frozen for badly ranked pairs.
# - `zero_grad()` only after the step: the first step uses whatever was there before.
# - reporting in training mode: with dropout the scores of one text differ from call to call.
# - splitting by judgement in place of by pair: the held-out set is not held out.
#
# **Try next**
# - Train on 500, 1,000, 4,000 and 8,000 pairs. How does the gap close?
# - Replace the quality by the *largest* token id. Can a model that averages embeddings learn it?
# - Stop training where the held-out loss is least. Which of the cures does that replace?
#
# **References, and what each is cited for**
# - R. A. Bradley and M. E. Terry, Rank analysis of incomplete block designs, Biometrika 39 (1952): the model of paired comparisons.
# - P. Christiano et al., Deep reinforcement learning from human preferences (2017): the loss, with a network as the score.
# - L. Ouyang et al., Training language models to follow instructions with human feedback (2022): reward models for language models;
#   agreement between labelers of 72.6 % (plus or minus 1.5).
# - I. Loshchilov and F. Hutter, Decoupled weight decay regularization (2019): the weight decay of cure 2.
# - A. Agresti, Categorical Data Analysis: the Bradley-Terry model as a logistic regression.
#
# **Next lesson.** Who is stronger, and how sure are we? Lesson 2 treats the Bradley-Terry model as statistics. Later lessons use the reward model
# to improve a language model, with policy gradients and PPO.
