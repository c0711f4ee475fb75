# %% [markdown]
# # Lesson 9: A real language model
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
# Lessons 6 to 8 trained policies in a world whose answers can be counted. Here the policy is a real one: SmolLM2-135M-Instruct, 135 million
# parameters. It writes real sentences, and nobody can count them all. What we keep is a **known judge**: a rule on the text. So of
# whatever the model writes we still know the true score.
#
# **You will be able to**
# - write a conversation as tokens, find where the answer begins, and compute its log-probability with padding;
# - fit a reward model on a frozen language model, and push it with best-of-n and with DPO;
# - estimate how far a policy has moved, from its own samples, with an error bar;
# - spend a budget of fresh judgements on where to stop;
# - see a real model game a biased judge, measure it, and mend it.
#
# **You need** lessons 7 and 8; lesson 5 helps. **Time:** about two and a half hours. The whole notebook runs in a few minutes on two CPU cores; on a GPU
# it does more of everything.
#
# **In two minutes, if lessons 7 and 8 are some time ago.** The *reference* writes answers. A *reward model* is fitted on judged pairs; what it says is the
# *learnt reward*, what the readers really think is *gold*. *Best-of-n* sends the best of n answers by the learnt reward. *DPO* trains the policy on the pairs themselves. Both are measured
# by gold, and by the *KL* to the reference.

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
import torch

from reward_lab import rlhf
from reward_lab.lessons import points_so_far, start
from reward_lab.lessons.lesson09 import check, experiments, figures, predict, shown
from reward_lab.plots import show

SEED = 0  # the same seed gives the same numbers on every run on one machine
device = start(SEED)

# %% tags=["experiment"]
hub_model = None  # another model's name on the hub, if you like
source = experiments.find_model(device, hub_model)
print("the model: found" if source else experiments.what_it_needs())

# %% [markdown]
# ## 1. Real answers, and a judge whose rule is known
#
# The model is asked simple questions, such as "What is rain?", and told to answer in one short sentence. It draws each token at
# temperature 1 from its whole vocabulary, up to the end of the sentence or 20 tokens. All of the lesson works on this one pool of answers:
# 24 training prompts, and 4 held-out prompts that no judgement is about.
#
# The **readers** like short words, and about ten of them. Their score, *gold*, is $2\,(4.5 - \text{mean letters a word})$, held between -5 and 2, minus
# $\tfrac12 ((\text{words} - 10)/5)^2$. They prefer answer $a$ to $b$ with probability $\sigma(\text{gold}_a - \text{gold}_b)$.
#
# **What this shows, and what not.** Text, model, sampling and training are real. The readers are a rule, so that every claim can be checked against the truth.
# How real people judge is another matter: they disagree with each other, tire, and read for sense, which this rule does not. It calls a plain falsehood good.
# The rule's numbers, and the settings of DPO and of the mend, were chosen while looking at answers drawn like these, so the lesson's findings are
# not a test on fresh data. Another `SEED` is one: try it.

# %% tags=["experiment"]
pool = experiments.answers(source, device, SEED) if source else None
if pool:
    gold = experiments.gold(pool.texts)
    rows = pool.groups()[0]
    best, worst = rows[gold[rows].argmax()], rows[gold[rows].argmin()]
    print(f"\n{pool.prompts[best]}")
    for number in (best, worst, rows[0]):
        print(f"  gold {gold[number]:5.2f}: {pool.texts[number]}")
    held_out = pool.texts[pool.trained_on :]
    length = sum(map(experiments.words, held_out)) / len(held_out)
    print(f"held-out answers: {length:.1f} words, ", end="")
    print(f"mean gold {gold[pool.trained_on :].mean():.2f}")

# %% [markdown]
# ## 2. Where the answer begins
#
# *Time to here: 15 minutes.*
#
# A chat model reads one row of tokens. Its *chat template* writes system text, question and answer into it, with marks between. The answer's first token
# stands at `start`: the length of the row up to and including the mark that says "now the assistant speaks".

# %% tags=["experiment"]
show(
    figures.plot_template(),
    alt="Diagram of a row of tokens: system text, user's question, and the assistant's "
    "mark are the prompt, which is given; then the answer, which is counted and whose "
    "first token is marked as start; then padding.",
)
if source:
    tokenizer = experiments.load_tokenizer(source)
    ids = experiments.prompt_ids(tokenizer, "What is rain?")
    print(tokenizer.decode(ids))
    print(f"start = {len(ids)}; padding is {tokenizer.pad_token}, which ends turns too")

