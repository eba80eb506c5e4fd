"""Questions of lesson 08: percentiles, drift, temperature, batches, calibration, cost, a fleet, an alert."""

import functools
import itertools

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

deployment = Lesson("deployment")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


# A percentile from a histogram


def _histogram_calls(rng):
    def bounds(size):
        return np.cumsum(rng.integers(1, 9, size=size)) * 5.0

    def call(bounds, counts, bucket, share):
        """Asks for the quantile that lies at this share of a bucket."""
        counts = np.asarray(counts)
        rank = counts[:bucket].sum() + share * counts[bucket]
        return round(float(rank / counts.sum()), 3), bounds, counts

    some = rng.integers(5, 60, size=(4, 7))
    gap = rng.integers(5, 60, size=6)
    gap[2] = 0
    return [
        call(bounds(6), some[0], 3, rng.uniform(0.3, 0.7)),
        call(bounds(6), some[1], 4, rng.uniform(0.2, 0.9)),
        call(bounds(6), some[2], 0, rng.uniform(0.3, 0.8)),
        call(bounds(6), some[3], 6, rng.uniform(0.2, 0.8)),
        call(bounds(5), gap, 3, rng.uniform(0.2, 0.8)),
        (0.95, bounds(4), np.zeros(5, "int64")),
    ]


@_quiet
def _quantile(
    q, bounds, counts, within=True, first=lambda bounds: 0.0, beyond=None, total=np.sum, empty=np.nan
):
    """The estimate with one of its parts replaced."""
    upto, total = np.cumsum(counts), total(counts)
    if not total:
        return empty
    low, below = first(bounds), 0
    for bound, reached in zip(bounds, upto, strict=False):
        if reached >= q * total:
            return low + (bound - low) * (q * total - below) / (reached - below) if within else bound
        low, below = bound, reached
    return bounds[-1] if beyond is None else beyond


_HISTOGRAM = Question(
    id="deployment.histogram_quantile",
    title="A percentile from a histogram",
    points=3,
    minutes=20,
    signature="histogram_quantile(q, bounds, counts)",
    calls=_histogram_calls,
    reference=lambda q, bounds, counts: deployment.histogram_quantile(q, bounds, counts),
    rtol=1e-5,
    atol=1e-6,
    mistakes=(
        Mistake(
            "upper_bound",
            functools.partial(_quantile, within=False),
            "You find the right bucket and return its upper bound. How far into the bucket does the rank "
            "lie?",
            "If a bucket holds 10 requests and the rank is that of its fifth, half of the bucket's width "
            "lies below. Your answer takes in the whole width.",
        ),
        Mistake(
            "first_bucket_wraps",
            functools.partial(_quantile, first=lambda bounds: bounds[-1]),
            "Right but for quantiles in the first bucket: there your answer lies above the bucket's own "
            "bound. From which number do you start to interpolate?",
            "`bounds[i - 1]` raises no error when i is 0: in Python, index -1 is that of the last element. "
            "The first bucket's lower end is not among the bounds. Where does the task say it is?",
        ),
        Mistake(
            "first_bucket_flat",
            functools.partial(_quantile, first=lambda bounds: bounds[0]),
            "Right but for quantiles in the first bucket: there you always return its bound. Where does "
            "that bucket begin?",
            "No request takes less than no time. The first bucket has a lower end, too, though it is not "
            "among the bounds.",
        ),
        Mistake(
            "open_bucket_infinite",
            functools.partial(_quantile, beyond=np.inf),
            "Right but for quantiles above the last bound, where you return infinity. Look up what the task "
            "asks for there.",
            "The last bucket has no upper end, so nobody can interpolate in it. All that is known is that "
            "the quantile is at least some bound. Return that one.",
        ),
        Mistake(
            "slowest_left_out",
            functools.partial(_quantile, total=lambda counts: counts[:-1].sum()),
            "Your percentiles are too low. Which requests are missing in your total?",
            "There is one more count than there are bounds. A `zip` of the two, or a slice up to -1, drops "
            "the requests above the last bound: the slowest of all.",
        ),
        Mistake(
            "zero_for_nothing",
            functools.partial(_quantile, empty=0.0),
            "All is right but for a histogram without any requests: you return 0. Is that what you would "
            "like to see while your service is down?",
            "A latency of 0 is the best there is, and no alert would fire. Nothing measured is not a number.",
        ),
    ),
    hint="Which place in the queue from fastest to slowest does the quantile have? Take the example, and "
    "count up to it bucket by bucket.",
)


