"""Build the book.

    python -m grader.book                  the public book, in build/book/site
    python -m grader.book --instructor     with answers and teaching notes, in build/book/instructor

Lessons are executed once, and again only if something changed that they are made from.
"""

import argparse
import sys
from pathlib import Path

from ..project import ProjectError, own_project
from .site import Book, build_book


def main(argv: list[str] | None = None) -> int:
    own = own_project()
    parser = argparse.ArgumentParser(prog="python -m grader.book", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--instructor", action="store_true", help="the instructor's edition, which holds the answers"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to; it is emptied first")
    parser.add_argument("--lessons", nargs="+", default=[], choices=own.lesson_sources(), metavar="LESSON")
    parser.add_argument("--unexecuted", action="store_true", help="lessons without what they print and draw")
    arguments = parser.parse_args(argv)
    work = own.root / "build" / "book"
    output = arguments.output or work / ("instructor" if arguments.instructor else "site")
    book = Book(output, work, arguments.instructor, tuple(arguments.lessons), run=not arguments.unexecuted)
    try:
        build_book(book)
    except ProjectError as error:
        print(f"book: {error}", file=sys.stderr)
        return 1
    print(f"the book is in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
