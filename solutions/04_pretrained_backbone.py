# %% [markdown]
# # Lesson 4: A pretrained backbone
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
# Every reward model used in RLHF starts from a language model that has read a great deal of text. Its last layer,
# which predicted words, is taken off, and a layer that gives one number takes its place. Lesson 1 asked why that
# matters. Here you find out, by building all of it: a corpus, a language model that learns from it, the new head, and
# the comparison with a model that starts from nothing.
#
# **You will be able to**
# - write the loss that language models are trained with, and say what it teaches;
# - turn a language model into a reward model, frozen or fine-tuned, without padding getting in the way;
# - measure how many preference pairs pretraining saves, over seeds and beside the best possible score.
#
# **You need** lesson 1, and a rough idea of what attention does. **Time:** about 90 minutes. The whole
# notebook runs in under two minutes on two CPU cores, and unchanged on a GPU.
#
# **In two minutes, if lesson 1 is some time ago.** A *reward model* gives every text one number. It is trained on pairs, of which a judge
# preferred one text, by the *Bradley-Terry loss* $-\log\sigma(r_{\text{preferred}} - r_{\text{rejected}})$. *Held-out accuracy* is the share of
# new pairs in which the preferred text has the higher reward. And *attention*: for each token, a layer computes a weight for every token that it may
# see, and takes the weighted mean of their vectors. A *causal* model may see earlier tokens only.

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
import functools
import inspect
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Code
from torch import nn

import reward_lab as rl
from reward_lab import language
from reward_lab.language import ecosystem, grammar
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson04 import check, experiments, figures, predict

SEED = 42  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% [markdown]
# ## 1. Why does this matter?
#
# A preference pair costs a person's time. A few thousand are a lot, and they are all that a reward model gets to see.
# Text, on the other hand, is there for the taking.
#
# A reward model has two things to learn. What does the text say? And what do people like about it? Only the second
# needs preferences. If the first can be learnt from plain text, the pairs are free for what only they can teach.
# **That is the bet of pretraining**, and this lesson puts a number on it.

# %% [markdown]
# ## 2. A language with a story
#
# *Time to here: 5 minutes.*
#
# We need a world in which meaning matters and is known. Here is a small one. A story names its hero, then tells of two
# deeds:
#
# > owl : fox never robbed owl . owl helped pig .
#
# A kind deed done **to** the hero is good for it, an unkind one bad. *Never* turns either round: not being robbed is
# good news. A deed done to somebody else leaves the hero cold.
#
# The reader of these stories, whose preferences we shall learn, holds that all is well that ends well. The second deed
# counts double:
#
# $$r = e_1 + 2\, e_2, \qquad e_i \in \{-1, 0, +1\}.$$
#
# **By hand.** In the story above the first deed is *never robbed*, done to the owl: $e_1 = +1$. The second is done to
# the pig: $e_2 = 0$. So $r = 1$. Had the pig helped the owl, $e_2$ would be $+1$ and $r = 3$: the same words in
# another order.

# %%
Code(inspect.getsource(grammar.reward_of_text), language="python")

# %% [markdown]
# The pairs we train on are **twins**: two stories made of exactly the same words. Only the order differs, and with it
# who did what to whom, which deed was denied, and what came last. There are 8 animals, 16 verbs and one *never*.

# %%
preferred, rejected = grammar.story_pairs(4, seed=1)
for better, worse in zip(preferred, rejected, strict=True):
    for name, ids in (("preferred", better), ("rejected", worse)):
        text = grammar.decode(ids)
        print(f"{name:>9}, reward {grammar.reward_of_text(text):+d}: {text}")
    print()

# %% [markdown]
# ### 2.1 What a bag of words can do here
#
# Lesson 1's encoder averages the embeddings of all tokens, so it sees which words a text holds and nothing of their
# order. It is a **bag of words**. Two texts of the same words get the same average, hence the same reward, whatever
# its weights are. On twins it can only toss a coin: 0.5. No training changes that.
#
# That is an argument. Here is the measurement, on 10,000 training pairs. And so that nobody says we made the pairs
# unfair, the same on pairs of **unrelated** stories about one hero, where the words do differ. A tie counts one half
# here: a coin is tossed. (Rounding in the last digit breaks some ties at random, so differences below 0.0001 count as
# ties.)
#
# **Predict, then run.** On unrelated stories, how far does a bag of words get? 0.5, 0.7 or 0.9?

# %% tags=["experiment"]
predict("bag_of_words", ...)  # in place of the dots: a number from 0 to 1

# %% tags=["experiment"]
def with_coin(reward_preferred, reward_rejected):
    """Accuracy if a coin decides where the rewards are tied."""
    margin = reward_preferred - reward_rejected
    return torch.where(margin.abs() < 1e-4, 0.5, (margin > 0).double()).mean().item()


