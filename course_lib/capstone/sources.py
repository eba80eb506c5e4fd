"""Where the data of the three products comes from, and the only files that are taken for it.

None of it comes with the course. `course fetch NAME` downloads it from where the authors put it; or a folder
that `COURSE_CAPSTONE` names has it. Whichever it is, the content of each file is checked before it is used.
"""

import csv
import dataclasses
import hashlib
import io
import os
import pathlib

from course_lib import fetch as transfer
from course_lib import runtime

_CLINC = "https://raw.githubusercontent.com/clinc/oos-eval/828f8093932c8fe6ca7936c3d2e52903b1c523de"
_POLYAI = (
    "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/"
    "57ec275d8078af65b7731c2a98be812d844a6d6b"
)
_TAKALA = "https://huggingface.co/datasets/takala/financial_phrasebank/resolve"
_GROUPLENS = "files.grouplens.org/datasets/movielens/ml-latest-small.zip"
MOST_BYTES = 2**23  # Of one file; the largest has 2.5 MB.
USERS = 671  # Of MovieLens' edition of October 2016.


def _bytes(content):
    return content


def _ratings(content):
    """Ratings of the published users, with Unix line ends, whatever else a copy has.

    A copy that goes around ends in 18 ratings of four more users, of a day in 2023: they are left out.
    """
    rows = csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""))
    kept = [row for row in rows if row and (not row[0].isdecimal() or int(row[0]) <= USERS)]
    return "".join(",".join(row) + "\n" for row in kept).encode()


def _unix(content):
    return content.replace(b"\r\n", b"\n")


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        name: In the data set's folder.
        sha256: Of what `content` makes of its bytes.
        urls: Where it is, if it is a file of its own; else it is in the data set's zip.
        size: In bytes, if it is downloaded.
        content: What is checked and used of its bytes.
    """

    name: str
    sha256: str
    urls: tuple = ()
    size: int | None = None
    content: callable = _bytes


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as its authors publish it.

    Attributes:
        title: What it is, in words.
        folder: Its folder in the cache, and in what `COURSE_CAPSTONE` names.
        licence: What one may do with it.
        megabytes: What is downloaded.
        files: Its files, as `File`.
        urls: Where its zip is, if it is one.
        sha256: Of the zip, if it is known.
        inside: The folder in the zip.
        note: What else there is to say when it cannot be had.
    """

    title: str
    folder: str
    licence: str
    megabytes: float
    files: tuple
    urls: tuple = ()
    sha256: str | None = None
    inside: str = ""
    note: str = ""


SOURCES = {
    "clinc150": Source(
        "CLINC150: 23,700 questions of 150 intents and of none (Larson et al. 2019)",
        "clinc150",
        "CC BY 3.0, https://creativecommons.org/licenses/by/3.0/: use and share it, naming the authors.",
        2.5,
        (
            File(
                "data_full.json",
                "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
                (f"{_CLINC}/data/data_full.json",),
                2_495_390,
            ),
        ),
    ),
    "banking77": Source(
        "Banking77: 13,083 questions to a bank, of 77 intents (Casanueva et al. 2020)",
        "banking77",
        "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/: use and share it, naming the authors.",
        1.1,
        tuple(
            File(name, sha256, (f"{_POLYAI}/banking_data/{name}",), size)
            for name, sha256, size in (
                ("train.csv", "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b", 839_073),
                ("test.csv", "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d", 239_961),
                ("categories.json", "53261da888122daf2d120d925458631d9619e15d82e56052e7a42e535ce32b63", 2036),
            )
        ),
    ),
    "phrasebank": Source(
        "Financial PhraseBank: 4,840 statements of financial news (Malo et al. 2014)",
        "financial_phrasebank",
        "CC BY-NC-SA 3.0, https://creativecommons.org/licenses/by-nc-sa/3.0/: no commercial use; share what "
        "you make of it alike, naming the authors. Ask pekka.malo@aalto.fi for other uses.",
        0.7,
        tuple(
            File(name, sha256)
            for name, sha256 in (
                (
                    "Sentences_AllAgree.txt",
                    "e40398d27fa23c00ff07fed9872aa0ab88a3868a0fb435ab36967df566f85891",
                ),
                (
                    "Sentences_75Agree.txt",
                    "3658addc11b38de1f1ab5fd58ffede87198bad34a56345c7aef216ef5ff6d48e",
                ),
            )
        ),
        # The authors' own copy on ResearchGate is for people who log in; this one is by one of them, Takala.
        tuple(
            f"{_TAKALA}/{revision}/data/FinancialPhraseBank-v1.0.zip"
            for revision in ("598b6aad98f7c8d67be161b12a4b5f2497e07edd", "main")
        ),
        "0e1a06c4900fdae46091d031068601e3773ba067c7cecb5b0da1dcba5ce989a6",
        "FinancialPhraseBank-v1.0/",
    ),
    "movielens": Source(
        "MovieLens, ml-latest-small of October 2016: 100,004 ratings of films (Harper and Konstan 2015)",
        "movielens_small",
        "GroupLens' own terms (README.txt in the archive): for research; no commercial use without their "
        "leave, no suggestion that they endorse you; name Harper and Konstan (2015).",
        1.0,
        (
            File(
                "ratings.csv",
                "b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73",
                content=_ratings,
            ),
            File(
                "movies.csv",
                "43d1736d3c688eb5b7856473c36d86a1c345676cab256c91720c1f6984d263b5",
                content=_unix,
            ),
        ),
        # GroupLens replaces the file of this name, today by the edition of 2018; the archive has older ones.
        (
            f"https://{_GROUPLENS}",
            f"https://web.archive.org/web/20170601000000id_/http://{_GROUPLENS}",
        ),
        None,
        "ml-latest-small/",
        "The course measures the edition of October 2016 (100,004 ratings by 671 users). Where GroupLens "
        "published it is a newer one today (100,836 ratings by 610 users), which is refused: the recorded "
        "numbers are not its own.",
    ),
}


