"""Finds submissions in folders and zip files, and reads the answers out of notebooks.

Everything here was written by others, perhaps with ill intent. Links are never followed, members of archives
are read in memory and never unpacked to disk, all sizes are limited, and whatever cannot be read is a
submission with a `problem` in words: a class is graded to its end whatever one of its files holds.
"""

import collections
import contextlib
import dataclasses
import datetime
import hashlib
import io
import itertools
import os
import pathlib
import re
import stat

from course_lib import questions
from course_lib.grading import archives, identity, resubmissions
from course_lib.grading.answers import NOTEBOOK_BYTES, Answers, Unreadable, read_answers

ARCHIVE_BYTES = 100 * 2**20  # Of a zip inside a zip.
MEMBERS = 20_000  # Of a zip that is named on the command line and so may hold a class.
OWN_MEMBERS = 1_000  # Of a zip found inside a folder or a zip: one learner's upload.
OWN_NOTEBOOKS = 20
TOTAL_RATIO, TOTAL_FROM = 20, 256 * 2**20  # Nor all members of a zip together.
ENTRIES, DEPTH = 200_000, 20  # Of a folder.
# Of one learner, in all zips and folders together.
LEARNER_NOTEBOOKS, LEARNER_FILES, LEARNER_BYTES = 60, 20_000, 64 * 2**20

_SKIPPED = ("__MACOSX", "__pycache__")


_PROBLEMS = (Unreadable, archives.MemberError)


@dataclasses.dataclass(frozen=True)
class Submission:
    """One notebook to grade.

    Attributes:
        id: Unique among those found together, and safe as a file's name.
        student: Whose it is, as the folder or the file is named.
        source: Where it was found; `!` stands between a zip file and its member.
        lesson: The lesson's word, such as `"attention"`; empty if it is not known.
        sha256: Of its bytes.
        answers: What it answers, or None.
        problem: Why it could not be read, in a sentence; empty if it could.
        learner: The `identity.Learner` that handed it in.
        time: When, as a `datetime.datetime`, or None.
        weak: Whether that is only the date of a file, which a copy may have changed.
        warning: What an instructor should look at before giving the mark, in sentences.
        superseded: Why another of the same learner counts in its place; empty if this one does.
    """

    id: str
    student: str
    source: str
    lesson: str
    sha256: str
    answers: Answers | None
    problem: str = ""
    learner: identity.Learner | None = None
    time: datetime.datetime | None = None
    weak: bool = True
    warning: str = ""
    superseded: str = ""


def find(paths):
    """Finds and reads all submissions.

    What lies directly in a folder or zip that is named, or in nbgrader's folder `submitted` there, is one
    learner's each.

    Args:
        paths: Notebooks, folders and zip files, as Moodle, Canvas or nbgrader lay them out or in any
            other order. A zip inside a zip is read, one inside that is not.

    Returns:
        List of `Submission`, sorted by source. What could not be read has a `problem`, and of several of one
        learner for one lesson all but the last are `superseded`, if the platform tells which is the last.

    Raises:
        ValueError: If a path does not exist or is of another kind, or if nothing was found.
    """
    finder = _Finder()
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            finder.folder(path)
        elif path.suffix.lower() in identity.SUFFIXES and path.is_file():
            finder.named(path)
        else:
            what = "Neither a notebook (.ipynb) nor a folder nor a zip file" if path.exists() else (
                "There is no such file or folder")  # fmt: skip
            raise ValueError(f"{what}: {identity.printable(path)}")
    found = finder.finish()
    if not found:
        shown = ", ".join(identity.printable(path) for path in paths)
        raise ValueError(f"No notebook was found in: {shown}")
    return found


