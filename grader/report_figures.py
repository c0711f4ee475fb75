"""The figures of a class report, as SVG in a page's own colours, so that light and dark both suit them."""

from html import escape
from statistics import quantiles

from markupsafe import Markup

from .report import LessonReport
from .report_words import Words, points

WIDTH = 640
BINS = 10


def marks_figure(report: LessonReport, words: Words) -> Markup:
    """How the automatic points are distributed: a bar for each tenth of them, full points in one of its own."""
    counts = [0] * (BINS + 1)
    for score in report.scores:
        share = score / report.max_score if report.max_score else 0.0
        counts[BINS if share >= 1 else max(0, int(share * BINS + 1e-9))] += 1
    total = len(report.scores)
    heights = [words.percent(count, total) for count in counts]
    top, wide, tall = max(max(heights), 1), WIDTH / (BINS + 1), 110
    parts, said = [], []
    for number, (count, height) in enumerate(zip(counts, heights, strict=True)):
        low = number * report.max_score / BINS
        label = "all" if number == BINS else points(low)
        x, h = number * wide, tall * height / top
        parts.append(
            f'<rect class="bar" x="{x + 3:.1f}" y="{130 - h:.1f}" width="{wide - 6:.1f}" height="{h:.1f}"/>'
        )
        parts.append(f'<text x="{x + wide / 2:.1f}" y="146" text-anchor="middle">{label}</text>')
        if count:
            number_said = f"{height} %" if words.anonymous else f"{count}"
            parts.append(
                f'<text x="{x + wide / 2:.1f}" y="{125 - h:.1f}" text-anchor="middle">{number_said}</text>'
            )
            said.append(f"{number_said} at {label}")
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="130.5" y2="130.5"/>')
    parts.append(
        f'<text x="{WIDTH / 2}" y="164" text-anchor="middle">automatic points, each bar from here to the next; '
        f"all = {points(report.max_score)}</text>"
    )
    unit = "students" if not words.anonymous else "shares of the class"
    return _svg(170, f"Distribution of automatic points, {unit}: {', '.join(said) or 'nobody'}", parts)


def way_figure(reports: list[LessonReport], words: Words) -> Markup:
    """The class over the lessons: median and middle half of the automatic points, and how many handed in."""
    row, left, wide = 34, 210, WIDTH - 330
    parts, said = [], []
    largest = max((report.handed_in for report in reports), default=1)
    for tick in (0, 50, 100):
        x = left + wide * tick / 100
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="4" y2="{row * len(reports)}"/>')
        parts.append(f'<text x="{x}" y="{row * len(reports) + 16}" text-anchor="middle">{tick} %</text>')
    for number, report in enumerate(reports):
        y = number * row + row / 2
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(report.lesson)}</text>')
        shares = [100 * score / report.max_score for score in report.scores if report.max_score]
        if shares:
            low, middle, high = quantiles(shares, n=4, method="inclusive") if len(shares) > 1 else shares * 3
            low, middle, high = (words.percent(value, 100) for value in (low, middle, high))
            x, w = left + wide * low / 100, max(wide * (high - low) / 100, 2)
            parts.append(f'<rect class="middle" x="{x:.1f}" y="{y - 7}" width="{w:.1f}" height="14" rx="3"/>')
            x = left + wide * middle / 100
            parts.append(f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 10}" y2="{y + 10}"/>')
            said.append(f"{report.lesson}: median {middle} %, middle half {low} to {high} %")
        handed = words.of(report.handed_in, largest) if words.anonymous else f"{report.handed_in} handed in"
        parts.append(f'<text x="{left + wide + 16}" y="{y + 4}">{handed}</text>')
    height = row * len(reports) + 40
    caption = "share of the automatic points: median (line) and the middle half of the class (bar)"
    parts.append(f'<text x="{WIDTH / 2}" y="{height - 4}" text-anchor="middle">{caption}</text>')
    return _svg(height, f"The class over the lessons. {'; '.join(said)}", parts)


def _svg(height: float, told: str, parts: list[str]) -> Markup:
    """A drawing with its words for those who can't see it. `parts` are escaped already."""
    label = escape(told, quote=True)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )
