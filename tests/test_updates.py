"""`course update`: a newer version comes, nothing that a learner wrote goes, wherever it is stopped."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap

import nbformat
import pytest

from course_lib import cli, runtime, updates

ROOT = pathlib.Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
EXERCISE, LESSON = "exercises/02_imdb.ipynb", "notebooks/02_imdb.ipynb"
COPY = "exercises/02_imdb.kept-1.ipynb"


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A git without the user's settings, and with a name for commits."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = A\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


def git(root, *arguments):
    return subprocess.run(
        ["git", "-C", root, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def question(name, source, kind="code"):
    data = {"grade_id": name, "solution": True, "grade": False, "locked": False, "schema_version": 3}
    cell = getattr(nbformat.v4, f"new_{kind}_cell")(source, metadata={"nbgrader": data})
    cell.id = f"id-{name}"
    return cell


def text(name, source):
    cell = nbformat.v4.new_markdown_cell(source)
    cell.id = name
    return cell


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def read(path):
    return nbformat.read(path, as_version=4)


STUBS = [
    'def clean(text):\n    raise NotImplementedError("Clean it.")',
    'def split(texts):\n    raise NotImplementedError("Split them.")',
]
ANSWER = 'def clean(text):\n    return text.strip()  # ünï "quoted"'


@pytest.fixture
def course(tmp_path):
    """The course's own repository, with a first version."""
    root = tmp_path / "the course"
    (root / "course_lib").mkdir(parents=True)
    (root / "course_lib" / "__init__.py").write_text("")
    (root / "pyproject.toml").write_text("[project]\nname = 'course-lib'\n")
    (root / "README.md").write_text("first\n")
    (root / "other.txt").write_text("never changed\n")
    (root / ".gitignore").write_text("*.kept-*\n.venv*/\n")
    write(
        root / EXERCISE,
        text("t", "# Exercise, with a tpyo"),
        question("clean", STUBS[0]),
        question("split", STUBS[1]),
    )
    write(root / LESSON, text("t", "# Lesson, with a tpyo"), text("u", "text"))
    git(root, "init", "--quiet")
    commit(root, "first")
    return root


def commit(root, message):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


@pytest.fixture
def clone(course, tmp_path):
    """A learner's clone of the first version."""
    root = tmp_path / "learner's $clone"
    git(tmp_path, "clone", "--quiet", course, root)
    return root


def publish(course):
    """A second version: the typo is mended in lesson and exercise, a file is new, one is gone."""
    write(
        course / EXERCISE,
        text("t", "# Exercise, no typo"),
        question("clean", STUBS[0]),
        question("split", STUBS[1]),
    )
    write(course / LESSON, text("t", "# Lesson, no typo"), text("u", "text"))
    (course / "README.md").unlink()
    (course / "docs").mkdir()
    (course / "docs" / "new.md").write_text("new\n")
    commit(course, "second")


def answer(clone):
    """The learner answers a question, adds a cell, and mends the same typo otherwise."""
    book = read(clone / EXERCISE)
    book.cells[0].source = "# Exercise, with a typo"
    book.cells[1].source = ANSWER
    book.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    book.cells.insert(1, nbformat.v4.new_code_cell("import re  # my helper"))
    nbformat.write(book, clone / EXERCISE)
    book = read(clone / LESSON)
    book.cells[0].source = "# Lesson, with a typo"
    nbformat.write(book, clone / LESSON)
    return {name: (clone / name).read_bytes() for name in (EXERCISE, LESSON)}


