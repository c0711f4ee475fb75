"""The experiments of lesson 8 against what is known. (4 s in all)"""

import math

import pytest
import torch

from reward_lab import rlhf
from reward_lab.lessons.lesson08 import experiments


@pytest.fixture(scope="module")
def known():
    """The help desk with answers of three words."""
    return rlhf.Known.of(experiments.short(rlhf.help_desk()))


def test_the_limits_are_the_best_policys_and_no_policy_of_the_road_has_a_higher_j(known):
    limits = experiments.Limits.of(known)
    J = rlhf.regularised_value(limits.policy.log(), known.gold, known.log_reference, experiments.BETA)
    assert J == pytest.approx(limits.value, abs=1e-12) == pytest.approx(limits.gold - 0.5 * limits.kl)
    assert limits.share(limits.start) == 0 and limits.share(limits.value) == 1
    kls, golds = limits.road
    assert kls == sorted(kls) and golds == sorted(golds)
    assert max(g - 0.5 * k for k, g in zip(kls, golds, strict=True)) <= limits.value


def test_the_population_run_goes_to_the_best_policy(known):
    limits = experiments.Limits.of(known)
    near = [rlhf.kl_divergence(p.log(), limits.policy.log()) for p in experiments.population(known, (10, 60))]
    assert near[0] > 0.5 > 0.1 > near[1]


def test_ipos_optimum_is_best_for_the_probability_to_beat_the_reference(known):
    best, tau = experiments.ipo_optimum(known, 0.3), 0.3
    beats = rlhf.beats_reference(known)

    def value(p):
        return (p * beats).sum().item() - tau * rlhf.kl_divergence(p.log(), known.log_reference)

    draw = torch.Generator().manual_seed(0)
    for scale in (0.01, 0.1, 1.0):
        noise = scale * torch.randn(len(best), generator=draw, dtype=torch.float64)
        assert value(best) > value(torch.softmax(best.log() + noise, 0))


def test_a_step_from_words_is_the_packages_step_if_the_words_are_added_up(known):
    def summed(policy_words, reference_words, mask, beta):
        a, b = (policy_words * mask).sum(-1)
        c, d = (reference_words * mask).sum(-1)
        return rlhf.dpo_loss(a, b, c, d, beta)

    pairs = experiments.preferences(known.world, 0, 300)
    config = rlhf.DPOConfig(steps=5, measure_every=5)
    runs = [
        rlhf.train_dpo(known.world, rlhf.fixed_pairs(pairs, 100, 0), config, step)[1]
        for step in (rlhf.dpo_step, experiments.step_from_words(summed))
    ]
    assert runs[0].kl[-1] == pytest.approx(runs[1].kl[-1], rel=1e-4) and runs[0].kl[-1] > 0.01


def test_the_colleagues_loss_is_dpo_at_a_price_divided_by_the_length():
    words = [torch.randn(2, 5, 6) for _ in range(2)]
    a, b = words[0].sum(-1)
    c, d = words[1].sum(-1)
    hers = experiments.colleagues_loss(*words, torch.ones(2, 5, 6), 0.5)
    assert hers.item() == pytest.approx(rlhf.dpo_loss(a, b, c, d, 0.5 / 6).item(), rel=1e-5)


def test_a_way_is_told_in_exact_numbers(known):
    limits = experiments.Limits.of(known)
    believed = rlhf.implicit_reward(limits.policy, known.reference, experiments.BETA)
    way = experiments.way(known, limits.policy, believed, 1.0)
    assert (way.gold, way.kl, way.value) == pytest.approx((limits.gold, limits.kl, limits.value))
    assert way.learnt == pytest.approx(limits.gold - limits.start)  # the best policy believes what is true


# TRL


@pytest.fixture(scope="module")
def with_trl():
    pytest.importorskip("trl")
    from reward_lab.language import ecosystem

    if ecosystem.missing():
        pytest.skip("TRL's companions are not installed")
    with ecosystem.quiet():
        from reward_lab.lessons.lesson08 import with_trl
    return with_trl


def test_trls_trainer_lands_where_ours_does(known, with_trl):
    from reward_lab.language import ecosystem

    pairs = experiments.preferences(known.world, 1, 200)
    config = rlhf.DPOConfig(0.3, 12, 5e-3, seed=4, measure_every=12)
    ours, history = rlhf.train_dpo(known.world, rlhf.fixed_pairs(pairs, 50, 4), config)
    with ecosystem.quiet():
        trls, log = with_trl.train(known.world, pairs, config, 50, "cpu")
    moved = (ours.all_log_probs() - known.log_reference).abs().max().item()
    assert moved > 0.5
    torch.testing.assert_close(trls.all_log_probs(), ours.all_log_probs(), rtol=0, atol=2e-3 * moved)
    assert history.loss[-1] == pytest.approx(math.fsum(x["loss"] for x in log[:1]), abs=0.05)


def test_trls_losses_are_ours(known, with_trl, tmp_path):
    """Its DPO as it is; its IPO takes the mean over the tokens, STOP among them, of texts that are all equally long."""
    from trl import DPOConfig, DPOTrainer

    from reward_lab.language import ecosystem

    torch.manual_seed(0)
    policy, reference = rlhf.Policy(known.world), rlhf.Policy(known.world).requires_grad_(False)
    torch.nn.init.normal_(policy.head.weight, std=0.3)
    pairs = experiments.preferences(known.world, 2, 6)
    values = [p(ids).sum(dim=1) for p in (policy, reference) for ids in pairs]
    length = known.world.length + 1
    for kind, want in (
        ("sigmoid", rlhf.dpo_loss(*values, 0.4)),
        ("ipo", rlhf.ipo_loss(*(x / length for x in values), 0.4)),
    ):
        with ecosystem.quiet():
            arguments = DPOConfig(
                str(tmp_path), loss_type=[kind], beta=0.4, use_cpu=True, bf16=False, report_to="none",
                gradient_checkpointing=False, disable_tqdm=True,
            )  # fmt: skip
            trainer = DPOTrainer(
                with_trl.PolicyForCausalLM(policy),
                with_trl.PolicyForCausalLM(reference),
                arguments,
                train_dataset=with_trl.as_dataset(known.world, pairs),
                processing_class=with_trl.word_tokenizer(known.world),
            )
            rows = [trainer.train_dataset[n] for n in range(len(pairs[0]))]
            found = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
        assert found.item() == pytest.approx(want.item(), rel=1e-4)


def test_a_model_of_a_folder_is_trained_on_the_same_pairs(with_trl, tmp_path):
    """As a hub model is; this one is a Llama of one layer that has read nothing."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    from reward_lab.language import ecosystem

    world = rlhf.help_desk()
    tokenizer = with_trl.word_tokenizer(world)
    with ecosystem.quiet():
        tokenizer.save_pretrained(tmp_path)
        config = LlamaConfig(
            vocab_size=len(world.words) + 2, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=32, pad_token_id=9, eos_token_id=9, bos_token_id=8,
        )  # fmt: skip
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        pairs = experiments.preferences(world, 0, 40)
        log = with_trl.train_hub_model(str(tmp_path), world, pairs, 10, "cpu")
    assert log[0]["loss"] == pytest.approx(math.log(2), abs=0.02)
