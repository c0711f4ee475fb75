"""Score completions with a trained reward model.

    python -m reward_lab.score --model out --input completions.jsonl
    echo '{"prompt": "What is rain?", "completions": ["Water.", "Precipitation."]}' | python -m reward_lab.score --model out
    echo 'Any text.' | python -m reward_lab.score --model out --plain --prompt 'What is rain?'

One JSON object a line comes in: `prompt` (may be left out) and `completion`, or `completions`, a list; text or
chat messages. One object for each completion goes out: `prompt`, `completion`, `score`, `rank`, `line`, `tokens`,
`unknown` and `truncated`. Completions of one prompt are put together, wherever they stand, and ranked, the best
first. Completions without a prompt stay in their order, and their `rank` is null.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import BinaryIO

from .text.rows import BadRow, kind, numbered_lines, parse_row, text_of
from .text.scoring import load_reward_model
from .text.spool import Spool


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reward_lab.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", required=True, help="folder that reward_lab.train or save_pretrained wrote"
    )
    parser.add_argument("--input", default="-", help="JSONL file; - is stdin, and the default")
    parser.add_argument("--output", default="-", help="JSONL file; - is stdout, and the default")
    parser.add_argument(
        "--plain", action="store_true", help="each line of the input is a completion, as it stands"
    )
    parser.add_argument("--prompt", default="", help="with --plain: the prompt of all lines")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.prompt and not arguments.plain:
        parser.error("--prompt goes with --plain; JSON rows have their own")
    try:
        model = load_reward_model(arguments.model, arguments.device)
        with _open(arguments.input, "rb") as file:
            read = _plain if arguments.plain else _rows
            spool = Spool(read(file, arguments.input, arguments.prompt))
        with _open(arguments.output, "wb") as file:
            for row in spool.scored(model):
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _open(name: str, mode: str):
    if name != "-":
        return open(name, mode)
    stream = sys.stdin.buffer if mode == "rb" else sys.stdout.buffer
    return open(stream.fileno(), mode, closefd=False)


def _rows(file: BinaryIO, name: str, _: str) -> Iterator[tuple[int, str, str]]:
    """Line number, prompt and completion."""
    for number, line in numbered_lines(file):
        try:
            row = parse_row(line)
            prompt = "" if row.get("prompt") is None else text_of(row, "prompt")
            for completion in _completions(row):
                yield number, prompt, completion
        except BadRow as error:
            raise ValueError(f"{name}, line {number}: {error}") from None


def _completions(row: dict) -> list[str]:
    if row.get("completions") is None:
        return [text_of(row, "completion")]
    if row.get("completion") is not None:
        raise BadRow("`completion` and `completions` in one row: keep one")
    if not isinstance(row["completions"], list):
        raise BadRow(f"`completions` must be a list, got {kind(row['completions'])}")
    return [text_of({"completions": one}, "completions") for one in row["completions"]]


def _plain(file: BinaryIO, name: str, prompt: str) -> Iterator[tuple[int, str, str]]:
    for number, line in numbered_lines(file):
        try:
            yield number, prompt, line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"{name}, line {number}: not UTF-8") from None


if __name__ == "__main__":
    sys.exit(main())
