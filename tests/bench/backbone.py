"""What a pretrained backbone knows of words that no training pair had: the example file's generator, split in two halves.

python -m tests.bench backbone                  # prints the table; about ten minutes on one core
python -m tests.bench.backbone FIGURE.png       # draws the README's figure as well
"""

import random
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
from reward_lab.text.backbone_run import BackboneConfig
from reward_lab.text.nonsense import garbled, nonsense_rows
from reward_lab.text.preferences import join_prompt
from reward_lab.text.tokenizer import WordTokenizer

SEEDS, SIZES, TEST_PAIRS = 5, (10, 20, 50, 100), 100
SHARES = (0.0, BackboneConfig("").nonsense)
"""--nonsense: none, and the default."""
NONSENSE = (
    ("like like a dog a dog", "{Topic} is a bit like {picture}. Small steps add up, as in {picture}."),
    ("{picture} {picture} like {picture} a", "Think of {picture}, and you know what {topic} is."),
    (
        "a of like to the it {topic} you you",
        "In the end {topic} is much like {picture}. You look, try and learn.",
    ),
)
"""(nonsense made of plain words, a plain explanation)."""
EXPLANATIONS = 10
"""Plain explanations of the test's words that each way to spoil a text is tried on."""
SPOILT = {
    "words backwards": lambda text, draw: " ".join(text.split()[::-1]),
    "letters shuffled within words": lambda text, draw: " ".join(
        "".join(draw.sample(w, len(w))) for w in text.split()
    ),
    "five words again and again": lambda text, draw: " ".join(text.split()[:5] * 5),
    "keys at random": lambda text, draw: "".join(
        draw.choices("abcdefghijklmnopqrstuvwxyz    ", k=len(text))
    ).strip(),
}
"""Ways to make nonsense that training never uses."""
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
    results = measure(ROOT / "build" / "bench" / "backbone", range(seeds))
    for share in SHARES:
        print(f"  with --nonsense {share:g}" + " (the default)" * (share == SHARES[-1]))
        for name, by_size in results["accuracy", share].items():
            cells = [f"{np.mean(v):.3f} ({min(v):.2f} to {max(v):.2f})" for v in by_size.values()]
            print(
                f"    {name:26s} "
                + "   ".join(f"{n:3d} pairs {cell}" for n, cell in zip(by_size, cells, strict=True))
            )
    print(
        "  Nonsense against a plain explanation: share of the time that nonsense wins, after as many pairs. Made of plain "
        "words; and spoilt in ways that training never uses (" + ", ".join(SPOILT) + ")"
    )
    for share in SHARES:
        print(f"  with --nonsense {share:g}")
        for name in COLORS:
            cells = [
                f"{n:3d} pairs {np.mean(results['plain words', share][name][n]):.2f}, "
                f"{np.mean(results['spoilt', share][name][n]):.2f}"
                for n in SIZES
            ]
            print(f"    {name:26s} " + "   ".join(cells))
    if figure:
        draw(results, figure)


def measure(folder: Path, seeds: Iterable[int]) -> dict:
    """{(what, share of nonsense in training): {model: {pairs: [value for each seed]}}}.

    What is "accuracy", or the share of nonsense that wins: "plain words" (NONSENSE) or "spoilt" (SPOILT).
    """
    results = {
        (what, share): {name: {size: [] for size in SIZES} for name in COLORS}
        for what in ("accuracy", "plain words", "spoilt")
        for share in SHARES
    }
    backbones = {
        "SmolLM2": load_backbone(real_model("smollm2")),
        "MiniLM": load_backbone(real_model("minilm")),
    }
    for seed in seeds:
        parts = texts_of(seed)
        texts = [text for part in parts.values() for text in part]
        for model, backbone in backbones.items():
            start = time.process_time()
            with open_store(backbone, folder) as store:
                rows = embed(backbone, texts, len(texts), store, print)
                vectors = np.array(store.vectors()[rows.rows])
            if rows.new_tokens:
                rate = rows.new_tokens / (time.process_time() - start)
                print(
                    f"  seed {seed}, {model}: {rows.new_tokens:,} tokens, {rate:,.0f} tokens a second of CPU",
                    flush=True,
                )
            for number, pooling in enumerate(POOLINGS):
                name = f"{model}, {'last token' if pooling == 'last' else 'mean over tokens'}"
                if name in COLORS:
                    _hold(_differences(parts, vectors[:, number]), results, name)
        for size in SIZES:  # the vocabulary is that of the training pairs
            bags = bags_of_words([join_prompt(*text) for text in parts["train"][: 2 * size]], texts)
            _hold(_differences(parts, bags), results, "bag of words", [size])
    return results