# %% [markdown]
# Three things go wrong here without a word.
#
# - *The border.* While the model writes, the prompt's tokens are given, and it adds its own. Who tokenizes the whole text at once may get one token that reaches over the border,
#   a line break together with the answer's first letters. The model never saw such a row.
# - *The end.* The model writes the token that ends its turn, and stops. Many templates put a line break behind it, which nobody wrote.
# - *The prompt.* Some templates leave something out of the earlier messages once there is an answer. Then the text that is trained on is not the text that was asked.

# %% [markdown]
# ### TODO 1: a conversation as a row of tokens
#
# | | |
# |:---|:---|
# | Purpose | a start that is off by one token counts a mark as the model's own word |
# | Difficulty, importance | medium, very high |
# | Time | 25 minutes |
# | Points | 2 |
#
# `conversation_row(tokenizer, messages) -> (row, start)`
#
# `messages` is a list of dicts with `role` and `content`; the last one is the assistant's answer. `tokenizer` is called as those of transformers are, and two calls are all you need:
# `tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=...)` gives the conversation as text; with `True` it ends with the mark that opens the assistant's turn. `tokenizer(text, add_special_tokens=False)["input_ids"]` gives the ids of a text.
# Without `add_special_tokens=False` the tokenizer would add marks that the template has written already.
# - The prompt is everything before the answer, that mark included. `row[:start]` are the ids of the prompt's text alone.
# - The rest of the conversation's text is tokenized alone too. The row ends with the first `tokenizer.eos_token_id` in it, or, if there is none, with the text.
# - If the text of the whole conversation does not begin with the prompt's text, raise `ValueError`.
#
# Return a list of ints and an int.
#
# **By hand.** Take a tokenizer with one token a character, `<turn>` and `<end>` one token each, and a template that writes `<turn>role`, a line break, the content and `<end>`. The user says "hi", the assistant "yes". The prompt
# `<turn>user`, line break, `hi<end><turn>assistant`, line break has 1 + 4 + 1 + 2 + 1 + 1 + 9 + 1 = 20 tokens. So start is 20, and the row has 24.
#
# <details><summary>Hint 1</summary>Two texts: the messages before the last with <code>add_generation_prompt=True</code>, and all messages.</details>
# <details><summary>Hint 2</summary><code>whole[len(prompt):]</code> is the text of the answer and of what follows. Test <code>whole.startswith(prompt)</code> first.</details>
# <details><summary>Hint 3</summary><code>answer.index(tokenizer.eos_token_id) + 1</code> is how many of the answer's ids are kept.</details>
# <details><summary>Solution idea</summary>Tokenize both parts apart, cut the second behind its first end of turn, add the lists; start is the length of the first.</details>

# %% nbgrader={"grade_id": "conversation_row", "solution": true}
def conversation_row(tokenizer, messages):
    """The token ids of a conversation, and where its last answer begins.

    Args:
        tokenizer: called as those of transformers are; it has a chat template.
        messages: dicts with role and content; the last one is the assistant's.

    Returns:
        (row, start).
    """
    ### BEGIN SOLUTION
    prompt = tokenizer.apply_chat_template(
        messages[:-1], tokenize=False, add_generation_prompt=True
    )
    whole = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=False
    )
    if not whole.startswith(prompt):
        raise ValueError("the template writes the prompt differently here")
    given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer(whole[len(prompt) :], add_special_tokens=False)["input_ids"]
    if tokenizer.eos_token_id in answer:
        answer = answer[: answer.index(tokenizer.eos_token_id) + 1]
    return given + answer, len(given)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_conversation_row", "grade": true, "locked": true, "points": 2}
check.conversation_row(conversation_row)

# %% [markdown]
# **What you just showed.** Your function on SmolLM2's own tokenizer and template, for the first answer of the pool. It should begin where the model began to write.

# %% tags=["experiment"]
if source:
    mine = experiments.attempt(
        lambda: experiments.on_the_real_tokenizer(conversation_row, source, pool),
        "your conversation_row",
    )
    if mine:
        print(f"yours begins at {mine.start}, and the model began at {mine.began}")
        print("given:  ", repr(mine.given[-30:]))
        print("counted:", repr(mine.counted))

