"""Mutants: an answer with one small fault each. A check is sharp where none of them gets full marks.

    survivors("02_bradley_terry", "bt_mle", "secret")     what got full marks, each as "was -> is now"
    mutants(source)                                       [(what, source), ...] of any program

`python -m tests.lessons.mutants 02_bradley_terry bt_mle [seed]` prints the same. A mutant that is right all the same,
such as one that takes another round, stands in EQUIVALENT of its lesson's test with the reason. `test_mutants.py` holds it.
"""

import ast
import contextlib
import functools
import importlib
import signal
import sys
import time
from collections.abc import Iterator

import torch

from grader.build import lesson_sources, read_source
from grader.cells import is_answer
from grader.demo_class import right_answers
from reward_lab.checks.exercise import Exercise
from reward_lab.checks.subject import LocalSubject

SECONDS = 8.0
"""CPU seconds that one mutant may take. One that takes longer has failed: its loop does not end."""
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
}  # fmt: skip
OPERATORS = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.BitXor: (ast.BitAnd, ast.BitOr), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
NAMES = {
    "mean": ("sum",), "sum": ("mean",), "max": ("min",), "min": ("max",), "amax": ("amin",), "amin": ("amax",),
    "maximum": ("minimum",), "minimum": ("maximum",), "any": ("all",), "all": ("any",), "argmax": ("argmin",),
    "exp": ("expm1",), "expm1": ("exp",), "log": ("log1p", "log2"), "logsigmoid": ("sigmoid",), "sigmoid": ("tanh",),
    "square": ("abs",), "abs": ("square",), "softmax": ("log_softmax",), "double": ("float", "half"),
    "float": ("double", "half"), "logcumsumexp": ("cumsum",), "logaddexp": ("maximum",), "sqrt": ("abs",),
    "float64": ("float32",), "unsqueeze": ("squeeze",), "eval": ("train",), "inference_mode": ("enable_grad",),
    "no_grad": ("enable_grad",), "long": ("round",), "std": ("var",), "rand": ("randn",), "reversed": ("list",),
}  # fmt: skip


class _TooLong(KeyboardInterrupt):
    """Raised in a mutant that has had its time. A subject passes this kind on."""


def mutants(source: str) -> list[tuple[str, str]]:
    """Every program that differs from this one by one small fault.

    Args:
        source: Python source: functions and classes. Docstrings, annotations and messages stay as they are.

    Returns:
        (what was changed, source) of each; no two sources are the same.
    """
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    found = []
    for statement in [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]:
        before = _head(statement)
        for _ in _changed(statement):
            changed = ast.unparse(tree)
            if changed not in seen:
                seen.add(changed)
                found.append((f"{before} -> {_head(statement)}", changed))
    for body in [body for node in ast.walk(tree) for body in _bodies(node)]:
        for number, statement in enumerate(body):
            if _is_docstring(statement) or isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            body[number] = ast.Pass()
            changed = ast.unparse(tree)
            body[number] = statement
            if changed not in seen:
                seen.add(changed)
                found.append((f"{_head(statement)} -> (nothing)", changed))
    return found


def survivors(lesson: str, name: str, seed: str = "secret") -> list[str]:
    """The mutants of the lesson's own answer that get full marks.

    Args:
        lesson: such as "02_bradley_terry".
        name: the exercise.
        seed: what the check's inputs are drawn from.

    Returns:
        What was changed in each survivor.
    """
    exercise = getattr(_checks(lesson), name)
    tried = mutants(right_answers(lesson)[name])
    return [what for what, source in tried if passes(exercise, answer_of(lesson, name, source), seed)]


def passes(exercise: Exercise, answer: object, seed: str) -> bool:
    """Whether an answer gets full marks. Asked case by case: the first that fails settles it."""
    if answer is None:
        return False
    with contextlib.suppress(_TooLong), _time_limit(SECONDS):
        for case in exercise.cases:
            alone = Exercise(exercise.name, exercise.first_step, [case])
            if not alone.run(lambda s: LocalSubject(answer, "cpu", s), seed)[0].passed:
                return False
        return True
    return False


def answer_of(lesson: str, name: str, source: str) -> object:
    """What a source defines under this name, beside the lesson's imports; None if it can't be defined."""
    space = dict(_imports(lesson))
    try:
        exec(source, space)
    except Exception:
        return None
    return space.get(name)


def _checks(lesson: str):
    return importlib.import_module(f"reward_lab.lessons.lesson{lesson[:2]}.checks")


