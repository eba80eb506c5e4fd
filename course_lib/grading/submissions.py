"""Finds submissions in folders and zip files, and reads the answers out of notebooks.

Everything here was written by others, perhaps with ill intent. Links are never followed, members of archives
are read in memory and never unpacked to disk, all sizes are limited, and whatever cannot be read is a
submission with a `problem` in words: a class is graded to its end whatever one of its files holds.
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import re
import stat
import struct
import unicodedata
import zipfile
import zlib

from course_lib import questions
from course_lib.grading.answers import NOTEBOOK_BYTES, Answers, Unreadable, read_answers

ARCHIVE_BYTES = 100 * 2**20  # Of a zip inside a zip.
DIRECTORY_BYTES = 8 * 2**20  # The table of contents of a zip, some 100 bytes per member.
MEMBERS = 20_000  # Of a zip that is named on the command line and so may hold a class.
OWN_MEMBERS = 1_000  # Of a zip found inside a folder or a zip: one learner's upload.
OWN_NOTEBOOKS = 20
RATIO, RATIO_FROM = 200, 2**20  # A member may not unpack to more than this many times its size.
TOTAL_RATIO, TOTAL_FROM = 20, 256 * 2**20  # Nor all members of a zip together.
ENTRIES, DEPTH = 200_000, 20  # Of a folder.

# How learning platforms name what they give out: Moodle "Ada Lovelace_12345_assignsubmission_file_" (a
# folder, or the beginning of a file's name), Canvas "lovelaceada_LATE_12345_67890_file-1.ipynb".
_MOODLE = re.compile(r"(.+)_(\d+)_assignsubmission_[a-z]+_?(.*)")
_CANVAS = re.compile(r"(.+?)(?:_late)?_(\d+)_(\d+)_(.+)", re.IGNORECASE)
_OWN_NAME = re.compile(r"\d\d[_-]([a-z]+(?:_[a-z]+)*)", re.IGNORECASE)  # As an exercise's file is named.
_SKIPPED = ("__MACOSX", "__pycache__")


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
    """

    id: str
    student: str
    source: str
    lesson: str
    sha256: str
    answers: Answers | None
    problem: str = ""


def find(paths):
    """Finds and reads all submissions.

    Args:
        paths: Notebooks, folders and zip files, as Moodle, Canvas or nbgrader lay them out or in any
            other order. A zip inside a zip is read, one inside that is not.

    Returns:
        List of `Submission`, sorted by source. What could not be read has a `problem`.

    Raises:
        ValueError: If a path does not exist or is of another kind, or if nothing was found.
    """
    finder = _Finder()
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            finder.folder(path)
        elif path.suffix.lower() in (".ipynb", ".zip") and path.is_file():
            finder.named(path)
        elif path.exists():
            raise ValueError(f"Neither a notebook (.ipynb) nor a folder nor a zip file: {path}")
        else:
            raise ValueError(f"There is no such file or folder: {path}")
    found = finder.finish()
    if not found:
        raise ValueError(f"No notebook was found in: {', '.join(map(str, paths))}")
    return found


def _lesson(answers, names):
    """The lesson that most cells belong to; if none does, the one that a file or folder is named after."""
    topics = questions.topics()
    if answers is not None:
        ids = [*answers.sources, *answers.malformed]
        votes = collections.Counter(i.partition("-")[0] for i in ids if i.partition("-")[0] in topics)
        if votes:
            return max(sorted(votes), key=votes.get)
    return next(filter(None, map(_named_after, reversed(names))), "")


def _named_after(name):
    """The lesson whose exercise a file is named after, such as "attention" for "01_attention-1"; else ""."""
    for match in _OWN_NAME.finditer(name):
        fitting = [t for t in questions.topics() if (match[1].lower() + "_").startswith(t + "_")]
        if fitting:
            return max(fitting, key=len)
    return ""


def _who(names, fallback):
    """Whose a submission is.

    Args:
        names: The parts of its path below what was named on the command line; a zip is a part like a folder.
        fallback: The name to take if the path tells nothing.

    Returns:
        The student, and whether a learning platform's layout was recognised.
    """
    for name in names:
        match = _MOODLE.fullmatch(name)
        if match:
            return f"{match[1]} ({match[2]})", True
    for name in names:
        match = _CANVAS.fullmatch(name)
        if match:
            return f"{match[1]} ({match[2]})", True
    places = [i for i, name in enumerate(names) if name == "submitted" and len(names) - i > 3]
    if places:  # nbgrader: submitted/STUDENT/ASSIGNMENT/FILE
        return names[places[-1] + 1], True
    stems = [*names[:-1], _stem(names[-1])] if names else []
    if stems[:1] == ["submitted"]:
        stems = stems[1:]
    if stems and _OWN_NAME.match(stems[-1]) and _named_after(stems[-1]):
        stems.pop()
    return "/".join(stems) or fallback, False


