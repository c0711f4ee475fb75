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
from dataclasses import dataclass, fields

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


@dataclass(frozen=True)
class World:
    """What the texts are made of."""

    topics: Sequence[str] = TOPICS
    pictures: Sequence[str] = PICTURES
    plain: Sequence[str] = PLAIN
    verbs: Sequence[str] = VERBS
    adjectives: Sequence[str] = ADJECTIVES
    nouns: Sequence[str] = NOUNS
    jargon_sentences: Sequence[str] = JARGON_SENTENCES


EVERYWHERE = {
    "a", "an", "and", "as", "by", "for", "how", "in", "is", "of", "on", "the", "to", "up", "what", "when", "with", "you",
    "your",
}  # fmt: skip
"""Words that both halves may share."""


def halves(seed: int) -> tuple[World, World]:
    """Two worlds that share nothing: each topic, picture, sentence and word of jargon is in one of them.

    Phrases that share a word outside EVERYWHERE ("machine learning", "learning to ride a bike") go to the same half.
    Of a sentence only its jargon counts so: all plain sentences are "like" something.
    """
    rng = random.Random(seed)
    groups = _tied_phrases()
    groups.sort(key=lambda _: rng.random())
    groups.sort(key=len, reverse=True)  # the large ones first: the small ones then even the halves out
    sides = [{field.name: [] for field in fields(World)} for _ in range(2)]
    for group in groups:
        name = group[0][0]
        side = min(sides, key=lambda side: len(side[name]))
        for name, phrase in group:
            side[name].append(phrase)
    first, second = (World(**side) for side in sides)
    return first, second


def pairs(
    num_pairs: int = NUM_PAIRS, seed: int = SEED, world: World | None = None
) -> Iterator[dict[str, str]]:
    """Rows with `prompt`, `chosen` and `rejected`, a function of the seed on every version of Python."""
    rng, world = random.Random(seed), world or World()
    for _ in range(num_pairs):
        topic = _pick(rng, world.topics)
        fewer = _pick(rng, range(3))  # jargon sentences of the preferred text: 0, 1 or 2
        more = _pick(rng, range(fewer + 1, 4))
        one, other = _text(rng, world, topic, fewer), _text(rng, world, topic, more)
        chosen, rejected = sorted((one, other), key=jargon_share)
        yield {"prompt": _pick(rng, QUESTIONS).format(topic), "chosen": chosen, "rejected": rejected}


def _tied_phrases() -> list[list[tuple[str, str]]]:
    """All (field, phrase) of a World, those that share a word in one list."""
    groups: list[tuple[set[str], list[tuple[str, str]]]] = []
    for field in fields(World):
        for phrase in getattr(World(), field.name):
            words = set(re.findall(r"[\w-]+", phrase.lower())) - EVERYWHERE
            if "{" in phrase:
                words &= JARGON
            members = [(field.name, phrase)]
            for group in [group for group in groups if group[0] & words]:
                groups.remove(group)
                words, members = words | group[0], group[1] + members
            groups.append((words, members))
    return [members for _, members in groups]


def _text(rng: random.Random, world: World, topic: str, jargon: int) -> str:
    sentences = [_sentence(rng, world, topic, plain=number >= jargon) for number in range(3)]
    order = sorted(range(3), key=lambda _: rng.random())
    return " ".join(sentences[number] for number in order)


def _sentence(rng: random.Random, world: World, topic: str, plain: bool) -> str:
    words = {name: _pick(rng, getattr(world, field)) for name, field in _SLOTS.items()}
    template = _pick(rng, world.plain if plain else world.jargon_sentences)
    return template.format(topic=topic, Topic=topic[0].upper() + topic[1:], **words)


_SLOTS = {
    "picture": "pictures", "verb": "verbs", "verb2": "verbs", "adjective": "adjectives", "adjective2": "adjectives",
    "adjective3": "adjectives", "noun": "nouns", "noun2": "nouns", "noun3": "nouns",
}  # fmt: skip


def _pick(rng: random.Random, choices: Sequence):
    # random.choice may change with Python; random.random does not.
    return choices[int(rng.random() * len(choices))]


def main() -> None:
    for row in pairs():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