def source(name):
    """The `Source` of a data set, by the name that `course fetch` takes; ValueError for another name."""
    if name not in SOURCES:
        raise ValueError(f"The data sets are {', '.join(SOURCES)}. Received: {name!r}")
    return SOURCES[name]


def fetch(name):
    """Downloads a data set into the cache, unless it is there.

    Args:
        name: As for `read`.

    Returns:
        Its folder, as a `pathlib.Path`. Each file in it is complete and has the published content.

    Raises:
        fetch.FetchError: If no source gave it; the message says what each one answered. What was there stays.
        ValueError: For another name.
    """
    wanted = source(name)
    folder = runtime.cache_dir() / "capstone" / wanted.folder
    files = " and ".join(f"{wanted.folder}/{file.name}" for file in wanted.files)
    remedy = f"{wanted.note} If you have {files}, set COURSE_CAPSTONE to the folder around it.".strip()
    try:
        if _there(wanted, folder):
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        if not wanted.urls:
            for file in wanted.files:
                path = folder / file.name
                transfer.download(file.urls, path, sha256=file.sha256, size=file.size, remedy=remedy)
            return folder
        path = folder / f"{wanted.folder}.zip"
        options = {"sha256": wanted.sha256, "most": MOST_BYTES, "remedy": remedy}
        transfer.download(wanted.urls, path, check=lambda part: _unpacked(wanted, part), **options)
        for file, content in _unpacked(wanted, path).items():
            with runtime.atomic_write(folder / file) as part:
                part.write_bytes(content)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise transfer.FetchError(
            f"Cannot write to {folder}: {error.strerror or error}. Make room there, or set COURSE_CACHE to "
            "another folder."
        ) from error
    return folder


def _there(wanted, folder):
    try:
        for file in wanted.files:
            checked(file, (folder / file.name).read_bytes(), file.name)
    except (OSError, transfer.DataError):
        return False
    return True


def _unpacked(wanted, path):
    """What a zip holds of the wanted files; DataError unless all of it is the published content."""
    inside = {f"{wanted.inside}{file.name}": file for file in wanted.files}
    found = transfer.read_zip(path, inside, MOST_BYTES)
    for name, content in found.items():
        checked(inside[name], content, f"its {inside[name].name}")
    return {inside[name].name: content for name, content in found.items()}


def find(name):
    """The folder of a data set, in what `COURSE_CAPSTONE` names, else in the cache; None if it is not here.

    Raises:
        fetch.DataError: If `COURSE_CAPSTONE` names no folder.
    """
    wanted = source(name)
    roots = [runtime.cache_dir(create=False) / "capstone"]
    if named := os.environ.get("COURSE_CAPSTONE"):
        root = pathlib.Path(os.path.expanduser(named)).absolute()
        if not os.path.isdir(root):
            raise transfer.DataError(
                f"COURSE_CAPSTONE names {str(root)[:200]}, which is no folder. Correct it, or unset it."
            )
        roots.insert(0, root)
    for root in roots:
        folder = root / wanted.folder
        if any(os.path.isfile(folder / file.name) for file in wanted.files):
            return folder
    return None


def read(name):
    """The files of a data set, checked.

    Args:
        name: `"clinc150"`, `"banking77"`, `"phrasebank"` or `"movielens"`.

    Returns:
        Dict from a file's name to its content, as bytes.

    Raises:
        fetch.DataError: If the data set is not here, or a file is not the published one; the message says
            what to do.
        ValueError: For another name.
    """
    wanted, folder = source(name), find(name)
    if folder is None:
        files = " and ".join(f"{wanted.folder}/{file.name}" for file in wanted.files)
        raise transfer.DataError(
            f"{wanted.title.partition(':')[0]} is not on this machine. `course fetch {name}` downloads it "
            f"({wanted.megabytes:g} MB), or set COURSE_CAPSTONE to a folder that has {files}."
        )
    remedy = f"Remove it and run `course fetch {name}`, or correct COURSE_CAPSTONE."
    found = {}
    for file in wanted.files:
        path = folder / file.name
        with transfer.reading(path, remedy):
            if path.stat().st_size > MOST_BYTES:
                raise transfer.DataError(f"{path} is too large to be the published file. {remedy}")
            content = path.read_bytes()
        found[file.name] = checked(file, content, path, remedy)
    return found


def checked(file, content, path, remedy=""):
    """What counts of a file's bytes; DataError if it is not the published content."""
    try:
        kept = file.content(content)
    except (csv.Error, ValueError):  # It is no table of ratings at all.
        kept = content
    digest = hashlib.sha256(kept).hexdigest()
    if digest != file.sha256:
        raise transfer.DataError(
            f"{path} is not the published file: SHA-256 {digest[:12]}..., expected {file.sha256[:12]}.... "
            f"{remedy}".rstrip()
        )
    return kept
