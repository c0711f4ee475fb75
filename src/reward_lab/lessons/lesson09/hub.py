"""Real preferences for the Colab-only section: a data set by its name on the hub, or a file of the same form."""

import json
import tempfile
from pathlib import Path

from reward_lab import evaluate as evaluate_command
from reward_lab import train as train_command
from reward_lab.text.preferences import load_preferences
from reward_lab.text.splitting import held_out_rows

SHARE = 0.1
"""Of the pairs that are held out."""


def train_and_evaluate(data: str, backbone: str, folder: Path, rows: int = 500, by: str | None = None) -> int:
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
    with tempfile.TemporaryDirectory() as place:
        trained, held_out = split_by_prompt(data, rows, Path(place))
        model = str(folder / "model")
        asked = [
            "--train-file",
            str(trained),
            "--output-dir",
            model,
            "--backbone",
            backbone,
            "--tune",
            "head",
        ]
        status = train_command.main(asked)
        if status:
            return status
        asked = ["--model", model, "--file", str(held_out), "--train-file", str(trained)]
        asked += ["--output-dir", str(folder / "evaluation"), *(["--by", by] if by else [])]
        return evaluate_command.main(asked)


def split_by_prompt(data: str, rows: int, folder: Path) -> tuple[Path, Path]:
    """Write the pairs into two files of a folder, nine tenths and a tenth, as `python -m reward_lab.train` splits them.

    Raises:
        ValueError: a row can't be used, or the pairs can't be split by prompt.
    """
    from datasets import load_dataset

    a_file = Path(data).exists()
    loaded = (
        load_dataset("json", data_files=data, split="train") if a_file else load_dataset(data, split="train")
    )
    everything = folder / "all.jsonl"
    loaded.select(range(min(rows, len(loaded)))).to_json(everything)
    preferences = load_preferences(everything)
    split = held_out_rows(preferences, SHARE, len(preferences))
    for warning in split.warnings:
        print(f"warning: {warning}")
    files = folder / "train.jsonl", folder / "held_out.jsonl"
    with files[0].open("w", encoding="utf-8") as trained, files[1].open("w", encoding="utf-8") as held_out:
        for out, (row, _) in zip(split.held_out, preferences.with_rows(), strict=True):
            (held_out if out else trained).write(json.dumps(row) + "\n")
    return files
