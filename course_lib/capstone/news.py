"""The sentiment of financial statements in a stream that changes, and why it makes nobody rich.

Two lexicons, TF-IDF and a head on the encoder's features say whether a statement is good or bad news for who
holds the shares; a judge answers only where it is sure; a monitor says when the stream has changed. The last
part shows two ways in which a back-test on such labels deceives.

Sources: Malo et al., "Good Debt or Bad Debt: Detecting Semantic Orientations in Economic Texts", JASIST
65(4), 2014, arXiv:1307.5336; Loughran and McDonald, "When Is a Liability Not a Liability?", Journal of
Finance 66(1), 2011 (why general lexicons fail on finance); Hutto and Gilbert, "VADER", ICWSM 2014; Geifman
and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017, arXiv:1705.08500; Bailey,
Borwein, López de Prado and Zhu, "Pseudo-Mathematics and Financial Charlatanism", Notices of the AMS 61(5),
2014.
"""

import dataclasses
import re

import keras
import numpy as np

from course_lib import carriers, fine_tuning, imdb, weights
from course_lib import fetch as transfer
from course_lib.capstone import record
from course_lib.capstone.data import SENTIMENTS
from course_lib.capstone.head import Head
from course_lib.deployment import DriftMonitor, softmax
from course_lib.transformer import mean_pool

NEUTRAL = SENTIMENTS.index("neutral")
# Written for this course, before it was tried on any data.
_UP = """rose rise rises rising increase increased increases up grew grow growth higher improved improve
improvement gain gained profit record strong win won award awarded exceed exceeded double doubled jumped
surged surge climbed expand"""
_DOWN = """fell fall falls falling decrease decreased decreases down declined decline drop dropped lower loss
losses weak weaker weakened cut cuts layoff layoffs plunged slump slumped warning warned lost shrank negative
halted"""
UP, DOWN = frozenset(_UP.split()), frozenset(_DOWN.split())
WATCHED = ("length", "unknown", "confidence")
TRADING_DAYS = 250  # In a year.


# Baselines


def words(text):
    """The lower-case words of a text, without numbers."""
    return re.findall(r"[a-z']+", text.lower())


def lexicon_scores(texts, lexicon=None):
    """The sum of a lexicon's scores over each text's words.

    Args:
        texts: Sequence of str.
        lexicon: Dict from word to score; None is the course's own, +1 for `UP` and -1 for `DOWN`.

    Returns:
        Float array `(len(texts),)`.
    """
    if lexicon is None:
        lexicon = dict.fromkeys(UP, 1.0) | dict.fromkeys(DOWN, -1.0)
    return np.array([sum(lexicon.get(word, 0.0) for word in words(text)) for text in texts])


def by_sign(scores, margin=0.5):
    """Labels of scores: negative below -margin, positive above margin, else neutral; int array `(n,)`."""
    scores = np.asarray(scores)
    return NEUTRAL + (scores > margin).astype(int) - (scores < -margin)


def general_lexicon():
    """VADER's lexicon of 7,500 words, each with the mean score of ten people, from -4 to 4.

    Returns:
        Dict from word to score.

    Raises:
        fetch.DataError: If the raters' archive is not here; `course fetch data` brings it.
    """
    folder = carriers.find("raters")
    if folder is None:
        raise transfer.DataError(
            "VADER's lexicon is not on this machine. Run `make lab` or `course fetch data`."
        )
    name = "hutto_ICWSM_2014/vader_sentiment_lexicon.txt"
    ((_, content),) = transfer.read_tar(folder / "hutto.tar.gz", name.__eq__)
    rows = (line.split("\t") for line in content.decode("latin-1").splitlines() if line)
    return {row[0]: float(row[1]) for row in rows}


