"""Builds the course as a site, in English and Chinese, into build/site/html. `make site` calls it.

    make site                               # all of it
    make site ARGS=--serve                  # and shows it on http://127.0.0.1:8000
    make site ARGS=--check                  # and looks at all pages in Chromium (tools/check_site.py)
    make site ARGS=--outside                # and asks whether the addresses outside answer
    make site ARGS=--catalogues             # only: brings the texts to translate up to date in docs/locale
    make site ARGS="--catalogues PAGE ..."  # and those of more pages, such as notebooks/03_transformer

Lessons are taken as they are committed; nothing is executed. What takes long (the demo, drawings, cards) is
made again only when what it is made of has changed. A broken link inside ends it with an error.
"""

import argparse
import functools
import hashlib
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "site"
HTML = BUILD / "html"
SOURCE = BUILD / "source"
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tools")]

import site_links  # noqa: E402
from course_site import LANGUAGES, catalogues, lessons, pictures, reference  # noqa: E402

from course_lib import links  # noqa: E402

# What becomes a page, by its place in the repository; docs' own pages, in lower case, stand at the top.
PAGES = (
    "README.md",
    "notebooks/*[a-z].ipynb",
    "exercises/*[a-z].ipynb",
    "exercises/README.md",
    "docs/[A-Z]*.md",
    "docs/pruning.md",
    "benchmarks/*.md",
    "benchmarks/*.png",
    "course_lib/*/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
)


def stage():
    """Copies the pages together; what has not changed keeps its time, so that Sphinx leaves it alone."""
    places = {path.relative_to(ROOT): path.read_bytes() for pattern in PAGES for path in ROOT.glob(pattern)}
    for path in (ROOT / "docs").glob("[a-z]*.md"):
        places.setdefault(pathlib.Path(path.name), path.read_bytes())
    del places[pathlib.Path("pruning.md")]
    for name, text in reference.pages(ROOT / "course_lib").items():
        places[pathlib.Path("reference", f"{name}.rst")] = text.encode()
    for path in (path for path in SOURCE.rglob("*") if path.is_file()):
        if path.relative_to(SOURCE) not in places:
            path.unlink()
    for place, content in places.items():
        target = SOURCE / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)
    shutil.rmtree(BUILD / "locale", ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "locale", BUILD / "locale", dirs_exist_ok=True)


def digest(*patterns):
    """What files of the repository hold, in a word."""
    known = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
        known.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return known.hexdigest()


def make_demo():
    """Has `course page` write the page that classifies, from the reviewer; False if that cannot be."""
    target, stamp = BUILD / "demo", BUILD / "demo.key"
    key = digest("course_lib/serving/**/*", "course_lib/deployment/**/*.py", "course_lib/reviewer/*")
    if target.exists() and stamp.exists() and stamp.read_text() == key:
        return True
    print("Making the demo (course page) ...", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "course_lib.cli", "page", target], env=environment(), check=False
    )
    if done.returncode:
        print("The site is built without its live demo; see above for what it needs.", file=sys.stderr)
        return False
    stamp.write_text(key)
    return True


def make_drawings():
    """Writes every drawing as SVG."""
    stamp, key = BUILD / "drawings.key", digest("course_lib/diagrams/*.py")
    if not (stamp.exists() and stamp.read_text() == key):
        from course_lib import diagrams

        print("Drawing the drawings ...", flush=True)
        shutil.rmtree(BUILD / "drawings", ignore_errors=True)
        diagrams.save_all(BUILD / "drawings")
        stamp.write_text(key)


def make_pictures():
    """Draws the icon, and a card for each page."""
    static = BUILD / "static"
    code = pathlib.Path(pictures.__file__).read_bytes()
    pictures.write_once(static / "favicon.svg", code, lambda: pictures.icon().encode())
    pictures.write_once(static / "touch-icon.png", code, pictures.touch_icon)
    for page, (title, about, picture) in cards().items():
        key = code + title.encode() + about.encode() + (picture or b"")
        make = functools.partial(pictures.card, title, about, picture)
        pictures.write_once(BUILD / "cards" / f"{page}.png", key, make)


def cards():
    """(title, what it is about, bytes of a picture) of each page that has a card of its own."""
    about = "Build, fine-tune, prune, quantize and ship a small Transformer, in notebooks that run."
    shown = re.search(r"\]\((docs/\d\d\.png)\)", (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    found = {"index": ("From attention to the edge", about, (ROOT / shown).read_bytes())}
    for lesson in lessons.table():
        title, about = f"{lesson.number} · {lesson.title}", lesson.about[0].upper() + lesson.about[1:]
        found[lesson.page] = (title, about, pictures.first_picture(ROOT / lesson.path))
    return found


def environment(**more):
    return os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)} | more


def sphinx(builder, target, language="en", **more):
    """Starts Sphinx; returns its process."""
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-c", ROOT / "docs", "-q", "-W", "--keep-going"]
    command += ["-d", BUILD / f"doctrees-{builder}-{language}", SOURCE, target]
    return subprocess.Popen(command, env=environment(COURSE_SITE_LANGUAGE=language, **more))


def finish(*processes):
    """Waits for all; ends if one failed."""
    failed = [process.wait() for process in processes]
    if any(failed):
        raise SystemExit("Sphinx found something wrong: see above.")


