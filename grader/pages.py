"""A student's words on a page: Markdown becomes HTML in which nothing runs.

nbgrader's templates for feedback and Formgrader take a written answer's HTML as it is. This filter takes the place of
theirs (see nbgrader_config), and cleans what Markdown gave with bleach. What it doesn't know is shown as text.
"""

import re
from urllib.parse import unquote

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from .submitted import PICTURE_TYPES

MARKDOWNS = (
    "p br hr h1 h2 h3 h4 h5 h6 img pre div span del s ins sub sup kbd table thead tbody tfoot tr th td caption dl dt dd",
    "details summary u small center",
)
TAGS = frozenset(bleach.ALLOWED_TAGS).union(*(tags.split() for tags in MARKDOWNS))
PROTOCOLS = ("http", "https", "mailto", "data")
PICTURE = re.compile(rf"data:({'|'.join(sorted(set(PICTURE_TYPES.values())))});base64,[A-Za-z0-9+/=\s]*")
COLOURED = re.compile(r"highlight|anchor-link|language-[\w-]{1,20}|[a-z]{1,2}[0-9]?")
"""Classes of coloured code and headings. Others could dress words up as one of Formgrader's buttons."""
ATTACHED = re.compile(r"(\bsrc\s*=\s*[\"']?)(attachment:[^\"'\s>]+)", re.IGNORECASE)
STYLES = CSSSanitizer(allowed_css_properties=["text-align", "width", "height", "color", "background-color"])
PLAIN = ("title", "alt", "width", "height", "align", "colspan", "rowspan", "start", "open", "style")


def _is_allowed(tag: str, name: str, value: str) -> bool:
    """Whether a tag may have this attribute."""
    if name == "class":
        return all(COLOURED.fullmatch(part) for part in value.split())
    if name == "src":
        return tag == "img" and (not _scheme(value).startswith("data") or bool(PICTURE.fullmatch(value)))
    if name == "href":
        return tag == "a" and not _scheme(value).startswith("data")
    if name == "id":
        return bool(re.fullmatch(r"h[1-6]", tag))
    return name in PLAIN


def _scheme(address: str) -> str:
    """The start of an address as browsers read it, without blanks and control characters."""
    return re.sub(r"[\x00-\x20]", "", address).lower()


def clean(page: str) -> str:
    """HTML in which nothing runs: no scripts, handlers, frames, forms or drawings. Those are shown as text."""
    return bleach.clean(page, tags=TAGS, attributes=_is_allowed, protocols=PROTOCOLS, css_sanitizer=STYLES)


class Renderer(IPythonRenderer):
    """nbconvert's own, which ends the page at a picture that is missing, or whose name has a blank in it."""

    def _embed_image_or_attachment(self, src: str) -> str:
        name = src.removeprefix("attachment:")
        bundle = self.attachments.get(name) or self.attachments.get(unquote(name)) if name != src else None
        kind = next((kind for kind in bundle or {} if kind in PICTURE_TYPES.values()), None)
        return f"data:{kind};base64,{bundle[kind]}" if kind else src

    def inline_html(self, html: str) -> str:
        return super().inline_html(self._with_pictures(html))

    def block_html(self, html: str) -> str:
        return super().block_html(self._with_pictures(html))

    def _with_pictures(self, html: str) -> str:
        return ATTACHED.sub(lambda found: found[1] + self._embed_image_or_attachment(found[2]), html)


@pass_context
def markdown(context: Context, source: str) -> str:
    """Markdown with formulas to clean HTML, with the pictures pasted into the cell. A filter for nbconvert's templates."""
    pasted = context.get("cell", {}).get("attachments", {})
    renderer = Renderer(escape=False, attachments=pasted, embed_images=False)
    return clean(MarkdownWithMath(renderer=renderer).render(source))
