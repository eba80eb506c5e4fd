"""Question: cleaning without eating text."""

import functools
import html
import re

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb

_WORDS = ["calm", "brave", "dull", "warm", "loud", "tender", "clumsy", "honest", "gloomy", "witty", "lavish"]


_NAMED = ["auml", "ccedil", "copy", "deg", "egrave", "euro", "laquo", "ldquo", "ndash", "ntilde", "ouml"]


def _clean_calls(rng):
    a, b, c, d = (str(word) for word in rng.permutation(_WORDS)[:4])
    named = [f"&{name};" for name in rng.permutation(_NAMED)[:4]]
    letters = [int(code) for code in rng.choice(np.arange(0xE0, 0x17F), size=4, replace=False)]
    decimal, hexadecimal = [f"&#{code};" for code in letters[:2]], [f"&#x{code:x};" for code in letters[2:]]
    # Most calls hold one trap, so that two mistakes at once show each by itself.
    return [
        Call((f"A {a} start.<br /><br />Then a <i class='x'>{b}</i> end.",), about="tags alone"),
        Call((f"I <3 the {a} cast, and 5 > 4 {b} < {c}!",), about="a < that opens no tag"),
        Call((f"{a}: they write &lt;br&gt; in {b} reviews.",), about="a tag written in entities"),
        Call((f"Tom &amp; Ann&#39;s caf&eacute;: {a}, not &amp;lt; or {b}.",), about="entities"),
        Call(
            (f"  {a}\n\n{b}\t{c}  {d},&nbsp;&nbsp;{a}&#32; &nbsp;{b}. ",),
            about="white space of several kinds",
        ),
        Call((f"I <heart this {a} film.<br/>So {b}.",), about="a < that opens no tag"),
        Call((f"If a < {b} and c > {d}, or </ {b}> is.",), about="a blank behind <"),
        Call((f"So {b}, <a href='x.html'\n class='y'>so {c}</a>.",), about="a line feed inside a tag"),
        Call(("",), about="an empty text"),
        Call((f'<P>{a} > {b}</P>\n<p>10 < {int(rng.integers(11, 99))} "{c}"</p>',), about="tags in capitals"),
        Call((f"{b} {named[0]} {c}{named[1]} &hellip; {decimal[0]}{hexadecimal[0]}{a}",), about="entities"),
        Call(
            (f"It&#x27;s {a}{hexadecimal[1]}, {decimal[1]}{b}: {named[3]}, not &amp;{_NAMED[0]};",),
            about="entities",
        ),
    ]


_TAG = r"</?[a-zA-Z][^<>]*>"


_LISTED = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}


def _cleaned(text, tag=_TAG, gap=" ", decode=html.unescape, flags=0):
    return " ".join(decode(re.sub(tag, gap, text, flags=flags)).split())


def _by_tag(*tags, flags=0):
    return tuple(functools.partial(_cleaned, tag=tag, flags=flags) for tag in tags)


def _squeezed(squeeze):
    """A cleaning with another end, a function of the text without tags and entities."""
    return lambda text: squeeze(html.unescape(re.sub(_TAG, " ", text)))


def _listed(text, first="&amp;", last=None, known=tuple(_LISTED)):
    text = text.replace(first, "&") if first else text
    for entity in known:
        text = text.replace(entity, _LISTED[entity])
    return text.replace(last, "&") if last else text


def _by_lists(*lists):
    """Cleanings that know so many entities, and &amp; as the first or the last."""
    return tuple(
        functools.partial(_cleaned, decode=functools.partial(_listed, known=known, **ends))
        for known in lists
        for ends in ({}, {"first": None, "last": "&amp;"})
    )


