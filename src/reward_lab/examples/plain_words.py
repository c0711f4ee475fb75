"""Make plain_words.jsonl: pairs of explanations of which the one with less jargon is preferred.

    python -m reward_lab.examples.plain_words > src/reward_lab/examples/plain_words.jsonl

Each completion has three sentences, some in plain words and some in jargon, in random order. The two of a pair
differ in how many are jargon. The rule that decides is known and never errs:

    jargon_share(text) = words of the text that are in JARGON / words of the text; the lower share is preferred.

Plain and jargon sentences are of the same length on average, so that length gives nothing away.
"""

import json
import random
import re
import sys
from collections.abc import Iterator, Sequence

NUM_PAIRS, SEED = 400, 7

TOPICS = (
    "machine learning", "reinforcement learning", "a neural network", "a reward model", "gravity", "electricity",
    "the internet", "a search engine", "the stock market", "inflation", "evolution", "a vaccine", "memory", "sleep",
    "the weather", "a battery", "an earthquake", "encryption", "photosynthesis", "compound interest",
)  # fmt: skip
QUESTIONS = (
    "What is {}?", "Explain {} simply.", "How does {} work?", "Tell me about {}.", "I know nothing about {}. Help?",
)  # fmt: skip

PICTURES = (
    "training a dog with treats", "learning to ride a bike", "following a recipe", "a game of telephone",
    "passing a note to a friend", "rolling a ball down a hill", "filling a bucket drop by drop",
    "learning the faces of your neighbors", "packing a bag for a trip", "growing beans in a garden",
    "sorting socks by color", "tuning a guitar by ear", "keeping score in a game", "crossing a busy street",
)  # fmt: skip
PLAIN = (
    "{Topic} is a bit like {picture}.",
    "Think of {picture}, and you know what {topic} is.",
    "When something goes well you do it again, as in {picture}.",
    "It helps people and computers find patterns, like {picture}.",
    "You look, try and learn, like {picture}.",
    "In the end {topic} is much like {picture}.",
    "Small steps add up, as in {picture}.",
    "A message moves through layers of people, like {picture}.",
)

VERBS = (
    "utilizes",
    "leverages",
    "optimizes",
    "instantiates",
    "constitutes",
    "operationalizes",
    "parameterizes",
)
ADJECTIVES = (
    "stochastic", "gradient-based", "parameterized", "differentiable", "computational", "asymptotic", "nonlinear",
    "probabilistic", "hierarchical", "multivariate", "endogenous", "combinatorial", "canonical", "latent",
    "thermodynamic", "convex", "recursive", "heterogeneous",
)  # fmt: skip
NOUNS = (
    "optimization", "function approximators", "optimality equations", "graphs", "operators", "estimators",
    "manifolds", "objectives", "formalisms", "dynamics", "heuristics", "policies", "distributions", "paradigms",
    "functionals", "equilibria", "propagation", "methodologies",
)  # fmt: skip
JARGON_SENTENCES = (
    "{Topic} {verb} the {adjective} {noun} of the {adjective2} {noun2} via {adjective3} {noun3}.",
    "Formally, {topic} {verb} {adjective} {noun} with respect to the {adjective2} {noun2}.",
    "It {verb} {adjective} {noun}, and thereby {verb2} the {adjective2} {noun2} of {noun3}.",
    "The {adjective} {noun} of {topic} are the {adjective2} {noun2} under {adjective3} {noun3}.",
)

JARGON = frozenset(
    word
    for phrase in (*VERBS, *ADJECTIVES, *NOUNS, "formally", "thereby", "respect", "via")
    for word in phrase.split()
)
"""Every word that counts as jargon."""


def jargon_share(text: str) -> float:
    """The rule of this file: the share of a text's words that are jargon, from 0 to 1."""
    words = re.findall(r"[\w-]+", text.lower())
    return sum(word in JARGON for word in words) / len(words)


def pairs(num_pairs: int = NUM_PAIRS, seed: int = SEED) -> Iterator[dict[str, str]]:
    """Rows with `prompt`, `chosen` and `rejected`, a function of the seed on every version of Python."""
    rng = random.Random(seed)
    for _ in range(num_pairs):
        topic = _pick(rng, TOPICS)
        fewer = _pick(rng, range(3))  # jargon sentences of the preferred text: 0, 1 or 2
        more = _pick(rng, range(fewer + 1, 4))
        one, other = _text(rng, topic, fewer), _text(rng, topic, more)
        chosen, rejected = sorted((one, other), key=jargon_share)
        yield {"prompt": _pick(rng, QUESTIONS).format(topic), "chosen": chosen, "rejected": rejected}


def _text(rng: random.Random, topic: str, jargon: int) -> str:
    sentences = [_sentence(rng, topic, plain=number >= jargon) for number in range(3)]
    order = sorted(range(3), key=lambda _: rng.random())
    return " ".join(sentences[number] for number in order)


def _sentence(rng: random.Random, topic: str, plain: bool) -> str:
    words = {name: _pick(rng, choices) for name, choices in _SLOTS.items()}
    template = _pick(rng, PLAIN if plain else JARGON_SENTENCES)
    return template.format(topic=topic, Topic=topic[0].upper() + topic[1:], **words)


_SLOTS = {
    "picture": PICTURES, "verb": VERBS, "verb2": VERBS, "adjective": ADJECTIVES, "adjective2": ADJECTIVES,
    "adjective3": ADJECTIVES, "noun": NOUNS, "noun2": NOUNS, "noun3": NOUNS,
}  # fmt: skip


def _pick(rng: random.Random, choices: Sequence):
    # random.choice may change with Python; random.random does not.
    return choices[int(rng.random() * len(choices))]


def main() -> None:
    for row in pairs():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