def _stem(name):
    return name[: -len(_suffix(name))] if _suffix(name) else name


def _suffix(name):
    return next((s for s in (".ipynb", ".zip") if name.lower().endswith(s)), "")


def _printable(text, limit):
    """A name without control characters and other traps, at most `limit` characters."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    return "".join(c if c.isprintable() else "?" for c in text)[:limit]


def _slug(text):
    """A text as the name of a file."""
    return re.sub(r"[^\w.]+", "-", _printable(text, 60)).strip("-._") or "submission"


class _Finder:
    """Collects submissions; each method adds those of one kind of place."""

    def __init__(self):
        self.found = {}  # By place, so that a file that is named twice counts once.
        self.others = {}  # Learners of whom only files of other kinds were seen, by student.
        self.seen = set()

    def add(self, source, names, fallback, data=None, problem=""):
        """Adds a submission.

        Args:
            source: Path, followed by the names of members of zip files.
            names: The parts of its path that may tell whose it is.
            fallback: Whose it is, if they do not.
            data: Its bytes, or None.
            problem: Why there are none.
        """
        student, _ = _who(names, fallback)
        answers = None
        if data is not None:
            try:
                answers = read_answers(data)
            except Unreadable as error:
                problem = str(error)
        digest = hashlib.sha256(problem.encode() if data is None else data).hexdigest()
        self.seen.add(student)
        lesson = _lesson(answers, [_stem(name) for name in names] or [fallback])
        student, shown = _printable(student, 120), _printable("!".join(map(str, source)), 1000)
        place = (os.path.abspath(source[0]), *source[1:])
        self.found.setdefault(place, Submission("", student, shown, lesson, digest, answers, problem))

    def other(self, source, names):
        """Notes a file of another kind, in case it is all that a learner has handed in."""
        student, known = _who(names, "")
        if known:
            self.others.setdefault(student, (source, names))

    def finish(self):
        """All that was found, sorted, with their ids."""
        for student, (source, names) in self.others.items():
            if student not in self.seen:
                self.add(source, names, "", problem="There is no notebook (.ipynb) in this submission.")
        taken, result = set(), []
        for _, submission in sorted(self.found.items()):
            slug, number = _slug(submission.student), 1
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
            names = [path.name] if _who([path.name], "")[1] else []
            self.archive_file(path, names, path.stem, MEMBERS, path.resolve())
        else:
            names = list(path.absolute().parts[-4:])
            if not _who(names, "")[1]:
                names = names[-2:] if _named_after(path.stem) else names[-1:]
            self.notebook_file(path, names, path.stem, path.resolve())

    def notebook_file(self, path, names, fallback, real=None):
        try:
            with _regular(real or path) as file:
                self.add([path], names, fallback, file.read(NOTEBOOK_BYTES + 1))
        except (OSError, Unreadable) as error:
            self.add([path], names, fallback, problem=_reason(error))

    def archive_file(self, path, names, fallback, members, real=None):
        try:
            with _regular(real or path) as file:
                self.archive(file, [path], names, fallback, members, inner=True)
        except (OSError, Unreadable) as error:
            self.add([path], names, fallback, problem=_reason(error))

    def folder(self, root):
        """A folder, with all that is below it."""
        # nbgrader's layout shows in the names above, if one of its own folders was named.
        above = root.resolve().parts[-3:]
        above = above[above.index("submitted") :] if "submitted" in above else ()
        waiting, entries = [(root, ())], 0
        while waiting:
            folder, names = waiting.pop()
            try:
                inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.add([folder], [*above, *names], root.name, problem=_reason(error))
                continue
            for entry in inside:
                entries += 1
                if entries > ENTRIES:
                    raise ValueError(
                        f"More than {ENTRIES:,} files are in {root}: is that the folder you mean?"
                    )
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                path, parts = folder / entry.name, (*names, entry.name)
                place, kind = [*above, *parts], _suffix(entry.name)
                if entry.is_symlink():
                    if kind or "." not in entry.name:
                        self.add(
                            [path], place, root.name, problem="It is a link, and links are not followed."
                        )
                elif entry.is_dir(follow_symlinks=False):
                    if len(parts) >= DEPTH:
                        self.add([path], place, root.name, problem=f"Folders are more than {DEPTH} deep.")
                    else:
                        waiting.append((path, parts))
                        self.other([path], place)
                elif kind == ".ipynb":
                    self.notebook_file(path, place, root.name)
                elif kind == ".zip":
                    self.archive_file(path, place, root.name, OWN_MEMBERS)
                else:
                    self.other([path], place)

    def archive(self, file, source, names, fallback, members, inner):
        """A zip file.

        Args:
            file: Open, binary, seekable.
            source: As for `add`.
            names: The parts of its path.
            fallback: Whose it is, if nothing else tells.
            members: How many members it may have.
            inner: Whether zip files in it are read.

        Raises:
            Unreadable: If the archive as a whole cannot be read.
        """
        names = [*names[:-1], _stem(names[-1])] if names else []
        size = file.seek(0, os.SEEK_END)
        try:
            archive = zipfile.ZipFile(_Bounded(file, size))
        except (zipfile.BadZipFile, *_ZIP_ERRORS):
            raise Unreadable("It is not a zip file, or it is damaged.") from None
        infos = [info for info in archive.infolist() if not _ignored(info)]
        notebooks = sum(bool(_suffix(info.filename)) for info in infos)
        if len(infos) > members or (members == OWN_MEMBERS and notebooks > OWN_NOTEBOOKS):
            raise Unreadable(
                f"The zip file has {len(infos)} members, {notebooks} of them notebooks: too many for one "
                "learner. If it holds a whole class, name it on the command line."
            )
        left = max(TOTAL_FROM, TOTAL_RATIO * size)
        count = collections.Counter(info.filename for info in infos)
        for info in sorted(infos, key=lambda info: info.filename):
            kind = _suffix(info.filename)
            parts = [p for p in re.split(r"[/\\]", info.filename) if p not in ("", ".", "..")] or ["?"]
            place, where = [*names, *parts], [*source, info.filename]
            if not kind:
                self.other(where, place)
                continue
            try:
                if kind == ".zip" and not inner:
                    raise Unreadable("It is a zip file in a zip file in another: unpack it.")
                if count[info.filename] > 1:
                    raise Unreadable("The zip file has several members of this name.")
                limit = NOTEBOOK_BYTES if kind == ".ipynb" else ARCHIVE_BYTES
                data = _member(archive, info, min(limit, left))
                left -= len(data)
                if kind == ".ipynb":
                    self.add(where, place, fallback, data)
                else:
                    self.archive(io.BytesIO(data), where, place, fallback, OWN_MEMBERS, inner=False)
            except Unreadable as error:
                self.add(where, place, fallback, problem=str(error))
        if not notebooks and (names or not infos):
            self.add(
                source,
                names or [fallback],
                fallback,
                problem="There is no notebook (.ipynb) in the zip file.",
            )


# What zipfile raises on damaged or hostile files besides BadZipFile.
_ZIP_ERRORS = (ValueError, OSError, EOFError, zlib.error, struct.error, NotImplementedError, RuntimeError,
               LookupError, OverflowError, MemoryError, AttributeError, TypeError)  # fmt: skip


class _Bounded:
    """A file of which no more than a zip's longest table of contents is read at once."""

    def __init__(self, file, size):
        self.file, self.size = file, size
        self.seek, self.tell = file.seek, file.tell

    def seekable(self):
        return True

    def read(self, count=-1):
        rest = max(self.size - self.file.tell(), 0)
        count = rest if count is None or count < 0 else min(count, rest)
        if count > DIRECTORY_BYTES:
            raise ValueError("too long")
        return self.file.read(count)


