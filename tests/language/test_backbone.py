"""Grammar, transformer and backbone against outside oracles: brute force on texts, torch's own layers, transformers."""

import itertools
import math
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reward_lab as rl
from reward_lab import language
from reward_lab.language import ecosystem, grammar, transformer
from reward_lab.language.grammar import KIND, PAD_ID, UNKIND, WORDS, decode
from reward_lab.lessons.lesson04 import experiments as pretraining


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def texts(token_ids):
    return [decode(row) for row in token_ids]


# The world


def test_the_reward_of_a_text_is_that_of_the_numbers_it_was_made_from():
    stories = grammar.draw_stories(2000, generator())
    rewards = [grammar.reward_of_text(text) for text in texts(grammar.encode(stories))]
    assert rewards == grammar.oracle_reward(stories).tolist()
    assert set(rewards) == {-3, -2, -1, 0, 1, 2, 3}


def test_the_examples_of_the_lesson_by_hand():
    assert grammar.reward_of_text("owl : fox never robbed owl . owl helped pig .") == 1
    assert grammar.reward_of_text("owl : fox never robbed owl . pig helped owl .") == 3
    for bad in ("owl : fox robbed owl .", "owl : fox robbed owl . glad pig fed hen .", ""):
        with pytest.raises(ValueError, match="expected"):
            grammar.reward_of_text(bad)


def test_twins_hold_the_same_words_and_every_pair_is_ranked_by_the_rule():
    preferred, rejected = grammar.story_pairs(3000, seed=1)
    assert torch.equal(preferred.sort(dim=1).values, rejected.sort(dim=1).values)
    rewards = np.array([[grammar.reward_of_text(t) for t in texts(side)] for side in (preferred, rejected)])
    assert (rewards[0] > rewards[1]).all()


def test_no_bag_of_words_can_tell_twins_apart():
    preferred, rejected = grammar.story_pairs(3000, seed=1)
    bags = [rl.token_frequencies(side, len(WORDS)) for side in (preferred, rejected)]
    assert torch.equal(*bags)  # whatever is computed from equal bags is equal
    weights = rl.fit_linear_bradley_terry(preferred, rejected, len(WORDS))
    assert (rl.linear_reward(weights, preferred) == rl.linear_reward(weights, rejected)).all()


def test_swapping_roles_or_moving_never_changes_the_reward_of_the_same_words():
    base = "owl : fox never robbed owl . cat helped owl ."
    swapped, moved = (
        "owl : owl never robbed fox . cat helped owl .",
        "owl : fox robbed owl . cat never helped owl .",
    )
    assert sorted(base.split()) == sorted(swapped.split()) == sorted(moved.split())
    assert [grammar.reward_of_text(t) for t in (base, swapped, moved)] == [3, 2, -3]


def test_unrelated_pairs_are_ranked_too_and_share_their_hero():
    preferred, rejected = grammar.draw_story_pairs(500, generator(), same_words=False)
    assert torch.equal(preferred.hero, rejected.hero)
    assert (grammar.oracle_reward(preferred) > grammar.oracle_reward(rejected)).all()


def test_draws_follow_the_stated_law():
    stories = grammar.draw_stories(50_000, generator(3))
    hero = stories.hero.unsqueeze(1)
    assert (stories.agent != stories.patient).all()
    # Hoeffding on 100,000 deeds: off by more than 0.012 with probability below 2 exp(-2 * 1e5 * 0.012 ** 2) < 1e-12.
    shares = {
        "patient": ((stories.patient == hero), 0.70),
        "agent": ((stories.agent == hero), 0.15),
        "never": (stories.never, 0.5),
        "kind": (stories.verb < len(KIND), 0.5),
    }
    for what, (event, share) in shares.items():
        assert event.double().mean().item() == pytest.approx(share, abs=0.012), what
    for verb in range(len(KIND + UNKIND)):
        assert (stories.verb == verb).double().mean().item() == pytest.approx(1 / 16, abs=0.012)


