"""Grade submissions from the command line.

    python -m grader verify FILE.ipynb ... [--json]    grade files; no course is needed, nothing is kept
    python -m grader collect COURSE_DIR LESSON [ZIP]   take submissions out of an LMS's download
    python -m grader run COURSE_DIR LESSON             grade a class into an nbgrader course
    python -m grader export COURSE_DIR LESSON --for canvas|moodle|csv   write grades for an LMS
    python -m grader database COURSE_DIR [--move URL]  say where the gradebook is, or move it
    python -m grader report COURSE_DIR [LESSON]        what the class got right and wrong

Exit code 0 whatever the marks; 1 when the grader itself failed, or marks were not exported; 2 for wrong arguments.
"""

import argparse
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from .database import database_url, shown
from .export_forms import ExportError
from .gradebook import CourseError
from .grading import grade_class, grade_files, write_missing_feedback
from .host import UNSAFE, SandboxError
from .lms_commands import add_commands
from .project import ProjectError, chosen_project
from .report_command import add_report
from .settings import Settings
from .submitted import printable
from .verdict import Verdict


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return arguments.act(arguments)
    except (CourseError, ExportError, ProjectError, SandboxError) as error:
        print(f"grader: {printable(str(error))}", file=sys.stderr)
        return 1


def _grade(arguments: argparse.Namespace) -> int:
    settings = Settings(
        arguments.seed, arguments.device, arguments.timeout, arguments.workers, arguments.unsafe
    )
    if settings.unsafe:
        print(f"grader: {UNSAFE}", file=sys.stderr)
    if arguments.command == "verify":
        _verify(arguments, settings)
    else:
        _run(arguments, settings)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grader", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="grade single files")
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE.ipynb")
    verify.add_argument("--json", action="store_true", help="one JSON object per line for each file")
    verify.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="whose lessons; default: the project around this folder, else reward-lab",
    )
    run = commands.add_parser("run", help="grade submitted/<student>/<lesson>/ in an nbgrader course")
    run.add_argument("course", type=Path, metavar="COURSE_DIR")
    run.add_argument("lesson", metavar="LESSON", help="for example 01_reward_modeling")
    for command in (verify, run):
        command.add_argument(
            "--seed", help="what the inputs of the checks are drawn from; kept secret by default"
        )
        command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
        command.add_argument(
            "--timeout",
            type=_positive,
            default=60,
            metavar="SECONDS",
            help="limit for what one submission computes; default: %(default)s",
        )
        command.add_argument(
            "--workers",
            type=int,
            choices=range(1, 257),
            default=os.cpu_count() or 1,
            metavar="N",
            help="submissions graded at the same time; default: one for each core (%(default)s)",
        )
        command.add_argument("--unsafe", action="store_true", help="grade without a sandbox")
        command.set_defaults(act=_grade)
    add_commands(commands)
    add_report(commands)
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a positive number of seconds is needed, not {text}")
    return number


def _verify(arguments: argparse.Namespace, settings: Settings) -> None:
    settings = replace(settings, project=chosen_project(arguments.project))
    if settings.seed is None:
        settings = replace(settings, seed=secrets.token_hex(16))
        print(f"inputs drawn from a new seed; to repeat: --seed {settings.seed}", file=sys.stderr)
    for verdict in grade_files(arguments.files, settings):
        print(verdict.to_json() if arguments.json else _paragraph(verdict), flush=True)


def _paragraph(verdict: Verdict) -> str:
    lines = [f"{verdict.file}: {verdict.headline}"]
    lines += [f"  note: {note}" for note in verdict.notes]
    lines += [f"  {line}" for check in verdict.checks for line in check.message.splitlines()]
    if verdict.manual_max:
        lines.append(f"  to be graded by hand: {verdict.manual_max:g} points")
    return "\n".join(map(printable, lines))


def _run(arguments: argparse.Namespace, settings: Settings) -> None:
    verdicts = {}
    for done, (student, verdict, fresh) in enumerate(
        grade_class(arguments.course, arguments.lesson, settings), 1
    ):
        student = printable(student)
        verdicts[student] = verdict
        said = f"{verdict.headline}{'' if fresh else ' (unchanged)'}"
        print(f"[{done}] {student}: {printable(said)}", flush=True)
    print(f"\n{grade_table(verdicts)}\n", flush=True)
    for done, (student, problem) in enumerate(
        write_missing_feedback(arguments.course, arguments.lesson, settings.workers), 1
    ):
        print(
            f"feedback [{done}] {student}{f' could not be written: {problem}' if problem else ''}", flush=True
        )
    print(f"gradebook   {shown(database_url(arguments.course))}")
    print(f"autograded  {arguments.course / 'autograded'}")
    print(f"feedback    {arguments.course / 'feedback'}")


def grade_table(verdicts: dict[str, Verdict]) -> str:
    """A line per student: points by check, sum, and notes; then a line for each refused file."""
    names = list(dict.fromkeys(check.grade_id for v in verdicts.values() for check in v.checks))
    titles = [name.removeprefix("check_") for name in names]
    rows = [["student", *titles, "sum", "notes"]]
    refused = []
    for student, verdict in verdicts.items():
        if verdict.status == "refused":
            refused.append(f"refused: {student}: {verdict.problem}")
            continue
        points = {check.grade_id: f"{check.score:g}/{check.max_score:g}" for check in verdict.checks}
        note = "; ".join(verdict.notes)
        rows.append([student, *(points.get(name, "") for name in names), verdict.headline, note[:60]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    table.insert(1, "-" * max(map(len, table)))
    return "\n".join(map(printable, table + ([""] + refused if refused else [])))


if __name__ == "__main__":
    sys.exit(main())
