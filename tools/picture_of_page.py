"""Takes the picture of the service's page at work that lesson 00 shows, course_lib/serving/page.png.

    python tools/picture_of_page.py

Starts `course serve`, types a review in Chromium, presses the button and saves what is seen. The picture says
in its metadata what it was taken of; a test in tests/test_tools.py then knows when it is out of date.
"""

import contextlib
import hashlib
import io
import re
import subprocess
import sys
import tempfile

from chromium import chromium
from PIL import Image, ImageOps, PngImagePlugin

from course_lib import serving, weights

PAGE = serving.PICTURE.with_name("page.html")
TEXT = "The plot is thin and the first half drags, but the cast is superb and I left the cinema smiling."
WIDTH = 700  # Pixels, as wide as a drawing in a lesson.


def subject():
    """What the picture shows, in one digest: the page, the classifier behind it and the review."""
    parts = (PAGE.read_text(encoding="utf-8"), weights.reviewer_card()["sha256"], TEXT)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextlib.contextmanager
def service(*arguments):
    """Runs `course serve`, or another of the course's services, on a free port; yields its address."""
    command = [sys.executable, "-m", "course_lib.cli", *(arguments or ["serve"]), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = (re.search(r" at (http://\S+) ", line) for line in process.stderr)
            address = next(filter(None, found), None)
            if address is None:
                raise RuntimeError(f"{command} ended before it listened: run it to see why.")
            yield address[1]
        finally:
            process.terminate()


def photograph(driver, address, text=TEXT):
    """Asks the page for a verdict on a text.

    Args:
        driver: A Chromium of selenium.
        address: Of the service.
        text: The review.

    Returns:
        `(picture, verdict)`: PNG bytes of the page down to the words that mattered, and the verdict's text.
        Left out is what stands below: how accurate the classifier is.
    """
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    open_page(driver, address)
    field = driver.find_element(By.ID, "text")
    driver.execute_script("arguments[0].rows = 2", field)  # No higher than the review needs.
    field.send_keys(text)
    driver.find_element(By.CSS_SELECTOR, "button").click()
    explanation = driver.find_element(By.ID, "explanation")
    WebDriverWait(driver, 60).until(lambda _: explanation.is_displayed())
    return down_to(driver, explanation), driver.find_element(By.ID, "verdict").text


def open_page(driver, address):
    """Opens a page in light colours, as wide as a picture."""
    size = {"width": WIDTH - 2, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
    driver.get(address)


def down_to(driver, element):
    """PNG bytes of what is seen, from the page's top to an element's bottom, framed."""
    height = driver.execute_script("return arguments[0].getBoundingClientRect().bottom", element)
    shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    shot = shot.crop((0, 0, WIDTH - 2, round(height) + 16))
    picture = io.BytesIO()
    ImageOps.expand(shot, 1, "#8C8C8C").quantize(64).save(picture, "png", optimize=True)
    return picture.getvalue()


def main():
    with service() as address, tempfile.TemporaryDirectory() as profile, chromium(profile) as driver:
        picture, verdict = photograph(driver, address)
    about = PngImagePlugin.PngInfo()
    about.add_text("Subject", subject())
    about.add_text("Verdict", verdict)
    Image.open(io.BytesIO(picture)).save(serving.PICTURE, optimize=True, pnginfo=about)
    print(f"{serving.PICTURE.name}: {serving.PICTURE.stat().st_size / 1e3:.0f} kB, {verdict}")


if __name__ == "__main__":
    main()
