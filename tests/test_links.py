"""Badges and install lines agree with the one address in pyproject.toml, and move to a fork and back."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from course_lib import links, runtime

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUG = links.repository(ROOT)


def clone(folder, slug=SLUG, line_end="\n"):
    """A small repository that names itself in every way there is, and others that are not it."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[project.urls]\nRepository = "https://github.com/{slug}"\n')
    readme = [
        f"# Course, {links.badge(slug, 'notebooks/01_attention.ipynb')}",
        f"git clone https://github.com/{slug}.git or git@github.com:{slug}.git, or read https://github.com/{slug}.",
        f"{links.kaggle(slug, 'notebooks/00_welcome.ipynb')}, [a Codespace]({links.codespaces(slug)})",
        f"[Binder]({links.binder(slug, 'notebooks/00_welcome.ipynb')}) and ({links.codespaces(slug)}).",
        f"Its pages: {links.site(slug)} and [one]({links.site(slug)}lessons.html).",
        f"Not it: https://github.com/{slug}-extra https://github.com/{slug}2 https://github.com/{slug}.io",
        f"Nor: https://github.com/x{slug} https://github.com/other/{slug} https://mygithub.com/{slug} {slug}",
    ]
    (folder / "README.md").write_bytes(line_end.join(readme).encode())
    cells = [
        {
            "cell_type": "markdown",
            "source": [links.badge(slug, "notebooks/01_attention.ipynb") + "\n", "# 01"],
        },
        {"cell_type": "code", "source": ["import sys\n", f"    {links.install_line(slug)}"]},
    ]
    (folder / "notebooks" / "01_attention.ipynb").write_text(json.dumps({"cells": cells}, indent=1))
    return folder


def disagreements(root):
    """Notebooks and README lines whose badge or install line is not what pyproject.toml's slug gives."""
    slug = links.repository(root)
    wrong = []
    for path in sorted(root.glob("notebooks/*.ipynb")):
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        first = (cells[0] if cells else "").splitlines()
        if not first or first[0] != links.badge(slug, f"notebooks/{path.name}"):
            wrong.append(f"{path.name}: the first line is not its badge")
        installs = [line.strip() for cell in cells for line in cell.splitlines() if "course-lib @" in line]
        if installs != [links.install_line(slug)]:
            wrong.append(f"{path.name}: {installs} is not the one install line")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    opened = {
        "colab.research.google.com/github/": links.colab(slug, "notebooks/"),
        "kaggle.com/kernels/welcome": links.kaggle(slug, "notebooks/"),
        "mybinder.org/": links.binder(slug, "notebooks/"),
        "codespaces.new/": links.codespaces(slug),
    }
    for line in text.splitlines():
        if any(line.count(host) != line.count(address) for host, address in opened.items()):
            wrong.append(f"README.md: {line}")
    return wrong


# The repository itself


def test_every_address_in_this_repository_agrees_with_pyproject():
    assert disagreements(ROOT) == []


