"""Reads zip files of which anything may be hostile, in memory and within limits."""

import re
import stat
import struct
import zipfile
import zlib

DIRECTORY_BYTES = 8 * 2**20  # The table of contents of a zip, some 100 bytes per member.
RATIO, RATIO_FROM = 200, 2**20  # A member may not unpack to more than this many times its size.

# What zipfile raises on damaged or hostile files besides BadZipFile.
_ERRORS = (ValueError, OSError, EOFError, zlib.error, struct.error, NotImplementedError, RuntimeError,
               LookupError, OverflowError, MemoryError, AttributeError, TypeError)  # fmt: skip


class MemberError(ValueError):
    """A zip file or a member of it cannot be read; the message says why, in a sentence for its author."""


def opened(file):
    """Opens a zip file.

    Args:
        file: Open, binary, seekable.

    Returns:
        A `zipfile.ZipFile`.

    Raises:
        MemberError: If it is none.
    """
    try:
        try:  # A Mac writes names in UTF-8 and does not say so.
            return zipfile.ZipFile(_Bounded(file, file.seek(0, 2)), metadata_encoding="utf-8")
        except UnicodeDecodeError:
            return zipfile.ZipFile(_Bounded(file, file.seek(0, 2)))
    except (zipfile.BadZipFile, *_ERRORS):
        raise MemberError("It is not a zip file, or it is damaged.") from None


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


def read(archive, info, limit):
    """Reads a zip's member.

    Args:
        archive: The `zipfile.ZipFile`.
        info: Its `zipfile.ZipInfo`.
        limit: How many bytes it may have.

    Returns:
        Its bytes.

    Raises:
        MemberError: If it is not a plain file of at most `limit` bytes.
    """
    kind = stat.S_IFMT(info.external_attr >> 16)
    name = info.filename
    if kind not in (0, stat.S_IFREG):
        raise MemberError("In the zip file it is a link or another special file, and those are not followed.")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise MemberError("Its name leads out of the zip file.")
    if info.flag_bits & 1:
        raise MemberError("It is encrypted.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MemberError("It is packed in an unusual way: pack it as an ordinary zip file.")
    if info.file_size > limit:
        raise MemberError(f"It unpacks to {info.file_size:,} bytes, more than are read.")
    if info.file_size > max(RATIO_FROM, RATIO * info.compress_size):
        raise MemberError(f"It unpacks to more than {RATIO} times its size.")
    try:
        with archive.open(info) as file:
            data = b"".join(iter(lambda: file.read(2**20), b""))  # It never gives more than was declared.
    except (zipfile.BadZipFile, *_ERRORS):
        raise MemberError("In the zip file it is damaged.") from None
    if len(data) != info.file_size:
        raise MemberError("In the zip file it is damaged: it has another size than is said there.")
    return data