def add(demo):
    """Puts what Sphinx does not know beside its pages."""
    for name in ("drawings", "cards", *(["demo"] if demo else [])):
        shutil.copytree(BUILD / name, HTML / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    for folder in ("notebooks", "exercises"):
        for path in (SOURCE / folder).glob("*.ipynb"):
            shutil.copyfile(path, HTML / folder / path.name)
    for unused in (*HTML.glob("**/jupyter_execute"), *HTML.glob("**/_sources")):
        shutil.rmtree(unused)
    for unused in (*HTML.glob("**/webpack-macros.html"), *HTML.glob("**/_static/**/*.map")):
        unused.unlink()
    (HTML / ".nojekyll").touch()
    base = links.site(links.repository(ROOT))
    pages = [path.relative_to(HTML).as_posix() for path in sorted(HTML.rglob("*.html"))]
    left_out = ("demo/", "zh/", "search.html", "genindex.html", "py-modindex.html", "_")
    pages = [page for page in pages if not page.startswith(left_out)]
    (HTML / "sitemap.xml").write_text(sitemap(base, pages), encoding="utf-8")
    (HTML / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")


def sitemap(base, pages):
    """The site's map for search engines: each page in each language."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"',
        '  xmlns:xhtml="http://www.w3.org/1999/xhtml">',
    ]
    for page in pages:
        file = "" if page == "index.html" else page
        ways = {code: base + folder + file for folder, code, _ in LANGUAGES.values()}
        others = "".join(
            f'<xhtml:link rel="alternate" hreflang="{code}" href="{way}"/>' for code, way in ways.items()
        )
        lines += [f"<url><loc>{way}</loc>{others}</url>" for way in ways.values()]
    return "\n".join([*lines, "</urlset>", ""])


def tell_translated(language):
    """Prints how much of each page is translated; ends if an original has changed since."""
    shares, stale = catalogues.compare(BUILD / "gettext", folder_of(language))
    print(f"Translated into {language}:")
    for page, (done, every) in shares.items():
        if done:
            print(f"  {page:<28}{done:>4} of {every:<4}{done / every:>5.0%}")
    print(f"  {sum(not done for done, _ in shares.values())} pages are not, and are shown in English.")
    for page, original in stale:
        print(f"{page}: translated, and not there any more: {original[:90]!r}", file=sys.stderr)
    if stale:
        raise SystemExit("Bring the originals up to date: make site ARGS=--catalogues")


def folder_of(language):
    return ROOT / "docs" / "locale" / language / "LC_MESSAGES"


def update_catalogues(language, more):
    """Writes today's texts of translated pages, and of `more`, into the catalogues of a language."""
    # `make site` says which translations have lost their original; these leave the catalogue here.
    folder = folder_of(language)
    known = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.po")}
    wanted = BUILD / "wanted"
    shutil.rmtree(wanted, ignore_errors=True)
    for page in known.union(more):
        (wanted / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BUILD / "gettext" / f"{page}.pot", wanted / f"{page}.pot")
    command = [sys.executable, "-m", "sphinx_intl", "update", "-p", wanted, "-d", folder.parents[1]]
    subprocess.run([*command, "-l", language, "-w", "-1", "--no-obsolete"], check=True)
    for path in folder.rglob("*.po"):
        _, _, entries = path.read_text(encoding="utf-8").partition("\n\n")
        path.write_text(catalogues.HEADER.format(language=language) + entries, encoding="utf-8")


def build():
    start = time.monotonic()
    demo = make_demo()
    make_drawings()
    make_pictures()
    known = {"COURSE_SITE_DEMO": str(BUILD / "demo") if demo else ""}
    print("Building the pages in English and Chinese (sphinx) ...", flush=True)
    finish(sphinx("html", HTML, **known), sphinx("html", HTML / "zh", "zh_CN", **known))
    finish(sphinx("gettext", BUILD / "gettext"))
    add(demo)
    broken = site_links.inside(HTML)
    print(*broken, sep="\n", file=sys.stderr)
    if broken:
        raise SystemExit(f"{len(broken)} links inside the site lead nowhere.")
    tell_translated("zh_CN")
    size = sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file()) / 1e6
    pages = len(list(HTML.rglob("*.html")))
    took = time.monotonic() - start
    place = HTML.relative_to(ROOT)
    print(f"{place}: {pages} pages, {size:.0f} MB, no broken link inside; {took:.0f} s.")


def serve(port):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"It is here: http://127.0.0.1:{server.server_port} ; stop it with Ctrl-C.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve", action="store_true", help="show it afterwards")
    parser.add_argument("--check", action="store_true", help="look at it in a headless Chromium")
    parser.add_argument("--outside", action="store_true", help="ask whether the addresses outside answer")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--catalogues", nargs="*", metavar="PAGE", help="bring docs/locale up to date instead"
    )
    options = parser.parse_args()
    stage()
    if options.catalogues is not None:
        finish(sphinx("gettext", BUILD / "gettext"))
        update_catalogues("zh_CN", options.catalogues)
        return
    build()
    if options.check:
        subprocess.run([sys.executable, ROOT / "tools" / "check_site.py"], env=environment(), check=True)
    if options.outside:
        subprocess.run([sys.executable, ROOT / "tools" / "site_links.py", "--outside"], check=True)
    if options.serve:
        serve(options.port)


if __name__ == "__main__":
    main()
