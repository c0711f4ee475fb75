"""A file of many pairs through each command, in a process of its own: CPU time and peak memory.

python -m tests.bench memory                  # 1,000,000 pairs; about ten minutes on one core
python -m tests.bench.memory 100000           # so many pairs
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .text import TOKENS, write_preferences

PAIRS = 1_000_000
COMMANDS = {
    "dry run": ("train", "{pairs}", "--dry-run"),
    "train, 1 epoch": ("train", "{pairs}", "--output-dir", "{out}", "--epochs", "1"),
    "evaluate": ("evaluate", "--model", "{out}", "--file", "{pairs}", "--output-dir", "{out}/evaluation"),
    "score": ("score", "--model", "{out}", "--input", "{completions}", "--output", "{out}/scores.jsonl"),
}
"""Title -> module of reward_lab, and its arguments."""


def run(pairs: int = PAIRS) -> None:
    """Print what each command takes on a file of so many pairs, and on one of a tenth of it."""
    print(
        f"\nA large file: pairs of {TOKENS} tokens, each with a prompt; each command in a process of its own, one thread"
    )
    for count in (pairs // 10, pairs):
        with tempfile.TemporaryDirectory() as folder:
            for title, size, seconds, peak in measure(Path(folder), count):
                print(
                    f"  {count:9,d} pairs ({size:5,.0f} MiB)  {title:15s} {seconds:7,.1f} s of CPU, "
                    f"peak memory {peak:6,.0f} MiB",
                    flush=True,
                )


def measure(folder: Path, pairs: int) -> Iterator[tuple[str, float, float, float]]:
    """(title, MiB of the pairs' file, CPU seconds, peak MiB) of each command."""
    path = folder / "pairs.jsonl"
    write_preferences(path, pairs)
    completions = folder / "completions.jsonl"
    with path.open() as read, completions.open("w") as write:
        for row in map(json.loads, read):
            texts = {"prompt": row["prompt"], "completions": [row["chosen"], row["rejected"]]}
            write.write(json.dumps(texts) + "\n")
    names = {"pairs": path, "completions": completions, "out": folder / "out"}
    for title, (module, *arguments) in COMMANDS.items():
        command = [f"reward_lab.{module}", *(argument.format(**names) for argument in arguments)]
        seconds, peak = spent(command)
        yield title, path.stat().st_size / 2**20, seconds, peak


def spent(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of `python -m command`. Raises RuntimeError with what it wrote if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory", "--child", *command],
        env=environment,
        capture_output=True,
        text=True,
    )
    if child.returncode != 0:
        raise RuntimeError(child.stderr[-2000:])
    return tuple(json.loads(child.stderr.splitlines()[-1]))


def _child(module: str, arguments: list[str]) -> None:
    """Run a command here; the last line on stderr is what it took."""
    import runpy

    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]), file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], sys.argv[3:])
    else:
        run(*map(int, sys.argv[1:]))
