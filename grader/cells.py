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


FENCE = re.compile(r"\s*```[\w-]*\n(.*?)\n?```\s*", re.DOTALL)


def code_in(text: str) -> str:
    """A text without the fence around code, if there is one."""
    fenced = FENCE.fullmatch(text)
    return fenced.group(1) if fenced else text


def bound_names(source: str) -> set[str]:
    """Names that a cell binds at its top level, inside conditions, loops and `with` too; none if it does not parse."""
    tree = parse_cell(source)
    names, waiting = set(), list(tree.body) if tree else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {
                part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)
            }
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            waiting += [
                child
                for child in ast.iter_child_nodes(node)
                if isinstance(child, (ast.stmt, ast.excepthandler))
            ]
    return names


def defined_names(source: str) -> set[str]:
    """Functions and classes that a cell defines at its top level; none if it does not parse."""
    tree = parse_cell(source)
    if tree is None:
        return set()
    return {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