# Drift


def _drift_calls(rng):
    def counts(bins, size):
        return rng.multinomial(size, rng.dirichlet(np.full(bins, 3.0))) + 1

    hole, other = counts(5, 200), counts(5, 150)
    hole[int(rng.integers(1, 3))] = 0
    other[int(rng.integers(3, 5))] = 0
    same = counts(4, 100)
    return [
        (counts(5, 200), counts(5, 200)),
        (counts(4, 1000), counts(4, 60)),
        (hole, other),
        (same, same.copy()),
        (counts(6, 40), counts(6, 500)),
    ]


def _shares(counts):
    return (counts + 0.5) / (counts + 0.5).sum()


@_quiet
def _index(expected, actual, shares=_shares, measure=lambda e, a: (a - e) * np.log(a / e)):
    """The index with one of its parts replaced."""
    return np.sum(measure(shares(expected), shares(actual)))


def _shares_where_empty(counts):
    filled = np.where(counts == 0, 0.5, counts)
    return filled / filled.sum()


_DRIFT = Question(
    id="deployment.population_stability_index",
    title="Whether the input has changed",
    points=2,
    minutes=10,
    signature="population_stability_index(expected, actual)",
    calls=_drift_calls,
    reference=lambda expected, actual: deployment.population_stability_index(expected, actual),
    rtol=1e-5,
    atol=1e-8,
    mistakes=(
        Mistake(
            "counts",
            functools.partial(_index, shares=lambda counts: counts + 0.5),
            "Your index is far too large, and it grows with the number of requests. What do the formula's e "
            "and a stand for?",
            "The reference may hold 5,000 reviews and the window 100. Their counts cannot be compared "
            "before both sides add up to 1.",
        ),
        Mistake(
            "not_smoothed",
            functools.partial(_index, shares=lambda counts: counts / counts.sum()),
            "Nearly right where all bins are full. Where one is empty, your index is infinite or NaN. Which "
            "step of the task keeps shares away from 0?",
            "A single review of a new kind would make your alert fire. Half an observation more in each "
            "bin, on both sides, keeps the logarithm finite.",
        ),
        Mistake(
            "one_sided",
            functools.partial(_index, measure=lambda e, a: a * np.log(a / e)),
            "You sum a · ln(a / e), the Kullback-Leibler divergence. It is not the same if the two sides "
            "are swapped; this index must be.",
            "In front of the logarithm stands the difference of the two shares, not one of them.",
        ),
        Mistake(
            "wrong_sign",
            functools.partial(_index, measure=lambda e, a: (e - a) * np.log(a / e)),
            "The size is right, the sign is not. When a bin has become fuller, which sign has your "
            "difference, and which has your logarithm?",
            "Both factors must change their sign together, so that no bin ever counts below 0. In one of "
            "yours, e and a stand the wrong way round.",
        ),
        Mistake(
            "empty_bins_only",
            functools.partial(_index, shares=_shares_where_empty),
            "Near, and finite where a bin is empty. Which bins get half an observation from you, and which "
            "from the task?",
            "Yours goes to the empty bins alone. Work out the example with it: the bins with 9, 4 and 5 "
            "should have got their half as well.",
        ),
        Mistake(
            "old_total",
            functools.partial(_index, shares=lambda counts: (counts + 0.5) / counts.sum()),
            "Very near. You add half an observation to every bin and then divide. Do your shares add up to "
            "1?",
            "With five bins there are 2.5 observations more than before. Which total do you divide by?",
        ),
    ),
    hint="Do the example by hand as far as the two lists of shares. Each must add up to 1, and none may be "
    "0.",
)


# Temperature


