"""Evaluate a trained reward model on labelled preferences.

    python -m reward_lab.evaluate --model out --file pairs.jsonl
    python -m reward_lab.evaluate --model out --file pairs.jsonl --by source --against other --train-file prefs.jsonl

The file is a preference file as for reward_lab.train; RewardBench's and RewardBench 2's rows work as they are. Writes
evaluation.json and evaluation.png into the output folder. Intervals count prompts: pairs of one prompt are no
independent witnesses.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib
import torch

from .checkpoint import write_atomically
from .text.evaluation import Labelled, evaluate, trained_on
from .text.evaluation_figure import plot_evaluation
from .text.formats import NAMES
from .text.scorer import load_scorer


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return _evaluate(arguments)
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reward_lab.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", required=True, help="folder that reward_lab.train or save_pretrained wrote"
    )
    parser.add_argument("--file", required=True, help="labelled preferences")
    parser.add_argument(
        "--by", metavar="COLUMN", help="accuracy for each value of a column (default: subset)"
    )
    parser.add_argument("--against", metavar="FOLDER", help="a second model, for a paired test")
    parser.add_argument(
        "--train-file", help="what the model was trained on: rows that share a prompt are warned of"
    )
    parser.add_argument("--format", choices=NAMES, help="convert the rows of a well-known data set")
    parser.add_argument("--prompt-column", default="prompt", help="name of the column with the prompt")
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave out rows that can't be used")
    parser.add_argument("--output-dir", default="evaluation", type=Path, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    return parser


def _evaluate(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    folder = arguments.output_dir
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"{folder} is a file: --output-dir is the folder for evaluation.json and evaluation.png"
        )
    names = [arguments.model, *([arguments.against] if arguments.against else [])]
    if len({Path(name).resolve() for name in names}) < len(names):
        raise ValueError(f"--against {arguments.against} is the model itself: give another folder")
    scorers = {name: load_scorer(name, arguments.device) for name in names}
    labelled = Labelled(arguments.file, arguments.prompt_column, arguments.format, arguments.skip_bad_rows)
    report = evaluate(labelled, scorers, arguments.by, arguments.train_file)
    report["warnings"] += [warning for name in names for warning in trained_on(name, labelled)]
    print("\n".join(lines(report)))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "evaluation.json", (json.dumps(report, indent=2) + "\n").encode())
    matplotlib.use("agg")  # a file is wanted, not a window
    plot_evaluation(report).savefig(folder / "evaluation.png", dpi=120)
    print(f"evaluation.json and evaluation.png are in {folder}")
    return 0


def lines(report: dict) -> list[str]:
    """A report in words."""
    left_out = "".join(f"; left out: {count:,} {reason}" for reason, count in report["left_out"].items())
    found = [f"{report['rows']:,} rows of {report['prompts']:,} prompts from {report['file']}{left_out}"]
    found += [f"warning: {warning}" for warning in report["warnings"]]
    found += ["", f"{'accuracy':28} {_span(report['accuracy'])}   (95 % interval, counting prompts)"]
    found += [
        f"  {name[:26]:26} {_span(one)}   {one['rows']:,} rows"
        for name, one in report.get("subsets", {}).items()
    ]
    if "subsets" in report:
        found += [f"  {'mean over ' + report['by']:26} {report['mean_of_subsets']:.3f}"]
    if report["ties"]:
        half = report["accuracy_with_ties_half"]
        found.append(
            f"{'ties':28} {report['ties']:,}; counted as half right, not as wrong: accuracy {half:.3f}"
        )
    if style := report.get("style"):
        found += [f"{'by style':28} " + ", ".join(f"{name} {value:.3f}" for name, value in style.items())]
    if sure := report.get("calibration"):
        warm = "" if sure["temperature"] is None else f"; best temperature {sure['temperature']:.2f}"
        found += [
            f"{'calibration error':28} {sure['ece']:.3f}, by chance {sure['ece_by_chance']:.3f}; confidence "
            f"{sure['confidence']:.3f}, Brier {sure['brier']:.3f}{warm}"
        ]
    found += _length(report["length"]) if "length" in report else []
    return found + (_against(report["against"]) if "against" in report else [])


def _length(found: dict) -> list[str]:
    def accuracy(name: str) -> str:
        return "none" if found[name] is None else f"{found[name]:.3f}"

    said = []
    if found["excess"]:
        said.append(
            f"{'longer one ranked first':28} {found['model_prefers_longer']:.1%}, right in {found['right_is_longer']:.1%}: "
            f"{_signed(found['excess'], 100)} points more often than right"
        )
        said.append(
            f"{'accuracy by length':28} {accuracy('accuracy_where_longer')} where the right one is longer, "
            f"{accuracy('accuracy_where_shorter')} where shorter, "
            f"{accuracy('accuracy_at_equal_length')} fitted at equal length"
        )
    if found["slope"] is not None:
        said.append(
            f"{'reward for a word more':28} {found['slope']:+.4f} (standard error {found['slope_se']:.4f})"
        )
    if found["edit"]:
        said.append(
            f"{'last sentence said twice':28} {_signed(found['edit'])} reward; above 0 the model pays for length"
        )
    return said


def _against(other: dict) -> list[str]:
    return [
        "",
        f"{'against ' + other['model'][-20:]:28} {_span(other['accuracy'])}",
        f"{'  difference':28} {_signed(other['difference'])}; {other['only_first_right']:,} rows better, "
        f"{other['only_second_right']:,} worse; p {other['p']:.4f} ({other['test']})",
    ]


def _span(one: dict) -> str:
    return f"{one['value']:.3f}" + ("" if one["low"] is None else f" ({one['low']:.3f} to {one['high']:.3f})")


def _signed(one: dict, times: float = 1) -> str:
    digits = 1 if times > 1 else 3
    text = f"{one['value'] * times:+.{digits}f}"
    return (
        text
        if one["low"] is None
        else f"{text} ({one['low'] * times:+.{digits}f} to {one['high'] * times:+.{digits}f})"
    )


if __name__ == "__main__":
    sys.exit(main())
