"""Formulas as MathML, which browsers draw and screen readers read, without JavaScript or a network."""

import re

from docutils import nodes
from docutils.utils.math import latex2mathml

# Spaces and sizes that the converter does not know; MathML has rules of its own for both.
UNKNOWN = re.compile(r"\\(!|big|Big)(?![a-zA-Z])")


def mathml(source, display):
    """A formula in LaTeX as an element <math>; `display` says whether it stands alone."""
    return latex2mathml.tex2mathml(UNKNOWN.sub("", source), as_block=display)


def _inline(self, node):
    self.body.append(mathml(node.astext(), display=False))
    raise nodes.SkipNode


def _block(self, node):
    # What is wider than a phone can be scrolled, by keys as well.
    self.body.append(f'<div class="math" tabindex="0">{mathml(node.astext(), display=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
