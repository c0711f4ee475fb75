"""Write the skeleton of a lesson, which builds, runs, checks and grades at once.

    python -m grader.new 10_topic                  in a project, or in an empty folder, which becomes one
    python -m grader.new 10_topic --project DIR    in that folder; what lies in it stays

It writes the lesson's source, its room with checks, experiments and figures, and its tests. No file is overwritten.
"""

import argparse
import importlib.util
import keyword
import re
import sys
from pathlib import Path

from .project import LESSON, TABLE, Project, ProjectError, find_project, own_project

SKELETON = Path(__file__).parent / "skeleton"
NOT_A_PACKAGE = {"build", "grader", "lessons", "notebooks", "solutions", "src", "tests"}
SET_UP = re.compile(r"# %%\n# Set-up\..*?(?=\n\n# %%)", re.DOTALL)
BADGES = re.compile(r"(# \[!\[Open in \w+\].*\n)+#\n")


def write_lesson(lesson: str, project: Project) -> list[Path]:
    """Write the skeleton of a lesson into a project.

    Returns:
        The files.

    Raises:
        ProjectError: the name is no lesson's, or one of the files is there already. Nothing is written then.
    """
    if not LESSON.fullmatch(lesson):
        raise ProjectError(
            f"{lesson!r} is no name of a lesson: two digits and lower-case words, such as 10_topic"
        )
    taken = [name for name in project.lesson_sources() if name[:2] == lesson[:2]]
    files = _files(lesson, project)
    taken += [str(path) for path in files if path.exists()]
    if taken:
        raise ProjectError(f"nothing was written: {', '.join(taken)} is there already. Take another number")
    packages = {path.parent for path in files if path.name == "__init__.py"}
    for folder in {above for path in packages for above in path.parents if above != project.root}:
        if folder.is_relative_to(project.root) and folder.name != "src":
            files.setdefault(folder / "__init__.py", "")
    written = []
    for path, text in sorted(files.items()):
        path.parent.mkdir(parents=True, exist_ok=True)
        if text or not path.exists():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
    return written


def _files(lesson: str, project: Project) -> dict[Path, str]:
    """Path -> content of every file of a lesson."""
    room, tests = project.room_folder(lesson), project.root / "tests" / "lessons" / f"lesson{lesson[:2]}"
    files = {project.root / project.sources / f"{lesson}.py": _source(project)}
    files |= {room / path.name: path.read_text(encoding="utf-8") for path in (SKELETON / "room").glob("*.py")}
    files[tests / "test_checks.py"] = (SKELETON / "test_checks.py").read_text(encoding="utf-8")
    files[tests / "__init__.py"] = '"""Tests of lesson NN."""\n'
    return {path: _filled_in(text, lesson, project.lessons) for path, text in files.items()}


def _source(project: Project) -> str:
    """The lesson's source: with the badge where the project has an address, and the set-up of its package."""
    text = (SKELETON / "NN_topic.py").read_text(encoding="utf-8")
    if not {"owner_and_name", "tag"} <= set(project.values()):
        text = BADGES.sub("", text)
    if project == own_project():
        return text
    set_up = (SKELETON / "set_up.py").read_text(encoding="utf-8").strip()
    return SET_UP.sub(lambda _: set_up, text)


def _filled_in(text: str, lesson: str, lessons: str) -> str:
    for placeholder, value in (
        ("my_course.lessons", lessons),
        ("my_course", lessons.split(".")[0]),
        ("my-course", lessons.split(".")[0].replace("_", "-")),
        ("NN_topic", lesson),
    ):
        text = text.replace(placeholder, value)
    text = re.sub(r"\b([Ll]esson) NN\b", rf"\1 {int(lesson[:2] or 0)}", text)  # in prose: lesson 7
    return re.sub(r"\bNN\b|(?<=\blesson)NN\b", lesson[:2], text)


def make_project(folder: Path) -> Project:
    """Make a folder a project of its own. Its package is named after the folder.

    Raises:
        ProjectError: it has a pyproject.toml already.
    """
    folder = folder.resolve()
    file = folder / "pyproject.toml"
    if file.exists():
        raise ProjectError(f"{file} is there already: add the table {TABLE} to it, see grader/project.py")
    name = re.sub(r"\W+", "_", folder.name.lower(), flags=re.ASCII).strip("_") or "course"
    if name in NOT_A_PACKAGE or not name.isidentifier() or keyword.iskeyword(name) or _is_taken(name):
        name = f"course_{name}"
    (folder / name / "lessons").mkdir(parents=True, exist_ok=True)
    if not (folder / ".gitignore").exists():  # a course holds the answers, and the seed of its checks
        (folder / ".gitignore").write_text("build/\n__pycache__/\n", encoding="utf-8")
    text = (SKELETON / "project.toml").read_text(encoding="utf-8")
    file.write_text(_filled_in(text, "", f"{name}.lessons"), encoding="utf-8")
    return Project.at(folder)


def _is_taken(name: str) -> bool:
    """Whether a package of this name is installed: the grader would import that one."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # a folder beside this one has none


def project_for(folder: Path | None) -> Project:
    """The project to write into: the one named or around the current folder, else a new one.

    Raises:
        ProjectError: the current folder is not empty, and nobody named it.
    """
    here = (folder or Path.cwd()).resolve()
    if folder is None:
        found = find_project()
        if found:
            return found
        if any(here.iterdir()):
            raise ProjectError(
                f"{here} is no project, and not empty. To make it one: --project {here}; or name another folder"
            )
    elif (here / "pyproject.toml").exists():
        return Project.at(here)
    return make_project(here)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grader.new", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", metavar="NN_TOPIC", help="for example 10_topic")
    parser.add_argument("--project", type=Path, metavar="DIR", help="default: the project around this folder")
    arguments = parser.parse_args(argv)
    try:
        if not LESSON.fullmatch(arguments.lesson):  # before a folder becomes a project
            raise ProjectError(f"{arguments.lesson!r} is no name of a lesson, such as 10_topic")
        project = project_for(arguments.project)
        for path in write_lesson(arguments.lesson, project):
            print(f"wrote {path.relative_to(project.root)}")
    except ProjectError as error:
        print(f"grader: {error}", file=sys.stderr)
        return 1
    print(f"next, in {project.root}: python -m grader.build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
