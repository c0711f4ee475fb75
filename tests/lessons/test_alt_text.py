"""A figure's alt text reaches those who need it: in the pages themselves, not in metadata. All of it costs 3 s."""

import base64
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.converters.generate_feedback import GenerateFeedback
from traitlets.config import Config

from grader.headless import pictures
from reward_lab import plots

ALT = 'Left: the loss falls to 0 & stays <there>. Right: the "same", for Łukasz\' model.'


@pytest.fixture(scope="module")
def notebook():
    """A notebook whose one cell has shown one figure."""
    figure, axis = plt.subplots()
    axis.plot([0, 1, 0.5])
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", lambda data, raw: outputs.append(data))
        plots.show(figure, ALT)
    (data,) = outputs
    cell = nbformat.v4.new_code_cell("show()", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    return nbformat.v4.new_notebook(cells=[cell])


class Page(HTMLParser):
    """Collects the `<img>` elements of a page, and its text."""

    def __init__(self, source: str):
        super().__init__()
        self.images: list[dict] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))


def test_the_picture_is_saved_once_and_the_grader_finds_it(notebook):
    ((png, alt),) = pictures(notebook)
    assert alt == ALT and png.startswith(b"\x89PNG")
    assert len(nbformat.writes(notebook)) < 1.5 * len(png) + 2000  # base64 takes a third more
    assert notebook.cells[0].outputs[0].data["text/plain"] == ALT


@pytest.mark.parametrize("template", ["lab", "classic", "basic", "feedback"])
def test_every_page_has_the_alt_text_in_its_dom(notebook, template):
    config = Config()
    if template == "feedback":
        config.merge(GenerateFeedback().config)
    else:
        config.HTMLExporter.template_name = template
    config.HTMLExporter.preprocessors = []  # marks come from a gradebook, and there is none here
    graded = {"nbgrader": dict.fromkeys(("score", "max_score", "late_penalty"), 0) | {"notebook": "lesson"}}
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, graded)
    (image,) = Page(page).images
    assert image["alt"] == ALT and image["src"].startswith("data:image/png;base64,")


def test_a_png_output_with_alt_in_its_metadata_would_not_do(notebook):
    """Why figures are HTML: this is what nbconvert makes of the other way."""
    ((png, _),) = pictures(notebook)
    cell = nbformat.v4.new_code_cell("show()")
    data = {"image/png": base64.b64encode(png).decode()}
    cell.outputs = [nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": ALT}})]
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert Page(page).images[0].get("alt") != ALT
