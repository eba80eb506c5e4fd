"""Takes the picture of the assistant's page that lesson 13 shows, course_lib/serving/dialogue.png.

    python tools/picture_of_dialogue.py

Starts `course assist` on the sample, asks three questions in Chromium and saves what is seen. The picture
says in its metadata what it was taken of; a test in tests/test_capstone_page.py then knows when it is old.
"""

import hashlib
import io
import tempfile

import picture_of_page
from chromium import chromium
from PIL import Image, PngImagePlugin

from course_lib.capstone import assistant
from course_lib.serving import dialogue, page

QUESTIONS = (
    "My card was declined at the checkout.",
    "The tyre is flat, can you fix it?",
    "Do you sell skis?",
)


def subject():
    """What the picture shows, in one digest: the page, its style, the sample and the questions."""
    html = dialogue.PICTURE.with_suffix(".html").read_text(encoding="utf-8")
    parts = (html, page.style(), assistant.sample_name(), *QUESTIONS)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def talk(driver, address, questions=QUESTIONS):
    """Asks the questions one after the other; returns who answered each, as the page says it."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    for number, question in enumerate(questions, 1):
        driver.find_element(By.ID, "text").send_keys(question + "\n")
        WebDriverWait(driver, 60).until(
            lambda _, wanted=number: len(driver.find_elements(By.CSS_SELECTOR, "#talk .theirs")) == wanted
        )
    return [each.text for each in driver.find_elements(By.CSS_SELECTOR, "#talk .theirs .who")]


def main():
    from selenium.webdriver.common.by import By

    with (
        picture_of_page.service("assist", "--evidence") as address,
        tempfile.TemporaryDirectory() as profile,
        chromium(profile) as driver,
    ):
        picture_of_page.open_page(driver, address)
        driver.execute_script("document.getElementById('talk').style.maxHeight = 'none'")
        who = talk(driver, address)
        picture = picture_of_page.down_to(driver, driver.find_element(By.CSS_SELECTOR, "button"))
    about = PngImagePlugin.PngInfo()
    about.add_text("Subject", subject())
    Image.open(io.BytesIO(picture)).save(dialogue.PICTURE, optimize=True, pnginfo=about)
    print(f"{dialogue.PICTURE.name}: {dialogue.PICTURE.stat().st_size / 1e3:.0f} kB, {who}")


if __name__ == "__main__":
    main()
