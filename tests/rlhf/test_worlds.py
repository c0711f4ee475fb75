"""The enumerable world and its policy against brute force: every text is written out and counted."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import entropy

from reward_lab import rlhf
from reward_lab.checks.statistics import surprising
from reward_lab.rlhf.worlds import HELP_DESK_WORDS, help_desk_reward


def small_world(words=3, length=3, seed=0) -> rlhf.World:
    """A world with a random language, and the number of the text as gold reward."""
    generator = torch.Generator().manual_seed(seed)
    transitions = torch.randn(words + 1, words, generator=generator, dtype=torch.float64).log_softmax(dim=1)
    return rlhf.World(
        tuple("abcdefgh"[:words]), length, transitions, lambda ids: ids.double().sum(dim=-1) / length
    )


def wrinkled(world, seed=0, scale=1.0) -> rlhf.Policy:
    """A policy that is far from its reference, as after some training."""
    torch.manual_seed(seed)
    policy = rlhf.Policy(world, hidden_dim=16)
    torch.nn.init.normal_(policy.head.weight, std=scale)
    return policy


@pytest.fixture(scope="module")
def desk():
    return rlhf.help_desk()


@pytest.fixture(scope="module")
def texts(desk):
    return desk.sequences()


# The world


def test_all_texts_are_there_once_in_dictionary_order(desk, texts):
    assert desk.size == len(texts) == 262_144
    assert list(map(tuple, texts.tolist())) == list(itertools.product(range(8), repeat=6))
    assert torch.equal(desk.numbers(texts), torch.arange(desk.size))
    assert torch.equal(
        desk.token_ids(torch.tensor([[7, 8]])), torch.tensor([[[0] * 5 + [7], [0] * 4 + [1, 0]]])
    )
    assert desk.text(texts[8]) == "please please please please restart please"


def gold_in_plain_python(text) -> float:
    """The customers' wishes, once more, from the docstring and word by word."""
    words = [HELP_DESK_WORDS[token] for token in text]
    pairs = list(itertools.pairwise(words))
    score = 0.0
    if "update" in words:
        first, last = words.index("update"), len(words) - 1 - words[::-1].index("update")
        score += 2 if "restart" in words[:last] else 0
        score -= 0 if "restart" in words[:first] else 1
    score += (words[0] == "please") + (words[-1] == "thanks")
    score += 0.5 * (("restart", "first") in pairs) + 0.5 * (("then", "update") in pairs)
    score -= max(0, words.count("sorry") - 1) + words.count("maybe") + max(0, words.count("thanks") - 1)
    return score - sum(a == b for a, b in pairs)


def test_the_gold_reward_is_what_its_docstring_says(texts):
    some = texts[torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))[:20_000]]
    assert help_desk_reward(some).tolist() == [gold_in_plain_python(text) for text in some.tolist()]


def test_the_best_answer_of_the_help_desk_is_unique(desk, texts):
    gold = desk.gold(texts)
    assert gold.max() == 5 and (gold == 5).sum() == 1
    assert desk.text(texts[gold.argmax()]) == "please restart first then update thanks"


def test_reference_probabilities_are_products_along_the_chain():
    world = small_world(4, 3)
    transitions = world.transitions.exp().numpy()
    expected = []
    for text in itertools.product(range(4), repeat=3):
        expected.append(math.prod(transitions[a, b] for a, b in itertools.pairwise((4, *text))))
    assert world.reference_log_probs().exp().numpy() == pytest.approx(np.array(expected), rel=1e-12)


def test_the_reference_probabilities_of_the_help_desk_sum_to_one(desk):
    log_probs = desk.reference_log_probs()
    assert log_probs.shape == (262_144,) and log_probs.exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_texts_of_the_language_come_as_often_as_they_should():
    world = small_world(3, 2)
    drawn = world.numbers(world.sample_reference(20_000, torch.Generator().manual_seed(1)))
    probabilities = dict(enumerate(world.reference_log_probs().exp().tolist()))
    assert surprising(Counter(drawn.tolist()), probabilities) is None


def test_judges_follow_bradley_and_terry(desk):
    preferred, rejected = desk.sample_preferences(40_000, torch.Generator().manual_seed(2))
    margin = desk.gold(preferred) - desk.gold(rejected)
    for size in (0.5, 1.0, 2.0):
        right, wrong = (margin == size).sum().item(), (margin == -size).sum().item()
        p = 1 / (1 + math.exp(-size))
        assert right + wrong > 500
        assert surprising({True: right, False: wrong}, {True: p, False: 1 - p}) is None


