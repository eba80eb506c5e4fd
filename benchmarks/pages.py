"""Tables made of recorded results, between marks in a page that people write."""

import pathlib
import re

from course_lib import runtime

README = pathlib.Path(__file__).parent / "README.md"


def fill(name, text, path=README):
    """Puts a text between the marks `<!-- name -->` and `<!-- /name -->` of a page."""
    page = path.read_text(encoding="utf-8")
    _find(name, page, path)
    filled = _pattern(name).sub(lambda found: f"{found[1]}\n\n{text}\n\n{found[3]}", page)
    with runtime.atomic_write(path) as part:
        part.write_text(filled, encoding="utf-8")


def filled(name, path=README):
    """What stands between those marks."""
    return _find(name, path.read_text(encoding="utf-8"), path)[2].strip("\n")


def _pattern(name):
    return re.compile(rf"(<!-- {re.escape(name)} -->)(.*?)(<!-- /{re.escape(name)} -->)", re.DOTALL)


def _find(name, page, path):
    found = _pattern(name).search(page)
    if found is None:
        raise ValueError(f"{path} has no marks <!-- {name} --> and <!-- /{name} -->.")
    return found


def share(found):
    """An accuracy in percent with its interval, from a dict with `accuracy` and `interval`."""
    low, high = found["interval"]
    return f"{found['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def versus(test):
    """McNemar's test of the reviewer against TF-IDF in words, from a dict with both counts and `p`."""
    won, lost, p_value = test["only_reviewer"], test["only_tfidf"], test["p"]
    better = "the reviewer is better" if won > lost else "TF-IDF is better"
    verdict = better if p_value < 0.05 else "no difference that these reviews could show"
    return (
        f"{won:,} reviews are judged right by the reviewer only, {lost:,} by TF-IDF only: McNemar's test, "
        f"p = {p_value:.2g}, {verdict}."
    )
