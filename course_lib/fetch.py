"""Files from the network and from archives, neither of which is trusted.

A download is used only if its checksum is the published one, and replaces an earlier copy only then. An
archive is read member by member; nothing is ever written under a name that it contains.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import os
import pathlib
import re
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable

from course_lib import runtime

ATTEMPTS = 3  # Per source.
PAUSE = 1.0  # Seconds before the second attempt; doubled before each further one.
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0  # A source that brings less than STALL_BYTES in this time is given up.
STALL_BYTES = 2**14
MEMBER_BYTES = 2**20  # The longest review of IMDB has 14,000 characters.
TOTAL_BYTES = 2**30  # IMDB has 0.3 GB with tar's own blocks.
MEMBERS = 300_000  # IMDB has 100,027.

_BLOCK = 512
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.GNUTYPE_LONGNAME: "a name longer than 100 characters",
    tarfile.GNUTYPE_LONGLINK: "a link's name longer than 100 characters",
}


class DataError(RuntimeError):
    """Data cannot be had or used; the message says why and what to do."""


class FetchError(DataError):
    """No source gave the file."""


class ArchiveError(DataError):
    """An archive is damaged, truncated or hostile; the message names the member."""


class _SourceError(Exception):
    """One source failed; `passing` says whether it may do better at once."""

    def __init__(self, message, passing):
        super().__init__(message)
        self.passing = passing


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What a download must be; `fits` tells it of a complete file, by raising a DataError."""

    sha256: str | None
    size: int | None
    check: Callable | None
    most: int

    def fits(self, path):
        digest = file_sha256(path)
        if self.sha256 and digest != self.sha256:
            raise DataError(f"wrong checksum: SHA-256 {digest}, expected {self.sha256}")
        if self.check:
            self.check(path)


def download(urls, path, *, sha256=None, size=None, remedy="", check=None, most=TOTAL_BYTES):
    """Downloads one file from the first source that has it, unless it is already there.

    Two processes may do this at the same time: the second waits for the first and then finds the file.

    Args:
        urls: Sources, in the order to try them.
        path: Where to put the file. Its folder must exist.
        sha256: The file's SHA-256 in hexadecimal; None only where `check` knows the content.
        size: Its size in bytes, if known: a source that offers another file is then refused at once.
        remedy: A sentence for the error, on what else a person can do.
        check: Function of the path of a complete download, which raises a DataError if it is a wrong one.
        most: Most bytes to take where the size is not known.

    Returns:
        `path`, as a `pathlib.Path`. The file is complete and has the checksum.

    Raises:
        FetchError: If no source gave the right file, or there is no room for it. An earlier copy stays.
    """
    path, wanted = pathlib.Path(path), _Wanted(sha256, size, check, most)
    if not (sha256 or check):
        raise ValueError("A download needs `sha256` or `check`: no source is trusted.")
    try:
        if _complete(path, wanted):  # Without the lock: a shared cache may be read-only.
            return path
        with lock(path) as held:
            if _complete(path, wanted):  # Another process brought it.
                return path
            # Left by a process that was killed: a living one would hold the lock.
            for stale in path.parent.glob(f".{path.name}.*.part") if held else ():
                with contextlib.suppress(OSError):
                    stale.unlink()
            _from_any(urls, path, wanted, remedy)
    except OSError as error:
        raise FetchError(
            f"Cannot write {path}: {error.strerror or error}. "
            "Make room there, or set COURSE_CACHE to another folder."
        ) from error
    return path


def _complete(path, wanted):
    if not path.is_file():
        return False
    try:
        wanted.fits(path)
    except DataError:
        return False
    return True


def _from_any(urls, path, wanted, remedy):
    failures = []
    for url in urls:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _transfer(url, path, wanted)
                return
            except _SourceError as error:
                reason, passing = str(error), error.passing
            if not passing:
                break
            if attempt < ATTEMPTS:
                time.sleep(PAUSE * 2 ** (attempt - 1))
        tries = f" ({attempt} attempts)" if attempt > 1 else ""
        failures.append(f"  - {url}: {reason}{tries}")
    kept = f"The file that was there before is untouched: {path}. " if path.exists() else ""
    lines = "\n".join(failures)
    raise FetchError(f"Could not fetch {path.name}. What each source said:\n{lines}\n{kept}{remedy}".rstrip())


def _transfer(url, path, wanted):
    """Downloads `url` to `path` or raises _SourceError; OSError if it cannot be written."""
    import requests
    import urllib3

    timeout = (CONNECT_SECONDS, STALL_SECONDS)
    try:
        with _get(url, timeout) as response:
            status = response.status_code
            if status != 200:
                passing = status in (408, 425, 429) or status >= 500
                raise _SourceError(f"HTTP status {status} {response.reason}", passing)
            promised = response.headers.get("Content-Length", "")
            promised = int(promised) if promised.isdecimal() else None
            if None not in (wanted.size, promised) and promised != wanted.size:
                raise _SourceError(
                    f"it offers {promised:,} bytes, but the file has {wanted.size:,}: another file", False
                )
            if promised is not None and promised > wanted.most:
                raise _SourceError(f"it offers {promised:,} bytes; the most is {wanted.most:,}", False)
            length = wanted.size or promised
            with runtime.atomic_write(path) as part, _progress(path.name, length) as advance:
                _receive(response.raw, part, length, wanted, advance)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        permanent = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
        said = _in_words(error)
        if isinstance(error, requests.exceptions.SSLError):
            said += _certificates()
        if isinstance(error, requests.ConnectionError):
            said += _proxy(url)
        raise _SourceError(said, not isinstance(error, permanent)) from error


