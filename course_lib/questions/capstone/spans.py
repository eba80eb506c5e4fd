"""Question: names out of tags."""

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.capstone._shared import _found, _sentence

TYPES = ("PER", "LOC", "ORG")


def _calls(rng):
    length = int(rng.integers(9, 14))
    a, b = (TYPES[i] for i in rng.permutation(3)[:2])
    return [
        ([*_sentence(rng, length, TYPES), "O", f"B-{a}", f"I-{a}", "O"],),
        Call((["O", f"B-{a}", f"I-{a}", f"B-{a}", f"I-{a}", "O"],), about="two names of a type side by side"),
        Call((["O", f"I-{b}", f"I-{b}", "O", f"B-{a}", "O"],), about="a name that begins with I"),
        Call(([f"B-{a}", f"I-{a}", f"I-{b}", f"I-{b}", "O"],), about="an I of another type"),
        Call((["O", "O", f"B-{b}", f"I-{b}"],), about="a name at the end"),
        Call((["O", "B-WORK-OF-ART", "I-WORK-OF-ART", "O"],), about="a type with hyphens"),
        Call((["O"] * 3,), about="no name"),
        ([*_sentence(rng, 12, TYPES, density=0.7), f"B-{b}", "O"],),
    ]


def _columns(spans):
    return [type_ for type_, _, _ in spans], [start for _, start, _ in spans], [end for _, _, end in spans]


def _reference(tags):
    return _columns(_found(tags))


def _with(**parts):
    return lambda tags: _columns(_found(tags, **parts))


def _inclusive(tags):
    types, starts, ends = _reference(tags)
    return types, starts, [end - 1 for end in ends]


def _lengths(tags):
    types, starts, ends = _reference(tags)
    return types, starts, [end - start for start, end in zip(starts, ends, strict=True)]


def _each_word(tags):
    return _columns([(tag[2:], i, i + 1) for i, tag in enumerate(tags) if tag != "O"])


def _begins_only(tags):
    return _columns([(tag[2:], i, i + 1) for i, tag in enumerate(tags) if tag[0] == "B"])


def _whole_tags(tags):
    found = _found(tags)
    return [tags[start] for _, start, _ in found], *_columns(found)[1:]


def _of_first(tags):
    return _columns([(tags[start][0], start, end) for _, start, end in _found(tags)])


def _from_one(tags):
    types, starts, ends = _reference(tags)
    return types, [start + 1 for start in starts], [end + 1 for end in ends]


def _sorted_by_type(tags):
    return _columns(sorted(_found(tags)))


QUESTION = Question(
    id="capstone.spans",
    title="Names out of tags",
    points=2,
    minutes=15,
    signature="spans(tags)",
    calls=_calls,
    reference=_reference,
    returns=("texts", "array", "array"),
    names=("types", "starts", "ends"),
    dtypes=(None, "int", "int"),
    rtol=0.0,
    mistakes=(
        Mistake(
            "strict",
            (_with(strict=True), _with(strict=True, by_type=False)),
            "A name that begins with I is lost. The default of seqeval takes it for one all the same.",
            "An I begins a span if there is none yet, or if the span before is of another type.",
        ),
        Mistake(
            "type_not_compared",
            _with(by_type=False),
            "You go on with a span although the type of the tag is another.",
            "`I-LOC` after `I-PER` ends the person and begins a place.",
        ),
        Mistake(
            "b_goes_on",
            _with(split_at_begin=False),
            "Two names of one type that stand side by side become one with you.",
            "A B begins a span, whatever stands before it. That is why there are two letters.",
        ),
        Mistake(
            "end_lost",
            _with(close=False),
            "A name at the end of the sentence is lost. Who closes it?",
            "After the loop a span may still be open. An O that you append closes it.",
        ),
        Mistake(
            "end_included",
            _inclusive,
            "Your ends are the last words of the names. The text asks for the place behind.",
            "`words[start:end]` must give the name.",
        ),
        Mistake(
            "lengths",
            _lengths,
            "Your third list holds lengths.",
            "`words[start:end]` must give the name: its end is a place in the sentence.",
        ),
        Mistake(
            "each_word",
            _each_word,
            "Every word is a name of its own with you.",
            "The I goes on with what the word before began, if it has the same type.",
        ),
        Mistake(
            "first_words_only",
            _begins_only,
            "Your names end after their first word.",
            "All I of the same type that follow belong to it.",
        ),
        Mistake(
            "whole_tags",
            (_whole_tags, _of_first),
            "The places are right. What you call types are not the types.",
            "The type of `B-PER` is `PER`: what stands after the first hyphen.",
        ),
        Mistake(
            "split_at_every_hyphen",
            of_each(lambda part: _with(kind=lambda tag: tag.split("-")[part] if "-" in tag else ""), 1, -1),
            "Right, unless a type has a hyphen itself.",
            'Cut at the first hyphen only: `tag.split("-", 1)`, or `tag[2:]`.',
        ),
        Mistake(
            "from_one",
            _from_one,
            "Your places are counted from 1.",
            "The first word of a sentence is `words[0]`.",
        ),
        Mistake(
            "sorted_by_type",
            _sorted_by_type,
            "The right names, but not in the order in which they stand in the sentence.",
            "Go through the tags from left to right and append.",
        ),
    ),
    hint="Keep the type and the start of the span that is open. What closes it?",
    more="A tag ends the open span if it is O, if it is a B, or if its type is another. After that, B and I "
    "both begin a new one. Append an O to the tags, and the last span closes itself.",
    example=(["I-PER", "O", "B-LOC", "I-LOC", "I-ORG"],),
)
