"""The capstone's data: samples that always are there, real files that are checked, downloads not trusted."""

import dataclasses
import hashlib
import http.server
import io
import os
import pathlib
import stat
import threading
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from course_lib import cli, fetch
from course_lib.capstone import data, sources

REAL = pytest.mark.skipif(
    not os.environ.get("COURSE_CAPSTONE"), reason="COURSE_CAPSTONE names no folder with the real data"
)
FILE = b"userId,movieId,rating,timestamp\n1,7,4.0,10\n2,7,0.5,11\n"
MORE = b"672,7,5.0,1688158800\n"  # As in a copy that goes around.


# Samples


def test_the_sample_of_intents_has_each_question_once():
    found = data.sample("intents")
    parts = (found.train, found.validation, found.test)
    texts = [text for part in parts for text in part.texts]
    assert len(set(texts)) == len(texts)
    assert len(found.classes) == len(set(found.classes)) == len(found.replies)
    assert not found.real
    for part in parts:
        assert part.labels.dtype == "int32"
        assert part.labels.shape == (len(part),)
        assert set(part.labels) - {data.OUT} == set(range(len(found.classes)))
    assert [int((part.labels == data.OUT).sum()) for part in parts] == [0, 16, 24]


def test_the_sample_of_entities_is_tagged_in_bio():
    found = data.sample("entities")
    for words, tags in found.train + found.test:
        assert len(words) == len(tags)
        for before, tag in zip(("O", *tags), tags, strict=False):
            assert tag == "O" or tag[2:] in ("PER", "ORG", "LOC")
            assert tag[0] != "I" or before[2:] == tag[2:]
    assert not {words for words, _ in found.train} & {words for words, _ in found.test}


def test_an_unknown_sample_or_data_set_is_named():
    with pytest.raises(ValueError, match=r"The samples are intents, news, ratings, entities\. Received: 'x'"):
        data.sample("x")
    with pytest.raises(ValueError, match=r"The data sets are clinc150, .*\. Received: 'x'"):
        sources.read("x")


# The real data


@REAL
def test_clinc150_is_as_published():
    found = data.clinc150()
    assert (found.real, found.name, len(found.classes), found.replies) == (True, "CLINC150", 150, None)
    sizes = [(len(part), int((part.labels == data.OUT).sum())) for part in (found.train, found.validation)]
    assert [*sizes, (len(found.test), int((found.test.labels == data.OUT).sum()))] == [
        (15_100, 100),
        (3_100, 100),
        (5_500, 1_000),
    ]
    assert np.bincount(found.test.labels[found.test.labels >= 0]).tolist() == [30] * 150


