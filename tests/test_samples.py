"""The bundled reviews: enough of them, balanced, varied, split without leakage."""

import collections
import itertools
import re

from course_lib import imdb, samples

WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
FILM_WORDS = re.compile(
    r"\b(films?|movies?|cinemas?|actors?|actress(es)?|acting|acted|plots?|scenes?|directors?|directed|casts?|"
    r"casting|scripts?|screenplays?|sequels?|prequels?|trailers?|characters?|episodes?|storylines?|stor(y|ies)|"
    r"documentar(y|ies)|thrillers?|comed(y|ies)|dramas?|genres?|hollywood|theat(er|re)s?|soundtracks?|endings?|"
    r"watch(ed|ing)|reels?|pictures?|cinematography|performances?)\b",
    re.IGNORECASE,
)
STARS = re.compile(r"\bstars?\b|\b\d+(\.\d+)? ?(/|out of) ?\d|[\u2605\u2606\u2b50]", re.IGNORECASE)


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


def test_splits_are_balanced_and_share_no_film():
    by_split = collections.defaultdict(list)
    for review in samples.load():
        by_split[review.split].append(review)
    assert set(by_split) == {"train", "validation", "test"}
    assert len(by_split["test"]) >= 200
    for split, reviews in by_split.items():
        assert sum(review.label for review in reviews) * 2 == len(reviews), split
        assert {review.kind for review in reviews} == set(samples.KINDS), split
    films = {split: {review.film for review in reviews} for split, reviews in by_split.items()}
    for one, other in itertools.combinations(films, 2):
        assert not films[one] & films[other]


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


def test_annotations_are_two_independent_judgements_of_the_same_sixty():
    by_annotator = collections.defaultdict(dict)
    for annotation in samples.annotations():
        assert annotation.label in (0, 1)
        assert annotation.kind in samples.KINDS
        by_annotator[annotation.annotator][annotation.review] = annotation
    assert len(by_annotator) == 2
    first, second = by_annotator.values()
    assert set(first) == set(second)
    assert len(first) == 60
    assert set(first) <= {review.id for review in samples.load()}
    # Two copies of one judgement would teach nothing about agreement.
    assert any((first[key].label, first[key].kind) != (second[key].label, second[key].kind) for key in first)


def test_products_are_160_balanced_and_mixed():
    products = samples.products()
    assert len(products) == 160
    assert samples.products() is products
    assert [product.id for product in products] == [f"p{number:04d}" for number in range(1, 161)]
    by_product = collections.defaultdict(list)
    for product in products:
        by_product[product.product].append(product.label)
    assert len(by_product) == 80
    assert all(sorted(labels) == [0, 1] for labels in by_product.values())
    assert all(1 <= len(name.split()) <= 2 for name in by_product)
    for start in range(0, 160, 40):
        assert 16 <= sum(product.label for product in products[start : start + 40]) <= 24


def test_products_vary_in_length_and_wording():
    products = samples.products()
    lengths = [len(product.text.split()) for product in products]
    assert min(lengths) >= 5
    assert max(lengths) <= 60
    assert sum(10 <= length <= 30 for length in lengths) > 80
    assert len({word for product in products for word in words(product)}) >= 1_200
    openings = collections.Counter(tuple(words(product)[:2]) for product in products)
    assert openings.most_common(1)[0][1] <= 2


def test_no_product_review_is_like_another_review():
    products = samples.products()
    reviews = (*products, *samples.load())
    assert len({product.text.lower() for product in products}) == len(products)
    pairs, _ = imdb.near_duplicates([review.text for review in reviews], threshold=0.1)
    assert not [(reviews[a].id, reviews[b].id) for a, b in pairs if a < len(products)]


def test_products_are_ascii_or_emoji():
    emojis = 0
    for product in samples.products():
        others = [letter for letter in product.text if not letter.isascii()]
        assert all("\U0001f300" <= letter <= "\U0001faff" for letter in others), product.id
        assert product.text == product.text.strip()
        assert product.text.isprintable(), product.id
        assert "  " not in product.text, product.id
        assert "<" not in product.text, product.id
        emojis += bool(others)
    assert 4 <= emojis <= 16


def test_products_have_no_words_of_films_and_no_stars():
    for product in samples.products():
        assert not FILM_WORDS.search(product.text), product.id
        assert not STARS.search(product.text), product.id
    # The patterns can find what they look for.
    assert sum(bool(FILM_WORDS.search(review.text)) for review in samples.load()) > 400
    assert all(STARS.search(text) for text in ("3/5", "8 out of 10", "Five stars"))