QUESTION = Question(
    id="imdb.clean",
    title="Cleaning without eating text",
    points=2,
    minutes=15,
    signature="clean(text)",
    calls=_clean_calls,
    reference=lambda text: imdb.clean(text),
    returns=("text",),
    mistakes=(
        Mistake(
            "any_bracket",
            _by_tag(
                r"<[^>]*>", r"<[^<>]*>", r"<.*?>", r"<.+?>", r"</?\w[^<>]*>", r"</?\w[^>]*>", r"</?\w+.*?>"
            ),
            "Text is gone that is no tag: of “I <3 the”, all from the < up to the next > is missing. What "
            "tells a tag from a heart?",
            "A tag begins with < or </ and, directly after it, a letter; a digit is none. Write down what "
            "may follow the < of <br> and </i>, and what follows it in “I <3 it” and “b < c”.",
        ),
        Mistake(
            "bracket_inside",
            _by_tag(r"</?[a-zA-Z][^>]*>", r"</?[a-zA-Z][\s\S]*?>", r"</?[a-zA-Z].*?>", r"</?[a-z].*?>"),
            "A heart made of <3 stays, but of “I <heart it.<br/>So” all from the first < on is "
            "gone. May another < stand inside a tag?",
            "Only <br/> is a tag there. Between the letter that opens a tag and the > that ends it "
            "everything may stand but < and >: say just that in your pattern.",
        ),
        Mistake(
            "line_feed",
            _by_tag(r"</?[a-zA-Z][^<>\n]*>"),
            "A tag that is written over two lines is still there.",
            "Line feeds may stand inside a tag. In a regular expression the dot does not match them, unless "
            "a flag says so; a class of what is not allowed does.",
        ),
        Mistake(
            "greedy",
            (
                *_by_tag(r"<.*>", r"<.+>", r"</?[a-zA-Z].*>"),
                *_by_tag(r"<.*>", r"</?[a-zA-Z].*>", flags=re.DOTALL),
            ),
            "Whole sentences are gone: all from the first tag's < to the last >. What does * do in a regular "
            "expression, as much as it can or as little?",
            "In “<i>a</i>” your pattern finds one tag, from the first < to the last >. If no > may stand "
            "inside a tag, a match has to end at the first one.",
        ),
        Mistake(
            "lower_case_only",
            _by_tag(r"</?[a-z][^<>]*>"),
            "Tags in capitals, such as <P>, are still there.",
            "A tag begins with a letter from a to z or A to Z. Either name both ranges, or look for a flag "
            "that makes no difference between them.",
        ),
        Mistake(
            "closing_left",
            _by_tag(r"<[a-zA-Z][^<>]*>"),
            "Opening tags are gone, closing ones such as </i> are still there.",
            "After the < of a closing tag comes a / before the letter. Which sign of a regular expression "
            "says that a character may be there or not?",
        ),
        Mistake(
            "some_tags",
            (
                *_by_tag(r"<br\s*/?>", r"<br ?/>"),
                functools.partial(_cleaned, tag="<br />"),
                *_by_tag(r"</?[a-zA-Z]+\s*/?>", r"</?[a-zA-Z]+/?>", r"</?[a-zA-Z]+>"),
            ),
            "Some tags are still there, such as <a href='x.html'>. Does your pattern list names, or what "
            "may stand behind a name?",
            "A tag begins with < or </ and a letter, and ends with the next >. Between them anything may "
            "stand but < and >: say what must not stand inside a tag instead of what may.",
        ),
        Mistake(
            "two_characters",
            _by_tag(r"</?[a-zA-Z][^<>]+>", r"</?[a-zA-Z][^>]+>", r"</?[a-zA-Z].+?>"),
            "Tags of a single letter, such as </i> and <P>, are still there or take text with them.",
            "After the letter that opens a tag, anything may follow up to the >, or nothing. Which sign of a "
            "regular expression says that something may be there any number of times, 0 included?",
        ),
        Mistake(
            "blank_before_the_name",
            _by_tag(
                r"</?\s*[a-zA-Z][^<>]*>",
                r"<\s*/?\s*[a-zA-Z][^<>]*>",
                r"<\s*/?[a-zA-Z][^<>]*>",
                r"<\s*/?\s*[a-zA-Z][^>]*>",
                r"</?\s*[a-zA-Z][^>]*>",
            ),
            "Text is gone that is no tag: in “if a < b and c > d” the signs mean less and more. What do you "
            "let stand between the < and the letter?",
            "The letter follows *directly* after < or </. With a blank between them it is no tag, even if a "
            "> comes later.",
        ),
        Mistake(
            "glued",
            functools.partial(_cleaned, gap=""),
            "The right tags are gone, but the words on both sides of a line break are glued into one.",
            "“start.<br /><br />Then” must become “start. Then”. What do you put in a tag's place, and "
            "which later step makes several of those one?",
        ),
        Mistake(
            "entities_first",
            lambda text: " ".join(re.sub(_TAG, " ", html.unescape(text)).split()),
            "Someone wrote about the tag <br>, as &lt;br&gt;, and your result has lost it. In which order "
            "do you remove tags and decode entities?",
            "&lt;br&gt; is text that shows as <br>; it becomes a tag for you only if it is decoded too "
            "early. Which of the two steps must come first?",
        ),
        Mistake(
            "entities_left",
            functools.partial(_cleaned, decode=str),
            "Entities such as &amp; and &eacute; are still written out.",
            "The standard library knows them all: look into the module html. It is one call, at one of two "
            "possible places; &lt;br&gt; tells you which.",
        ),
        Mistake(
            "entities_listed",
            _by_lists(
                ("&lt;", "&gt;", "&quot;", "&#39;", "&nbsp;"),
                ("&lt;", "&gt;", "&quot;", "&#39;"),
                ("&lt;", "&gt;", "&quot;", "&nbsp;"),
                ("&lt;", "&gt;", "&nbsp;"),
                ("&lt;", "&gt;"),
            ),
            "You decode the entities that you thought of. Others are still written out, such as &eacute; and "
            "characters by their number, &#233; or &#xe9;.",
            "There are more than 2,000 names, and any character can be written as a number. A module of the "
            "standard library knows them all; its name is that of the language of web pages.",
        ),
        Mistake(
            "twice",
            functools.partial(_cleaned, decode=lambda text: html.unescape(html.unescape(text))),
            "You decode twice: &amp;lt; must become &lt;, and yours is <.",
            "Each entity is decoded once. &amp;lt; is how one writes the text “&lt;” in HTML; what comes "
            "out of decoding is not decoded again.",
        ),
        Mistake(
            "white_space_left",
            (
                lambda text: html.unescape(" ".join(re.sub(_TAG, " ", text).split())),
                lambda text: html.unescape(re.sub(_TAG, " ", " ".join(text.split()))),
                lambda text: html.unescape(re.sub(_TAG, " ", " ".join(text.split()))).strip(),
                _squeezed(lambda text: re.sub(" +", " ", text).strip(" ")),
                _squeezed(lambda text: re.sub(" +", " ", text).strip()),
                _squeezed(lambda text: re.sub(r"[ \t\n]+", " ", text).strip(" ")),
                _squeezed(lambda text: re.sub(r"[ \t\n]+", " ", text).strip()),
                _squeezed(lambda text: text.strip()),
                _squeezed(lambda text: " ".join(each for each in text.split(" ") if each)),
            ),
            "Some white space is still there that should be one blank: print repr() of your result. What "
            "counts as white space in your code, and which of your steps comes last?",
            "A tag becomes a blank, and &nbsp; a no-break space, so white space can be put right only when "
            "tags and entities are done. 'a\\n\\nb\\t c&nbsp;d' must become 'a b c d': split() without an "
            "argument knows all of these.",
        ),
        Mistake(
            "not_stripped",
            _squeezed(lambda text: re.sub(r"\s+", " ", text)),
            "The inside is right, but a blank is left at the beginning or at the end.",
            "A text that ends with a tag or a line feed ends with a blank after your steps. None was to be "
            "left at either end; str has a method for that.",
        ),
    ),
    hint="Three steps: tags, entities, white space. The order matters; try “&lt;b&gt;” and “a&nbsp; b”.",
    more="First re.sub with a pattern for one tag: a <, perhaps a /, a letter, then anything but < and >, "
    "then a >. Then the function of the module html that decodes entities, once. White space last: split "
    "and join.",
    example=("I <3<br>it&nbsp; &lt;b&gt; ",),
)
