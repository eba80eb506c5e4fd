"""A learner's first minute in a real browser: JupyterLab opens, lesson 01 runs, a heat map appears."""

import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parent.parent
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # No proxy is asked for this machine.
pytestmark = pytest.mark.browser


def first_cells_with_heatmap(path):
    """How many cells from the top it takes until a heat map has been drawn."""
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells, 1):
        if cell.cell_type == "code" and "attention_heatmap(" in cell.source:
            return number
    raise AssertionError(f"{path} draws no heat map")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def jupyterlab(folder, tmp_path):
    """Starts JupyterLab without its own browser on a copy of the lesson; yields its address and token."""
    port, token = free_port(), secrets.token_hex(16)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
    ]
    command += ["--ip=127.0.0.1", "--ServerApp.port_retries=0", f"--notebook-dir={folder}"]
    command += ["--allow-root"] if os.getuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(tmp_path / "jupyter" / name.lower())
    environment.update(IPYTHONDIR=str(tmp_path / "ipython"), HOME=str(tmp_path))
    with (tmp_path / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None, (tmp_path / "jupyter.log").read_text()
            try:
                with DIRECT.open(f"http://127.0.0.1:{port}/api?token={token}", timeout=5) as answer:
                    assert "version" in json.load(answer)
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "jupyter.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_first_cells_of_lesson_01_show_a_heat_map(driver, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = ROOT / "notebooks" / "01_attention.ipynb"
    cells = first_cells_with_heatmap(source)
    book = nbformat.read(source, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None  # What appears below was drawn by this run.
    # The first section only: JupyterLab leaves cells out of the page that are far below its lower edge.
    book.cells = book.cells[:cells]
    nbformat.write(book, folder / source.name)
    # A saved picture of the page, for people: COURSE_SCREENSHOTS names a folder.
    shots = pathlib.Path(os.environ.get("COURSE_SCREENSHOTS", tmp_path))

    with jupyterlab(folder, tmp_path) as (address, token):
        driver.get(f"{address}/lab/tree/{source.name}?token={token}&reset")
        wait = WebDriverWait(driver, 180)
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-Cell"))
        # The page shows "idle" before there is a kernel, and asks which one if told to run then.
        wait.until(lambda page: kernel_is_ready(address, token))
        wait.until(
            lambda page: page.find_elements(
                By.CSS_SELECTOR, ".jp-Notebook-ExecutionIndicator[data-status=idle]"
            )
        )
        menu = driver.find_element(By.XPATH, "//div[contains(@class,'lm-MenuBar-itemLabel')][text()='Run']")
        menu.click()
        entry = "//div[contains(@class,'lm-Menu-itemLabel')][starts-with(text(),'Run All Cells')]"
        wait.until(lambda page: page.find_elements(By.XPATH, entry))[0].click()
        # The last cell draws; scroll to it until its picture is there.
        try:
            width = wait.until(width_of_last_picture)
        finally:
            driver.save_screenshot(str(shots / "lesson_01.png"))
        errors = driver.find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output[data-mime-type*='stderr']")
    assert width > 200
    assert not errors, errors[0].text


def kernel_is_ready(address, token):
    """Whether the notebook's kernel is idle and the page is connected to it."""
    with DIRECT.open(f"{address}/api/sessions?token={token}", timeout=10) as answer:
        kernels = [session["kernel"] for session in json.load(answer)]
    return any(kernel["execution_state"] == "idle" and kernel["connections"] for kernel in kernels)


def width_of_last_picture(page):
    """Scrolls to the last cell; the width in pixels of the picture in its output, 0 while there is none."""
    # One script, because JupyterLab replaces elements of the page while it scrolls.
    return page.execute_script(
        """
        const cells = document.querySelectorAll('.jp-Notebook .jp-Cell');
        const last = cells[cells.length - 1];
        last.scrollIntoView({block: 'end'});
        const picture = last.querySelector('.jp-OutputArea-output img');
        return picture ? picture.naturalWidth : 0;
        """
    )
