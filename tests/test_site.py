"""The course's site: what it is made of, in so far as that can be checked without Sphinx.

`make site` checks the rest: Sphinx' warnings and broken links are errors there.
"""

import ast
import itertools
import pathlib
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree

import nbformat
import numpy as np
import pytest
import yaml
from matplotlib import image
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tools")]
import build_site  # noqa: E402
import nb  # noqa: E402
import site_links  # noqa: E402
from course_site import LANGUAGES, lesson_map, lessons, pictures, reference  # noqa: E402

CATALOGUES = sorted((ROOT / "docs" / "locale").rglob("*.po"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# Translations


def entries(text):
    """(original, translation) of each entry of a catalogue that is shown."""
    for block in text.split("\n\n")[1:]:
        if "#, fuzzy" not in block and "msgid" in block:
            halves = re.split(r"^msgstr ", re.sub(r"^#.*\n?", "", block, flags=re.M), flags=re.M)
            yield tuple(
                "".join(map(ast.literal_eval, re.findall(r'"(?:[^"\\]|\\.)*"', half))) for half in halves
            )


def flat(text):
    return " ".join(text.split())


def originals(page):
    """All that a page of the site says, as one text: its source, and what is said of its pictures."""
    if page == "sphinx":  # The frame of the pages.
        return flat(" ".join(path.read_text() for path in (ROOT / "docs" / "_templates").glob("*.html")))
    path = ROOT / f"{page}.ipynb"
    if path.exists():
        cells = nbformat.read(path, as_version=4).cells
        said = [text for cell in cells if cell.cell_type == "code" for text in nb.descriptions(cell)]
        return flat("\n".join([cell.source for cell in cells if cell.cell_type == "markdown"] + said))
    source = next(path for path in (ROOT / "docs" / f"{page}.md", ROOT / f"{page}.md") if path.exists())
    text = source.read_text(encoding="utf-8")
    for included in re.findall(r"\{include\} (\S+)", text):
        text += (ROOT / included).read_text(encoding="utf-8")
    return flat(text)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_what_is_translated_is_still_what_the_page_says(path):
    page = pathlib.Path(*path.relative_to(ROOT / "docs" / "locale").parts[2:]).with_suffix("").as_posix()
    today = originals(page)
    changed = [
        original
        for original, translation in entries(path.read_text(encoding="utf-8"))
        if translation and flat(original) not in today
    ]
    assert not changed, "run `make site ARGS=--catalogues`, and translate what is new in " + path.name


def test_a_changed_original_is_noticed():
    text = 'msgid ""\nmsgstr ""\n\nmsgid "One \\"two\\""\nmsgstr ""\n"一"\n"二"\n\n'
    text += '#, fuzzy\nmsgid "A"\nmsgstr "B"\n'
    assert list(entries(text)) == [('One "two"', "一二")]
    assert "01 · Attention" in originals("notebooks/01_attention")
    assert "01 · Intention" not in originals("notebooks/01_attention")


def test_what_the_issue_asks_for_is_translated():
    names = {
        path.relative_to(ROOT / "docs" / "locale" / "zh_CN" / "LC_MESSAGES").as_posix() for path in CATALOGUES
    }
    lessons_wanted = {f"notebooks/{name}.po" for name in ("00_welcome", "01_attention", "02_imdb")}
    assert (
        names
        >= {"index.po", "sphinx.po", "exercises/01_attention.po", "exercises/02_imdb.po"} | lessons_wanted
    )


# Lessons, map, pictures


def test_every_lesson_is_on_the_map():
    assert [lesson.path for lesson in lessons.table()] == [
        path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "notebooks").glob("*[a-z].ipynb"))
    ]
    for lesson in lessons.table():
        assert lesson.exercise is None or (ROOT / f"{lesson.exercise}.ipynb").exists()


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("count", [1, 4, 12, 14])
def test_the_map_has_a_field_and_a_link_for_each_lesson(columns, count):
    titles = [(f"{i:02} · <Lesson> {i}", f"notebooks/{i}.html") for i in range(count)]
    tree = xml.etree.ElementTree.fromstring(lesson_map.svg(titles, columns, 'a "map"'))
    space = "{http://www.w3.org/2000/svg}"
    assert [each.get("href") for each in tree.iter(f"{space}a")] == [address for _, address in titles]
    assert ["".join(each.itertext()) for each in tree.iter(f"{space}a")] == [
        f"{i:02}<Lesson> {i}" for i in range(count)
    ]
    boxes = [
        tuple(float(box.get(name)) for name in ("x", "y", "width", "height"))
        for box in tree.iter(f"{space}rect")
    ]
    _, _, width, height = map(float, tree.get("viewBox").split())
    for i, (x, y, wide, high) in enumerate(boxes):
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height
        for other_x, other_y, *_ in boxes[:i]:
            assert abs(x - other_x) > wide or abs(y - other_y) > high
    # The path goes from each lesson to the next without crossing another.
    for (x, y, *_), (next_x, next_y, *_) in itertools.pairwise(boxes):
        assert (x == next_x) != (y == next_y)