def log_probability(text: str) -> float:
    """Of a corpus text given its hero, word by word from the stated law; nothing of the package's own arithmetic."""
    hero, _, *words = text.split()
    total, deed = 0.0, []
    for word in words:
        if word in grammar.MOODS:
            continue
        if word != ".":
            deed.append(word)
            continue
        agent, *never, _, patient = deed
        who = 0.15 / 7 if agent == hero else 0.7 / 7 if patient == hero else 0.15 / 42
        total += math.log(who) + math.log(0.5) + math.log(1 / 16)
        deed = []
    told = sum(word in grammar.MOODS for word in words)
    return total + math.log(0.8 if told == 2 else 0.2)


def test_the_best_possible_loss_is_the_mean_of_the_texts_own_log_probabilities():
    corpus = grammar.draw_corpus(20_000, generator(5))
    total = sum(log_probability(text) for text in texts(corpus))
    targets = ((corpus != PAD_ID).sum() - len(corpus)).item()
    assert -total / targets == pytest.approx(grammar.best_corpus_loss(), abs=0.003)


def test_moods_in_the_corpus_tell_the_sum_of_effects_so_far():
    for text in texts(grammar.draw_corpus(300, generator(6))):
        hero, _, *words = text.split()
        total, deed = 0, []
        for word in words:
            if word in grammar.MOODS:
                assert grammar.MOODS.index(word) - 2 == total
            elif word == ".":
                sign = (1 if deed[-2] in KIND else -1) * (-1 if "never" in deed else 1)
                total, deed = total + (sign if deed[-1] == hero else 0), []
            else:
                deed.append(word)


# The transformer


@pytest.fixture
def model():
    torch.manual_seed(0)
    return language.TinyTransformer(len(WORDS), hidden_dim=32, heads=4, layers=2, max_len=16).double()


def test_padding_on_either_side_changes_no_vector_of_a_real_token(model):
    token_ids = torch.randint(1, len(WORDS), (5, 7), generator=generator())
    ones = torch.ones(5, 7, dtype=torch.int64)
    plain = model(token_ids, ones)
    for left, right in ((0, 4), (3, 0), (9, 0), (2, 2)):
        ids, mask = F.pad(token_ids, (left, right), value=9), F.pad(ones, (left, right))
        hidden = model(ids, mask)
        assert torch.allclose(hidden[:, left : left + 7], plain, atol=1e-12) and hidden.isfinite().all()


def test_no_token_sees_what_comes_after_it(model):
    token_ids = torch.randint(1, len(WORDS), (3, 8), generator=generator())
    changed = token_ids.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % len(WORDS)
    ones = torch.ones_like(token_ids)
    before, after = model(token_ids, ones), model(changed, ones)
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-12)
    assert (before[:, 5:] != after[:, 5:]).any(dim=-1).all()


