"""Starts a Chromium without a window, for tests and for pictures."""

import contextlib
import shutil

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1600",
)


class NoChromiumError(RuntimeError):
    """There is none on this machine; the message says how to get it."""


@contextlib.contextmanager
def chromium(profile):
    """A Chromium to steer.

    Args:
        profile: Folder for what it remembers; it is created.

    Yields:
        A driver of selenium.

    Raises:
        NoChromiumError: If there is no Chromium with its ChromeDriver.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    browser, steering = next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")
    if not (browser and steering):
        raise NoChromiumError(
            "no Chromium with ChromeDriver on this machine (Debian: apt install chromium chromium-driver)"
        )
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(steering))
    try:
        yield driver
    finally:
        driver.quit()