vocab_size = len(grammar.WORDS)
for kind, same_words in (("twins", True), ("unrelated", False)):
    pairs = tuple(
        part.to(device) for part in grammar.story_pairs(10_000, 7, same_words)
    )
    new_pairs = tuple(
        part.to(device) for part in experiments.held_out_story_pairs(same_words)
    )
    weights = rl.fit_linear_bradley_terry(*pairs, vocab_size=vocab_size)
    linear = with_coin(*(rl.linear_reward(weights, part) for part in new_pairs))
    torch.manual_seed(SEED)
    network = rl.RewardModel(vocab_size, embed_dim=64, hidden_dim=128)
    rl.train_reward_model(
        network,
        pairs,
        new_pairs,
        rl.TrainConfig(epochs=4, batch_size=64, log_every=0),
        device,
    )
    neural = with_coin(*(rl.score_in_batches(network, part) for part in new_pairs))
    print(
        f"{kind:>9}: held-out accuracy of the linear fit {linear:.3f}, of lesson 1's "
        f"network {neural:.3f}, oracle 1.000"
    )
predict.compare("bag_of_words", neural)

# %% [markdown]
# <details><summary>What came out</summary>
#
# On twins exactly 0.500, as it must be. On unrelated stories the linear fit still guesses, because every word is good
# news as often as bad: *helped* is good unless *never* stands before it. The network can use the number of *nevers*
# together with the verbs, which helps a little. The rest of the meaning is in the order.
#
# To go beyond that, a model has to read. From here on all pairs are twins.
#
# </details>

# %% [markdown]
# ## 3. Learning to read: next-token prediction
#
# *Time to here: 10 minutes.*
#
# A language model is trained on the simplest of tasks: given the tokens so far, which one comes next? Nobody has to
# label anything, because the text itself holds the answer.
#
# Our corpus has 20,000 stories. In the corpus, and only there, the narrator also tells the hero's **mood**:
# *wretched*, *sad*, *calm*, *glad* or *overjoyed*, for a sum of effects of -2 to 2.

# %%
for ids in grammar.draw_corpus(4, torch.Generator().manual_seed(SEED)):
    print(grammar.decode(ids))

# %% [markdown]
# To predict the word after the last full stop, the model must know how things turned out for the hero. It must work
# out who did what to whom, and whether it was denied. **The task is to predict words. The way to do it well is to
# understand.**
#
# The corpus does not hold the reader's preferences. Its moods count both deeds alike; the reader counts the second
# double. That part only the preference pairs can teach.
#
# **The loss.** Let $\ell_t$ be the vector of logits at place $t$, one entry for each word. The model's probability of
# the next token is a softmax of it, and the loss is the mean of $-\log p$ over all real targets:
#
# $$\mathcal{L} = -\frac{1}{N} \sum_{t} \log \operatorname{softmax}(\ell_t)_{x_{t+1}}.$$
#
# Note the shift: place $t$ is held against token $t + 1$.
#
# **By hand.** Three words, the text $x = (2, 1, 0)$, and logits $(0, 1, 0)$, $(2, 0, 0)$, $(0, 0, 5)$. The first
# predicts token 1: $-\log\frac{e^1}{e^0 + e^1 + e^0} = 0.5514$. The second predicts token 0: $-\log\frac{e^2}{e^2 + 1
# + 1} = 0.2395$. The third has nothing to predict. The mean is $0.3955$.

# %% [markdown]
# ### TODO 1: the next-token loss
#
# | | |
# |:---|:---|
# | Purpose | the loss that every language model is pretrained with |
# | Difficulty, importance | medium, very high |
# | Time | 15 minutes |
# | Points | 3 |
#
# `next_token_loss(logits, token_ids, attention_mask) -> scalar`
#
# `logits` is a float tensor of shape `(batch, seq, vocab_size)`; `token_ids` and `attention_mask` are int64 of shape
# `(batch, seq)`. The mask is 1 at real tokens and 0 at padding. In this exercise padding stands on the right, and there is
# at least one target. Return a 0-dim tensor that can be differentiated: the **mean over all real targets of the
# batch**, in nats.
# - The logits at place t predict the token at t + 1. The first token of a text is no target.
# - A target that is padding does not count. The mask alone says what padding is; token id 0 may be a real token.
# - Every real target counts once, in long and short texts alike. A text of one token has no target.
# - The loss must be right for logits from -200 to 200. Leave the inputs as they are.
#
# **By hand.** The three-word text above gives 0.3955.
#
# <details><summary>Hint 1</summary>Which part of <code>logits</code> has a target? All places but the last: <code>logits[:, :-1]</code>. Their targets are <code>token_ids[:, 1:]</code>.</details>
# <details><summary>Hint 2</summary><code>F.cross_entropy</code> wants the vocabulary in dimension 1, or everything flat: (places, vocab_size) and (places,).</details>
# <details><summary>Hint 3</summary><code>real = attention_mask[:, 1:].bool()</code> picks the targets that count. Indexing with it makes everything flat.</details>
# <details><summary>Solution idea</summary>Shift, pick the real targets from both tensors with the shifted mask, and call <code>F.cross_entropy</code>, which takes the mean.</details>

