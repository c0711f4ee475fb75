"""DPO and its kin against counting, closed forms and brute force. (8 s in all)"""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from reward_lab import rlhf

BETA = 0.5


@pytest.fixture(scope="module")
def known():
    """Three words, three places: 27 texts, and a gold reward with ties."""
    draw = torch.Generator().manual_seed(0)
    transitions = torch.randn(4, 3, generator=draw, dtype=torch.float64).log_softmax(dim=1)
    world = rlhf.World(("a", "b", "c"), 3, transitions, lambda ids: (ids.double().sum(dim=-1) - 3) / 2)
    return rlhf.Known.of(world)


def wobbly_policy(world, seed=0):
    """A policy whose head is not zero any more."""
    torch.manual_seed(seed)
    policy = rlhf.Policy(world)
    torch.nn.init.normal_(policy.head.weight, std=0.3)
    return policy


# Log-probabilities


def test_the_log_probability_of_a_text_is_the_log_of_a_product_of_probabilities():
    draw = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 5, 4, generator=draw, dtype=torch.float64)
    ids = torch.randint(4, (3, 5), generator=draw)
    mask = torch.tensor([[0, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]])
    for text, found in enumerate(rlhf.sequence_log_probs(logits, ids, mask)):
        product = 1.0
        for place in range(1, 5):
            weights = [math.exp(x) for x in logits[text, place - 1].tolist()]
            if mask[text, place]:
                product *= weights[ids[text, place]] / sum(weights)
        assert found.item() == pytest.approx(math.log(product), abs=1e-12)


def test_what_the_mask_leaves_out_may_hold_anything_and_gets_no_gradient():
    logits = torch.randn(2, 4, 5, requires_grad=True)
    mask = torch.tensor([[0, 0, 1, 0], [0, 1, 0, 0]])
    ids = torch.tensor([[3, -100, 2, -100], [1, 4, -100, 9]])
    rlhf.sequence_log_probs(logits, ids, mask).sum().backward()
    touched = logits.grad.abs().sum(-1) > 0
    assert touched.tolist() == [[False, True, False, False], [True, False, False, False]]


def test_a_policy_as_a_causal_model_gives_the_log_probabilities_that_it_gives_itself(known):
    policy = wobbly_policy(known.world)
    model = rlhf.CausalPolicy(policy)
    ids, mask = model.with_start(known.texts)
    found = rlhf.sequence_log_probs(model(ids), ids, mask)
    torch.testing.assert_close(found, policy(known.texts).sum(dim=1))
    torch.testing.assert_close(found, policy.all_log_probs())
    assert found.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: rlhf.sequence_log_probs(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3)),
        lambda: rlhf.sequence_log_probs(torch.zeros(2, 3, 4), torch.zeros(2, 2), torch.zeros(2, 3)),
        lambda: rlhf.dpo_loss(*[torch.zeros(2)] * 3, torch.zeros(2, 1), 0.5),
        lambda: rlhf.ipo_loss(*[torch.zeros(2, 1)] * 4, 0.5),
        lambda: rlhf.implicit_reward(torch.ones(2), torch.ones(3), 0.5),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(call):
    with pytest.raises(ValueError, match="expected|same shape"):
        call()


# Losses


def four(seed: int, n: int = 6):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(n, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(4)]


def test_the_dpo_loss_is_the_mean_of_the_formula_and_its_gradient_is_the_one_of_the_paper():
    """Rafailov et al., section 4: -beta * sigma(-beta h) * (gradient of h)."""
    pc, pr, rc, rr = values = four(2)
    loss = rlhf.dpo_loss(*values, 0.7, 0.2)
    total = 0.0
    for a, b, c, d in zip(*(x.tolist() for x in values), strict=True):
        x = 0.7 * ((a - c) - (b - d))
        total += 0.8 * math.log1p(math.exp(-x)) + 0.2 * math.log1p(math.exp(x))
    assert loss.item() == pytest.approx(total / 6, abs=1e-12)
    rlhf.dpo_loss(*values, 0.7).backward()
    h = (pc - pr) - (rc - rr)
    torch.testing.assert_close(pc.grad, (-0.7 * torch.sigmoid(-0.7 * h) / 6).detach())
    torch.testing.assert_close(pr.grad, -pc.grad)
    assert rc.grad is None and rr.grad is None


