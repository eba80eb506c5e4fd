"""What of a notebook runs when its answers are judged; the same for `check`, `watch` and `grade`.

Standalone: the worker, which cannot import `course_lib`, loads this file by its path.

The cells of the answers run whole and in order. Of all other cells an answer gets what it uses, from above
or below, if it is defined by a function, a class, an import or an assignment. Lines for IPython and the shell
are left out, and so is the course's own library.
"""

import ast
import builtins
import collections
import contextlib
import dataclasses
import dis
import importlib.abc
import os
import re
import sys
import types

import numpy as np

CLOSED = "course_lib"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NESTED = (ast.If, ast.Try, ast.With)
# Magics that run the code behind them, and those that run the rest of their cell.
RUNS_LINE = ("time", "timeit", "prun")
RUNS_CELL = (*RUNS_LINE, "capture")
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_LINE = re.compile(r"(?P<indent>\s*)(?:(?P<name>[\w, ]+=)\s*)?(?P<mark>%|!|\?)(?P<word>\w*)(?P<rest>.*)")
_OPTIONS = re.compile(r"^(\s*-\w+(\s+\d+)?)*\s*")  # Of %timeit, such as -n 10.
INPUT = "input() cannot be used in an answer: nobody is there to type."


def plain(source):
    """Python without IPython's magics and shell lines; each line keeps its number.

    Returns:
        The source, and what was left out, such as `["%%time", "!ls"]`.
    """
    if _parses(source):
        return source, []
    lines, left_out = source.split("\n"), []
    if magic := _CELL_MAGIC.match(source):
        left_out.append(f"%%{magic[1]}")
        if magic[1] not in RUNS_CELL:
            return "", left_out
        lines[source[: magic.end()].count("\n")] = ""
    for number, line in enumerate(lines):
        if found := _LINE.fullmatch(line):
            left_out.append(f"{found['mark']}{found['word']}")
            runs = found["mark"] == "%" and found["word"] in RUNS_LINE
            code = _OPTIONS.sub("", found["rest"]) if runs else ""
            lines[number] = f"{found['indent']}{found['name'] or ''}{code or 'None'}"
        elif found := re.fullmatch(r"(\s*)[\w.]+\?{1,2}", line):
            left_out.append("?")
            lines[number] = f"{found[1]}None"
    return "\n".join(lines), left_out


def _parses(source):
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@dataclasses.dataclass
class _Statement:
    place: int  # It stands before the answer of this number.
    cell: str
    tree: ast.Module
    binds: set
    uses: set
    ran: bool = False


class Own:
    """What stands outside the answers' cells, and what of it has run.

    Args:
        sources: Pairs of a place and a source: the cell stands before the answer of that number.
        asked: Names of the functions that are asked for; they are never taken from here.
    """

    def __init__(self, sources, asked):
        self.binding = collections.defaultdict(list)  # Statements by the names that they define.
        for number, (place, source) in enumerate(sources, 1):
            tree = parse(source)
            for node in tree.body if tree else ():  # In the notebook, too, a broken cell defines nothing.
                names = binds(node)
                if names and not names & set(asked):
                    alone = ast.Module([node], [])
                    statement = _Statement(place, f"<cell {number}>", alone, names, loads(_compile(alone)))
                    for name in names:
                        self.binding[name].append(statement)

    def run(self, place, names, namespace):
        """Runs what defines these names and has not run: first what stands above, then what is below."""
        chosen, waiting = {}, list(names)
        while waiting:
            for statement in self.binding.get(waiting.pop(), ()):
                if id(statement) not in chosen:
                    chosen[id(statement)] = statement
                    waiting += statement.uses
        chosen = [each for each in chosen.values() if not each.ran]
        above = [each for each in chosen if each.place <= place]
        for statement in (*_ordered(above), *_ordered(each for each in chosen if each.place > place)):
            if statement.place > place and all(name in namespace for name in statement.binds):
                continue
            statement.ran = True
            with contextlib.suppress(Exception, SystemExit):  # In the notebook it stops nothing below it.
                exec(_compile(strip(statement.tree, namespace), statement.cell), namespace)  # noqa: S102


def _ordered(statements):
    return sorted(statements, key=lambda each: (each.place, each.cell, each.tree.body[0].lineno))


def parse(source):
    """A cell's syntax tree; None if it is no Python even without what is IPython's."""
    try:
        return ast.parse(plain(source)[0])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _compile(tree, name="<cell>"):
    return compile(ast.fix_missing_locations(tree), name, "exec", dont_inherit=True)