# %% nbgrader={"grade_id": "next_token_loss", "solution": true}
def next_token_loss(logits, token_ids, attention_mask):
    """Mean cross-entropy of predicting each token from those before it.

    Args:
        logits: (batch, seq, vocab_size) floating point.
        token_ids: (batch, seq) int64.
        attention_mask: (batch, seq) int64, 1 at real tokens, 0 at padding on the right.

    Returns:
        A scalar tensor in nats.
    """
    ### BEGIN SOLUTION
    real = attention_mask[:, 1:].bool()
    return F.cross_entropy(logits[:, :-1][real], token_ids[:, 1:][real])
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_next_token_loss", "grade": true, "locked": true, "points": 3}
check.next_token_loss(next_token_loss)

# %% [markdown]
# **What you just showed.** A text of n tokens holds n - 1 exercises with their answers. That is why text teaches
# so much more per line than a preference, which says one bit about two whole texts.

# %% [markdown]
# ## 4. Pretraining
#
# *Time to here: 30 minutes.*
#
# The model is a tiny causal transformer: two layers, 64 numbers a token. *Causal* means that a token sees only
# the tokens before it.

# %%
Code(inspect.getsource(language.TinyTransformer.forward), language="python")

# %% [markdown]
# Two lines deal with padding. Positions are counted from the first real token on, and nobody looks at padding. So a
# text gets the same vectors wherever its padding stands.
#
# How low can the loss get? Names and verbs are drawn at random, and nobody can foresee them. Because we made the
# corpus, its entropy is a number that we can work out: the best possible loss. And we watch one thing that the loss
# hides: after a new story **without** moods in between, how often is the likeliest mood the right one?
#
# **Predict, then run.** The loss starts near $\ln 33 = 3.5$. Does the model learn grammar and meaning at the same
# time, or one after the other?
#
# Choices: **1** both at the same time; **2** grammar first; **3** meaning first.

