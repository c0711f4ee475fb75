"""Real preferences for the Colab-only section: a data set by its name on the hub, or a file of the same form."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from reward_lab import evaluate as evaluate_command
from reward_lab import train as train_command


def train_and_evaluate(
    data: str,
    backbone: str,
    folder: Path,
    rows: int = 500,
    by: str | None = None,
    say: Callable[[str], object] = print,
) -> int:
    """Train a head on the preferences of a data set, split by prompt, and evaluate it on a held-out tenth.

    Args:
        data: a name on the hub, whose `train` split has the columns `chosen` and `rejected`, or a file.
        backbone: a folder or a name on the hub.
        folder: where the model and its evaluation go.
        rows: of the data set, from the beginning.
        by: a column to evaluate by.

    Returns:
        0 where both commands ended well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        trained, held_out = (Path(place) / f"{name}.jsonl" for name in ("train", "held_out"))
        split_by_prompt(data, rows, trained, held_out)
        model = folder / "model"
        status = train_command.main(
            [
                "--train-file",
                str(trained),
                "--output-dir",
                str(model),
                "--backbone",
                backbone,
                "--tune",
                "head",
            ]
        )
        if status:
            return status
        asked = ["--model", str(model), "--file", str(held_out), "--train-file", str(trained)]
        return evaluate_command.main([*asked, "--by", by] if by else asked)


def split_by_prompt(data: str, rows: int, trained: Path, held_out: Path) -> tuple[int, int]:
    """Write nine tenths of the prompts to one file and a tenth to another; how many rows each got."""
    from datasets import load_dataset

    loaded = (
        load_dataset("json", data_files=data, split="train")
        if Path(data).exists()
        else load_dataset(data, split="train")
    )
    loaded = loaded.select(range(min(rows, len(loaded))))
    prompts = [_prompt(row) for row in loaded]
    names = list(dict.fromkeys(prompts))
    kept = {name for number, name in enumerate(names) if number % 10 == 9}
    parts = (
        [i for i, p in enumerate(prompts) if p not in kept],
        [i for i, p in enumerate(prompts) if p in kept],
    )
    for part, file in zip(parts, (trained, held_out), strict=True):
        loaded.select(part).to_json(file)
    return len(parts[0]), len(parts[1])


def _prompt(row: dict) -> str:
    """What a row is about: its prompt, or, where that stands inside the texts, all messages but the last."""
    if row.get("prompt"):
        return str(row["prompt"])
    chosen = row["chosen"]
    return str(chosen[:-1]) if isinstance(chosen, list) else chosen.rpartition("\n\nAssistant:")[0]
