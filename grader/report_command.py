"""The command `report`."""

import argparse
from pathlib import Path

from .gradebook import CourseError, pristine_lessons
from .report import report_on
from .report_page import page
from .report_words import Words, lines
from .submitted import printable


def add_report(commands: argparse._SubParsersAction) -> None:
    """Add it to the grader's commands."""
    report = commands.add_parser("report", help="what the class got right and wrong, without names")
    report.add_argument("course", type=Path, metavar="COURSE_DIR")
    report.add_argument("lesson", nargs="?", metavar="LESSON", help="default: all that were handed in")
    report.add_argument("--html", type=Path, metavar="FILE.html", help="also write it as a page")
    whom = report.add_mutually_exclusive_group()
    whom.add_argument("--names", action="store_true", help="list who was refused, and whose answers wait")
    whom.add_argument(
        "--anonymous", action="store_true", help="fit to hand on: rounded shares, and no student's code"
    )
    report.set_defaults(act=run_report)


def run_report(arguments: argparse.Namespace) -> int:
    """Print the report, and write the page."""
    course, lessons = arguments.course, pristine_lessons(arguments.course)
    if arguments.lesson and arguments.lesson not in lessons:
        raise CourseError(f"the course has no lesson {arguments.lesson}. It has: {', '.join(lessons)}")
    chosen = [arguments.lesson] if arguments.lesson else list(lessons)
    chosen = [lesson for lesson in chosen if any((course / "submitted").glob(f"*/{lesson}"))]
    if not chosen:
        raise CourseError(f"nothing to report: expected {course}/submitted/<student>/<lesson>/")
    words = Words(arguments.names, arguments.anonymous)
    reports = [report_on(course, lesson, lessons[lesson]) for lesson in chosen]
    for report in reports:
        print("\n".join(map(printable_lines, lines(report, words))) + "\n")
    if arguments.html:
        arguments.html.parent.mkdir(parents=True, exist_ok=True)
        arguments.html.write_text(page(course, reports, words), encoding="utf-8")
        print(f"page  {arguments.html}")
    return 0


def printable_lines(text: str) -> str:
    """Each line of a text with whatever could steer a terminal written as an escape."""
    return "\n".join(map(printable, text.split("\n")))