@functools.cache
def _imports(lesson: str) -> dict:
    """The names that the lesson imports."""
    space: dict = {"__name__": "mutant"}
    for cell in read_source(lesson_sources()[lesson]).cells:
        if cell.cell_type != "code" or is_answer(cell) or "find_spec" in cell.source:
            continue
        wanted = [n for n in ast.parse(cell.source).body if isinstance(n, ast.Import | ast.ImportFrom)]
        exec(ast.unparse(ast.Module(wanted, [])), space)
    return space


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise _TooLong in the main thread after so many CPU seconds."""

    def stop(*_):
        raise _TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _bodies(node: ast.AST) -> list[list[ast.stmt]]:
    blocks = (getattr(node, field, None) for field in ("body", "orelse", "finalbody"))
    return [block for block in blocks if isinstance(block, list) and not isinstance(node, ast.Module)]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _head(statement: ast.stmt) -> str:
    """A statement in one line; of a compound one, what stands before its body."""
    lines = [line.strip() for line in ast.unparse(statement).splitlines()]
    return lines[0] if hasattr(statement, "body") else " ".join(lines)


def _changed(statement: ast.stmt) -> Iterator[None]:
    """Change the statement's own expressions in place, one at a time. Each is put back after its turn."""
    if isinstance(statement, ast.Raise | ast.ClassDef) or _is_docstring(statement):
        return
    yield from _operator_changes(statement)
    fields = [
        (statement, field, value)
        for field, value in ast.iter_fields(statement)
        if field
        not in ("args", "decorator_list", "returns", "annotation", "type_params", "targets", "target")
    ]
    while fields:
        owner, field, value = fields.pop(0)
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.stmt | ast.arguments):
                continue
            for replacement in _replacements(child) if isinstance(child, ast.expr) else ():
                _put(owner, field, place, replacement)
                yield
                _put(owner, field, place, child)
            yield from _operator_changes(child)
            yield from _argument_changes(child)
            fields += [(child, name, inner) for name, inner in ast.iter_fields(child)]


def _put(owner: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(owner, field, node)
    else:
        getattr(owner, field)[place] = node


def _operator_changes(node: ast.AST) -> Iterator[None]:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        before = node.op
        for kind in OPERATORS.get(type(before), ()):
            node.op = kind()
            yield
        node.op = before
    elif isinstance(node, ast.Compare):
        before = node.ops[0]
        for kind in COMPARISONS.get(type(before), ()):
            node.ops[0] = kind()
            yield
        node.ops[0] = before
    elif isinstance(node, ast.BoolOp):
        before = node.op
        node.op = ast.Or() if isinstance(before, ast.And) else ast.And()
        yield
        node.op = before


def _argument_changes(node: ast.AST) -> Iterator[None]:
    """Arguments of a call: swapped, or a named one left out. Parts of a tuple: the other way round."""
    if isinstance(node, ast.Call):
        if len(node.args) >= 2:
            node.args[:2] = node.args[1::-1]
            yield
            node.args[:2] = node.args[1::-1]
        for place, keyword in enumerate(list(node.keywords)):
            del node.keywords[place]
            yield
            node.keywords.insert(place, keyword)
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) >= 2:
        node.elts.reverse()
        yield
        node.elts.reverse()
    elif isinstance(node, ast.Dict) and len(node.values) >= 2:
        node.values.reverse()
        yield
        node.values.reverse()
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper"):
            bound = getattr(node, name)
            if bound is not None:
                setattr(node, name, None)
                yield
                setattr(node, name, bound)


def _replacements(node: ast.expr) -> list[ast.expr]:
    """What may stand in an expression's place."""
    if isinstance(node, ast.Constant):
        return _constants(node.value)
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand] if not isinstance(node.operand, ast.Constant) else []
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        others = [ast.Name(other, ast.Load()) for other in NAMES.get(node.id, ())]
        return others + [_method(node, "detach"), _method(node, "float"), _clamped(node)]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        others = [ast.Attribute(node.value, other, ast.Load()) for other in NAMES.get(node.attr, ())]
        return others + ([node.value] if node.attr in ("T", "mT") else [])
    if isinstance(node, ast.Call):
        inner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return inner + [a for a in node.args[:2] if not isinstance(a, ast.Starred)]
    return []


def _method(node: ast.expr, name: str) -> ast.expr:
    return ast.Call(ast.Attribute(node, name, ast.Load()), [], [])


def _clamped(node: ast.expr) -> ast.expr:
    return ast.Call(
        ast.Attribute(node, "clamp", ast.Load()),
        [ast.UnaryOp(ast.USub(), ast.Constant(20)), ast.Constant(20)],
        [],
    )


def _constants(value: object) -> list[ast.expr]:
    if type(value) is bool:
        return [ast.Constant(not value)]
    if type(value) is int:
        return [ast.Constant(value + 1), ast.Constant(value - 1)]
    if type(value) is float:
        return [ast.Constant(other) for other in (value * 10, value / 10, value + 1)]
    return []


if __name__ == "__main__":
    torch.set_num_threads(1)
    started = time.process_time()
    lesson_name, exercise_name, *rest = sys.argv[1:]
    for line in survivors(lesson_name, exercise_name, *rest):
        print(line)
    number_of_mutants = len(mutants(right_answers(lesson_name)[exercise_name]))
    print(f"of {number_of_mutants} mutants; {time.process_time() - started:.1f} s CPU")
