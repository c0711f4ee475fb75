"""Formulas as MathML: every browser of today renders it, without a script or the network. A Sphinx extension."""

import html
import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

FUNCTION = r"<mi>(?:ln|log|exp|tanh|min|max)</mi>"
AFTER = re.compile(rf"({FUNCTION})(?=<m(?!o[ >]))")
BEFORE = re.compile(rf"(</m(?:i|n|sub|sup|subsup|frac|row)>)(?={FUNCTION})")
SPACE = '<mspace width="0.1667em"></mspace>'


def mathml(tex: str, display: str) -> str:
    """A formula as a `<math>` element, which carries its TeX as a label.

    Args:
        tex: without dollars.
        display: `inline` or `block`.
    """
    element = convert(tex, display=display)
    # TeX sets a thin space around the name of a function, except before its parentheses; the converter sets none.
    element = BEFORE.sub(rf"\1{SPACE}", AFTER.sub(rf"\1{SPACE}", element))
    return element.replace("<math ", f'<math aria-label="{html.escape(" ".join(tex.split()))}" ', 1)


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula" tabindex="0">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
