"""Build the student notebooks, and nbgrader courses, from the lessons' sources.

    python -m grader.build                  notebooks/, README badges and the course in build/course
    python -m grader.build --check          exit 1, with a diff, where a committed file is not what builds
    python -m grader.build --course DIR     set up the nbgrader course in DIR, or bring it up to date
    python -m grader.build --project DIR    the same for the project in DIR, see project.py

What a build does to solutions/NN_topic.py (jupytext, py:percent):
  1. {{repository}}, {{tag}}, {{lesson}} and the like become the values of pyproject.toml and the file's name;
  2. nbgrader metadata that a cell leaves out gets its default;
  3. cells get stable ids: the grade_id, else cell-NNN; notebook metadata is the kernelspec alone;
  4. nbgrader's own generate_assignment, or its preprocessors alone where no course is made, take out answers, marking
     schemes and outputs.
The same input gives the same bytes.
"""

import argparse
import difflib
import logging
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from traitlets.config import Config

from .database import CourseError, as_url, database_url, is_there, keep, open_gradebook, shown
from .nbgrader_config import COURSE_CONFIG, configure
from .project import (
    ROOT,  # noqa: F401  (the tests take it from here)
    Project,
    ProjectError,
    chosen_project,
    course_project,
    has_project,
    own_project,
    remember_project,
)

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_DEFAULTS = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
KEPT_METADATA = ("nbgrader", "tags", "editable", "deletable")
BADGE = re.compile(r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[^/]+/notebooks/")


def lesson_sources(project: Project | None = None) -> dict[str, Path]:
    """Lesson name -> source file, in the order of the series."""
    return (project or own_project()).lesson_sources()


def read_source(path: Path, project: Project | None = None) -> NotebookNode:
    """A lesson's source as a notebook with its answers, in normal form."""
    text = path.read_text(encoding="utf-8")
    for name, value in {**(project or own_project()).values(), "lesson": path.stem}.items():
        text = text.replace("{{" + name + "}}", value)
    left = re.search(r"\{\{\w+\}\}", text)
    if left:
        raise ValueError(f"{path.name}: {left.group()} is no value that a build fills in")
    notebook = jupytext.reads(text, fmt="py:percent")
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] = {**CELL_DEFAULTS, **cell.metadata["nbgrader"]}
    return normalised(notebook)


def lesson_notebook(project: Project, lesson: str, solved: bool) -> NotebookNode:
    """The notebook of a lesson as students get it, or with its answers."""
    if solved:
        return read_source(project.lesson_sources()[lesson], project)
    return nbformat.read(project.notebook(lesson), as_version=4)


def normalised(notebook: NotebookNode) -> NotebookNode:
    """The notebook with stable ids and no metadata but what nbgrader and the lesson need."""
    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        metadata = {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        grade_id = metadata.get("nbgrader", {}).get("grade_id")
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        cells.append(make(cell.source, id=grade_id or f"cell-{number:03d}", metadata=metadata))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}, nbformat_minor=5)


def make_course(course: Path, project: Project | None = None, database: str | None = None) -> None:
    """Set up an nbgrader course with every lesson, or bring one up to date; grades are kept.

    Args:
        course: gets source/, release/, gradebook.db and, if it has none, nbgrader_config.py.
        project: whose lessons; None is reward-lab itself.
        database: where its gradebook is to be; None leaves it where it is, which is gradebook.db in a new course.

    Raises:
        CourseError: the course has its gradebook elsewhere, or the database can't be opened.
        nbgrader's NbGraderException: a lesson changed in a way that its grades don't survive.
    """
    course = course.resolve()
    course.mkdir(parents=True, exist_ok=True)
    if not (course / "nbgrader_config.py").exists():
        (course / "nbgrader_config.py").write_text(COURSE_CONFIG, encoding="utf-8")
    url = _gradebook_place(course, database)
    project = project or own_project()
    for name, path in project.lesson_sources().items():
        write_notebook(read_source(path, project), course / "source" / name / f"{name}.ipynb")
        config = configure(Config())
        directory = CourseDirectory(config=config, root=str(course), assignment_id=name, db_url=url)
        GenerateAssignment(coursedir=directory, config=config, force=True, log=quiet_log()).start()
        released = released_notebook(course, name)
        write_notebook(normalised(nbformat.read(released, as_version=4)), released)
    remember_project(course, project)


