"""Run a cell, statement by statement: one that fails, because it works at the student's place only, costs no other.

Everything here runs beside student code, in the student's process.
"""

import __future__

import ast
import asyncio
import importlib
import inspect
import re
import sys
import traceback
from builtins import compile, eval, exec, isinstance, len, list, range, set, str, type  # noqa: UP029  (a student's code may replace them)
from collections.abc import Callable, Iterator

from IPython.core.interactiveshell import InteractiveShell

from .names import bound_by

MAX_STATEMENTS = 500
"""A cell of more is run in as many pieces, of several statements each."""
MAX_ERRORS = 20
MESSAGE_LETTERS = 4000
REPLACEABLE = {"run_cell", "run_code", "run_ast_nodes", "run_cell_async", "transform_cell", "showtraceback"}
"""Parts of the shell that are no business of a lesson's."""

_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_FUTURES = sum(
    getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
    if name != "nested_scopes"
)
_KEPT_WHOLE = ("%%timeit", "%%capture ", "%%writefile", "%%file", "%%prun", "%%script")
"""Cell magics that do something with their cell as it stands."""
_run_cell, _transform_cell = InteractiveShell.run_cell, InteractiveShell.transform_cell
_format_exception, _format_exception_only = traceback.format_exception, traceback.format_exception_only


class _Magic(Exception):
    """A cell magic failed."""


def run_cell(
    shell: InteractiveShell,
    source: str,
    skip: list[int],
    definitions_only: bool,
    at: Callable[[int, int], None],
) -> dict:
    """Run one cell.

    Args:
        shell: the student's shell.
        source: the cell, as the student wrote it.
        skip: numbers of the statements to leave out.
        definitions_only: run imports, functions, classes and constants, and nothing else.
        at: called with the number and the line of a statement before it runs.

    Returns:
        `errors`, for each statement that raised: its line, the exception's type and message, the traceback as
        the student would want to read it, and the names that the statement would have bound; and `replaced`, names
        of the shell's own parts that student code has put something else for.
    """
    errors: list[list] = []
    try:
        statements = list(_statements(shell, source))
    except BaseException as error:  # a SyntaxError, or what a student's own transformer raised
        errors.append(_described(error, getattr(error, "lineno", None) or 1, []))
        statements = []
    for number, (line, nodes, run) in enumerate(statements):
        if number in skip or (definitions_only and not _only_define(nodes)):
            continue
        at(number, line)
        try:
            run()
        except BaseException as error:  # SystemExit too: it must not end the session
            if len(errors) < MAX_ERRORS:
                names = [name for node in nodes[:MAX_ERRORS] for name in bound_by(node)]
                errors.append(_described(error, _line_of(error, line), names[:MAX_ERRORS]))
    return {"errors": errors, "replaced": sorted(REPLACEABLE & set(vars(shell)))}


def _statements(
    shell: InteractiveShell, source: str
) -> Iterator[tuple[int, list[ast.stmt], Callable[[], None]]]:
    """Line, syntax trees, and what runs them, for each piece of a cell."""
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%") and first.startswith(_KEPT_WHOLE):
        yield 1, [], lambda: _run_whole(shell, source)
        return
    if first.startswith("%%"):
        if first.split()[0] in ("%%time", "%%capture"):
            source = "\n" + rest  # what it adds is output, which nobody sees
        else:
            yield 1, [], lambda: _run_whole(shell, source)
            return
    code, nodes = _parsed(shell, source)
    name = shell.compile.cache(code, shell.execution_count)
    size = -(-len(nodes) // MAX_STATEMENTS) or 1
    for start in range(0, len(nodes), size):
        piece = nodes[start : start + size]
        yield piece[0].lineno, piece, lambda piece=piece: _run_nodes(shell, piece, name)


def _parsed(shell: InteractiveShell, source: str) -> tuple[str, list[ast.stmt]]:
    """The cell as Python, and its statements."""
    try:
        return source, ast.parse(source).body
    except (SyntaxError, ValueError):  # magics, shell lines, question marks
        code = _transform_cell(shell, source)
        return code, ast.parse(code).body


def _run_nodes(shell: InteractiveShell, nodes: list[ast.stmt], name: str) -> None:
    # Not by the shell's own way, which student code may have replaced, and which shows what nobody sees.
    space = shell.user_ns
    flags = (
        _FLAGS | shell.compile.flags & _FUTURES
    )  # `from __future__` holds for all that follows, as in a notebook
    if len(nodes) == 1 and isinstance(nodes[0], ast.Expr):
        expression = compile(ast.Expression(nodes[0].value), name, "eval", flags, True)
        value = _awaited(expression, eval(expression, space))
        if value is not None:
            space["_"] = value
        return
    module = compile(ast.Module(nodes, []), name, "exec", flags, True)
    shell.compile.flags |= module.co_flags & _FUTURES
    _awaited(module, eval(module, space) if _is_coroutine(module) else exec(module, space))


def _is_coroutine(code) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _awaited(code, value: object) -> object:
    return asyncio.run(_wrapped(value)) if _is_coroutine(code) else value


async def _wrapped(value: object) -> object:
    return await value


def _run_whole(shell: InteractiveShell, source: str) -> None:
    """A cell under a magic, by IPython itself."""
    result = _run_cell(shell, source, store_history=False)
    importlib.invalidate_caches()  # it may have written a module
    error = result.error_before_exec or result.error_in_exec
    if error is not None:
        raise error


def _only_define(nodes: list[ast.stmt]) -> bool:
    return bool(nodes) and all(isinstance(node, _DEFINING) or _is_constant(node) for node in nodes)


def _is_constant(node: ast.stmt) -> bool:
    """Whether a statement names a constant, or another name for something, or a lambda."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    if isinstance(node.value, (ast.Lambda, ast.Name, ast.Attribute)):
        return True
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _line_of(error: BaseException, line: int) -> int:
    """The line of the cell where a statement failed."""
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    trace = _students_part(error.__traceback__)
    if trace is None:
        return line
    cell = trace.tb_frame.f_code.co_filename
    while (
        trace is not None
    ):  # the innermost of its lines: in the body of a class, or in a function that it calls
        if trace.tb_frame.f_code.co_filename == cell:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _described(error: BaseException, line: int, names: list[str]) -> list:
    lines = _format_exception(type(error), error, _students_part(error.__traceback__), limit=20)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", "".join(lines))
    value = "".join(_format_exception_only(type(error), error)).strip().split("\n")[-1]
    kind = type(error).__name__
    message = re.sub(r"0x[0-9a-f]{6,}", "0x...", value.partition(": ")[2])
    return [line, kind, message[:MESSAGE_LETTERS], text[-MESSAGE_LETTERS:], names]


def _students_part(trace):
    """The traceback from the student's first line on."""
    own = (__file__, sys.modules[InteractiveShell.__module__].__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename in own:
        trace = trace.tb_next
    return trace
