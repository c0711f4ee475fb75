"""What is graded: a project of lessons. The one place that knows where a project keeps what.

A project says so in its pyproject.toml, in a table that reward-lab's own has too:

    [tool.reward-lab]
    lessons = "reward_lab.lessons"    the package with a room for each lesson: lessonNN, lessonNN.checks
    sources = "solutions"             the folder with the lessons' sources, NN_topic.py
    notebooks = "notebooks"           the folder that the student notebooks are built into

The package lies in the project's folder or in its src/, and need not be installed.
"""

import functools
import importlib
import importlib.util
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this grader belongs to."""
STATE = ".reward-lab"
"""Folder in a course with what this grader keeps for itself."""
LESSON = re.compile(r"[0-9]{2}_[a-z](?:[a-z_]*[a-z])?")
"""A lesson's name. Files that an LMS renamed are known by it, so it is narrow: see nbgrader_config."""
TABLE = "[tool.reward-lab]"


class ProjectError(Exception):
    """A folder is no project, or its declaration does not hold. The message says what to do."""


@dataclass(frozen=True)
class Project:
    """Where a project keeps its lessons, and what its notebooks quote of it. `at` reads one.

    Fields: `root`, its folder; `lessons`, the package with a room for each lesson; `sources` and `notebooks`, folders
    relative to the root; `repository`, its address, and `version`, where pyproject.toml gives them.
    """

    root: Path
    lessons: str
    sources: str = "solutions"
    notebooks: str = "notebooks"
    repository: str | None = None
    version: str | None = None

    @classmethod
    def at(cls, root: Path) -> "Project":
        """The project in a folder.

        Raises:
            ProjectError: no pyproject.toml there declares one, or the declaration makes no sense.
        """
        root = root.resolve()
        declared = _declaration(root)
        if declared is None:
            raise ProjectError(f"{root} is no project: its pyproject.toml needs a table {TABLE}")
        table, metadata = declared
        unknown = sorted(set(table) - {"lessons", "sources", "notebooks"})
        if unknown or not all(isinstance(value, str) for value in table.values()) or "lessons" not in table:
            raise ProjectError(
                f"{root}/pyproject.toml: {TABLE} takes `lessons`, the name of a package, and the folders `sources` and "
                f"`notebooks`" + (f", and not `{unknown[0]}`" if unknown else "")
            )
        repository = metadata.get("urls", {}).get("Repository")
        project = cls(
            root, **table, repository=repository and repository.rstrip("/"), version=metadata.get("version")
        )
        if not all(part.isidentifier() for part in project.lessons.split(".")):
            raise ProjectError(f"{root}/pyproject.toml: {project.lessons!r} is no name of a package")
        if (root / project.sources).resolve().is_relative_to(project.package_folder()):
            raise ProjectError(
                f"{root}: `{project.sources}` lies in the package that submissions import, so they could read the answers"
            )
        return project

    def lesson_sources(self) -> dict[str, Path]:
        """Lesson name -> source file, in the order of the series."""
        files = sorted((self.root / self.sources).glob("[0-9][0-9]_*.py"))
        return {path.stem: path for path in files}

    def notebook(self, lesson: str) -> Path:
        """The student notebook of a lesson."""
        return self.root / self.notebooks / f"{lesson}.ipynb"

    def values(self) -> dict[str, str]:
        """What a source may quote as {{name}}: `repository`, `owner_and_name`, `tag`, and `reward_lab`, its archive."""
        values = {"reward_lab": archive(own_project())}
        if self.repository:
            values["repository"] = self.repository
            values["owner_and_name"] = "/".join(self.repository.split("/")[-2:])
        if self.version:
            values["tag"] = f"v{self.version}"
        return values

    def room(self, lesson: str) -> str:
        """The package of one lesson."""
        return f"{self.lessons}.lesson{lesson[:2]}"

    def room_folder(self, lesson: str) -> Path:
        """Where that package lies, or would lie."""
        return self.package_folder().parent.joinpath(*self.room(lesson).split("."))

    def checks(self, lesson: str) -> ModuleType:
        """The exercises of a lesson, by name: the module `checks` in its room.

        Raises:
            ProjectError: there is none, or one from another place has its name.
        """
        self.make_importable()
        name = f"{self.room(lesson)}.checks"
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            if isinstance(error, ModuleNotFoundError) and name.startswith(str(error.name)):
                raise ProjectError(f"{lesson} has no checks: there is no module {name}") from None
            raise ProjectError(f"{lesson} has no checks: {name} can't be imported: {error}") from error
        if not Path(module.__file__).resolve().is_relative_to(self.package_folder()):
            raise ProjectError(
                f"{name} comes from {module.__file__}, which is not in {self.package_folder()}"
            )
        return module

    def package_folder(self) -> Path:
        """The folder of the package that the lessons are in, its outermost one.

        Raises:
            ProjectError: it is neither in the project nor installed.
        """
        name = self.lessons.split(".")[0]
        for folder in (self.root / "src", self.root):
            if (folder / name).is_dir():
                return (folder / name).resolve()
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ProjectError(f"the package {name} is neither in {self.root} nor installed")
        return Path(next(iter(spec.submodule_search_locations))).resolve()

    def packages(self) -> dict[str, Path]:
        """Name -> folder of each package that a submission may import and a grade depends on."""
        found = importlib.util.find_spec("reward_lab")  # not imported: a build has no use for torch
        own = Path(next(iter(found.submodule_search_locations))).resolve()
        return {"reward_lab": own} | {self.lessons.split(".")[0]: self.package_folder()}

    def make_importable(self) -> None:
        """Let this process import the lessons' package. What is installed comes first, so nothing else changes."""
        folder = str(self.package_folder().parent)
        if folder not in sys.path and self.lessons.split(".")[0] not in sys.modules:
            sys.path.append(folder)
            importlib.invalidate_caches()