def test_the_readme_has_a_badge_for_every_lesson():
    lessons = sorted((ROOT / "notebooks").glob("*[a-z].ipynb"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if not lessons or not readme:
        pytest.skip("there is no lesson or no README yet")
    for path in lessons:
        assert links.colab(SLUG, f"notebooks/{path.name}") in readme, path.name


def test_the_readme_opens_the_first_lesson_wherever_it_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for address in (links.kaggle, links.binder):
        assert f"]({address(SLUG, 'notebooks/00_welcome.ipynb')})" in readme
    assert f"]({links.codespaces(SLUG)})" in readme


def set_up_cells():
    """The second cell of every notebook, by path."""
    paths = [
        path
        for folder in ("notebooks", "solutions", "exercises")
        for path in (ROOT / folder).glob("*[a-z].ipynb")
    ]
    return {
        path: "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][1]["source"]) for path in paths
    }


def test_every_notebook_is_set_up_by_the_same_cell():
    cells = set_up_cells()
    assert len(cells) > 20
    assert len(set(cells.values())) == 1


@pytest.mark.parametrize(
    ("place", "installs"), [("Colab", True), ("Kaggle", True), ("a clone", False), ("Binder", False)]
)
def test_the_set_up_cell_installs_where_nothing_else_does(monkeypatch, place, installs):
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    if place == "Colab":
        monkeypatch.setitem(sys.modules, "google.colab", object())
    if place == "Kaggle":
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    (source,) = set(set_up_cells().values())
    lines = source.partition("from course_lib")[0].replace(links.install_line(SLUG), "done.append(place)")
    done = []
    exec(lines, {"done": done, "place": place})  # Our own file, with the installation replaced.
    assert done == [place] * installs
    assert runtime.hosted() == installs  # So that weights and reviews are fetched where nobody ran `make`.


def test_no_file_that_is_not_rewritten_names_the_repository():
    git = shutil.which("git")
    if not git or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone to know which files are committed")
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    known = {ROOT / "pyproject.toml", *links.files(ROOT)}
    strays = [
        name
        for name in filter(None, listed)
        if (ROOT / name).is_file()
        and ROOT / name not in known
        and links.mentions((ROOT / name).read_text(encoding="utf-8", errors="replace"), SLUG)
    ]
    assert strays == []


def test_a_disagreeing_address_is_noticed(tmp_path):
    root = clone(tmp_path / "clone")
    assert disagreements(root) == []
    notebook = root / "notebooks" / "01_attention.ipynb"
    right = notebook.read_text()

    for old, new in [
        (f"/github/{SLUG}/", "/github/some/fork/"),
        ("notebooks/01_attention.ipynb", "notebooks/02_imdb.ipynb"),
        (f"git+https://github.com/{SLUG}", "git+https://github.com/some/fork"),
        ("%pip install", "!pip install"),
    ]:
        assert old in right
        notebook.write_text(right.replace(old, new))
        assert len(disagreements(root)) == 1
    notebook.write_text(right)
    (root / "README.md").write_text(links.badge("some/fork", "notebooks/01_attention.ipynb"))
    assert len(disagreements(root)) == 1
    assert disagreements(clone(tmp_path / "fork", "some/fork")) == []


# repository


def test_repository_reads_the_slug(tmp_path):
    assert links.repository(clone(tmp_path / "clone", "you/my.course_2")) == "you/my.course_2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project]\nname = 'x'",
        "[project.urls]",
        "[project.urls]\nRepository = 'https://gitlab.com/you/course'",
        "[project.urls]\nRepository = 'https://github.com/you'",
        "[project.urls]\nRepository = 'https://github.com/you/course/tree/main'",
        "[project.urls]\nRepository = 'https://github.com/you/course.git'",
    ],
)
def test_a_pyproject_that_names_no_repository(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(
        ValueError, match=r"Repository in .*pyproject.toml must be https://github.com/OWNER/NAME"
    ):
        links.repository(tmp_path)


def test_no_pyproject_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pyproject\.toml"):
        links.repository(tmp_path)


# rewrite


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("fork", ["you/course", "you/fork.of-it", "a/b", f"you/{SLUG.split('/')[1]}-extra"])
def test_to_a_fork_and_back_restores_every_byte(tmp_path, fork, line_end):
    root = clone(tmp_path / "clone", line_end=line_end)
    paths = [path for path in root.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in paths}

    changed = links.rewrite(root, fork)
    assert sorted(changed) == sorted(paths)
    assert links.repository(root) == fork
    assert disagreements(root) == []
    readme = (root / "README.md").read_bytes().decode()
    assert f"https://github.com/{fork}.git" in readme
    assert f"git@github.com:{fork}.git" in readme
    assert disagreements(root) == []
    assert links.kaggle(fork, "notebooks/00_welcome.ipynb") in readme
    assert links.binder(fork, "notebooks/00_welcome.ipynb") in readme
    assert readme.count(links.codespaces(fork)) == 2
    assert readme.count(links.site(fork)) == 2
    assert readme.split(line_end)[5:] == before[root / "README.md"].decode().split(line_end)[5:]

    links.rewrite(root, SLUG)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_rewriting_to_the_same_name_changes_nothing(tmp_path):
    assert links.rewrite(clone(tmp_path / "clone"), SLUG) == []


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "course",
        "you/",
        "/course",
        "you/course/x",
        "https://github.com/you/course",
        "you/co urse",
        "-you/course",
        "you/..",
        "you/.",
        "you/course.git",
        "you/course\n",
        "you/$(id)",
    ],
)
def test_an_impossible_slug_is_refused_and_nothing_written(tmp_path, slug):
    root = clone(tmp_path / "clone")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="A repository is named OWNER/NAME"):
        links.rewrite(root, slug)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_an_interrupted_rewrite_can_be_run_again(tmp_path, monkeypatch):
    root, reference = clone(tmp_path / "clone"), clone(tmp_path / "reference")
    links.rewrite(reference, "you/fork")
    write, calls = runtime.atomic_write, []

    def full(path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return write(path)

    with monkeypatch.context() as patch:
        patch.setattr(runtime, "atomic_write", full)
        with pytest.raises(OSError, match="No space left"):
            links.rewrite(root, "you/fork")
    links.rewrite(root, "you/fork")

    for path in reference.rglob("*"):
        if path.is_file():
            assert (root / path.relative_to(reference)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("github.com/a/course", 1),
        ("github.com/a/course.git", 1),
        ("see https://github.com/a/course. Then", 1),
        ("https://github.com/a/course/blob/main/README.md#a/course", 1),
        ("git+https://github.com/a/course\\n", 1),
        ("github.com/a/course github.com/a/course", 2),
        ("github.com/a/course-extra", 0),
        ("github.com/a/course_extra", 0),
        ("github.com/a/course2", 0),
        ("github.com/a/course.github", 0),
        ("github.com/b/a/course", 0),
        ("notgithub.com/a/course", 0),
        ("https://mybinder.org/v2/gh/a/course/main?urlpath=lab", 1),
        ("https://mybinder.org/v2/gl/a/course/main", 0),
        ("https://codespaces.new/a/course", 1),
        ("https://codespaces.new/a/course-extra", 0),
        ("welcome?src=https://github.com/a/course/blob/main/x.ipynb", 1),
    ],
)
def test_mentions(text, count):
    assert len(links.mentions(text, "a/course")) == count
