"""Sphinx's configuration of the book. `python -m grader.book` copies it beside the pages; it is not for Sphinx alone."""

from grader.project import own_project

values = own_project().values()
project = "reward-lab"
author = "reward-lab"
release = values["tag"].removeprefix("v")
edition = "Instructor's edition" if tags.has("instructor") else ""  # noqa: F821  Sphinx gives `tags`

def colours(brand, visited):
    return {"color-brand-primary": brand, "color-brand-content": brand, "color-brand-visited": visited}


extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "grader.book.mathml"]
exclude_patterns = ["_static/notebooks"]
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # nothing comes from the network
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
default_role = "literal"  # docstrings write `name`, as in Markdown
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
nitpicky = False

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "reward-lab" + (f": {edition}" if edition else "")
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_domain_indices = False
html_last_updated_fmt = None
html_permalinks_icon = "#"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "announcement": "Instructor's edition: it holds the answers. Do not hand it out." if edition else "",
    "source_repository": values["repository"] + "/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": [],
    "light_css_variables": colours("#005b94", visited="#6b3a80"),
    "dark_css_variables": colours("#6cb6e8", visited="#c9a3dd"),
    "footer_icons": [],
}
