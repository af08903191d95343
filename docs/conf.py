"""How Sphinx builds the documents: `make docs` for the site, `make man` for the man pages."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.util.tags import Tags

tags: Tags = globals()["tags"]  # Sphinx defines it.

# So that `docs.generated` is found from any working directory.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "corsgate"
author = "corsgate contributors"
release = version = version_of("corsgate")
language = "en"

extensions = ["myst_parser", "docs.generated"]
source_suffix = {".md": "markdown"}
# The man pages and the site share no page.
if tags.has("man"):
    root_doc = "man/corsgate"
    include_patterns = ["man/*.md"]
    exclude_patterns: list[str] = []
else:
    root_doc = "index"
    exclude_patterns = ["man/*"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
nitpicky = True
smartquotes = False

html_theme = "furo"
html_title = "corsgate"
html_favicon = "../corsgate/demo/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False

# A date would make each build differ, so the pages show the version.
today = version
man_pages = [
    ("man/corsgate", "corsgate", "let browser apps call APIs that do not support CORS", author, 1),
    ("man/corsgate.toml", "corsgate.toml", "the configuration file of corsgate", author, 5),
]
