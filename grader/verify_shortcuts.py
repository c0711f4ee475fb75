"""Whether an answer refers to the package's own version of what it was to write: a nudge, no defence."""

import ast
from collections.abc import Collection

from .cells import parse_cell


def calls_the_packages_own(source: str, name: str, packages: Collection[str] = ("reward_lab",)) -> bool:
    """Whether code refers to `name` as something that is imported from one of the packages, or as an attribute."""
    tree = parse_cell(source)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in packages:
            if any(alias.name == name for alias in node.names):
                return True
        elif isinstance(node, ast.Attribute) and node.attr == name:
            return not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    return False
