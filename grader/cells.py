"""What a cell of a lesson is, and what a cell's source defines."""

import ast
import functools
import re
from collections.abc import Mapping


def is_answer(cell: Mapping) -> bool:
    """Whether the student writes in this cell of the lesson."""
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


def is_check(cell: Mapping) -> bool:
    """Whether this cell of the lesson checks an answer by itself."""
    nbgrader = cell["metadata"].get("nbgrader", {})
    return bool(nbgrader.get("grade")) and not nbgrader.get("solution")


@functools.lru_cache(maxsize=1024)
def parse_cell(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None if it has none."""
    try:
        # Magics and shell lines are no Python. They stand on lines of their own, so blank those.
        return ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defined_names(source: str) -> set[str]:
    """Functions and classes that a cell defines at its top level; none if it does not parse."""
    tree = parse_cell(source)
    if tree is None:
        return set()
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
