"""The documentation as a site: `make docs-site`. A link, an anchor or a picture that leads nowhere fails.

The source is the whole repository, so that pages may link to any file of it.
"""

from sphinx.application import Sphinx

NAVIGATION = {
    "Studies": [
        "from-zero-to-a-paper",
        "studies",
        "images",
        "participant-page",
        "quality",
        "recruiting",
        "staff",
        "statistics",
        "export",
        "data-dictionary",
    ],
    "Maps and detectors": [
        "saliency",
        "training",
        "losses",
        "evaluation",
        "reproduce",
        "benchmark",
        "photographs",
        "../benchmarks/photographs/preregistration",
        "../benchmarks/photographs/results",
        "simulation",
    ],
    "Operation": ["deployment", "cli", "api", "participant-api", "../SECURITY"],
    "How to add": ["how-to/*"],
    "The project": [
        "../README",
        "../CONTRIBUTING",
        "architecture",
        "glossary",
        "design-language",
        "../CHANGELOG",
    ],
    "Decisions": ["decisions/README", "decisions/*"],
}

project = "Cyborg"
html_title = "Cyborg"
html_theme = "furo"
html_show_copyright = False
html_copy_source = False

extensions = ["myst_parser"]
myst_heading_anchors = 4
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "benchmarks/photographs/*.md"]
exclude_patterns = [".*", "node_modules", "site", "data", "runs"]
suppress_warnings = ["misc.highlighting_failure"]  # examples have “…” where JSON has a value


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """What stands at the side of every page; in `docs/index.md` itself a forge would show it as text."""
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{listed}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
