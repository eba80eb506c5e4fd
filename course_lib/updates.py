"""A newer version of the course for a learner's clone; what the learner changed is kept.

`git pull` stops as soon as a notebook changed on both sides. Here the new one is taken, what was there is
kept beside it as `NAME.kept-1.ipynb`, and answers are carried over into the new notebook by nbgrader's id.

It may be stopped anywhere, because of the order of its steps: copies first, then a journal in the git folder
that says which, then the new version's files, then the branch, then the answers. A run that finds a journal
finishes that update.
"""

import contextlib
import copy
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import uuid

from course_lib import runtime
from course_lib.grading import exercises

JOURNAL = "course-update.json"
ABSENT = "0" * 40
# What git keeps while something else is going on in a clone, and what that is called.
UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}


class UpdateError(RuntimeError):
    """The clone cannot be updated; the message says why and what to do."""


@dataclasses.dataclass
class Kept:
    """What became of one file that the learner had changed and the new version has changed, too.

    Attributes:
        path: The file, from the clone's folder.
        copy: The copy of what was there.
        gone: Whether the new version has no such file.
        answers: nbgrader ids of the answers that were carried over.
        cells: How many cells of the learner's own were carried over.
        changed: Ids among `answers` whose cell the course changed: the task may be another.
        left: Ids of answers that have no place in the new notebook.
    """

    path: str
    copy: str
    gone: bool = False
    answers: list[str] = dataclasses.field(default_factory=list)
    cells: int = 0
    changed: list[str] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)

    def told(self):
        """Whether there is more to say than that it is new."""
        return bool(self.gone or self.answers or self.cells or self.left)

    def __str__(self):
        parts = [f"{self.path}: the course has it no more." if self.gone else f"{self.path} is new."]
        carried = [_count(len(self.answers), "answer")] if self.answers else []
        carried += [f"{_count(self.cells, 'cell')} of your own"] if self.cells else []
        if carried:
            parts.append(f"Carried over: {' and '.join(carried)}.")
        if self.changed:
            parts.append(f"Look again at {', '.join(self.changed)}: the course changed there.")
        if self.left:
            parts.append(f"Not carried over: {', '.join(self.left)}.")
        return " ".join([*parts, f"Yours is kept as {self.copy}."])


@dataclasses.dataclass
class Update:
    """What an update did.

    Attributes:
        old: The commit before.
        new: The commit after; the same if there was nothing new.
        commits: How many commits that are.
        files: How many files they change.
        kept: What became of files that both sides had changed.
        packages: Whether the environment must be made anew.
        resumed: Whether an interrupted update was finished.
    """

    old: str
    new: str
    commits: int = 0
    files: int = 0
    kept: list[Kept] = dataclasses.field(default_factory=list)
    packages: bool = False
    resumed: bool = False

    def __str__(self):
        if self.old == self.new:
            return f"The course is up to date ({self.new[:7]})."
        what = f"{_count(self.commits, 'commit')}, {_count(self.files, 'file')}"
        lines = [f"The course is new: {what} ({self.old[:7]} to {self.new[:7]})."]
        plain = [each for each in self.kept if not each.told()]
        if len(plain) > 3:
            lines.append(
                f"{len(plain)} files that you had changed are new; yours are kept beside them as NAME.kept-N."
            )
        lines += [str(each) for each in self.kept if len(plain) <= 3 or each.told()]
        if self.packages:
            lines.append("Its packages changed: stop JupyterLab, then `make lab` brings them.")
        elif any(each.path.endswith(".ipynb") for each in self.kept):
            lines.append("Open notebooks show the old text until you reload them from disk (File menu).")
        if self.resumed:
            lines.append("This finished an update that was interrupted. Run it again for anything newer.")
        return "\n".join(lines)


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"


