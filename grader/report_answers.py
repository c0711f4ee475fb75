"""Answers of a class that are alike, for teaching: "three ways in which you solved this".

Alike means: the same program, once comments, types, texts and the names that a student chose are taken away. Most short
answers are alike by nature. So this is no evidence of copying, and no student is named.
"""

import ast
import builtins
import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .cells import bound_names, code_in, parse_cell

MOST_WAYS = 3
FEWEST = 2
"""Students in a way that is shown. A single answer may hold what only its author would write."""
MAX_SOURCE = 20_000
CUSTOMARY = frozenset(("np", "nn", "F", "plt", "torch", "math", "self", "cls"))
HIDDEN = "..."


@dataclass(frozen=True)
class Way:
    """Answers that are the same program: its code, how many students wrote it, how many of them got full points."""

    code: str
    students: int
    full: int


def ways_of(
    course: Path, lesson: str, pristine: NotebookNode, names: list[str], full: Mapping[str, set[str]]
) -> dict[str, list[Way]]:
    """Exercise -> the commonest ways in which the class wrote it.

    Args:
        course, lesson: where autograded notebooks lie.
        pristine: the lesson as it was handed out.
        names: the exercises.
        full: student -> the exercises with all points, for each student that was graded.
    """
    words = frozenset(re.findall(r"\w+", "\n".join(cell.source for cell in pristine.cells)))
    stubs = {cell.id: cell.source for cell in pristine.cells if cell.id in names}
    empty = {name: normalised(stubs.get(name, ""), name, words, stubs.get(name, "")) for name in names}
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    solved: dict[str, Counter[str]] = defaultdict(Counter)
    for student, done in full.items():
        file = course / "autograded" / student / lesson / f"{lesson}.ipynb"
        if not file.exists():
            continue
        cells = nbformat.from_dict(nbformat.read(file, nbformat.NO_CONVERT)).cells
        bound = [(bound_names(code_in(cell.source)), cell) for cell in cells if cell.cell_type == "code"]
        for name in names:
            sources = [code_in(cell.source) for found, cell in bound if name in found]
            written = [normalised(source, name, words, stubs.get(name, "")) for source in sources]
            written = [code for code in written if code and code != empty[name]]
            if written:
                counts[name][written[-1]] += 1
                solved[name][written[-1]] += name in done
    return {
        name: [
            Way(code, number, solved[name][code])
            for code, number in counts[name].most_common(MOST_WAYS)
            if number >= FEWEST
        ]
        for name in names
    }


def normalised(source: str, name: str, words: frozenset[str], stub: str) -> str | None:
    """A cell's code without what its author chose freely; None if it does not parse, or is too long to be an answer.

    Args:
        source: the cell.
        name: what the exercise asks for; it keeps its name.
        words: all words of the lesson. Texts made of them, and names that they give, stay.
        stub: the cell as it was handed out, whose parameters keep their names.
    """
    if len(source) > MAX_SOURCE:
        return None
    tree, given = parse_cell(source), parse_cell(stub)
    if tree is None:
        return None
    try:
        tree = ast.parse(ast.unparse(tree))  # a tree of one's own: the other is shared
        fixed = (
            {part.arg for part in ast.walk(given or tree) if isinstance(part, ast.arg)} if given else set()
        )
        return ast.unparse(_Plain(tree, fixed | {name}, words).visit(tree))
    except (RecursionError, ValueError, MemoryError):
        return None


def _letters(number: int) -> str:
    """a, b, ..., z, a1, b1, ..."""
    letter = chr(ord("a") + number % 26)
    return letter + (str(number // 26) if number >= 26 else "")


class _Plain(ast.NodeTransformer):
    """Gives names of one's own the next letter, and takes away types, docstrings and texts."""

    def __init__(self, tree: ast.Module, fixed: set[str], words: frozenset[str]):
        self.fixed, self.words = fixed, words
        self.bound = self._bound(tree)
        self.kept = {
            name
            for name in self._names(tree) - self.bound
            if name in words or name in CUSTOMARY or hasattr(builtins, name)
        }
        self.renamed: dict[str, str] = {}

    @staticmethod
    def _names(tree: ast.AST) -> set[str]:
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    @staticmethod
    def _bound(tree: ast.AST) -> set[str]:
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            else:  # of functions, classes, and `except ... as name`
                found.add(getattr(node, "name", None))
        return found - {None}

    def _name(self, name: str) -> str:
        if name in self.fixed or name in self.kept or name in CUSTOMARY or name.startswith("__"):
            return name
        while name not in self.renamed:
            letter = _letters(len(self.renamed))
            taken = letter in self.fixed or letter in self.kept or keyword.iskeyword(letter)
            self.renamed[f"{letter} is taken" if taken else name] = letter
        return self.renamed[name]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._name(node.arg), None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self._name(node.name), None
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._name(node.name)
        return self._without_docstring(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._name(node.name)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._name(name) for name in node.names]
        return node

    visit_Nonlocal = visit_Global

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return ast.Pass()
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node = self.generic_visit(node)
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if own and node.attr not in self.words and not node.attr.startswith("__"):
            node.attr = self._name(f".{node.attr}")
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        if node.asname and node.asname not in self.words and node.asname not in CUSTOMARY:
            node.asname = self._name(node.asname)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg in self.bound and node.arg not in self.words:
            node.arg = self._name(node.arg)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and not set(re.findall(r"\w+", node.value)) <= self.words:
            return ast.copy_location(ast.Constant(HIDDEN), node)
        if isinstance(node.value, bytes):
            return ast.copy_location(ast.Constant(HIDDEN.encode()), node)
        return node

    def _without_docstring(self, node: ast.AST) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)
