"""The packages as a worker sees them: without the right answers of the lesson that is graded.

A copy of every package of the project is made, file by file, from the sources. In it
  - what an exercise withholds is replaced by a stand-in that raises "write it yourself";
  - of the lessons' checks nothing is left but the recipes of their probes, which both sides build.
The copy is data: nothing of a real file, compiled or not, is in a worker's sight.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping

from reward_lab.checks.exercise import Exercise

from .project import Project, ProjectError
from .recipes import only_recipes

LEFT_OUT = {".pyc", ".pyo", ".ipynb"}
Files = Mapping[str, bytes]
"""Path below the folder that the packages lie in -> content."""


def exercises(project: Project, lesson: str) -> dict[str, Exercise]:
    """The exercises of a lesson by name.

    Raises:
        ProjectError: see Project.checks.
    """
    known = vars(project.checks(lesson)).values()
    return {exercise.name: exercise for exercise in known if isinstance(exercise, Exercise)}


def stripped(project: Project, lesson: str) -> Files:
    """The packages of a project as a submission of one lesson may see them.

    Raises:
        ProjectError: an exercise withholds something that there is not.
    """
    asked = exercises(project, lesson)
    names = frozenset(asked)
    declared = frozenset(name for exercise in asked.values() for name in exercise.withholds)
    return _stripped(project.lessons, names, declared, _content(project))


@functools.lru_cache(maxsize=64)
def source_of(project: Project, lesson: str, name: str) -> tuple[str, str]:
    """(module, source) of the package's own version of an exercise, a function at the top of its module.

    Looked up once a process, as a worker's copy of the packages is made once.

    Raises:
        ProjectError: there is none, or more than one.
    """
    found = []
    for path, content in _content(project):
        module = _module(path)
        if module and f"def {name}".encode() in content and not _is_checks(module, project.lessons):
            text = content.decode()
            nodes = [n for n in _parsed(text).body if isinstance(n, ast.FunctionDef) and n.name == name]
            found += [(module, ast.unparse(_without_types(node))) for node in nodes]
    if len(found) != 1:
        raise ProjectError(
            f"{lesson}: {len(found)} functions are called {name}; an exercise can use one only"
        )
    return found[0]


def _without_types(node: ast.FunctionDef) -> ast.FunctionDef:
    node.returns = None
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        argument.annotation = None
    return node


def _content(project: Project) -> tuple[tuple[str, bytes], ...]:
    """Every file of the packages, as it is now."""
    return tuple(sorted(_files(project)))


def _files(project: Project) -> Iterator[tuple[str, bytes]]:
    for name, folder in project.packages().items():
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in LEFT_OUT and "__pycache__" not in path.parts:
                yield f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


@functools.lru_cache(maxsize=16)
def _stripped(
    lessons: str, names: frozenset[str], declared: frozenset[str], content: tuple[tuple[str, bytes], ...]
) -> Files:
    """Cached by the content of all files, so that many workers of one process share the work."""
    found: set[str] = set()
    copies, checks = {}, {}
    for path, data in content:
        module = _module(path)
        if module and _is_checks(module, lessons):
            checks[module] = (path, data.decode())
        elif module:
            copies[path] = _without(module, data, names, declared, found)
        else:
            copies[path] = data
    missing = sorted(declared - found)
    if missing:
        raise ProjectError(
            f"an exercise withholds {missing[0]}, which is no function or class of the packages"
        )
    texts = only_recipes({module: text for module, (_, text) in checks.items()})
    return copies | {path: texts[module].encode() for module, (path, _) in checks.items()}


def _module(path: str) -> str | None:
    """The module in a file; None for data."""
    if not path.endswith(".py"):
        return None
    return re.sub(r"/__init__$", "", path.removesuffix(".py")).replace("/", ".")


def _is_checks(module: str, lessons: str) -> bool:
    """Whether this is a lesson's `checks`, or a part of it."""
    rooms = rf"(?:{re.escape(lessons)}|reward_lab\.lessons)"
    return re.match(rf"{rooms}\.lesson[0-9]{{2}}\.checks(\.|$)", module) is not None


def _without(
    module: str, data: bytes, names: frozenset[str], declared: frozenset[str], found: set[str]
) -> bytes:
    """A module's source with stand-ins for what is withheld; notes in `found` what was declared and is here."""
    inside = {name for name in declared if name.startswith(f"{module}.")}
    if not inside and not any(name.encode() in data for name in names):
        return data
    text = data.decode()
    lines = text.splitlines(keepends=True)
    for node, path in reversed(list(_definitions(_parsed(text).body))):
        full = f"{module}.{path}"
        if path not in names and full not in inside:
            continue
        found.add(full)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines[first - 1 : node.end_lineno] = [_stand_in(node)]
    return "".join(lines).encode()


def _definitions(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[ast.stmt, str]]:
    """Functions and classes at the top, in classes and in conditions, with their dotted names, line by line."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, outer + node.name
        if isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, f"{outer}{node.name}.")
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _definitions(getattr(node, part, []), outer)


def _stand_in(node: ast.stmt) -> str:
    said = f"the package's own {node.name} is out of reach here: write it yourself"
    indent = " " * node.col_offset
    if isinstance(node, ast.ClassDef):
        bases = ", ".join([*map(ast.unparse, node.bases), *map(ast.unparse, node.keywords)])
        inner = f"{indent}    def __init__(self, *_arguments, **_named):\n{indent}        raise RuntimeError({said!r})\n"
        return f"{indent}class {node.name}({bases}):\n{inner}"
    return f"{indent}def {node.name}(*_arguments, **_named):\n{indent}    raise RuntimeError({said!r})\n"


@functools.lru_cache(maxsize=512)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)