def _get(url, timeout):
    import requests

    try:
        # The bytes as they are stored: servers may otherwise unpack a .gz on the way.
        return requests.get(url, stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"})
    except requests.RequestException:
        raise
    except OSError as error:  # requests looks for the file of certificates before it connects.
        raise _SourceError(f"{error}{_certificates()}", False) from error


def _certificates():
    """What to do about certificates, to follow an error."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if named := os.environ.get(variable):
            return f". {variable} names the certificates to trust, {named}: correct it, or unset it"
    return ". If your network has a certificate of its own, set REQUESTS_CA_BUNDLE to its file"


def _proxy(url):
    """Which proxy was asked, if any, to follow an error; without the password that its address may hold."""
    import requests
    import urllib3

    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not proxy:
        return ""
    where = urllib3.util.parse_url(proxy)._replace(auth=None)
    return f". The request went to the proxy {where}, which a variable such as https_proxy names"


def _receive(raw, part, size, wanted, advance):
    received = 0
    window, since = 0, time.monotonic()
    with part.open("wb") as file:
        while chunk := raw.read1(2**18):  # Returns what has come: a slow trickle cannot hold this loop.
            file.write(chunk)
            received += len(chunk)
            window += len(chunk)
            advance(len(chunk))
            if size is not None and received > size:
                raise _SourceError(f"it sends more than the {size:,} bytes of the file", False)
            if received > wanted.most:
                raise _SourceError(f"it sends more than {wanted.most:,} bytes", False)
            if time.monotonic() - since > STALL_SECONDS:
                if window < STALL_BYTES:
                    raise _SourceError(f"stalled: {window:,} bytes in {STALL_SECONDS:g} seconds", True)
                window, since = 0, time.monotonic()
    if size is not None and received < size:
        raise _SourceError(f"broke off after {received:,} of {size:,} bytes", True)
    try:
        wanted.fits(part)
    except DataError as error:
        raise _SourceError(str(error), False) from error


def _in_words(error):
    """The innermost reason of a network error, without the layers of wrapping."""
    if "timed out" in str(error).lower():
        connecting = "connect timeout" in str(error).lower()
        return f"stalled: nothing came for {CONNECT_SECONDS if connecting else STALL_SECONDS:g} seconds"
    if "IncompleteRead" in str(error):
        return "broke off: " + re.sub(r".*IncompleteRead\(([^)]*)\).*", r"\1", str(error))
    inner = getattr(error.args[0] if error.args else None, "reason", None) or error
    while (deeper := getattr(inner, "original_error", None)) is not None:  # Of a proxy.
        inner = deeper
    return str(inner).rpartition("): ")[2]


@contextlib.contextmanager
def _progress(name, total):
    """Gives a function that takes the number of new bytes; draws a bar if a person watches a terminal."""
    if not sys.stdout.isatty():
        yield lambda count: None
        return
    from rich import progress

    columns = [progress.DownloadColumn(), progress.TransferSpeedColumn()]
    with progress.Progress(*progress.Progress.get_default_columns(), *columns, transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)


@contextlib.contextmanager
def lock(path):
    """Holds a lock for work on `path`; waits for another process that holds it. It dies with its process.

    Args:
        path: What is worked on; the lock is a file beside it, which stays.

    Yields:
        Whether the lock is held: some file systems, such as some networks' home folders, know no locks.

    Raises:
        OSError: If the folder cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        name = path.parent / f".{path.name}.lock"
        try:
            file = stack.enter_context(name.open("ab"))
        except PermissionError:
            if not name.is_file():
                raise
            file = stack.enter_context(name.open("rb"))  # Another user's, in a cache that both write to.
        yield _wait_for(file, path)


def _wait_for(file, path):
    import fcntl

    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is at work on {path.name}; waiting for it ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def reading(path, remedy):
    """Turns an OSError of the block, which reads `path`, into a DataError that ends in `remedy`."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Cannot read {error.filename or path}: {error.strerror or error}. {remedy}"
        ) from error


def file_sha256(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tar(path, select, member_bytes=MEMBER_BYTES):
    """Reads a tar or tar.gz archive that may be hostile, in one pass, into memory only.

    Args:
        path: The archive.
        select: Function from a member's name to whether its content is wanted; it may raise ArchiveError.
        member_bytes: Most bytes of a wanted member.

    Yields:
        `(name, content)` of each wanted regular file, in the archive's order; `content` is bytes.

    Raises:
        ArchiveError: On links, devices, pipes, sparse files, absolute names, names with `..`, extension
            headers that rename, the same name twice, more than MEMBERS members, a wanted one above
            `member_bytes`, more than TOTAL_BYTES unpacked, and damaged or truncated archives.
        OSError: If the file cannot be read.
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():  # A pipe would be waited for.
        raise ArchiveError(f"{path} is no file.")
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            yield from _members(stream, select, member_bytes)
    except EOFError as error:
        raise ArchiveError(f"{path} is truncated: it ends in the middle. Fetch or copy it again.") from error
    except (gzip.BadGzipFile, zlib.error, tarfile.HeaderError) as error:
        raise ArchiveError(
            f"{path} is damaged, or not a tar archive ({error}). Fetch or copy it again."
        ) from error
    except ArchiveError as error:
        raise ArchiveError(f"{path} was refused: {error}") from error


def _members(stream, select, member_bytes):
    seen, members, total = set(), 0, 0
    while (header := _take(stream, _BLOCK)) != bytes(_BLOCK):
        member = tarfile.TarInfo.frombuf(header, "utf-8", "backslashreplace")
        name = member.name.removeprefix("./")
        shown = f"member {name[:80]!r}"
        members, total = members + 1, total + max(member.size, 0)
        if members > MEMBERS:
            raise ArchiveError(f"it has more than {MEMBERS:,} members")
        if member.size < 0 or total > TOTAL_BYTES:
            raise ArchiveError(
                f"with {shown} of {member.size:,} bytes it unpacks to more than {TOTAL_BYTES:,} bytes"
            )
        if name.startswith("/"):
            raise ArchiveError(f"{shown} has an absolute name")
        if ".." in name.split("/"):
            raise ArchiveError(f"{shown} leads out of the archive's folder")
        if "\\" in name:
            raise ArchiveError(f"{shown} has backslashes, or bytes that are not UTF-8, in its name")
        if member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE):
            _check_extension(stream, member, shown)
        elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            if name in seen:
                raise ArchiveError(f"{shown} is there twice")
            seen.add(name)
            if select(name):
                yield name, _content(stream, member, shown, member_bytes)
            else:
                _skip(stream, member.size)
        elif member.type != tarfile.DIRTYPE:
            kind = _KINDS.get(member.type, f"of the unknown type {member.type!r}")
            raise ArchiveError(f"{shown} is {kind}")
    while rest := stream.read(2**16):  # To the end, where gzip's checksum is; tar pads with zeros.
        total += len(rest)
        if rest.strip(b"\0") or total > TOTAL_BYTES:
            raise ArchiveError("it goes on after its end")


