"""Which names a statement binds. Stands alone, because a worker has it too."""

import ast
from builtins import isinstance  # noqa: UP029  (a student's code may replace it)


def bound_by(node: ast.stmt) -> list[str]:
    """Names that a statement binds: the one that it defines, those that it imports, else all that are stored in it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    stored = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return [part.id for part in stored if isinstance(part.ctx, ast.Store)]
