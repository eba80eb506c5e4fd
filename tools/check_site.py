"""Looks at the built site in a headless Chromium: accessibility (axe), weights, the demo's first verdict.

    python tools/check_site.py [--pictures FOLDER] [PAGE ...]

Serves build/site/html and visits its pages (by default all of them), light and dark. Ends with an error for a
finding of axe that is serious or critical, for an error in the console, and for a demo that does not answer.
axe-core comes from npm, once and checked, as the packages of `course page` do.
"""

import argparse
import contextlib
import functools
import http.server
import json
import pathlib
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from chromium import chromium  # noqa: E402

from course_lib.serving import packages  # noqa: E402

HTML = ROOT / "build" / "site" / "html"
AXE = packages.Package(
    "axe-core",
    "4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    {"axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"},
)
WIDTHS = (390, 1280)
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(each => ({
  id: each.id, impact: each.impact, help: each.help, nodes: each.nodes.map(node => node.target.join(" "))}))));
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
    driver.execute_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
    driver.refresh()


def findings(driver, axe):
    """What axe finds in the page that is open."""
    driver.execute_script(axe)
    return driver.execute_async_script(RUN)


def first_verdict(driver, address):
    """Opens the landing page, asks the demo, and returns (label, seconds from the click to the verdict, MB)."""
    from selenium.webdriver.common.by import By

    driver.get(address)
    loaded = driver.execute_script(WEIGHT)
    start = time.monotonic()
    driver.find_element(By.CSS_SELECTOR, "#demo button").click()
    while not (label := driver.execute_script("return document.getElementById('demo').dataset.verdict")):
        if time.monotonic() - start > 180:
            raise SystemExit("The demo gave no verdict in three minutes.")
        time.sleep(0.05)
    return label, time.monotonic() - start, loaded / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help="such as notebooks/00_welcome.html")
    parser.add_argument("--pictures", type=pathlib.Path, help="save what is seen there")
    parser.add_argument("--whole", action="store_true", help="pictures of whole pages")
    parser.add_argument("--no-axe", action="store_true")
    parser.add_argument("--no-demo", action="store_true")
    options = parser.parse_args()
    pages = options.pages or [
        path.relative_to(HTML).as_posix()
        for path in sorted(HTML.rglob("*.html"))
        if not path.relative_to(HTML).as_posix().startswith(("demo/", "_static/"))
    ]
    axe = None if options.no_axe else packages.load(packages=(AXE,))[AXE.name]["axe.min.js"].decode()
    bad = 0
    with served(HTML) as base, tempfile.TemporaryDirectory() as profile, chromium(profile) as driver:
        driver.set_script_timeout(120)
        for page in pages:
            for theme in ("light", "dark"):
                resize(driver, 1280)
                driver.get(base + page)
                dress(driver, theme)
                weight = driver.execute_script(WEIGHT) / 1e6
                print(f"{page} ({theme}): {weight:.2f} MB")
                for width in WIDTHS:
                    resize(driver, width)
                    wide = driver.execute_script("return document.documentElement.scrollWidth")
                    if wide > width:
                        print(f"  at {width} pixels it is {wide} wide")
                        bad += 1
                    if axe and (width == WIDTHS[-1] or theme == "light"):
                        for each in findings(driver, axe):
                            grave = each["impact"] in ("serious", "critical")
                            bad += grave
                            print(f"  {width}: {each['impact']}: {each['id']}: {each['help']}: {each['nodes'][:4]}")
                    if options.pictures:
                        if options.whole:
                            height = driver.execute_script("return document.documentElement.scrollHeight")
                            resize(driver, width, min(height, 12_000))
                            time.sleep(0.5)
                        options.pictures.mkdir(parents=True, exist_ok=True)
                        name = page.removesuffix(".html").replace("/", "_")
                        driver.save_screenshot(str(options.pictures / f"{name}_{width}_{theme}.png"))
        if not options.no_demo:
            resize(driver, 1280)
            label, seconds, weight = first_verdict(driver, base + "index.html")
            print(f"demo: {label}; {seconds:.1f} s from the click to the first verdict, after {weight:.2f} MB of page")
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        print(*(json.dumps(entry) for entry in errors), sep="\n")
    raise SystemExit(bool(bad or errors))


if __name__ == "__main__":
    main()
