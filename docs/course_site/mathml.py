"""Formulas as MathML, which browsers draw and screen readers read, without JavaScript."""

from docutils.utils.math import latex2mathml


def _mathml(source, display):
    tree = latex2mathml.tex2mathml(source, as_block=display)
    return tree if isinstance(tree, str) else tree.toprettyxml()


def inline(self, node):
    """Writes a formula within a line."""
    self.body.append(_mathml(node.astext(), False))
    raise latex2mathml_skip()


def latex2mathml_skip():
    """The exception with which a visitor says that it has written a node whole."""
    from docutils import nodes

    return nodes.SkipNode()


def block(self, node):
    """Writes a formula that stands alone."""
    self.body.append(f'<div class="math">{_mathml(node.astext(), True)}</div>')
    raise latex2mathml_skip()


def setup(app):
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
