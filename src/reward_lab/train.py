"""Train a reward model on a preference file.

    python -m reward_lab.train --train-file prefs.jsonl --dry-run
    python -m reward_lab.train --train-file prefs.jsonl --output-dir out

Writes into the output folder: the model (config.json, weights, tokenizer), metrics.json and training.png. An
interrupted run goes on when the same command is given again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import matplotlib
import torch

from . import plots
from .checkpoint import write_atomically
from .saving import read_config
from .text.formats import NAMES
from .text.preferences import Preferences, load_preferences
from .text.training import TextConfig, TextRun, train_on_preferences
from .text.understanding import describe

DEFAULTS = TextConfig()


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return _train(arguments)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on after the last whole epoch", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reward_lab.train",
        description="Train a reward model on a preference file (columns: prompt, chosen, rejected, margin).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--train-file", required=True, help="preference pairs, one a row")
    parser.add_argument("--output-dir", type=Path, help="folder for model, metrics and figure")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what is understood of the file; train nothing"
    )
    parser.add_argument("--format", choices=NAMES, help="convert the rows of a well-known data set")
    parser.add_argument("--eval-file", help="held-out pairs; without it, a tenth of the prompts is held out")
    parser.add_argument("--prompt-column", default="prompt", help="name of the column with the prompt")
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave out rows that can't be used")
    for name in (
        "seed",
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
        "patience",
        "vocab_size",
        "max_length",
    ):
        default = getattr(DEFAULTS, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=HELP[name]
        )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads; more are slower for a model this small"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, ...; auto is cuda where there is one")
    return parser


HELP = {
    "seed": "fixes initial weights and the order of batches",
    "epochs": "passes over the training pairs at most",
    "batch_size": "pairs per step",
    "learning_rate": "AdamW's step size",
    "weight_decay": "decoupled, as in AdamW",
    "patience": "stop after so many epochs without a lower held-out loss",
    "vocab_size": "words at most; rarer ones count as unknown",
    "max_length": "tokens that are kept of one text, from its end",
}


def _train(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    config = TextConfig(progress_bar=True, **{name: getattr(arguments, name) for name in HELP})
    folder = arguments.output_dir
    if arguments.dry_run:
        files = [_load(path, arguments) for path in (arguments.train_file, arguments.eval_file) if path]
        for line in describe(files[0], config, *files[1:]):
            print(line)
        return 0
    if folder is None:
        raise ValueError(
            "--output-dir is missing: the folder for model, metrics and figure (or try --dry-run)"
        )
    _require(folder, device)
    preferences = _load(arguments.train_file, arguments)
    held_out = _load(arguments.eval_file, arguments) if arguments.eval_file else None
    folder.mkdir(parents=True, exist_ok=True)
    run = train_on_preferences(preferences, held_out, config, device, folder)
    run.model.save_pretrained(folder)
    write_atomically(folder / "metrics.json", (json.dumps(run.metrics, indent=2) + "\n").encode())
    _draw(run, folder / "training.png")
    (folder / "checkpoint.pt").unlink(
        missing_ok=True
    )  # last: a run killed before this ends the same way again
    print(_table(run))
    print(f"model, metrics.json and training.png are in {folder}")
    return 0


def _require(folder: Path, device: str) -> None:
    """Raise ValueError, before any work, where the run could not be brought to its end."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: --output-dir is the folder for model, metrics and figure")
    if (folder / "config.json").exists():
        read_config(folder)  # raises for a model of another kind, which saving would not overwrite
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"--device {device}: this machine has none that torch can use ({str(error).splitlines()[0][:80]})"
        ) from None


def _load(path: str, arguments: argparse.Namespace) -> Preferences:
    start = time.perf_counter()
    preferences = load_preferences(path, arguments.skip_bad_rows, arguments.prompt_column, arguments.format)
    print(f"{preferences.report()} ({time.perf_counter() - start:.1f} s)", flush=True)
    return preferences


def _draw(run: TextRun, path: Path) -> None:
    matplotlib.use("agg")  # a file is wanted, not a window
    train, held_out = run.metrics["train"]["accuracy"], run.metrics["held_out"]["accuracy"]
    title = f"Best epoch {run.history.best_epoch}: training accuracy {train:.2f}, held-out accuracy {held_out:.2f}"
    figure = plots.plot_history(run.history, title, limit=None)
    for axis in figure.axes:
        axis.axvline(run.history.best_epoch, color=plots.GREY, linestyle="--", linewidth=1)
    figure.savefig(path, dpi=120)
    plots.plt.close(figure)


def _table(run: TextRun) -> str:
    lines = [
        f"best epoch {run.history.best_epoch} of {len(run.history.train_loss)}",
        f"{'':10} {'loss':>7} {'accuracy':>9} {'margin':>7} {'confidence':>11} {'calibration error':>18}",
    ]
    for name, title in (("train", "training"), ("held_out", "held-out")):
        m = run.metrics[name]
        lines.append(
            f"{title:10} {m['loss']:7.4f} {m['accuracy']:9.3f} {m['margin']:7.2f} {m['confidence']:11.3f} "
            f"{m['calibration_error']:18.3f}"
        )
    guess = run.metrics["guessing"]
    lines.append(
        f"{'guessing':10} {guess['loss']:7.4f} {guess['accuracy']:9.3f} {0:7.2f} {0.5:11.3f} {0:18.3f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
