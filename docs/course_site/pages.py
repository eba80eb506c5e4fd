"""The site's own pages: what stands in for their directives, and links to what is no page."""

import inspect
import json
import pathlib
import posixpath

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from course_lib import diagrams, links
from course_site import lesson_map, lessons

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


def lead_to_repository(app, doctree):
    """Lets links to files of the repository that are no pages lead to GitHub."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        target, _, anchor = node["reftarget"].partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(app.env.docname), target))
        if node["reftype"] != "myst" or node.get("refdomain") == "doc" or not target:
            continue
        if (ROOT / place).exists() and not place.startswith(".."):
            kind = "tree" if (ROOT / place).is_dir() else "blob"
            address = (
                f"https://github.com/{app.config.slug}/{kind}/main/{place}" + "#" * bool(anchor) + anchor
            )
            node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=False))


def spell_badges(app, doctree):
    """A badge would come from elsewhere each time a page is read; its words do as well."""
    for picture in list(doctree.findall(nodes.image)):
        if picture["uri"] == links.BADGE:
            picture.replace_self(nodes.Text(picture["alt"]))


class Place(nodes.General, nodes.Element):
    """Where a directive of ours stands: it is filled when the page is written, and titles are known."""


class Placed(SphinxDirective):
    """A directive without options, such as `{lesson-map}`."""

    def run(self):
        """Returns the place."""
        return [Place(what=self.name)]


def fill(app, doctree, docname):
    """Puts into each place what belongs there."""
    makers = {"start": _start, "lesson-map": _map, "demo": _demo, "drawings": _drawings}
    for place in list(doctree.findall(Place)):
        made = makers[place["what"]](app, docname) if app.builder.format == "html" else []
        place.replace_self(made)


def _map(app, docname):
    def draw(label):
        return lesson_map.both(app, docname, label)

    return [nodes.raw("", app.builder.templates.render("map.html", {"draw": draw}), format="html")]


def _demo(app, docname):
    page = "" if app.config.language == "en" else "../"
    record = app.config.demo and json.loads(pathlib.Path(app.config.demo, "page.json").read_text())
    made = app.builder.templates.render("demo.html", {"demo": f"{page}demo/", **_facts(app, record)})
    return [nodes.raw("", made, format="html")]


def _start(app, docname):
    lesson = lessons.table()[0]
    ways = {
        "first": app.builder.get_relative_uri(docname, lesson.page),
        "colab": links.colab(app.config.slug, lesson.path),
    }
    return [nodes.raw("", app.builder.templates.render("start.html", ways), format="html")]


def _facts(app, record):
    if not record:
        return {"record": None}
    card = json.loads(pathlib.Path(app.config.demo, "card.json").read_text(encoding="utf-8"))
    loaded = ("card.json", "tokenizer.json", "model.tflite")
    megabytes = sum(record["files"][name]["bytes"] for name in loaded) / 1e6
    accuracy = card["evaluation"]["accuracy"]
    return {
        "record": record,
        "megabytes": f"{megabytes:.0f}",
        "accuracy": f"{100 * accuracy:.1f}",
        "texts": f"{card['evaluation']['texts']:,}",
    }


def _drawings(app, docname):
    """A section for each lesson, with the drawings of its module."""
    words = {name: inspect.getmodule(draw).__name__.rpartition(".")[2] for name, draw in _drawn().items()}
    made = []
    folder = "drawings/" if app.config.language == "en" else "../drawings/"
    for lesson in lessons.table():
        names = [name for name, word in words.items() if word == lesson.word]
        if not names or lesson.page not in app.env.titles:
            continue
        title = app.env.titles[lesson.page].astext()
        section = nodes.section("", nodes.title("", title), ids=[lesson.word])
        pictures = "\n".join(_figure(folder, name) for name in names)
        section += nodes.raw("", f'<div class="drawings">{pictures}</div>', format="html")
        made.append(section)
    return made


def _drawn():
    return {name: inspect.unwrap(draw) for name, draw in diagrams.DRAWINGS.items()}


def _figure(folder, name):
    said = " ".join(inspect.getdoc(diagrams.DRAWINGS[name]).split())
    return (
        f'<figure id="{name}"><a href="{folder}{name}.svg">'
        f'<img src="{folder}{name}.svg" alt="{said}" loading="lazy"></a>'
        f"<figcaption><code>diagrams.{name}()</code></figcaption></figure>"
    )


def setup(app):
    """Sphinx calls this."""
    app.add_config_value("slug", "", "env", str)
    app.add_config_value("demo", "", "html", str)
    app.add_node(Place)
    for name in ("start", "demo", "lesson-map", "drawings"):
        app.add_directive(name, Placed)
    app.connect("source-read", add_children)
    app.connect("doctree-read", spell_badges, priority=100)  # Before pictures are collected.
    app.connect("doctree-read", lead_to_repository)
    app.connect("doctree-resolved", fill)
