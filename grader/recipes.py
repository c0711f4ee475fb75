"""What is left of a lesson's checks in a worker: the recipes of their probes. Cases and right answers stay outside.

A recipe is registered by a statement at the top of a module that names RECIPES. It is kept, with the definitions and
imports that it needs, in whatever module of the checks they stand.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping

from .names import bound_by

CHECKS_ELSEWHERE = '''

class _Elsewhere:
    """Stands for an exercise: its check runs where no code of a student does."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *_arguments, **_named):
        print(f"check.{self.name}: the grader asks it, outside of this process")


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _Elsewhere(name)
'''


def only_recipes(texts: Mapping[str, str]) -> dict[str, str]:
    """Module -> what is left of its source. All modules of all lessons' checks at once: one may import from another.

    Args:
        texts: module -> source.
    """
    trees = {module: ast.parse(text).body for module, text in texts.items()}
    kept: dict[str, set[int]] = defaultdict(set)
    wanted = [
        (module, number)
        for module, body in trees.items()
        for number, node in enumerate(body)
        if not isinstance(node, _BINDING) and "RECIPES" in _names_in(node)
    ]
    while wanted:
        module, number = wanted.pop()
        if number in kept[module]:
            continue
        kept[module].add(number)
        node = trees[module][number]
        for other, name in _needed(module, node, texts):
            wanted += [(other, n) for n, made in enumerate(trees[other]) if name in bound_by(made)]
    left = {}
    for module, body in trees.items():
        nodes = [body[number] for number in sorted(kept[module])]
        left[module] = ast.unparse(ast.Module(nodes, [])) + "\n" if nodes else ""
    for module in texts:
        if module.endswith(".checks"):
            parts = sorted(other for other in kept if other.startswith(f"{module}.") and kept[other])
            left[module] += "".join(f"import {part}\n" for part in parts) + CHECKS_ELSEWHERE
    return left


_BINDING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def _names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _needed(module: str, node: ast.stmt, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(module, name) of what a statement refers to: in its own module, or in another one of the checks."""
    if not isinstance(node, ast.ImportFrom):
        for name in _names_in(node):
            yield module, name
        return
    base = node.module or ""
    if node.level:
        package = f"{module}.__init__" if any(t.startswith(f"{module}.") for t in texts) else module
        above = package.split(".")[: -node.level]
        base = ".".join([*above, base]) if base else ".".join(above)
    for alias in node.names:
        if base in texts:
            yield base, alias.name
