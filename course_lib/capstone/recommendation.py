"""Films for a user, by two towers: one makes a vector of a film, one of what a user liked; near ones fit.

The towers meet only in a dot product, so the films' vectors are computed once and a user's nearest films are
looked up. A film's vector is made of its text and, if it was rated in training, of an embedding of its own;
a new film has only its text. Popularity and matrix factorisation are what the towers have to beat.

Sources: Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008 (matrix
factorisation); Covington, Adams and Sargin, "Deep Neural Networks for YouTube Recommendations", RecSys 2016,
and Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019
(two towers); Volkovs, Yu and Poutanen, "DropoutNet: Addressing Cold Start in Recommender Systems", NeurIPS
2017 (embeddings dropped in training).
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from course_lib.capstone import record
from course_lib.capstone.ranking import evaluate, ndcg_at, paired_interval, ranked, recall_at, sampled_hits
from course_lib.quantization import quantize

__all__ = [
    "LIKED",
    "WINDOW",
    "Case",
    "Film",
    "Index",
    "Recommender",
    "Served",
    "Split",
    "TwoTowers",
    "card",
    "centred",
    "evaluate",
    "examples",
    "factorise",
    "fold_in",
    "ndcg_at",
    "next_film_loss",
    "padded",
    "paired_interval",
    "popularity",
    "ranked",
    "recall_at",
    "sampled_hits",
    "split",
    "text_of",
    "train_towers",
]
LIKED = 4.0  # Stars from which a rating counts as a like.
WINDOW = 50  # Films of a history that the user tower reads, the latest.


# Data, split by time


@dataclasses.dataclass(frozen=True)
class Case:
    """A user at some moment, and what came next.

    Attributes:
        user: Number of the user.
        history: Int array of the films liked until then, in order of time.
        rated: Int array of all films rated until then: they are not recommended again.
        wanted: Int array of the films liked next.
    """

    user: int
    history: np.ndarray
    rated: np.ndarray
    wanted: np.ndarray


@dataclasses.dataclass(frozen=True)
class Split:
    """What a model may learn from, and what it is asked.

    Attributes:
        histories: Tuple of int arrays: per user, the films liked before `cut`, in order of time.
        cases: Tuple of `Case`; what is wanted was rated at `cut` or later.
        cut: Seconds since 1970.
        known: Boolean array `(films,)`: liked by somebody before `cut`.
    """

    histories: tuple
    cases: tuple
    cut: int
    known: np.ndarray


def split(ratings, share=0.75, until=None, hold=0.2, most=10, fewest=5):
    """Splits ratings at a moment: nothing that was rated later is learned from.

    Args:
        ratings: A `data.Ratings`.
        share: Share of the users whose last rating lies before the cut.
        until: Ratings from this time on do not exist; for a validation set, the test set's cut.
        hold: Share of a user's likes, the latest, that is wanted; at least one, none from before the cut.
        most: At most so many are wanted.
        fewest: Users with fewer likes before the wanted ones are left out.

    Returns:
        A `Split`.

    Raises:
        ValueError: If `share` is out of range or nobody is left to ask about.
    """
    if not 0 < share < 1:
        raise ValueError(f"`share` must lie between 0 and 1. Received: {share}")
    there = np.flatnonzero(ratings.times < (np.inf if until is None else until))
    # Equal times stay in the order of the films, as in the published file.
    there = there[np.lexsort((ratings.items[there], ratings.times[there], ratings.users[there]))]
    borders = np.flatnonzero(np.diff(ratings.users[there])) + 1
    rows = [each for each in np.split(there, borders) if len(each)]
    cut = int(np.quantile([ratings.times[each[-1]] for each in rows], share, method="higher"))
    histories, cases, known = [], [], np.zeros(ratings.item_count, bool)
    for each in rows:
        liked = each[ratings.ratings[each] >= LIKED]
        before, after = np.split(liked, [np.sum(ratings.times[liked] < cut)])
        if len(before):
            histories.append(ratings.items[before])
            known[ratings.items[before]] = True
        count = min(max(1, round(hold * len(liked))), most, len(after))
        if count and len(liked) - count >= fewest:
            wanted = liked[-count:]
            past = each[: np.flatnonzero(each == wanted[0])[0]]
            cases.append(
                Case(
                    int(ratings.users[each[0]]),
                    ratings.items[liked[:-count]],
                    ratings.items[past],
                    ratings.items[wanted],
                )
            )
    if not cases or not histories:
        raise ValueError("The split leaves nobody to learn from or to ask about: are there enough ratings?")
    return Split(tuple(histories), tuple(cases), cut, known)


def text_of(ratings):
    """A text per film: title, genres and, where there is one, the description."""
    about = ratings.descriptions or ("",) * ratings.item_count
    return [
        f"{title}. {', '.join(genres)}. {text}".strip(" .") + "."
        for title, genres, text in zip(ratings.titles, ratings.genres, about, strict=True)
    ]


def centred(vectors):
    """The encoder's vectors without what all of them share, each of length 1: float32 `(n, width)`."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors - vectors.mean(axis=0)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")