# %% [markdown]
# Look once more at the padding above. SmolLM2 pads with the same token that ends every turn. Who tells padding by its id loses real tokens.

# %% [markdown]
# ### TODO 2: log-probabilities of answers
#
# | | |
# |:---|:---|
# | Purpose | DPO, KL and every evaluation of a real policy stand on it |
# | Difficulty, importance | medium, very high |
# | Time | 30 minutes |
# | Points | 3 |
#
# `answer_log_probs(model, rows, starts, pad_id) -> (batch,) tensor`
#
# `rows` is a list of conversations, each a list of token ids, of different lengths. `starts` has for each the place of the answer's first token, at least 1; the answer goes on to the end
# of its row. `pad_id` fills up shorter rows, and may be a real token of a conversation too. `model` is called as those of transformers are:
# `model(ids, attention_mask=mask).logits`, with two int64 tensors `(batch, seq)` on `model.device`, gives `(batch, seq, vocab)`; those at place t predict token t + 1. Return the sum of the
# log-probabilities of each answer's tokens: shape `(batch,)`, and gradients flow into the model.
# - Places are counted from the left edge, so pad on the right.
# - You may call lesson 8's `rlhf.sequence_log_probs(logits, token_ids, mask)`.
#
# **By hand.** Row `[1, 3, 0, 2]`, start 2, a vocabulary of 4, all logits 0: two tokens count, $2 \log(1/4) = -2.7726$.
#
# <details><summary>Hint 1</summary>Three tensors of one shape: ids, where a token stands at all, and where a token of the answer stands.</details>
# <details><summary>Hint 2</summary><code>place = torch.arange(width)</code>; a token stands where <code>place &lt; length</code>, with <code>length</code> of shape <code>(batch, 1)</code>.</details>
# <details><summary>Hint 3</summary>The answer's tokens are those with <code>place &gt;= start</code> as well. New tensors go to <code>device=model.device</code>.</details>
# <details><summary>Solution idea</summary>Pad on the right, build both masks from lengths and starts, call the model once, and hand logits, ids and the second mask to lesson 8's function.</details>

# %% nbgrader={"grade_id": "answer_log_probs", "solution": true}
def answer_log_probs(model, rows, starts, pad_id):
    """Log-probability of each conversation's answer.

    Args:
        model: called with ids and attention_mask; its output has `logits`.
        rows: token ids of whole conversations.
        starts: place of each answer's first token.
        pad_id: fills up shorter rows.

    Returns:
        (batch,) sums over the answers' tokens.
    """
    ### BEGIN SOLUTION
    width = max(len(row) for row in rows)
    padded = [list(row) + [pad_id] * (width - len(row)) for row in rows]
    ids = torch.tensor(padded, device=model.device)
    lengths = torch.tensor([[len(row)] for row in rows], device=model.device)
    begins = torch.tensor(starts, device=model.device).unsqueeze(1)
    place = torch.arange(width, device=model.device)
    there = place < lengths
    logits = model(ids, attention_mask=there.long()).logits
    return rlhf.sequence_log_probs(logits, ids, there & (place >= begins))
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_answer_log_probs", "grade": true, "locked": true, "points": 3}
check.answer_log_probs(answer_log_probs)

# %% [markdown]
# **What you just showed.** The check used small models made on the spot. Here is your function on the real one. While the pool was drawn, the log-probability
# of each token was written down. If yours agrees, template, start and padding are right.

# %% tags=["experiment"]
if source:
    both = experiments.attempt(
        lambda: experiments.on_the_real_model(answer_log_probs, source, device, pool),
        "your answer_log_probs",
    )
    if both:
        print("yours:          ", " ".join(f"{x:8.3f}" for x in both[0].tolist()))
        print("when drawn:     ", " ".join(f"{x:8.3f}" for x in both[1].tolist()))

# %% [markdown]
# ## 3. A reward model on a frozen language model
#
# *Time to here: 75 minutes.*
#
# The readers judge 8 pairs of each training prompt: 192 judgements, each given once. While it wrote an answer, the model computed a vector for each token. Their mean
# is the text's vector, and a linear head on it is the reward model, as in lesson 4. The fit is exact and takes a fraction of a second. Beside it: lesson 1's bag of words, fitted in the same way.
#
# Both are asked about pairs of the four held-out prompts.
#
# **Predict, then run.** Which one is better there?
#
# Choices: **1** the bag of words; **2** the frozen language model; **3** about equal.

