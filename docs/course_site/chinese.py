"""Search in Chinese pages: what stands between two marks is found by its pairs of characters.

Sphinx' own splits Chinese with a dictionary of 19 MB, and what it writes for the browser names a stemmer that
is not in it (Sphinx 9.0).
"""

import re

from sphinx.search.en import SearchEnglish

RUNS = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")
# The same for what somebody looks for.
SPLIT = """
function splitQuery(query) {
  const runs = query.match(/[\\u3400-\\u9fff]+|(?:(?![\\u3400-\\u9fff])[\\p{L}\\p{N}_])+/gu) || [];
  const pairs = run => Array.from({length: run.length - 1}, (_, i) => run.slice(i, i + 2));
  return runs.flatMap(run => /^[\\u3400-\\u9fff]{2,}$/.test(run) ? pairs(run) : [run]);
}
"""


class Chinese(SearchEnglish):
    """Chinese, with English words in it."""

    lang = "zh"
    js_splitter_code = SPLIT

    def split(self, text):
        """The words of a text, and the pairs of neighbours in a run of Chinese characters."""
        return [part for run in RUNS.findall(text) for part in pairs(run)]


def pairs(run):
    """What is looked up of a run of characters: ["注意", "意力"] of 注意力, and a Latin word as it is."""
    if len(run) < 2 or not "\u3400" <= run[0] <= "\u9fff":
        return [run]
    return [run[i : i + 2] for i in range(len(run) - 1)]


def setup(app):
    """Sphinx calls this."""
    app.add_search_language(Chinese)