def _check_extension(stream, member, shown):
    """Reads over a pax header (times, owners); refuses one that changes the next member."""
    if member.size > MEMBER_BYTES:
        raise ArchiveError(f"{shown} is an extension header of {member.size:,} bytes")
    if match := re.search(rb" (path|linkpath|size|GNU\.sparse\.\w+)=", _content(stream, member, shown)):
        raise ArchiveError(f"{shown} is an extension header that changes the {match[1].decode()} of the next")


def _content(stream, member, shown, limit=MEMBER_BYTES):
    if member.size > limit:
        raise ArchiveError(f"{shown} has {member.size:,} bytes; the limit is {limit:,}")
    return _take(stream, member.size + -member.size % _BLOCK)[: member.size]


def _skip(stream, size):
    left = size + -size % _BLOCK
    while left:
        left -= len(_take(stream, min(left, 2**20)))


def _take(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def read_zip(path, names, member_bytes=MEMBER_BYTES):
    """Reads some members of a zip archive that may be hostile, into memory only.

    Args:
        path: The archive.
        names: Names of the members that are wanted; others are not looked at.
        member_bytes: Most bytes of a member.

    Returns:
        Dict from each name to its content, as bytes.

    Raises:
        ArchiveError: If a member is missing, there twice, above `member_bytes`, encrypted, a link or packed
            in an unusual way; if there are more than MEMBERS members; or if the archive is damaged.
        OSError: If the file cannot be read.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise ArchiveError(f"it has more than {MEMBERS:,} members")
            for member in members:
                if member.filename in names:
                    found[member.filename] = _zipped(archive, member, found, member_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ArchiveError(f"{path} is damaged, or not a zip archive ({error}). Fetch it again.") from error
    except ArchiveError as error:
        raise ArchiveError(f"{path} was refused: {error}") from error
    if missing := [name for name in names if name not in found]:
        raise ArchiveError(f"{path} lacks {', '.join(missing)}.")
    return found


def _zipped(archive, member, found, limit):
    shown = f"member {member.filename[:80]!r}"
    if member.filename in found:
        raise ArchiveError(f"{shown} is there twice")
    if member.flag_bits & 0x1:
        raise ArchiveError(f"{shown} is encrypted")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ArchiveError(f"{shown} is a symbolic link")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveError(f"{shown} is packed in an unusual way")
    if member.file_size > limit:
        raise ArchiveError(f"{shown} has {member.file_size:,} bytes; the limit is {limit:,}")
    with archive.open(member) as stream:
        return stream.read(limit + 1)  # No more than `file_size` comes, and its checksum is compared.
