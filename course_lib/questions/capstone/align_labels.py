"""Question: labels of words for a tokenizer's pieces."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _calls(rng):
    def call(pieces, about="", cut=None, padding=0, start=1):
        """Words of so many pieces each, with labels that are never those of their neighbours."""
        labels = [int(n) for n in (np.cumsum(rng.integers(1, 4, size=len(pieces))) + start) % 5]
        words = [word for word, count in enumerate(pieces) for _ in range(count)]
        words = words[:cut]
        return Call((labels, [None, *words, None, *[None] * padding], -100), about)

    return [
        call([1, 3, 1, 2]),
        call([2, 1, 1, 4, 1], padding=2),
        call([1, 1, 1], about="words of a single piece"),
        call([1, 2, 2, 3, 1], about="a text that was cut", cut=6),
        call([4], about="a single word"),
        Call(([3, 1, 2], [0, 0, 1, 2, 2], -1), about="no special tokens"),
        Call(([2], [0, 0, 0], -100), about="one word and no special tokens"),
        Call(([], [None, None], -100), about="no words"),
    ]


def _reference(labels, word_ids, ignore):
    result, before = [], None
    for word in word_ids:
        result.append(ignore if word is None or word == before else labels[word])
        before = word
    return np.array(result, int)


def _all_pieces(labels, word_ids, ignore):
    return np.array([ignore if word is None else labels[word] for word in word_ids], int)


def _last_piece(labels, word_ids, ignore):
    return _reference(labels, word_ids[::-1], ignore)[::-1]


def _zero_is_nothing(labels, word_ids, ignore):
    result, before = [], None
    for word in word_ids:
        result.append(labels[word] if word and word != before else ignore)
        before = word
    return np.array(result, int)


def _others(value):
    """Gives pieces that are not to count a label of their own."""

    def answer(labels, word_ids, ignore):
        right = _reference(labels, word_ids, ignore)
        special = np.array([word is None for word in word_ids])
        return np.where((right == ignore) & special, value, right)

    return answer


def _zeros(labels, word_ids, ignore):
    return np.where((right := _reference(labels, word_ids, ignore)) == ignore, 0, right)


def _continued_zero(labels, word_ids, ignore):
    right = _reference(labels, word_ids, ignore)
    special = np.array([word is None for word in word_ids])
    return np.where((right == ignore) & ~special, 0, right)


def _by_place(labels, word_ids, ignore):
    return np.array(
        [
            labels[place] if word is not None and place < len(labels) else ignore
            for place, word in enumerate(word_ids)
        ],
        int,
    )


def _by_place_after_start(labels, word_ids, ignore):
    return np.array([ignore, *labels, *[ignore] * len(word_ids)][: len(word_ids)], int)


def _piece_by_piece(labels, word_ids, ignore):
    left = list(labels)
    return np.array([ignore if word is None or not left else left.pop(0) for word in word_ids], int)


def _fixed_ignore(labels, word_ids, ignore):
    return _reference(labels, word_ids, -100)


def _word_numbers(labels, word_ids, ignore):
    return _reference(range(len(word_ids)), word_ids, ignore)


def _specials_left_out(labels, word_ids, ignore):
    right = _reference(labels, word_ids, ignore)
    return right[[word is not None for word in word_ids]]


def _wraps_around(labels, word_ids, ignore):
    """Compares the first piece with the one at -1, the last."""
    return np.array(
        [
            ignore if word is None or word == word_ids[place - 1] else labels[word]
            for place, word in enumerate(word_ids)
        ],
        int,
    )


QUESTION = Question(
    id="capstone.align_labels",
    title="Labels for word pieces",
    points=1,
    minutes=10,
    signature="align_labels(labels, word_ids, ignore)",
    calls=_calls,
    reference=_reference,
    dtypes=("int",),
    rtol=0.0,
    mistakes=(
        Mistake(
            "all_pieces",
            _all_pieces,
            "Every piece of a word gets its label with you. Then a long word counts more than a short one.",
            "The first piece of a word speaks for it; the others are ignored.",
        ),
        Mistake(
            "last_piece",
            _last_piece,
            "You label the last piece of each word. The text asks for the first.",
            "A piece is the first of its word if the piece before belongs to another one.",
        ),
        Mistake(
            "zero_is_nothing",
            _zero_is_nothing,
            "The first word of each text gets no label. What is its number, and what does `if word:` make of "
            "it?",
            "0 counts as False. Ask whether it `is None`.",
        ),
        Mistake(
            "specials_get_a_label",
            (_others(0), _others(-1)),
            "Your special tokens have a label. They are no words.",
            "Where `word_ids` is None the result is `ignore`.",
        ),
        Mistake(
            "zero_for_ignored",
            (_zeros, _continued_zero),
            "You write 0 where the loss should not look. Isn't 0 a label, too?",
            "`ignore` is the number that the loss leaves out.",
        ),
        Mistake(
            "by_place",
            (_by_place, _by_place_after_start, _piece_by_piece),
            "You take the label at the piece's place. Right only while each word is one piece.",
            "`word_ids` says to which word a piece belongs: `labels[word]`.",
        ),
        Mistake(
            "fixed_ignore",
            _fixed_ignore,
            "-100 is what many libraries ignore, but the caller may say otherwise.",
            "The number stands in `ignore`.",
        ),
        Mistake(
            "numbers_of_words",
            _word_numbers,
            "You return numbers of words where their labels should stand.",
            "`word_ids` names a place in `labels`.",
        ),
        Mistake(
            "specials_left_out",
            _specials_left_out,
            "Your result is too short: it has no place for the special tokens.",
            "The network gives a score for every piece. The result has as many entries as `word_ids`.",
        ),
        Mistake(
            "wraps_around",
            _wraps_around,
            "Right, unless a text has neither special tokens nor a second word. What stands before its first "
            "piece?",
            "`word_ids[place - 1]` at place 0 is `word_ids[-1]`, the last piece.",
        ),
    ),
    hint="Go through `word_ids` and keep the word of the piece before.",
    more="Three cases: None gets `ignore`; the same word as before gets `ignore`; all else gets "
    "`labels[word]`. Mind that word 0 is not None.",
    example=([2, 0, 1], [None, 0, 1, 1, 2, None], -100),
)
