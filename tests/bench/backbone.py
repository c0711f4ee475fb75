"""What a pretrained backbone knows of words that no training pair had: the example file's generator, split in two halves.

python -m tests.bench backbone                  # prints the table; about ten minutes on one core
python -m tests.bench.backbone FIGURE.png       # draws the README's figure as well
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from grader.build import ROOT
from reward_lab import plots
from reward_lab.examples import plain_words
from reward_lab.language.embedding import embed, open_store
from reward_lab.language.pretrained import POOLINGS, load_backbone
from reward_lab.language.real import how_to_install, installed, real_model
from reward_lab.linear_fit import Differences, choose_penalty, fit_linear_reward
from reward_lab.text.preferences import join_prompt
from reward_lab.text.tokenizer import WordTokenizer

SEEDS, SIZES, TEST_PAIRS = 5, (10, 20, 50, 100), 100
NONSENSE = (
    ("like like a dog a dog", "{Topic} is a bit like {picture}. Small steps add up, as in {picture}."),
    ("{picture} {picture} like {picture} a", "Think of {picture}, and you know what {topic} is."),
    (
        "a of like to the it {topic} you you",
        "In the end {topic} is much like {picture}. You look, try and learn.",
    ),
)
"""(nonsense made of plain words, a plain explanation)."""
COLORS = {
    "SmolLM2, mean over tokens": plots.BLUE,
    "SmolLM2, last token": plots.GREEN,
    "MiniLM, mean over tokens": plots.ORANGE,
    "bag of words": plots.GREY,
}


def run(figure: Path | None = None, seeds: int = SEEDS) -> None:
    """Print accuracies on unseen words, five seeds, and how often nonsense wins; draw them if a path is given."""
    print(
        f"\nA pretrained backbone: trained on pairs of one half of the words, accuracy on {TEST_PAIRS} pairs of the other "
        f"half ({seeds} seeds: mean, lowest to highest)"
    )
    missing = [name for name in ("smollm2", "minilm") if not installed(name)]
    if missing:
        print("  left out: " + "; ".join(map(how_to_install, missing)))
        return
    torch.set_num_threads(1)
    accuracy, nonsense = measure(ROOT / "build" / "bench" / "backbone", range(seeds))
    for name, by_size in accuracy.items():
        cells = [f"{np.mean(v):.3f} ({min(v):.2f} to {max(v):.2f})" for v in by_size.values()]
        print(
            f"  {name:26s} "
            + "   ".join(f"{n:3d} pairs {cell}" for n, cell in zip(by_size, cells, strict=True))
        )
    print(
        "  Nonsense of plain words against a plain explanation: share of the time that nonsense wins, after as many pairs"
    )
    for name, by_size in nonsense.items():
        print(f"  {name:26s} " + "   ".join(f"{n:3d} pairs {np.mean(v):.2f}" for n, v in by_size.items()))
    if figure:
        draw(accuracy, nonsense, figure)


def measure(folder: Path, seeds: Iterable[int]) -> tuple[dict, dict]:
    """{name: {pairs: [accuracy for each seed]}}, and the same with the share of nonsense that wins."""
    accuracy = {name: {size: [] for size in SIZES} for name in COLORS}
    nonsense = {name: {size: [] for size in SIZES} for name in COLORS}
    backbones = {
        "SmolLM2": load_backbone(real_model("smollm2")),
        "MiniLM": load_backbone(real_model("minilm")),
    }
    for seed in seeds:
        train, test, odd = texts_of(seed)
        for model, backbone in backbones.items():
            start = time.perf_counter()
            with open_store(backbone, folder) as store:
                rows = embed(backbone, [*train, *test, *odd], len(train + test + odd), store, print)
                vectors = np.array(store.vectors()[rows.rows])
            if rows.new_tokens:
                rate = rows.new_tokens / (time.perf_counter() - start)
                print(f"  seed {seed}, {model}: {rows.new_tokens:,} tokens, {rate:,.0f} tokens/s", flush=True)
            for number, pooling in enumerate(POOLINGS):
                name = f"{model}, {'last token' if pooling == 'last' else 'mean over tokens'}"
                if name in COLORS:
                    _hold(vectors[:, number], len(test), accuracy[name], nonsense[name])
        for size in SIZES:  # the vocabulary is that of the training pairs
            bags = bags_of_words([join_prompt(*text) for text in train[: 2 * size]], [*train, *test, *odd])
            _hold(bags, len(test), accuracy["bag of words"], nonsense["bag of words"], [size])
    return accuracy, nonsense


def texts_of(seed: int) -> tuple[list, list, list]:
    """(prompt, completion): of training pairs, of test pairs of the other words, and of nonsense against explanations.

    Preferred and rejected take turns; nonsense stands in the place of the rejected text.
    """
    seen, unseen = plain_words.halves(seed)
    train, test = (
        [
            (row["prompt"], row[side])
            for row in plain_words.pairs(count, number, world)
            for side in ("chosen", "rejected")
        ]
        for count, number, world in ((max(SIZES), 1000 + seed, seen), (TEST_PAIRS, 2000 + seed, unseen))
    )
    odd = []
    for topic, picture in zip(unseen.topics, (*unseen.pictures, *unseen.pictures), strict=False):
        words = {"topic": topic, "Topic": topic[0].upper() + topic[1:], "picture": picture}
        for bad, good in NONSENSE:
            odd += [(f"What is {topic}?", text.format(**words)) for text in (good, bad)]
    return train, test, odd


def bags_of_words(vocabulary: Sequence[str], texts: Sequence[tuple[str, str]]) -> np.ndarray:
    """(texts, words) float64: the share of each word; those outside the vocabulary are one word."""
    tokenizer = WordTokenizer.train(vocabulary)
    bags = np.zeros((len(texts), tokenizer.vocab_size))
    for bag, ids in zip(bags, tokenizer.encode([join_prompt(*text) for text in texts])[0], strict=True):
        for number, count in Counter(ids).items():
            bag[number] = count / len(ids)
    return bags


def _hold(
    vectors: np.ndarray, test: int, accuracy: dict, nonsense: dict, sizes: Sequence[int] = SIZES
) -> None:
    """Fit on the first pairs, as `--tune head` does, and hold against test pairs and nonsense."""
    values = vectors[::2] - vectors[1::2]
    first = max(SIZES)
    for size in sizes:
        differences = Differences(values[:size])
        penalty, _ = choose_penalty(differences, np.arange(size) % 5)
        lead = values[first:] @ fit_linear_reward(differences, penalty).numpy()
        accuracy[size].append(float((lead[: test // 2] > 0).mean()))
        nonsense[size].append(float((lead[test // 2 :] < 0).mean()))


def draw(accuracy: dict, nonsense: dict, path: Path) -> None:
    """Accuracy on unseen words and the share of nonsense that wins, against the number of pairs."""
    figure, (left, right) = plots.new_panels(2)
    for name, color in COLORS.items():
        values = np.array(list(accuracy[name].values()))  # (sizes, seeds)
        left.fill_between(SIZES, values.min(axis=1), values.max(axis=1), color=color, alpha=0.15, linewidth=0)
        left.plot(SIZES, values.mean(axis=1), color=color, marker="o", label=name)
        right.plot(SIZES, np.mean(list(nonsense[name].values()), axis=1), color=color, marker="o", label=name)
    left.axhline(0.5, color="black", linestyle=":", linewidth=1, label="guessing")
    left.set(ylabel="accuracy on unseen words", ylim=(0.4, 1.02))
    right.set(ylabel="nonsense that beats a plain explanation, share", ylim=(-0.02, 1.02))
    for axis in (left, right):
        axis.set(xlabel="training pairs", xscale="log")
        axis.set_xticks(SIZES, SIZES)
        axis.minorticks_off()
    left.legend(fontsize=8, loc="lower right")
    figure.suptitle("A pretrained backbone ranks words that no training pair had")
    figure.savefig(path, dpi=120)
    plots.plt.close(figure)


if __name__ == "__main__":
    run(Path(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS)