# %% tags=["experiment"]
predict("unseen", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
SEEDS = range(5)  # of the readers' hesitations, and of which pairs are judged


def spread(values):
    return f"{sum(values) / 5:.3f} ({min(values):.3f} to {max(values):.3f})"


if pool:
    readers = experiments.PEOPLE
    frozen = experiments.reward_models(pool, readers, SEEDS)
    bag = experiments.reward_models(pool, readers, SEEDS, features="bag")
    for name, group in (("bag of words", bag), ("frozen model", frozen)):
        print(f"{name:14s} {spread(experiments.accuracies(pool, group))}")
    print(f"best possible  {experiments.best_accuracy(pool):.3f}")
    predict.compare("unseen")

# %% [markdown]
# <details><summary>What the numbers say</summary>The frozen model is better, in the mean over five seeds, and both are far from the best possible. The bag knows only words that it has seen in judged answers, and a
# question about batteries brings others. The model's vectors know something of words that no judgement was about. But 192 judgements by readers who hesitate are few for 576 numbers.</details>
#
# **And one with LoRA.** A frozen model offers the vectors that it has. Training may change them, too: TRL's `RewardTrainer` fits small matrices in every layer (`peft`; more of them in section 7) and a head on the last
# token, on the same 192 judgements. It takes every judged answer through the model and back three times. That is seconds on a GPU and minutes on a CPU, so here it waits for a GPU. One seed.

# %% tags=["experiment"]
missing = experiments.missing_for_trl()
if pool and missing:
    print("This needs " + ", ".join(missing) + " (in Colab: !pip install trl peft).")
elif pool and device == "cpu":
    print("No GPU here: skipped. The same on files of your own, at your leisure:")
    print("python -m reward_lab.train --backbone ... --tune lora")
elif pool:
    lora = experiments.lora_reward_model(source, device, pool, SEED)
    print(f"with LoRA      {experiments.accuracies(pool, [lora])[0]:.3f}", end="")
    print(f", frozen with the same seed {experiments.accuracies(pool, frozen)[0]:.3f}")

# %% [markdown]
# ## 4. Best-of-n: learnt beside gold
#
# *Time to here: 90 minutes.*
#
# A weak reward model is pushed now. For each held-out prompt there are 64 answers (more on a GPU), and lesson 7's estimate uses all groups of n among them.

# %% tags=["experiment"]
if pool:
    limit = experiments.limit_curve(pool)
    along = {
        "bag of words": experiments.curves(pool, bag),
        "frozen model": experiments.curves(pool, frozen),
    }
    shown.best_of_n(along, limit)
    print("gold at n =   ", "".join(f"{n:7d}" for n in limit.ns))
    for name, group in {**along, "chosen by gold": [limit]}.items():
        means = [
            sum(c.gold[k] for c in group) / len(group) for k in range(len(limit.ns))
        ]
        print(f"{name:14s}", "".join(f"{mean:7.2f}" for mean in means))
    peaks = [
        c.ns[max(range(len(c.ns)), key=c.gold.__getitem__)]
        for c in along["frozen model"]
    ]
    print("frozen model: gold is highest at n =", ", ".join(map(str, peaks)))

# %% [markdown]
# <details><summary>What the figure shows</summary>Accuracy on pairs looked poor, and yet the frozen model's best-of-64 gains about a third of what gold itself could choose. Selection adds up small preferences. The bag of words
# believes that it gains, and gains next to nothing: from n = 8 on its gold falls again in the mean. Does the frozen model's turn? In some seeds gold is highest before the end, in others not. With four prompts the last points hang on four answers, so nobody can tell from this figure.</details>

# %% [markdown]
# ## 5. Where to stop, on a budget
#
# *Time to here: 100 minutes.*
#
# Outside of lessons nobody has the gold curve. One has a budget of fresh judgements: candidates from the least pushed to the most, each compared some times with a draw of the reference.
# The highest win rate is a noisy choice. And pushing further costs: more answers to draw, or more distance from the reference. The **one-standard-error rule** says: take the *earliest* candidate whose
# win rate is at least the best one's minus the best one's standard error.
#
# **By hand.** Four candidates with 50 comparisons each, and 25, 31, 33 and 30 wins: rates 0.50, 0.62, 0.66, 0.60. The best is 0.66. Its outcomes have a standard deviation
# of 0.4785 (with $m - 1$), so the standard error is $0.4785/\sqrt{50} = 0.0677$. The bar is 0.5923. The earliest above it is the second: number 1.

# %% [markdown]
# ### TODO 3: the earliest that is good enough
#
# | | |
# |:---|:---|
# | Purpose | stop where fresh judgements can no longer tell that more is better |
# | Difficulty, importance | easy, very high |
# | Time | 15 minutes |
# | Points | 2 |
#
# `choose_candidate(outcomes) -> int`
#
# `outcomes` is a list of float64 tensors, one a candidate, from the least pushed to the most: the results of its comparisons, 1 for won, 0.5 for tied, 0 for lost. Their lengths differ. A candidate
# with fewer than two comparisons can't be chosen; at least one has two. The win rate is the mean, its standard error is the standard deviation, with $m - 1$, over $\sqrt m$. Return the number, from 0, of
# the earliest candidate whose win rate is at least the highest one minus the standard error **of that highest one**. If several have the highest rate, the earliest of them counts as the best.
#
# **By hand.** The four above: 1. In the opposite order, rates 0.60, 0.66, 0.62, 0.50: 0.
#
# <details><summary>Hint 1</summary>Leave out candidates with fewer than two comparisons, but keep their numbers: a dict from number to rate does both.</details>
# <details><summary>Hint 2</summary><code>x.std()</code> divides by m - 1.</details>
# <details><summary>Hint 3</summary>One bar for all: <code>rates[best] - error_of_best</code>.</details>
# <details><summary>Solution idea</summary>Rates in a dict, the best by <code>max</code>, its error, and the smallest number whose rate reaches the bar.</details>

# %% nbgrader={"grade_id": "choose_candidate", "solution": true}
def choose_candidate(outcomes):
    """The earliest candidate within one standard error of the best.

    Args:
        outcomes: of each candidate, (m,) results of fresh comparisons.

    Returns:
        Its number.
    """
    ### BEGIN SOLUTION
    rates = {i: x.mean().item() for i, x in enumerate(outcomes) if len(x) > 1}
    best = max(rates, key=rates.get)
    error = outcomes[best].std().item() / len(outcomes[best]) ** 0.5
    return min(i for i, rate in rates.items() if rate >= rates[best] - error)
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_choose_candidate", "grade": true, "locked": true, "points": 2}
check.choose_candidate(choose_candidate)

# %% [markdown]
# **What you just showed.** The rule in use: 280 fresh judgements on best-of-n by the first reward model.

# %% tags=["experiment"]
if pool:
    ns, outcomes = experiments.fresh_judgements(pool, frozen[0], 280, SEED)
    rates = [f"{n}: {x.mean():.2f}" for n, x in zip(ns, outcomes, strict=True)]
    print("win rate at n =", "  ".join(rates))
    mine = experiments.attempt(
        lambda: choose_candidate(outcomes), "your choose_candidate"
    )
    if mine is not None:
        curve = along["frozen model"][0]
        print(
            f"your choice: n = {ns[mine]}, whose gold is {curve.gold[mine]:.2f}; ",
            end="",
        )
        print(f"the highest of the curve is {max(curve.gold):.2f}")

# %% [markdown]
# ## 6. How far has a policy moved?
#
# *Time to here: 120 minutes.*
#
# In lesson 8 the KL was counted. Here it has to be sampled: let the policy write $m$ answers, and take the log-ratio $s_i = \sum_t \log \pi - \log \pi_{\mathrm{ref}}$ of each. Longer
# answers have larger ones, so one reports nats **per token**: $\hat k = \sum_i s_i / \sum_i n_i$, with $n_i$ the tokens of answer $i$.
#
# How sure is it? The tokens of one answer hang together, so the answers are the witnesses, and there are $m$ of them. For such a ratio the standard error is
#
# $$\frac{1}{\bar n}\sqrt{\frac{\sum_i (s_i - \hat k\, n_i)^2}{m\,(m-1)}}.$$
#
# **By hand.** Two answers, of 3 tokens and of 1. Log-ratios $(1, 0.5, 0)$ and $(-0.5)$: $s = (1.5, -0.5)$, $n = (3, 1)$. $\hat k = 1/4$. What is left: $1.5 - 0.75 = 0.75$ and $-0.5 - 0.25 = -0.75$.
# The error is $\sqrt{1.125/2}/2 = 0.375$.

# %% [markdown]
# ### TODO 4: sampled KL per token, with its error
#
# | | |
# |:---|:---|
# | Purpose | a KL without an error bar says nothing from fifty answers |
# | Difficulty, importance | medium, high |
# | Time | 20 minutes |
# | Points | 3 |
#
# `kl_per_token(policy, reference, mask) -> (kl, standard_error)`
#
# `policy` and `reference` are float tensors `(m, seq)`, m at least 2: log-probabilities of the single tokens of the policy's own answers. `mask` has the same shape, of bools, ints or floats: 1 where a
# token stands, at least one a row. Where it is 0 anything may stand in the other two, -infinity too. Return the two numbers of the formulas above.
#
# **By hand.** The two answers above: 0.25 and 0.375.
#
# <details><summary>Hint 1</summary>Minus infinity times 0 is NaN. <code>torch.where(mask.bool(), x, 0.0)</code> is 0 there.</details>
# <details><summary>Hint 2</summary>Sum the log-ratios over dim 1 first: one <code>s</code> and one <code>n</code> an answer.</details>
# <details><summary>Hint 3</summary><code>left = s - kl * n</code>, and then the formula as it stands.</details>
# <details><summary>Solution idea</summary>Masked differences, summed per answer; the ratio of the sums; what is left of each answer, squared, summed, divided by m (m - 1), root, divided by the mean of n.</details>

# %% nbgrader={"grade_id": "kl_per_token", "solution": true}
def kl_per_token(policy, reference, mask):
    """Sampled KL per token, and its standard error over answers.

    Args:
        policy, reference: (m, seq) log-probabilities of single tokens.
        mask: (m, seq), 1 where a token stands.

    Returns:
        Two numbers, in nats per token.
    """
    ### BEGIN SOLUTION
    there = mask.bool()
    s = torch.where(there, policy - reference, 0.0).sum(dim=1)
    n = there.sum(dim=1)
    kl = s.sum() / n.sum()
    m = len(s)
    left = (s - kl * n).square().sum()
    error = (left / (m * (m - 1))).sqrt() / n.float().mean()
    return kl.item(), error.item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_kl_per_token", "grade": true, "locked": true, "points": 3}
check.kl_per_token(kl_per_token)

# %% [markdown]
# ## 7. DPO with LoRA
#
# *Time to here: 140 minutes.*
#
# Now the model itself is trained. TRL's `DPOTrainer` runs DPO on the readers' judged pairs. `peft` puts small matrices, *LoRA* adapters, into the upper third of the layers; only they are
# trained. With the adapters off, the same model is the reference. On a CPU there is time for 6 steps of 4 pairs, on a GPU for 48. One seed.
#
# At the start and at the end (on a GPU between them too) the policy writes fresh answers to the held-out prompts: their gold, learnt reward, and KL per token.
#
# **Predict, then run.** How many nats per token will it have moved at the end?

# %% tags=["experiment"]
predict("moved", ...)  # in place of the dots: a number of nats per token

# %% tags=["experiment"]
if pool and missing:
    print("DPO needs " + ", ".join(missing) + " (in Colab: !pip install trl peft).")
elif pool:
    run = experiments.dpo_run(source, device, pool, frozen[0], SEED)
    shown.dpo(run)
    print("step   gold          learnt    KL per token     words   wins")
    for m in run.along:
        print(
            f"{m.step:4d}  {m.gold:5.2f} +- {m.gold_error:.2f}  {m.learnt:6.3f}", end=""
        )
        print(f"   {m.kl:.4f} +- {m.kl_error:.4f}  {m.words:5.1f}", end="")
        print(f"   {sum(m.outcomes) / len(m.outcomes):.2f}")
    predict.compare("moved", run.along[-1].kl)
    for name, m in (("before", run.along[0]), ("after", run.along[-1])):
        print(f"{name:7s}", m.texts[0])

# %% [markdown]
# <details><summary>What the numbers say</summary>On a CPU: the policy has moved, by far more than the error of the KL. Whether it has got better nobody can say. Gold changes by less than its own error, which comes of 48 answers,
# and so does the win rate. A KL is cheap to measure, as every token tells of it; what readers think is dear. Six steps on 24 judged pairs are a beginning. On a GPU, with 48 steps and more answers, look at the same table, and write down what you see.</details>

# %% [markdown]
# ## 8. A judge who likes length
#
# *Time to here: 155 minutes.*
#
# Now the judge is biased: to the readers' score it adds half a point for every word. Everything else is as before: the same answers, 192 judgements, the same fit. Gold stays what the readers think.
#
# **Predict, then run.** Best-of-n by the reward model of this judge: what does gold do?
#
# Choices: **1** it rises as before; **2** it rises and then falls; **3** it falls from the start.

# %% tags=["experiment"]
predict("hacked", ...)  # in place of the dots: 1, 2 or 3

# %% tags=["experiment"]
if pool:
    biased = experiments.reward_models(pool, experiments.BIASED, SEEDS)
    like = experiments.reward_models(
        pool, experiments.BIASED, SEEDS, alike=experiments.ALIKE
    )
    judged = {
        "fair judge": frozen,
        "biased judge": biased,
        "biased, like lengths": like,
    }
    pushed = {name: experiments.curves(pool, group) for name, group in judged.items()}
    shown.length(pushed)
    print(
        f"{'':21s} accuracy: the judge's   the readers'  with words   "
        "gold, n = 1, 2, 16, 64"
    )
    for name, group in judged.items():
        judge = experiments.PEOPLE if name == "fair judge" else experiments.BIASED
        own, theirs = (
            sum(experiments.accuracies(pool, group, j)) / 5
            for j in (judge, experiments.PEOPLE)
        )
        paid = sum(experiments.pays_for_length(pool, group)) / 5
        golds = [sum(c.gold[k] for c in pushed[name]) / 5 for k in (0, 1, 4, 6)]
        print(f"{name:21s} {own:12.3f} {theirs:18.3f} {paid:12.2f}     ", end="")
        print("".join(f"{g:7.2f}" for g in golds))
    predict.compare("hacked")

# %% [markdown]
# <details><summary>What the figure shows</summary>Gold falls from the first step. By its own judge's judgements the reward model is as accurate as the fair one is by the readers'. By the readers' it is below one half:
# worse than a coin. Held-out judgements of the same judge can't show that.</details>
#
# Lesson 5 had tools that need no gold. One looks at what the reward pays for: the correlation with words. Another takes length out of a win rate. Best-of-16 against a draw of the reference, judged by the biased judge:

# %% tags=["experiment"]
if pool:
    for name in ("biased judge", "biased, like lengths"):
        rates = experiments.win_rates(pool, judged[name], experiments.BIASED)
        plain, controlled = (sum(x) / 5 for x in zip(*rates, strict=True))
        print(f"{name:21s} win rate {plain:.3f}, length-controlled {controlled:.3f}")

# %% [markdown]
# Without gold, and with the biased judge's own judgements, lesson 5's tool shows it: the biased model's wins are gone when answers of equal length are foretold, about 0.50. It won by length and by nothing else.
#
# **The mend** needs no other judge. If two answers are equally long, a liking for length can't decide between them. So the same judge is asked about other pairs: those whose lengths differ by one word at most. (There are fewer of
# them, about 150.) The reward model then learns what is left, short words. Gold rises again. What the mend can't bring back is what the readers think about length: those pairs say nothing of it.

# %% [markdown]
# ## 9. Real preferences, in Colab
#
# *Time to here: 165 minutes. This section is not graded.*
#
# Put the name of a data set of pairs into `data`: its `train` split needs the columns `chosen` and `rejected`, as those of `Anthropic/hh-rlhf` or
# `trl-lib/ultrafeedback_binarized`. It is split by prompt; the head is fitted on nine tenths, and evaluated on one, by the package's own two commands. A file of JSON lines of the same form does as well. `by` names a column to evaluate by. Nobody knows the gold of such data: here
# accuracy has an error bar, and no limit beside it.

# %% tags=["experiment"]
# In Colab, data is a name on the hub, such as "trl-lib/ultrafeedback_binarized".
data, by = None, None

if data and source:
    experiments.real_preferences(data, source, rows=500, by=by)
else:
    print("No data set is named. This section is skipped.")

# %% tags=["experiment"]
points_so_far(check)

# %% [markdown]
# ## 10. Reflection and next steps
#
# **What to remember**
# 1. An answer begins behind the mark that opens its turn, and ends with the token that closes it. Its tokens are told by place and length, never by the padding's id.
# 2. A head on a frozen model is fitted in less than a second, and carries over to unseen words where a bag of words does not.
# 3. A weak reward model can be worth pushing, and a good accuracy can be worth nothing: ask by whose judgements.
# 4. A sampled KL has an error bar, and answers are its witnesses.
# 5. Stop where fresh judgements can no longer tell that more is better.
# 6. A liking for length is met by comparing answers of like length.
#
# **Five quick questions.** Answer before you open.
#
# 1. Padding and end of turn are the same token. What goes wrong with `ids != pad_id` as the mask?
# <details><summary>Answer</summary>The end of each turn drops out: the model does not see it in the prompt, and it is not counted in the answer. The policy never learns to stop.</details>
#
# 2. Why must padding stand on the right here?
# <details><summary>Answer</summary>Places are counted from the left edge. Padding in front moves every token to another place, unless <code>position_ids</code> say otherwise.</details>
#
# 3. A run reports a KL of 0.02 nats per token, from 20 answers, without an error. What do you ask for?
# <details><summary>Answer</summary>The standard error over answers. With so few it may be as large as the number.</details>
#
# 4. A reward model agrees with 58 % of the held-out judgements. Is it bad?
# <details><summary>Answer</summary>It depends on how often anybody could agree (here 77 %), and on whose judgements they are.</details>
#
# 5. Why is the earliest candidate within one error taken, and not the best?
# <details><summary>Answer</summary>The best of several noisy rates is too high by chance, and what is pushed further costs more and is farther from what was judged.</details>

# %% [markdown] nbgrader={"grade_id": "ask_reflect_judge", "locked": true}
# **Think about it.** Two questions, two points each, marked by hand. Two or three sentences each are enough.
#
# **Question 1.** Your reward model agrees with held-out judgements of the people who labelled its training pairs. What does that not tell, and which two measurements of this lesson would you make next?
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - held-out judgements of the same judges share their bias, so agreement does not show what the readers want;
# - two sensible measurements: what the reward pays for (correlation with length, an edit), a length-controlled win rate, pairs of like length, fresh judgements of what best-of-n sends.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_judge", "grade": true, "solution": true, "points": 2}
# The held-out judgements come from the same people, so a bias of theirs is in both. I would look at how the reward goes with length, and have other readers compare what best-of-16 sends with the reference's answers, controlled for length.

# %% [markdown] nbgrader={"grade_id": "ask_reflect_rule", "locked": true}
# **Question 2.** The judge of this lesson is a rule on letters and words. Name one finding of the lesson that you expect to hold with people, one that may not, and why.
#
# ### BEGIN MARK SCHEME
# 2 points, one for each of:
# - a finding that does not depend on the rule (masks and padding, error bars over answers, a bias that held-out accuracy can't show, choosing by fresh judgements), with a reason;
# - one that does (how well a linear head does, where gold turns, that like lengths mend it), with a reason: people read for sense, differ, and have biases that are not one number.
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_rule", "grade": true, "solution": true, "points": 2}
# That held-out accuracy can't show a shared bias will hold, as it is about where judgements come from. How far best-of-n can go may not: this rule is about single words, which vectors show well, and people read for sense.

# %% [markdown]
# **Common mistakes**
# - prompt and answer tokenized together, or a mark of the template counted as the answer's;
# - padding told by its id;
# - padding in front without position ids;
# - the start of one row used for all;
# - tokens counted as independent witnesses;
# - the highest of several noisy win rates taken at its word;
# - accuracy reported without saying by whose judgements.
#
# **Try next**
# - On a GPU: more steps of DPO. Where does gold turn?
# - Train DPO on the biased judge's pairs, and let `experiments.win_rates` look at it.
# - A reward model with LoRA in place of a frozen one: `python -m reward_lab.train --backbone ... --tune lora`.
#
# **References, and what each is cited for**
# - L. Ben Allal et al., SmolLM2: when Smol goes big (2025): the model.
# - E. J. Hu et al., LoRA: low-rank adaptation of large language models (2021): the adapters.
# - L. Breiman et al., Classification and Regression Trees (1984): the one-standard-error rule, section 3.4.3.
# - W. G. Cochran, Sampling Techniques (1977): the standard error of a ratio, section 6.3.
#
# **This was the last lesson.** Your own judgements are next (`python -m reward_lab.train`).
