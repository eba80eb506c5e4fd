"""Question: how many names are found."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.capstone._shared import _found, _sentence

TYPES = ("PER", "LOC")


def _calls(rng):
    def noisy(tags):
        """Predictions with shifted borders, other types, and names that are missed or made up."""
        found = list(tags)
        for place, tag in enumerate(tags):
            draw = rng.uniform()
            if draw < 0.1:
                found[place] = "O"
            elif draw < 0.2:
                found[place] = ("B-" if tag[0] != "I" else "I-") + TYPES[int(rng.integers(2))]
        return found

    def call(lengths, about="", density=0.5):
        true = [_sentence(rng, length, TYPES, density) for length in lengths]
        true[0][:2], predicted = ["B-PER", "I-PER"], [noisy(tags) for tags in true]
        predicted[0][:3] = ["B-PER", "O", "O"]  # Right start, wrong end.
        return Call((true, predicted), about)

    return [
        call([8, 6, 10]),
        call([5, 9, 7, 8], density=0.7),
        Call(
            ([["B-PER", "I-PER", "O"], ["O", "B-LOC", "O"], ["O", "O", "B-PER"]],
             [["B-PER", "I-PER", "O"], ["O", "O", "O"], ["O", "B-LOC", "B-PER"]]),
            about="a name in the wrong sentence",
        ),
        Call(([["O", "B-PER"], ["B-LOC", "O"]], [["O", "O"], ["O", "O"]]), about="nothing found"),
        Call(([["O", "O"], ["O"]], [["B-PER", "O"], ["O"]]), about="nothing to find"),
        Call(
            ([["B-LOC", "I-LOC", "O", "B-PER"]], [["I-LOC", "I-LOC", "O", "B-LOC"]]),
            about="a name that begins with I",
        ),
        Call(
            ([["B-PER", "O", "B-PER", "O"], ["B-PER", "O"]], [["B-PER", "O", "B-PER", "O"], ["O", "O"]]),
            about="names at the same place",
        ),
        call([12, 4, 6, 9, 7]),
    ]  # fmt: skip


def _ratio(a, b):
    return a / b if b else 0.0


def _scores(hits, claimed, wanted):
    precision, recall = _ratio(hits, claimed), _ratio(hits, wanted)
    return precision, recall, _ratio(2 * precision * recall, precision + recall)


def _numbered(sentences, key=lambda number, span: (number, *span), **parts):
    return {key(number, span) for number, tags in enumerate(sentences) for span in _found(tags, **parts)}


def _answer(true, predicted, scores=_scores, **parts):
    wanted, claimed = _numbered(true, **parts), _numbered(predicted, **parts)
    return scores(len(wanted & claimed), len(claimed), len(wanted))


def _reference(true, predicted):
    return _answer(true, predicted)


def _with(*settings):
    return tuple(functools.partial(_answer, **each) for each in settings)


def _by_sentence(true, predicted):
    """Averages over the sentences."""
    return tuple(np.mean([_answer([a], [b]) for a, b in zip(true, predicted, strict=True)], axis=0))


def _by_type(true, predicted):
    """Averages over the types."""
    wanted, claimed = _numbered(true), _numbered(predicted)
    types = sorted({span[1] for span in wanted | claimed})
    parts = []
    for of in types:
        one, other = ({span for span in spans if span[1] == of} for spans in (wanted, claimed))
        parts.append(_scores(len(one & other), len(other), len(one)))
    return tuple(np.mean(parts, axis=0))


def _tokens(compare):
    def answer(true, predicted):
        pairs = [pair for a, b in zip(true, predicted, strict=True) for pair in zip(a, b, strict=True)]
        hits = sum(a != "O" and compare(a, b) for a, b in pairs)
        return _scores(hits, sum(b != "O" for _, b in pairs), sum(a != "O" for a, _ in pairs))

    return answer


def _accuracy(true, predicted):
    right = np.mean([a == b for x, y in zip(true, predicted, strict=True) for a, b in zip(x, y, strict=True)])
    return right, right, right


def _overlaps(true, predicted):
    """Counts a name as found if any claimed name of its type overlaps it."""
    wanted, claimed = _numbered(true), _numbered(predicted)

    def met(span, others):
        return any(span[:2] == other[:2] and span[2] < other[3] and other[2] < span[3] for other in others)

    precision = _ratio(sum(met(span, wanted) for span in claimed), len(claimed))
    recall = _ratio(sum(met(span, claimed) for span in wanted), len(wanted))
    return precision, recall, _ratio(2 * precision * recall, precision + recall)


def _order(*places):
    return lambda *counts: tuple(_scores(*counts)[i] for i in places)


def _arithmetic(hits, claimed, wanted):
    precision, recall, _ = _scores(hits, claimed, wanted)
    return precision, recall, (precision + recall) / 2


def _jaccard(hits, claimed, wanted):
    precision, recall, _ = _scores(hits, claimed, wanted)
    return precision, recall, _ratio(hits, claimed + wanted - hits)


def _unguarded(hits, claimed, wanted):
    hits, claimed, wanted = map(np.float64, (hits, claimed, wanted))
    precision, recall = hits / claimed, hits / wanted
    return precision, recall, 2 * precision * recall / (precision + recall)


def _in_plain_python(hits, claimed, wanted):
    precision, recall = hits / claimed, hits / wanted
    return precision, recall, 2 * precision * recall / (precision + recall)


QUESTION = Question(
    id="capstone.span_f1",
    title="How many names are found",
    points=2,
    minutes=15,
    signature="span_f1(true, predicted)",
    calls=_calls,
    reference=_reference,
    returns=("array", "array", "array"),
    names=("precision", "recall", "f1"),
    mistakes=(
        Mistake(
            "tokens",
            (
                _tokens(lambda a, b: a == b),
                _tokens(lambda a, b: a[2:] == b[2:]),
                _accuracy,
            ),
            "You compare word by word. Half a name then counts as half a success.",
            "A name is one thing: it is found if its type, its start and its end are right.",
        ),
        Mistake(
            "sentences_mixed",
            _with({"key": lambda number, span: span}),
            "Names at the same place of different sentences are one and the same with you.",
            "Put the number of the sentence into the tuple.",
        ),
        Mistake(
            "mean_over_sentences",
            _by_sentence,
            "You average over the sentences. One without names then counts as much as one with five.",
            "Count hits, predictions and names of all sentences first. Divide once, at the end.",
        ),
        Mistake(
            "mean_over_types",
            _by_type,
            "You average over the types, which is the macro mean. The text asks for the micro mean.",
            "All names count alike, whatever their type.",
        ),
        Mistake(
            "types_ignored",
            _with({"key": lambda number, span: (number, *span[1:])}),
            "A name counts as found with you although its type is wrong.",
            "A person is no place: put the type into the tuple, too.",
        ),
        Mistake(
            "starts_only",
            _with(
                {"key": lambda number, span: (number, *span[:2])},
                {"key": lambda number, span: (number, span[0], span[2])},
            ),
            "A name counts as found with you although one of its borders is wrong.",
            "Half a name is none: start and end must both agree.",
        ),
        Mistake(
            "overlap_is_enough",
            _overlaps,
            "You count a name as found if it overlaps. By this definition it must be found exactly.",
            "Intersect two sets of tuples.",
        ),
        Mistake(
            "strict",
            _with({"strict": True}),
            "A prediction that begins with I is lost with you.",
            "Use the spans of the question before: an I may begin one.",
        ),
        Mistake(
            "exchanged",
            _with({"scores": _order(1, 0, 2)}),
            "Precision and recall have changed places.",
            "Precision divides by what was predicted, recall by what there is.",
        ),
        Mistake(
            "not_harmonic",
            _with({"scores": _arithmetic}, {"scores": _jaccard}),
            "Precision and recall are right, the F1 is not. Which mean is it?",
            "2 · precision · recall / (precision + recall).",
        ),
        Mistake(
            "divided_by_zero",
            _with({"scores": _unguarded}, {"scores": _in_plain_python}),
            "Right, unless there is nothing to find, or nothing was found. What is 0 divided by 0 here?",
            "Return 0 where there is nothing to divide by.",
        ),
    ),
    hint="Collect the names of all sentences in two sets, of what is there and of what was predicted. The "
    "hits are their intersection.",
    more="A name is the tuple (number of the sentence, type, start, end). precision = hits / predicted, "
    "recall = hits / there, each 0 if there is nothing below.",
    example=(
        [["B-PER", "I-PER", "O"], ["B-LOC", "O"]],
        [["B-PER", "I-PER", "O"], ["B-PER", "B-LOC"]],
    ),
)
