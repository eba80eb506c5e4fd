"""What a page says of itself to search engines and to who shares it, and what its templates need."""

import posixpath
import re
import textwrap

import imagesize
from docutils import nodes

from course_lib import links
from course_site import LANGUAGES, lessons

IMAGE = re.compile(r'<img (?:alt="[^"]*" )?(?:class="[^"]*" )?src="(?:\.\./)*_images/([^"]+)"')
EXERCISE = re.compile(r"exercises/\d\d_\w+")
LETTERS = 200  # Of a description: more is cut off where it is shown.


def describe(app, pagename, templatename, context, doctree):
    """Gives the templates `site`, with all that they need, and pictures their sizes."""
    if "body" in context:
        context["body"] = with_sizes(app, context["body"])
    config, titles = app.config, app.env.titles
    known = {lesson.page: lesson for lesson in lessons.table() if lesson.page in titles}
    # In the folder of each language a page has the same name.
    file = "" if pagename == "index" else f"{pagename}.html"
    ways = {name: folder + file for name, (folder, _, _) in LANGUAGES.items()}
    here = posixpath.dirname(f"{LANGUAGES[config.language][0]}{pagename}") or "."
    other = next(name for name in LANGUAGES if name != config.language)
    context["site"] = {
        "about": first_paragraph(doctree) or config.project,
        "address": config.html_baseurl + ways[config.language],
        "card": f"{config.html_baseurl}cards/{pagename if pagename in known else 'index'}.png",
        "languages": [(LANGUAGES[name][1], config.html_baseurl + way) for name, way in ways.items()],
        "other": {
            "address": posixpath.relpath(f"{LANGUAGES[other][0]}{pagename}.html", here),
            "code": LANGUAGES[other][1],
            "name": LANGUAGES[other][2],
        },
        "repository": f"https://github.com/{config.slug}",
        "lessons": [(page, titles[page].astext()) for page in known],
    }
    if pagename in known or EXERCISE.fullmatch(pagename):
        context["site"] |= notebook(config.slug, pagename, here)
    exercise = known[pagename].exercise if pagename in known else None
    if exercise in titles:
        context["site"] |= {"exercise": exercise, "exercise_title": titles[exercise].astext()}
        context["site"] |= {
            f"exercise_{key}": way for key, way in notebook(config.slug, exercise, here).items()
        }


def notebook(slug, page, here):
    """Where the notebook behind a page opens, and its file seen from the folder `here`."""
    return {
        "colab": links.colab(slug, f"{page}.ipynb"),
        "notebook": posixpath.relpath(f"{page}.ipynb", here),
    }


def first_paragraph(doctree):
    """What a page begins with, shortened; None if it has no sentence."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        text = " ".join(paragraph.astext().split())
        if len(text) > LETTERS / 10 and isinstance(paragraph.parent, nodes.section):
            # Chinese has no blanks to cut at.
            return textwrap.shorten(text, LETTERS, placeholder=" …") if " " in text[:40] else text[:LETTERS]
    return None


def with_sizes(app, body):
    """Pictures say how large they are, so that nothing jumps, and come when they are near."""
    sources = {name: app.srcdir / uri for uri, name in app.builder.images.items()}

    def widen(match):
        width, height = imagesize.get(sources[match[1]]) if match[1] in sources else (-1, -1)
        size = f' width="{width}" height="{height}"' if width > 0 else ""
        return f'{match[0]}{size} loading="lazy" decoding="async"'

    return IMAGE.sub(widen, body)


def setup(app):
    """Sphinx calls this."""
    app.connect("html-page-context", describe)