# Baselines


def popularity(histories, films):
    """How many users liked each film, float array `(films,)`: the same list for everybody."""
    return np.bincount(np.concatenate(histories), minlength=films).astype("float64")


def fold_in(history, factors, regularisation=1.0, weight=1.0):
    """A user's factors, given the films': one ridge regression (Hu et al. 2008, equation 4).

    A liked film should have the score 1, with confidence 1 + weight, all others 0 with confidence 1.

    Args:
        history: Int array of liked films.
        factors: Float array `(films, width)`.
        regularisation: Strength of the ridge.
        weight: Hu et al.'s alpha.

    Returns:
        Float array `(width,)`.
    """
    return _solve(history, factors, factors.T @ factors, regularisation, weight)


def _solve(places, factors, gram, regularisation, weight):
    own = factors[places]
    ridge = gram + weight * own.T @ own + regularisation * np.eye(factors.shape[1])
    return np.linalg.solve(ridge, (1 + weight) * own.sum(axis=0))


def factorise(histories, films, width=32, rounds=10, regularisation=1.0, weight=1.0, seed=0):
    """Matrix factorisation by alternating least squares: users' factors, then films', and again.

    Args:
        histories: Sequence of int arrays of liked films, one per user.
        films: Number of films.
        width: Number of factors.
        rounds: How often both are solved.
        regularisation: As in `fold_in`.
        weight: As in `fold_in`.
        seed: Of the first factors.

    Returns:
        Float array `(films, width)`: the films' factors. Those of a film that nobody liked are zeros.
    """
    fans = [[] for _ in range(films)]
    for user, history in enumerate(histories):
        for film in history:
            fans[film].append(user)
    factors = np.random.default_rng(seed).normal(0, 0.1, (films, width))
    for _ in range(rounds):
        gram = factors.T @ factors
        users = np.array([_solve(each, factors, gram, regularisation, weight) for each in histories])
        gram = users.T @ users
        factors = np.zeros_like(factors)
        for film, each in enumerate(fans):
            if each:
                factors[film] = _solve(each, users, gram, regularisation, weight)
    return factors


# Two towers


def padded(histories, window=WINDOW):
    """Histories as an int32 array `(n, window)` of film + 1, the latest films, 0 where there is none."""
    rows = np.zeros((len(histories), window), "int32")
    for row, history in zip(rows, histories, strict=True):
        latest = np.asarray(history)[-window:]
        row[: len(latest)] = latest + 1
    return rows


def examples(histories, cuts, wanted=20, fewest=3, seed=0):
    """Training examples: every history cut at places drawn by chance into what was liked and what came next.

    Args:
        histories: Sequence of int arrays; those of `fewest` films or less are left out.
        cuts: Cuts per history.
        wanted: Films that come next, at most.
        fewest: Films before a cut, at least.
        seed: Of the places.

    Returns:
        Two int32 arrays of film + 1, 0 where there is none: `(n, WINDOW)` and `(n, wanted)`, in mixed order.
    """
    rng, before, after = np.random.default_rng(seed), [], []
    for history in histories:
        if len(history) > fewest:
            for cut in rng.integers(fewest, len(history), cuts):
                before.append(history[:cut])
                after.append(history[cut : cut + wanted])
    order = rng.permutation(len(before))
    following = padded([each[::-1] for each in after], wanted)
    return padded(before)[order], following[order]