# %% tags=["experiment"]
predict("grammar_and_meaning", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
language_model = experiments.Pretraining(SEED, device=device)
print(
    f"best possible loss {grammar.best_corpus_loss():.3f} nats per token; always "
    f"guessing calm: {0.3**2 + 2 * 0.35**2:.3f} right"
)
_ = language_model.run(400, log_every=50)

# %% tags=["experiment"]
history = language_model.run(400)
lm = language_model.model
print(
    f"{sum(p.numel() for p in lm.parameters()):,} parameters, {history.seconds:.0f} s "
    "in all"
)
print(
    f"pretrained: loss {history.loss[-1]:.3f} (best possible "
    f"{grammar.best_corpus_loss():.3f}), ",
    end="",
)
print(f"mood right in {history.mood_accuracy[-1]:.3f} (best possible 1.000)")
predict.compare("grammar_and_meaning")

# %% [markdown]
# <details><summary>What came out</summary>
#
# One after the other. Within 100 steps the model knows which kind of word follows which: the loss has lost most of
# its height, and the moods are still guesses. Over the next few hundred steps it finds out how negation and word
# order make the mood. In the loss that is a small step. In what the model understands it is nearly everything.
#
# Nobody told it what *never* means.
#
# </details>

# %% [markdown]
# ### 4.1 A bug that looks like success
#
# A colleague reports a loss far below ours, after a fraction of the steps. This is the loss function:
#
#     def without_shift(logits, token_ids, attention_mask):
#         real = attention_mask.bool()
#         return F.cross_entropy(logits[real], token_ids[real])
#
# **Predict, then run.** Read the code. What will the training loss be after 150 steps, and what has the model learnt?

# %% tags=["experiment"]
predict("no_shift", ...)  # in place of the dots: the loss on new stories, in nats

# %% tags=["experiment"]
def without_shift(logits, token_ids, attention_mask):
    real = attention_mask.bool()
    return F.cross_entropy(logits[real], token_ids[real])


wrong = experiments.Pretraining(
    SEED, total_steps=150, device=device, loss_fn=without_shift
)
wrong.run(150, log_every=0)
ids = grammar.draw_corpus(500, torch.Generator().manual_seed(0)).to(device)
mask = ids != grammar.PAD_ID
with torch.no_grad():
    logits = wrong.model(ids, mask)
print(f"the colleague's loss on new stories: {without_shift(logits, ids, mask):.4f}")
print(
    "next-token loss of the same model: "
    f"{language.next_token_loss(logits, ids, mask):.2f}"
)
print(
    f"mood right in {experiments.mood_accuracy(wrong.model, device):.3f} of new stories"
)
predict.compare("no_shift", without_shift(logits, ids, mask))

# %% [markdown]
# <details><summary>What is wrong?</summary>The shift is missing. Each place is asked for its own token, which it can see. The model learns to
# copy its input, the loss goes to 0, and as a predictor of the next token it is worse than a uniform guess (3.5 nats). A loss on
# <b>new</b> stories below the entropy of the text is never good news. It says that the answer has leaked into the input. (On training
# stories there is a second way: to have learnt them by heart.)</details>

# %% [markdown]
# ## 5. From language model to reward model
#
# *Time to here: 35 minutes.*
#
# Now the change of heads. The backbone gives a vector for each token. Which one should the reward be read from? In a
# causal model only the **last** token has seen the whole text. In a batch, texts of different lengths are padded, so
# the last token is not always in the last place:
#
# | | 0 | 1 | 2 | 3 | 4 | mask |
# |---|---|---|---|---|---|---|
# | padding on the right | fox | fed | **owl** | - | - | 1 1 1 0 0 |
# | padding on the left | - | - | fox | fed | **owl** | 0 0 1 1 1 |
# | a full row | fox | never | fed | owl | **.** | 1 1 1 1 1 |

# %% tags=["experiment"]
rl.plots.show(
    figures.plot_two_heads(),
    alt="Diagram: the tokens fox, fed, owl, a dot and padding go into the backbone, "
    "which gives each a vector. The language model head reads every real token's "
    "vector. The reward head reads only the dot's, the last real token's, and gives "
    "one number.",
)

# %% [markdown]
# ### TODO 2: the last real token
#
# | | |
# |:---|:---|
# | Purpose | the vector that the reward is read from |
# | Difficulty, importance | medium, high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `last_token_pool(hidden, attention_mask) -> (batch, dim)`
#
# `hidden` is a float tensor of shape `(batch, seq, dim)`, `attention_mask` an int64 tensor of shape `(batch, seq)`, 1
# at real tokens and 0 at padding. Return each row's vector at its last real token: shape `(batch, dim)`, the dtype of
# `hidden`, with gradients flowing back to it. Within one batch all padding stands on the same side, left or right;
# some rows, or all, may be full. Each row has at least one real token, and its real tokens stand next to each other.
# What stands at padding must not matter, be it NaN or infinity.
#
# **By hand.** Mask rows `1 1 1 0 0`, `0 0 1 1 1` and `1 1 1 1 1`: places 2, 4 and 4.
#
# <details><summary>Hint 1</summary>The number of real tokens minus 1 is right for padding on the right, and wrong for padding on the left.</details>
# <details><summary>Hint 2</summary>Multiply the mask by the places 0, 1, 2, ... The largest entry of a row is the place you want.</details>
# <details><summary>Hint 3</summary><code>hidden[rows, places]</code> with two index tensors of shape (batch,) picks one vector a row.</details>
# <details><summary>Solution idea</summary><code>(torch.arange(seq) * mask).argmax(dim=1)</code>, then index with <code>torch.arange(batch)</code>; both on the device of <code>hidden</code>.</details>

# %% nbgrader={"grade_id": "last_token_pool", "solution": true}
def last_token_pool(hidden, attention_mask):
    """The vector of each row's last real token.

    Args:
        hidden: (batch, seq, dim) floating point.
        attention_mask: (batch, seq) int64, 1 at real tokens, 0 at padding.

    Returns:
        (batch, dim), of the same dtype.
    """
    ### BEGIN SOLUTION
    places = torch.arange(hidden.shape[1], device=hidden.device)
    last = (places * attention_mask).argmax(dim=1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_last_token_pool", "grade": true, "locked": true, "points": 2}
check.last_token_pool(last_token_pool)

# %% [markdown]
# **What you just showed.** `hidden[:, -1]` is right for full rows and for padding on the left, and silently wrong for
# the rest. Code that reads a reward from padding still trains; it only scores a text differently in different
# company.

# %% [markdown]
# ### TODO 3: a scalar head on a backbone
#
# | | |
# |:---|:---|
# | Purpose | the reward model of RLHF, whole |
# | Difficulty, importance | medium, very high |
# | Time | 15 minutes |
# | Points | 3 |
#
# `RewardFromBackbone(backbone, freeze)`, an `nn.Module` with `forward(token_ids, attention_mask) -> (batch,)`
#
# `backbone(token_ids, attention_mask)` gives vectors of shape `(batch, seq, hidden_dim)`, and `backbone.hidden_dim` their
# length. The reward is **one linear layer** on the last real token's vector, with or without a bias, from any initial
# values, and nothing after it. `language.last_token_pool` may be used.
# - `token_ids` and `attention_mask` are int64 `(batch, seq)`; the result is a float tensor of shape `(batch,)`, for one
#   text too.
# - Padding changes no score: left, right or none, a text gets the same reward.
# - `freeze=True`: no parameter of the backbone gets a gradient or moves in training, while the head trains.
#   `freeze=False`: backbone and head train together. The backbone comes with everything trainable.
# - Use the backbone itself, as a submodule, not a copy. It has no dropout, so its mode does not matter.
#
# **By hand.** Last real vector $(2, -1)$, weights $(0.5, 1)$, bias $0.3$: reward $1 - 1 + 0.3 = 0.3$.
#
# <details><summary>Hint 1</summary>Two attributes: <code>self.backbone</code> and <code>self.reward_head = nn.Linear(backbone.hidden_dim, 1)</code>.</details>
# <details><summary>Hint 2</summary>The head gives (batch, 1). <code>.squeeze(-1)</code> drops the last dimension, and only that one.</details>
# <details><summary>Hint 3</summary><code>eval()</code> does not freeze anything. <code>parameter.requires_grad = False</code> does; <code>module.requires_grad_(False)</code> does it for all.</details>
# <details><summary>Solution idea</summary>In <code>forward</code>: vectors from the backbone with the mask, pool with the mask, head, squeeze. In <code>__init__</code>: <code>backbone.requires_grad_(not freeze)</code>.</details>

# %% nbgrader={"grade_id": "RewardFromBackbone", "solution": true}
class RewardFromBackbone(nn.Module):
    """A reward model: backbone, last real token, one linear layer."""

    def __init__(self, backbone, freeze):
        super().__init__()
        ### BEGIN SOLUTION
        self.backbone = backbone
        self.reward_head = nn.Linear(backbone.hidden_dim, 1)
        backbone.requires_grad_(not freeze)
        ### END SOLUTION

    def forward(self, token_ids, attention_mask):
        """(batch, seq) int64, twice -> (batch,) rewards."""
        ### BEGIN SOLUTION
        hidden = self.backbone(token_ids, attention_mask)
        return self.reward_head(
            language.last_token_pool(hidden, attention_mask)
        ).squeeze(-1)
        ### END SOLUTION

# %% nbgrader={"grade_id": "check_RewardFromBackbone", "grade": true, "locked": true, "points": 3}
check.RewardFromBackbone(RewardFromBackbone)

# %% [markdown]
# **What you just showed.** A reward model is a language model with another last layer. Everything it knows about text
# comes with the backbone; the head adds one number for each of the vector's 64.

# %% [markdown]
# ## 6. How many pairs does pretraining save?
#
# *Time to here: 65 minutes.*
#
# Three models, all with the same architecture:
# - **scratch**: a backbone with random weights, trained together with the head;
# - **frozen**: the pretrained backbone as it is; only the head is trained. Its input never changes then, so this is a
#   logistic regression, solved to its end (L-BFGS, with a small L2 penalty) in place of a number of steps;
# - **fine-tuned**: the pretrained backbone, trained together with the head.
#
# Each sees 50, 200, 1,000 or 10,000 pairs. Scratch and fine-tuned take the same steps with the same learning rate.
# Each is run with three seeds for pairs, head and (for scratch) backbone. New pairs judge all of them; the oracle,
# which knows the rule, gets 1.0.

# %% [markdown]
# ### TODO 4: the comparison
#
# | | |
# |:---|:---|
# | Purpose | a curve with its spread, in place of one lucky run |
# | Difficulty, importance | easy, high |
# | Time | 10 minutes |
# | Points | 2 |
#
# `data_efficiency(sizes, train_fn, seeds) -> dict`
#
# `sizes` is a list of different whole numbers, `seeds` a list of at least one. `train_fn(n_pairs, seed)` trains a model and
# returns its held-out accuracy, a float. Return a dict: each size maps to a dict with `mean` and `std` of the accuracy
# over seeds.
# - `std` is the **sample** standard deviation, with n - 1 in the denominator. With one seed it is undefined: return NaN.
# - Call `train_fn` exactly once for each size and seed, in any order: every call trains a model.
# - Floats, NumPy numbers and 0-dim tensors all count. Other keys beside `mean` and `std` do no harm.
#
# **By hand.** Accuracies 0.80, 0.90 and 0.85: mean 0.85; squared deviations 0.0025, 0.0025 and 0 sum to 0.005,
# divided by 2 and under the root 0.05.
#
# <details><summary>Hint 1</summary>Collect the accuracies of one size in a list before you summarise.</details>
# <details><summary>Hint 2</summary><code>np.std</code> divides by n unless told otherwise.</details>
# <details><summary>Hint 3</summary><code>np.std(values, ddof=1)</code> or <code>statistics.stdev</code>; the first warns and gives NaN for one value, the second raises.</details>
# <details><summary>Solution idea</summary>A loop over sizes; in it a list over seeds, its mean, and its sample standard deviation if there are two values or more, else <code>float("nan")</code>.</details>

# %% nbgrader={"grade_id": "data_efficiency", "solution": true}
def data_efficiency(sizes, train_fn, seeds):
    """Held-out accuracy against number of pairs, over seeds.

    Args:
        sizes: list of numbers of pairs.
        train_fn: train_fn(n_pairs, seed) -> held-out accuracy.
        seeds: list of at least one seed.

    Returns:
        A dict: size -> {"mean": ..., "std": ...}.
    """
    ### BEGIN SOLUTION
    result = {}
    for size in sizes:
        accuracies = [train_fn(size, seed) for seed in seeds]
        std = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else float("nan")
        result[size] = {"mean": float(np.mean(accuracies)), "std": std}
    return result
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_data_efficiency", "grade": true, "locked": true, "points": 2}
check.data_efficiency(data_efficiency)

# %% [markdown]
# **What you just showed.** Twelve trainings become four numbers with an error bar. The bar says how far one run strays.
# Whether two methods differ is another question: the runs of one seed share their pairs, so compare them seed by seed.
#
# **Predict, then run.** How many pairs does the model from scratch need to match the pretrained one with 50?

# %% tags=["experiment"]
predict("scratch_needs", ...)  # in place of the dots: a number of pairs

# %% tags=["experiment"]
SIZES, SEEDS = list(experiments.STEPS), [0, 1, 2]


@functools.cache  # the cells below train; the last one only summarises
def accuracy_of(method, n_pairs, seed):
    """Held-out accuracy of one newly trained reward model; prints a line."""
    scratch = method == "scratch"
    backbone = (
        experiments.new_language_model(1000 + seed).backbone if scratch else lm.backbone
    )
    model = experiments.train_from(
        backbone, n_pairs, seed, freeze=method == "frozen", device=device
    )
    accuracy = experiments.held_out_accuracy(model, device)
    print(
        f"{method:>10}, {n_pairs:6,} pairs, seed {seed}: held-out accuracy "
        f"{accuracy:.3f}",
        flush=True,
    )
    return accuracy


for n_pairs in SIZES[:-1]:
    for seed in SEEDS:
        accuracy_of("frozen", n_pairs, seed)

# %% tags=["experiment"]
for seed in SEEDS:
    accuracy_of("frozen", SIZES[-1], seed)

# %% [markdown]
# Fifty pairs, and the frozen model ranks about nine new pairs in ten correctly. It has 64 weights to fit, and the
# vectors they read were made by a model that knows how the hero fares. But the curve flattens out below 1.0: the
# vectors hold too little of what the corpus had no use for, which of the two deeds came last.

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("fine-tuned", n_pairs, 0)

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("fine-tuned", n_pairs, 1)

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("fine-tuned", n_pairs, 2)

# %% [markdown]
# With 50 pairs, fine-tuning does worse than the frozen model with each of the three seeds: it has 71,000 weights to go
# wrong with. With 1,000 it has passed it, again with each seed, and is nearly perfect.

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("scratch", n_pairs, 0)

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("scratch", n_pairs, 1)

# %% tags=["experiment"]
for n_pairs in SIZES:
    accuracy_of("scratch", n_pairs, 2)

# %% tags=["experiment"]
results = {
    "fine-tuned": language.data_efficiency(
        SIZES, functools.partial(accuracy_of, "fine-tuned"), SEEDS
    ),
    "frozen": language.data_efficiency(
        SIZES, functools.partial(accuracy_of, "frozen"), SEEDS
    ),
    "scratch": language.data_efficiency(
        SIZES, functools.partial(accuracy_of, "scratch"), SEEDS
    ),
}
print("pairs      " + "".join(f"{name:>20}" for name in results))
for n_pairs in SIZES:
    rows = [result[n_pairs] for result in results.values()]
    print(
        f"{n_pairs:6,}     "
        + "".join(f"{row['mean']:>12.3f} +- {row['std']:.3f}" for row in rows)
    )
print("oracle 1.000, bag of words 0.500")

few, many = results["frozen"][50]["mean"], results["scratch"][10_000]["mean"]
enough = next(
    (f"{n:,}" for n in SIZES if results["scratch"][n]["mean"] >= few),
    f"more than {SIZES[-1]:,}, with these steps",
)
predict.compare("scratch_needs", enough)
ends = {
    name: (result[SIZES[0]]["mean"], result[SIZES[-1]]["mean"])
    for name, result in results.items()
}
rl.plots.show(
    figures.plot_data_efficiency(
        results,
        limits={"oracle": 1.0, "guessing, and any bag of words": 0.5},
        title=f"50 pairs on a pretrained backbone ({few:.2f}), and 10,000 pairs\n"
        f"from scratch ({many:.2f}) in {experiments.STEPS[SIZES[-1]]} steps",
    ),
    alt=f"Held-out accuracy against training pairs, {SIZES[0]} to {SIZES[-1]:,}: "
    + "; ".join(
        f"{name} from {first:.2f} to {last:.2f}" for name, (first, last) in ends.items()
    )
    + ". The curves of fine-tuned and frozen cross.",
)

# %% [markdown]
# <details><summary>What came out</summary>
#
# **The figure of this lesson.** With the steps that we gave it, scratch gets less out of 10,000 pairs than a pretrained
# backbone out of fifty. (With other steps? That is the next section.) And the two ways to use the backbone cross: frozen is the better one where pairs are few, fine-tuned where there are many.
# (The band is the spread over pairs, heads and scratch backbones. All pretrained rows share one pretraining.)
#
# </details>

# %% [markdown]
# ### 6.1 Was it the pairs, or the steps?
#
# A fair objection: pretraining took 800 steps before it saw any pair, and scratch had at most 313 in all. Perhaps
# scratch was only stopped too early. So give it the same 10,000 pairs and twice the steps.

# %% tags=["experiment"]
longer = experiments.train_from(
    experiments.new_language_model(1000).backbone,
    10_000,
    seed=0,
    steps=2 * experiments.STEPS[10_000],
    device=device,
)
print(
    "scratch, 10,000 pairs, twice the steps: "
    f"{experiments.held_out_accuracy(longer, device):.3f}"
)
print(
    f"scratch, 10,000 pairs, as before:       {accuracy_of('scratch', 10_000, 0):.3f}"
)

# %% tags=["experiment"]
long_on_few = experiments.train_from(
    experiments.new_language_model(1000).backbone, 50, seed=0, steps=150, device=device
)
train_pairs = (part.to(device) for part in grammar.story_pairs(50, seed=0))
on_training = rl.preference_accuracy(
    *(rl.score_in_batches(long_on_few, part) for part in train_pairs)
)
print(
    "scratch, 50 pairs, five times the steps: "
    f"{experiments.held_out_accuracy(long_on_few, device):.3f}",
    end="",
)
print(f" (training accuracy {on_training:.3f})")

# %% [markdown]
# More steps do help with 10,000 pairs. With twice the steps scratch is still behind the frozen model with 50, but nearer,
# and nothing says that it would stop there. So the claim of the figure is about steps too: **pretraining saves pairs at a
# given number of steps**. With 50 pairs no steps help: scratch fits every training pair, and guesses on new ones.

# %% [markdown]
# ## 7. The same with the tools of the trade
#
# *Time to here: 85 minutes.*
#
# This section is not graded. It shows how the parts fit together, and no result: the model that it trains is tiny and
# has read nothing, so it guesses. In practice nobody writes these parts by hand: `transformers` has the model with one
# output, and TRL has the loop. The files have the columns `prompt`, `chosen` and `rejected`.
#
# `model_id` may be the name of a model on the Hugging Face hub; in Colab try `"Qwen/Qwen2.5-0.5B"`, on a GPU. Left as
# it is, the cells make a tiny untrained model here, so that nothing is downloaded. Where the packages are missing (in
# Colab: `!pip install trl`), the cells say so and go on.

# %% tags=["experiment"]
model_id = None  # the name of a hub model, or None for a tiny one made here
max_steps = 100

folder = Path(tempfile.mkdtemp())
missing = ecosystem.missing()
if missing:
    print(
        "This section needs "
        + ", ".join(missing)
        + ". It is skipped; nothing else depends on it."
    )
else:
    for name, count, seed in (
        ("train", 2000, 0),
        ("held_out", 500, experiments.HELD_OUT_SEED),
    ):
        ecosystem.write_jsonl(
            folder / f"{name}.jsonl", grammar.story_pairs(count, seed)
        )
    print((folder / "train.jsonl").read_text().splitlines()[0])
    if model_id is None:
        with ecosystem.quiet():
            ecosystem.save_tiny_model(folder / "tiny")
        model_id = str(folder / "tiny")

# %% tags=["experiment"]
if not missing:
    with ecosystem.quiet():
        from datasets import Dataset
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from trl import RewardConfig, RewardTrainer

        train_set, held_out_set = (
            Dataset.from_list(
                [json.loads(line) for line in (folder / f"{name}.jsonl").open()]
            )
            for name in ("train", "held_out")
        )
        torch.manual_seed(SEED)
        trainer = RewardTrainer(
            model=AutoModelForSequenceClassification.from_pretrained(
                model_id, num_labels=1
            ),
            processing_class=AutoTokenizer.from_pretrained(model_id),
            train_dataset=train_set,
            eval_dataset=held_out_set,
            args=RewardConfig(
                output_dir=str(folder / "run"),
                max_steps=max_steps,
                per_device_train_batch_size=32,
                per_device_eval_batch_size=100,
                learning_rate=1e-3 if model_id.startswith(str(folder)) else 1e-5,
                use_cpu=device == "cpu",
                bf16=False,
                disable_tqdm=True,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                seed=SEED,
            ),
        )
        loss = trainer.train().training_loss
        report = trainer.evaluate()
    print(
        f"RewardTrainer, {max_steps} steps: training loss {loss:.3f}, held-out loss "
        f"{report['eval_loss']:.3f}, ",
        end="",
    )
    print(
        f"held-out accuracy {report['eval_accuracy']:.3f} (guessing: loss 0.693, "
        "accuracy 0.5)"
    )

# %% [markdown]
# The tiny model knows nothing of the language, so this is the *scratch* row of our table once more, and it guesses.
# The parts are those that you wrote: a backbone, the last real token, one linear layer (called `score` there), and
# the Bradley-Terry loss.

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 8. Reflection and next steps
#
# **What we built**
# - a language whose meaning is known, and a corpus in it;
# - a language model that found out, from the words alone, what the words mean;
# - a reward model on top of it, and the curve that says what pretraining is worth.
#
# **What to remember**
# 1. Predicting the next token well takes understanding of the text so far.
# 2. Preference pairs then teach only what people like, and few are enough.
# 3. Few pairs: freeze the backbone. Many: fine-tune it.
# 4. Read the reward from the last real token, and pass the mask everywhere.
# 5. A loss on new text below its entropy means a leak. On training text it can also mean that it was learnt by heart.
#
# **Five quick questions.** Answer before you open.
#
# 1. A text has 12 tokens. How many predictions does the next-token loss look at?
# <details><summary>Answer</summary>11. The logits at each token but the last are held against the token after it. Nothing predicts the first.</details>
#
# 2. Why is the reward read at the last token, and not at the first?
# <details><summary>Answer</summary>Tokens look back only. The last one has seen the whole text, the first one nothing but itself.</details>
#
# 3. A batch is padded on the right, and `hidden[:, -1]` is pooled. Which rewards are right?
# <details><summary>Answer</summary>Those of the longest texts of the batch: they have no padding. All others are read from padding.</details>
#
# 4. `model.backbone.eval()` is called before training the head. Is the backbone frozen?
# <details><summary>Answer</summary>No. It turns off dropout and the like. Its parameters still get gradients, and an optimizer that holds them moves them.</details>
#
# 5. Two curves over 3 seeds cross at 200 pairs, and the bands overlap there. Which one is better with 200 pairs?
# <details><summary>Answer</summary>The figure does not say. Train both on the same seeds and look at the differences, or take more seeds.</details>
#
# **Think about it.** Two questions, two points each, marked by hand. Two or three sentences each are enough.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_frozen", "locked": true}
# **Question 1.** The frozen model is the best of the three with 50 pairs, and levels off below 1.0 however many it gets. Explain
# both with what the corpus taught the backbone and what it did not.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - few pairs: only the head's 64 weights are fitted, on vectors that already say how the hero fares (the corpus's moods), so there is little to
#   overfit; fine-tuning 50 pairs has tens of thousands of weights;
# - the ceiling: the moods count both deeds alike, the reader counts the second double; what the corpus did not need is at best weakly present in the last
#   vector, and a frozen backbone cannot learn to put it there.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_frozen", "grade": true, "solution": true, "points": 2}
# The pretrained vectors already hold what happened to the hero, so 64 weights and 50 pairs are enough to turn that into a reward, with little room
# for overfitting. But the corpus only needed the sum of both deeds. That the last deed counts double is hardly in the vectors, and the frozen backbone can't change.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_transfer", "locked": true}
# **Question 2.** Suppose the corpus had no moods: only heroes and deeds, drawn at random. Would pretraining on it still help
# the reward model? Say what the language model could then learn, and name one way to test your answer.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - much less or not at all: next-token prediction would then teach the grammar (which kind of word follows which), since no token depends on what the deeds mean
#   for the hero; pretraining helps in so far as predicting its text needs what the reward needs;
# - a test: pretrain on such a corpus (or with moods shuffled) and compare the curves, or probe the vectors for the moods, with several seeds.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_transfer", "grade": true, "solution": true, "points": 2}
# Hardly. Without moods no word depends on who did what to whom, so the model would learn the grammar and no meaning. To test it, I would pretrain on a
# corpus without moods and draw the same three curves over several seeds.

# %% [markdown]
# **Common mistakes**
# - no shift in the next-token loss: the model copies its input;
# - padding among the targets: the model gets better at predicting padding, and the loss looks better than it is;
# - `hidden[:, -1]` with padding on the right: the reward is read from padding;
# - `eval()` taken for freezing;
# - one seed: with 50 pairs, seeds differ by several hundredths.
#
# **Try next**
# - Leave the moods out of the corpus (`told[:] = False` in `draw_corpus`), pretrain, and draw the frozen curve again.
# - Set the reader's weight of the last deed (`grammar.ENDING_COUNTS`) to 1, so that the corpus tells all. Does the frozen model reach 1.0?
# - Give scratch four times the steps with 1,000 pairs, and with 10,000. Which of the two does it help?
#
# **References, and what each is cited for**
# - Y. Bengio et al., A neural probabilistic language model (2003): next-token prediction with a network.
# - A. Vaswani et al., Attention is all you need (2017): the transformer.
# - A. Radford et al., Improving language understanding by generative pre-training (2018): pretrain on text, then change the
#   head and fine-tune.
# - N. Stiennon et al., Learning to summarize from human feedback (2020): a reward model that starts from a language model, with
#   a linear head that gives a scalar.
# - L. Ouyang et al., Training language models to follow instructions with human feedback (2022): the same at scale; the unembedding layer removed.
#
# **Next lesson.** Lesson 5 asks what a reward model has really learnt, and how to find out.
