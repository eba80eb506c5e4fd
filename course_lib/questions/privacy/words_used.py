"""Question: what an update says of the text."""

import numpy as np

from course_lib.questions import Call, Mistake, Question

_WORDS = (  # Frequent ones first, as in many vocabularies, and so not in alphabetical order.
    *("[PAD]", "[CLS]", "[SEP]", "the", "film", "not", "very", "good", "story", "bad", "great"),
    *("plot", "cast", "fine", "boring", "slow", "weak", "dull", "warm"),
)


def _update_calls(rng):
    special = ("[PAD]", "[CLS]", "[SEP]")

    def call(count, kind="", special=special, also=()):
        before = np.round(rng.normal(size=(len(_WORDS), 4)), 3)
        used = rng.choice(np.arange(3, len(_WORDS)), size=count, replace=False)
        used = np.union1d(used, [_WORDS.index(word) for word in also]).astype("int64")
        change = rng.uniform(0.05, 0.4, size=(len(_WORDS), 4)) * rng.choice([-1, 1], size=(len(_WORDS), 4))
        after, rows = before.copy(), np.append(used, [1, 2])
        if kind == "tiny":
            change[used[0]] = [1e-9, -1e-9, 2e-9, 1e-9]
        elif kind == "one":
            change[used[0], :3] = 0.0
        elif kind == "cancels":
            change[used[0]] = [0.25, -0.25, 0.125, -0.125]
            before[used[0]] = [0.5, 1.5, -0.25, 0.75]
            after[used[0]] = before[used[0]]
        elif kind == "down":
            change[used[:2]] = -np.abs(change[used[:2]])
            change[used[2]] = np.abs(change[used[2]])
        after[rows] += change[rows]
        return before, after, list(_WORDS), list(special)

    return [
        call(4),
        Call(call(5, "one"), about="a row of which one entry changed"),
        Call(call(4, "cancels"), about="changes that add up to 0"),
        Call(call(3, "tiny"), about="very small changes"),
        Call(call(5, "down"), about="rows that only fall or only rise"),
        Call(call(3, special=(*special, "the", "film"), also=("the", "film")), about="other special tokens"),
        Call(call(0), about="an update without words"),
    ]


def _used(
    changed=lambda change: np.any(change != 0, axis=1),
    keep=lambda words, special: [word not in special for word in words],
    order=None,
):
    """The words with one of the parts replaced.

    Args:
        changed: Which rows are, from the difference of the tables.
        keep: Which words may be returned, from all and the special ones.
        order: A key of words, from the difference; None for that of the vocabulary.
    """

    def answer(before, after, words, special):
        change = after - before
        places = np.flatnonzero(changed(change) & np.array(keep(words, special)))
        if order:
            places = sorted(places, key=lambda place: order(change, words, place))
        return [words[place] for place in places]

    return answer


def _reference(before, after, words, special):
    return _used()(before, after, words, special)


def _repeated(before, after, words, special):
    return [words[row] for row in np.nonzero(after - before)[0] if words[row] not in special]


def _first_three(words, special):
    return [place > 2 for place in range(len(words))]


def _in_brackets(words, special):
    return [not word.startswith("[") for word in words]


QUESTION = Question(
    id="privacy.words_used",
    title="What an update says of the text",
    points=1,
    minutes=5,
    signature="words_used(before, after, words, special)",
    calls=_update_calls,
    reference=_reference,
    returns=("texts",),
    mistakes=(
        Mistake(
            "all_entries",
            _used(lambda change: np.all(change != 0, axis=1)),
            "A word is missing of whose row only some entries changed. Must all of them?",
            "Even one entry that moved says that the word was there.",
        ),
        Mistake(
            "cancelled",
            (
                _used(lambda change: change.sum(axis=1) != 0),
                _used(lambda change: np.abs(change.sum(axis=1)) > 1e-12),
                _used(lambda change: change.mean(axis=1) != 0),
            ),
            "A word is missing whose changes cancel. What do you do with a row before you ask whether it is "
            "0?",
            "0.25 and -0.25 add up to nothing, and both entries changed. Ask each entry first.",
        ),
        Mistake(
            "one_direction",
            (
                _used(lambda change: np.any(change > 0, axis=1)),
                _used(lambda change: np.any(change < 0, axis=1)),
                _used(lambda change: change.sum(axis=1) > 0),
                _used(lambda change: change.max(axis=1) > 0),
            ),
            "You see changes in one direction only. Does a gradient have a preferred sign?",
            "A row that only falls has changed as much as one that only rises.",
        ),
        Mistake(
            "too_tolerant",
            (
                _used(lambda change: np.any(np.abs(change) > 1e-6, axis=1)),
                _used(lambda change: np.any(np.abs(change) > 1e-8, axis=1)),
                _used(lambda change: ~np.all(np.isclose(change, 0), axis=1)),
                _used(lambda change: np.any(np.round(change, 6) != 0, axis=1)),
            ),
            "A word is missing whose row moved by very little. How much does a row move that no token used?",
            "Unused rows are not nearly the same, they are the same to the last bit. No tolerance is needed.",
        ),
        Mistake(
            "special_kept",
            (
                _used(keep=lambda words, special: [True] * len(words)),
                _used(keep=lambda words, special: [word != special[0] for word in words]),
            ),
            "Special tokens are in your list. They are in every text: what do they tell?",
            "The last argument lists the tokens that are to be left out.",
        ),
        Mistake(
            "special_guessed",
            (_used(keep=_first_three), _used(keep=_in_brackets)),
            "You guess which tokens are special, by their place or their brackets.",
            "The last argument says which they are, and it may name others.",
        ),
        Mistake(
            "unused_words",
            (
                _used(lambda change: np.all(change == 0, axis=1)),
                _used(lambda change: np.any(change == 0, axis=1)),
            ),
            "You return the words whose rows stayed as they were.",
            "An optimizer step moves the rows of the words that were read. Look at your comparison.",
        ),
        Mistake(
            "repeated",
            _repeated,
            "The right words are in your list, and some of them several times.",
            "`np.nonzero` of a table gives a place for each entry that is not 0, and a row has "
            "several entries.",
        ),
        Mistake(
            "another_order",
            (
                _used(order=lambda change, words, place: -np.linalg.norm(change[place])),
                _used(order=lambda change, words, place: -np.abs(change[place]).max()),
                _used(order=lambda change, words, place: -place),
                _used(order=lambda change, words, place: words[place]),
            ),
            "Your words are right. In which order are they asked for?",
            "The order of the vocabulary is that of the rows.",
        ),
    ),
    hint="Subtract the tables and look at the rows. Which of them would surely not be 0?",
    more="A row counts if any of its entries differs. Go through rows and words side by side, and leave out "
    "the special ones.",
    example=(
        np.zeros((5, 2)),
        np.array([[0.0, 0], [0, 1], [2, -2], [0, 0], [0, 1]]),
        ["[PAD]", "[CLS]", "good", "film", "bad"],
        ["[PAD]", "[CLS]"],
    ),
)