def linear_baseline(texts, labels, regularisation=10.0):
    """TF-IDF of words and word pairs, and logistic regression that weighs every class alike.

    Args:
        texts: Sequence of str.
        labels: Places in `SENTIMENTS`, one per text.
        regularisation: scikit-learn's `C`, the inverse of the strength.

    Returns:
        A fitted `sklearn.pipeline.Pipeline`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pattern = {"token_pattern": r"[\w']+", "ngram_range": (1, 2)}
    return make_pipeline(
        TfidfVectorizer(**pattern, min_df=2, sublinear_tf=True),
        LogisticRegression(C=regularisation, max_iter=1000, class_weight="balanced"),
    ).fit(texts, labels)


# The encoder's features


def train_head(features, labels, regularisation=0.01):
    """Lesson 05's logistic regression on scaled features, folded into one linear layer.

    Args:
        features: Float array `(n, width)`.
        labels: Integer array `(n,)`.
        regularisation: scikit-learn's `C`.

    Returns:
        A `Head` with the same logits.
    """
    scaler, fitted = fine_tuning.train_head(features, labels, regularisation)
    kernel = fitted.coef_.T / scaler.scale_[:, None]
    return Head(kernel.astype("float32"), (fitted.intercept_ - scaler.mean_ @ kernel).astype("float32"))


def adapt(backbone, texts, labels, blocks=2, epochs=3, sequence_length=64, learning_rate=2e-4, seed=0):
    """Fine-tunes the last blocks of an encoder; what the frozen ones make of the texts is computed once.

    Args:
        backbone: As `weights.load_backbone` gives it; its last blocks are changed.
        texts: Sequence of str.
        labels: Places in `SENTIMENTS`.
        blocks: How many of the encoder's last blocks learn.
        epochs: Passes over the texts.
        sequence_length: Most tokens per text.
        learning_rate: Peak of the schedule.
        seed: Of the head and of the order.

    Returns:
        A classifier as `weights.classifier` makes it, with three logits.
    """
    keras.utils.set_random_seed(seed)
    names = [layer.name for layer in backbone.layers if layer.name.startswith("transformer_layer")]
    below = backbone.get_layer(names[-blocks - 1]).output
    bottom = keras.Model(backbone.input, below)
    model = weights.classifier(backbone, len(SENTIMENTS))
    states = keras.Input((None, below.shape[-1]))
    mask = keras.Input((None,), dtype=backbone.input["padding_mask"].dtype)
    outputs = states
    for name in names[-blocks:]:
        outputs = backbone.get_layer(name)(outputs, padding_mask=mask)
    top = keras.Model([states, mask], model.get_layer("logits")(mean_pool(outputs, mask)))
    found = imdb.batches(texts, labels, sequence_length=sequence_length, shuffle=True, seed=seed)
    batches = [([bottom.predict_on_batch(x), x["padding_mask"]], y) for x, y in found.as_numpy_iterator()]
    fine_tuning.compile_classifier(top, epochs * len(batches), learning_rate=learning_rate)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for place in rng.permutation(len(batches)):
            top.train_on_batch(*batches[place])
    return model


# How good can it get, and when to be silent


def ceiling(votes):
    """How often one annotator agrees with the majority of the others: no model can be asked for more.

    Args:
        votes: Integer array `(n, annotators)` of labels.

    Returns:
        The share, over all annotators and statements for which the others have a majority.
    """
    votes = np.asarray(votes)
    right = total = 0
    for one in range(votes.shape[1]):
        others = np.delete(votes, one, axis=1)
        counts = (others[:, :, None] == np.arange(votes.max() + 1)).sum(axis=1)
        clear = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
        right += np.sum(counts.argmax(axis=1)[clear] == votes[clear, one])
        total += clear.sum()
    return float(right / total)


def choose_threshold(probabilities, labels, accuracy=0.9):
    """The least confidence from which the answers have a wanted accuracy.

    Args:
        probabilities: Float array `(n, classes)`, of a validation set.
        labels: Integer array `(n,)`.
        accuracy: Wanted share of right answers among those given.

    Returns:
        `(threshold, coverage)`: answer where the largest probability is at least the threshold; that is the
        share `coverage` of the validation set. `(inf, 0)` if no threshold does it.
    """
    sure = np.max(probabilities, axis=1)
    order = np.argsort(-sure, kind="stable")
    right = (np.argmax(probabilities, axis=1) == labels)[order]
    enough = np.cumsum(right) >= accuracy * np.arange(1, len(right) + 1)
    last = np.append(sure[order][1:] < sure[order][:-1], True)  # Equal ones are answered together.
    places = np.flatnonzero(enough & last)
    if not len(places):
        return np.inf, 0.0
    return float(sure[order][places[-1]]), float((places[-1] + 1) / len(sure))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the judge says of a statement.

    Attributes:
        label: One of `SENTIMENTS`, or None: a person should read it.
        probability: Of the most probable label.
        probabilities: Dict from label to probability.
    """

    label: str | None
    probability: float
    probabilities: dict[str, float]


class Judge:
    """The product: the sentiment of a statement, or None where it is not sure enough.

    Args:
        logits: Function from a list of texts to logits `(n, 3)`.
        temperature: Logits are divided by it, as `deployment.fit_temperature` finds it.
        threshold: Least probability of an answer.
    """

    def __init__(self, logits, temperature=1.0, threshold=0.0):
        self.logits, self.temperature, self.threshold = logits, temperature, threshold

    def __call__(self, text):
        """The `Verdict` on one text."""
        return self.judge([text])[0]

    def judge(self, texts):
        """A list of `Verdict`, one per text."""
        found = []
        for each in softmax(np.asarray(self.logits(list(texts)), "float64") / self.temperature):
            best = int(each.argmax())
            label = SENTIMENTS[best] if each[best] >= self.threshold else None
            shares = dict(zip(SENTIMENTS, map(float, each), strict=True))
            found.append(Verdict(label, float(each[best]), shares))
        return found