def test_words_with_places_are_all_different(desk, texts):
    placed = desk.with_places(texts[:10])
    assert torch.equal(placed % 8, texts[:10]) and torch.equal(placed // 8, torch.arange(6).expand(10, 6))


# Exact values


def random_distributions(n=50, seed=0):
    logits = torch.randn(2, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return logits.log_softmax(dim=1)


def test_the_kl_divergence_is_scipys():
    log_p, log_q = random_distributions()
    assert rlhf.kl_divergence(log_p, log_q) == pytest.approx(entropy(log_p.exp(), log_q.exp()), rel=1e-12)
    assert rlhf.kl_divergence(log_p, log_p) == 0
    certain = torch.tensor([0.0, -math.inf])
    assert rlhf.kl_divergence(certain, torch.tensor([0.25, 0.75]).log()) == pytest.approx(
        math.log(4), abs=1e-6
    )
    assert rlhf.kl_divergence(torch.tensor([0.5, 0.5]).log(), certain) == math.inf


def test_the_correlation_is_numpys_where_all_weights_are_equal():
    first, second = torch.randn(2, 100, dtype=torch.float64)
    uniform = torch.full((100,), -math.log(100), dtype=torch.float64)
    expected = np.corrcoef(first, second)[0, 1]
    assert rlhf.correlation(uniform, first, second) == pytest.approx(expected, rel=1e-10)


def test_the_optimum_has_its_published_value():
    reward, log_reference = (
        torch.tensor([0.0, 1.0, 2.0]),
        torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log(),
    )
    best = rlhf.kl_optimal_policy(reward.double(), log_reference.exp(), 1.0)
    assert best.tolist() == pytest.approx([0.1790, 0.2919, 0.5291], abs=5e-5)
    assert rlhf.kl_divergence(best.log(), log_reference) == pytest.approx(0.3228, abs=5e-5)
    assert rlhf.optimal_value(reward, log_reference, 1.0) == pytest.approx(1.0272, abs=5e-5)
    assert rlhf.regularised_value(best.log(), reward, log_reference, 1.0) == pytest.approx(1.0272, abs=5e-5)


@pytest.mark.parametrize("beta", [0.2, 1.0, 5.0])
def test_no_policy_that_scipy_finds_is_better_than_the_optimum(beta):
    log_reference, reward = random_distributions(6)[0], torch.linspace(-1, 2, 6, dtype=torch.float64)

    def minus_value(logits):
        log_p = torch.from_numpy(logits).log_softmax(dim=0)
        return -rlhf.regularised_value(log_p, reward, log_reference, beta)

    found = minimize(minus_value, np.zeros(6), tol=1e-12)
    best = rlhf.kl_optimal_policy(reward, log_reference.exp(), beta)
    optimum = rlhf.optimal_value(reward, log_reference, beta)
    assert -found.fun < optimum + 1e-9 and -found.fun == pytest.approx(optimum, abs=1e-6)
    assert torch.from_numpy(found.x).softmax(dim=0).numpy() == pytest.approx(best.numpy(), abs=1e-3)


def test_what_a_policy_lacks_to_the_optimum_is_beta_times_its_kl_to_it(desk, texts):
    reward, log_reference, beta = desk.gold(texts), desk.reference_log_probs(), 0.7
    with torch.no_grad():
        log_p = wrinkled(desk, scale=0.1).all_log_probs().double()
    log_p = log_p - log_p.logsumexp(dim=0)  # exactly normalised, beyond float32
    best = rlhf.kl_optimal_policy(reward, log_reference.exp(), beta)
    lacking = rlhf.optimal_value(reward, log_reference, beta) - rlhf.regularised_value(
        log_p, reward, log_reference, beta
    )
    assert lacking == pytest.approx(beta * rlhf.kl_divergence(log_p, best.log()), rel=1e-9)


# The policy


def test_an_untrained_policy_is_the_reference(desk):
    with torch.no_grad():
        log_probs = rlhf.Policy(desk).all_log_probs()
    assert torch.allclose(log_probs.double(), desk.reference_log_probs(), rtol=0, atol=1e-5)


def test_the_tree_of_prefixes_gives_every_text_its_own_log_probability(desk, texts):
    policy = wrinkled(desk, scale=0.3)
    with torch.no_grad():
        tree = policy.all_log_probs()
        one_by_one = torch.cat([policy(part).sum(dim=1) for part in texts.split(32_768)])
    assert torch.allclose(tree, one_by_one, rtol=0, atol=1e-4)
    assert tree.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_word_depends_on_the_words_before_it_and_on_no_other(desk):
    policy = wrinkled(desk)
    text = torch.tensor([[0, 1, 3, 4, 2, 7]])
    for place in range(6):
        changed = text.clone()
        changed[0, place] = 5
        with torch.no_grad():
            same = (policy(text) == policy(changed))[0]
        assert same[:place].all() and not same[place:].any()


def test_a_policy_writes_texts_as_often_as_it_says():
    world = small_world(3, 3)
    policy = wrinkled(world)
    written = world.numbers(policy.sample(20_000, torch.Generator().manual_seed(3)))
    with torch.no_grad():
        probabilities = policy.all_log_probs().double().exp()
    assert surprising(Counter(written.tolist()), dict(enumerate(probabilities.tolist()))) is None


def test_the_critic_does_not_see_the_word_that_it_stands_before():
    world = small_world(4, 4)
    torch.manual_seed(0)
    critic = rlhf.ValueModel(world)
    values = critic(torch.tensor([[0, 1, 2, 3], [0, 1, 3, 3], [2, 1, 2, 3]]))
    # The last bit of a row may differ with its place in the batch; what the critic sees differs by far more.
    assert torch.allclose(values[0, :3], values[1, :3], rtol=0, atol=1e-6)
    assert (values[0, 3] - values[1, 3]).abs() > 1e-3
    assert values[0, 0] == values[2, 0] and values[0, 1] != values[2, 1]
