"""The documentation as a site: `make docs` builds docs/site/html from the Markdown files, with every warning an error."""

project = "Routing with Generated Data"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
# Headings of these depths can be linked to, by the names that they have on GitHub.
myst_heading_anchors = 4
html_theme = "furo"
html_title = project
