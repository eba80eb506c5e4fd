"""The page for people, and the policy that lets nothing but its own script and style run."""

import base64
import hashlib
import html
import importlib.resources
import pathlib
import re

# The page at work, for who has not started it yet; tools/picture_of_page.py takes it.
PICTURE = pathlib.Path(__file__).with_name("page.png")


def load(card, settings):
    """The page of a service.

    Args:
        card: The model card: what it says of accuracy and limits is shown.
        settings: A `Settings`, of which the page tells the most characters.

    Returns:
        `(page, policy)`: HTML, and the value of its header Content-Security-Policy.
    """
    known = {
        "about": about(card),
        "characters": settings.characters,
        "explain_characters": settings.explain_characters,
    }
    return filled(_page(), known)


def filled(page, known):
    """A page with its values, and the policy for it.

    Args:
        page: HTML with one script, one style and places such as `{{about}}`, none of them in script or style.
        known: Dict from the places' names to their values, which are escaped.

    Returns:
        As `load`.
    """

    def hashed(tag):
        return base64.b64encode(hashlib.sha256(_inside(page, tag).encode()).digest()).decode()

    policy = (
        f"default-src 'none'; script-src 'sha256-{hashed('script')}'; style-src 'sha256-{hashed('style')}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    # In one pass, so that no value is taken for a place.
    places = re.compile("|".join(rf"\{{\{{{name}\}}\}}" for name in known))
    return places.sub(lambda found: html.escape(str(known[found[0][2:-2]])), page), policy


def style():
    """The style of the page, as CSS; the page in the browser has it, too."""
    return _inside(_page(), "style")


def about(card):
    """What a model card says to who reads a verdict: how often it is right, and where not to trust it."""
    return " ".join(filter(None, (_accuracy(card), card.get("limits", ""))))


def _page():
    """The page with the script that it shares with the page in the browser, which is a module there."""
    here = importlib.resources.files("course_lib.serving")
    page, words = (
        here.joinpath(*name.split("/")).read_text(encoding="utf-8")
        for name in ("page.html", "static/words.js")
    )
    return page.replace("{{words.js}}", words.replace("export ", "").strip())


def _inside(page, tag):
    return re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]


def _accuracy(card):
    found = card.get("evaluation")
    if not found:
        return "How often it is right was not measured."
    low, high = (f"{100 * bound:.1f}" for bound in found["interval"])
    return (
        f"It was right on {100 * found['accuracy']:.1f} % of {found['texts']:,} test reviews "
        f"(95 % interval {low} to {high} %); on other texts it may be right less often, and no less sure."
    )