def test_the_ipo_loss_is_the_mean_of_the_formula():
    values = four(3)
    total = sum(
        ((a - c) - (b - d) - 1 / 0.6) ** 2 for a, b, c, d in zip(*(x.tolist() for x in values), strict=True)
    )
    loss = rlhf.ipo_loss(*values, 0.3)
    loss.backward()
    assert loss.item() == pytest.approx(total / 6, abs=1e-12)
    assert values[2].grad is None and values[0].grad.abs().sum() > 0


@pytest.mark.parametrize("p", [0.6, 0.8, 0.95])
def test_one_pair_judged_often_ends_where_the_closed_forms_say(p):
    h = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    dpo = -p * F.logsigmoid(BETA * h) - (1 - p) * F.logsigmoid(-BETA * h)
    ipo = p * (h - 1 / (2 * BETA)) ** 2 + (1 - p) * (-h - 1 / (2 * BETA)) ** 2
    assert h[dpo.argmin()].item() == pytest.approx(math.log(p / (1 - p)) / BETA, abs=1e-3)
    assert h[ipo.argmin()].item() == pytest.approx((2 * p - 1) / (2 * BETA), abs=1e-3)


# The optimum


def test_the_implicit_reward_of_the_best_policy_is_the_reward_itself(known):
    for beta in (0.1, 0.5, 3.0):
        best = rlhf.kl_optimal_policy(known.gold, known.reference, beta)
        found = rlhf.implicit_reward(best, known.reference, beta)
        torch.testing.assert_close(found, known.gold - (known.reference * known.gold).sum())
        assert (known.reference * found).sum().item() == pytest.approx(0, abs=1e-12)