def test_icon_and_cards(tmp_path):
    xml.etree.ElementTree.fromstring(pictures.icon())
    shown = pictures.first_picture(ROOT / "notebooks" / "01_attention.ipynb")
    for name, picture in (("with", shown), ("without", None)):
        path = tmp_path / f"{name}.png"
        path.write_bytes(pictures.card("01 · Attention", "What it is about. " * 30, picture))
        assert image.imread(path).shape[:2] == (630, 1200)
    assert not np.array_equal(image.imread(tmp_path / "with.png"), image.imread(tmp_path / "without.png"))


def test_what_has_not_changed_is_not_made_again(tmp_path):
    made = []

    def make():
        made.append(1)
        return b"picture"

    for key in ("a", "a", "b"):
        pictures.write_once(tmp_path / "x" / "y.png", key, make)
    assert len(made) == 2


# Reference


def test_every_module_has_a_page():
    pages = reference.pages(ROOT / "course_lib")
    assert {lesson.word for lesson in lessons.table()} - {"welcome"} <= set(pages)
    assert ":imported-members:" in pages["pruning"]
    assert ":imported-members:" not in pages["attention"]
    assert not {"cli", "questions", "__init__"} & set(pages)


@pytest.mark.parametrize(
    ("lines", "rest"),
    [
        (["|w| times it."], [r"\|w\| times it."]),
        (["A list of `Line`s, `a|b`."], [r"A list of `Line`\ s, `a|b`."]),
        (
            ["How:", "- one", "  more", "- two", "Then."],
            ["How:", "", "- one", "  more", "- two", "", "Then."],
        ),
        (
            ["    x: How:", "        - one;", "        - two."],
            ["    x: How:", "", "        - one;", "        - two."],
        ),
        (["Plain.", "", "Args:"], ["Plain.", "", "Args:"]),
    ],
)
def test_docstrings_as_restructured_text(lines, rest):
    assert reference.as_rest(lines) == rest


# Links, and what stands beside the pages


def test_broken_links_inside_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<a href="a/">a</a><a href="a/index.html#here">a</a><img src="x.png"><a href="https://a.b">b</a>'
        '<a href="a/#gone">c</a><a href="../index.html">d</a><h1 id="h"></h1><a href="#h">e</a>'
    )
    (tmp_path / "a" / "index.html").write_text('<h2 id="here"></h2><a href="../gone.html">f</a>')
    assert site_links.inside(tmp_path) == [
        "a/index.html: ../gone.html is not there.",
        "index.html: ../index.html is not there.",
        "index.html: a/#gone leads to no place in that page.",
        "index.html: x.png is not there.",
    ]


def test_addresses_outside_that_do_not_answer_are_found(tmp_path):
    import check_site

    with check_site.served(tmp_path) as base:
        (tmp_path / "here.html").write_text(f'<a href="{base}gone">a</a><a href="{base}here.html#x">b</a>')
        assert site_links.outside(tmp_path) == [f"here.html: {base}gone: status 404"]


def test_the_sitemap_has_each_page_in_each_language():
    made = build_site.sitemap("https://a.b/c/", ["index.html", "x/y.html"])
    tree = xml.etree.ElementTree.fromstring(made)
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}
    assert [each.text for each in tree.findall("s:url/s:loc", space)] == [
        "https://a.b/c/", "https://a.b/c/zh/", "https://a.b/c/x/y.html", "https://a.b/c/zh/x/y.html"
    ]  # fmt: skip
    assert all(len(url.findall("x:link", space)) == len(LANGUAGES) for url in tree.findall("s:url", space))


def test_citation_and_changes_know_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    version = PROJECT["project"]["version"]
    assert citation["version"] == version
    assert citation["license"] == PROJECT["project"]["license"]
    assert re.search(
        rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M
    )


# The environment


def pins(path):
    """(name, version, marker) of each line of a lock."""
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\$", path.read_text(encoding="utf-8"), re.M)
    return [(canonicalize_name(name), version, marker) for name, version, marker in lines]


def test_the_lock_of_the_site_fits_the_lock_of_the_course():
    """.venv-site stands before .venv: a package that is in both must be the same."""
    course = {(name, version) for name, version, _ in pins(ROOT / "requirements.lock")}
    known = {name for name, _ in course}
    site = pins(ROOT / "docs" / "requirements.lock")
    assert [
        (name, version) for name, version, _ in site if name in known and (name, version) not in course
    ] == []
    wanted = map(Requirement, PROJECT["dependency-groups"]["site"])
    assert {canonicalize_name(each.name) for each in wanted} <= {name for name, _, _ in site}


def test_the_site_needs_nothing_of_what_a_learner_installs():
    course = {name for name, _, _ in pins(ROOT / "requirements.lock")}
    assert not {"sphinx", "myst-nb", "pydata-sphinx-theme"} & course


def test_the_builder_says_what_it_does():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "build_site.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--serve", "--check", "--catalogues"):
        assert option in done.stdout


def test_every_guide_is_in_the_menu():
    menu = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    guides = sorted((ROOT / "docs").glob("[A-Z]*.md"))
    assert guides
    assert not [path.stem for path in guides if f"<docs/{path.stem}>" not in menu], "Sphinx would refuse it"
