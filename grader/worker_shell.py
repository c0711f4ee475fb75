"""The student's IPython shell, made once in the keeper."""

import importlib
import importlib.util
import pkgutil
import re

from .worker_stand_ins import install as install_stand_ins
from .worker_stand_ins import no_absent_device, no_threads


def preload(lessons: str) -> object:
    """Import what lessons use and make the student's shell, without a thread and without an operation.

    Args:
        lessons: the package with a room for each lesson.
    """
    no_threads()
    no_absent_device()
    # The first optimizer step imports this, for more than a second: here it is paid once.
    import matplotlib.pyplot  # noqa: F401
    import torch._dynamo  # noqa: F401
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    for room in pkgutil.iter_modules(importlib.import_module(lessons).__path__):
        checks = f"{lessons}.{room.name}.checks"
        if re.fullmatch(r"lesson[0-9]{2}", room.name) and importlib.util.find_spec(checks):
            importlib.import_module(checks)

    class StudentShell(InteractiveShell):
        """IPython's shell without the parts that need a terminal, a network or a history."""

        def enable_gui(self, gui=None):
            pass

        def enable_matplotlib(self, gui=None):
            return "inline", "agg"  # whatever is asked for: widgets and windows have nobody to show them to

        enable_pylab = enable_matplotlib

        def showtraceback(self, *args, **kwargs):
            pass  # the worker reports errors itself; formatting one takes IPython a tenth of a second

        showsyntaxerror = showtraceback

        def system(self, cmd):
            print("(shell commands are not run during grading)")
            self.user_ns["_exit_code"] = 0

        system_piped = system_raw = system

        def run_cell_magic(self, magic_name, line, cell):
            if magic_name in ("bash", "sh", "script", "shell"):
                return self.system(cell)
            return super().run_cell_magic(magic_name, line, cell)

        def getoutput(self, cmd, split=True, depth=0):
            return [] if split else ""

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = StudentShell.instance(config=config)
    shell.display_formatter.active_types = ["text/plain"]  # nobody sees what a cell displays
    install_stand_ins()
    return shell
