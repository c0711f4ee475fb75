"""Build the student notebooks, and nbgrader courses, from the lessons' sources.

    python -m grader.build                  notebooks/, README badges and the course in build/course
    python -m grader.build --check          exit 1, with a diff, where a committed file is not what builds
    python -m grader.build --course DIR     set up the nbgrader course in DIR, or bring it up to date

What a build does to solutions/NN_topic.py (jupytext, py:percent):
  1. {{repository}}, {{tag}} and {{lesson}} become the values of pyproject.toml and the file's name;
  2. nbgrader metadata that a cell leaves out gets its default;
  3. cells get stable ids: the grade_id, else cell-NNN; notebook metadata is the kernelspec alone;
  4. nbgrader's own generate_assignment takes out answers, marking schemes and outputs.
The same input gives the same bytes.
"""

import argparse
import difflib
import logging
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from .nbgrader_config import COURSE_CONFIG, configure

ROOT = Path(__file__).resolve().parent.parent
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_DEFAULTS = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
KEPT_METADATA = ("nbgrader", "tags", "editable", "deletable")
BADGE = re.compile(r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[^/]+/notebooks/")


def lesson_sources(root: Path = ROOT) -> dict[str, Path]:
    """Lesson name -> source file, in the order of the series."""
    return {path.stem: path for path in sorted((root / "solutions").glob("[0-9][0-9]_*.py"))}


def project_values(root: Path = ROOT) -> dict[str, str]:
    """What the lessons take from pyproject.toml: `repository`, `owner_and_name` and `tag`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"].rstrip("/")
    return {
        "repository": repository,
        "owner_and_name": "/".join(repository.split("/")[-2:]),
        "tag": f"v{project['version']}",
    }


def read_source(path: Path, root: Path = ROOT) -> NotebookNode:
    """A lesson's source as a notebook with its answers, in normal form."""
    text = path.read_text(encoding="utf-8")
    for name, value in {**project_values(root), "lesson": path.stem}.items():
        text = text.replace("{{" + name + "}}", value)
    left = re.search(r"\{\{\w+\}\}", text)
    if left:
        raise ValueError(f"{path.name}: {left.group()} is no value that a build fills in")
    notebook = jupytext.reads(text, fmt="py:percent")
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] = {**CELL_DEFAULTS, **cell.metadata["nbgrader"]}
    return normalised(notebook)


def normalised(notebook: NotebookNode) -> NotebookNode:
    """The notebook with stable ids and no metadata but what nbgrader and the lesson need."""
    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        metadata = {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        grade_id = metadata.get("nbgrader", {}).get("grade_id")
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        cells.append(make(cell.source, id=grade_id or f"cell-{number:03d}", metadata=metadata))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}, nbformat_minor=5)


def make_course(course: Path, root: Path = ROOT) -> None:
    """Set up an nbgrader course with every lesson, or bring one up to date; grades are kept.

    Args:
        course: gets source/, release/, gradebook.db and, if it has none, nbgrader_config.py.
        root: the checkout with the lessons' sources.

    Raises:
        nbgrader's NbGraderException: a lesson changed in a way that its grades don't survive.
    """
    course = course.resolve()
    course.mkdir(parents=True, exist_ok=True)
    if not (course / "nbgrader_config.py").exists():
        (course / "nbgrader_config.py").write_text(COURSE_CONFIG, encoding="utf-8")
    for name, path in lesson_sources(root).items():
        write_notebook(read_source(path, root), course / "source" / name / f"{name}.ipynb")
        directory = CourseDirectory(root=str(course), assignment_id=name)
        config = configure(Config())
        GenerateAssignment(coursedir=directory, config=config, force=True, log=quiet_log()).start()
        released = released_notebook(course, name)
        write_notebook(normalised(nbformat.read(released, as_version=4)), released)


def released_notebook(course: Path, name: str) -> Path:
    """Where a course keeps the student version of a lesson."""
    return course / "release" / name / f"{name}.ipynb"


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, its folder included."""
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    # nbformat.writes would validate once more, which takes longer than writing.
    path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")


def quiet_log() -> logging.Logger:
    """A logger for nbgrader that shows errors only: it reports every file it writes."""
    log = logging.getLogger("reward-lab.nbgrader")
    log.setLevel(logging.ERROR)
    return log


def built_files(root: Path = ROOT) -> dict[Path, str]:
    """Every committed file that a build writes, with what it should hold."""
    files = {}
    with tempfile.TemporaryDirectory() as temporary:
        make_course(Path(temporary), root)
        for name in lesson_sources(root):
            files[root / "notebooks" / f"{name}.ipynb"] = released_notebook(Path(temporary), name).read_text(
                "utf-8"
            )
    values = project_values(root)
    badge = (
        f"https://colab.research.google.com/github/{values['owner_and_name']}/blob/{values['tag']}/notebooks/"
    )
    readme = root / "README.md"
    files[readme] = BADGE.sub(lambda _: badge, readme.read_text("utf-8"))
    return files


def drift(root: Path = ROOT) -> str:
    """A unified diff from what is committed to what builds; empty when they agree."""
    lines: list[str] = []
    files = built_files(root)
    for path, built in files.items():
        name = path.relative_to(root).as_posix()
        committed = path.read_text("utf-8") if path.exists() else ""
        lines += difflib.unified_diff(
            committed.splitlines(keepends=True), built.splitlines(keepends=True), name, f"{name} as it builds"
        )
    for stray in sorted(set((root / "notebooks").glob("*.ipynb")) - set(files)):
        lines.append(f"{stray.relative_to(root).as_posix()} has no source in solutions/: delete it\n")
    return "".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grader.build", description=__doc__.split("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="compare, write nothing; exit 1 on a difference")
    choice.add_argument("--course", type=Path, metavar="DIR", help="set up the nbgrader course in DIR only")
    arguments = parser.parse_args(argv)
    if arguments.check:
        difference = drift()
        sys.stdout.write(difference)
        print(
            "drift: run `make notebooks`, and commit"
            if difference
            else "notebooks/ and README.md are as they build"
        )
        return 1 if difference else 0
    if arguments.course is None:
        for path, text in built_files().items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    course = arguments.course or ROOT / "build" / "course"
    make_course(course)
    print(f"nbgrader course in {course}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