def _lesson(answers, names):
    """The lesson that most cells belong to; if none does, the one that a file or folder is named after."""
    topics = questions.topics()
    if answers is not None:
        ids = [*answers.sources, *answers.malformed]
        votes = collections.Counter(i.partition("-")[0] for i in ids if i.partition("-")[0] in topics)
        if votes:
            return max(sorted(votes), key=votes.get)
    return next(filter(None, map(identity.named_after, reversed(names))), "")


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where something lies.

    Attributes:
        source: Path, followed by the names of members of zip files.
        names: The parts of its path that may tell whose it is.
        fallback: Whose it is, if they do not.
        root: What was named on the command line.
        trusted: How many of the names the learner did not choose; None means all.
    """

    source: tuple
    names: tuple
    fallback: str
    root: str
    trusted: int | None = None

    def inside(self, *parts):
        """A place below this one on disk."""
        path = pathlib.Path(self.source[0], *parts)
        return dataclasses.replace(self, source=(path,), names=(*self.names, *parts))

    def learner(self):
        """Whose it is."""
        return identity.learner(self.names, self.fallback, self.trusted)

    def account(self):
        """What everything of one learner has in common, whatever the learner named it."""
        learner = self.learner()
        if learner.number:
            return learner.key
        names = self.names[1:] if self.names[:1] == ("submitted",) else self.names
        return ("", *map(identity.stem, names[:1]))


class _Account:
    """What one learner has handed in so far; `problem` says if that is more than is read."""

    def __init__(self, place):
        self.place, self.problem = place, ""
        self.notebooks = self.files = 0
        self.left = LEARNER_BYTES

    def check(self):
        """Notes a problem if there is too much."""
        if self.notebooks > LEARNER_NOTEBOOKS or self.files > LEARNER_FILES:
            many = self.notebooks > LEARNER_NOTEBOOKS
            limit = f"{LEARNER_NOTEBOOKS} notebooks" if many else f"{LEARNER_FILES:,} files"
            self.problem = (
                f"It holds more than {limit}: too many for one learner. If it holds a whole class, name it "
                "on the command line; if it lies in a zip, unpack that first."
            )
        return not self.problem


class _Budget:
    """How many bytes a zip file and those inside it may still unpack to."""

    def __init__(self, left):
        self.left = left


class _Finder:
    """Collects submissions; each method adds those of one kind of place."""

    def __init__(self):
        self.found = {}  # By place, so that a file that is named twice counts once.
        self.others = {}  # Learners of whom only files of other kinds were seen, by key.
        self.accounts = {}
        self.seen = set()

    def account(self, place):
        """The `_Account` that a place belongs to."""
        if not place.names:  # Named on the command line itself.
            return _Account(place)
        key = (place.root, *place.account())
        if key not in self.accounts:
            self.accounts[key] = _Account(place)
        return self.accounts[key]

    def add(self, place, data=None, problem="", time=None, weak=True):
        """Adds a submission, of which `data` are the bytes; without, `problem` says why."""
        learner = place.learner()
        found = None
        if data is not None:
            try:
                found = read_answers(data)
            except Unreadable as error:
                problem = str(error)
        digest = hashlib.sha256(problem.encode() if data is None else data).hexdigest()
        self.seen.add(learner.key)
        lesson = _lesson(found, [identity.stem(name) for name in place.names] or [place.fallback])
        shown = identity.printable("!".join(map(str, place.source)))
        student = identity.printable(learner.name, 120)
        where = (os.path.abspath(place.source[0]), *place.source[1:])
        warning = ""
        if not learner.platform and any(map(_of_platform, place.names[1:])):
            warning = (
                "A platform's name stands further inside, where it tells nothing: if this is a class, name "
                "the folder or zip that holds it on the command line; unpack a zip that holds that folder."
            )
        submission = Submission(
            "", student, shown, lesson, digest, found, problem, learner, time, weak, warning
        )
        self.found.setdefault(where, (self.account(place), submission))

    def other(self, place):
        """Notes a file of another kind, in case it is all that a learner has handed in."""
        learner = place.learner()
        if learner.platform:
            self.others.setdefault(learner.key, place)

    def finish(self):
        """All that was found, sorted, with their ids."""
        for key, place in self.others.items():
            if key not in self.seen:
                self.add(place, problem="There is no notebook (.ipynb) in this submission.")
        kept = {}
        for where, (account, submission) in self.found.items():
            if not account.problem:
                kept[where] = submission
        for account in self.accounts.values():
            if account.problem:
                submission = _refused(account)
                kept[(os.path.abspath(account.place.source[0]), *account.place.source[1:])] = submission
        taken, result = set(), []
        for submission in resubmissions.compared([submission for _, submission in sorted(kept.items())]):
            slug, number = identity.slug(submission.student), 1
            name = slug
            while name.casefold() in taken:  # Some file systems do not tell A from a.
                number += 1
                name = f"{slug}-{number}"
            taken.add(name.casefold())
            result.append(dataclasses.replace(submission, id=name))
        return result

    def named(self, path):
        """A notebook or a zip file from the command line, where a link is the instructor's own."""
        if path.suffix.lower() == ".zip":
            names = (path.name,) if identity.on_platform(path.name) else ()
            place = _Place((path,), names, path.stem, str(path), 1 if names else None)
            self.archive_file(place, MEMBERS, path.resolve())
            return
        parts = path.parts if len(path.parts) > 3 else path.absolute().parts
        names = parts[-1:]
        if "submitted" in parts[:-3]:
            names = parts[parts.index("submitted") :]
        elif platform := [i for i, part in enumerate(parts) if i >= len(parts) - 4 and _of_platform(part)]:
            names = parts[platform[0] :]
        elif identity.named_after(path.stem):
            names = parts[-2:]
        self.notebook_file(_Place((path,), names, path.stem, str(path)), path.resolve())

    def notebook_file(self, place, real=None):
        if not self.counts(place, notebook=True):
            return
        try:
            with regular(real or place.source[0]) as file:
                time, weak = _local(os.fstat(file.fileno()).st_mtime), True
                data = file.read(NOTEBOOK_BYTES + 1)
            if place.learner().platform == "nbgrader":
                stamp = pathlib.Path(place.source[0]).parents[len(place.names) - 4] / "timestamp.txt"
                with contextlib.suppress(OSError, ValueError), regular(stamp) as file:
                    time, weak = identity.read_time(file.read(200).decode()), False
            self.add(place, data, time=time, weak=weak)
        except (OSError, *_PROBLEMS) as error:
            self.add(place, problem=_reason(error))

    def counts(self, place, notebook=False):
        """Notes a file or folder of a learner; returns whether there is room for it."""
        account = self.account(place)
        account.files += 1
        account.notebooks += notebook
        return account.check()

    def archive_file(self, place, members, real=None):
        try:
            with regular(real or place.source[0]) as file:
                size = file.seek(0, os.SEEK_END)
                budget = _Budget(max(TOTAL_FROM, TOTAL_RATIO * size))
                self.archive(file, place, members, budget)
        except (OSError, *_PROBLEMS) as error:
            self.add(place, problem=_reason(error))

    def folder(self, root):
        """A folder, with all that is below it."""
        # nbgrader's layout shows in the names above, if one of its own folders was named.
        above = root.resolve().parts[-3:]
        above = above[above.index("submitted") :] if "submitted" in above else ()
        if not above and _of_platform(root.resolve().name):
            above = (root.resolve().name,)
        waiting = collections.deque([_Place((root,), above, root.name, str(root))])
        while waiting:
            here = waiting.popleft()
            if here.names and self.account(here).problem:
                continue
            try:
                with os.scandir(here.source[0]) as entries:
                    inside = sorted(itertools.islice(entries, ENTRIES + 1), key=lambda entry: entry.name)
            except OSError as error:
                self.add(here, problem=_reason(error))
                continue
            if len(inside) > ENTRIES and not here.names:
                raise ValueError(
                    f"More than {ENTRIES:,} files are in {identity.printable(root)}: is that the folder "
                    "you mean?"
                )
            for entry in inside:
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                place, kind = here.inside(entry.name), identity.suffix(entry.name)
                if entry.is_symlink():
                    if kind or "." not in entry.name:
                        self.add(place, problem="It is a link, and links are not followed.")
                elif entry.is_dir(follow_symlinks=False):
                    if len(place.names) - len(above) >= DEPTH:
                        self.add(place, problem=f"Folders are more than {DEPTH} deep.")
                    elif self.counts(place):
                        waiting.append(place)
                        self.other(place)
                elif kind == ".ipynb":
                    self.notebook_file(place)
                elif kind == ".zip":
                    if self.counts(place):
                        self.archive_file(dataclasses.replace(place, trusted=len(place.names)), OWN_MEMBERS)
                elif self.counts(place):
                    self.other(place)
                if self.account(place).problem and self.account(place) is self.account(here):
                    break

    def archive(self, file, place, members, budget, inner=False):
        """A zip file.

        Args:
            file: Open, binary, seekable.
            place: Where it lies.
            members: How many members it may have.
            budget: `_Budget` of what it and the zip files in it may unpack to.
            inner: Whether it lies in a zip file itself; one in it is then not read.

        Raises:
            Unreadable: If the archive as a whole cannot be read.
        """
        names = (*place.names[:-1], identity.stem(place.names[-1])) if place.names else ()
        archive = archives.opened(file)
        infos = [info for info in archive.infolist() if not _ignored(info)]
        notebooks = sum(bool(identity.suffix(info.filename)) for info in infos)
        if len(infos) > members or (members == OWN_MEMBERS and notebooks > OWN_NOTEBOOKS):
            raise Unreadable(
                f"The zip file has {len(infos)} members, {notebooks} of them notebooks: too many for one "
                "learner. If it holds a whole class, name it on the command line."
            )
        count = collections.Counter(info.filename for info in infos)
        for info in sorted(infos, key=lambda info: info.filename):
            kind = identity.suffix(info.filename)
            parts = _parts(info)
            member = dataclasses.replace(place, source=(*place.source, info.filename), names=(*names, *parts))
            if not kind:
                self.other(member)
                continue
            account = self.account(member)
            account.notebooks += 1
            if not account.check():
                continue
            try:
                if kind == ".zip" and inner:
                    raise Unreadable("It is a zip file in a zip file in another: unpack it.")
                if count[info.filename] > 1:
                    raise Unreadable("The zip file has several members of this name.")
                limit = NOTEBOOK_BYTES if kind == ".ipynb" else ARCHIVE_BYTES
                data = archives.read(archive, info, min(limit, budget.left, account.left))
                budget.left -= len(data)
                if kind == ".ipynb":
                    account.left -= len(data)
                    time, weak = _member_time(archive, infos, info, member)
                    self.add(member, data, time=time, weak=weak)
                else:
                    trusted = len(member.names) if member.trusted is None else member.trusted
                    inside = dataclasses.replace(member, trusted=trusted)
                    self.archive(io.BytesIO(data), inside, OWN_MEMBERS, budget, inner=True)
            except _PROBLEMS as error:
                self.add(member, problem=str(error))
        if not notebooks and (names or not infos):
            empty = dataclasses.replace(place, names=place.names or (place.fallback,))
            self.add(empty, problem="There is no notebook (.ipynb) in the zip file.")


