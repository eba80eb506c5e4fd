"""The challenge set: enough reviews of each kind, balanced, varied, and none of them trained on."""

import collections
import itertools
import re

import pytest

from course_lib import carriers, imdb, samples

WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")


def words(review):
    return WORD.findall(re.sub(r"<br />", " ", review.text).lower())


def trigrams(review):
    found = words(review)
    return set(zip(found, found[1:], found[2:], strict=False))


def test_size_length_and_balance():
    reviews = samples.load()
    assert len(reviews) >= 600
    assert all(30 <= len(words(review)) <= 120 for review in reviews)
    assert len({review.id for review in reviews}) == len(reviews)
    for kind in samples.KINDS:
        labels = [review.label for review in reviews if review.kind == kind]
        assert len(labels) >= 40
        assert 0.45 <= sum(labels) / len(labels) <= 0.55, kind
    assert {review.kind for review in reviews} == set(samples.KINDS)
    assert sum(review.label for review in reviews) * 2 == len(reviews)


def test_variety():
    reviews = samples.load()
    assert len({word for review in reviews for word in words(review)}) >= 5_000
    openings = collections.Counter(tuple(words(review)[:3]) for review in reviews)
    assert openings.most_common(1)[0][1] <= 5
    assert len({review.text for review in reviews}) == len(reviews)


def test_no_two_reviews_are_alike():
    reviews = samples.load()
    sets = [trigrams(review) for review in reviews]
    postings = collections.defaultdict(list)
    for number, found in enumerate(sets):
        for trigram in found:
            postings[trigram].append(number)
    shared = collections.Counter(
        pair for found in postings.values() for pair in itertools.combinations(found, 2)
    )
    alike = [
        (reviews[a].id, reviews[b].id)
        for (a, b), count in shared.items()
        if count / (len(sets[a]) + len(sets[b]) - count) > 0.1
    ]
    assert not alike


def test_a_film_gives_no_label_away():
    labels = collections.defaultdict(list)
    for review in samples.load():
        labels[review.film].append(review.label)
    assert all(sorted(found) in ([0], [1], [0, 1]) for found in labels.values())
    alone = [found[0] for found in labels.values() if len(found) == 1]
    assert sum(alone) * 2 == len(alone)


def test_text_is_clean_but_for_line_breaks():
    tags = collections.Counter()
    for review in samples.load():
        tags.update(re.findall(r"<[^>]*>", review.text))
        assert review.text == review.text.strip()
        assert review.text.isprintable(), review.id
        assert not re.search(r"[\u2018\u2019\u201c\u201d]", review.text), "straight quotes only"
    assert set(tags) == {"<br />"}


def test_no_review_is_in_the_corpus_that_is_trained_on():
    if carriers.find("reviews") is None:
        pytest.skip("no reviews here: `course fetch data`")
    corpus = imdb.load(verbose=False)
    texts = [review.text for review in samples.load()]
    pairs, _ = imdb.near_duplicates(texts + corpus.train.texts[:5_000], threshold=0.3)
    assert not [(a, b) for a, b in pairs.tolist() if a < len(texts)]
    assert not set(texts) & set(corpus.train.texts)
