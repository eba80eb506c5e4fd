"""Question: whole words."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pretraining._shared import _distinct, pretraining


def _words_calls(rng):
    # In the word of three pieces, the score of the middle one is the lowest and the last one's the highest.
    first = _distinct(rng, 1, 7)
    first[0, 1:4] = np.sort(first[0, 1:4])[[1, 0, 2]]
    split = rng.random((3, 9)) < 0.4
    split[:, 0] = False
    split[:, 4:6] = [[False, True], [True, True], [True, False]]
    return [
        Call((first, np.array([[0, 0, 1, 1, 0, 1, 0]], dtype=bool)), about="a single row"),
        (_distinct(rng, 2, 5), np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0]], dtype=bool)),
        Call((_distinct(rng, 2, 4), np.zeros((2, 4), dtype=bool)), about="no split word"),
        Call(
            (_distinct(rng, 2, 6), np.array([[0, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 0]], dtype=bool)),
            about="a row that is a single word",
        ),
        (_distinct(rng, 3, 9).astype("float32"), split),
    ]


def _first_pieces(continues):
    """For each piece the place where its word begins."""
    places = np.arange(continues.shape[1])
    return np.maximum.accumulate(np.where(continues, 0, places), axis=1)


def _of_pieces(function):
    """Gives each word what a function makes of the scores of its pieces."""

    def answer(scores, continues):
        rows = zip(scores, _first_pieces(continues), strict=True)
        return np.array([[function(row[first == each]) for each in first] for row, first in rows])

    return answer


def _taken(word):
    """Takes from each row the scores of the numbers that a function makes of `continues`."""
    return lambda scores, continues: np.take_along_axis(scores, word(continues), axis=1)


def _number(continues):
    return np.cumsum(~continues, axis=1) - 1


def _counted_on(scores, continues):
    return scores.ravel()[np.cumsum(~continues) - 1].reshape(scores.shape)


def _left_neighbour(scores, continues):
    return np.where(continues, np.roll(scores, 1, axis=1), scores)


QUESTION = Question(
    id="pretraining.word_scores",
    title="Whole words",
    points=2,
    minutes=15,
    signature="word_scores(scores, continues)",
    calls=_words_calls,
    reference=lambda scores, continues: pretraining.word_scores(scores, continues),
    mistakes=(
        Mistake(
            "own_score",
            _of_pieces(lambda pieces: pieces[0]),
            "All pieces of a word agree, as they should. But behind the first split word your words have "
            "other scores than was asked for: those that stand above their first pieces.",
            "Any rule that gives each word one score would do for masking; so that there is one right "
            "answer, the k-th word of a row takes the k-th score of the row. Count the words, not the "
            "pieces.",
        ),
        Mistake(
            "left_neighbour",
            _left_neighbour,
            "A piece takes the score to its left, and only one step: a word of three pieces has two scores "
            "in yours.",
            "The third piece must look past the second, to the beginning of its word. Besides, the k-th word "
            "takes the k-th score of the row: which number has a word if you count the words before it?",
        ),
        Mistake(
            "last_piece",
            _of_pieces(lambda pieces: pieces[-1]),
            "All pieces of a word agree, but they have the score that stands above the last of them. Does "
            "a later piece overwrite what an earlier one has set?",
            "The k-th word of a row takes the k-th score of the row, no matter at which places its pieces "
            "stand. What number does a word have if you count the words before it?",
        ),
        Mistake(
            "lowest_piece",
            _of_pieces(np.min),
            "A word of yours gets the lowest score of its pieces. Which words are then chosen more often "
            "than others?",
            "With the lowest of three scores a word is chosen about two and a half times as often as one of "
            "a single piece, so rare words are hidden too often. Each word must have exactly one draw: the "
            "k-th word the k-th score.",
        ),
        Mistake(
            "highest_piece",
            _of_pieces(np.max),
            "A word of yours gets the highest score of its pieces. How often is the highest of three below "
            "0.15?",
            "Words of many pieces would hardly ever be chosen. Each word must have exactly one draw: the "
            "k-th word of a row takes the k-th score of the row.",
        ),
        Mistake(
            "mean_piece",
            _of_pieces(np.mean),
            "A word of yours gets the mean score of its pieces. How often is a mean of three below 0.15, "
            "and how often a single score?",
            "Means crowd around 0.5, so words of many pieces would hardly ever be chosen. Each word must "
            "have exactly one draw: the k-th word the k-th score.",
        ),
        Mistake(
            "counted_from_one",
            (
                _taken(lambda continues: _number(continues) + 1),
                _taken(lambda continues: np.minimum(_number(continues) + 1, continues.shape[1] - 1)),
            ),
            "Your words take the score of the word after them, and where nothing is split the last one "
            "finds none of its own. From which number do you count?",
            "A running sum over the beginnings of words is 1 at the first word, and the first score has "
            "the index 0.",
        ),
        Mistake(
            "counted_too_soon",
            _taken(lambda continues: np.cumsum(~continues, axis=1) - ~continues),
            "Where a word begins you are right. The pieces that continue it take the score of the word after "
            "it: at which piece does your count go on?",
            "The number of the word goes up when the next word begins, not as soon as a first piece has its "
            "score. Of [False, True, False] the words have the numbers 0, 0, 1.",
        ),
        Mistake(
            "pieces_counted",
            (
                _taken(lambda continues: np.cumsum(continues, axis=1)),
                _taken(lambda continues: np.cumsum(continues, axis=1) - 1),
            ),
            "Your count goes on at the pieces that continue a word, and stands still at new words. Which of "
            "the two is to be counted?",
            "`continues` is False where a word begins. Of [False, False, True, False] the words have the "
            "numbers 0, 1, 1, 2.",
        ),
        Mistake(
            "counted_on",
            _counted_on,
            "The first row is right. In the second you go on counting where the first has stopped.",
            "Each text begins again with its own first score. np.cumsum without an axis runs through the "
            "whole array.",
        ),
        Mistake(
            "down_the_batch",
            _taken(lambda continues: np.maximum(np.cumsum(~continues, axis=0) - 1, 0)),
            "You count down the batch: a piece gets a number by the rows above it, not by the words before "
            "it.",
            "In an array of shape (batch, length) the pieces of a text lie along the last axis. Along which "
            "one do you sum?",
        ),
        Mistake(
            "scores_of_the_first_row",
            lambda scores, continues: scores[0][_number(continues)],
            "The first row is right. In the others the words have the right numbers, but you look them up in "
            "the scores of the first row.",
            "Each row has scores of its own. np.take_along_axis takes from row i what the numbers of row i "
            "name.",
        ),
        Mistake(
            "each_row_in_each",
            lambda scores, continues: scores[:, _number(continues)],
            "Your result has an axis too many: the numbers of every row are looked up in the scores of every "
            "row.",
            "scores[:, word] takes all rows of `scores` for all of `word`. np.take_along_axis pairs row with "
            "row.",
        ),
    ),
    hint="Where does a word begin? A running count of the beginnings tells each piece which word it is of; "
    "np.take_along_axis fetches that word's score.",
    more="~continues is True at the beginnings. Its np.cumsum along the row, less 1, is the number of the "
    "word that a piece is of, from 0; with that array as indices, take along the row.",
    example=(
        np.array([[0.5, 0.1, 0.9, 0.3, 0.7]]),
        np.array([[False, True, True, False, False]]),
    ),
)
