"""The sandbox as bubblewrap is told to make it, and the environment in it."""

import contextlib
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from .project import ROOT, Project

INSIDE = "/lab"
"""Where the grader's part and the packages lie inside."""


def python() -> list[str]:
    return [sys.executable, "-s"]


def bubblewrap(
    device: str, project: Project, files: Mapping[str, int], fonts: Sequence[Path] = ()
) -> list[str]:
    """The command that starts a program in the sandbox.

    Args:
        device: `cpu`, or `cuda` to let the GPU's device files in.
        project: of whose folders nothing but Python itself may be seen.
        files: path below INSIDE -> an open file with its content, from which it is copied.
        fonts: see font_lists.
    """
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    arguments += ["--uid", "1000", "--gid", "1000"]
    # Mounting a session's own temporary folders takes the first, starting its network with nothing but itself in it the
    # second. A session drops both before any student code.
    arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_NET_ADMIN"]
    for folder in ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"):
        path = Path(folder)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), folder]
        elif path.exists():
            arguments += ["--ro-bind", folder, folder]
    # The last is where malloc learns whether there are huge pages: see environment.
    huge_pages = "/sys/kernel/mm/transparent_hugepage"
    for file in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives", huge_pages):
        arguments += ["--ro-bind-try", file, file]
    # Before Python's folders: a checkout may lie in /tmp.
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/tmp/matplotlib"]
    for folder in _python_folders():
        arguments += ["--ro-bind", folder, folder]
    for folder in _hidden_folders(project):
        arguments += ["--perms", "0000", "--tmpfs", str(folder), "--remount-ro", str(folder)]
    for path, descriptor in files.items():
        arguments += ["--perms", "0444", "--file", str(descriptor), f"{INSIDE}/{path}"]
    for file in fonts:
        arguments += ["--ro-bind", str(file), f"/tmp/matplotlib/{file.name}"]
    if device == "cuda":
        arguments += ["--ro-bind", "/sys", "/sys"]
        for path in sorted(Path("/dev").glob("nvidia*")):
            arguments += ["--dev-bind", str(path), str(path)]
    arguments += ["--clearenv"]
    for name, value in environment().items():
        arguments += ["--setenv", name, value]
    arguments += ["--setenv", "PYTHONPATH", INSIDE, "--chdir", "/tmp"]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def font_lists() -> list[Path]:
    """Matplotlib's lists of this machine's fonts, which take seconds to make."""
    import matplotlib

    return list(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))


def _hidden_folders(project: Project) -> list[Path]:
    """What must not be seen of folders that the sandbox shows: the real packages, the grader, the lessons' sources.

    A package may be installed among Python's own, and a project's folder may be that of its virtual environment.
    """
    shown = [Path("/usr"), *map(Path, _python_folders())]
    unwanted = [*project.packages().values(), Path(__file__).parent]
    names = (project.sources, project.notebooks, ".git", "build", "src", "tests")
    unwanted += [root / name for root in (project.root, ROOT) for name in names]
    found = [path.resolve() for path in unwanted if path.is_dir()]
    inside = [path for path in found if any(path.is_relative_to(folder.resolve()) for folder in shown)]
    return sorted(
        {path for path in inside if not any(path != other and path.is_relative_to(other) for other in inside)}
    )


def _python_folders() -> list[str]:
    """Where this Python and its packages lie, outside of the system's own folders."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *map(sysconfig.get_path, ("purelib", "platlib"))}
    found: list[Path] = []
    for path in sorted(Path(path).resolve() for path in paths):
        if not any(path.is_relative_to(known) for known in [*found, Path("/usr")]):
            found.append(path)
    # A virtual environment may be reached by a path that is no real one; Python looks for pyvenv.cfg there.
    return list(dict.fromkeys([*map(str, found), sys.prefix]))


def environment() -> dict[str, str]:
    """All of a worker's environment variables."""
    values = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",  # sets iterate in the same order in every worker
        "PYTHONDONTWRITEBYTECODE": "1",
        # Huge pages: a fork of a process with torch in it, and its end, then take half the time.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "PYTHONMALLOC": "malloc",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "IPYTHONDIR": "/tmp/ipython",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with contextlib.suppress(KeyError):
        values["TZ"] = os.environ["TZ"]
    return values
