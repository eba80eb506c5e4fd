"""Reads the files of a project, of which anything may be hostile.

Links are never followed, members of a zip are read in memory and never unpacked to disk, and all sizes are
limited.
"""

import collections
import contextlib
import csv
import io
import json
import os
import pathlib
import stat

from course_lib.grading import archives, identity
from course_lib.grading.answers import Unreadable
from course_lib.grading.submissions import regular

ENTRIES, DEPTH = 20_000, 20
TABLE_BYTES, ROWS, FIELD, LINE = 20 * 2**20, 50_000, 1_000, 10_000
TRAINING_ROWS = 1_000_000  # Of which there is but a name.
TEXT_BYTES = 2**20


class Files:
    """The files of a folder.

    Attributes:
        sizes: Bytes of each plain file, by its path below the folder with `/` between its parts.
        others: What else there is, such as links, by path: why it cannot be used, in a sentence.

    Raises:
        Unreadable: If there are far too many.
    """

    def __init__(self, root):
        self._root, self.sizes, self.others = pathlib.Path(root), {}, {}
        waiting, seen = collections.deque([""]), 0
        while waiting:
            here = waiting.popleft()
            with os.scandir(self._root / here) as entries:
                for entry in entries:
                    seen += 1
                    if seen > ENTRIES:
                        raise Unreadable(
                            f"More than {ENTRIES:,} files are in it: is that the folder you mean?"
                        )
                    if not _hidden(entry.name):
                        self._add(f"{here}{entry.name}", entry, waiting)

    def _add(self, name, entry, waiting):
        if entry.is_symlink():
            self.others[name] = "is a link, and links are not followed"
        elif entry.is_dir(follow_symlinks=False):
            if name.count("/") < DEPTH:
                waiting.append(f"{name}/")
            else:
                self.others[name] = f"lies more than {DEPTH} folders deep"
        elif entry.is_file(follow_symlinks=False):
            self.sizes[name] = entry.stat(follow_symlinks=False).st_size
        else:
            self.others[name] = "is not a plain file"

    def read(self, name, limit):
        """The bytes of a file.

        Raises:
            Unreadable: If it is not there, not a plain file, or larger than `limit`.
        """
        if name in self.others:
            raise Unreadable(f"{name} {self.others[name]}.")
        if name not in self.sizes:
            raise Unreadable(f"{name} is missing.")
        if self.sizes[name] > limit:
            raise Unreadable(f"{name} has {self.sizes[name]:,} bytes, more than the {limit:,} that are read.")
        try:
            data = self._bytes(name, limit)
        except OSError as error:
            raise Unreadable(f"{name} cannot be read: {error.strerror or type(error).__name__}.") from None
        except (Unreadable, archives.MemberError) as error:
            raise Unreadable(f"{name}: {error}") from None
        if len(data) > limit:
            raise Unreadable(f"{name} grew while it was read.")
        return data

    def _bytes(self, name, limit):
        with regular(self._root / name) as file:
            return file.read(limit + 1)


class Zipped(Files):
    """The files of a zip; one folder around them all is left out of their names."""

    def __init__(self, file):
        self._archive, self.sizes, self.others, self._infos = archives.opened(file), {}, {}, {}
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        if len(infos) > ENTRIES:
            raise Unreadable(f"More than {ENTRIES:,} files are in it: is that the zip file you mean?")
        paths = [info.filename.replace("\\", "/") for info in infos]
        paths = [path for path in paths if not any(map(_hidden, path.split("/")))]
        tops = {path.partition("/")[0] for path in paths}
        cut = len(tops.pop()) + 1 if len(tops) == 1 and all("/" in path for path in paths) else 0
        for info in infos:
            path = info.filename.replace("\\", "/")
            if any(map(_hidden, path.split("/"))):
                continue
            name, kind = path[cut:], stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                self.others[name] = "is a link or another special file, and those are not followed"
            elif name in self.sizes or name in self.others:
                self.others[name] = "is there several times"
                self.sizes.pop(name, None)
            else:
                self.sizes[name], self._infos[name] = info.file_size, info

    def _bytes(self, name, limit):
        return archives.read(self._archive, self._infos[name], limit)


@contextlib.contextmanager
def opened(path):
    """The files of a project.

    Args:
        path: Its folder, or a zip of it.

    Yields:
        `Files`.

    Raises:
        ValueError: If it is neither, cannot be read, or has too many files.
    """
    path = pathlib.Path(path)
    shown = identity.printable(path)
    try:
        if path.is_dir():
            yield Files(path)
        elif path.suffix.lower() == ".zip" and path.exists():
            with regular(path) as file:
                yield Zipped(file)
        else:
            what = "neither a folder nor a zip file" if path.exists() else "not there"
            raise Unreadable(f"it is {what}.")
    except OSError as error:
        raise Unreadable(f"{shown} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (Unreadable, archives.MemberError) as error:
        raise Unreadable(f"{shown}: {error}") from None


def _hidden(name):
    return name.startswith(".") or name in ("__MACOSX", "__pycache__")


def text(files, name):
    """A file of text.

    Raises:
        Unreadable: If it cannot be read, or is not UTF-8.
    """
    try:
        return files.read(name, TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8: save it as such.") from None


def record(files, name):
    """A dict from a JSON file.

    Raises:
        Unreadable: If it cannot be read, or holds something else.
    """

    def constant(word):
        raise ValueError(word)

    try:
        found = json.loads(text(files, name), parse_constant=constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError):  # Of the error itself nothing: its text may quote megabytes.
        raise Unreadable(f"{name} cannot be read as JSON.") from None
    if not isinstance(found, dict):
        raise Unreadable(f"{name} must hold a JSON object, {{...}}.")
    return found


def table(files, name, columns, rows=ROWS):
    """Columns of a CSV file with a header.

    Args:
        files: `Files`.
        name: Of the file.
        columns: The names that it must have; others are not looked at.
        rows: How many it may have.

    Returns:
        Dict from the values of the first of `columns` to those of the last.

    Raises:
        Unreadable: If it cannot be read, or a value of the first column is empty or there twice; the message
            names the line.
    """
    try:
        lines = files.read(name, TABLE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8: save it as such.") from None
    reader, found = csv.reader(_short(io.StringIO(lines, newline=""), name), strict=True), {}
    try:
        header = [each.strip() for each in next(reader, [])]
        if lacking := [column for column in columns if header.count(column) != 1]:
            raise Unreadable(
                f"{name}: its first line must name the columns {', '.join(lacking)}, once each, with "
                "commas between."
            )
        first, last = header.index(columns[0]), header.index(columns[-1])
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise Unreadable(
                    f"{name}, line {reader.line_num}: {len(header)} values were expected. Received: "
                    f"{len(row)}"
                )
            key, value = row[first].strip(), row[last].strip()
            if not key or max(len(key), len(value)) > FIELD:
                raise Unreadable(f"{name}, line {reader.line_num}: a value is empty or too long.")
            if key in found:
                raise Unreadable(
                    f"{name}, line {reader.line_num}: {columns[0]} {identity.printable(key, 60)} is there "
                    "twice."
                )
            found[key] = value
            if len(found) > rows:
                raise Unreadable(f"{name} has more than {rows:,} rows: take fewer examples.")
    except csv.Error:
        raise Unreadable(f"{name}, line {reader.line_num}: that is not CSV.") from None
    return found


def _short(lines, name):
    """The lines of a table, as long as they are short: a long one could become a million values."""
    for line in lines:
        if len(line) > LINE:
            raise Unreadable(f"{name} has a line of more than {LINE:,} characters.")
        yield line