def minimised(known, loss_of_h):
    """The policy with a free logit a text at which the expected loss over all judged pairs is least, by L-BFGS."""
    logits = known.log_reference.clone().requires_grad_()
    wins = torch.sigmoid(known.gold[:, None] - known.gold)
    weights = known.reference[:, None] * known.reference * wins
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=2000, tolerance_grad=1e-14, tolerance_change=1e-18, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        ratio = logits.log_softmax(0) - known.log_reference
        loss = (weights * loss_of_h(ratio[:, None] - ratio)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return torch.softmax(logits.detach(), 0)


def test_population_dpo_reaches_the_best_policy_exactly(known):
    found = minimised(known, lambda h: -F.logsigmoid(BETA * h))
    best = rlhf.kl_optimal_policy(known.gold, known.reference, BETA)
    assert rlhf.kl_divergence(found.log(), best.log()) < 1e-10
    J = rlhf.regularised_value(found.log(), known.gold, known.log_reference, BETA)
    assert pytest.approx(rlhf.optimal_value(known.gold, known.log_reference, BETA), abs=1e-9) == J


def test_population_ipo_reaches_its_own_form_and_not_that_of_dpo(known):
    found = minimised(known, lambda h: (h - 1 / (2 * BETA)) ** 2)
    own = rlhf.kl_optimal_policy(rlhf.beats_reference(known), known.reference, BETA)
    assert rlhf.kl_divergence(found.log(), own.log()) < 1e-10
    other = rlhf.kl_optimal_policy(known.gold, known.reference, BETA)
    assert rlhf.kl_divergence(found.log(), other.log()) > 0.01


def test_what_is_counted_about_pairs_is_the_sum_over_all_of_them(known):
    policy = torch.softmax(known.log_reference + known.gold, 0)
    reference, gold = known.reference.tolist(), known.gold.tolist()
    ratio = (policy.log() - known.log_reference).tolist()
    preferred = rejected = 0.0
    beats, entropy = [0.0] * len(gold), 0.0
    for i, j in itertools.product(range(len(gold)), repeat=2):
        p = 1 / (1 + math.exp(gold[j] - gold[i]))
        beats[i] += reference[j] * p
        entropy -= reference[i] * reference[j] * (p * math.log(p) + (1 - p) * math.log(1 - p))
        preferred += reference[i] * reference[j] * (p * ratio[i] + (1 - p) * ratio[j])
        rejected += reference[i] * reference[j] * (p * ratio[j] + (1 - p) * ratio[i])
    assert rlhf.best_loss(known) == pytest.approx(entropy, abs=1e-12)
    assert rlhf.beats_reference(known).tolist() == pytest.approx(beats, abs=1e-12)
    assert rlhf.mean_log_ratios(known, policy) == pytest.approx((preferred, rejected), abs=1e-12)


# Training


def test_a_step_is_one_plain_step_on_the_loss_and_leaves_the_reference_alone(known):
    policy, reference = (rlhf.CausalPolicy(wobbly_policy(known.world, seed)) for seed in (1, 2))
    batch = rlhf.as_batch(policy, known.world.sample_preferences(9, torch.Generator().manual_seed(0)))
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    texts = [batch[side][:, 1:] for side in ("preferred", "rejected")]
    values = [model.policy(ids).sum(1) for model in (policy, reference) for ids in texts]
    loss = rlhf.dpo_loss(*values, BETA)
    gradients = torch.autograd.grad(loss, list(policy.parameters()))
    policy.policy.head.weight.grad = torch.ones_like(policy.policy.head.weight)  # left over
    found = rlhf.dpo_step(policy, reference, torch.optim.SGD(policy.parameters(), lr=0.1), batch, BETA)
    assert found == pytest.approx(loss.item(), abs=1e-6)
    for (name, p), gradient in zip(policy.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(p.detach(), before[name] - 0.1 * gradient)
    assert all(p.grad is None for p in reference.parameters())


def test_the_first_loss_is_ln_2_and_a_run_is_the_same_every_time(known):
    config = rlhf.DPOConfig(steps=4, measure_every=1)
    held_out = known.world.sample_preferences(50, torch.Generator().manual_seed(5))
    runs = [
        rlhf.train_dpo(known.world, rlhf.policy_pairs(known.world, 8, 0), config, held_out=held_out)[1]
        for _ in range(2)
    ]
    for run in runs:
        run.seconds = 0
        assert run.loss[1] == pytest.approx(math.log(2), abs=1e-6) and math.isnan(run.loss[0])
        assert run.judgements == [0, 8, 16, 24, 32] and run.accuracy[0] == 0.5
        assert run.kl[0] == pytest.approx(0, abs=1e-6) and run.kl[-1] > 0
        run.loss[0] = 0
    assert runs[0] == runs[1]


def test_online_dpo_comes_near_the_best_policy_of_a_small_world(known):
    config = rlhf.DPOConfig(beta=BETA, steps=150, measure_every=150)
    _, run = rlhf.train_dpo(known.world, rlhf.policy_pairs(known.world, 128, 0), config)
    assert run.share_of_way(rlhf.optimal_value(known.gold, known.log_reference, BETA)) > 0.95


def test_pairs_come_from_where_their_name_says_and_are_judged_like_all_others(known):
    world, count = known.world, 4000
    always = wobbly_policy(world)
    torch.nn.init.zeros_(always.head.weight)
    always.head.bias.data = torch.tensor([0.0, 0.0, 50.0])  # it writes c, always
    for source, expected in (
        (rlhf.reference_pairs, known.reference),
        (rlhf.uniform_pairs, torch.full_like(known.reference, 1 / 27)),
        (rlhf.policy_pairs, F.one_hot(torch.tensor(26), 27).double()),
    ):
        preferred, rejected = next(source(world, count, 0)(always))
        numbers = world.numbers(torch.cat([preferred, rejected]))
        seen = torch.bincount(numbers, minlength=27).double() / (2 * count)
        spread = (expected * (1 - expected) / (2 * count)).sqrt()
        assert ((seen - expected).abs() <= 6 * spread + 1e-12).all()
        won = world.gold(preferred) - world.gold(rejected)
        for gap in (0.5, 1.0):
            right, wrong = (won == gap).sum().item(), (won == -gap).sum().item()
            if right + wrong:
                p = 1 / (1 + math.exp(-gap))
                n = right + wrong
                assert abs(right / n - p) < 6 * math.sqrt(p * (1 - p) / n)


def test_fixed_pairs_come_each_once_in_an_epoch_in_a_new_order():
    pairs = torch.arange(10).unsqueeze(1), torch.arange(10, 20).unsqueeze(1)
    source = rlhf.fixed_pairs(pairs, 4, 0)(None)
    epochs = [list(itertools.islice(source, 3)) for _ in range(2)]
    orders = []
    for epoch in epochs:
        assert [len(batch[0]) for batch in epoch] == [4, 4, 2]
        preferred, rejected = (torch.cat(side).flatten().tolist() for side in zip(*epoch, strict=True))
        assert sorted(preferred) == list(range(10)) and [x + 10 for x in preferred] == rejected
        orders.append(preferred)
    assert orders[0] != orders[1]


def test_a_config_without_steps_is_refused():
    with pytest.raises(ValueError, match="steps must be at least 1"):
        rlhf.DPOConfig(steps=0)
