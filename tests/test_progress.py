"""Where progress is kept: with the learner, also where a class shares one cache."""

import json
import os

import pytest

from course_lib import runtime
from course_lib.grading import feedback


@pytest.fixture
def cache(monkeypatch, shared):
    """A shared cache with its owner's progress, and a home folder that every user may write to."""
    for name in ("COURSE_PROGRESS", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder, home = shared.folder / "cache", shared.folder / "home"
    home.mkdir()
    home.chmod(0o777)
    monkeypatch.setenv("COURSE_CACHE", str(folder))
    monkeypatch.setenv("HOME", str(home))
    assert feedback.progress_file() == folder / "progress.json"
    feedback.record("attention.softmax", "right")
    return folder


@pytest.fixture
def another(monkeypatch, cache):
    """Another user, whose cache it is not."""
    monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)


def test_progress_is_in_ones_own_cache(cache):
    assert feedback.progress()["attention.softmax"]["right"] is True


def test_progress_in_a_shared_cache_is_each_users_own(cache, another, monkeypatch):
    taught = (cache / "progress.json").read_text()
    own = cache.parent / "home" / ".local" / "state" / "attention-to-edge" / "progress.json"
    assert feedback.progress_file() == own
    assert feedback.progress() == {}, "not the owner's"
    assert not own.parent.exists()
    # The owner's mistake is not the user's second.
    assert feedback.record("attention.softmax", "wrong", "no scale", "1") == 0
    assert feedback.record("attention.softmax", "wrong", "no scale", "2") == 1
    assert feedback.progress()["attention.softmax"]["tries"] == 2
    assert json.loads(own.read_text()) == feedback.progress()
    assert (cache / "progress.json").read_text() == taught
    monkeypatch.setenv("XDG_STATE_HOME", str(cache.parent / "home" / "state"))
    assert feedback.progress_file() == cache.parent / "home" / "state" / "attention-to-edge" / "progress.json"


def test_ones_own_record_in_another_users_cache_stays_in_use(cache, monkeypatch):
    """As of root in a container, to whom a mounted cache does not belong."""
    stat = os.stat
    theirs = os.stat_result((*stat(cache)[:4], stat(cache).st_uid + 1, *stat(cache)[5:]))
    monkeypatch.setattr(os, "stat", lambda path, **k: theirs if path == cache else stat(path, **k))
    assert feedback.progress_file() == cache / "progress.json"


def test_looking_at_progress_makes_no_folder(cache, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(cache.parent / "new"))
    assert feedback.progress() == {}
    assert not (cache.parent / "new").exists()
    feedback.record("attention.softmax", "right")
    assert (cache.parent / "new" / "progress.json").is_file()


def test_a_user_without_a_home_folder_is_checked_all_the_same(cache, another, monkeypatch, capsys):
    def homeless(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(runtime.pathlib.Path, "home", homeless)
    assert feedback.record("attention.softmax", "wrong", "no scale", "1") == 0
    assert "Progress could not be kept: Could not determine home directory." in capsys.readouterr().out
