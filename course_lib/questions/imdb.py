"""Questions of lesson 02: cleaning, duplicates, splits, agreement, WordPiece, cuts, padding, batches."""

import functools
import html
import math
import re

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

imdb = Lesson("imdb")

# Cleaning

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


_CLEAN = Question(
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


# Groups of near-duplicates


def _duplicates_calls(rng):
    def linked(count, links):
        first, second = (rng.integers(count, size=links) for _ in range(2))
        pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
        return count, np.unique(pairs[first != second], axis=0)

    shift = int(rng.integers(1, 4))
    chain = np.array([[0, 5], [2, 4], [4, 5]])
    zigzag = np.ravel(np.column_stack([np.arange(7), np.arange(13, 6, -1)]))  # 0, 13, 1, 12, ...
    links = np.sort(np.stack([zigzag[:-1], zigzag[1:]], axis=1), axis=1)
    return [
        Call((4, np.array([[1, 3]])), about="a single pair"),
        (7 + shift, chain + shift),
        Call((3, np.zeros((0, 2), dtype="int64")), about="no pairs"),
        (6, np.array([[0, 1], [0, 2], [4, 5]])),
        linked(20, 12),
        linked(60, 45),
        Call((14 + shift, np.unique(links + shift, axis=0)), about="a long chain"),
    ]


def _smallest(groups):
    """Names each group by its first member."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse]


def _duplicate_groups(count, pairs):
    return _smallest(imdb.duplicate_groups(count, pairs))


def _by_pairs(change, passes=1):
    """Groups after so many times `change(groups, first, second)` for each pair."""

    def answer(count, pairs):
        groups = np.arange(count)
        for _ in range(passes):
            for first, second in pairs:
                change(groups, first, second)
        return groups

    return answer


def _to_partner(groups, first, second):
    groups[second] = first


def _to_partners_group(groups, first, second):
    groups[second] = groups[first]


def _smaller_to_second(groups, first, second):
    groups[second] = min(groups[first], groups[second])


def _smaller_to_both(groups, first, second):
    groups[first] = groups[second] = min(groups[first], groups[second])


def _all_of_second(groups, first, second):
    groups[groups == groups[second]] = groups[first]


def _all_of_first(groups, first, second):
    groups[groups == groups[first]] = groups[second]


def _all_to_larger(groups, first, second):
    low, high = sorted((groups[first], groups[second]))
    groups[groups == low] = high


def _all_of_the_index(groups, first, second):
    groups[groups == second] = groups[first]


def _all_of_the_index_to_the_smaller(groups, first, second):
    groups[groups == second] = min(groups[first], groups[second])


def _all_of_second_to_the_index(groups, first, second):
    groups[groups == groups[second]] = first


def _direct(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[a], groups[b] = min(groups[a], b), min(groups[b], a)
    return groups


def _looked_up_once(count, pairs):
    groups = _by_pairs(_smaller_to_both)(count, pairs)
    return groups[groups]


def _root(parents, text):
    while parents[text] != text:
        text = parents[text]
    return text


def _by_roots(link, resolve=True):
    """Union-find; `link(parents, first, second)` joins the texts of a pair."""

    def answer(count, pairs):
        parents = np.arange(count)
        for first, second in pairs:
            link(parents, first, second)
        return np.array([_root(parents, text) if resolve else parents[text] for text in range(count)])

    return answer


def _root_to_root(parents, first, second):
    parents[_root(parents, second)] = _root(parents, first)


def _larger_root_to_smaller(parents, first, second):
    low, high = sorted((_root(parents, first), _root(parents, second)))
    parents[high] = low


def _second_to_root(parents, first, second):
    parents[second] = _root(parents, first)


def _by_sets(count, pairs):
    """Sets that grow by pairs, but of which no two are ever made one."""
    found = []
    for first, second in pairs.tolist():
        for each in found:
            if first in each or second in each:
                each.update((first, second))
                break
        else:
            found.append({first, second})
    groups = np.arange(count)
    for each in found:
        groups[sorted(each)] = min(each)
    return groups


_DUPLICATES = Question(
    id="imdb.duplicate_groups",
    title="Chains of near-duplicates",
    points=2,
    minutes=15,
    signature="duplicate_groups(count, pairs)",
    calls=_duplicates_calls,
    reference=_duplicate_groups,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "direct_only",
            _direct,
            "Texts that are linked directly come together, but a chain falls apart: the friends of a friend "
            "keep another number.",
            "With the pairs 0-5, 2-4 and 4-5 all of 0, 2, 4 and 5 are one group, though 0 and 2 are no "
            "pair. Which number does 2 have in your result, and what would have to tell it of 0?",
        ),
        Mistake(
            "partner",
            _by_pairs(_to_partner),
            "The second text of a pair gets the index of the first, even if that one already belongs to a "
            "group with a smaller number.",
            "With the pairs 0-1 and 1-2 your 2 gets the number 1, while 1 itself has 0. And if a text is the "
            "second of two pairs, the later one wipes out the earlier. Which numbers must meet in a pair?",
        ),
        Mistake(
            "handed_on",
            (_by_pairs(_to_partners_group), _by_roots(_second_to_root)),
            "You give one text the number of its partner, and what that text was linked to before keeps the "
            "old one.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 leaves the group of 0 and joins that of "
            "2. When two groups meet, who must change its number? Not only one text.",
        ),
        Mistake(
            "second_only",
            _by_pairs(_smaller_to_second),
            "Only the second text of a pair can change its number. If it is the second that already has the "
            "smaller one, the first never learns of it.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 has 0 and 4 has 2, and nothing changes. "
            "Whichever side has the larger number must change, and everyone else with that number, too.",
        ),
        Mistake(
            "one_pass",
            _by_pairs(_smaller_to_both),
            "The smaller number goes to both texts of a pair, but not to those that came to them by earlier "
            "pairs.",
            "Go through 0-5, 2-4, 4-5 by hand: after the third pair 4 has the number 0 and 2 still has 2. "
            "Either renumber a whole group when two meet, or go through the pairs until nothing changes.",
        ),
        Mistake(
            "few_passes",
            (_by_pairs(_smaller_to_both, 2), _by_pairs(_smaller_to_both, 3), _looked_up_once),
            "Short chains come together, but a long one does not: you hand the numbers on a fixed number of "
            "times.",
            "Each time the numbers move on by some links, and a chain may have more links than you have "
            "turns. How can your code find out by itself that it is done?",
        ),
        Mistake(
            "roots_not_followed",
            _by_roots(_larger_root_to_smaller, resolve=False),
            "You link the groups rightly, but what you return is each text's parent, and that may have a "
            "parent of its own.",
            "When the root of a group is hung below another, those that hang on it still name it. Follow the "
            "links of each text up to the end once more before you return.",
        ),
        Mistake(
            "sets_not_merged",
            _by_sets,
            "A pair whose two texts are in two groups already does not make them one: you add it to the "
            "first that fits.",
            "With the pairs 0-5, 2-4 and 4-5 you have {0, 5} and {2, 4} when the third comes. It belongs to "
            "both; what has to happen to the two sets?",
        ),
        Mistake(
            "another_member",
            (
                _by_pairs(_all_of_second),
                _by_pairs(_all_of_first),
                _by_pairs(_all_to_larger),
                _by_roots(_root_to_root),
            ),
            "The groups are right, but not all are called by their smallest member.",
            "When two groups meet, compare their two numbers. Which one may stay, whichever of the texts "
            "stands first in the pair?",
        ),
        Mistake(
            "index_for_number",
            (
                _by_pairs(_all_of_the_index),
                _by_pairs(_all_of_the_index_to_the_smaller),
                _by_pairs(_all_of_second_to_the_index),
            ),
            "After some pairs, a text's index and its group's number are two things. Which of the two do you "
            "look for in your groups, and which one do you write there?",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 has the number 0, and 4 has 2. What must "
            "be looked for are texts with one of these numbers; none has the number 5 any more.",
        ),
        Mistake(
            "renumbered",
            lambda count, pairs: imdb.duplicate_groups(count, pairs),
            "The groups are right, but they are counted through as 0, 1, 2. Which number was asked for?",
            "A group is called by its smallest member, so that there is one right answer: for 4 texts and "
            "the pair 1-3 it is [0, 1, 2, 1], and with a pair 0-1 no text would have the number 1.",
        ),
    ),
    hint="Begin with each text in a group of its own. A pair makes two groups one: every member of one of "
    "them gets the other's number.",
    more="Start with np.arange(count). For each pair, take the numbers that its two texts have now; if they "
    "differ, give all texts with the larger number the smaller one. Try the pairs 0-5, 2-4, 4-5 by hand.",
    example=(6, np.array([[0, 3], [1, 2], [2, 3]])),
)


# A split by groups


def _split_case(rng, labels, share, count=30, early=1, short=None):
    """Labels and groups: `count` groups with all labels, and many single examples.

    Single examples are enough to even out each label, and one group has 6 examples, so that each sensible
    order of taking groups comes near enough. In the numbering, groups stand everywhere, more of them at its
    beginning the larger `early` is. There, small labels are a little more frequent: who deals out each label
    by itself in the order of the numbers ends at different groups.

    `short` says, for each label, by how many examples the single ones are fewer than the test part must have:
    who deals out each label by itself, by size, then ends at different groups, too. Without it, there are
    hundreds of single ones.
    """
    extra = [[i // 2 % labels] if i % 2 else [] for i in range(count)]
    groups = [[*range(labels), *each] for each in extra]
    groups[:1] = [[i % labels for i in range(6)]][:count]
    held = np.bincount([label for group in groups for label in group], minlength=labels)
    alone = rng.integers(320, 360, size=labels)
    if short is not None:
        alone = np.floor((share * held - short) / (1 - share)).astype("int64")
    power = np.append(np.geomspace(1.15, 1 / 1.15, labels), early)
    places = [rng.permutation((np.arange(n) + rng.random(n)) / n) for n in [*alone, count]]
    places[-1][:1] = (
        0  # The largest is the first, lest it comes when one label is complete and others are not.
    )
    place = np.concatenate([each**p for each, p in zip(places, power, strict=True)])
    groups = [*np.repeat(np.arange(labels), alone)[:, None], *groups]
    names = np.sort(rng.choice(5 * len(groups), len(groups), replace=False))[np.argsort(np.argsort(place))]
    numbers = np.repeat(names, [len(group) for group in groups])
    order = rng.permutation(len(numbers))
    return np.concatenate(groups)[order], numbers[order], share


def _split_calls(rng):
    return [
        _split_case(rng, 2, 0.25),
        _split_case(rng, 2, 0.2, count=32, early=2.5),
        _split_case(rng, 2, 0.45, count=41, short=(1, 4)),
        Call(_split_case(rng, 3, 0.3), about="three labels"),
        Call(_split_case(rng, 3, 0.4, count=43, short=(1, 2.5, 4)), about="three labels"),
        Call(_split_case(rng, 2, 0.3, count=0), about="groups of one example each"),
    ]


def _test_part(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    part[imdb.stratified_split(labels, (1 - share, share), groups)[1]] = True
    return part


def _torn(part, names):
    """The names that stand in both parts."""
    return np.intersect1d(names[part], names[~part])


def _largest(groups):
    return int(np.unique(groups, return_counts=True)[1].max())


def _in_proportion(part, labels, groups, share, label):
    mine = labels == label
    return abs(part[mine].sum() - share * mine.sum()) <= _largest(groups) + 1e-9


def _judge_split(arguments, packed):
    labels, groups, share = arguments
    if not np.isin(packed[0], (0, 1)).all():
        return "The output must be boolean: True for the test part."
    part = packed[0].astype(bool)
    for group in _torn(part, groups):
        inside, size = int(part[groups == group].sum()), int((groups == group).sum())
        return f"Group {group} is in both parts: {inside} of its {size} examples are in the test part."
    for label in np.unique(labels):
        total, got = int((labels == label).sum()), int(part[labels == label].sum())
        if not _in_proportion(part, labels, groups, share, label):
            return (
                f"The test part must hold {share * total:.1f} of the {total} examples with label {label}, "
                f"give or take {_largest(groups)}. Received: {got}"
            )
    return None


def _recognised(test):
    """A recogniser out of a function of labels, groups, share and a boolean part."""

    def recognise(arguments, packed):
        labels, groups, share = arguments
        if packed[0].shape != labels.shape or not np.isin(packed[0], (0, 1)).all():
            return False
        return bool(test(labels, groups, share, packed[0].astype(bool)))

    return recognise


def _tears(part, groups):
    """Whether a group is torn, or none can be."""
    return _largest(groups) == 1 or len(_torn(part, groups)) > 0


def _numbers_returned(arguments, packed):
    """Recognises numbers of examples or of groups in place of a mask."""
    got = packed[0]
    return (
        got.ndim == 1
        and got.dtype.kind in "iu"
        and got.shape != arguments[0].shape
        and len(np.unique(got)) == len(got)
    )


def _third_label_off(labels, groups, share, part):
    known = np.unique(labels)
    right = [_in_proportion(part, labels, groups, share, label) for label in known]
    return not len(_torn(part, groups)) and all(right[:2]) and not all(right)


def _first_two_labels(others):
    """A split that keeps count of two labels only; groups without them are taken or not."""

    def split(labels, groups, share):
        counted = labels < 2
        part = np.zeros(len(labels), dtype=bool)
        part[counted] = _test_part(labels[counted], groups[counted], share)
        chosen = np.isin(groups, groups[part])
        return chosen | ~np.isin(groups, groups[counted]) if others else chosen

    return split


def _ungrouped(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        part[members[: round(share * len(members))]] = True
    return part


def _label_by_label(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        numbers, sizes = np.unique(groups[labels == label], return_counts=True)
        order = np.arange(len(numbers))[:: -1 if label else 1]  # It stands for another shuffle per label.
        taken = numbers[order][np.cumsum(sizes[order]) <= share * sizes.sum()]
        part |= (labels == label) & np.isin(groups, taken)
    return part


def _first_groups(labels, groups, share):
    numbers, sizes = np.unique(groups, return_counts=True)
    return np.isin(groups, numbers[np.cumsum(sizes) <= share * len(labels)])


def _share_of_groups(labels, groups, share):
    numbers = np.unique(groups)
    return np.isin(groups, numbers[: round(share * len(numbers))])


def _with_their_groups(labels, groups, share):
    return np.isin(groups, groups[_ungrouped(labels, groups, share)])


def _until_all_have_enough(labels, groups, share):
    known = np.unique(labels)
    missing = share * (labels[:, None] == known).sum(axis=0)
    part = np.zeros(len(labels), dtype=bool)
    for number in np.unique(groups):
        if (missing <= 0).all():
            break
        members = groups == number
        part |= members
        missing = missing - (labels[members][:, None] == known).sum(axis=0)
    return part


def _off(labels, groups, share, part, sign):
    """Whether no group is torn, and labels have only too many (or only too few) examples."""
    if len(_torn(part, groups)):
        return False
    known = np.unique(labels)
    excess = [sign * (part[labels == each].sum() - share * (labels == each).sum()) for each in known]
    return max(excess) > _largest(groups) + 1e-9 and min(excess) >= -_largest(groups) - 1e-9


_SPLIT = Question(
    id="imdb.split",
    title="A split that does not leak",
    points=4,
    minutes=30,
    signature="split_by_groups(labels, groups, share)",
    calls=_split_calls,
    reference=_test_part,
    judge=_judge_split,
    mistakes=(
        Mistake(
            "label_by_label",
            _label_by_label,
            "You deal out the groups once for each label. A group with both labels then gets two decisions, "
            "and its positive and its negative examples end up in different parts.",
            "Look at one group that is torn: the True and the False in it go by label. A group must be put "
            "into a part once, with all that is in it; only then update what each label is missing.",
            # Each label of a group is whole; a group is not, unless this call went well by luck.
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, 10 * groups + labels))
                    and (len(_torn(part, groups)) or _judge_split((labels, groups, share), [part]) is None)
                )
            ),
        ),
        Mistake(
            "nothing_chosen",
            (
                lambda labels, groups, share: np.zeros(len(labels), dtype=bool),
                lambda labels, groups, share: np.ones(len(labels), dtype=bool),
            ),
            "All examples are in the same part. Does your condition for taking a group ever hold, or ever "
            "fail?",
            "Print, for the first few groups, what is still missing of each label and what the group holds. "
            "In the beginning `share` of each label's total is missing; a single example must fit into that.",
            _recognised(lambda labels, groups, share, part: part.all() or not part.any()),
        ),
        Mistake(
            "numbers_returned",
            (
                lambda labels, groups, share: np.flatnonzero(_test_part(labels, groups, share)),
                lambda labels, groups, share: np.unique(groups[_test_part(labels, groups, share)]),
            ),
            "You return numbers, of examples or of groups. Asked for was one True or False for each example.",
            "The result has the shape of `labels`. np.isin(groups, chosen) makes it from chosen groups; from "
            "indices, an array of False in which these are set to True.",
            _numbers_returned,
        ),
        Mistake(
            "groups_ignored",
            _ungrouped,
            "Some groups have examples in both parts, so near-duplicates of test reviews are trained on. "
            "What is it that you deal out: examples or groups?",
            "Go through np.unique(groups), not through the examples. np.isin(groups, chosen) marks all "
            "examples of the chosen groups at once.",
            _recognised(lambda labels, groups, share, part: _tears(part, groups)),
        ),
        Mistake(
            "training_part",
            lambda labels, groups, share: ~_test_part(labels, groups, share),
            "All is well but for the sides: you mark the training part. True was to mean the test part, "
            "which holds `share` of the examples.",
            "Print the mean of your result: it should be about `share`, and it is about 1 - share.",
            _recognised(
                lambda labels, groups, share, part: _judge_split((labels, groups, share), [~part]) is None
            ),
        ),
        Mistake(
            "third_label_ignored",
            (_first_two_labels(True), _first_two_labels(False)),
            "With two labels all is right. With three, the third is not in proportion: your code only counts "
            "labels 0 and 1.",
            "There may be two or three labels; which ones, np.unique(labels) says. Keep one count for each "
            "of them, and let a group fit only if it fits into all counts.",
            _recognised(_third_label_off),
        ),
        Mistake(
            "labels_ignored",
            _first_groups,
            "No group is torn and the size is right, but the labels are not in proportion. When you take a "
            "group, what do you count: its examples, or those of each of its labels?",
            "Keep a count of what the test part still misses of each label, in the beginning share times "
            "its total. A group with two labels takes from two counts: what must it fit into before you "
            "take it?",
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, groups))
                    and abs(part.sum() - share * len(part)) <= _largest(groups) + 1e-9
                )
            ),
        ),
        Mistake(
            "share_of_groups",
            _share_of_groups,
            "No group is torn and you took the right share of the groups. But groups differ in size; it is "
            "the examples that were to be shared out.",
            "With one group of 9 and nine single texts, half of the groups may be 13 or 5 of the 18 "
            "examples. Count examples while you take groups, for each label.",
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, groups))
                    and abs(len(np.unique(groups[part])) - share * len(np.unique(groups))) <= 2
                )
            ),
        ),
        Mistake(
            "too_many",
            (_with_their_groups, _until_all_have_enough),
            "No group is torn, but the test part has too much of some label, and of none too little. Is "
            "something added when that label has enough already?",
            "Whatever adds examples must be counted, those that come along with their group, too, and for "
            "each label. A group is taken only if none of its labels then has more than its share.",
            _recognised(lambda labels, groups, share, part: _off(labels, groups, share, part, 1)),
        ),
        Mistake(
            "too_few",
            (
                lambda labels, groups, share: _test_part(labels, groups, share / 2),
                lambda labels, groups, share: _test_part(labels, groups, share) & (groups % 2 == 0),
            ),
            "No group is torn, but the test part has too little of some label, and of none too much. Do you "
            "stop too early, or leave groups out?",
            "When a group does not fit, go on with the next: a smaller one may fit, and the many single "
            "examples at the end fill up what is missing of each label.",
            _recognised(lambda labels, groups, share, part: _off(labels, groups, share, part, -1)),
        ),
    ),
    hint="Count what the test part should get of each label. Then go through the groups, large ones first, "
    "and take one whole if it fits into what is still missing of every label.",
    more="np.unique(groups, return_counts=True) gives numbers and sizes. For each group, count its examples "
    "of each label; if no count is above what is missing, take the group and subtract the counts. The many "
    "single examples at the end fill up what is left. np.isin(groups, chosen) is the result.",
    example=(np.array([0, 1, 0, 0, 1, 1, 0, 1]), np.array([3, 3, 5, 6, 8, 9, 12, 12]), 0.25),
)


# Agreement


def _kappa_calls(rng):
    first = rng.permutation(np.repeat([0, 1], 20))
    rare = rng.permutation(np.repeat([0, 1], [50, 10]))
    kinds = np.array(["plain", "negation", "mixed"])
    truth = rng.permutation(np.repeat([0, 1, 2], [14, 8, 4]))
    agreed = kinds[truth], kinds[np.where(rng.permutation(26) < 6, (truth + 1) % 3, truth)]
    less = first, np.where(rng.permutation(40) < int(rng.integers(26, 34)), 1 - first, first)
    return [
        (np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0])),
        (first, np.where(rng.permutation(40) < 12, 0, first)),
        Call(less, about="less agreement than by chance"),
        (rare, np.roll(rare, 1)),
        Call(agreed, about="strings as labels"),
        Call((kinds[truth], kinds[truth]), about="full agreement"),
        Call(
            (np.zeros(5, dtype="int64"), np.repeat([0, 3], [4, 1])), about="an annotator with a single label"
        ),
        Call((np.full(4, 2), np.full(4, 2)), about="the same one label everywhere"),
    ]


def _frequencies(first, second):
    labels = np.union1d(first, second)
    return [np.array([np.mean(each == label) for label in labels]) for each in (first, second)]


def _by_formula(agreement, chance):
    return (agreement - chance) / (1 - chance)


def _kappa_with(chance, formula=_by_formula):
    """Kappa with another idea of chance, a function of both annotators' frequencies, or another formula."""

    def kappa(first, second):
        with np.errstate(all="ignore"):
            expected = np.float64(chance(*_frequencies(first, second)))
            return formula(np.mean(first == second), expected)

    return kappa


def _right_chance(one, two):
    return one @ two


def _counted_chance(over):
    """Kappa with chance from counts, divided by a function of the number of items."""

    def kappa(first, second):
        with np.errstate(all="ignore"):
            one, two = (len(first) * each for each in _frequencies(first, second))
            return _by_formula(np.mean(first == second), one @ two / over(len(first)))

    return kappa


def _in_the_end(change):
    return lambda first, second: change(imdb.cohen_kappa(first, second))


def _of_ones(first, second):
    one, two = first.mean(), second.mean()
    with np.errstate(all="ignore"):
        return _by_formula(np.mean(first == second), one * two + (1 - one) * (1 - two))


def _of_zeros_and_ones(first, second):
    chance = sum(np.mean(first == label) * np.mean(second == label) for label in (0, 1))
    with np.errstate(all="ignore"):
        return _by_formula(np.mean(first == second), chance)


def _of_counts(first, second):
    chance = (np.bincount(first) / len(first)) @ (np.bincount(second) / len(second))
    with np.errstate(all="ignore"):
        return _by_formula(np.mean(first == second), chance)


def _of_counts_up_to_largest(first, second):
    size = max(first.max(), second.max()) + 1
    one, two = (np.bincount(each, minlength=size) / len(each) for each in (first, second))
    with np.errstate(all="ignore"):
        return _by_formula(np.mean(first == second), one @ two)


def _of_table(first, second):
    table = np.zeros((len(np.union1d(first, second)),) * 2)
    for one, two in zip(first, second, strict=True):
        table[one, two] += 1 / len(first)
    with np.errstate(all="ignore"):
        return _by_formula(np.trace(table), table.sum(axis=0) @ table.sum(axis=1))


def _in_python_floats(first, second):
    return _by_formula(float(np.mean(first == second)), float(_right_chance(*_frequencies(first, second))))


def _joint_chance(first, second):
    together = [np.mean((first == label) & (second == label)) for label in np.union1d(first, second)]
    with np.errstate(all="ignore"):
        return _by_formula(np.mean(first == second), np.sum(together))


def _zero_without_rounding(first, second):
    return math.nan if (first == second).all() else 0.0


def _nan_for_one_habit(first, second):
    if any(len(np.unique(each)) == 1 for each in (first, second)):
        return math.nan
    return imdb.cohen_kappa(first, second)


_KAPPA = Question(
    id="imdb.cohen_kappa",
    title="Agreement beyond chance",
    points=1,
    minutes=10,
    signature="cohen_kappa(first, second)",
    calls=_kappa_calls,
    reference=lambda first, second: imdb.cohen_kappa(first, second),
    mistakes=(
        Mistake(
            "agreement",
            lambda first, second: np.mean(first == second),
            "You return the share of items on which the two agree. Two people who toss coins agree on half "
            "of them; kappa was to be 0 then.",
            "Compute how often they would agree if each kept the frequencies of their labels and ignored "
            "the items. Which part of your number is only that, and how much could be above it?",
        ),
        Mistake(
            "undivided",
            _kappa_with(_right_chance, lambda agreement, chance: agreement - chance),
            "You subtract chance, but perfect agreement does not give 1 in your result.",
            "With two labels used equally often, chance is 0.5, so perfect agreement leaves 1 - 0.5. What "
            "is the most that observed agreement can be above chance?",
        ),
        Mistake(
            "another_denominator",
            (
                _kappa_with(_right_chance, lambda agreement, chance: (agreement - chance) / chance),
                _kappa_with(_right_chance, lambda agreement, chance: (agreement - chance) / (1 - agreement)),
            ),
            "You subtract chance, and then divide by something else than what the two could reach beyond "
            "chance.",
            "Perfect agreement must give 1, whatever chance is. Put 1 for the observed agreement: what must "
            "the denominator be?",
        ),
        Mistake(
            "uniform_chance",
            (_kappa_with(lambda one, two: 1 / len(one)), _kappa_with(lambda one, two: 0.5)),
            "Your chance agreement takes all labels for equally frequent. Do these annotators use them "
            "equally often?",
            "Two moderators who mark 3 of 100 comments each agree on about 94 of 100 by luck, not on 50. "
            "For each label, with which probability do both give it?",
        ),
        Mistake(
            "pooled_chance",
            _kappa_with(lambda one, two: np.sum(((one + two) / 2) ** 2)),
            "You pool the labels of both annotators before you compute chance. That is another statistic, "
            "Scott's pi; Cohen's lets each have their own habits.",
            "If one always says 0 and the other 0 or 3, luck agrees exactly where the second says 0. Which "
            "two frequencies of the label 0 have to be multiplied?",
        ),
        Mistake(
            "one_annotators_chance",
            (_kappa_with(lambda one, two: one @ one), _kappa_with(lambda one, two: two @ two)),
            "Your chance agreement is that of one annotator with themselves: you square the frequencies of "
            "one.",
            "For each label the two frequencies that are multiplied come from different people: how often "
            "does the first give it, and how often the second?",
        ),
        Mistake(
            "joint_chance",
            (_joint_chance, _zero_without_rounding),
            "Your kappa is 0, but for rounding, or not a number, whoever labels: as chance agreement you "
            "count how often the two really agree.",
            "How often both give a label to the same item is the observed agreement. By chance is what would "
            "be if neither looked at the items: which two shares, each of one person, are multiplied?",
        ),
        Mistake(
            "counts_for_shares",
            (_counted_chance(lambda n: 1), _counted_chance(lambda n: n)),
            "Your chance agreement is larger than 1, which no share can be. Do you multiply counts where "
            "shares were asked for?",
            "Of 4 items two have the label 1: the share is 2/4. A product of two counts must be divided by "
            "the number of items once for each of them.",
        ),
        Mistake(
            "certain_labels",
            (_of_ones, _of_zeros_and_ones, _of_counts, _of_counts_up_to_largest, _of_table),
            "Your code counts on certain labels, such as 0 and 1. Labels may be any integers, or strings.",
            "Try first = ['a', 'b', 'c'] and second = ['a', 'b', 'b'], as arrays. Which labels there are, "
            "the data say: go through np.unique of both together.",
        ),
        Mistake(
            "never_negative",
            (
                _in_the_end(lambda kappa: kappa if math.isnan(kappa) else max(kappa, 0.0)),
                _in_the_end(lambda kappa: max(0.0, kappa)),
                _in_the_end(abs),
            ),
            "Where the two agree less often than luck would, your result is not negative. What does the "
            "formula give?",
            "Kappa is negative when two annotators agree less than by chance, for example because one has "
            "exchanged the labels. That is worth knowing, so its sign is kept.",
        ),
        Mistake(
            "one_label_agrees",
            (
                _in_the_end(lambda kappa: 1.0 if math.isnan(kappa) else kappa),
                _in_the_end(lambda kappa: 0.0 if math.isnan(kappa) else kappa),
                _in_python_floats,
            ),
            "All is right but for the case in which both give the same one label to everything: nothing "
            "can be told then, and NaN was asked for.",
            "With a single label, chance agreement is 1 already: there is nothing beyond it to reach, and "
            "the fraction is 0/0. Look at the denominator before you divide.",
        ),
        Mistake(
            "nan_too_often",
            _nan_for_one_habit,
            "You return NaN too often. Kappa is not defined only where both give the same one label to all "
            "items, that is, where the denominator is 0.",
            "If one always says 0 and the other 0 or 3, chance agreement is the share of the second's zeros, "
            "which is below 1. So kappa is a number; which one?",
        ),
    ),
    hint="The formula needs two numbers: the share of equal labels, and the sum over labels of the product "
    "of the two annotators' frequencies.",
    more="np.mean(first == second) is the observed agreement. For chance, go through all labels that occur "
    "in either array: np.mean(first == label) times np.mean(second == label), added up. Then the formula; "
    "where its denominator is 0, NaN.",
    example=(np.array([1, 1, 2, 2, 3]), np.array([1, 1, 2, 3, 3])),
)


# WordPiece


def _wordpiece_calls(rng):
    stems = rng.permutation(["film", "watch", "heart", "break", "laugh", "dream", "sound", "dance"])
    a, b, c = (str(stem) for stem in stems[:3])
    letters = "abcdefghijklmnoprstuvwy"
    vocabulary = ["[PAD]", "[UNK]", *letters, *("##" + letter for letter in letters)]
    vocabulary += [a, b, a[:2], "un", "##" + a, "##able", "##ab", "##ing", "##ly", "##" + c]
    vocabulary += [a.capitalize(), b + c + "able"]
    vocabulary = [str(piece) for piece in rng.permutation(vocabulary)]
    # The longest start leaves a rest that cannot be split, though a shorter one would not.
    trap = ["re", "re" + c[0], "##" + c, "[UNK]", c]
    return [
        Call((a, vocabulary), about="a word of the vocabulary"),
        (f"un{a}able", vocabulary),
        (f"{b}ingly", vocabulary),
        Call((a + b, vocabulary), about="a piece inside that is there without ## only"),
        Call((f"{a}qing", vocabulary), about="an unknown character inside"),
        Call(("北", vocabulary), about="an unknown character alone"),
        Call(("re" + c, trap), about="a start after which nothing fits"),
        Call((c, ["##" + c, a]), about="a start that is there with ## only"),
        Call((f"un{a}s", vocabulary), about="a single letter at the end"),
        Call((a[0], vocabulary), about="a word of one letter"),
        Call((f"{a.capitalize()}ing", vocabulary), about="a capital"),
        Call((f"{b}{c}ables", vocabulary), about="a long piece"),
    ]


def _pieces(
    word,
    vocabulary,
    inside=("##",),
    at_start=("",),
    choose=max,
    ends=lambda word, start: range(start + 1, len(word) + 1),
    unknown=lambda pieces: ["[UNK]"],
):
    """Greedy pieces, with a part replaced.

    Args:
        word: The word.
        vocabulary: The vocabulary.
        inside: What may stand before a piece inside the word; the first is preferred.
        at_start: The same for its start.
        choose: Picks one of the ends that fit.
        ends: Makes the ends that are tried.
        unknown: Makes the result, or None to go on, from the pieces before an unknown one.
    """
    pieces, start = [], 0
    while start < len(word):
        fits = {}
        for prefix in reversed(inside if start else at_start):
            fits |= {
                end: prefix + word[start:end]
                for end in ends(word, start)
                if prefix + word[start:end] in vocabulary
            }
        if not fits and (result := unknown(pieces)) is not None:
            return result
        end = choose(fits) if fits else start + 1
        pieces.append(fits[end] if fits else "[UNK]")
        start = end
    return pieces


def _split_with(**parts):
    return functools.partial(_pieces, **parts)


def _first_in_list(word, vocabulary):
    pieces = []
    while word:
        prefix = "##" if pieces else ""
        fits = [
            piece
            for piece in vocabulary
            if piece.startswith(prefix) and word.startswith(piece[len(prefix) :]) and piece != prefix
        ]
        if not fits:
            return ["[UNK]"]
        pieces.append(fits[0])
        word = word[len(fits[0]) - len(prefix) :]
    return pieces


def _backtracking(word, vocabulary, start=0):
    prefix = "##" if start else ""
    for end in range(len(word), start, -1):
        if prefix + word[start:end] in vocabulary:
            rest = _backtracking(word, vocabulary, end) if end < len(word) else []
            if rest != ["[UNK]"]:
                return [prefix + word[start:end], *rest]
    return ["[UNK]"]


def _text_for_unknown(word, vocabulary):
    pieces = _pieces(word, vocabulary)
    return "[UNK]" if pieces == ["[UNK]"] else pieces


_WORDPIECE = Question(
    id="imdb.wordpiece",
    title="Greedy WordPiece",
    points=2,
    minutes=15,
    signature="wordpiece(word, vocabulary)",
    calls=_wordpiece_calls,
    reference=lambda word, vocabulary: imdb.wordpiece(word, set(vocabulary)),
    returns=("texts",),
    mistakes=(
        Mistake(
            "shortest_first",
            _split_with(choose=min),
            "You take the shortest piece that fits, so words fall into letters. Which one was to be taken?",
            "At each place try the whole rest of the word first, then the rest without its last character, "
            "and so on. A word that is in the vocabulary is one piece.",
        ),
        Mistake(
            "first_in_list",
            _first_in_list,
            "You take the first piece of the vocabulary that fits. The vocabulary has no special order; of "
            "all that fit, which was to be taken?",
            "Several pieces of the vocabulary may begin at the same place, such as a letter and a whole "
            "word. Go through the ends of the word instead, from far to near, and ask whether the piece is "
            "there.",
        ),
        Mistake(
            "without_hashes",
            _split_with(inside=("",)),
            "The pieces inside a word have no ## in your result, and you looked them up without it: as if a "
            "new word began there.",
            "Two pieces in the vocabulary, able and ##able, are different ids. What has to stand before "
            "word[start:end] when start is not 0, before you look it up?",
        ),
        Mistake(
            "either",
            (
                _split_with(inside=("##", "")),
                _split_with(inside=("", "##")),
                _split_with(inside=("##", ""), at_start=("", "##")),
                _split_with(at_start=("", "##")),
                _split_with(at_start=("##", "")),
            ),
            "At some place you take a piece with ## where one without was asked for, or the other way round.",
            "At the start of the word only pieces without ## count, further inside only those with it. So at "
            "each place there is just one way to write what you look up.",
        ),
        Mistake(
            "hashes_at_start",
            _split_with(at_start=("##",)),
            "You look for ## already at the start of the word, where nothing is continued.",
            "The first piece is looked up as it is, all others with ## before them. What tells you in your "
            "loop that a piece is the first?",
        ),
        Mistake(
            "hashes_dropped",
            lambda word, vocabulary: [piece.removeprefix("##") for piece in _pieces(word, vocabulary)],
            "You split at the right places, but the pieces in your list have lost their ##. They are no "
            "longer the vocabulary's names.",
            "Each piece of the result must be looked up in the embedding table, so it must be in the "
            "vocabulary exactly as it is written there. Add to the list what you looked up.",
        ),
        Mistake(
            "last_end_left_out",
            _split_with(ends=lambda word, start: range(start + 1, len(word))),
            "You never try the whole rest of a word, so that none can ever be finished. Up to where does "
            "your inner loop go?",
            "For a word of 4 letters the piece word[0:4] must be tried, and range(4) ends with 3. Print all "
            "ends that your inner loop tries for a short word.",
        ),
        Mistake(
            "single_letters_left_out",
            _split_with(ends=lambda word, start: range(start + 2, len(word) + 1)),
            "You never try a piece of a single letter. Down to where does your inner loop go?",
            "If nothing longer fits, word[start:start + 1] is still to be tried. Print all ends that your "
            "inner loop tries for a short word.",
        ),
        Mistake(
            "pieces_kept",
            (
                _split_with(unknown=lambda pieces: [*pieces, "[UNK]"]),
                _split_with(unknown=lambda pieces: [*pieces, "##[UNK]"] if pieces else ["[UNK]"]),
            ),
            "Where the rest of a word cannot be split, you keep the pieces before it. What was asked for if "
            "any part is unknown?",
            "BERT's rule is all or nothing: a word has a split into pieces of the vocabulary, or the word "
            "as a whole is [UNK]. Return a list with that one piece.",
        ),
        Mistake(
            "rest_dropped",
            (
                _split_with(unknown=lambda pieces: pieces),
                _split_with(unknown=lambda pieces: pieces or ["[UNK]"]),
            ),
            "Where the rest of a word cannot be split, you stop and return what you have: nothing shows that "
            "something is missing.",
            "If no piece fits at some place, the result for the whole word is the list ['[UNK]'], whatever "
            "was found before. Leaving only the loop does not do that.",
        ),
        Mistake(
            "characters_unknown",
            _split_with(unknown=lambda pieces: None),
            "An unknown character becomes [UNK] in the middle of your list, and you go on behind it. What "
            "was asked for if any part is unknown?",
            "BERT's rule is all or nothing: as soon as no piece fits at some place, the result for the "
            "whole word is the list ['[UNK]'].",
        ),
        Mistake(
            "word_for_unknown",
            (
                lambda word, vocabulary: (
                    [word] if _pieces(word, vocabulary) == ["[UNK]"] else _pieces(word, vocabulary)
                ),
                _split_with(unknown=lambda pieces: []),
            ),
            "Words that can be split come out right. For the others your list does not hold what was asked "
            "for.",
            "A word that cannot be split has no id, nor has an empty list. There is a piece in BERT's "
            "vocabulary that stands for all such words.",
        ),
        Mistake(
            "lower_case",
            lambda word, vocabulary: _pieces(word.lower(), vocabulary),
            "Words in small letters are right. What do you do to a word before you look it up?",
            "Film and film are two pieces here. Whether a model tells them apart is decided before its words "
            "are split; look the word up as it is given.",
        ),
        Mistake(
            "text_for_unknown",
            _text_for_unknown,
            "Words that can be split come out right. For the others your function does not return a list of "
            "pieces.",
            "Whoever calls it will go through the result piece by piece, and the pieces of a str are its "
            "characters. A list with the one piece [UNK] was asked for.",
        ),
        Mistake(
            "backtracking",
            _backtracking,
            "You find splits where the greedy rule finds none: when the rest does not fit, you go back and "
            "try a shorter piece before it. That is cleverer than BERT, and gives other ids.",
            "Greedy means that a piece once taken stays. With un, una and ##able, the word unable begins "
            "with una; the rest ble fits nothing, so the word is [UNK].",
        ),
    ),
    hint="Two loops: the outer one walks through the word from piece to piece, the inner one tries ends "
    "from the last to the first.",
    more="Keep the place where the next piece starts. From there try word[start:end] for end from len(word) "
    "down to start + 1, with ## before it if start is not 0. The first that is in the vocabulary is taken, "
    "and start becomes its end; if none is, return at once.",
    example=("playing", ["p", "play", "##i", "##ing", "ing"]),
)


# Truncation


def _truncate_calls(rng):
    def ids(count):
        return [int(n) for n in rng.integers(1000, 30000, size=count)]

    return [
        (ids(8), 3, "head"),
        (ids(8), 3, "tail"),
        (ids(8), 4, "both"),
        Call((ids(9), 5, "both"), about="both ends and an odd `length`"),
        Call((ids(int(rng.integers(10, 30))), 7, "both"), about="both ends and an odd `length`"),
        Call((ids(5), 1, "both"), about="both ends and `length` 1"),
        (ids(4), 0, "tail"),
        Call((ids(3), 4, "both"), about="a sequence shorter than `length`"),
        (ids(4), 4, "tail"),
        ([], 3, "head"),
        (ids(3), 0, "both"),
        Call((ids(3), 5, "tail"), about="a sequence shorter than `length`"),
        (ids(3), 0, "head"),
        Call((ids(2), 7, "both"), about="a sequence shorter than `length`"),
    ]


def _cut(token_ids, length, how, head=lambda length: (length + 1) // 2, tail=lambda length: length // 2):
    """The right cut, but for the sizes of the two parts in "both"."""
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[: head(length)] + token_ids[len(token_ids) - tail(length) :]


def _minus_zero(*hows):
    """A cut that counts the tail from the end in these ways of cutting."""

    def truncate(token_ids, length, how):
        if how not in hows or len(token_ids) <= length:
            return imdb.truncate(token_ids, length, how)
        head = 0 if how == "tail" else (length + 1) // 2
        return token_ids[:head] + token_ids[-(length - head) :]

    return truncate


def _both_halves_down(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[: length // 2] + token_ids[-(length // 2) :]


def _halves_of_anything(token_ids, length, how):
    if how == "head":
        return token_ids[:length]
    half = length // 2
    return token_ids[-length:] if how == "tail" else token_ids[:half] + token_ids[-half:]


def _overlapping(token_ids, length, how):
    if how != "both":
        return imdb.truncate(token_ids, length, how)
    head, tail = (length + 1) // 2, length // 2
    return token_ids[:head] + token_ids[max(0, len(token_ids) - tail) :]


def _from_the_front(*hows):
    """A cut that counts the start of the tail from the front, also where that is below 0."""

    def truncate(token_ids, length, how):
        if how not in hows:
            return imdb.truncate(token_ids, length, how)
        head = 0 if how == "tail" else (length + 1) // 2
        return token_ids[:head] + token_ids[len(token_ids) - (length - head) :]

    return truncate


def _half_of_text(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    half = len(token_ids) // 2
    return token_ids[:half] + token_ids[len(token_ids) - half :]


def _backwards(token_ids, length, how):
    if how == "head" or len(token_ids) <= length:
        return token_ids[:length]
    head = 0 if how == "tail" else (length + 1) // 2
    return token_ids[:head] + token_ids[::-1][: length - head]


def _tail_before_head(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[len(token_ids) - length // 2 :] + token_ids[: (length + 1) // 2]


_TRUNCATE = Question(
    id="imdb.truncate",
    title="Which end to keep",
    points=1,
    minutes=10,
    signature="truncate(token_ids, length, how)",
    calls=_truncate_calls,
    reference=lambda token_ids, length, how: imdb.truncate(token_ids, length, how),
    mistakes=(
        Mistake(
            "minus_zero",
            (_minus_zero("tail", "both"), _minus_zero("both"), _minus_zero("tail")),
            "All is right until nothing is to be kept of the tail: then you keep everything. What is -0?",
            "ids[-k:] holds the last k ids for k = 1, 2, 3, but ids[-0:] is ids[0:]. With both ends and "
            "length 1 the tail gets 0, too. Count the start of the tail from the front instead.",
        ),
        Mistake(
            "negative_start",
            (_from_the_front("tail"), _from_the_front("tail", "both"), _from_the_front("both")),
            "A sequence shorter than `length` does not come back whole: you lose its beginning, or have a "
            "part of it twice. What is len(token_ids) - length there?",
            "Below 0 a slice's start counts from the end. Which sequences need no cut at all, and when is it "
            "best to find that out?",
        ),
        Mistake(
            "tail_larger",
            functools.partial(_cut, head=lambda length: length // 2, tail=lambda length: (length + 1) // 2),
            "With an odd length you give the extra token to the tail; it was to go to the head.",
            "Of 5 tokens the head has 3 and the tail 2. Integer division rounds down: what must be added to "
            "the length before it?",
        ),
        Mistake(
            "one_short",
            (
                functools.partial(_cut, head=lambda length: length // 2),
                _both_halves_down,
                _halves_of_anything,
            ),
            "With an odd length your result has a wrong number of tokens: both halves are rounded down.",
            "Of 5 tokens the head has 3 and the tail 2; yours have 2 each. If you know how long the head "
            "is, how long is the tail?",
        ),
        Mistake(
            "one_long",
            functools.partial(_cut, tail=lambda length: (length + 1) // 2),
            "With an odd length your result is one token longer than `length`: both halves are rounded up.",
            "Of 5 tokens the head has 3 and the tail 2; yours have 3 each. If you know how long the head "
            "is, how long is the tail?",
        ),
        Mistake(
            "whole_at_each_end",
            functools.partial(_cut, head=lambda length: length, tail=lambda length: length),
            "With both ends you keep `length` tokens of each, twice as many as asked for.",
            "At most `length` tokens remain in all. With 5, the head has 3 of them and the tail 2.",
        ),
        Mistake(
            "half_of_text",
            _half_of_text,
            "With both ends you keep half of the sequence at each end, so that next to nothing is cut. What "
            "was to be halved?",
            "At most `length` tokens remain. With 5, the head has 3 of them and the tail 2, however long the "
            "sequence is.",
        ),
        Mistake(
            "overlapping",
            _overlapping,
            "A sequence shorter than `length` comes out wrong with both ends: its middle is in the head and "
            "in the tail.",
            "For [1, 2, 3] and length 4 the head is [1, 2] and the tail [2, 3]: together the 2 is there "
            "twice. What should happen to a sequence that needs no cut?",
        ),
        Mistake(
            "ends_exchanged",
            lambda ids, length, how: imdb.truncate(
                ids, length, {"head": "tail", "tail": "head"}.get(how, how)
            ),
            "Head and tail have changed places: you return the last tokens for one and the first for the "
            "other.",
            '"head" says what is kept, not what is cut off: of [1, 2, 3, 4] with length 1 it keeps [1].',
        ),
        Mistake(
            "tail_before_head",
            _tail_before_head,
            "With both ends the right tokens are there, but the end of the review stands before its "
            "beginning.",
            "Tokens keep their order. Of [1, 2, 3, 4, 5, 6] with length 3 the result is [1, 2, 6].",
        ),
        Mistake(
            "backwards",
            _backwards,
            "The tail has the right tokens, but in reversed order: the review now reads backwards.",
            "Of [1, 2, 3, 4] the last two are [3, 4], yours are [4, 3]. Take a slice that ends at the end "
            "instead of turning the list round.",
        ),
    ),
    hint="First return what needs no cut. Then find how many tokens the head gets, 0 for the tail alone; "
    "the rest of `length` comes from the end.",
    more="Three numbers: the head's share of `length`, the tail's, and where the tail starts, counted from "
    "the front. The shares are (length, 0), (0, length), or the larger and the smaller half. Try lengths 0 "
    "and 1.",
    example=([10, 20, 30, 40, 50, 60, 70], 5, "both"),
)


# Padding


def _pad_calls(rng):
    def ids(*lengths):
        return [[int(n) for n in rng.integers(100, 30000, size=length)] for length in lengths]

    inside = ids(3, 5, 2)
    inside[0][1] = 0
    again = ids(2, 3)
    again[1][1] = 9
    return [
        (ids(4, 2, 3),),
        (ids(*(int(n) for n in rng.integers(2, 9, size=3)), 1, 10),),
        Call((inside,), about="a token of the id 0"),
        Call((ids(2, 0, 4), 1), about="an empty sequence and `pad_id` 1"),
        Call((ids(3, 3), 0), about="sequences of one length"),
        (ids(1, 5), 7),
        Call((again, 9), about="a token of the id `pad_id`"),
    ]


def _padded(sequences, pad_id=0, width=max, left=False):
    """Rows of equal width, which is a function of the lengths."""
    width = width(map(len, sequences))
    token_ids = np.full((len(sequences), width), pad_id)
    mask = np.zeros(token_ids.shape, dtype=bool)
    for i, sequence in enumerate(sequences):
        cut = sequence[:width]
        place = slice(width - len(cut), None) if left else slice(len(cut))
        token_ids[i, place], mask[i, place] = cut, True
    return token_ids, mask


def _wide(change):
    return lambda sequences, pad_id=0: _padded(sequences, pad_id, lambda lengths: change(max(lengths)))


def _masked(change):
    """Padding with another mask, a function of the ids, the right mask and `pad_id`."""

    def answer(sequences, pad_id=0):
        token_ids, mask = _padded(sequences, pad_id)
        return token_ids, change(token_ids, mask, pad_id)

    return answer


def _left_in_rows_only(sequences, pad_id=0):
    return _padded(sequences, pad_id, left=True)[0], _padded(sequences, pad_id)[1]


_PAD = Question(
    id="imdb.pad",
    title="Padding and its mask",
    points=1,
    minutes=10,
    signature="pad(sequences, pad_id=0)",
    calls=_pad_calls,
    reference=lambda sequences, pad_id=0: imdb.pad(sequences, pad_id=pad_id),
    returns=("array", "array"),
    names=("token_ids", "padding_mask"),
    dtypes=("int", None),
    mistakes=(
        Mistake(
            "left",
            (functools.partial(_padded, left=True), _left_in_rows_only),
            "Your padding stands before the text, so a row no longer begins with the first token of its "
            "sequence.",
            "[5, 6] in a batch of width 3 becomes [5, 6, 0]; yours is [0, 5, 6]. BERT learned its positions "
            "with the padding at the end.",
        ),
        Mistake(
            "mask_from_ids",
            _masked(lambda ids, mask, pad_id: ids != pad_id),
            "The ids are right, but the mask hides tokens of the text: those whose id happens to be "
            "`pad_id`.",
            "After padding, a pad token and a token of the text with that id look alike. What do you know "
            "about each row before padding that tells them apart?",
        ),
        Mistake(
            "mask_from_zero",
            (_masked(lambda ids, mask, pad_id: ids != 0), _masked(lambda ids, mask, pad_id: ids > 0)),
            "The ids are right, but your mask is True wherever an id is not 0. The padding is not always 0, "
            "and a 0 is not always padding.",
            "With `pad_id` 1 your mask shows the padding as text; and [5, 0] holds two tokens, so its mask "
            "must be [True, True]. Do not ask the ids: what do you know about each row before padding?",
        ),
        Mistake(
            "mask_inverted",
            (
                _masked(lambda ids, mask, pad_id: ~mask),
                _masked(lambda ids, mask, pad_id: ids == pad_id),
                _masked(lambda ids, mask, pad_id: ids == 0),
            ),
            "The ids are right, but your mask is True where the padding is. What does True mean in lesson "
            "01's masks, and in Keras?",
            "True marks what may be attended to: tokens. The row [5, 6, 0] of a sequence of 2 has the mask "
            "[True, True, False].",
        ),
        Mistake(
            "mask_full",
            _masked(lambda ids, mask, pad_id: np.ones_like(mask)),
            "Your mask is True everywhere, as if nothing were padding. Do you look at the lengths before or "
            "after the sequences have been filled up?",
            "If you lengthen a list itself, len() counts the padding, too. Keep the lengths first, or make "
            "new rows and leave the sequences as they are.",
        ),
        Mistake(
            "other_types",
            (
                _masked(lambda ids, mask, pad_id: mask.astype(int)),
                lambda sequences, pad_id=0: tuple(each.astype(float) for each in _padded(sequences, pad_id)),
            ),
            "All numbers are right, and all places. What is not right is their type: ids are integers, and a "
            "mask is of True and False.",
            "As an index, 1 and 0 would name places instead of choosing them, and 1.0 is no row of a table. "
            "np.full and np.zeros take a `dtype`, a comparison gives booleans by itself, and arrays have a "
            "method that converts them.",
        ),
        Mistake(
            "exchanged",
            lambda sequences, pad_id=0: _padded(sequences, pad_id)[::-1],
            "Both arrays are right, but they have changed places.",
            "Whoever calls it writes token_ids, padding_mask = pad(...). Which one comes first?",
        ),
        Mistake(
            "pad_id_ignored",
            lambda sequences, pad_id=0: _padded(sequences),
            "You always fill up with 0. Not every vocabulary has its pad token there.",
            "The second argument says which id fills the rows; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code, or does it come from np.zeros?",
        ),
        Mistake(
            "too_wide",
            (
                *(_wide(lambda width, fixed=fixed: fixed) for fixed in (128, 256, 512)),
                _wide(lambda width: width + 1),
                _wide(lambda width: -(-width // 8) * 8),
                _wide(lambda width: -(-width // 16) * 16),
            ),
            "Your rows are wider than the longest sequence. The batch was to be just as wide as that one.",
            "With sequences of 4, 2 and 3 tokens the shape is (3, 4). All that is wider is work on padding.",
        ),
        Mistake(
            "too_narrow",
            (
                functools.partial(_padded, width=min),
                functools.partial(_padded, width=lambda lengths: next(iter(lengths))),
            ),
            "Your rows are not as wide as the longest sequence, so tokens of the text are cut off.",
            "With sequences of 2, 4 and 3 tokens the shape is (3, 4). Which of the three lengths is the "
            "width?",
        ),
    ),
    hint="Find the width, make an array full of `pad_id`, and write each sequence to the start of its row. "
    "The mask follows from the lengths.",
    more="The width is the largest length. np.full makes the ids, np.zeros with dtype=bool the mask; then, "
    "for each row, the first len(sequence) places get the sequence and True. Do not ask the ids what is "
    "padding.",
    example=([[0, 8], [4, 5, 6, 0], []], 0),
)


# Batches


def _batches_calls(rng):
    steps = 16 * int(rng.integers(1, 5))
    return [
        (np.array([5, 2, 9, 2, 7]) + int(rng.integers(9)), 2, 1),
        (np.array([33, 17, 16, 15, 32, 1]) + steps, 2, 16),
        (rng.permutation(60)[:11] + 3, 4, 1),
        (rng.integers(10, 128, size=50), 8, 16),
        Call((np.full(5, int(rng.integers(5, 50))), 3, 8), about="equal lengths"),
        Call((np.array([3, 1]) + steps, 32, 1), about="fewer examples than `batch_size`"),
        Call((rng.integers(1, 128, size=400), 32, 32), about="many equal widths"),
        Call((np.array([9, 1, 5, 4, 12, 8]), 3, 1), about="as many examples as the batches hold"),
    ]


def _steps(lengths, multiple):
    return -(-lengths // multiple)


def _sliced(order, batch_size):
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def _grouped(keys, batch_size):
    return _sliced(np.argsort(keys, kind="stable"), batch_size)


def _right_order(lengths, multiple):
    return np.argsort(_steps(lengths, multiple), kind="stable")


def _later_first(lengths, size, multiple):
    order = sorted(range(len(lengths)), key=lambda i: (_steps(lengths[i], multiple), -i))
    return _sliced(np.array(order), size)


def _per_width(lengths, size, multiple):
    widths = _steps(lengths, multiple)
    return [batch for width in np.unique(widths) for batch in _sliced(np.flatnonzero(widths == width), size)]


_BATCHES = Question(
    id="imdb.batches_by_length",
    title="Batches with little padding",
    points=2,
    minutes=10,
    signature="batches_by_length(lengths, batch_size, multiple)",
    calls=_batches_calls,
    reference=lambda lengths, batch_size, multiple: imdb.batches_by_length(lengths, batch_size, multiple),
    returns=("ragged",),
    mistakes=(
        Mistake(
            "lengths_returned",
            (
                lambda lengths, size, multiple: _sliced(lengths[_right_order(lengths, multiple)], size),
                lambda lengths, size, multiple: _sliced(np.sort(_steps(lengths, multiple) * multiple), size),
            ),
            "Your batches hold lengths or widths. Their order is right, but which examples are they?",
            "The result is used as [sequences[i] for i in batch], so it must hold indices. Sorting gives "
            "values; which function gives the order that would sort them?",
        ),
        Mistake(
            "multiple_ignored",
            lambda lengths, size, multiple: _grouped(lengths, size),
            "With `multiple` 1 all is right. With 16 you still tell 15 from 16, though both are padded to "
            "16 and count as equal.",
            "Compute the padded width of each example first, and sort by that alone. Among equal widths the "
            "smaller index comes first, whatever the lengths.",
        ),
        Mistake(
            "rounded_down",
            lambda lengths, size, multiple: _grouped(lengths // multiple, size),
            "Your steps begin one too early: 15 and 16 fall into different ones, and 16 and 17 into the "
            "same.",
            "A width must hold the text, so it is rounded up: 15 and 16 become 16, and 17 becomes 32. What "
            "does // do, and how do you turn that round?",
        ),
        Mistake(
            "rounded_to_nearest",
            lambda lengths, size, multiple: _grouped(np.round(lengths / multiple), size),
            "You round to the nearest multiple: 17 becomes 16, and a text of 17 tokens does not fit into "
            "that.",
            "A width must hold the text: 15 and 16 become 16, and 17 becomes 32. Which function of NumPy "
            "always rounds up?",
        ),
        Mistake(
            "ties_out_of_order",
            (
                lambda lengths, size, multiple: _sliced(np.argsort(_steps(lengths, multiple)), size),
                lambda lengths, size, multiple: _sliced(np.argsort(np.ceil(lengths / multiple)), size),
                lambda lengths, size, multiple: _sliced(
                    np.argsort((np.ceil(lengths / multiple) * multiple).astype(int)), size
                ),
                lambda lengths, size, multiple: _sliced(
                    np.argsort(_steps(lengths, multiple) * multiple), size
                ),
                _later_first,
            ),
            "Your widths ascend, but examples of equal width do not stand in the order of their indices. "
            "What does your sort promise about equal numbers?",
            "A sort that keeps equal numbers in their order is called stable. np.argsort is not, unless you "
            "ask for a kind that is; with few numbers one does not notice.",
        ),
        Mistake(
            "longest_first",
            (
                lambda lengths, size, multiple: _grouped(-_steps(lengths, multiple), size),
                lambda lengths, size, multiple: _sliced(_right_order(lengths, multiple)[::-1], size),
            ),
            "Your first batch has the longest examples. The order was to ascend.",
            "This matters for the rest, too: with 5 examples in batches of 2, the single one must be the "
            "longest, and yours is the shortest.",
        ),
        Mistake(
            "rest_dropped",
            lambda lengths, size, multiple: _sliced(_right_order(lengths, multiple), size)[
                : len(lengths) // size
            ],
            "Some examples are in no batch: those that are left when all full batches are made.",
            "5 examples in batches of 2 make three batches, of 2, 2 and 1. How far must the starts of the "
            "batches go?",
        ),
        Mistake(
            "empty_batch",
            lambda lengths, size, multiple: [
                _right_order(lengths, multiple)[i * size : (i + 1) * size]
                for i in range(len(lengths) // size + 1)
            ],
            "Where all batches are full you return one more, which is empty.",
            "6 examples in batches of 3 make two batches. Count the batches by rounding up, or let the "
            "starts go from 0 to n in steps of `batch_size`.",
        ),
        Mistake(
            "evened_out",
            (
                lambda lengths, size, multiple: np.array_split(
                    _right_order(lengths, multiple), -(-len(lengths) // size)
                ),
                lambda lengths, size, multiple: np.array_split(
                    _right_order(lengths, multiple), max(1, len(lengths) // size)
                ),
            ),
            "The order is right, but your batches are made about equally large. Each was to be full, and "
            "only the last one smaller.",
            "np.array_split evens out: 11 examples in 3 parts become 4, 4, 3, and 5 in 3 parts 2, 2, 1, but "
            "9 in 4 parts become 3, 2, 2, 2. Slices with a step give full batches.",
        ),
        Mistake(
            "size_for_count",
            lambda lengths, size, multiple: np.array_split(_right_order(lengths, multiple), size),
            "You make `batch_size` batches. It was to be the number of examples in each.",
            "11 examples with `batch_size` 4 make three batches, of 4, 4 and 3. What does the second "
            "argument of your function for splitting mean?",
        ),
        Mistake(
            "batches_per_width",
            _per_width,
            "You begin a new batch with each new width, so that many batches are not full.",
            "Only the last batch may be smaller. The width decides the order; where one batch ends and the "
            "next begins, only the count decides.",
        ),
        Mistake(
            "unsorted",
            lambda lengths, size, multiple: _sliced(np.arange(len(lengths)), size),
            "Your batches take the examples as they come: long and short ones share a batch, and the short "
            "ones are padded.",
            "Before you cut the indices into batches, bring them into an order in which neighbours are "
            "about equally long.",
        ),
    ),
    hint="Round up, sort the indices by the result with a sort that keeps ties in order, cut into pieces.",
    more="The width is -(-length // multiple) * multiple, or the same with np.ceil. np.argsort with "
    'kind="stable" gives the order of the indices. Then slices of it: from 0, from `batch_size`, from '
    "twice that, and so on.",
    example=(np.array([9, 8, 20, 1, 7]), 2, 8),
)


QUESTIONS = (_CLEAN, _DUPLICATES, _SPLIT, _KAPPA, _WORDPIECE, _TRUNCATE, _PAD, _BATCHES)
