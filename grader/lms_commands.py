"""The commands `collect`, `export` and `database`."""

import argparse
import sys
from pathlib import Path

from .collect import collect, origins, table
from .database import as_url, database_url, move, rows_of, shown
from .export import marks, told
from .export_feedback import write_feedback_zip
from .export_forms import ExportError, canvas_rows, moodle_rows, write_table
from .gradebook import CourseError, pristine_lessons
from .lms_csv import write_csv
from .project import STATE
from .submitted import printable


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the grader's commands."""
    collected = commands.add_parser("collect", help="take submissions out of an LMS's download")
    exported = commands.add_parser("export", help="write grades in the form that an LMS takes back")
    for command in (collected, exported):
        command.add_argument("course", type=Path, metavar="COURSE_DIR")
        command.add_argument("lesson", metavar="LESSON", help="for example 01_reward_modeling")
    collected.add_argument(
        "downloads",
        nargs="*",
        type=Path,
        metavar="FILE.zip",
        help="default: all of downloaded/<lesson>/archive/",
    )
    collected.set_defaults(act=run_collect)
    exported.add_argument(
        "--for", dest="form", choices=("canvas", "moodle", "csv"), required=True, help="who takes them"
    )
    exported.add_argument(
        "--roster", type=Path, metavar="FILE.csv", help="Canvas's exported gradebook, or Moodle's worksheet"
    )
    exported.add_argument("--column", metavar="NAME", help="the column for the grades, if it can't be told")
    exported.add_argument("-o", "--output", type=Path, metavar="FILE.csv", help="default: <lesson>-<for>.csv")
    exported.add_argument("--feedback", type=Path, metavar="FILE.zip", help="also write the feedback pages")
    exported.add_argument("--anyway", action="store_true", help="write marks that something is to be said of")
    exported.set_defaults(act=run_export)
    database = commands.add_parser("database", help="say where the gradebook is, or move it")
    database.add_argument("course", type=Path, metavar="COURSE_DIR")
    database.add_argument(
        "--move",
        metavar="URL",
        help="postgresql+psycopg://USER@HOST/NAME; or sqlite, the course's own gradebook.db",
    )
    database.set_defaults(act=run_database)


def run_collect(arguments: argparse.Namespace) -> int:
    """Collect, and print the table. Exit code 1 if nothing was taken."""
    course, lesson = arguments.course, arguments.lesson
    _require(course, lesson)
    downloads = arguments.downloads or [course / "downloaded" / lesson / "archive"]
    absent = [str(path) for path in downloads if not path.exists()]
    if absent:
        raise CourseError(f"there is no {absent[0]}. Name the downloaded zip file")
    rows = collect(course, lesson, downloads)
    print(table(rows))
    print(f"table  {course / STATE / 'collected' / f'{lesson}.csv'}")
    return 0 if any(row.taken for row in rows) else 1


def run_database(arguments: argparse.Namespace) -> int:
    """Say where the gradebook is and what it holds; with --move, move it first."""
    pristine_lessons(arguments.course)  # or say that this is no course
    if arguments.move:
        move(arguments.course, as_url(arguments.course, arguments.move))
    url = database_url(arguments.course)
    for name, rows in rows_of(arguments.course).items():
        print(f"{rows:8,d}  {name}")
    print(f"gradebook  {shown(url)}")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Tell what has to be told, then write. Exit code 1, and nothing written, if something was told without --anyway."""
    course, lesson, form = arguments.course, arguments.lesson, arguments.form
    _require(course, lesson)
    if form != "csv" and arguments.roster is None:
        what = (
            "gradebook that Canvas exports" if form == "canvas" else "grading worksheet that Moodle hands out"
        )
        raise ExportError(f"--for {form} fills in the {what}: name it with --roster FILE.csv")
    found, known = marks(course, lesson), origins(course, lesson)
    lines, rows, delimiter = told(found), [], ","
    if form == "canvas":
        rows, delimiter, unknown = canvas_rows(found, known, arguments.roster, lesson, arguments.column)
        lines += unknown
    elif form == "moodle":
        rows, delimiter, unknown = moodle_rows(found, known, arguments.roster, arguments.column)
        lines += unknown
    for line in lines:
        print(printable(line), file=sys.stderr)
    if lines and not arguments.anyway:
        print(
            f"{len(lines)} things to know; nothing was written. Write all the same: --anyway", file=sys.stderr
        )
        return 1
    output = arguments.output or Path(f"{lesson}-{form}.csv")
    if form == "csv":
        write_table(found, output)
    else:
        write_csv(output, rows[0], rows[1:], delimiter)
    print(f"grades    {output} ({sum(mark.score is not None for mark in found)} students)")
    if arguments.feedback:
        students = [mark.student for mark in found if mark.score is not None]
        for line in write_feedback_zip(course, lesson, students, known, form, arguments.feedback):
            print(printable(line), file=sys.stderr)
        print(f"feedback  {arguments.feedback}")
    return 0


def _require(course: Path, lesson: str) -> None:
    lessons = pristine_lessons(course)
    if lesson not in lessons:
        raise CourseError(f"the course has no lesson {lesson}. It has: {', '.join(lessons)}")