def _temperature_calls(rng):
    def call(size, classes, temperature, grid, offset=0.0):
        """Labels that follow the logits at about the given temperature."""
        logits = rng.normal(scale=2.0 * max(temperature, 1.0), size=(size, classes))
        noise = rng.gumbel(size=logits.shape)
        labels = np.argmax(logits / temperature + noise, axis=1)
        logits = logits + offset
        # The first one is neither the best, nor the one that the most usual wrong rules end at.
        best = grid[int(np.argmin(_losses(logits, labels, grid)))]
        order = [float(t) for t in rng.permutation(grid)]
        first = next(t for t in order if t not in (best, min(grid), max(grid)))
        order.remove(first)
        return logits, labels, np.array([first, *order])

    wide = [0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 5.0]
    return [
        call(120, 2, 2.2, wide),
        call(200, 3, 0.6, wide),
        call(150, 4, 1.4, [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0]),
        call(100, 2, 1.7, wide, offset=5000.0),
    ]


def _stable(scaled, axis=1):
    powers = np.exp(scaled - scaled.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _cross_entropy(probabilities, labels):
    return -np.mean(np.log(probabilities[np.arange(len(labels)), labels]))


def _losses(logits, labels, temperatures):
    return [_cross_entropy(_stable(logits / t), labels) for t in temperatures]


def _temperature_scaling(logits, labels, temperatures):
    """The reference: `fit_temperature` on a grid."""
    chosen = [deployment.softmax(logits / t) for t in temperatures]
    best = int(np.argmin([_cross_entropy(each, labels) for each in chosen]))
    return temperatures[best], chosen[best]


@_quiet
def _scaling(
    logits,
    labels,
    temperatures,
    probabilities=lambda logits, t: _stable(logits / t),
    loss=_cross_entropy,
    choose=np.argmin,
):
    """Temperature scaling with one of its parts replaced."""
    chosen = [probabilities(logits, t) for t in temperatures]
    best = int(choose([loss(each, labels) for each in chosen]))
    return temperatures[best], chosen[best]


def _overflowing(logits, t):
    powers = np.exp(logits / t)
    return powers / powers.sum(axis=1, keepdims=True)


_TEMPERATURE = Question(
    id="deployment.temperature_scaling",
    title="A temperature for honest probabilities",
    points=2,
    minutes=15,
    signature="temperature_scaling(logits, labels, temperatures)",
    calls=_temperature_calls,
    reference=_temperature_scaling,
    returns=("array", "array"),
    rtol=1e-4,
    atol=1e-8,
    mistakes=(
        Mistake(
            "multiplied",
            functools.partial(_scaling, probabilities=lambda logits, t: _stable(logits * t)),
            "Your temperature works the wrong way round: a high one makes your model surer of itself.",
            "A high temperature must bring the logits closer together, so that the probabilities get more "
            "alike. Yours drives the logits apart.",
        ),
        Mistake(
            "softmax_first",
            functools.partial(_scaling, probabilities=lambda logits, t: _stable(_stable(logits) / t)),
            "Your probabilities went through a softmax twice. What is it that the temperature divides?",
            "After a softmax all numbers lie between 0 and 1, and a second one makes them nearly alike. "
            "Divide what comes out of the network.",
        ),
        Mistake(
            "by_accuracy",
            functools.partial(
                _scaling,
                loss=lambda probabilities, labels: np.mean(probabilities.argmax(axis=1) == labels),
                choose=np.argmax,
            ),
            "You always return the first temperature of the list. Does the largest of some logits become "
            "another one if all are divided by the same number?",
            "A temperature does not change which class wins, so the accuracy is the same at each, and the "
            "first of equals is taken. It is the probability of the right class that changes.",
        ),
        Mistake(
            "highest_loss",
            functools.partial(_scaling, choose=np.argmax),
            "Of all the temperatures you choose the one with the largest cross-entropy, or you have lost a "
            "minus sign on the way.",
            "The logarithm of a probability is never above 0, and the better it is, the nearer it gets to "
            "0. Minus its mean must become as small as possible.",
        ),
        Mistake(
            "all_pairs",
            functools.partial(
                _scaling, loss=lambda probabilities, labels: -np.mean(np.log(probabilities[:, labels]))
            ),
            "Your probabilities are right for the temperature that you choose, but you choose too high a "
            "one. Print the shape of what you take the mean of.",
            "`probabilities[:, labels]` pairs every text with the label of every other, an array of shape "
            "(n, n). Each row should give you one number: that of its own label.",
        ),
        Mistake(
            "overflow",
            functools.partial(_scaling, probabilities=_overflowing),
            "Right as long as the logits are small. Where they are near 5,000, your powers are infinite and "
            "the probabilities NaN.",
            "A softmax does not change if the same number is taken off all logits of a text. Which number "
            "makes sure that no exponent is above 0?",
        ),
    ),
    hint="First write the part that turns logits and one temperature into probabilities. Then, which number "
    "tells how good a temperature is, and what do you need from each row for it?",
)


# Batches


def _batch_calls(rng):
    buckets = [32, 64, 128]

    def near(size):
        """Lengths of all buckets, many of them in the lower half of theirs."""
        lower, upper = [3, 33, 65], [32, 46, 95]
        kinds = rng.permutation(np.arange(size) % 3)
        return [int(rng.integers(lower[kind], upper[kind])) for kind in kinds]

    on_bound = [
        32,
        64,
        int(rng.integers(5, 30)),
        32,
        int(rng.integers(40, 60)),
        64,
        int(rng.integers(70, 90)),
    ]
    falling = sorted(rng.choice(np.arange(10, 31), size=5, replace=False).tolist(), reverse=True)
    return [
        (near(9), buckets, 2),
        ([*falling, int(rng.integers(70, 120))], buckets, 3),
        (rng.permutation(on_bound).tolist(), buckets, 4),
        (near(14), buckets, 4),
        (rng.integers(1, 200, size=12).tolist(), [16, 64, 100, 256], 3),
        ([], buckets, 4),
        (near(5), buckets, 1),
    ]


def _chunks(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def _smallest(length, buckets):
    return next(bucket for bucket in buckets if length <= bucket)


def _groups(lengths, buckets, batch_size, bucket=_smallest, order=None, chunks=_chunks):
    """The groups with one of their parts replaced."""
    members = {each: [] for each in buckets}
    for index in sorted(range(len(lengths)), key=order(lengths)) if order else range(len(lengths)):
        members[bucket(lengths[index], buckets)].append(index)
    return [group for found in members.values() for group in chunks(found, batch_size)]


def _strictly(length, buckets):
    return next((bucket for bucket in buckets if length < bucket), buckets[-1])


def _nearest(length, buckets):
    return min(buckets, key=lambda bucket: abs(bucket - length))


def _across(lengths, buckets, batch_size):
    order = sorted(range(len(lengths)), key=lambda index: _smallest(lengths[index], buckets))
    return _chunks(order, batch_size)


def _neighbours(lengths, buckets, batch_size):
    runs = itertools.groupby(range(len(lengths)), key=lambda index: _smallest(lengths[index], buckets))
    runs = sorted(((bucket, list(run)) for bucket, run in runs), key=lambda run: run[0])
    return [group for _, run in runs for group in _chunks(run, batch_size)]


def _full_only(items, size):
    return [group for group in _chunks(items, size) if len(group) == size]


_BATCHES = Question(
    id="deployment.micro_batches",
    title="Which texts run together",
    points=2,
    minutes=15,
    signature="micro_batches(lengths, buckets, batch_size)",
    calls=_batch_calls,
    reference=lambda lengths, buckets, batch_size: [
        indices for _, indices in deployment.micro_batches(lengths, buckets, batch_size)
    ],
    returns=("ragged",),
    mistakes=(
        Mistake(
            "by_length",
            functools.partial(_groups, order=lambda lengths: lambda index: lengths[index]),
            "Your texts are in the right buckets, but inside a bucket you sorted them by length. Who has "
            "waited longest?",
            "In a bucket all texts are padded to the same length, so sorting saves nothing. It only makes a "
            "text wait for others that came later.",
        ),
        Mistake(
            "strict_bound",
            functools.partial(_groups, bucket=_strictly),
            "Right but for texts that fill a bucket exactly: a text of 32 tokens runs at 64 with you.",
            "32 tokens fit into 32 places. Look at your comparison of a length with a bucket.",
        ),
        Mistake(
            "across_buckets",
            _across,
            "Some of your groups hold texts of two buckets. To which length must such a group be padded?",
            "You bring the texts into the order of their buckets and cut that one list into groups. A group "
            "must also end where its bucket does.",
        ),
        Mistake(
            "neighbours_only",
            _neighbours,
            "Your groups are too small: only texts that came directly one after the other are together.",
            "`itertools.groupby`, or a comparison with the text before, starts a new run whenever the "
            "bucket changes. A text must find those of its bucket however many others came in between.",
        ),
        Mistake(
            "nearest_bucket",
            functools.partial(_groups, bucket=_nearest),
            "You take the bucket whose length is nearest. What happens to the last words of a text of 40 "
            "tokens that runs at 32?",
            "A bucket must hold the whole text. So only those that are large enough come into question.",
        ),
        Mistake(
            "rest_lost",
            functools.partial(_groups, chunks=_full_only),
            "Some texts are in none of your groups. What becomes of the last group of a bucket, if it is "
            "not full?",
            "Five texts in groups of two are three groups. Here each text is someone's request: it must get "
            "an answer.",
        ),
    ),
    hint="Two steps. First give each text its place in a bucket, and print that. Cut into groups only when "
    "all texts have one.",
)


# Calibration


def _calibration_calls(rng):
    def call(confidence, right, classes, bins):
        """Probabilities with these confidences, and labels so that these verdicts are right."""
        size = len(confidence)
        rest = rng.uniform(0.2, 0.8, size=size)
        probabilities = np.zeros((size, classes))
        order = rng.permuted(np.tile(np.arange(classes), (size, 1)), axis=1)
        rows = np.arange(size)
        probabilities[rows, order[:, 0]] = confidence
        if classes == 2:
            probabilities[rows, order[:, 1]] = 1 - confidence
        else:
            probabilities[rows, order[:, 1]] = (1 - confidence) * rest
            probabilities[rows, order[:, 2]] = (1 - confidence) * (1 - rest)
        return probabilities, np.where(right, order[:, 0], order[:, 1]), bins

    def drawn(size, low):
        """Too sure of itself above, not sure enough below."""
        confidence = rng.uniform(low, 0.99, size=size)
        return confidence, rng.random(size) < np.where(confidence < 0.75, 0.95, 0.6)

    levels = np.repeat([0.5, 0.625, 0.75, 0.875], rng.integers(4, 8, size=4))
    right, order = np.isin(levels, (0.5, 0.75)), rng.permutation(len(levels))
    return [
        call(*drawn(6, 0.51), 2, 5),
        call(*drawn(40, 0.51), 2, 10),
        call(*drawn(70, 0.53), 3, 5),
        call(levels[order], right[order], 3, 4),
        call(*drawn(25, 0.51), 2, 20),
    ]


@_quiet
def _error(
    probabilities,
    labels,
    bins,
    confidence=lambda probabilities: probabilities.max(axis=1),
    right=lambda probabilities, labels: probabilities.argmax(axis=1) == labels,
    which=lambda confidence, bins: np.ceil(confidence * bins) - 1,
    combine=lambda gaps, counts: np.sum(np.abs(gaps) * counts) / counts.sum(),
    empty=False,
):
    """The error with one of its parts replaced."""
    sure, hit = confidence(probabilities), right(probabilities, labels)
    bin_of = np.clip(which(sure, bins).astype("int64"), 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    gaps = (np.bincount(bin_of, sure, bins) - np.bincount(bin_of, hit, bins)) / counts
    return combine(gaps, counts) if empty else combine(gaps[counts > 0], counts[counts > 0])


def _of_class_1(probabilities):
    return probabilities[:, 1]


_CALIBRATION = Question(
    id="deployment.expected_calibration_error",
    title="How honest a confidence is",
    points=2,
    minutes=15,
    signature="expected_calibration_error(probabilities, labels, bins)",
    calls=_calibration_calls,
    reference=lambda probabilities, labels, bins: deployment.expected_calibration_error(
        probabilities, labels, bins
    )[0],
    rtol=1e-5,
    atol=1e-7,
    mistakes=(
        Mistake(
            "not_weighted",
            functools.partial(_error, combine=lambda gaps, counts: np.mean(np.abs(gaps))),
            "Your gaps are right, and you give every bin the same weight. Should a bin with one text count "
            "as much as one with a hundred?",
            "The error is a mean over texts, not over bins: each text brings in the gap of its bin.",
        ),
        Mistake(
            "lower_bound",
            functools.partial(_error, which=lambda confidence, bins: np.floor(confidence * bins)),
            "Right but for confidences that lie exactly between two bins. Which of the two do you take?",
            "A bin holds its upper bound: with four bins, 0.5 belongs to the second, from 0.25 to 0.5. You "
            "put it into the third.",
        ),
        Mistake(
            "confidence_of_class_1",
            functools.partial(_error, confidence=_of_class_1),
            "You take the probability of class 1 as the confidence. If a model gives 0.9 to class 0, how "
            "sure is it of its verdict?",
            "The verdict is the likeliest class, whichever it is, and the confidence is its probability. "
            "With three classes, column 1 is just one of them.",
        ),
        Mistake(
            "share_of_class_1",
            functools.partial(
                _error, confidence=_of_class_1, right=lambda probabilities, labels: labels == 1
            ),
            "You compare the probability of class 1 with the share of class 1. That is a fair question "
            "about two classes, but another one.",
            "Asked for are confidence and accuracy: the probability of the likeliest class, and whether "
            "that class is the label.",
        ),
        Mistake(
            "signed",
            functools.partial(_error, combine=lambda gaps, counts: np.sum(gaps * counts) / counts.sum()),
            "Bins that are too sure and bins that are not sure enough cancel in your sum.",
            "A model that is 0.2 too sure in one half of the texts and 0.2 too modest in the other is badly "
            "calibrated. What has to be done with a gap before it is added?",
        ),
        Mistake(
            "empty_bins",
            functools.partial(
                _error,
                combine=lambda gaps, counts: np.sum(np.abs(gaps) * counts / counts.sum()),
                empty=True,
            ),
            "You return NaN. What is the mean confidence of a bin that holds no text?",
            "The mean of nothing is NaN, and NaN times 0 is still NaN. With two classes no confidence is "
            "below 0.5, so half of the bins are always empty: leave them out.",
        ),
    ),
    hint="Make two arrays of length n first: how sure the model is of its verdict, and whether the verdict "
    "is right. The bins come after that.",
)


# Cost


def _cost_calls(rng):
    def call(utilisation):
        price, rate = rng.uniform(0.05, 4.0), rng.uniform(2.0, 400.0)
        return round(float(price), 2), round(float(rate), 1), utilisation

    shares = [round(float(share), 2) for share in rng.uniform((0.2, 0.55, 0.03), (0.45, 0.9, 0.12))]
    return [call(shares[0]), call(1.0), call(shares[1]), call(shares[2])]


def _cost(price, rate, utilisation, seconds=3600.0, requests=1000.0, power=-1):
    return requests * price * utilisation**power / (seconds * rate)


_COST = Question(
    id="deployment.cost_per_thousand",
    title="What a thousand answers cost",
    points=1,
    minutes=5,
    signature="cost_per_thousand(price_per_hour, requests_per_second, utilisation)",
    calls=_cost_calls,
    reference=lambda price_per_hour, requests_per_second, utilisation: deployment.cost_per_thousand(
        price_per_hour, requests_per_second, utilisation
    ),
    rtol=1e-4,
    atol=1e-10,
    mistakes=(
        Mistake(
            "hours_as_seconds",
            functools.partial(_cost, seconds=1.0),
            "Your cost is 3,600 times too high. In which unit of time is the price, and in which the "
            "requests?",
            "The price is for an hour, the requests are those of a second. Bring both to the same unit.",
        ),
        Mistake(
            "hours_as_minutes",
            functools.partial(_cost, seconds=60.0),
            "Your cost is 60 times too high. How many seconds has an hour?",
            "Requests per second times 60 are those of a minute. The price is that of an hour.",
        ),
        Mistake(
            "utilisation_multiplied",
            functools.partial(_cost, power=1),
            "Right for a utilisation of 1. With you, a machine that idles makes each request cheaper.",
            "At half the load the machine costs as much as before and serves half as many. What happens to "
            "the cost of one request?",
        ),
        Mistake(
            "utilisation_ignored",
            functools.partial(_cost, power=0),
            "Right for a utilisation of 1. Else you count on requests that never came.",
            "You pay for all hours, at night as well. How many requests does the machine really serve in "
            "one?",
        ),
        Mistake(
            "one_request",
            functools.partial(_cost, requests=1.0),
            "Your result is a thousand times too small: it is the cost of how many requests?",
            "Prices of a single request have too many zeros to be read. Asked for is the price of a "
            "thousand.",
        ),
        Mistake(
            "upside_down",
            lambda *arguments: 1 / _cost(*arguments),
            "A dearer machine makes your result smaller. What stands above the line, and what below it?",
            "You have thousands of requests per unit of money. Asked for is money per thousand requests.",
        ),
    ),
    hint="How many requests does the machine really answer in the hour that you pay for?",
)


# A fleet


def _fleet_calls(rng):
    def machine(size, median):
        return np.round(median * rng.lognormal(sigma=0.5, size=size), 2)

    return [
        ([machine(6, 10.0), machine(3, 90.0)], 75.0),
        ([machine(120, 10.0), machine(20, 90.0)], 95.0),
        ([machine(int(rng.integers(20, 80)), rng.uniform(5, 50)) for _ in range(5)], 99.0),
        ([machine(300, 8.0), machine(8, 200.0), machine(90, 20.0)], float(rng.integers(90, 98))),
        ([machine(50, 12.0)], 95.0),
        ([machine(40, 30.0), machine(11, 5.0), machine(70, 12.0), machine(25, 20.0)], 50.0),
    ]


def _fleet_percentile(samples, percentile):
    """The reference: what one machine would have measured."""
    return np.percentile(np.concatenate(samples), percentile)


def _each(samples, q):
    return [np.percentile(sample, q) for sample in samples]


_FLEET = Question(
    id="deployment.fleet_percentile",
    title="One percentile for many machines",
    points=1,
    minutes=5,
    signature="fleet_percentile(samples, percentile)",
    calls=_fleet_calls,
    reference=_fleet_percentile,
    rtol=1e-5,
    atol=1e-6,
    mistakes=(
        Mistake(
            "mean_of_percentiles",
            lambda samples, q: np.mean(_each(samples, q)),
            "You take the mean of the machines' percentiles. Suppose one machine is slow and gets one "
            "request in a thousand: how many users wait?",
            "Percentiles cannot be averaged: each is a place in a queue of its own. Which queue does the "
            "percentile of all requests look at?",
        ),
        Mistake(
            "weighted_mean",
            lambda samples, q: np.average(_each(samples, q), weights=[len(sample) for sample in samples]),
            "You weigh the machines' percentiles by their requests. That is right for means, but a "
            "percentile is not one.",
            "A fast machine has its percentile, too, and it pulls yours down, though the slow requests of "
            "the other are still there. Do not compute a percentile before all requests are together.",
        ),
        Mistake(
            "worst_machine",
            lambda samples, q: np.max(_each(samples, q)),
            "You return the percentile of the slowest machine. It tells which machine to look at, but not "
            "what users see.",
            "If the slowest machine gets few of the requests, most of the slow 5 percent are somewhere "
            "else. Every request must count once, wherever it was served.",
        ),
        Mistake(
            "percentile_of_percentiles",
            lambda samples, q: np.percentile(_each(samples, q), q),
            "You take a percentile of the machines' percentiles. What share of all requests is above it?",
            "Your second percentile ranks machines, not requests: one with 8 requests counts as much as one "
            "with 300.",
        ),
        Mistake(
            "as_a_fraction",
            lambda samples, q: np.percentile(np.concatenate(samples), q / 100),
            "You return nearly the fastest request of all. In which unit does NumPy's function want its "
            "percentile?",
            "`np.percentile` counts from 0 to 100, `np.quantile` from 0 to 1. You give to the one what the "
            "other wants.",
        ),
    ),
    hint="If all requests had gone to one single machine, what would you have computed?",
)


# An alert


def _alert_calls(rng):
    def level(above):
        """Values around 0.25: True gives one above it."""
        above = np.asarray(above, bool)
        size = rng.uniform(0.01, 0.1, size=above.shape)
        return np.round(0.25 + np.where(above, size, -size), 3)

    def runs(*lengths):
        """Below, above, below and so on, for these numbers of windows."""
        return level(np.repeat(np.arange(len(lengths)) % 2, lengths))

    a, b = (int(n) for n in rng.integers((1, 1), (3, 4)))
    spike = runs(2, 1, 3, 4, 1)
    spike[2] = round(float(rng.uniform(3.0, 6.0)), 3)
    on_it = runs(1, 2, b, 5, 1)
    on_it[1 + 2 + b + 1] = 0.25
    return [
        (runs(1, 2, a, 1, 1, 4, 1), 0.25, 3),
        (spike, 0.25, 3),
        (runs(0, 3, b, 1, 1, 4), 0.25, 2),
        (on_it, 0.25, 3),
        (level(rng.random(10) < 0.5), 0.25, 1),
        (level(rng.random(30) < 0.7), 0.25, 4),
        (runs(1, 2), 0.25, 4),
    ]


def _streaks(above):
    count, result = 0, []
    for each in above:
        count = count + 1 if each else 0
        result.append(count)
    return np.array(result)


def _firing(values, threshold, windows):
    """The reference."""
    return _streaks(values > threshold) >= windows


def _latched(values, threshold, windows):
    return np.maximum.accumulate(_firing(values, threshold, windows))


def _looking_ahead(values, threshold, windows):
    firing = _firing(values, threshold, windows)
    for end in np.flatnonzero(firing):
        firing[end + 1 - windows : end] = True
    return firing


_ALERT = Question(
    id="deployment.firing",
    title="An alert that does not cry wolf",
    points=2,
    minutes=10,
    signature="firing(values, threshold, windows)",
    calls=_alert_calls,
    reference=_firing,
    mistakes=(
        Mistake(
            "every_breach",
            lambda values, threshold, windows: values > threshold,
            "Your alert fires at every single value above the threshold. What is `windows` for?",
            "By chance alone one value in many is above. Only several of them in a row say that something "
            "has changed.",
        ),
        Mistake(
            "never_reset",
            lambda values, threshold, windows: np.cumsum(values > threshold) >= windows,
            "You count all values above the threshold since the start, in a row or not. When does your "
            "count begin anew?",
            "A month has many chance values above it. What has to happen to your count when a value is not "
            "above the threshold?",
        ),
        Mistake(
            "one_too_late",
            lambda values, threshold, windows: _streaks(values > threshold) > windows,
            "Your alert fires one window too late. Does the present value count?",
            "With three windows the alert fires at the third value in a row, not at the one after it. Look "
            "at your comparison, or at where your slice ends.",
        ),
        Mistake(
            "never_off",
            _latched,
            "Your alert begins at the right moment and never ends. What should someone see who looks when "
            "all is well again?",
            "The answer for a window depends on the last few values only. After the first that is not above "
            "the threshold, the alert is off.",
        ),
        Mistake(
            "at_the_threshold",
            lambda values, threshold, windows: _streaks(values >= threshold) >= windows,
            "Right until a value is exactly as high as the threshold. Does the task count it among those "
            "above?",
            "A value of 0.25 is not above a threshold of 0.25: it ends a run, like any that is lower. Look "
            "at the sign of your comparison.",
        ),
        Mistake(
            "looks_ahead",
            _looking_ahead,
            "You mark a long run from its first value on. Could you have known at that moment how long it "
            "would get?",
            "On past data one sees the future, in operation one does not. The answer for a window may use "
            "its own value and earlier ones only.",
        ),
    ),
    hint="Go through the example as it would happen, one window after the other. What do you have to "
    "remember from one window to the next?",
)


QUESTIONS = (
    _HISTOGRAM,
    _DRIFT,
    _TEMPERATURE,
    _BATCHES,
    _CALIBRATION,
    _COST,
    _FLEET,
    _ALERT,
)
