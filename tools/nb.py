"""Converts between a notebook and a percent-format script, for writing a lesson in a text editor.

    python tools/nb.py to-ipynb lesson.py notebooks/NN_word.ipynb
    python tools/nb.py to-py notebooks/NN_word.ipynb lesson.py

Cells start with `# %%` (code) or `# %% [markdown]`; tags follow as `# %% tags=nbval-ignore-output,other`.
Under the head of a code cell stands a line `# alt: A sentence.` for each plot that it shows, for who cannot
see it; the notebook has them in the cell's metadata, as the list `alt`. Markdown lines are kept behind `# `,
and line magics, so that the script stays Python. The notebook is the committed source: ids, outputs and
metadata of cells whose source did not change are kept.
"""

import collections
import pathlib
import re
import sys

import nbformat

# As a kernel would write it, without the version, which varies. nbconvert takes a script's suffix from here.
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": LANGUAGE,
}
ALT = "# alt: "
HEAD = re.compile(r"^# %%(?P<markdown> \[markdown\])?(?: tags=(?P<tags>\S+))?\s*$")


def descriptions(cell):
    """A sentence for each picture that a code cell shows; "" where there is none.

    A plot's stands in the cell's metadata, a drawing brings its own as its text.
    """
    pictures = [output["data"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
    drawn = ["".join(data.get("text/plain", "<")) for data in pictures]
    given = cell["metadata"].get("alt") or ["" if text.startswith("<") else text for text in drawn]
    return [given[i] if i < len(given) else "" for i in range(max(len(pictures), len(given)))]


def read_script(text):
    """Returns a list of (cell type, tags, alts, source)."""
    cells = []
    for line in text.split("\n"):
        head = HEAD.match(line)
        if head:
            kind = "markdown" if head["markdown"] else "code"
            cells.append((kind, (head["tags"] or "").split(",") if head["tags"] else [], [], []))
        elif cells and cells[-1][0] == "code" and line.startswith(ALT) and not cells[-1][3]:
            cells[-1][2].append(line.removeprefix(ALT).strip())
        elif cells:
            cells[-1][3].append(line)
        elif line.strip():
            raise ValueError(f"The script must begin with a `# %%` line. Received: {line!r}")
    result = []
    for kind, tags, alts, lines in cells:
        if kind == "markdown":
            lines = [re.sub(r"^# ?", "", line) for line in lines]
        else:
            lines = [re.sub(r"^(\s*)# (%\w)", r"\1\2", line) for line in lines]
        result.append((kind, tags, alts, "\n".join(lines).strip("\n")))
    return result


def to_ipynb(script, notebook):
    old = nbformat.read(notebook, as_version=4).cells if notebook.exists() else []
    unused = collections.defaultdict(list)
    for cell in old:
        unused[cell.cell_type, cell.source].append(cell)
    ids = {cell.id for cell in old}
    book = nbformat.v4.new_notebook(metadata=METADATA)
    number = 0
    for kind, tags, alts, source in read_script(script.read_text(encoding="utf-8")):
        same = unused[kind, source]
        if same:
            cell = same.pop(0)
        else:
            cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
            while f"c{number:03d}" in ids:
                number += 1
            cell.id = f"c{number:03d}"
            ids.add(cell.id)
        cell.metadata.pop("tags", None)
        if tags:
            cell.metadata["tags"] = tags
        if alts:
            cell.metadata["alt"] = alts
        book.cells.append(cell)
    nbformat.validate(book)
    nbformat.write(book, notebook)


def to_py(notebook, script):
    parts = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        tags = cell.metadata.get("tags", [])
        head = "# %%" + (" [markdown]" if cell.cell_type == "markdown" else "")
        head += f" tags={','.join(tags)}" if tags else ""
        head += "".join(f"\n{ALT}{alt}" for alt in cell.metadata.get("alt", []))
        if cell.cell_type == "markdown":
            # Two blanks at the end of a line are a line break in Markdown.
            body = "\n".join(f"# {line}" if line else "#" for line in cell.source.split("\n"))
        else:
            body = "\n".join(re.sub(r"^(\s*)(%\w)", r"\1# \2", line) for line in cell.source.split("\n"))
        parts.append(f"{head}\n{body}\n")
    script.write_text("\n".join(parts), encoding="utf-8")


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in ("to-ipynb", "to-py"):
        raise SystemExit(__doc__)
    convert = to_ipynb if arguments[0] == "to-ipynb" else to_py
    convert(pathlib.Path(arguments[1]), pathlib.Path(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
