"""The reference: a page for each room of the package, which Sphinx fills from the docstrings."""

import ast
from pathlib import Path

ROOMS = {
    "core": "The core: encoder, reward model, loss, data, training",
    "text": "Your own preferences: files, training, scoring, evaluation",
    "statistics": "Statistics: Bradley-Terry, errors, ties, noise, calibration",
    "language": "Language: a grammar, a small transformer, pretrained backbones",
    "rlhf": "RLHF: worlds, policies, PPO, best-of-n, DPO",
    "checks": "Checks: how an answer is judged",
}
COMMANDS = ("train", "score", "evaluate", "__main__")


def reference_pages(package: Path) -> dict[str, str]:
    """Path among the pages -> Markdown, for every room.

    Args:
        package: the folder of `reward_lab`.
    """
    pages = {f"api/{room}.md": _page(title, room_modules(package, room)) for room, title in ROOMS.items()}
    listed = "\n".join(ROOMS)
    pages["api/index.md"] = (
        "# Reference\n\n`import reward_lab as rl` gives what lesson 1 and one's own preferences need. "
        f"Every other room is imported by name.\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return pages


def room_modules(package: Path, room: str) -> list[str]:
    """The modules of a room that define something public, by name."""
    files = package.glob("*.py") if room == "core" else (package / room).rglob("*.py")
    names = []
    for file in sorted(files):
        if file.stem != "__init__" and file.stem not in COMMANDS and _public(file):
            names.append(".".join(("reward_lab", *file.relative_to(package).with_suffix("").parts)))
    return names


def _public(file: Path) -> bool:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    defined = (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    return any(not node.name.startswith("_") for node in defined)


def _page(title: str, modules: list[str]) -> str:
    parts = [f"# {title}\n"]
    for module in modules:
        name = module.removeprefix("reward_lab.")
        parts.append(f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n")
    return "\n".join(parts)
