"""Makes the exercises from the solutions: the same notebooks with the answers cut out."""

import ast
import copy
import json
import pathlib
import re
import shutil
import textwrap

from course_lib import runtime
from course_lib.grading import answers

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def generate(solution):
    """An exercise notebook.

    Args:
        solution: The solution notebook, as JSON's dicts and lists.

    Returns:
        A new notebook without outputs, in which each answer cell's solution is replaced by a line that raises
        NotImplementedError with the function's docstring, so that it runs and says what is to do.

    Raises:
        ValueError: If a cell's markers do not fit together, or one is left outside an answer cell.
    """
    exercise = copy.deepcopy(solution)
    for number, cell in enumerate(exercise["cells"]):
        source = "".join(cell["source"])
        answer = cell["metadata"].get("nbgrader", {}).get("solution", False)
        if (BEGIN in source or END in source) != answer:
            raise ValueError(f"Cell {number}: {BEGIN!r} and {END!r} belong into answer cells, once each.")
        if answer:
            source = stub(source)
            cell["source"] = source.splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return exercise


def stub(source):
    """An answer cell without its solution.

    Raises:
        ValueError: If there is not one pair of markers, inside a function that has a docstring.
    """
    pattern = rf"^(?P<indent>[ \t]*){re.escape(BEGIN)}[ \t]*\n.*?^[ \t]*{re.escape(END)}[ \t]*$"
    hits = list(re.finditer(pattern, source, re.MULTILINE | re.DOTALL))
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    docstring = ast.get_docstring(functions[-1]) if functions else None
    if len(hits) != 1 or source.count(BEGIN) != 1 or source.count(END) != 1 or not docstring:
        raise ValueError(
            f"An answer cell must hold one function with a docstring, and in it {BEGIN!r}, then {END!r}, "
            f"once each. Received:\n{source}"
        )
    indent, words = hits[0]["indent"], " ".join(docstring.split("\n\n")[0].split())
    line = f"{indent}raise NotImplementedError({json.dumps(words, ensure_ascii=False)})"
    if len(line) > 110:
        parts = textwrap.wrap(words, 104 - len(indent), drop_whitespace=False)
        lines = [f"{indent}    {json.dumps(part, ensure_ascii=False)}" for part in parts]
        line = f"{indent}raise NotImplementedError(\n" + "\n".join(lines) + f"\n{indent})"
    return source[: hits[0].start()] + line + source[hits[0].end() :]


def read(path):
    """A notebook as JSON's dicts and lists.

    Raises:
        ValueError: If it is not a notebook.
    """
    try:
        book = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        assert isinstance(book["cells"], list)
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError) as error:
        raise ValueError(f"{path} is not a notebook.") from error
    return book


def text(book):
    """A notebook as the text of its file."""
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def write_all(root):
    """Generates every exercise of a clone, and removes those that have no solution any more.

    Returns:
        The paths that changed. Answers that someone wrote into one are kept beside it.
    """
    root, changed = pathlib.Path(root), []
    wanted = {path.name: text(generate(read(path))) for path in sorted((root / "solutions").glob("*.ipynb"))}
    for name, content in wanted.items():
        path = root / "exercises" / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            if path.is_file() and _answered(path):
                _keep(path)
            with runtime.atomic_write(path) as temporary:
                temporary.write_text(content, encoding="utf-8")
            changed.append(path)
    for path in sorted((root / "exercises").glob("*.ipynb")):
        if re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name) and path.name not in wanted:
            _keep(path)
            path.unlink()
            changed.append(path)
    return changed


def reset(path):
    """Makes an exercise notebook new; what was there is kept beside it.

    Args:
        path: An exercise, see `source_of`. It may be gone.

    Returns:
        Path of the copy, or None if there was nothing to keep.

    Raises:
        ValueError: If it is not known whose exercise it is.
    """
    path = pathlib.Path(path)
    fresh = text(generate(read(source_of(path))))
    kept = _keep(path) if path.exists() else None
    with runtime.atomic_write(path) as temporary:
        temporary.write_text(fresh, encoding="utf-8")
    return kept


def source_of(path):
    """The solution that an exercise is generated from.

    In a clone it lies in `../solutions/` under the same name. For a copy elsewhere, or of another name, it is
    found by the lesson that the answers in it belong to.

    Raises:
        ValueError: If there is none, or if `path` is a solution itself.
    """
    path = pathlib.Path(path)
    here = path.absolute()
    beside = here.parent.parent / "solutions" / path.name
    if here.resolve().parent.name == "solutions":
        raise ValueError(f"{path} is a solution, of which exercises are made: it cannot be reset.")
    if here.parent.name == "exercises" and beside.is_file():
        return beside
    if not path.is_file():
        raise ValueError(f"There is no {path}, and no {beside} to make it from.")
    word = answers.read_answers(path.read_bytes()).lesson
    root = pathlib.Path(__file__).parents[2] / "solutions"
    for folder in (beside.parent, root):
        for found in sorted(folder.glob(f"??_{word}.ipynb")) if word else ():
            return found
    raise ValueError(f"{path} is not an exercise of this course, or there is no clone of the course here.")


def _answered(path):
    """Whether someone wrote an answer into an exercise; what cannot be read counts as one."""
    try:
        cells = read(path)["cells"]
        sources = ["".join(c["source"]) for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
    return not all("raise NotImplementedError(" in source for source in sources)


def _keep(path):
    number = 1
    while (kept := path.with_name(f"{path.stem}.kept-{number}.ipynb")).exists():
        number += 1
    shutil.copy2(path, kept)
    return kept