def _gradebook_place(course: Path, database: str | None) -> str:
    now = database_url(course)
    wanted = as_url(course, database) if database else now
    if wanted != now and now.drivername.startswith("sqlite") and not is_there(now):
        open_gradebook(
            wanted, configure(Config()).CourseDirectory.course_id
        ).close()  # or say why it can't be
        keep(course, wanted)
    elif wanted != now:
        raise CourseError(
            f"{course} has its gradebook at {shown(now)}. To move it: python -m grader database {course} --move URL"
        )
    return wanted.render_as_string(hide_password=False)


def student_notebooks(project: Project) -> dict[str, NotebookNode]:
    """Lesson name -> the notebook that a course would release, made without a course. The same, in a fifth of the time."""
    return {name: _released(read_source(path, project)) for name, path in project.lesson_sources().items()}


def _released(source: NotebookNode) -> NotebookNode:
    config = configure(Config())
    resources: dict = {"metadata": {}, "nbgrader": {}}
    for kind in GenerateAssignment.class_traits()["preprocessors"].default():
        if kind is not SaveCells:  # it writes to the gradebook
            source, resources = kind(config=config).preprocess(source, resources)
    return normalised(source)


def released_notebook(course: Path, name: str) -> Path:
    """Where a course keeps the student version of a lesson."""
    return course / "release" / name / f"{name}.ipynb"


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(notebook), encoding="utf-8")


def _text(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    # nbformat.writes would validate once more, which takes longer than writing.
    return nbformat.v4.writes(notebook) + "\n"


def quiet_log() -> logging.Logger:
    """A logger for nbgrader that shows errors only: it reports every file it writes."""
    log = logging.getLogger("reward-lab.nbgrader")
    log.setLevel(logging.ERROR)
    return log


def built_files(project: Project | None = None) -> dict[Path, str]:
    """Every committed file that a build writes, with what it should hold."""
    project = project or own_project()
    files = {project.notebook(name): _text(notebook) for name, notebook in student_notebooks(project).items()}
    readme, values = project.root / "README.md", project.values()
    if files and readme.exists() and {"owner_and_name", "tag"} <= set(values):
        own = re.compile(BADGE.pattern + f"(?=(?:{'|'.join(project.lesson_sources())})[.]ipynb)")
        badge = f"https://colab.research.google.com/github/{values['owner_and_name']}/blob/{values['tag']}/notebooks/"
        files[readme] = own.sub(lambda _: badge, readme.read_text("utf-8"))
    return files


def drift(project: Project | None = None) -> str:
    """A unified diff from what is committed to what builds; empty when they agree."""
    lines: list[str] = []
    project = project or own_project()
    root, files = project.root, built_files(project)
    for path, built in files.items():
        name = path.relative_to(root).as_posix()
        committed = path.read_text("utf-8") if path.exists() else ""
        lines += difflib.unified_diff(
            committed.splitlines(keepends=True), built.splitlines(keepends=True), name, f"{name} as it builds"
        )
    for stray in sorted(set((root / project.notebooks).glob("*.ipynb")) - set(files)):
        lines.append(f"{stray.relative_to(root).as_posix()} has no source in {project.sources}/: delete it\n")
    return "".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grader.build", description=__doc__.split("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="compare, write nothing; exit 1 on a difference")
    choice.add_argument("--course", type=Path, metavar="DIR", help="set up the nbgrader course in DIR only")
    parser.add_argument("--project", type=Path, metavar="DIR", help="default: the project around this folder")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="with --course: keep its gradebook there, for example postgresql+psycopg://...",
    )
    arguments = parser.parse_args(argv)
    if arguments.database and not arguments.course:
        parser.error("--database needs --course DIR")
    try:
        return _build(arguments)
    except (CourseError, ProjectError) as error:
        print(f"grader: {error}", file=sys.stderr)
        return 1


def _build(arguments: argparse.Namespace) -> int:
    if arguments.course and has_project(arguments.course) and not arguments.project:
        project = course_project(arguments.course)
    else:
        project = chosen_project(arguments.project)
    if arguments.check:
        difference = drift(project)
        sys.stdout.write(difference)
        print(
            "drift: run `make notebooks`, and commit"
            if difference
            else f"{project.notebooks}/ and README.md are as they build"
        )
        return 1 if difference else 0
    if arguments.course is None:
        for path, text in built_files(project).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(project.root)}")
    course = arguments.course or project.root / "build" / "course"
    make_course(course, project, arguments.database)
    print(f"nbgrader course in {course}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
