"""Notebooks as pages: the badge becomes part of the page's head, and every picture gets its description."""

import json
import re

import nb
from docutils import nodes
from myst_nb import sphinx_ as myst_nb

BADGE = re.compile(r"\A\[!\[Open in Colab\][^\n]*\n+")


class Parser(myst_nb.Parser):
    """Reads a notebook as myst-nb does, and describes its pictures before they are translated."""

    def parse(self, inputstring, document):
        """Fills `document` from a notebook, or from a translated paragraph of one."""
        if not inputstring.lstrip().startswith("{") or document.current_source.endswith("<translated>"):
            super().parse(inputstring, document)
            return
        book = json.loads(inputstring)
        alts = {}
        for index, cell in enumerate(book["cells"]):
            cell["source"] = BADGE.sub("", "".join(cell["source"])) if index == 0 else cell["source"]
            if cell["cell_type"] == "code":
                alts[index] = nb.descriptions(cell)
        super().parse(json.dumps(book), document)
        for cell in document.findall(nodes.container):
            pictures = list(cell.findall(nodes.image)) if "cell_index" in cell else []
            for picture, alt in zip(pictures, alts.get(cell.get("cell_index"), ()), strict=False):
                picture["alt"] = alt


def setup(app):
    """Sphinx calls this."""
    app.add_source_parser(Parser, override=True)