class TwoTowers(keras.Model):
    """A film tower and a user tower that meet in a dot product; both stand on the films' vectors.

    A score is the cosine of the towers' vectors over a temperature, plus the logarithm of how many users
    liked the film: what is popular need not be learned, only how a user differs from it.

    Args:
        text: Float array `(films, text width)`: the encoder's vectors of the films' texts.
        counts: Array `(films,)`: how many users liked each film; one that nobody liked has no embedding.
        width: Of the vectors that the towers make.
        drop: Share of the films whose embedding is left out in a training step, so that their text must do.
        temperature: The cosine is divided by it.
        use_text: Whether films have a text; False is a tower of embeddings alone.
        seed: Of the weights and of what is dropped.
    """

    def __init__(self, text, counts, width=64, drop=0.3, temperature=0.1, use_text=True, seed=0):
        super().__init__()
        self.text = ops.convert_to_tensor(np.vstack([np.zeros_like(text[:1]), text]).astype("float32"))
        self.known = ops.convert_to_tensor(np.append(0.0, np.asarray(counts) > 0).astype("float32")[:, None])
        self.popular = ops.convert_to_tensor(np.log1p(np.append(0.0, counts)).astype("float32"))
        self.drop, self.temperature, self.use_text = drop, temperature, use_text
        self.seeds = keras.random.SeedGenerator(seed)
        normal = keras.initializers.RandomNormal(stddev=0.05, seed=seed)
        self.own = self.add_weight(shape=(len(text) + 1, width), initializer=normal, name="own")
        start = keras.initializers.GlorotUniform(seed=seed)
        self.read = keras.layers.Dense(width, use_bias=False, kernel_initializer=start, name="read")
        self.user = keras.layers.Dense(width, use_bias=False, kernel_initializer="identity", name="user")
        self.read.build((None, text.shape[1]))
        self.user.build((None, width))

    def films(self, training=False):
        """The film tower: vectors of length 1, `(films + 1, width)`; row 0 stands for none and is zeros."""
        own = self.own * self.known
        if training and self.drop:
            keep = keras.random.uniform(ops.shape(self.known), seed=self.seeds) >= self.drop
            own = own * ops.cast(keep, own.dtype)
        return ops.normalize(own + self.read(self.text) if self.use_text else own, axis=-1)

    def users(self, histories, films):
        """The user tower: the mean of the liked films' vectors, through one layer: `(users, width)`."""
        there = ops.cast(histories > 0, films.dtype)[..., None]
        total = ops.sum(ops.take(films, histories, axis=0) * there, axis=1)
        return ops.normalize(self.user(total / ops.maximum(ops.sum(there, axis=1), 1.0)), axis=-1)

    def call(self, histories, training=False):
        """Logits `(users, films + 1)` of histories `(users, WINDOW)`; -1e9 for films that nobody liked."""
        films = self.films(training)
        cosine = ops.matmul(self.users(histories, films), ops.transpose(films))
        return ops.where(ops.transpose(self.known) > 0, cosine / self.temperature + self.popular, -1e9)

    def served(self):
        """What a service needs of it, as a `Served`."""
        films, popular, kernel = map(
            ops.convert_to_numpy, (self.films()[1:], self.popular[1:], self.user.kernel)
        )
        return Served(films, popular, kernel, self.temperature)


def next_film_loss(wanted, logits):
    """Mean cross-entropy of the wanted films, int `(n, wanted)` of film + 1, 0 where there is none."""
    wanted = ops.cast(wanted, "int32")
    there = ops.cast(wanted > 0, logits.dtype) * ops.cast(
        ops.take_along_axis(logits, wanted, axis=1) > -1e8, logits.dtype
    )
    chances = ops.take_along_axis(ops.log_softmax(logits, axis=-1), wanted, axis=1)
    return -ops.sum(chances * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)


def train_towers(histories, text, cuts=30, learning_rate=2e-3, batch_size=64, seed=0, **options):
    """Trains two towers to tell what users liked next.

    Args:
        histories: As `Split.histories`.
        text: As in `TwoTowers`.
        cuts: Training examples per history.
        learning_rate: AdamW's.
        batch_size: Examples per step.
        seed: Of weights and examples.
        **options: As in `TwoTowers`.

    Returns:
        The `TwoTowers`.
    """
    towers = TwoTowers(text, popularity(histories, len(text)), seed=seed, **options)
    before, after = examples(histories, cuts, seed=seed)
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=0.01)
    towers.compile(optimizer=optimizer, loss=next_film_loss, jit_compile=keras.backend.backend() == "jax")
    towers.fit(before, after, batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
    return towers


# Served


@dataclasses.dataclass(frozen=True)
class Served:
    """Trained towers as arrays: to recommend takes NumPy.

    Attributes:
        films: Float array `(films, width)` of vectors of length 1.
        popular: Float array `(films,)`: logarithm of 1 + how many users liked a film.
        kernel: Float array `(width, width)` of the user tower's layer.
        temperature: As in `TwoTowers`.
    """

    films: np.ndarray
    popular: np.ndarray
    kernel: np.ndarray
    temperature: float

    def user(self, history):
        """The user tower: a vector of length 1 of the films liked, of which the latest are read."""
        vector = self.films[np.asarray(history)[-WINDOW:]].mean(axis=0) @ self.kernel
        return vector / max(np.linalg.norm(vector), 1e-9)

    def scores(self, cases):
        """Scores of all films, those that nobody liked too: `(cases, films)`."""
        users = np.array([self.user(case.history) for case in cases])
        return users @ self.films.T / self.temperature + self.popular

    def rows(self):
        """A row per film whose dot product with (user, 1) is the score: `(films, width + 1)`."""
        return np.column_stack([self.films / self.temperature, self.popular])


class Index:
    """Rows in 8 bits, and those with the largest dot products, found by scikit-learn as nearest neighbours.

    With one more coordinate all rows are equally long; then the nearest has the largest dot product (Bachrach
    et al., "Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product
    Spaces", RecSys 2014).

    Args:
        rows: Float array `(n, width)`.
    """

    def __init__(self, rows):
        from sklearn.neighbors import NearestNeighbors

        rows = np.asarray(rows, "float64")
        self.scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, 1e-12).astype("float32")
        self.codes = quantize(rows, self.scale)
        decoded = self.decoded()
        square = np.sum(decoded**2, axis=1)
        longer = np.column_stack([decoded, np.sqrt(square.max() - square)])
        self.nearest = NearestNeighbors(algorithm="brute").fit(longer)

    @property
    def nbytes(self):
        """Bytes of codes and scales."""
        return self.codes.nbytes + self.scale.nbytes

    def decoded(self):
        """The rows as the 8 bits have them, float32."""
        return self.codes * self.scale

    def search(self, vector, k):
        """`(places, scores)` of the k rows with the largest dot products with a vector, the largest first."""
        query = np.append(vector, 0.0)[None]
        places = self.nearest.kneighbors(query, min(k, len(self.codes)), return_distance=False)[0]
        return places, self.decoded()[places] @ np.asarray(vector)


