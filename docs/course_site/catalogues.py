"""Catalogues of translated texts: how much of a page is translated, and what has changed since."""

import pathlib

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


def read(path):
    """Dict from each original in a catalogue to its translation, "" where there is none that is shown."""
    from babel.messages import pofile

    if not pathlib.Path(path).exists():
        return {}
    with pathlib.Path(path).open("rb") as file:
        return {each.id: "" if each.fuzzy else each.string for each in pofile.read_po(file) if each.id}


def compare(originals, catalogues):
    """What is translated of each page.

    Args:
        originals: Folder of today's originals, as Sphinx writes them.
        catalogues: Folder of the translations.

    Returns:
        Dict from a page to a pair: how many of its texts are translated, and how many it has; and a list of
        `(page, original)` of what is translated and not on the page any more.
    """
    shares, stale = {}, []
    for template in sorted(pathlib.Path(originals).rglob("*.pot")):
        page = template.relative_to(originals).with_suffix("").as_posix()
        today, known = read(template), read(pathlib.Path(catalogues, f"{page}.po"))
        done = {original for original, translation in known.items() if translation}
        shares[page] = (len(done & set(today)), len(today))
        stale += [(page, original) for original in done - set(today)]
    return shares, stale
