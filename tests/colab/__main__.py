"""Run every lesson as Colab would: other versions, and the package installed by the set-up cell.

    python -m tests.colab                         Colab's versions (colab.txt)
    python -m tests.colab --versions floors       the oldest versions that pyproject.toml allows
    python -m tests.colab --versions newest       the newest that there are
    python -m tests.colab --python python3.12 --torch torch==2.9.0 --lessons 02_bradley_terry

It makes an environment in build/colab, packs the committed state as GitHub would, lets the first lesson's set-up cell
install that, runs the student notebooks and the solved ones, and compares what is installed before and after: reward-lab
alone may be new. Not part of `make test`: it installs torch anew, and executes all lessons twice.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from grader.build import ROOT, lesson_sources
from grader.project import own_project

from .environment import Environment, VersionsError
from .lessons import run_lesson

COLUMNS = "| lesson | student | solved |\n|:--|:--|:--|"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.colab", description=__doc__.split("\n")[0])
    parser.add_argument("--versions", choices=("colab", "floors", "newest"), default="colab")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="default: this one")
    parser.add_argument("--torch", metavar="REQUIREMENT", help="in place of the one in the list of versions")
    parser.add_argument(
        "--lessons", nargs="+", choices=lesson_sources(), default=list(lesson_sources()), metavar="LESSON"
    )
    parser.add_argument("--student-only", action="store_true", help="leave out the solved notebooks")
    arguments = parser.parse_args(argv)
    folder = ROOT / "build" / "colab" / arguments.versions
    try:
        environment = Environment.make(folder, arguments.versions, arguments.python, arguments.torch)
    except VersionsError as error:
        print(f"colab: {error}", file=sys.stderr)
        return 2
    before = environment.installed()
    archive = packed(folder)
    print(environment.described(), COLUMNS, sep="\n\n", flush=True)
    failures = []
    for lesson in arguments.lessons:
        cells = [lesson]
        for solved in (False, True)[: 1 if arguments.student_only else 2]:
            failure = run_lesson(lesson, solved, environment, archive)
            failures += [f"{lesson} ({'solved' if solved else 'student'}): {failure}"] if failure else []
            cells.append("fails" if failure else "runs")
        print("| " + " | ".join(cells) + " |", flush=True)
    failures += changes(before, environment.installed())
    print("", *failures, sep="\n")
    print("something does not hold" if failures else "every lesson runs, and only reward-lab was added")
    return 1 if failures else 0


def packed(folder: Path) -> Path:
    """The committed state as an archive, as GitHub hands it out for a tag."""
    archive = folder / "reward-lab.tar.gz"
    prefix = f"--prefix=reward-lab-{own_project().version}/"
    subprocess.run(["git", "archive", prefix, "-o", str(archive), "HEAD"], cwd=ROOT, check=True)
    return archive


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What the set-up cell did beside adding reward-lab, a line each.

    Args:
        before: name -> version of what was installed.
        after: the same, afterwards.
    """
    found = [
        f"{name} was {before[name]} and is {after.get(name, 'gone')}"
        for name in before
        if after.get(name) != before[name]
    ]
    found += [
        f"{name} {after[name]} was added" for name in after if name not in before and name != "reward-lab"
    ]
    if "reward-lab" in before or "reward-lab" not in after:
        found.append("the set-up cell did not install reward-lab")
    return found


if __name__ == "__main__":
    sys.exit(main())
