"""Say what there is.

python -m reward_lab
"""

import ast
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMMANDS = ("train", "evaluate", "score", "language.real")
ROOMS = ("text", "statistics", "language", "rlhf", "checks", "lessons")
OPTIONAL = {
    "tokenizers": ("text", "one's own preferences"),
    "transformers": ("ecosystem", "--backbone, the last sections of lessons 4 and 8"),
    "trl": ("ecosystem", "--tune lora and --tune full, the last section of lesson 8"),
    "peft": ("real", "--tune lora"),
}
"""Package -> (the extra that brings it, what it is for)."""


def overview() -> str:
    """The version, the commands, the lessons, the rooms and the optional packages, as text."""
    try:
        version, address = importlib.metadata.version("reward-lab"), _repository()
    except importlib.metadata.PackageNotFoundError:
        version, address = "(not installed)", ""
    lessons = sorted((HERE / "lessons").glob("lesson[0-9][0-9]"))
    return "\n".join(
        [
            f"reward-lab {version}, in {HERE}",
            "",
            "Commands (--help says how):",
            *(f"  python -m reward_lab.{name:14} {_first_line(name)}" for name in COMMANDS),
            "",
            f"Lessons, as notebooks{' in ' + address + ', folder notebooks' if address else ''}:",
            *(f"  {_first_line(f'lessons.{folder.name}')}" for folder in lessons),
            "",
            "In Python: import reward_lab as rl, and by name",
            *(f"  reward_lab.{room:11} {_first_line(room)}" for room in ROOMS),
            "",
            "Optional packages:",
            *(f"  {name:13} {_state(name, extra)}; for {use}" for name, (extra, use) in OPTIONAL.items()),
        ]
    )


def _state(package: str, extra: str) -> str:
    return "here" if importlib.util.find_spec(package) else f"missing: pip install 'reward-lab[{extra}]'"


def _repository() -> str:
    addresses = importlib.metadata.metadata("reward-lab").get_all("Project-URL") or []
    return next((a.partition(", ")[2] for a in addresses if a.startswith("Repository, ")), "")


def _first_line(module: str) -> str:
    """The first line of a module's docstring, without importing it."""
    path = HERE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    print(overview())
    sys.exit(0)