def update(root, source=None):
    """Brings a newer version of the course into a clone.

    Only a fast-forward is made. Files that the new version does not change stay as they are, whatever the
    learner did to them.

    Args:
        root: The clone, or a folder in it.
        source: Path or address of a repository whose checked-out branch is the newer version; None takes what
            the clone's branch follows, else `origin`.

    Returns:
        An `Update`.

    Raises:
        UpdateError: If it is no clone of the course, the newer version cannot be had, something else is going
            on in the clone, or it has commits of its own. Nothing was changed then.
    """
    clone = _Clone(root)
    with clone.lock():
        if (clone.git_folder / JOURNAL).exists():
            return clone.resume()
        clone.check()
        old, new = clone.head(), clone.fetch(source)
        if old == new or clone.is_ancestor(new, old):
            return Update(old, old)
        if not clone.is_ancestor(old, new):
            raise UpdateError(clone.diverged(old, new))
        return clone.advance(old, new, {})


class _Clone:
    """A learner's clone and the git commands that an update needs."""

    def __init__(self, root):
        self.root = pathlib.Path(root).absolute()
        if shutil.which("git") is None:
            raise UpdateError("git is not installed. Debian, Ubuntu: apt install git")
        try:
            self.root = pathlib.Path(self.line("rev-parse", "--show-toplevel"))
            if not (self.root / "course_lib").is_dir() or not (self.root / "pyproject.toml").is_file():
                raise UpdateError("it has no course_lib")
        except UpdateError as error:
            raise UpdateError(
                f"{self.root} is not a git clone of the course ({error}). Change to the clone. A folder from "
                "a zip file cannot be updated: clone the course, and copy your notebooks into the clone."
            ) from error
        self.git_folder = pathlib.Path(self.line("rev-parse", "--absolute-git-dir"))

    def git(self, *arguments):
        """The output of a git command as bytes; what it says when it fails is an `UpdateError`."""
        kept = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
        kept |= {"GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C"}
        done = subprocess.run(  # noqa: S603
            ["git", "-C", self.root, *arguments],  # noqa: S607  The learner's own git.
            env=kept, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise UpdateError(said or f"git {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def line(self, *arguments):
        return os.fsdecode(self.git(*arguments)).rstrip("\n")

    def config(self, key):
        try:
            return self.line("config", "--get", key)
        except UpdateError:
            return ""

    def head(self):
        return self.line("rev-parse", "--verify", "HEAD")

    def is_ancestor(self, one, other):
        """Whether a commit is the other or comes before it."""
        return self.line("rev-list", "--count", "--max-count=1", one, f"^{other}") == "0"

    @contextlib.contextmanager
    def lock(self):
        """Keeps a second update out."""
        with (self.git_folder / "course-update.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UpdateError("Another update of this clone is running. Nothing was changed.") from error
            yield

    def check(self):
        """Refuses to start while git is in the middle of something."""
        for name, what in UNFINISHED.items():
            if (self.git_folder / name).exists():
                raise UpdateError(
                    f"A {what} is going on in this clone. Finish it (`git {what} --continue`) or give it up "
                    f"(`git {what} --abort`), then try again. Nothing was changed."
                )
        if (lock := self.git_folder / "index.lock").exists():
            raise UpdateError(
                f"git is at work in this clone, or was stopped there. If no other git runs, remove {lock} "
                "and try again. Nothing was changed."
            )

    def fetch(self, source):
        """Fetches the newer version; returns its commit."""
        branch = self.line("rev-parse", "--abbrev-ref", "HEAD")
        remote = self.config(f"branch.{branch}.remote") or "origin"
        wanted = self.config(f"branch.{branch}.merge") or "HEAD"
        if source is not None:
            # git would read a relative path from the clone's folder, not from the reader's.
            remote = str(pathlib.Path(source).absolute()) if os.path.exists(source) else source
            wanted = "HEAD"
        try:
            self.git("fetch", "--quiet", "--no-tags", "--end-of-options", remote, wanted)
        except UpdateError as error:
            raise UpdateError(
                f"The newer version cannot be fetched from {remote}: {error}\nNothing was changed. Try again "
                "with a network, or name another clone of the course: course update --from PATH"
            ) from error
        return self.line("rev-parse", "FETCH_HEAD^{commit}")

    def diverged(self, old, new):
        """Why a clone with commits of its own is left alone, and what to do."""
        own = _count(int(self.line("rev-list", "--count", old, f"^{new}")), "commit")
        try:
            base = self.line("merge-base", old, new)
        except UpdateError:
            return "The clone and the newer version have no commit in common. Clone the course anew."
        return (
            f"This clone has {own} that the course does not have. Nothing was changed. To have both: "
            f"git rebase {new[:12]}. To put yours aside in a branch: git branch mine && git reset --keep "
            f"{base[:12]}, then course update."
        )

    def resume(self):
        """Finishes the update that the journal tells of."""
        path = self.git_folder / JOURNAL
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            old, new, kept = told["old"], told["new"], dict(told["kept"])
        except (ValueError, KeyError, TypeError) as error:
            raise UpdateError(
                f"{path} tells of an interrupted update and cannot be read. Your files are kept beside the "
                "new ones as NAME.kept-N; remove it and try again."
            ) from error
        self.check()
        if self.head() not in (old, new):  # Someone went on by other means: nothing is to be finished.
            path.unlink()
            raise UpdateError(
                "An update was interrupted, and then the branch was moved by other means. What you had "
                f"changed is kept: {', '.join(kept.values()) or 'nothing'}. Run course update again."
            )
        return dataclasses.replace(self.advance(old, new, kept), resumed=True)

    def advance(self, old, new, kept):
        """Takes the files of a newer commit, and carries over what can be.

        Args:
            old: The commit before.
            new: The commit to be.
            kept: Copies that an interrupted run made: name of the copy by name of the file.
        """
        touched = self.touched(old, new)
        if self.head() == old:
            kept = kept | {path: self.keep(path) for path in self.mine(touched)}
            with runtime.atomic_write(self.git_folder / JOURNAL) as temporary:
                temporary.write_text(json.dumps({"old": old, "new": new, "kept": kept}), encoding="utf-8")
            self.take(touched, old, new)
        done = [self.carry(path, copied, touched[path]) for path, copied in kept.items()]
        (self.git_folder / JOURNAL).unlink()
        commits = int(self.line("rev-list", "--count", new, f"^{old}"))
        packages = bool({"requirements.lock", "pyproject.toml"} & set(touched))
        return Update(old, new, commits, len(touched), done, packages)

    def touched(self, old, new):
        """What a newer commit changes: (blob before, blob after) by path."""
        fields = self.git("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new).split(b"\0")[:-1]
        return {
            os.fsdecode(path): tuple(told.decode().split()[2:4])
            for told, path in zip(fields[::2], fields[1::2], strict=True)
        }

    def mine(self, touched):
        """The files among `touched` that are neither the old version's nor the new one's.

        Their bytes are compared, so that files that git ignores or was told not to look at count as well.
        """
        for path in touched:
            *folders, _ = [self.root / each for each in (path, *pathlib.PurePath(path).parents)]
            wrong = [each for each in folders[1:] if each.is_symlink() or each.is_file()]
            wrong += [each for each in folders[:1] if each.is_dir() and not each.is_symlink()]
            if wrong:
                raise UpdateError(
                    f"{wrong[0].relative_to(self.root)} is something else here than in the new version: a "
                    "folder, a file or a link. Rename yours, then try again. Nothing was changed."
                )
        there = [path for path in touched if (self.root / path).is_file()]
        return [path for path, found in self.blobs(there).items() if found not in touched[path]]

    def blobs(self, paths):
        """What git calls the content of files here."""
        found = self.line("hash-object", "--", *paths).splitlines() if paths else []
        return dict(zip(paths, found, strict=True))

    def keep(self, path):
        """Copies a file beside itself, unless an interrupted run did; returns the copy's name."""
        path, number = pathlib.PurePath(path), 1
        while (self.root / (copied := path.with_name(f"{path.stem}.kept-{number}{path.suffix}"))).exists():
            if (self.root / copied).read_bytes() == (self.root / path).read_bytes():
                return str(copied)
            number += 1
        with runtime.atomic_write(self.root / copied) as temporary:
            shutil.copyfile(self.root / path, temporary)
        return str(copied)

    def take(self, touched, old, new):
        """Puts the new version's files and its index in place, then the branch."""
        if written := [path for path, (_, after) in touched.items() if after != ABSENT]:
            self.git("checkout", "--quiet", new, "--", *written)
        for path in (path for path, (_, after) in touched.items() if after == ABSENT):
            (self.root / path).unlink(missing_ok=True)
            self.git("update-index", "--force-remove", "--", path)
            with contextlib.suppress(OSError):
                (self.root / path).parent.rmdir()
        self.git("update-ref", "-m", "course update", "HEAD", new, old)

    def carry(self, path, copied, blobs):
        """Carries answers from a copy into the new notebook, if that is as the course has it."""
        before, after = blobs
        result = Kept(path, copied, gone=after == ABSENT)
        if result.gone or not path.endswith(".ipynb"):
            return result
        try:
            mine = exercises.read(self.root / copied)
            fresh = json.loads(self.git("cat-file", "blob", after))
            base = json.loads(self.git("cat-file", "blob", before)) if before != ABSENT else {"cells": []}
            merged = merge(base, mine, fresh, result)
            content = exercises.text(merged).encode()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # It is a copy all the same.
            return Kept(path, copied)
        here = self.root / path
        if not here.is_file():  # After an interrupted run the learner removed it,
            return Kept(path, copied)
        if merged != fresh and self.blobs([path])[path] == after:
            with runtime.atomic_write(here) as temporary:
                temporary.write_bytes(content)
        elif merged != fresh and here.read_bytes() != content:  # ... or went on with it.
            return Kept(path, copied)
        return result


# Set by git for its hooks: they would name another repository than the clone.
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


def merge(base, mine, fresh, result):
    """The new version of a notebook with the learner's answers and own cells in it.

    Args:
        base: The notebook that the learner began with, as JSON's dicts and lists.
        mine: The learner's.
        fresh: The new version.
        result: A `Kept`, in which is entered what was carried over.

    Returns:
        A new notebook.
    """
    merged = copy.deepcopy(fresh)
    begun = {_grade_id(cell): _source(cell) for cell in base["cells"] if _grade_id(cell)}
    begun_ids, fresh_ids = ({cell.get("id") for cell in book["cells"]} for book in (base, fresh))
    sources = {_source(cell) for cell in base["cells"] + fresh["cells"]}
    places = {key: cell for cell in merged["cells"] for key in (cell.get("id"), _grade_id(cell)) if key}
    ids = [_grade_id(cell) for cell in mine["cells"]]
    position = 0  # Where a cell of the learner's own goes: after the one that it followed.
    for cell in mine["cells"]:
        name, source = _grade_id(cell), _source(cell)
        place = places.get(name or (cell.get("id") in begun_ids and cell.get("id")))
        if place is not None:
            position = next(i for i, each in enumerate(merged["cells"]) if each is place) + 1
        if name and _is_answer(cell):
            stub = begun.get(name)
            if source == stub or (stub is None and "raise NotImplementedError(" in source):
                continue
            if place is None or not _is_answer(place) or ids.count(name) > 1:
                result.left += [name] if name not in result.left else []
            elif source != _source(place):
                result.answers.append(name)
                result.changed += [name] if stub is not None and stub != _source(place) else []
                place["source"] = source.splitlines(keepends=True)
        elif not name and place is None and source.strip() and source not in sources:
            if "id" not in cell or cell["id"] in fresh_ids:
                cell = {**cell, "id": uuid.uuid4().hex[:8]}
            merged["cells"].insert(position, cell)
            position += 1
            result.cells += 1
    return merged


def _grade_id(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade_id")


def _is_answer(cell):
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


def _source(cell):
    return "".join(cell["source"])
