"""Renews the drawings in notebooks after a change in course_lib/diagrams, without running the lessons.

    python tools/drawings.py [notebooks/NN_word.ipynb ...]

Cells that only show a drawing, such as `diagrams.one_query()`, get the output that running them would give.
"""

import ast
import base64
import io
import pathlib
import sys

import nbformat

from course_lib import diagrams, runtime

ROOT = pathlib.Path(__file__).parent.parent


def shown(source):
    """The name of the drawing that a cell shows, or None if it does anything else."""
    match [ast.unparse(line) for line in ast.parse(source).body] if "diagrams." in source else []:
        case [line] if line.startswith("diagrams.") and line.endswith("()"):
            return line.removeprefix("diagrams.").removesuffix("()")
    return None


def output(figure):
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png")
        picture = base64.b64encode(buffer.getvalue()).decode()
    data = {"image/png": picture, "text/plain": figure.description}
    return nbformat.v4.new_output("display_data", data=data)


def main(paths):
    for path in paths or sorted((ROOT / "notebooks").glob("*[a-z].ipynb")):
        book = nbformat.read(path, as_version=4)
        cells = [(cell, shown(cell.source)) for cell in book.cells if cell.cell_type == "code"]
        cells = [(cell, name) for cell, name in cells if name in diagrams.DRAWINGS]
        for cell, name in cells:
            cell.outputs = [output(diagrams.DRAWINGS[name]())]
        with runtime.atomic_write(path) as part:
            nbformat.write(book, part)
        print(f"{pathlib.Path(path).name}: {len(cells)} drawings")


if __name__ == "__main__":
    main(sys.argv[1:])
