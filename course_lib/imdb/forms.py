"""What people have instead of the archive of IMDB, told by its first bytes."""

import contextlib
import gzip
import pathlib
import re
import zlib

_LENGTH = 512
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_UNPACK = "Unpack it and set COURSE_IMDB to the folder aclImdb that is in it"
_PACKED = {
    b"PK\x03\x04": "a zip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip file",
    b"Rar!\x1a\x07": "a RAR file",
    b"\x1f\x8b": "a gzip file",
}
_TABLES = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF\r\n": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
}
_TEXTS = (
    ("version https://git-lfs", "a Git LFS pointer, not the file itself, which `git lfs pull` brings"),
    ("/annex/objects/", "a git-annex pointer, not the file itself, which `git annex get` brings"),
    ("<", "a web page, perhaps of a network's login. Download it again"),
    (("{", "["), "a JSON file"),
)


def other(path):
    """What a file is that is no tar archive, in words and perhaps with a step to take.

    Args:
        path: The file; gzip is looked through.

    Returns:
        A str to follow "is", or an empty one where it may be an archive.

    Raises:
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(_LENGTH)
    if start.startswith(b"\x1f\x8b"):
        with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error), gzip.open(path) as file:
            return _kind(file.read(_LENGTH), "a gzip-packed file with ")
        return ""
    return _kind(start) if start else "empty (0 bytes). Fetch or copy it again"


def _kind(start, inside=""):
    for magic, what in _PACKED.items():
        if start.startswith(magic):
            return f"{inside}{what}. {_UNPACK}"
    for magic, what in _TABLES.items():
        if start.startswith(magic):
            return inside + what
    text = _text(start)
    for beginning, what in _TEXTS:
        if text.startswith(beginning):
            return inside + what
    if any(separator in text.partition("\n")[0] for separator in ",;\t"):
        return f"{inside}a table of text, such as CSV"
    return f"{inside}a text file" if text else ""


def _text(start):
    """The beginning of a text; empty where it is none, as an archive, whose header is padded with zeros."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if start.startswith(mark):
            return start[2:].decode(encoding, "replace").lstrip()
    return "" if _CONTROL.search(start) else start.decode("utf-8-sig", "replace").lstrip()
