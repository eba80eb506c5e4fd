"""Writes each lesson's reading time into its first cell, and all its times into README.md's table.

    python tools/reading.py

Reading: 200 words or 12 lines of code a minute, half a minute a picture, to the nearest five minutes. The
running time is what the first cell says, as measured. A test in tests/test_notebooks.py holds headers and
table to both.
"""

import pathlib
import re

import nbformat

ROOT = pathlib.Path(__file__).parent.parent
RUNNING = re.compile(r"\*\*Time\*\* (half a|[\d to]+) minutes? on two cores")
HEADER = re.compile(r"^(?:\*\*Reading\*\* \d+ minutes · )?\*\*Time\*\*", re.M)


def minutes(book):
    """Minutes that a lesson takes to read, as an int."""
    words = sum(len(cell.source.split()) for cell in book.cells if cell.cell_type == "markdown")
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    lines = sum(bool(line.strip()) for cell in code for line in cell.source.splitlines())
    pictures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    return max(5, 5 * round((words / 200 + lines / 12 + pictures / 2) / 5))


def running(book):
    """What a lesson's first cell says of its minutes on two cores: "0.5", "1" or "1 to 3"."""
    return RUNNING.search(book.cells[0].source)[1].replace("half a", "0.5")


def main():
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*[a-z].ipynb")):
        book = nbformat.read(path, as_version=4)
        found = minutes(book)
        first = book.cells[0]
        new = HEADER.sub(f"**Reading** {found} minutes · **Time**", first.source, count=1)
        if new != first.source:
            first.source = new
            nbformat.write(book, path)
            print(f"{path.name}: {found} minutes")
        row = re.compile(rf"^(\| \[[^]]+\]\(notebooks/{path.name}\) \| [^|]+ \| )[^|]*\|[^|]*\|", re.M)
        text = row.sub(rf"\g<1>{found} | {running(book)} |", text)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
