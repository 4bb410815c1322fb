"""The documentation site, for Sphinx: ``make site``.

The source folder is the repository, so that a link between two pages is the same on the site and on a code host. The
lists of links in a few pages are the navigation of the site.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from emopms import __version__  # noqa: E402

project = "emopms"
version = release = __version__
author = copyright = "the emopms authors"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "plugins/*.md", "plugins/*/README.md"]
exclude_patterns = [".*", "build", "dist", "runs", "emopms", "tests", "benchmarks", "specs", "schema", "docs/_build"]

nitpicky = True
nitpick_ignore_regex = [
    # The site is built offline, without the inventories of other projects …
    (r"py:.*", r"(?!emopms\b).*"),
    # … and the reference describes what users import, not where it is defined.
    (r"py:.*", r"emopms\.(component|engine|network|registry|spec)\b.*"),
]

myst_heading_anchors = 3
myst_links_external_new_tab = False

napoleon_numpy_docstring = False
default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 88

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"emopms {release}"
html_copy_source = False
html_show_sphinx = False

SECTION = re.compile(r"^- \*\*(.+?)\*\*:((?: .*\n)(?: {2}.*\n)*)", flags=re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\(([^):#]+\.md)\)")


def _toctree(caption: str, links: list[tuple[str, str]]) -> str:
    entries = "\n".join(f"{title} <{target}>" for title, target in links)
    options = f":hidden:\n:caption: {caption}" if caption else ":hidden:"
    return f"\n```{{toctree}}\n{options}\n\n{entries}\n```\n"


def _navigate(app: Any, page: str, content: list[str]) -> None:
    """Make the links of three pages the navigation. Sphinx then warns of each page that is not among them."""
    text = content[0]
    if page == root_doc:
        text += "".join(_toctree(section, LINK.findall(links)) for section, links in SECTION.findall(text))
    elif page in ("docs/adr/README", "plugins/README"):
        text += _toctree("", [(title, target) for title, target in LINK.findall(text) if ".." not in target])
    content[0] = text


def _docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make clear to Sphinx what is text in our docstrings, and what is not."""
    if what == "class" and "Fields:" in lines:  # what `help` shows of fields; autodoc shows them as members
        del lines[lines.index("Fields:") :]
    lines[:] = [re.sub(r"\[N, \*shape]", r"[N, \\*shape]", line) for line in lines]
    if what in ("attribute", "property") and lines:
        lines[0] = f": {lines[0]}"  # an empty type, and then the text
    for number, line in enumerate(lines[:-1]):
        if line == "Returns:":
            lines[number + 1] = re.sub(r"^( +)", r"\1: ", lines[number + 1])


def _index(app: Any, error: Exception | None) -> None:
    """Write ``index.html``, which leads to the first page."""
    if error is None:
        first = f"{root_doc}.html"
        head = f"<title>{project}</title><meta http-equiv=refresh content='0; url={first}'>"
        text = f"<!doctype html><meta charset=utf-8>{head}<a href={first}>{project}</a>\n"
        (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    app.connect("source-read", _navigate)
    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before napoleon
    app.connect("build-finished", _index)