def snapshot(root):
    """Every file outside .git, by name."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


def state(clone):
    """What an update leads to: files, branch and what git thinks of them."""
    return snapshot(clone), git(clone, "rev-parse", "HEAD"), git(clone, "status", "--porcelain")


def sources(path):
    return [cell.source for cell in read(path).cells]


# What it does


def test_the_new_version_comes_and_answers_are_carried_over(course, clone):
    mine = answer(clone)
    publish(course)
    said = str(updates.update(clone))

    assert git(clone, "rev-parse", "HEAD") == git(course, "rev-parse", "HEAD")
    assert sources(clone / EXERCISE) == ["# Exercise, no typo", "import re  # my helper", ANSWER, STUBS[1]]
    assert sources(clone / LESSON) == ["# Lesson, no typo", "text"]
    nbformat.validate(read(clone / EXERCISE))
    assert (clone / COPY).read_bytes() == mine[EXERCISE]
    assert (clone / LESSON).with_name("02_imdb.kept-1.ipynb").read_bytes() == mine[LESSON]
    assert not (clone / "README.md").exists()
    assert (clone / "docs/new.md").read_text() == "new\n"
    assert git(clone, "status", "--porcelain") == f"M {EXERCISE}"  # git()'s strip takes the first blank.
    assert "1 commit, 4 files" in said
    assert (
        f"{EXERCISE} is new. Carried over: 1 answer and 1 cell of your own. Yours is kept as {COPY}." in said
    )
    assert f"{LESSON} is new. Yours is kept as" in said
    assert len(said.splitlines()) == 4
    assert str(updates.update(clone)).startswith("The course is up to date")


def test_files_that_only_the_learner_changed_stay(course, clone):
    (course / "README.md").write_text("second\n")
    commit(course, "second")
    mine = answer(clone)
    (clone / "other.txt").write_text("mine\n")
    (clone / "notes.md").write_text("my notes\n")
    git(clone, "add", "other.txt")
    updates.update(clone)
    assert {name: (clone / name).read_bytes() for name in mine} == mine
    assert (clone / "other.txt").read_text() == "mine\n"
    assert (clone / "notes.md").read_text() == "my notes\n"
    assert (clone / "README.md").read_text() == "second\n"
    assert not list(clone.rglob("*.kept-*"))


def test_nothing_new_leaves_everything(clone):
    answer(clone)
    before = state(clone)
    assert str(updates.update(clone)).startswith("The course is up to date (")
    assert state(clone) == before


def test_an_update_again_and_again_keeps_each_state(course, clone):
    mine = answer(clone)
    publish(course)
    updates.update(clone)
    carried = (clone / EXERCISE).read_bytes()
    write(course / EXERCISE, text("t", "# Third"), question("clean", STUBS[0]), question("split", STUBS[1]))
    commit(course, "third")
    updates.update(clone)
    assert sources(clone / EXERCISE) == ["# Third", "import re  # my helper", ANSWER, STUBS[1]]
    assert (clone / COPY).read_bytes() == mine[EXERCISE]
    assert (clone / COPY.replace("-1", "-2")).read_bytes() == carried


@pytest.mark.parametrize("hide", ["ignored", "assume-unchanged", "deleted upstream", "untracked"])
def test_what_git_would_overwrite_silently_is_kept(course, clone, hide):
    name = "README.md" if hide == "deleted upstream" else "docs/new.md"
    if hide == "assume-unchanged":
        name = "other.txt"
        (course / name).write_text("changed\n")
        git(clone, "update-index", "--assume-unchanged", name)
    if hide == "ignored":
        (clone / ".git/info/exclude").write_text("docs/\n")
    publish(course)
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text("mine\n")
    said = str(updates.update(clone))
    path = pathlib.PurePath(name)
    assert (clone / path.with_name(f"{path.stem}.kept-1{path.suffix}")).read_text() == "mine\n"
    assert (clone / name).exists() == (hide != "deleted upstream")
    assert f"Yours is kept as {path.with_name(path.stem)}.kept-1{path.suffix}." in said


def test_from_another_clone_and_of_a_shallow_one(course, clone, tmp_path, monkeypatch):
    publish(course)
    git(clone, "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    updates.update(clone, course.name)  # A path from where the learner is, not from the clone.
    assert git(clone, "rev-parse", "HEAD") == git(course, "rev-parse", "HEAD")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{course}", tmp_path / "shallow")
    answer(tmp_path / "shallow")
    (course / "README.md").write_text("third\n")
    commit(course, "third")
    assert "1 commit, 1 file " in str(updates.update(tmp_path / "shallow" / "exercises"))


def test_a_clone_without_a_branch_or_with_one_of_the_learners(course, clone):
    git(clone, "switch", "--quiet", "--create", "work")
    publish(course)
    updates.update(clone)
    assert git(clone, "rev-parse", "work") == git(course, "rev-parse", "HEAD")
    git(clone, "switch", "--quiet", "--detach")
    (course / "other.txt").write_text("third\n")
    commit(course, "third")
    updates.update(clone)
    assert git(clone, "rev-parse", "HEAD") == git(course, "rev-parse", "HEAD")


# What is carried over


def merged(base, mine, fresh):
    books = [
        json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=cells))) for cells in (base, mine, fresh)
    ]
    result = updates.Kept("x.ipynb", "x.kept-1.ipynb")
    return ["".join(cell["source"]) for cell in updates.merge(*books, result)["cells"]], result


def test_a_question_that_changed_is_carried_over_and_said():
    base, mine = [question("clean", STUBS[0])], [question("clean", ANSWER)]
    cells, result = merged(base, mine, [question("clean", STUBS[0].replace("text)", "text, lower)"))])
    assert cells == [ANSWER]
    assert (result.answers, result.changed) == (["clean"], ["clean"])
    assert "Look again at clean" in str(result)


def test_a_question_that_is_gone_and_one_answered_twice_are_said():
    base = [question("clean", STUBS[0]), question("split", STUBS[1])]
    twice = [
        question("clean", ANSWER),
        question("split", "def split(a): return 1"),
        question("split", "other"),
    ]
    twice[2].id = "pasted"
    cells, result = merged(base, twice, [question("split", STUBS[1])])
    assert cells == [STUBS[1]]
    assert result.left == ["clean", "split"]
    assert "Not carried over: clean, split." in str(result)


def test_an_untouched_stub_takes_the_new_stub():
    new = STUBS[0].replace("Clean it.", "Clean it well.")
    for base in ([question("clean", STUBS[0])], []):
        cells, result = merged(base, [question("clean", STUBS[0])], [question("clean", new)])
        assert (cells, result.answers, result.left) == ([new], [], [])


def test_own_cells_stand_after_what_they_followed():
    base = [text("a", "A"), text("b", "B"), text("c", "C")]
    own = [text("x", "mine 1"), text("y", "mine 2"), text("z", "top")]
    fresh = [text("a", "A new"), text("n", "N"), text("b", "B"), text("x", "another of this id")]
    mine = [
        own[2],
        text("a", "A"),
        text("b", "B"),
        own[0],
        own[1],
        text("c", "C, with my words"),
        text("e", " "),
    ]
    cells, result = merged(base, mine, fresh)
    assert cells == ["top", "A new", "N", "B", "mine 1", "mine 2", "C, with my words", "another of this id"]
    assert result.cells == 4


def test_a_notebook_of_an_older_editor_without_ids(course, clone):
    answer(clone)
    book = json.loads((clone / EXERCISE).read_text())
    for cell in book["cells"]:
        del cell["id"]
    book["nbformat_minor"] = 4
    (clone / EXERCISE).write_text(json.dumps(book))
    publish(course)
    updates.update(clone)
    nbformat.validate(read(clone / EXERCISE))
    assert (
        sorted(sources(clone / EXERCISE))[1:]
        == sorted(
            ["# Exercise, no typo", "import re  # my helper", ANSWER, STUBS[1], "# Exercise, with a typo"]
        )[1:]
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"cells": [1]}',
        b'{"cells": [{"metadata": {"nbgrader": 1}}]}',
        b'{"cells": [{"metadata": {}, "source": "half a pair: \\ud800"}]}',
    ],
)
def test_what_is_no_notebook_is_kept_all_the_same(course, clone, content):
    (clone / EXERCISE).write_bytes(content)
    publish(course)
    updates.update(clone)
    assert (clone / COPY).read_bytes() == content
    assert (clone / EXERCISE).read_bytes() == (course / EXERCISE).read_bytes()


# Whatever stops it


def interrupted(monkeypatch, clone, step):
    """Runs an update that is stopped at a step; returns whether it got that far."""
    steps = iter(range(10_000))

    def counted(function):
        def stop(*arguments, **options):
            if next(steps) == step:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return stop

    with monkeypatch.context() as patch:
        calls = [(subprocess, "run"), (runtime, "atomic_write"), (os, "replace"), (os, "fsync")]
        for owner, name in [*calls, (pathlib.Path, "unlink")]:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            updates.update(clone)
        except KeyboardInterrupt:
            return True
    return False


def test_stopped_at_any_step_nothing_is_lost_and_the_next_run_finishes(course, clone, monkeypatch, tmp_path):
    mine = answer(clone)
    publish(course)
    monkeypatch.setattr(updates.uuid, "uuid4", lambda: pytest.fail("no id of these notebooks collides"))
    whole = tmp_path / "whole"
    shutil.copytree(clone, whole, symlinks=True)
    updates.update(whole)
    wanted = state(whole)
    step = 0
    while True:
        root = tmp_path / f"stopped-{step}"
        shutil.copytree(clone, root, symlinks=True)
        if not interrupted(monkeypatch, root, step):
            break
        there = list(snapshot(root).values())
        assert all(content in there for content in mine.values()), f"lost at step {step}"
        updates.update(root)
        assert state(root) == wanted, f"not finished after step {step}"
        assert not (root / ".git" / updates.JOURNAL).exists()
        step += 1
    assert step > 20


@pytest.mark.parametrize("since", ["worked on", "removed", "copy removed"])
def test_killed_half_way_and_worked_on_before_the_next_run(course, clone, since):
    answer(clone)
    publish(course)
    code = f"""
    import os, signal
    from course_lib import updates
    updates._Clone.carry = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    updates.update({str(clone)!r})
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sources(clone / EXERCISE)[1] == STUBS[0]  # The new one, without the answer yet.
    book = read(clone / EXERCISE)
    book.cells[1].source = "def clean(text):\n    return 'begun anew'"
    nbformat.write(book, clone / EXERCISE)
    anew = (clone / EXERCISE).read_bytes()
    if since == "removed":
        (clone / EXERCISE).unlink()
    if since == "copy removed":
        (clone / COPY).unlink()
    said = str(updates.update(clone))
    assert "finished an update that was interrupted" in said
    assert "Carried over" not in said
    assert (clone / EXERCISE).exists() == (since != "removed")
    assert since == "removed" or (clone / EXERCISE).read_bytes() == anew
    assert since == "copy removed" or ANSWER in sources(clone / COPY)
    assert str(updates.update(clone)).startswith("The course is up to date")


