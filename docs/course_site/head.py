"""What a page says of itself: for search engines, for whoever shares it, and for its reader at the top and end."""

import pathlib
import posixpath
import re
import textwrap

import imagesize
from docutils import nodes

from course_lib import links
from course_site import lessons

ROOT = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = {"en": ("", "en", "English"), "zh_CN": ("zh/", "zh-CN", "中文")}
IMAGE = re.compile(r'<img (?:alt="[^"]*" )?(?:class="[^"]*" )?src="(?:\.\./)*_images/([^"]+)"')


def describe(app, pagename, templatename, context, doctree):
    """Gives the templates `site`, with all that they need, and pictures their sizes."""
    if "body" in context:
        context["body"] = with_sizes(app, context["body"])
    folder, code, _ = LANGUAGES[app.config.language]
    base = app.config.html_baseurl
    # In the folder of each language a page has the same name, and above it the way to the other.
    here = posixpath.dirname(f"{folder}{pagename}")
    addresses = {
        each: (LANGUAGES[each][0] + ("" if pagename == "index" else f"{pagename}.html"), *LANGUAGES[each][1:])
        for each in LANGUAGES
    }
    other, other_code, other_name = next(
        found for each, found in addresses.items() if each != app.config.language
    )
    known = {lesson.page: lesson for lesson in lessons.table()}
    lesson = known.get(pagename)
    about = first_paragraph(doctree) or app.config.project
    site = {
        "about": about,
        "address": base + addresses[app.config.language][0],
        "card": f"{base}cards/{pagename if has_card(app, pagename) else 'index'}.png",
        "languages": [(each_code, base + address) for address, each_code, _ in addresses.values()],
        "other": {"address": relative(other or "index.html", here), "code": other_code, "name": other_name},
        "repository": f"https://github.com/{app.config.slug}",
        "lessons": [(page, app.env.titles[page].astext()) for page in known if page in app.env.titles],
    }
    if pagename in known or re.fullmatch(r"exercises/\d\d_\w+", pagename):
        site |= {"colab": links.colab(app.config.slug, f"{pagename}.ipynb")}
        site |= {"notebook": relative(f"{pagename}.ipynb", here)}
    if lesson:
        site |= {"reading": lesson.reading, "running": lesson.running}
    if lesson and lesson.exercise in app.env.titles:
        site |= {
            "exercise": lesson.exercise,
            "exercise_title": app.env.titles[lesson.exercise].astext(),
            "exercise_colab": links.colab(app.config.slug, f"{lesson.exercise}.ipynb"),
            "exercise_notebook": relative(f"{lesson.exercise}.ipynb", here),
        }
    context["site"] = site


def has_card(app, pagename):
    """Whether a page has a card of its own."""
    return pagename in app.env.titles and not pagename.startswith("reference/")


def relative(target, here):
    """The way to a file from a page in the folder `here`, both from the site's root."""
    return posixpath.relpath(target, here or ".")


def first_paragraph(doctree):
    """What a page begins with, in at most 200 letters."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        text = " ".join(paragraph.astext().split())
        if len(text) > 40 and isinstance(paragraph.parent, nodes.section):
            return textwrap.shorten(text, 200, placeholder=" …") if " " in text[:100] else text[:120]
    return None


def with_sizes(app, body):
    """Pictures say how large they are, so that nothing jumps, and come when they are near."""
    sources = {name: uri for uri, name in app.builder.images.items()}

    def widen(match):
        size = (
            "".join(
                f' {name}="{value}"'
                for name, value in zip(
                    ("width", "height"), imagesize.get(app.srcdir / sources[match[1]]), strict=True
                )
            )
            if match[1] in sources
            else ""
        )
        return f'{match[0]}{size} loading="lazy" decoding="async"'

    return IMAGE.sub(widen, body)


def setup(app):
    """Sphinx calls this."""
    app.connect("html-page-context", describe)