def _ignored(info):
    parts = re.split(r"[/\\]", info.filename)
    hidden = any(part in _SKIPPED or (part.startswith(".") and part not in (".", "..")) for part in parts)
    return info.is_dir() or hidden


def _member(archive, info, limit):
    """The bytes of a zip's member.

    Raises:
        Unreadable: If it is not a plain file of at most `limit` bytes.
    """
    kind = stat.S_IFMT(info.external_attr >> 16)
    name = info.filename
    if kind not in (0, stat.S_IFREG):
        raise Unreadable("In the zip file it is a link or another special file, and those are not followed.")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise Unreadable("Its name leads out of the zip file.")
    if info.flag_bits & 1:
        raise Unreadable("It is encrypted.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("It is packed in an unusual way: pack it as an ordinary zip file.")
    if info.file_size > limit:
        raise Unreadable(f"It unpacks to {info.file_size:,} bytes, more than are read.")
    if info.file_size > max(RATIO_FROM, RATIO * info.compress_size):
        raise Unreadable(f"It unpacks to more than {RATIO} times its size.")
    try:
        with archive.open(info) as file:
            data = b"".join(iter(lambda: file.read(2**20), b""))  # It never gives more than was declared.
    except (zipfile.BadZipFile, *_ZIP_ERRORS):
        raise Unreadable("In the zip file it is damaged.") from None
    if len(data) != info.file_size:
        raise Unreadable("In the zip file it is damaged: it has another size than is said there.")
    return data


@contextlib.contextmanager
def _regular(path):
    """Opens a plain file, never through a link and never one that blocks, such as a pipe."""
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