def test_no_room_for_a_copy_changes_nothing(course, clone, monkeypatch):
    answer(clone)
    publish(course)
    before = state(clone)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(updates.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        updates.update(clone)
    assert state(clone) == before


def refused(clone, match, **options):
    before = state(clone)
    with pytest.raises(updates.UpdateError, match=match) as caught:
        updates.update(clone, **options)
    assert state(clone) == before
    assert not (clone / ".git" / updates.JOURNAL).exists()
    return str(caught.value)


def test_without_a_network_it_says_so(course, clone, tmp_path):
    answer(clone)
    course.rename(tmp_path / "moved")
    said = refused(
        clone, r"(?s)cannot be fetched from origin: .*Nothing was changed.*course update --from PATH"
    )
    assert "does not appear to be a git repository" in said
    refused(clone, "cannot be fetched from /no/such: ", source="/no/such")
    refused(clone, "cannot be fetched from --upload-pack=touch bad", source="--upload-pack=touch bad")
    assert not list(tmp_path.rglob("bad"))


def test_commits_of_the_learners_own_are_left_alone(course, clone, tmp_path):
    publish(course)
    (clone / "other.txt").write_text("mine\n")
    commit(clone, "mine")
    said = refused(clone, "has 1 commit that the course does not have. Nothing was changed")
    command = said.partition("To put yours aside in a branch: ")[2].partition(", then")[0]
    subprocess.run(["bash", "-c", command], cwd=clone, check=True)  # The remedy works as it is written.
    updates.update(clone)
    assert git(clone, "show", "mine:other.txt") == "mine"
    git(clone, "checkout", "--quiet", "--orphan", "else")
    commit(clone, "unrelated")
    refused(clone, "have no commit in common")


def test_a_merge_that_is_going_on_and_a_git_that_was_stopped(course, clone):
    (clone / "other.txt").write_text("mine\n")
    commit(clone, "mine")
    (course / "other.txt").write_text("theirs\n")
    commit(course, "theirs")
    subprocess.run(["git", "pull", "--quiet", "--no-rebase"], cwd=clone, check=False, capture_output=True)
    refused(clone, r"A merge is going on in this clone\..*git merge --abort")
    git(clone, "merge", "--abort")
    (clone / ".git/index.lock").write_text("")
    before = snapshot(clone)
    with pytest.raises(updates.UpdateError, match=r"remove .*index\.lock and try again"):
        updates.update(clone)
    assert snapshot(clone) == before


def test_a_folder_in_the_way(course, clone):
    publish(course)
    (clone / "docs/new.md").mkdir(parents=True)
    refused(clone, r"docs/new\.md is something else here")
    shutil.rmtree(clone / "docs")
    (clone / "docs").symlink_to(course)
    refused(clone, "docs is something else here")


def test_what_is_no_clone(clone, tmp_path, monkeypatch):
    (tmp_path / "zip").mkdir()
    with pytest.raises(
        updates.UpdateError, match=r"zip is not a git clone of the course.*Change to the clone"
    ):
        updates.update(tmp_path / "zip")
    git(tmp_path / "zip", "init", "--quiet")
    with pytest.raises(updates.UpdateError, match="it has no course_lib"):
        updates.update(tmp_path / "zip")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(updates.UpdateError, match="git is not installed"):
        updates.update(clone)


def test_two_updates_at_once(course, clone):
    publish(course)
    with updates._Clone(clone).lock():
        refused(clone, "Another update of this clone is running")


def test_a_journal_that_tells_nothing_or_of_the_past(course, clone):
    journal = clone / ".git" / updates.JOURNAL
    journal.write_text("{")
    with pytest.raises(updates.UpdateError, match=r"course-update\.json .*cannot be read.*remove it"):
        updates.update(clone)
    journal.write_text(json.dumps({"old": "1" * 40, "new": "2" * 40, "kept": {EXERCISE: COPY}}))
    with pytest.raises(updates.UpdateError, match=f"moved by other means.*is kept: {COPY}"):
        updates.update(clone)
    assert str(updates.update(clone)).startswith("The course is up to date")


def test_the_command(course, clone, monkeypatch, capsys):
    publish(course)
    monkeypatch.chdir(clone / "notebooks")
    monkeypatch.setattr(sys, "argv", ["course", "update", "--from", str(course)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert "1 commit, 4 files" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["course", "update", "--from", "/no/such"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("course: The newer version cannot be fetched from /no/such: ")
