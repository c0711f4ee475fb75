"""What one answer may use of the packages all the same: another exercise's own version, put where its stand-in is.

The source comes from the verifier, to the process that answers this one check, once no other check is left to ask that
this would be the answer to.
"""

import importlib


def give(module: str, name: str, source: str) -> None:
    """Let a module's stand-in do what it stands for, whoever has imported it.

    Args:
        module: where the stand-in is.
        name: its name, a function's.
        source: the definition of the function.
    """
    home = vars(importlib.import_module(module))
    space = dict(home)
    exec(source, space)
    stand_in, real = home[name], space[name]
    # The function itself is changed: `from module import name` has bound it elsewhere too.
    stand_in.__kwdefaults__ = {"_real": real}
    stand_in.__code__ = (lambda *arguments, _real, **named: _real(*arguments, **named)).__code__
