"""Directives of the site's own pages."""

import pathlib
import posixpath

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Pages that are read in the repository as well, and what stands under them here.
UNDER = {
    "exercises/README": "[0-9]*",
    "benchmarks/README": "results",
    "docs/DATA": "/course_lib/*/README",
}


def add_children(app, docname, source):
    """Gives pages that know nothing of Sphinx those that stand under them."""
    if docname in UNDER:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{UNDER[docname]}\n```\n"


def lead_to_repository(app, env, node, contnode):
    """A link to a file that is no page leads to the repository."""
    target = node["reftarget"].partition("#")[0]
    place = (pathlib.PurePosixPath("/", env.docname).parent / target).as_posix()
    path = pathlib.Path(posixpath.normpath(place)).relative_to("/")
    if node.get("reftype") != "myst" or not (ROOT / path).exists():
        return None
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    address = f"https://github.com/{app.config.slug}/{kind}/main/{path.as_posix()}"
    return nodes.reference("", "", *contnode.children, refuri=address, internal=False)


class Placed(SphinxDirective):
    """A place that is filled when the page is written."""

    def run(self):
        """Returns what stands there."""
        return [nodes.comment(self.name, self.name)]


def setup(app):
    """Sphinx calls this."""
    app.add_config_value("slug", "", "env", str)
    app.connect("source-read", add_children)
    app.connect("missing-reference", lead_to_repository)
    for name in ("demo", "lesson-map", "drawings"):
        app.add_directive(name, Placed)
