"""The book: the lessons with their outputs, the pages around them and the reference, as a static site.

prose.py     README, notebooks/*.md and docs/*.md as pages, with links that hold inside the site
lessons.py   runs a lesson once and keeps what it showed; makes a page of it
teaching.py  what only the instructor's edition has: teaching notes
reference.py a page for each room of the package, from its docstrings
mathml.py    formulas as MathML, which browsers render without script or network
proof.py     what every built site is held to: links, sizes, alt texts, no answer in the public one
"""
