"""What a reader of JupyterLab gets, looked up in its page: alt texts, folded answers. Needs Chromium and playwright; 20 s.

    make browser

CI has neither, and skips it; the same output is held in nbconvert's pages by test_alt_text.py.
"""

import matplotlib.pyplot as plt
import nbformat
import pytest

from reward_lab.plots import image_element

from ..jupyter_server import ARGUMENTS, CHROMIUM, jupyterlab

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright here: JupyterLab is not looked at"
)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")]
ALT = 'Left: <0.5> & the "same" falls.'
FOLDED = "<details><summary>What came out</summary>\n\nA **bold** word, and $x^2$.\n\n</details>"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a notebook that was saved with outputs, in a JupyterLab that has not run it and does not trust it."""
    folder = tmp_path_factory.mktemp("lab")
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    data = {"text/html": image_element(figure, ALT), "text/plain": ALT}
    cell = nbformat.v4.new_code_cell("show()", outputs=[nbformat.v4.new_output("display_data", data=data)])
    cells = [nbformat.v4.new_markdown_cell(FOLDED), cell]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "lesson.ipynb")
    with jupyterlab(folder) as (server, token):
        yield f"{server}/lab/tree/lesson.ipynb?token={token}"


@pytest.mark.parametrize("width", [1400, 900])
def test_alt_text_and_folded_answer_arrive_in_the_page(address, width):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(address)
        image = page.wait_for_selector(".jp-OutputArea-output img", timeout=60_000)
        assert image.get_attribute("alt") == ALT
        assert image.evaluate("i => i.naturalWidth > 100 && i.clientWidth <= i.parentElement.clientWidth")
        answer = page.wait_for_selector(".jp-RenderedMarkdown details")
        assert not answer.evaluate("d => d.open") and answer.query_selector("strong")
        browser.close()
