"""Where a course keeps its gradebook: in gradebook.db (SQLite), or on a PostgreSQL server.

nbgrader reads the place from `c.CourseDirectory.db_url`. One line of the course's nbgrader_config.py holds it, so
`run`, `nbgrader autograde`, Formgrader, feedback and export all go to the same gradebook.
"""

import re
from pathlib import Path

from nbgrader.api import Base, Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import URL, Connection, Engine, Table, func, insert, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from .nbgrader_config import configure

MARK = "  # written by `python -m grader`"
LINE = re.compile(rf"^c\.CourseDirectory\.db_url = .*{re.escape(MARK)}\n?", re.MULTILINE)
POSTGRESQL = "postgresql+psycopg"
WAITS = {"connect_timeout": "15", "options": "-c lock_timeout=60s"}
"""As PostgreSQL takes them. Nobody waits for ever for a server or for another's lock; SQLite gives up by itself."""
EXPECTED = f"expected {POSTGRESQL}://USER:PASSWORD@HOST/NAME (the password may stand in ~/.pgpass instead), or sqlite"
ROWS = 1000


class CourseError(Exception):
    """The course folder can't be graded in. The message says what to do."""


def course_settings(course: Path) -> Config:
    """What the course's own nbgrader_config.py sets."""
    if not (course / "nbgrader_config.py").exists():
        return Config()
    return PyFileConfigLoader("nbgrader_config.py", path=str(course.resolve())).load_config()


def database_url(course: Path) -> URL:
    """Where the course's gradebook is."""
    config = configure(course_settings(course))
    return make_url(CourseDirectory(config=config, root=str(course.resolve())).db_url)


def as_url(course: Path, text: str) -> URL:
    """The place that `text` names: `sqlite` is the course's own file.

    Raises:
        CourseError: it is no place for a gradebook.
    """
    if text == "sqlite":
        return make_url(f"sqlite:///{course.resolve() / 'gradebook.db'}")
    try:
        url = make_url(text)
    except ArgumentError:
        raise CourseError(f"{text!r} names no database: {EXPECTED}") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername=POSTGRESQL)
    if url.drivername != POSTGRESQL or not url.database:
        raise CourseError(f"{shown(url)} is no place for a gradebook: {EXPECTED}")
    return url.update_query_dict({name: value for name, value in WAITS.items() if name not in url.query})


def shown(url: URL) -> str:
    """The place, without a password and settings; a file as its path."""
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def is_there(url: URL) -> bool:
    """Whether there may be a gradebook; what a server holds is found out when it is opened."""
    return not url.drivername.startswith("sqlite") or Path(str(url.database)).exists()


def keep(course: Path, url: URL) -> None:
    """Write into the course's settings where its gradebook is. A file with a password is its owner's to read only."""
    path = course / "nbgrader_config.py"
    settings = LINE.sub("", path.read_text("utf-8"))
    if url != as_url(course, "sqlite"):
        text = url.render_as_string(hide_password=False)
        settings = f"{settings.rstrip()}\nc.CourseDirectory.db_url = {text!r}{MARK}\n"
    if url.password:
        path.chmod(0o600)
    path.write_text(settings, "utf-8")


def open_gradebook(url: URL, course_id: str) -> Gradebook:
    """nbgrader's gradebook at `url`, made if there is none.

    Raises:
        CourseError: it can't be opened. The message says why, and what to do.
    """
    try:
        return Gradebook(url.render_as_string(hide_password=False), course_id)
    except (ImportError, NoSuchModuleError):
        raise CourseError(
            "a gradebook on PostgreSQL needs psycopg: pip install 'reward-lab[database]'"
        ) from None
    except SQLAlchemyError as error:
        raise CourseError(f"the gradebook at {shown(url)} can't be opened: {why(error)}") from None


def why(error: SQLAlchemyError) -> str:
    """What the database said, in a line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]


def course_gradebook(course: Path) -> Gradebook:
    """The course's gradebook, as its own settings name it. A context manager. Raises as open_gradebook does."""
    return open_gradebook(database_url(course), configure(course_settings(course)).CourseDirectory.course_id)


def rows_of(course: Path) -> dict[str, int]:
    """What the course's gradebook holds: table -> rows."""
    with course_gradebook(course) as gradebook, gradebook.engine.connect() as connection:
        return {table.name: _count(connection, table) for table in Base.metadata.sorted_tables}


def move(course: Path, target: URL) -> dict[str, int]:
    """Move a course's gradebook, whole or not at all, and write into its settings where it is now.

    Nobody may mark or grade meanwhile: on SQLite nobody can; on PostgreSQL what is written meanwhile stays behind.
    The gradebook that was left is kept as it was; a file is called gradebook.db.moved.

    Returns:
        table -> rows, counted at the new place and the same as at the old.

    Raises:
        CourseError: nothing was moved. The message says why.
    """
    source, course_id = database_url(course), configure(course_settings(course)).CourseDirectory.course_id
    if source == target:
        raise CourseError(f"the gradebook is at {shown(target)} already")
    if not is_there(source):
        raise CourseError(f"{course} has no gradebook: expected {shown(source)}")
    with open_gradebook(source, course_id) as here, open_gradebook(target, course_id) as there:
        try:
            moved = _copy(here.engine, there.engine)
        except SQLAlchemyError as error:
            raise CourseError(f"nothing was moved to {shown(target)}: {why(error)}") from None
    keep(course, target)
    if source.drivername.startswith("sqlite"):
        old = Path(str(source.database))
        old.rename(old.with_name(old.name + ".moved"))
    return moved


def _copy(here: Engine, there: Engine) -> dict[str, int]:
    tables = Base.metadata.sorted_tables  # what others refer to comes first
    level = {"isolation_level": "SERIALIZABLE"}  # one moment of the source, whatever is written meanwhile
    with here.connect().execution_options(**level) as old, there.begin() as new:
        if here.dialect.name == "sqlite":
            old.exec_driver_sql("BEGIN IMMEDIATE")
        # Opening it wrote the course, and nothing else.
        held = {table.name: _count(new, table) for table in tables if table.name != "course"}
        if any(held.values()):
            full = ", ".join(f"{rows} in {name}" for name, rows in held.items() if rows)
            raise CourseError(
                f"there is a gradebook at the new place already ({full}). Name an empty database."
            )
        new.execute(Base.metadata.tables["course"].delete())
        _complete_courses(old)
        for table in tables:
            rows = old.execute(select(table)).mappings()
            while part := rows.fetchmany(ROWS):
                new.execute(insert(table), [dict(row) for row in part])
        counts = {table.name: (_count(old, table), _count(new, table)) for table in tables}
        lost = {name: both for name, both in counts.items() if both[0] != both[1]}
        if lost:
            raise CourseError(f"nothing was moved: rows here and there differ: {lost}")
        old.commit()
        return {name: both[1] for name, both in counts.items()}


def _complete_courses(connection: Connection) -> None:
    """Add courses that lessons name and the gradebook lacks: SQLite lets that pass, and others don't."""
    courses, lessons = Base.metadata.tables["course"], Base.metadata.tables["assignment"]
    missing = select(lessons.c.course_id).where(lessons.c.course_id.not_in(select(courses.c.id))).distinct()
    for (course_id,) in connection.execute(missing).all():
        connection.execute(insert(courses), {"id": course_id})


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
