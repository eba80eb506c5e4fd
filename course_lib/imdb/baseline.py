"""The linear model that a neural network must beat."""

from course_lib.imdb.splits import check_texts, clean


def linear_baseline(texts, labels, regularisation=10.0, min_count=2):
    """The model that a neural network must beat: TF-IDF of words and word pairs, and logistic regression.

    Args:
        texts: Sequence of str; they are cleaned.
        labels: One label per text.
        regularisation: scikit-learn's `C`, the inverse of the strength.
        min_count: Words and pairs in fewer texts than this are left out.

    Returns:
        A fitted `sklearn.pipeline.Pipeline`, with `predict` and `score` on texts.

    Raises:
        ValueError: If `texts` is no sequence of str, or there is not one label per text, or only one label.
    """
    check_texts(texts)
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # scikit-learn's own pattern drops "I" and "a" and cuts "isn't" in two: negation sits in such words.
    words = {"preprocessor": _normalise, "token_pattern": r"[\w']+", "ngram_range": (1, 2)}
    vectorizer = TfidfVectorizer(**words, min_df=min_count, sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=regularisation, max_iter=1000))
    return model.fit(texts, labels)


def _normalise(text):
    return clean(text).lower()
