"""Train a reward model on a preference file.

    python -m reward_lab.train --train-file prefs.jsonl --dry-run
    python -m reward_lab.train --train-file prefs.jsonl --output-dir out
    python -m reward_lab.train prefs.jsonl --output-dir out --backbone NAME_OR_FOLDER --tune head

The first trains a bag of words, in seconds. The second makes a reward model of a pretrained language model. Each writes
into the output folder: the model, metrics.json and training.png. An interrupted run goes on when the same command is given
again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from .checkpoint import write_atomically
from .saving import read_config
from .text.backbone_run import TUNES, BackboneConfig, require_folder, train_on_backbone
from .text.formats import NAMES
from .text.preferences import Preferences, load_preferences
from .text.run_figures import draw_backbone, draw_epochs
from .text.scoring import require_device
from .text.training import TextConfig, train_on_preferences
from .text.understanding import describe

DEFAULTS, BACKBONE = TextConfig(), BackboneConfig("")


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
    parser.add_argument("file", nargs="?", default=argparse.SUPPRESS, help="the same as --train-file")
    parser.add_argument("--train-file", default=argparse.SUPPRESS, help="preference pairs, one a row")
    parser.add_argument("--output-dir", type=Path, help="folder for model, metrics and figure")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what is understood of the file; train nothing"
    )
    parser.add_argument("--format", choices=NAMES, help="convert the rows of a well-known data set")
    parser.add_argument("--eval-file", help="held-out pairs; without it, a tenth of the prompts is held out")
    parser.add_argument("--prompt-column", default="prompt", help="name of the column with the prompt")
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave out rows that can't be used")
    for name, text in HELP.items():
        default, other = getattr(DEFAULTS, name), getattr(BACKBONE, name, "not used")
        text += f" (default: {default}; with --backbone: {'by --tune' if other is None else other})"
        kind = type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, help=text)
    parser.add_argument(
        "--threads",
        type=int,
        default=argparse.SUPPRESS,
        help="CPU threads (default: 1, more are slower for a bag of words; with --backbone: all)",
    )
    group = parser.add_argument_group("a pretrained backbone")
    group.add_argument(
        "--backbone", default=argparse.SUPPRESS, help="a causal language model: folder, or name on the hub"
    )
    for name, text in BACKBONE_HELP.items():
        default = getattr(BACKBONE, name)
        text += f" (default: {default})"
        group.add_argument(f"--{name}", type=type(default), default=argparse.SUPPRESS, help=text)
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

BACKBONE_HELP = {
    "tune": f"one of {', '.join(TUNES)}: fit a linear head exactly, or train low-rank adapters or all weights with TRL",
    "pooling": "last: the last token, as transformers' classifiers read it; mean: the mean over tokens, whose folder "
    "loads with trust_remote_code=True",
    "template": "own: the model's chat template; plain: prompt, line break, completion; auto: own where every pair has a "
    "prompt",
    "dtype": "float32 or bfloat16 to compute in; auto: bfloat16 on a GPU that has it, else float32",
    "nonsense": "pairs made for each training pair, 0 to 1: its preferred answer against its own words, garbled",
}


def _train(arguments: argparse.Namespace) -> int:
    given = vars(arguments)
    files = [given[name] for name in ("file", "train_file") if name in given]
    if len(files) != 1:
        raise ValueError("one preference file is needed, as FILE or as --train-file FILE")
    with_backbone = "backbone" in given
    if "threads" in given or not with_backbone:
        torch.set_num_threads(given.get("threads", 1))
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = arguments.output_dir
    config = _config(given)
    if arguments.dry_run:
        sets = [_load(path, arguments) for path in (*files, arguments.eval_file) if path]
        words = TextConfig(max_length=config.max_length) if with_backbone else config
        for line in describe(sets[0], words, *sets[1:]):
            print(line)
        return 0
    if folder is None:
        raise ValueError(
            "--output-dir is missing: the folder for model, metrics and figure (or try --dry-run)"
        )
    _require(folder, device, with_backbone)
    preferences = _load(files[0], arguments)
    held_out = _load(arguments.eval_file, arguments) if arguments.eval_file else None
    folder.mkdir(parents=True, exist_ok=True)
    if with_backbone:
        return _train_backbone(preferences, held_out, config, folder, device)
    run = train_on_preferences(preferences, held_out, config, device, folder)
    run.model.save_pretrained(folder)
    write_atomically(folder / "metrics.json", (json.dumps(run.metrics, indent=2) + "\n").encode())
    draw_epochs(run.history, run.metrics, folder / "training.png")
    (folder / "checkpoint.pt").unlink(
        missing_ok=True
    )  # last: a run killed before this ends the same way again
    print(f"best epoch {run.history.best_epoch} of {len(run.history.train_loss)}")
    print(_table(run.metrics))
    print(f"model, metrics.json and training.png are in {folder}")
    return 0


def _config(given: dict) -> TextConfig | BackboneConfig:
    """Settings from the options that were given. Raises ValueError for one that has no effect."""
    chosen = {name: given[name] for name in (*HELP, *BACKBONE_HELP, "backbone") if name in given}
    if "backbone" not in given:
        unused = [name for name in chosen if name in BACKBONE_HELP]
        if unused:
            raise ValueError(f"--{unused[0]} goes with --backbone")
        return TextConfig(progress_bar=True, **chosen)
    tune = chosen.get("tune", BACKBONE.tune)
    of_training = ("epochs", "batch_size", "learning_rate", "weight_decay", "patience", "seed")
    unused = [name for name in chosen if name == "vocab_size" or (tune == "head" and name in of_training)]
    if unused:
        raise ValueError(
            f"--{unused[0].replace('_', '-')} has no effect with --backbone --tune {tune}"
            + (", which is fitted exactly" if tune == "head" else "")
        )
    return BackboneConfig(**chosen)


def _train_backbone(
    preferences: Preferences, held_out: Preferences | None, config: BackboneConfig, folder: Path, device: str
) -> int:
    run = train_on_backbone(
        preferences, held_out, config, folder, device, lambda line: print(line, flush=True)
    )
    write_atomically(folder / "metrics.json", (json.dumps(run.metrics, indent=2) + "\n").encode())
    draw_backbone(run, folder / "training.png")
    print(_table(run.metrics))
    print(f"model, metrics.json and training.png are in {folder}")
    print(run.spent)
    return 0


def _require(folder: Path, device: str, backbone: bool) -> None:
    """Raise ValueError, before any work, where the run could not be brought to its end."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: --output-dir is the folder for model, metrics and figure")
    if backbone:
        require_folder(folder)
    elif (folder / "config.json").exists():
        read_config(folder)  # raises for a model of another kind, which saving would not overwrite
    require_device(device)


def _load(path: str, arguments: argparse.Namespace) -> Preferences:
    start = time.perf_counter()
    preferences = load_preferences(path, arguments.skip_bad_rows, arguments.prompt_column, arguments.format)
    print(f"{preferences.report()} ({time.perf_counter() - start:.1f} s)", flush=True)
    return preferences


def _table(metrics: dict) -> str:
    lines = [
        f"{'':10} {'loss':>7} {'accuracy':>9} {'margin':>7} {'confidence':>11} {'calibration error':>18}",
    ]
    for name, title in (("train", "training"), ("held_out", "held-out")):
        m = metrics[name]
        lines.append(
            f"{title:10} {m['loss']:7.4f} {m['accuracy']:9.3f} {m['margin']:7.2f} {m['confidence']:11.3f} "
            f"{m['calibration_error']:18.3f}"
        )
    guess = metrics["guessing"]
    lines.append(
        f"{'guessing':10} {guess['loss']:7.4f} {guess['accuracy']:9.3f} {0:7.2f} {0.5:11.3f} {0:18.3f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