def card():
    """What the product says of itself, as text: task, data, what was measured on PhraseBank, and limits."""
    found = record("news")
    model, chosen = found["models"]["last two blocks adapted"], found["selective"]
    every, agreed, rest = (model[part] for part in ("all", "all agree", "some disagree"))
    large, small = (found["compressed"][mode] for mode in ("float32", "dynamic"))
    lines = {
        "task": "good, bad or no news for shareholders, in one English sentence; or: ask a person",
        "data": "Financial PhraseBank, at least 3 of 4 annotators agree; CC BY-NC-SA 3.0: not for sale",
        "model": f"MiniLM-L6, last two blocks adapted on {found['statements']['train']:,} statements",
        "accuracy": f"{every['accuracy']:.3f}, macro F1 {every['macro_f1']:.3f} "
        f"on {every['statements']} others; {agreed['accuracy']:.3f} where all annotators agree, "
        f"{rest['accuracy']:.3f} elsewhere",
        "answers": f"{chosen['coverage']:.0%}, from a confidence of {chosen['threshold']:.2f}; "
        f"{chosen['accuracy']:.1%} of them right",
        "calibrated": f"error {found['calibration']['error_after']:.3f}, "
        f"temperature {found['calibration']['temperature']:.1f}",
        "8 bits": f"{small['megabytes']} MB instead of {large['megabytes']}, "
        f"{small['same_labels']:.1%} of the labels are the same",
        "limits": "company news, much of it Finnish, before 2014; says nothing about prices",
    }
    return "\n".join(f"{name:<11}{text}" for name, text in lines.items())


# Watched


class Watch:
    """Whether the stream is still what the judge learned from: a `DriftMonitor` on texts and verdicts.

    Args:
        texts: What the judge learned from.
        verdicts: Its `Verdict` on texts that it did not learn from.
        held_out: Those texts.
        **options: As in `DriftMonitor`.
    """

    def __init__(self, texts, held_out, verdicts, **options):
        self.vocabulary = {word for text in texts for word in words(text)}
        rows = [self.observe(*pair) for pair in zip(held_out, verdicts, strict=True)]
        self.monitor = DriftMonitor({name: [row[name] for row in rows] for name in WATCHED}, **options)

    def observe(self, text, verdict):
        """The numbers that are watched of one text; the text itself is not kept."""
        found = words(text)
        return {
            "length": len(found),
            "unknown": round(sum(word not in self.vocabulary for word in found) / max(len(found), 1), 4),
            "confidence": round(verdict.probability, 4),
        }

    def add(self, text, verdict):
        """Takes in one text and its verdict; returns the names of the features that now raise an alarm."""
        self.monitor.add(self.observe(text, verdict))
        return [name for name, drift in self.monitor.report().items() if drift.alert]


# Back-tests that deceive


def sharpe(profits):
    """The yearly Sharpe ratio of daily profits: mean over standard deviation, times the root of 250."""
    profits = np.asarray(profits, "float64")
    return float(np.sqrt(TRADING_DAYS) * profits.mean() / profits.std())


def trade(sentiment, returns, lag=1):
    """Daily profits of who holds `sentiment` shares, decided `lag` days before the return is earned.

    Args:
        sentiment: Float array `(days,)`; below zero means to sell what one does not have.
        returns: Float array `(days,)`.
        lag: 0 trades at the price from before the day's news was out: nobody can.

    Returns:
        Float array `(days - lag,)`.
    """
    sentiment, returns = np.asarray(sentiment), np.asarray(returns)
    return sentiment[: len(sentiment) - lag] * returns[lag:]


def efficient_market(days, honesty=0.7, seed=0):
    """A market in which nothing can be earned: the news tells what the price did today; tomorrow is chance.

    Args:
        days: Number of days.
        honesty: Share of days on which the news has the sign of the day's return.
        seed: Of the chance.

    Returns:
        `(sentiment, returns)`, both `(days,)`: -1 or 1, and daily returns with a standard deviation of 1 %.
    """
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, days)
    return np.where(rng.random(days) < honesty, 1, -1) * np.sign(returns), returns


def hindsight_scores(days=240, per_day=4, horizon=10, width=16, by_time=False, seed=0):
    """Accuracy on labels made of later prices, in a market where nothing can be known of them.

    Statements of one day resemble each other, as they speak of the same events; a statement is labelled
    positive if the price is higher `horizon` days later. One nearest neighbour then "predicts" the label.

    Args:
        days: Number of days.
        per_day: Statements a day.
        horizon: Days between statement and the price that labels it.
        width: Of the statements' features.
        by_time: Whether the test set is the last fifth of the days, `horizon` days after the rest, instead of
            a random fifth of the statements.
        seed: Of the chance.

    Returns:
        `(accuracy, majority)` on the test set: of the neighbour, and of always the more frequent label.
    """
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(seed)
    price = np.cumsum(rng.normal(0, 0.01, days + horizon))
    day = np.repeat(np.arange(days), per_day)
    labels = (price[day + horizon] > price[day]).astype(int)
    features = rng.normal(0, 1, (days, width))[day] + rng.normal(0, 0.5, (len(day), width))
    cut = int(0.8 * days)
    random = rng.random(len(day)) < 0.2
    test, train = (day >= cut + horizon, day < cut) if by_time else (random, ~random)
    fitted = KNeighborsClassifier(1).fit(features[train], labels[train])
    majority = max(labels[test].mean(), 1 - labels[test].mean())
    return float(fitted.score(features[test], labels[test])), float(majority)
