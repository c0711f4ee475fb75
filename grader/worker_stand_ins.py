"""What a lesson finds at the student's place and not in a sandbox: google.colab, a person who types, a terminal.

The stand-ins take the usual lines and do nothing, so that what stands below such a line runs.
"""

import builtins
import contextlib
import functools
import importlib.abc
import importlib.machinery
import io
import sys
import types
from collections.abc import Sequence


def _nothing(*_: object, **__: object) -> None:
    """Stands in for a function that asks the student's browser for something."""


def _no_files(*_: object, **__: object) -> dict:
    return {}


def _no_text(*_: object, **__: object) -> str:
    return ""


_COLAB: dict[str, dict[str, object]] = {
    "google": {},
    "google.colab": {},
    "google.colab.auth": {"authenticate_user": _nothing},
    "google.colab.data_table": {"enable_dataframe_formatter": _nothing, "disable_dataframe_formatter": _nothing},
    "google.colab.drive": {"mount": _nothing, "flush_and_unmount": _nothing},
    "google.colab.files": {"upload": _no_files, "download": _nothing, "view": _nothing},
    "google.colab.output": {
        "clear": _nothing, "eval_js": _nothing, "enable_custom_widget_manager": _nothing, "no_vertical_scroll": _nothing,
        "disable_custom_widget_manager": _nothing, "register_callback": _nothing, "serve_kernel_port_as_window": _nothing,
        "serve_kernel_port_as_iframe": _nothing, "use_tags": lambda *_: contextlib.nullcontext(),
        "redirect_to_element": lambda *_: contextlib.nullcontext(),
    },
    "google.colab.patches": {"cv2_imshow": _nothing},
    "google.colab.runtime": {"unassign": _nothing},
    "google.colab.userdata": {
        "get": _no_text, "SecretNotFoundError": type("SecretNotFoundError", (Exception,), {}),
        "NotebookAccessError": type("NotebookAccessError", (Exception,), {}),
    },
}  # fmt: skip
"""module -> its names and what stands for them."""


class ColabFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of google.colab where no real one is. Nothing of it is loaded before it is asked for."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None):
        if name not in _COLAB:
            return None
        has_parts = any(other.startswith(name + ".") for other in _COLAB)
        return importlib.machinery.ModuleSpec(name, self, is_package=has_parts)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(_COLAB[module.__name__])
        if module.__name__ == "google.colab":
            for name in _COLAB:  # `from google.colab import drive` and `colab.drive` both work there
                if name.startswith("google.colab."):
                    __import__(name)


def _input(prompt: object = "", /) -> str:
    raise EOFError("nobody types an answer to input() during grading")


def install() -> None:
    """Put the stand-ins in place, before any code of a student runs."""
    sys.meta_path.append(ColabFinder())
    builtins.input = _input
    sys.stdin = io.StringIO()


def no_absent_device() -> None:
    """Let a default device that is not there fail at its own line, and not in every tensor of every answer after it."""
    import torch

    set_default = torch.set_default_device

    @functools.wraps(set_default)
    def set_default_device(device: object) -> None:
        torch.empty(0, device=device)  # says what is missing
        set_default(device)

    torch.set_default_device = set_default_device


def no_threads() -> None:
    """Keep libraries from starting threads that nobody needs here: a process that has some can't be copied safely.

    A progress bar starts one that looks after bars that nobody sees; torch starts some that would only take the one
    core of a session from each other.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_num_threads = torch.set_num_interop_threads = _nothing
    with contextlib.suppress(ImportError):
        import tqdm

        tqdm.tqdm.monitor_interval = 0
