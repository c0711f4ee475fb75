"""A class report as one HTML page that needs no network. Whatever stands in it is escaped by the template engine."""

import datetime
from pathlib import Path
from statistics import median

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from .report import LessonReport
from .report_figures import marks_figure, way_figure
from .report_words import NO_EVIDENCE, Words, points, time_told

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load and run for this page: nothing. It holds even if an escape were forgotten."""


def page(course: Path, reports: list[LessonReport], words: Words, today: datetime.date | None = None) -> str:
    """The page.

    Args:
        course: whose name stands above it, unless it is anonymous.
        reports: of one lesson, or of several.
        words: how much it tells of whom.
        today: the date that it bears; None is today.
    """
    engine = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"points": points, "code": _code}
    return engine.get_template("report.html").render(
        title="Class report" if words.anonymous else f"Class report: {course.resolve().name}",
        date=(today or datetime.date.today()).isoformat(),
        policy=POLICY,
        reports=reports,
        words=words,
        way=way_figure(reports, words) if len(reports) > 1 else "",
        marks={report.lesson: marks_figure(report, words) for report in reports},
        median=median,
        time_told=time_told,
        no_evidence=NO_EVIDENCE,
    )


def _code(text: str) -> Markup:
    """Escape, and turn `this` into code."""
    parts = str(escape(text)).split("`")
    return Markup("".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)))