def test_a_block_is_torchs_own_pre_norm_encoder_layer():
    torch.manual_seed(1)
    block = transformer.Block(16, 4).double()
    oracle = nn.TransformerEncoderLayer(
        16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    first, second = block.mlp[1], block.mlp[3]
    pairs = [
        (oracle.self_attn.in_proj_weight, block.query_key_value.weight),
        (oracle.self_attn.in_proj_bias, block.query_key_value.bias),
        (oracle.self_attn.out_proj.weight, block.attention_out.weight),
        (oracle.self_attn.out_proj.bias, block.attention_out.bias),
        (oracle.linear1.weight, first.weight), (oracle.linear1.bias, first.bias),
        (oracle.linear2.weight, second.weight), (oracle.linear2.bias, second.bias),
        (oracle.norm1.weight, block.attention_norm.weight), (oracle.norm2.weight, block.mlp[0].weight),
    ]  # fmt: skip
    with torch.no_grad():
        for theirs, ours in pairs:
            theirs.copy_(ours)
    hidden = torch.randn(3, 6, 16, dtype=torch.float64)
    causal = torch.ones(6, 6, dtype=torch.bool).tril()
    expected = oracle(hidden, src_mask=~causal)
    assert torch.allclose(block(hidden, causal.expand(3, 1, 6, 6)), expected, atol=1e-10)


def test_a_text_that_is_too_long_and_heads_that_do_not_divide_are_refused(model):
    with pytest.raises(ValueError, match="max_len = 16"):
        model(torch.ones(1, 17, dtype=torch.int64), torch.ones(1, 17))
    with pytest.raises(ValueError, match="heads must divide"):
        language.TinyTransformer(10, hidden_dim=30, heads=4)


# Loss, pooling, head, comparison


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_loss_is_the_mean_over_texts_taken_one_by_one(side):
    logits = torch.randn(5, 7, 11, dtype=torch.float64, generator=generator())
    token_ids = torch.randint(11, (5, 7), generator=generator(1))
    lengths = [7, 1, 2, 5, 3]
    costs, mask = [], torch.zeros(5, 7, dtype=torch.int64)
    for row, n in enumerate(lengths):
        start = 0 if side == "right" else 7 - n
        mask[row, start : start + n] = 1
        for t in range(start, start + n - 1):
            scores = logits[row, t]
            costs.append(math.log(scores.exp().sum()) - scores[token_ids[row, t + 1]].item())
    assert language.next_token_loss(logits, token_ids, mask).item() == pytest.approx(np.mean(costs), rel=1e-9)
    with pytest.raises(ValueError, match="two or more"):
        language.next_token_loss(logits[:, :1], token_ids[:, :1], mask[:, :1])


def test_the_loss_agrees_with_the_one_in_transformers():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=20, n_positions=16, n_embd=8, n_layer=1, n_head=2)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    token_ids = torch.randint(1, 20, (4, 9), generator=generator())
    mask = (torch.arange(9) < torch.tensor([[9], [4], [2], [7]])).long()
    with torch.no_grad():
        output = theirs(token_ids, attention_mask=mask, labels=token_ids.masked_fill(mask == 0, -100))
    assert language.next_token_loss(output.logits, token_ids, mask).item() == pytest.approx(
        output.loss.item(), rel=1e-5
    )


def test_pooling_takes_the_last_real_token_on_either_side():
    hidden = torch.arange(15.0).reshape(3, 5, 1)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    assert language.last_token_pool(hidden, mask).flatten().tolist() == [2.0, 9.0, 14.0]


@pytest.mark.parametrize("freeze", [True, False])
def test_freezing_stops_the_backbone_and_not_the_head(model, freeze):
    reward_model = language.RewardFromBackbone(model, freeze).double()
    before = {name: p.clone() for name, p in reward_model.named_parameters()}
    optimizer = torch.optim.AdamW(reward_model.parameters(), lr=0.1, weight_decay=0.1)
    rewards = reward_model(*grammar.story_pairs(4, 0)[:1])
    rewards.sum().backward()
    optimizer.step()
    for name, parameter in reward_model.named_parameters():
        stays = freeze and name.startswith("backbone")
        assert torch.equal(parameter, before[name]) == stays and (parameter.grad is None) == stays


def test_padding_changes_no_reward(model):
    reward_model = language.RewardFromBackbone(model, freeze=True).double()
    token_ids, _ = grammar.story_pairs(6, 0)
    plain = reward_model(token_ids)
    for left, right in ((0, 3), (3, 0)):
        ids = F.pad(token_ids, (left, right))
        assert torch.allclose(reward_model(ids, ids != PAD_ID), plain, atol=1e-12)


def test_the_comparison_calls_once_each_and_gives_the_sample_deviation():
    calls = []

    def train_fn(n_pairs, seed):
        calls.append((n_pairs, seed))
        return n_pairs / 1000 + seed**2 / 100

    result = language.data_efficiency([50, 200], train_fn, iter(range(4)))
    assert calls == list(itertools.product([50, 200], range(4)))
    runs = 0.05 + np.array([0, 1, 4, 9]) / 100
    assert result[50] == pytest.approx({"mean": runs.mean(), "std": runs.std(ddof=1)})
    assert math.isnan(language.data_efficiency([50], train_fn, [0])[50]["std"])


# The loops