@dataclasses.dataclass(frozen=True)
class Film:
    """A recommended film.

    Attributes:
        number: Its place among the films.
        title: Its title.
        score: As in `Served.scores`; of a new film, the product of its text and the mean text of the history.
        new: Whether nobody had liked it when the towers were trained.
    """

    number: int
    title: str
    score: float
    new: bool


class Recommender:
    """The product: what a user may like next.

    Films that nobody liked yet are ranked among themselves, by their texts alone, which were found better at
    that (benchmarks/capstone_recommendation.py) than the tower trained on other films.

    Args:
        served: A `Served`.
        titles: One str per film.
        text: Float array `(films, text width)` of the films' texts, as `centred` gives it.
    """

    def __init__(self, served, titles, text):
        self.served, self.titles, self.text = served, titles, text
        new = served.popular == 0
        self.groups = {each: np.flatnonzero(new == each) for each in (False, True)}
        rows = {False: served.rows(), True: text}
        self.indexes = {each: Index(rows[each][at]) for each, at in self.groups.items() if len(at)}

    def recommend(self, history, count=10, new=2, rated=()):
        """The films to show a user, some of them new ones, which would otherwise never be found.

        Args:
            history: Films that the user liked, in order of time.
            count: How many to show.
            new: How many of them are new, if there are as many.
            rated: Further films not to show.

        Returns:
            A list of `Film`, the known ones first.

        Raises:
            ValueError: If the history is empty or a film is none.
        """
        history = np.asarray(history, "int64")
        last = len(self.titles) - 1
        if not history.size or history.min() < 0 or history.max() > last:
            raise ValueError(f"A history is at least one film from 0 to {last}. Received: {history.tolist()}")
        away = {*history.tolist(), *map(int, rated)}
        shown = self._nearest(self.text[history[-WINDOW:]].mean(axis=0), True, new, away)
        user = np.append(self.served.user(history), 1.0)
        return self._nearest(user, False, count - len(shown), away) + shown

    def _nearest(self, vector, new, count, away):
        if new not in self.indexes or count < 1:
            return []
        places, scores = self.indexes[new].search(vector, count + len(away))
        films = [
            Film(int(number), self.titles[number], float(score), new)
            for number, score in zip(self.groups[new][places], scores, strict=True)
            if number not in away
        ]
        return films[:count]


def card():
    """What the product says of itself, as text: task, data, what was measured on MovieLens, and limits."""
    found = record("recommendation")
    cut, cold, index = found["split"], found["cold_start"], found["index"]
    towers, popular = (found["models"][name] for name in ("towers: text and embeddings", "popularity"))
    lines = {
        "task": f"{found['recorded']['k']} films that a user may like next, some of them new",
        "data": f"MovieLens (small, 2016), likes before {cut['cut']}; research only",
        "model": f"two towers, {cut['training_users']} users; new films by MiniLM's vectors alone",
        "recall": f"{towers['recall']:.3f}, nDCG {towers['ndcg']:.3f}; popularity {popular['recall']:.3f}, "
        f"{popular['ndcg']:.3f} ({cut['cases']} later users, {cut['films']:,} films)",
        "new films": f"recall {cold['recall']['text without training']:.3f} among {cold['films']}, "
        f"by chance {cold['recall']['chance']:.3f}",
        "8 bits": f"{index['megabytes_int8']} MB instead of {index['megabytes_float32']}, "
        f"{index['same_films']:.1%} of the listed films are the same",
        "limits": "needs one like at least; learned from raters, not from viewers",
    }
    return "\n".join(f"{name:<11}{text}" for name, text in lines.items())
