"""Looks at the built site in a headless Chromium: accessibility (axe), weights, the demo's first verdict.

    python tools/check_site.py [--pictures FOLDER] [PAGE ...]

Serves build/site/html and visits its pages (by default all of them), wide and narrow, light and dark. Ends
with an error for a page that is wider than the screen, a grave finding of axe, an error in the console, and a
demo that answers otherwise than the same bundle in Python.
axe-core comes from npm, once and checked, as the packages of `course page` do.
"""

import argparse
import contextlib
import functools
import http.server
import pathlib
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from chromium import chromium  # noqa: E402

from course_lib import deployment  # noqa: E402
from course_lib.serving import packages  # noqa: E402

HTML = ROOT / "build" / "site" / "html"
AXE = packages.Package(
    "axe-core",
    "4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"},
)
WIDTHS = (390, 1280)  # A telephone and a laptop.
TEXTS = ("A dull story with a wooden cast.", "A heartwarming film, and a funny one.")
RUN = """
const done = arguments[arguments.length - 1];
const plain = ({id, impact, help, nodes}) =>
  ({id, impact, help, places: nodes.slice(0, 4).map(node => node.target.join(" "))});
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(plain)));
"""
WEIGHT = """
return performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .map(each => each.encodedBodySize).reduce((sum, size) => sum + size, 0);
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """Serves a folder; yields its address."""
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def resize(driver, width, height=900):
    """A page as wide as a telephone: a window has a smallest width, its contents do not."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def dress(driver, theme):
    """Sets light or dark, and loads the page again."""
    driver.execute_script(
        f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
    )
    driver.refresh()


def findings(driver, axe):
    """What axe finds in the page that is open."""
    driver.execute_script(axe)
    return driver.execute_async_script(RUN)


def try_demo(driver, address):
    """Asks the landing page's classifier; returns seconds to a verdict, and where it differs from Python."""
    from selenium.webdriver.common.by import By

    driver.get(address)
    start = time.monotonic()
    driver.find_element(By.CSS_SELECTOR, "#demo button").click()
    answers = [verdict(driver, "")]
    seconds = time.monotonic() - start
    field = driver.find_element(By.ID, "demo-text")
    texts = [field.get_property("value"), *TEXTS]
    for text in TEXTS:
        field.clear()
        field.send_keys(text)
        answers.append(verdict(driver, text))
    classifier = deployment.Classifier(HTML / "demo")
    right = [classifier.predict([text])[0] for text in texts]
    wrong = [
        f"{text!r}: {label}, {share:.4f}, in Python {known.label}, {known.probability:.4f}"
        for text, (label, share), known in zip(texts, answers, right, strict=True)
        if label != known.label or abs(share - known.probability) > 0.001
    ]
    return seconds, wrong


def verdict(driver, text):
    """Waits for the answer to a text ("": to the first); returns (label, probability)."""
    start = time.monotonic()
    while time.monotonic() < start + 180:
        found = driver.execute_script("return {...document.getElementById('demo').dataset}")
        if "verdict" in found and text in ("", found["asked"]):
            return found["verdict"], float(found["probability"])
        time.sleep(0.02)
    raise SystemExit("The demo gave no verdict in three minutes.")


def look(driver, address, page, axe, folder=None):
    """Visits a page, wide and narrow, light and dark; returns one line for each thing that is wrong."""
    wrong = []
    for theme in ("light", "dark"):
        driver.get(address)
        dress(driver, theme)
        for width in WIDTHS:
            resize(driver, width)
            driver.refresh()
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{page}, {width} pixels: it is {wide} wide")
            # What axe sees in the dark are other colours, and nothing else.
            for each in findings(driver, axe) if axe and (theme == "light" or width == WIDTHS[-1]) else ():
                wrong.append(f"{page}, {width}, {theme}: {each['impact']}: {each['help']}: {each['places']}")
            if folder:
                name = page.removesuffix(".html").replace("/", "_")
                picture(driver, folder / f"{name}_{width}_{theme}.png", width)
    return wrong


def picture(driver, path, width):
    """Saves what is seen of the whole page."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    resize(driver, width, min(height, 12_000))
    time.sleep(0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(path))


def chosen():
    """All pages in English, and of other languages those that are translated: the rest is the same."""
    for path in sorted(HTML.rglob("*.html")):
        page = path.relative_to(HTML).as_posix()
        if not page.startswith(("zh/", "_static/")):
            yield page
    for path in sorted((ROOT / "docs" / "locale").rglob("*.po")):
        page = pathlib.Path("zh", *path.relative_to(ROOT / "docs" / "locale").parts[2:]).with_suffix(".html")
        if (HTML / page).exists():
            yield page.as_posix()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", help="such as notebooks/00_welcome.html; by default all")
    parser.add_argument("--pictures", type=pathlib.Path, help="save what is seen, whole pages, there")
    parser.add_argument("--no-axe", action="store_true")
    parser.add_argument("--no-demo", action="store_true")
    options = parser.parse_args()
    pages = options.pages or list(chosen())
    try:
        axe = None if options.no_axe else packages.load(packages=(AXE,))[AXE.name]["axe.min.js"].decode()
    except packages.PackageError as error:
        raise SystemExit(f"Accessibility cannot be checked. {error}") from None
    wrong, weights = [], {}
    # Below a path, as GitHub shows it.
    with served(HTML.parent) as root, tempfile.TemporaryDirectory() as profile, chromium(profile) as driver:
        driver.set_script_timeout(120)
        base = f"{root}{HTML.name}/"
        for page in pages:
            found = look(driver, base + page, page, axe, options.pictures)
            print(*found, sep="\n", end="\n" * bool(found), flush=True)
            wrong += [line for line in found if ": minor: " not in line and ": moderate: " not in line]
            weights[page] = driver.execute_script(WEIGHT) / 1e6
        if not options.no_demo and (HTML / "demo").exists():
            resize(driver, WIDTHS[-1])
            seconds, other = try_demo(driver, base + "index.html")
            print(f"demo: {seconds:.1f} s from the click to the first verdict", *other, sep="\n")
            wrong += other
        errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        print(*errors, sep="\n", end="\n" * bool(errors))
    heavy = sorted(weights, key=weights.get)[-3:]
    print(
        f"{len(pages)} pages; the heaviest: " + ", ".join(f"{page} {weights[page]:.1f} MB" for page in heavy)
    )
    if wrong or errors:
        raise SystemExit(f"{len(wrong) + len(errors)} things are wrong: see above.")


if __name__ == "__main__":
    main()
