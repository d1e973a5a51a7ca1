"""Configuration of Sphinx: `docs/build.sh` runs it."""

import os
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

project = "tensorjump"
author = "The tensorjump contributors"
copyright = "the tensorjump contributors, MIT or Apache-2.0"
extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "reference",
]
exclude_patterns = ["_build", "_ext", "*.py", "requirements.txt", "start/rust.md", "start/c.md", "start/python.md"]
html_theme = "furo"
html_title = "tensorjump"
html_show_sphinx = False
html_css_files = []
templates_path = []
# Names such as "sites" stand in shapes, and are members of several classes.
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python", "toc.empty_glob"]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Pages are executed, and what fails there fails the build.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
default_role = "code"
add_module_names = False
python_use_unqualified_type_names = True


REPOSITORY = "https://github.com/tensorjump/tensorjump/blob/main"


def outside(app, name, source):
    """Links to files of the repository that are no pages lead to the repository."""
    source[0] = re.sub(r"\]\(\.\./((?:capi|examples|python|src|studies)/[^)]+)\)", rf"]({REPOSITORY}/\1)", source[0])


def thumbnails(app, exception):
    """The first picture of each gallery page, for the page that lists them."""
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for script in sorted((HERE / "gallery").glob("*.py")):
        page = out / "gallery" / f"{script.stem}.html"
        found = re.search(r'src="\.\./_images/([^"]+\.png)"', page.read_text(encoding="utf-8"))
        if found:
            shutil.copyfile(out / "_images" / found[1], out / "_images" / f"thumb_{script.stem}.png")


def setup(app):
    app.connect("source-read", outside)
    app.connect("build-finished", thumbnails)
