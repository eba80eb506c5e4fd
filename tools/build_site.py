"""Builds the course's site."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "site"
# What becomes a page, by its place in the repository; docs' own pages stand at the top.
PAGES = (
    "README.md",
    "notebooks/*[a-z].ipynb",
    "exercises/*[a-z].ipynb",
    "exercises/README.md",
    "docs/[A-Z]*.md",
    "docs/pruning.md",
    "benchmarks/*.md",
    "benchmarks/*.png",
    "course_lib/*/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
)
# Of a catalogue: without dates, which would change with every run.
HEADER = """\
# `make site ARGS=--catalogues` keeps the originals here those of today; see docs/locale/GLOSSARY.md.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def stage(source):
    """Copies the pages together; what has not changed keeps its time, so that Sphinx leaves it alone."""
    places = {path.relative_to(ROOT): path for pattern in PAGES for path in ROOT.glob(pattern)}
    own = [path for path in (ROOT / "docs").glob("[a-z]*.md") if path.relative_to(ROOT) not in places]
    places |= {pathlib.Path(path.name): path for path in own}
    for path in source.rglob("*"):
        if path.is_file() and path.relative_to(source) not in places:
            path.unlink()
    for place, path in places.items():
        target = source / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)


def sphinx(builder, target, language="en"):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        builder,
        "-c",
        ROOT / "docs",
        "-d",
        BUILD / f"doctrees-{language}",
    ]
    environment = os.environ | {"COURSE_SITE_LANGUAGE": language, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([*command, "-q", BUILD / "source", target], check=True, env=environment)


def update_catalogues(language, pages):
    """Writes today's texts of some pages, and of those translated already, into the catalogues of a language."""
    folder = ROOT / "docs" / "locale" / language / "LC_MESSAGES"
    known = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.po")}
    wanted = BUILD / "wanted"
    shutil.rmtree(wanted, ignore_errors=True)
    for page in known.union(pages):
        (wanted / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BUILD / "gettext" / f"{page}.pot", wanted / f"{page}.pot")
    command = [
        sys.executable,
        "-m",
        "sphinx_intl",
        "update",
        "--pot-dir",
        wanted,
        "--locale-dir",
        folder.parents[1],
    ]
    subprocess.run([*command, "--language", language, "--line-width", "-1"], check=True)
    for path in folder.rglob("*.po"):
        _, _, entries = path.read_text(encoding="utf-8").partition("\n\n")
        path.write_text(HEADER.format(language=language) + entries, encoding="utf-8")


if __name__ == "__main__":
    stage(BUILD / "source")
    sphinx("gettext", BUILD / "gettext")
    update_catalogues("zh_CN", sys.argv[1:])
