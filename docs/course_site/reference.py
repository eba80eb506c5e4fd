"""The reference: a page for each module of course_lib, which Sphinx fills from its docstrings."""

import ast
import pathlib
import re

# What nobody imports: the command and what only it uses, and the questions.
LEFT_OUT = {"cli", "questions", "updates"}
CODE = re.compile(r"(`[^`]*`)")


def pages(package):
    """A page in reStructuredText for each public module or package right below a package's folder.

    Args:
        package: The folder of `course_lib`.

    Returns:
        Dict from a page's name to its text.
    """
    found = {}
    for path in sorted(pathlib.Path(package).iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if path.stem in {*LEFT_OUT, "__init__"} or source.suffix != ".py" or not source.exists():
            continue
        name = f"course_lib.{path.stem}"
        lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :members:"]
        # A face brings together what others are to use, and names it.
        faces = "__all__" in _assigned(source)
        found[path.stem] = "\n".join([*lines, *(["   :imported-members:"] if faces else []), ""])
    return found


def _assigned(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    targets = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def as_rest(lines):
    """A docstring's lines, in which code stands as in Markdown, as reStructuredText has them."""
    made, item = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        begins = line.lstrip().startswith("- ")
        # A list begins and ends with a blank line.
        ends = item and indent < item and not begins
        if line.strip() and made and made[-1].strip() and (ends or (begins and item is None)):
            made.append("")
        if begins:
            item = indent + 2
        elif item and indent < item:
            item = None
        parts = CODE.split(line)
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        # "`Line`s": code must end before what is no letter.
        parts[2::2] = [rf"\ {part}" if part[:1].isalpha() else part for part in parts[2::2]]
        made.append("".join(parts))
    return made


def _process(app, what, name, obj, options, lines):
    lines[:] = as_rest(lines)


def _skip(app, what, name, obj, skip, options):
    """Leaves out what other packages put into our classes, such as `set` of a figure."""
    module = getattr(obj, "__module__", None)
    return True if module and not module.startswith("course_lib") else None


def setup(app):
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", _process, priority=400)  # Before napoleon, which reads sections.
    app.connect("autodoc-skip-member", _skip)
