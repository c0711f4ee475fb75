"""Held-out accuracy, training speed, import time and the lesson's length."""

import os
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader

import reward_lab as rl
from grader.build import ROOT, lesson_sources, read_source
from grader.headless import execute
from reward_lab.lessons.lesson01 import experiments as recipes

SEEDS = range(5)


def run() -> None:
    held_out_accuracies()
    speeds()
    import_time()
    lesson_times()


def held_out_accuracies() -> None:
    print(
        "\nHeld-out accuracy on 5,000 new pairs after training on 2,000 (five seeds: mean, lowest to highest)"
    )
    torch.set_num_threads(1)
    rows = {
        "usual recipe": recipes.USUAL,
        "fresh pairs every epoch": recipes.FRESH_PAIRS,
        "weight decay 3": recipes.WEIGHT_DECAY,
        "embeddings start at 0.02": recipes.SMALL_START,
        "small start, decay 5, batch 500": recipes.BEST,
    }
    for name, recipe in rows.items():
        runs = [recipes.run_recipe(recipe, seed)[1] for seed in SEEDS]
        training = statistics.mean(run.train_accuracy[-1] for run in runs)
        _row(name, [run.held_out_accuracy[-1] for run in runs], f"training accuracy {training:.3f}")
    linear = []
    for seed in SEEDS:
        pairs = rl.SyntheticPreferenceDataset(
            recipes.NUM_PAIRS, recipes.SEQ_LEN, recipes.VOCAB_SIZE, seed=seed
        ).pairs
        weights = rl.fit_linear_bradley_terry(*pairs, vocab_size=recipes.VOCAB_SIZE)
        scores = (rl.linear_reward(weights, part) for part in recipes.held_out_pairs(seed))
        linear.append(rl.preference_accuracy(*scores))
    _row("linear Bradley-Terry fit", linear)


def _row(name: str, values: list[float], rest: str = "") -> None:
    mean = statistics.mean(values)
    print(f"  {name:34s} {mean:.3f} ({min(values):.3f} to {max(values):.3f})  {rest}", flush=True)


class UsualModel(nn.Module):
    """The same model as usual tutorials write it: all embeddings, then their mean."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(recipes.VOCAB_SIZE, recipes.EMBED_DIM)
        self.layers = nn.Sequential(
            nn.Linear(recipes.EMBED_DIM, recipes.HIDDEN_DIM), nn.ReLU(),
            nn.Linear(recipes.HIDDEN_DIM, recipes.HIDDEN_DIM), nn.ReLU(),
            nn.Linear(recipes.HIDDEN_DIM, 1),
        )  # fmt: skip

    def forward(self, token_ids):
        return self.layers(self.embedding(token_ids).mean(dim=1)).squeeze(-1)


def usual_loop(items: list[dict[str, torch.Tensor]], batch_size: int) -> None:
    """One epoch in the usual way: a dict for every item, two forward passes, a number taken out at every step."""
    model = UsualModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses, correct = [], 0
    for batch in DataLoader(items, batch_size=batch_size, shuffle=True):
        preferred, rejected = model(batch["preferred"]), model(batch["rejected"])
        loss = -nn.functional.logsigmoid(preferred - rejected).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        correct += (preferred > rejected).sum().item()


def our_loop(world: rl.SyntheticPreferenceDataset, batch_size: int) -> None:
    """One epoch of train_reward_model, with its evaluation of all training pairs after the epoch."""
    model = rl.RewardModel(recipes.VOCAB_SIZE, recipes.EMBED_DIM, recipes.HIDDEN_DIM)
    few = tuple(part[:32] for part in world.pairs)
    rl.train_reward_model(model, world, few, rl.TrainConfig(epochs=1, batch_size=batch_size, log_every=0))


def speeds() -> None:
    print("\nTraining speed in pairs per second, one epoch, median of five, side by side")
    print(f"  {'threads':>7s} {'batch':>6s} {'usual loop':>11s} {'reward_lab':>11s} {'times':>6s}", end="")
    print("   times the usual loop at batch 32")
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        usual_at_32 = None
        for batch_size, pairs in ((32, 4096), (2048, 20480)):
            world = rl.SyntheticPreferenceDataset(pairs, recipes.SEQ_LEN, recipes.VOCAB_SIZE, seed=0)
            data = {usual_loop: [world[i] for i in range(pairs)], our_loop: world}
            rates = {loop: [] for loop in data}
            for _ in range(6):
                for loop, given in data.items():
                    start = time.perf_counter()
                    loop(given, batch_size)
                    rates[loop].append(pairs / (time.perf_counter() - start))
            # The first of each warms up.
            usual, ours = (statistics.median(measured[1:]) for measured in rates.values())
            usual_at_32 = usual_at_32 or usual
            print(f"  {threads:7d} {batch_size:6d} {usual:11,.0f} {ours:11,.0f} {ours / usual:5.2f}x", end="")
            print(f"   {ours / usual_at_32:5.2f}x", flush=True)
    torch.set_num_threads(1)


def import_time() -> None:
    code = (
        "import torch, numpy, matplotlib.pyplot, time; t = time.perf_counter(); import reward_lab; "
        "print(time.perf_counter() - t)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    print(
        f"\nimport reward_lab after torch, numpy and matplotlib.pyplot: {statistics.median(times):.3f} s (median of five)"
    )


def lesson_times() -> None:
    print("\nLessons, executed headless with their answers, seconds of CPU")
    for name, path in lesson_sources().items():
        notebook = read_source(path)
        before = os.times()
        execute(notebook, ROOT)
        spent = os.times()
        seconds = spent.children_user + spent.children_system - before.children_user - before.children_system
        print(f"  {name:30s} {seconds:5.1f} s", flush=True)
