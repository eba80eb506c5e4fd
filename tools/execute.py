"""Executes notebooks from the top in a fresh kernel and saves their outputs; `make lessons` calls it.

    python tools/execute.py notebooks/01_attention.ipynb [...]      save the new outputs
    python tools/execute.py --check-only notebooks/02_imdb.ipynb    run all cells, save nothing

A notebook is written only if a compared output or a picture changed, so that running a lesson again leaves no
trace in git; --force writes it in any case. Cells tagged nbval-ignore-output are not compared. Which pictures
changed is said by cell, counted from 0 as nbval does: look at them.
"""

import argparse
import base64
import os
import pathlib
import re
import sys
import tempfile
import time

import nb
import nbclient
import nbformat
import pictures

IGNORED = "nbval-ignore-output"
README_FIGURE = "readme-figure"  # The tag of a cell whose picture README.md shows.
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def environment(folder):
    """What a kernel sees: a learner's data, not a contributor's archives, and progress kept in `folder`."""
    archives = ("COURSE_CAPSTONE", "COURSE_IMDB")
    kept = {name: value for name, value in os.environ.items() if name not in archives}
    # Two kernels run at a time, and threads of OpenBLAS that wait for a busy core make small products slower.
    # A learner's own progress is not touched by running the solutions.
    progress = str(pathlib.Path(folder) / "progress.json")
    return {"OPENBLAS_NUM_THREADS": "1", **kept, "COURSE_PROGRESS": progress}


def execute(path, timeout=900):
    """Returns the notebook with the outputs of a fresh run, started in the notebook's folder."""
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = nbclient.NotebookClient(
        book,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        client.execute(env=environment(folder))
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
    book.metadata["language_info"] = nb.LANGUAGE
    return book


def tidy(outputs):
    """Joins neighbouring pieces of one stream, which arrive cut at moments that differ from run to run."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if "text/html" in output.get("data", {}) and "text/plain" in output.data:
            # Rich's plain twin of its HTML carries terminal colours.
            output.data["text/plain"] = ANSI.sub("", output.data["text/plain"])
    return joined


def comparable(cell):
    """What nbval would compare: text, without stderr, and without the pictures that `redrawn` compares."""
    kept = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stdout":
            kept.append(output.text)
        elif "data" in output:
            kept.append({kind: text for kind, text in output.data.items() if kind != "image/png"})
        elif output.output_type == "error":
            kept.append((output.ename, output.evalue))
    return kept


def redrawn(old, new):
    """One line for each cell that has run before and whose compared pictures are not the saved ones."""
    cells = [[cell for cell in book.cells if cell.cell_type == "code"] for book in (old, new)]
    found = []
    for i, (a, b) in enumerate(zip(*cells, strict=True)):
        if a.execution_count is not None and IGNORED not in b.metadata.get("tags", []):
            found += [f"cell {i}: new picture: {text}" for text in pictures.differences(a.outputs, b.outputs)]
    return found


def changed(old, new):
    """Whether a source or a compared output, pictures aside, differs between two versions of a notebook."""
    if [(cell.cell_type, cell.source) for cell in old.cells] != [
        (cell.cell_type, cell.source) for cell in new.cells
    ]:
        return True
    pairs = zip(old.cells, new.cells, strict=True)
    return any(
        a.cell_type == "code"
        and (
            bool(a.get("outputs")) != bool(b.get("outputs"))
            or (IGNORED not in b.metadata.get("tags", []) and comparable(a) != comparable(b))
        )
        for a, b in pairs
    )


def readme_figure(book):
    """The PNG bytes of the picture that a cell tagged readme-figure drew; None if there is no such cell."""
    for cell in book.cells:
        if README_FIGURE in cell.metadata.get("tags", []):
            pictures = [
                output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})
            ]
            return base64.b64decode(pictures[0])
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="+", type=pathlib.Path)
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--force", action="store_true", help="save even if no compared output changed")
    options = parser.parse_args()
    failed = False
    for path in options.notebooks:
        start = time.monotonic()
        old = nbformat.read(path, as_version=4)
        try:
            new = execute(path)
        except (
            nbclient.exceptions.CellExecutionError,
            nbclient.exceptions.CellTimeoutError,
            nbclient.exceptions.DeadKernelError,
        ) as error:
            print(f"{path}: failed\n{error}", file=sys.stderr)
            failed = True
            continue
        state = "the saved outputs hold"
        redrawings = redrawn(old, new)
        if options.force or redrawings or changed(old, new):
            state = "the outputs differ from the saved ones"
            if not options.check_only:
                nbformat.write(new, path)
                if figure := readme_figure(new):
                    folder = path.resolve().parent.parent / "docs"
                    folder.mkdir(exist_ok=True)
                    (folder / f"{path.stem[:2]}.png").write_bytes(figure)
                state = "new outputs saved"
        print(f"{path}: {time.monotonic() - start:.0f} s, {state}", *redrawings, sep="\n    ")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
