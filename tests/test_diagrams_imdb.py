"""What the drawings of lesson 02 state is what the course computes."""

import math

import numpy as np

from course_lib import diagrams, imdb, weights
from course_lib.diagrams import imdb as drawings


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_ids_of_the_reviews_that_are_drawn():
    vocabulary = weights.vocabulary()
    assert [vocabulary[i] for i in drawings.IDS[0]] == drawings.WORDS
    reviews = ["Not dull!<br /><br />I love it.", "A slow, dull film.", "Great fun!"]
    ids, mask = imdb.pad(imdb.encode(reviews))
    np.testing.assert_array_equal(ids, drawings.IDS)
    np.testing.assert_array_equal(mask, np.array(drawings.IDS) > 0)


def test_the_pieces_of_the_word_that_is_drawn():
    known = set(weights.vocabulary())
    pieces = imdb.wordpiece("unwatchable", known)
    drawn = texts(diagrams.word_into_pieces())
    assert drawn[-4:-1] == pieces
    assert "7 more, each a letter shorter" in drawn  # Of the nine from unwatchable to unw.
    assert not known & {"unwatchable"[:end] for end in range(3, 12)}
    assert not known & {"##" + "watchable"[:end] for end in range(6, 10)}


def test_alpha_of_the_sentences_that_are_drawn():
    films = {film.text: film.scores for film in imdb.rated("films")}
    chosen = [films["Go see it and enjoy."], films["Lavishly, exhilaratingly tasteless."]]
    drawn = texts(diagrams.raters_agree())
    assert f"$1 - D_o / D_e$ = {imdb.krippendorff_alpha(chosen, 'interval'):.2f}" in drawn
    for scores in chosen:
        about = f"mean {scores.mean():.1f}\nstandard deviation {scores.std():.1f}"
        assert any(about in text for text in drawn)


def test_the_probability_of_uneven_tosses():
    for draw, n, k in ((diagrams.paired_verdicts, 6, 1), (diagrams.mcnemar_table, 12, 2)):
        p = 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n
        assert any(f"p = {p:.2f}" in text or f"p = {p:.3f}" in text for text in texts(draw()))
