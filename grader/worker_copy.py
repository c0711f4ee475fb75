"""What a worker is made of, as files: its part of the grader, and the packages without a lesson's answers."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .project import Project
from .withheld import Files, stripped
from .worker_usage import has_ended

WORKER_FILES = (
    "__init__.py", "codec.py", "decoder.py", "names.py", "protocol.py",
    "worker.py", "worker_cells.py", "worker_given.py", "worker_limits.py", "worker_session.py", "worker_shell.py",
    "worker_stand_ins.py", "worker_syscalls.py", "worker_usage.py",
)  # fmt: skip
"""All of the grader that there is inside."""


def files_inside(project: Project, lesson: str) -> Files:
    """All files of a worker that runs submissions of a lesson.

    Raises:
        ProjectError: see `stripped`.
    """
    own = {f"grader/{name}": (Path(__file__).parent / name).read_bytes() for name in WORKER_FILES}
    return {**stripped(project, lesson), **own}


@contextlib.contextmanager
def as_open_files(project: Project, lesson: str) -> Iterator[dict[str, int]]:
    """Path -> an open file in memory. Nothing is left of them when this process ends, in whatever way."""
    opened: dict[str, int] = {}
    try:
        for path, content in files_inside(project, lesson).items():
            opened[path] = os.memfd_create(Path(path).name)
            with os.fdopen(os.dup(opened[path]), "wb") as file:
                file.write(content)
            os.lseek(opened[path], 0, os.SEEK_SET)
        yield opened
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def as_folder(project: Project, lesson: str) -> tempfile.TemporaryDirectory:
    """The same in a temporary folder, for a worker without a sandbox. Remove it with `cleanup`.

    What runs that were killed have left of the kind is removed first.
    """
    remove_left_folders()
    folder = tempfile.TemporaryDirectory(prefix=f"reward-lab-worker-{os.getpid()}-")
    for path, content in files_inside(project, lesson).items():
        place = Path(folder.name) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def remove_left_folders() -> None:
    """Remove this user's temporary folders of workers and sessions whose process is gone: nobody else will."""
    # A session knows nothing of this process's TMPDIR.
    places = {tempfile.gettempdir(), "/tmp"}
    for folder in (found for place in places for found in Path(place).glob("reward-lab-*-*-*")):
        owner = re.fullmatch(r"reward-lab-(?:worker|session)-(\d+)-\w+", folder.name)
        with contextlib.suppress(OSError):
            if owner and folder.stat().st_uid == os.getuid() and has_ended(int(owner[1])):
                shutil.rmtree(folder, ignore_errors=True)