@REAL
def test_banking77_keeps_a_tenth_of_each_intent_for_validation():
    found = data.banking77()
    assert (len(found.classes), len(found.train), len(found.validation), len(found.test)) == (
        77,
        9_038,
        965,
        3_080,
    )
    train, held = (np.bincount(part.labels, minlength=77) for part in (found.train, found.validation))
    assert (held == (train + held) // 10).all()
    assert not set(found.train.texts) & set(found.validation.texts)


@REAL
def test_phrasebank_has_each_statement_once():
    found = data.phrasebank()
    assert len(found) == len(set(found.texts)) == 3_448
    assert np.bincount(found.labels).tolist() == [420, 2_141, 887]
    assert int((found.agreement == 1).sum()) == 2_259
    assert any("\xf1" in text for text in found.texts)  # Latin-1, which UTF-8 does not read.


@REAL
def test_movielens_is_the_edition_of_2016_and_nothing_more():
    found = data.movielens()
    assert (len(found.ratings), found.user_count, found.item_count) == (100_004, 671, 9_125)
    assert found.times.max() < 1_480_000_000
    assert found.titles[0] == "Toy Story (1995)"
    assert found.genres[0][0] == "Adventure"
    assert found.ratings.min() == 0.5


# A data set of one small file, and a server that has it


@pytest.fixture
def small(monkeypatch, tmp_path):
    """MovieLens with its ratings cut to two, not here; the cache is empty."""
    monkeypatch.delenv("COURSE_CAPSTONE", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "PAUSE", 0)
    file = dataclasses.replace(sources.SOURCES["movielens"].files[0], sha256=hashlib.sha256(FILE).hexdigest())
    wanted = dataclasses.replace(sources.SOURCES["movielens"], files=(file,), urls=())
    monkeypatch.setitem(sources.SOURCES, "movielens", wanted)
    return wanted


@pytest.fixture
def served(small, monkeypatch):
    """Function that serves archives, in the order in which they are asked for."""
    servers = []

    def serve(*contents):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content = contents[int(self.path[1:])]
                self.send_response(200 if content else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        urls = tuple(f"http://127.0.0.1:{server.server_port}/{i}" for i in range(len(contents)))
        monkeypatch.setitem(sources.SOURCES, "movielens", dataclasses.replace(small, urls=urls))

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def archive(content=FILE, name="ml-latest-small/ratings.csv", **changes):
    """A zip with one member; `changes` are of its entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", changes.pop("compression", zipfile.ZIP_DEFLATED)) as file:
        info = zipfile.ZipInfo(name)
        info.compress_type = file.compression
        for key, value in changes.items():
            setattr(info, key, value)
        file.writestr(info, content)
    return buffer.getvalue()


def there():
    return sorted(path.name for path in pathlib.Path(os.environ["COURSE_CACHE"]).rglob("*") if path.is_file())


def test_what_is_nowhere_is_said_with_two_ways(small):
    with pytest.raises(fetch.DataError) as caught:
        data.movielens()
    assert "is not on this machine. `course fetch movielens` downloads it (1 MB), or set COURSE_CAPSTONE" in (
        str(caught.value)
    )
    assert str(caught.value).endswith("movielens_small/ratings.csv.")


def test_a_named_folder_that_is_none_is_said(small, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CAPSTONE", str(tmp_path / "nowhere"))
    with pytest.raises(fetch.DataError, match=r"COURSE_CAPSTONE names .*nowhere, which is no folder"):
        data.movielens()


@pytest.mark.parametrize("content", [FILE, FILE + MORE, (FILE + MORE).replace(b"\n", b"\r\n")])
def test_a_copy_with_other_line_ends_or_later_users_is_read_alike(small, monkeypatch, tmp_path, content):
    (tmp_path / "movielens_small").mkdir()
    (tmp_path / "movielens_small" / "ratings.csv").write_bytes(content)
    monkeypatch.setenv("COURSE_CAPSTONE", str(tmp_path))
    assert sources.read("movielens") == {"ratings.csv": FILE}


@pytest.mark.parametrize(
    "content", [b"", FILE[:-3], FILE.replace(b"0.5", b"5.0"), b"\0" + FILE, b"9" * 5000 + b",1\n"]
)
def test_other_content_is_refused(small, monkeypatch, tmp_path, content):
    (tmp_path / "movielens_small").mkdir()
    (tmp_path / "movielens_small" / "ratings.csv").write_bytes(content)
    monkeypatch.setenv("COURSE_CAPSTONE", str(tmp_path))
    with pytest.raises(fetch.DataError, match=r"ratings\.csv is not the published file: SHA-256 "):
        sources.read("movielens")


def test_a_zip_is_fetched_checked_and_not_kept(served):
    served(archive())
    folder = sources.fetch("movielens")
    assert (folder / "ratings.csv").read_bytes() == FILE
    assert [name for name in there() if not name.endswith(".lock")] == ["ratings.csv"]
    served()  # No source at all: what is there is enough.
    assert sources.fetch("movielens") == folder
    assert sources.read("movielens") == {"ratings.csv": FILE}


def test_a_newer_edition_is_refused_and_the_next_source_asked(served):
    newer = archive(FILE.replace(b"4.0", b"3.0"))
    served(newer, b"", archive())
    assert (sources.fetch("movielens") / "ratings.csv").read_bytes() == FILE


def test_a_newer_edition_everywhere_is_explained(served):
    served(archive(FILE.replace(b"4.0", b"3.0")))
    with pytest.raises(fetch.FetchError) as caught:
        sources.fetch("movielens")
    said = str(caught.value)
    assert "its ratings.csv is not the published file: SHA-256" in said
    assert "a newer one today (100,836 ratings by 610 users), which is refused" in said
    assert "set COURSE_CAPSTONE" in said
    assert [name for name in there() if not name.endswith(".lock")] == []


def twice():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("ml-latest-small/ratings.csv", FILE)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("ml-latest-small/ratings.csv", FILE)
    return buffer.getvalue()


def broken_in_the_middle():
    content = bytearray(archive(compression=zipfile.ZIP_STORED))
    content[80] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: archive(name="elsewhere/ratings.csv"), "lacks ml-latest-small/ratings.csv"),
        (lambda: archive(name="../ml-latest-small/ratings.csv"), "lacks ml-latest-small/ratings.csv"),
        (lambda: archive(b"0" * 2**23 + b"0"), "has 8,388,609 bytes; the limit is 8,388,608"),
        (lambda: archive(external_attr=(stat.S_IFLNK | 0o777) << 16), "is a symbolic link"),
        (lambda: archive(compression=zipfile.ZIP_BZIP2), "is packed in an unusual way"),
        (twice, "is there twice"),
        (broken_in_the_middle, "is damaged, or not a zip archive"),
        (lambda: archive()[:-10], "is damaged, or not a zip archive"),
        (lambda: b"<html>", "is damaged, or not a zip archive"),
        (lambda: b"0" * (2**23 + 1), "offers 8,388,609 bytes; the most is 8,388,608"),
    ],
)
def test_a_hostile_zip_is_refused_and_leaves_nothing(served, make, said):
    served(make())
    with pytest.raises(fetch.FetchError) as caught:
        sources.fetch("movielens")
    assert said in str(caught.value)
    assert [name for name in there() if not name.endswith(".lock")] == []


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(archive())
    for place in (6, content.index(b"PK\x01\x02") + 8):
        content[place] |= 1
    (tmp_path / "file.zip").write_bytes(content)
    with pytest.raises(fetch.ArchiveError, match="is encrypted"):
        fetch.read_zip(tmp_path / "file.zip", ["ml-latest-small/ratings.csv"])


def test_a_download_without_a_checksum_needs_a_check(tmp_path):
    with pytest.raises(ValueError, match="needs `sha256` or `check`"):
        fetch.download(["http://127.0.0.1:9/"], tmp_path / "file")


def test_what_was_there_stays_when_a_fetch_fails(served):
    served(archive())
    path = sources.fetch("movielens") / "ratings.csv"
    path.write_bytes(b"older")
    served(b"<html>")
    with pytest.raises(fetch.FetchError):
        sources.fetch("movielens")
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("name", sources.SOURCES)
def test_the_licence_is_said_before_the_download(name, monkeypatch):
    monkeypatch.setattr(sources, "fetch", lambda name: (_ for _ in ()).throw(fetch.FetchError("no network")))
    result = CliRunner().invoke(cli.app, ["fetch", name])
    assert isinstance(result.exception, fetch.FetchError)
    assert f"Its licence: {sources.SOURCES[name].licence}" in result.output


def test_every_source_is_https_and_pinned():
    for wanted in sources.SOURCES.values():
        files = [url for file in wanted.files for url in file.urls]
        assert files or wanted.urls
        assert all(url.startswith("https://") for url in (*files, *wanted.urls))
        assert all(len(file.sha256) == 64 for file in wanted.files)