def texts_of(seed: int) -> dict[str, list[tuple[str, str]]]:
    """(prompt, completion) of pairs, in turns the one that should win and the other.

    `train`; `garbled`, the nonsense made of each training pair; `accuracy`, test pairs of the other words; nonsense against
    plain explanations of those: `plain words` and `spoilt`.
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
    plain = [text for text in test[::2] if plain_words.jargon_share(text[1]) == 0][:EXPLANATIONS]
    draw = random.Random(seed)
    spoilt = [text for p, c in plain for spoil in SPOILT.values() for text in ((p, c), (p, spoil(c, draw)))]
    made = [text for p, c in train[::2] for text in ((p, c), (p, garbled(p, c)))]
    return {"train": train, "garbled": made, "accuracy": test, "plain words": odd, "spoilt": spoilt}


def bags_of_words(vocabulary: Sequence[str], texts: Sequence[tuple[str, str]]) -> np.ndarray:
    """(texts, words) float64: the share of each word; those outside the vocabulary are one word."""
    tokenizer = WordTokenizer.train(vocabulary)
    bags = np.zeros((len(texts), tokenizer.vocab_size))
    for bag, ids in zip(bags, tokenizer.encode([join_prompt(*text) for text in texts])[0], strict=True):
        for number, count in Counter(ids).items():
            bag[number] = count / len(ids)
    return bags


def _differences(parts: dict[str, list], vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Of each part (pairs, dim): the vector of what should win minus the other's."""
    values, start = {}, 0
    for name, texts in parts.items():
        part = vectors[start : (start := start + len(texts))]
        values[name] = part[::2] - part[1::2]
    return values


def _hold(values: dict[str, np.ndarray], results: dict, name: str, sizes: Sequence[int] = SIZES) -> None:
    """Fit on the first pairs, as `--tune head` does, and hold against test pairs and nonsense."""
    for size in sizes:
        rows = np.arange(size)
        for share in SHARES:
            made = nonsense_rows(rows, share)
            differences = Differences(np.concatenate([values["train"][:size], values["garbled"][made]]))
            penalty, _ = choose_penalty(differences, np.concatenate([rows, made]) % 5)
            weights = fit_linear_reward(differences, penalty).numpy()
            results["accuracy", share][name][size].append(float((values["accuracy"] @ weights > 0).mean()))
            for what in ("plain words", "spoilt"):
                results[what, share][name][size].append(float((values[what] @ weights < 0).mean()))


def draw(results: dict, path: Path) -> None:
    """Accuracy on unseen words and the share of nonsense that wins, against the number of pairs."""
    figure, (left, right) = plots.new_panels(2)
    without, default = SHARES
    for name, color in COLORS.items():
        usual = without if name == "bag of words" else default  # --nonsense goes with --backbone
        values = np.array(list(results["accuracy", usual][name].values()))  # (sizes, seeds)
        left.fill_between(SIZES, values.min(axis=1), values.max(axis=1), color=color, alpha=0.15, linewidth=0)
        left.plot(SIZES, values.mean(axis=1), color=color, marker="o", label=name)
        for share, line in ((without, ":"), (default, "-")):
            wins = np.mean(list(results["plain words", share][name].values()), axis=1)
            right.plot(SIZES, wins, color=color, marker="o", linestyle=line)
    left.axhline(0.5, color="black", linestyle=":", linewidth=1, label="guessing")
    left.set(ylabel="accuracy on unseen words", ylim=(0.4, 1.02))
    right.set(ylabel="share of nonsense that beats a plain text", ylim=(-0.02, 1.02))
    for line, text in (("-", "trained against nonsense, too"), (":", "trained on the pairs alone")):
        right.plot([], [], color="black", linestyle=line, label=text)
    for axis in (left, right):
        axis.set(xlabel="training pairs", xscale="log")
        axis.set_xticks(SIZES, SIZES)
        axis.minorticks_off()
    left.legend(fontsize=8, loc="lower right")
    right.legend(fontsize=8, loc="upper right")
    figure.suptitle("A pretrained backbone ranks words that no training pair had, and nonsense last")
    figure.savefig(path, dpi=120)
    plots.plt.close(figure)


if __name__ == "__main__":
    run(Path(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS)