def test_a_frozen_head_is_fitted_to_its_optimum():
    """Against scikit-learn: logistic regression without intercept on the differences of the pooled vectors."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    backbone = pretraining.new_language_model(3).backbone
    model = pretraining.train_from(backbone, 200, seed=0, freeze=True)
    preferred, rejected = grammar.story_pairs(200, 0)
    with torch.no_grad():
        sides = [
            language.last_token_pool(backbone(x, x != PAD_ID), x != PAD_ID) for x in (preferred, rejected)
        ]
    difference = (sides[0] - sides[1]).double().numpy()
    signs = np.where(np.arange(200) % 2, 1, -1)
    oracle = linear_model.LogisticRegression(
        C=1 / (200 * 1e-3), fit_intercept=False, tol=1e-10, max_iter=10_000
    )
    oracle.fit(difference * signs[:, None], signs)
    margins = difference @ model.reward_head.weight[0].detach().double().numpy()
    assert margins == pytest.approx(difference @ oracle.coef_[0], abs=0.02 * np.abs(margins).max())


def test_training_leaves_the_backbone_it_started_from_as_it_was_and_repeats_itself():
    backbone = pretraining.new_language_model(3).backbone
    before = {name: p.clone() for name, p in backbone.named_parameters()}
    runs = [pretraining.train_from(backbone, 50, seed=1, steps=3) for _ in range(2)]
    token_ids, _ = grammar.story_pairs(20, 9)
    assert torch.equal(*(run(token_ids) for run in runs))
    assert all(torch.equal(p, before[name]) for name, p in backbone.named_parameters())
    assert all(p.requires_grad for p in backbone.parameters())


@pytest.mark.slow
def test_another_seed_of_pretraining_gives_the_same_finding(capsys):
    run, started = pretraining.Pretraining(seed=7), time.process_time()
    history = run.run(800, log_every=800)
    assert time.process_time() - started < 120  # of computing: what else runs on the machine does not count
    assert grammar.best_corpus_loss() - 0.02 < history.loss[-1] < grammar.best_corpus_loss() + 0.04
    assert history.mood_accuracy[-1] > 0.85 and history.seconds > 0
    frozen = pretraining.held_out_accuracy(pretraining.train_from(run.model.backbone, 200, 0, freeze=True))
    scratch = pretraining.new_language_model(1000).backbone
    # Frozen is at 0.85 to 0.9 and scratch at 0.5, with the last digits up to the processor.
    assert frozen > 0.8 > 0.6 > pretraining.held_out_accuracy(pretraining.train_from(scratch, 200, 0))


def test_the_files_for_trl_hold_the_pairs(tmp_path):
    datasets = pytest.importorskip("datasets")
    pairs = grammar.story_pairs(20, 0)
    ecosystem.write_jsonl(tmp_path / "pairs.jsonl", pairs)
    with ecosystem.quiet():
        rows = datasets.load_dataset(
            "json", data_files=str(tmp_path / "pairs.jsonl"), cache_dir=str(tmp_path / "cache"), split="train"
        )
    assert rows.column_names == ["prompt", "chosen", "rejected"]
    for row, better, worse in zip(rows, *map(texts, pairs), strict=True):
        assert row["prompt"] + row["chosen"] == better and row["prompt"] + row["rejected"] == worse


def test_the_tiny_model_reads_the_words_and_scores_the_last_real_token(tmp_path):
    transformers = pytest.importorskip("transformers")
    with ecosystem.quiet():
        ecosystem.save_tiny_model(tmp_path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    token_ids, _ = grammar.story_pairs(6, 0)
    encoded = tokenizer(texts(token_ids), padding=True, return_tensors="pt")
    assert torch.equal(encoded["input_ids"], token_ids)
    with torch.no_grad():
        hidden = model.model(**encoded).last_hidden_state
        expected = model.score(language.last_token_pool(hidden, encoded["attention_mask"]))
        assert torch.allclose(model(**encoded).logits, expected, atol=1e-5)


def test_quiet_swallows_bars_and_warnings(capfd):
    import logging
    import sys
    import warnings

    with ecosystem.quiet():
        print("a line")
        print("a bar", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        logging.getLogger("x").error("an error")
    assert capfd.readouterr() == ("", "") and logging.root.manager.disable == 0