def _refused(account):
    """The one row of a learner who handed in too much."""
    place, learner = account.place, account.place.learner()
    if not learner.number:
        name, platform = place.account()[-1], "nbgrader" * (place.names[0] == "submitted")
        learner = identity.Learner(name, (platform, name), platform)
    return Submission(
        "",
        identity.printable(learner.name, 120),
        identity.printable("!".join(map(str, place.source))),
        "",
        hashlib.sha256(account.problem.encode()).hexdigest(),
        None,
        account.problem,
        learner,
    )


def _of_platform(name):
    return name == "submitted" or identity.on_platform(name)


def _parts(info):
    return [p for p in re.split(r"[/\\]", info.filename) if p not in ("", ".", "..")] or ["?"]


def _ignored(info):
    parts = re.split(r"[/\\]", info.filename)
    hidden = any(part in _SKIPPED or (part.startswith(".") and part not in (".", "..")) for part in parts)
    return info.is_dir() or hidden


def _local(seconds):
    """A file's date, or None if it is none."""
    try:
        return datetime.datetime.fromtimestamp(seconds).astimezone()
    except (OverflowError, OSError, ValueError):
        return None


def _member_time(archive, infos, info, place):
    """When a zip's member was handed in, and whether that is only its date in the zip."""
    if place.learner().platform == "nbgrader":
        folder = _parts(info)[: 3 - (len(place.names) - len(_parts(info)))]
        for other in infos:
            if _parts(other) == [*folder, "timestamp.txt"]:
                with contextlib.suppress(ValueError):
                    return identity.read_time(archives.read(archive, other, 200).decode()), False
    try:
        return datetime.datetime(*info.date_time).astimezone(), True
    except (OverflowError, OSError, ValueError):
        return None, True


@contextlib.contextmanager
def regular(path):
    """Opens a plain file, never through a link and never one that blocks, such as a pipe.

    Raises:
        OSError: If it cannot be opened.
        Unreadable: If it is no plain file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable("It is not a plain file.")
        yield file


def _reason(error):
    """An error as a sentence without a path, which would differ from machine to machine."""
    if isinstance(error, OSError):
        return f"It cannot be read: {error.strerror or type(error).__name__}."
    return str(error)