def archive(project: Project) -> str:
    """Where pip finds a project at its version."""
    return f"{project.repository}/archive/refs/tags/v{project.version}.tar.gz"


@functools.cache
def own_project() -> Project:
    """reward-lab itself, in the checkout that this grader belongs to."""
    return Project.at(ROOT)


def find_project(start: Path | None = None) -> Project | None:
    """The project that a folder belongs to, which is declared there or in the nearest folder above; else None.

    Args:
        start: the folder; None is the current one.
    """
    for folder in _upwards((start or Path.cwd()).resolve()):
        if _declaration(folder):
            return Project.at(folder)
    return None


def chosen_project(folder: Path | None) -> Project:
    """The project that a command works on: the one named, else the one around the current folder, else reward-lab."""
    return Project.at(folder) if folder else find_project() or own_project()


def remember_project(course: Path, project: Project) -> None:
    """Note in a course which project its lessons come from. No note means reward-lab, wherever its checkout lies."""
    file = course / STATE / "project.json"
    if project == own_project():
        file.unlink(missing_ok=True)
        return
    inside = course.resolve().is_relative_to(project.root)
    root = os.path.relpath(project.root, course.resolve()) if inside else str(project.root)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"root": root}) + "\n", encoding="utf-8")


def has_project(course: Path) -> bool:
    """Whether a course says which project it was made from."""
    return (course / STATE / "project.json").exists()


def course_project(course: Path) -> Project:
    """The project that a course was made from; for a course that does not say, reward-lab.

    Raises:
        ProjectError: it is not where it was.
    """
    if not has_project(course):
        return own_project()
    file = course / STATE / "project.json"
    root = (course.resolve() / json.loads(file.read_text(encoding="utf-8"))["root"]).resolve()
    try:
        return Project.at(root)
    except ProjectError as error:
        again = f"Say where it is now: python -m grader.build --course {course} --project FOLDER"
        raise ProjectError(f"{course} was made from the project in {root}. {error}. {again}") from None


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def _declaration(folder: Path) -> tuple[dict, dict] | None:
    """The tables [tool.reward-lab] and [project] of a folder's pyproject.toml, if it has the first."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        return None
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} can't be read: {error}") from None
    table = content.get("tool", {}).get("reward-lab")
    return None if table is None else (table, content.get("project", {}))
