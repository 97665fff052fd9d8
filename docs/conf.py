"""Sphinx: Markdown pages, and the reference from the docstrings."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import pages

pages.draw()

project = "everlearn"
author = "The everlearn authors"
release = importlib.metadata.version("everlearn")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_theme_options = {"show_toc_level": 2, "navbar_align": "left", "header_links_before_dropdown": 4}
html_sidebars = {"**": []}
html_title = "everlearn"
html_show_copyright = False
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
add_module_names = False
napoleon_google_docstring = True