def binds(node):
    """The names that a statement defines, if it is of a kind that is run outside the answers' cells."""
    if isinstance(node, NESTED):
        inside = [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
        inside += [each for handler in getattr(node, "handlers", []) for each in handler.body]
        names = [binds(each) for each in inside if not isinstance(each, ast.Pass)]
        return set().union(*names) if names and all(names) else set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {node.name} if isinstance(node, DEFINITIONS) else set()


def loads(code):
    """The global names that a code object, or one inside it, reads."""
    names = {
        each.argval
        for each in dis.get_instructions(code)
        if each.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
    }
    return names.union(*(loads(each) for each in code.co_consts if isinstance(each, types.CodeType)))


class Closed:
    """Stands for what was imported from the course; says so when it is used."""

    def __init__(self, name):
        self.__dict__["name"] = name

    def _refuse(self, *_, **__):
        raise ImportError(closed(self.__dict__["name"]))

    __call__ = __getattr__ = __getitem__ = __iter__ = __array__ = _refuse


def closed(name):
    """What an answer that uses the course's library is told."""
    return f"An answer cannot use {name}, which may hold what is asked for: write it yourself."


def strip(tree, namespace):
    """Takes the imports of the course out of a cell; the names then stand for what cannot be used."""
    body = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == CLOSED:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                namespace.setdefault(alias.asname or alias.name, Closed(full))
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == CLOSED:
                    namespace.setdefault((alias.asname or alias.name).partition(".")[0], Closed(alias.name))
            node.names = [alias for alias in node.names if alias.name.split(".")[0] != CLOSED]
            if not node.names:
                continue
        body.append(node)
    return ast.Module(body, [])


class _NoCourse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == CLOSED:
            raise ModuleNotFoundError(closed(name), name=name)


def namespace(modules):
    """A fresh module's names as an answer finds them.

    Args:
        modules: Names and modules that are there without an import, such as `np`.
    """
    made = types.ModuleType("answer")
    sys.modules["answer"] = made
    names = vars(made)
    names.update(modules)
    # A check cell that was merged with an answer runs, too; it shall not do the work twice.
    names.update(check=lambda *_: False, display=lambda *_, **__: None)
    return names


def close_course():
    """From here on this process cannot import the course."""
    for name in [name for name in sys.modules if name.split(".")[0] == CLOSED]:
        del sys.modules[name]
    sys.meta_path.insert(0, _NoCourse())


@contextlib.contextmanager
def no_input():
    """Makes `input` say that it cannot be used."""

    def refuse(*_):
        raise RuntimeError(INPUT)

    kept, builtins.input = builtins.input, refuse
    try:
        yield
    finally:
        builtins.input = kept


def changed(before, after):
    """Indices of the arguments that are not what they were."""
    pairs = zip(before, after, strict=True)
    return tuple(i for i, pair in enumerate(pairs) if not _same(*pair))


def _same(one, other):
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.shape, one.dtype) == (other.shape, other.dtype)
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return (
            type(one) is type(other)
            and list(one) == list(other)
            and all(_same(one[k], other[k]) for k in one)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return one is other or one == other or (one != one and other != other)


# In the notebook


@contextlib.contextmanager
def closed_to(function):
    """For the calls of a function in the learner's own process, closes the course to it."""
    scope = getattr(function, "__globals__", {})
    kept = {name: scope[name] for name in _reachable(function) if name in scope and of_course(scope[name])}
    load = builtins.__import__

    def guarded(name, globals=None, *rest, **more):
        if globals is scope and name.split(".")[0] == CLOSED:
            raise ModuleNotFoundError(closed(name), name=name)
        return load(name, globals, *rest, **more)

    scope.update({name: Closed(_full_name(value, name)) for name, value in kept.items()})
    builtins.__import__ = guarded
    try:
        yield
    finally:
        builtins.__import__ = load
        scope.update(kept)


def of_course(value):
    """Whether something is a module of the course or was defined in one."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and name.split(".")[0] == CLOSED


def _full_name(value, name):
    return value.__name__ if isinstance(value, types.ModuleType) else f"{value.__module__}.{name}"


def _reachable(function):
    """The global names that a function reads, and those of the learner's own functions that it calls."""
    scope = getattr(function, "__globals__", {})
    names, waiting, seen = set(), [getattr(function, "__code__", None)], set()
    while waiting:
        code = waiting.pop()
        if isinstance(code, types.CodeType) and code not in seen:
            seen.add(code)
            new = loads(code)
            names |= new
            values = (scope.get(name) for name in new)
            waiting += [
                value.__code__
                for value in values
                if isinstance(value, types.FunctionType) and value.__globals__ is scope
            ]
    return names


def remarks(function, history=()):
    """What works in this notebook and will not where answers are judged, in sentences.

    Args:
        function: The answer.
        history: Sources of the cells that were run, in order.
    """
    scope, said = getattr(function, "__globals__", {}), []
    for name in sorted(_reachable(function)):
        if name == "open" and name not in scope:
            said.append("`course grade` runs answers without your files: an `open` fails there.")
        elif name in scope and _own_file(scope[name]):
            said.append(
                f"`course grade` gets this notebook only, not the file that `{name}` was imported from."
            )
        elif name in scope and not _defined(name, history):
            said.append(
                f"`{name}` is neither defined nor plainly assigned in a cell: `course grade` will not "
                f"have it. "
                "Put what makes it into the answer's cell or into a function."
            )
    return said


def _own_file(value):
    """Whether something came from a file of the learner's own."""
    module = (
        value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", None))
    )
    path = getattr(module, "__file__", None)
    return bool(path) and os.path.dirname(os.path.realpath(path)) == os.path.realpath(os.getcwd())


def _defined(name, history):
    """Whether the newest cell that binds a name does it in a way that is run; True if none is known."""
    for source in reversed(history):
        tree = parse(source)
        if tree is None:
            continue
        if any(name in binds(node) for node in tree.body):
            return True
        if any(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(tree)
        ):
            return False
    return True
