"""Questions of lesson 08: percentiles, drift, temperature, batches, calibration, cost, a fleet, an alert."""

import functools
import itertools

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

deployment = Lesson("deployment")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    @functools.wraps(function)
    def quietly(*arguments, **parts):
        with np.errstate(all="ignore"):
            return function(*arguments, **parts)

    return quietly


def _each(make, *parts):
    """One variant of a mistake for each part."""
    return tuple(make(part) for part in parts)


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
    half = int(rng.integers(10, 40))
    part = int(rng.integers(1, half))
    fast = [*rng.integers(5, 60, size=2), 0, 0, 0]
    return [
        call(bounds(6), some[0], 3, rng.uniform(0.3, 0.7)),
        call(bounds(6), some[1], 4, rng.uniform(0.2, 0.9)),
        Call(call(bounds(6), some[2], 0, rng.uniform(0.3, 0.8)), about="a rank in the first bucket"),
        Call(call(bounds(6), some[3], 6, rng.uniform(0.2, 0.8)), about="a rank in the open bucket"),
        call(bounds(5), gap, 3, rng.uniform(0.2, 0.8)),
        Call((0.95, bounds(4), np.zeros(5, "int64")), about="no requests"),
        # Half of the requests, exactly, lie below the empty bucket.
        Call(
            (0.5, bounds(4), np.array([part, half - part, 0, half - 3, 3])),
            about="a rank that a cumulative count reaches exactly",
        ),
        Call(
            (1.0, bounds(4), np.array(fast)),
            about="a rank that a cumulative count reaches exactly",
        ),
    ]


def _share(rank, below, count, total, q):
    return (rank - below) / count


def _rank(q, total):
    return q * total


def _rounded_rank(finish):
    return lambda q, total: finish(q * total)


def _last(bounds, *_):
    return bounds[-1]


def _estimate(
    place=_share,
    first=lambda bounds: 0.0,
    start=lambda upto: 0,
    beyond=_last,
    total=np.sum,
    rank=_rank,
    reaches=np.greater_equal,
    upto=np.cumsum,
    empty=lambda bounds: np.nan,
    up=0,
):
    """The estimate with one of its parts replaced.

    Args:
        place: How far into its bucket the rank lies.
        first: The lower end of the first bucket.
        start: What is counted before the first bucket.
        beyond: What is returned for the open bucket.
        total: The number of requests.
        rank: The rank.
        reaches: Whether a cumulative count reaches it.
        upto: The cumulative counts.
        empty: What is returned without requests.
        up: By how many the bucket is too high.
    """

    @_quiet
    def answer(q, bounds, counts):
        reached, requests = upto(counts), total(counts)
        if not requests:
            return empty(bounds)
        wanted = rank(q, requests)
        for i in range(len(bounds)):
            if reaches(reached[i], wanted):
                low = bounds[i + up - 1] if i + up else first(bounds)
                below = reached[i - 1] if i else start(reached)
                within = place(wanted, below, counts[i], requests, q)
                return low + (bounds[i + up] - low) * within
        return beyond(bounds, counts, wanted, reached)

    return answer


def _index_too_high(bounds, *_):
    return bounds[len(bounds)]


def _extrapolated(bounds, counts, wanted, reached):
    share = (wanted - reached[-2]) / counts[-1]
    return bounds[-1] + (bounds[-1] - bounds[-2]) * share


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
            _estimate(place=lambda *_: 1.0),
            "You find the right bucket and return its upper bound. How far into the bucket does the rank "
            "lie?",
            "If a bucket holds 10 requests and the rank is that of its fifth, half of the bucket's width "
            "lies below. Your answer takes in the whole width.",
        ),
        Mistake(
            "same_place_always",
            _each(lambda share: _estimate(place=lambda *_: share), 0.0, 0.5),
            "You find the right bucket and return always the same place in it, its lower end or its middle. "
            "How far into the bucket does the rank lie?",
            "If a bucket holds 10 requests and the rank is that of its eighth, eight tenths of the bucket's "
            "width lie below. Which two numbers give you the eight and the ten?",
        ),
        Mistake(
            "share_of_another_number",
            _each(
                lambda place: _estimate(place=place),
                lambda rank, below, count, total, q: (rank - below) / total,
                lambda rank, below, count, total, q: q,
                lambda rank, below, count, total, q: rank / (below + count),
                lambda rank, below, count, total, q: rank / count,
                lambda rank, below, count, total, q: (rank - below) / (below + count),
            ),
            "You find the right bucket, but not how far into it the rank lies. Among whose requests do you "
            "count?",
            "Two numbers belong to the bucket alone: how many requests it has to give until the rank is "
            "reached, and how many it holds. In the example they are 10 and 15.",
        ),
        Mistake(
            "from_the_upper_end",
            _estimate(place=lambda rank, below, count, total, q: 1 - (rank - below) / count),
            "You find the right bucket and go the right distance into it, but from its upper end.",
            "The fewer requests a bucket has to give, the nearer the quantile lies to the bound below it.",
        ),
        Mistake(
            "one_bucket_too_high",
            _estimate(up=1),
            "Your bounds are those of the next bucket. Which bound is the upper one of `counts[0]`?",
            "`counts[i]` ends at `bounds[i]`, and begins where the bucket before it ends.",
        ),
        Mistake(
            "past_empty_buckets",
            _estimate(reaches=np.greater),
            "Right unless a cumulative count is the rank exactly, and empty buckets follow. Which bucket "
            "reaches the rank first?",
            "With 40 requests below 10 and none from there to 50, all 40 are below 10; nothing speaks for "
            '50. `>`, np.interp and side="right" go on where `reaches` means that equal is enough.',
        ),
        Mistake(
            "cumulative_already",
            tuple(
                _estimate(upto=np.asarray, total=total, place=place)
                for total in (lambda counts: counts[-1], np.sum, np.max)
                for place in (_share, lambda rank, below, count, total, q: (rank - below) / (count - below))
            ),
            "You take the counts for cumulative ones, as Prometheus has them. Which kind are they here?",
            "Each count is that of its bucket alone. How many requests are there up to the end of the third "
            "bucket of the example?",
        ),
        Mistake(
            "another_rank",
            _each(
                lambda rank: _estimate(rank=rank),
                *(_rounded_rank(finish) for finish in (np.ceil, np.floor, np.rint)),
                lambda q, total: q * (total - 1),
                lambda q, total: q * (total + 1),
                lambda q, total: q * (total - 1) + 1,
                lambda q, total: q * total + 1,
                lambda q, total: q * total - 1,
            ),
            "Near, but your rank is not quite that of the task. Do you round it, or count from another "
            "number?",
            "The rank is a product of two numbers, no more, and need not be whole: the 0.95 quantile of 30 "
            "requests has the rank 28.5.",
        ),
        Mistake(
            "from_the_slowest",
            _estimate(rank=lambda q, total: (1 - q) * total),
            "You count from the wrong end: your 95th percentile is the 5th.",
            "0.95 is the share of the requests that are faster. Buckets are counted from the fastest.",
        ),
        Mistake(
            "first_bucket_wraps",
            (
                _estimate(first=_last),
                _estimate(first=_last, start=lambda reached: reached[-1]),
                _estimate(start=lambda reached: reached[-1]),
            ),
            "Right but for quantiles in the first bucket: there your answer lies outside of the bucket. From "
            "which numbers do you start to interpolate?",
            "An index `i - 1` raises no error when i is 0: in Python, index -1 is that of the last element. "
            "Where does the task say that the first bucket begins, and how many requests come before it?",
        ),
        Mistake(
            "first_bucket_flat",
            _estimate(first=lambda bounds: bounds[0]),
            "Right but for quantiles in the first bucket, where you always return its bound. Where does it "
            "begin?",
            "No request takes less than no time. The first bucket has a lower end, too, though it is not "
            "among the bounds.",
        ),
        Mistake(
            "open_bucket_infinite",
            _each(
                lambda beyond: _estimate(beyond=beyond),
                lambda *_: np.inf,
                lambda *_: np.nan,
                _index_too_high,
                lambda *_: 0.0,
            ),
            "Right but for quantiles above the last bound. Look up what the task asks for there.",
            "The last bucket has no upper end, so nobody can interpolate in it. All that is known is that "
            "the quantile is at least some bound. Return that one.",
        ),
        Mistake(
            "open_bucket_extrapolated",
            (
                _estimate(beyond=_extrapolated),
                _estimate(beyond=lambda bounds, *_: 2 * bounds[-1]),
                _estimate(beyond=lambda bounds, *_: 2 * bounds[-1] - bounds[-2]),
            ),
            "Right but for quantiles above the last bound: you make up an upper end for the open bucket.",
            "Nobody knows how slow the slowest requests were. The answer for them is the greatest number "
            "that is known.",
        ),
        Mistake(
            "slowest_left_out",
            tuple(
                _estimate(total=lambda counts: counts[:-1].sum(), rank=rank)
                for rank in (_rank, *(_rounded_rank(finish) for finish in (np.floor, np.ceil, np.rint)))
            ),
            "Your percentiles are too low. Which requests are missing in your total?",
            "There is one more count than there are bounds. A `zip` of the two, or a slice up to -1, drops "
            "the requests above the last bound: the slowest of all.",
        ),
        Mistake(
            "zero_for_nothing",
            _each(
                lambda empty: _estimate(empty=empty),
                lambda bounds: 0.0,
                lambda bounds: bounds[0],
                _last,
                lambda bounds: np.inf,
            ),
            "All is right but for a histogram without any requests, for which you return a latency. Is that "
            "what you would like to see while your service is down?",
            "Any latency would look measured, and no alert would fire. Nothing measured is not a number.",
        ),
    ),
    hint="Which place in the queue from fastest to slowest does the quantile have? Take the example, and "
    "count up to it bucket by bucket.",
    more="Go through the buckets with two numbers: how many requests come before this one, and how many it "
    "holds. The first for which their sum is at least q times the total is yours. What it still has to give, "
    "over what it holds, is the share of its width. Then the open bucket, and no requests at all.",
    example=(0.5, np.array([2.0, 6.0, 10.0]), np.array([3, 4, 2, 1])),
)


# Drift


def _drift_calls(rng):
    def counts(bins, size):
        return rng.multinomial(size, rng.dirichlet(np.full(bins, 3.0))) + 1

    hole, other = counts(5, 200), counts(5, 150)
    hole[int(rng.integers(1, 3))] = 0
    other[int(rng.integers(3, 5))] = 0
    new = counts(4, 90)
    new[int(rng.integers(4))] = 0
    same = counts(4, 100)
    return [
        (counts(5, 200), counts(5, 200)),
        (counts(4, 1000), counts(4, 60)),
        Call((hole, other), about="empty bins"),
        Call((same, same.copy()), about="two equal sides"),
        (counts(6, 40), counts(6, 500)),
        Call((counts(4, 300), new), about="empty bins"),
    ]


def _shares(counts):
    return (counts + 0.5) / (counts + 0.5).sum()


def _plain(counts):
    return counts / counts.sum()


def _relative(e, a):
    return (a - e) * np.log(a / e)


def _index(shares=_shares, measure=_relative, combine=np.sum, actual_shares=None):
    """The index with one of its parts replaced."""

    @_quiet
    def answer(expected, actual):
        return combine(measure(shares(expected), (actual_shares or shares)(actual)))

    return answer


def _shares_where_empty(counts):
    filled = np.where(counts == 0, 0.5, counts)
    return filled / filled.sum()


def _unless_empty(shares):
    """The index over the bins that are empty on neither side."""

    @_quiet
    def answer(expected, actual):
        full = (expected > 0) & (actual > 0)
        return np.sum(_relative(*shares(expected, actual, full)))

    return answer


def _one_total(which):
    @_quiet
    def answer(expected, actual):
        e, a = expected + 0.5, actual + 0.5
        total = (e, a)[which].sum()
        return np.sum(_relative(e / total, a / total))

    return answer


def _raised(tiny):
    """Ways to keep shares away from 0 by a small number."""
    return (
        _index(lambda counts: _plain(counts) + tiny),
        _index(lambda counts: np.maximum(_plain(counts), tiny)),
        _index(lambda counts: _plain(counts + tiny)),
        _index(_plain, lambda e, a: (a - e) * np.log((a + tiny) / (e + tiny))),
    )


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
            (_index(lambda counts: counts + 0.5), _index(lambda counts: counts)),
            "Your index grows with the number of requests. What do the formula's e and a stand for?",
            "The reference may hold 5,000 reviews and the window 100. Their counts cannot be compared "
            "before both sides add up to 1.",
        ),
        Mistake(
            "not_smoothed",
            _index(_plain),
            "Nearly right where all bins are full. Where one is empty, your index is infinite or NaN. Which "
            "step of the task keeps shares away from 0?",
            "A single review of a new kind would make your alert fire. Half an observation more in each "
            "bin, on both sides, keeps the logarithm finite.",
        ),
        Mistake(
            "a_tiny_number_added",
            tuple(
                answer
                for tiny in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)
                for answer in _raised(tiny)
            ),
            "Finite, but nearly right at most where all bins are full: you keep shares away from 0 by some "
            "small number of your own. Which one does the task name, and where is it added?",
            "The smaller your number, the larger the index for a single empty bin. Half an observation is "
            "the same small part of any bin's count, and it is added before the shares are made.",
        ),
        Mistake(
            "a_whole_observation",
            _index(lambda counts: _plain(counts + 1)),
            "Near. How much do you add to each bin?",
            "Add-one smoothing is common elsewhere. Here the task names another number.",
        ),
        Mistake(
            "one_sided",
            _each(
                lambda measure: _index(measure=measure),
                lambda e, a: a * np.log(a / e),
                lambda e, a: e * np.log(e / a),
                lambda e, a: e * np.log(a / e),
                lambda e, a: a * np.log(e / a),
            ),
            "In front of your logarithm stands one share alone: that is a Kullback-Leibler divergence, give "
            "or take its sign. It is not the same if the two sides are swapped; this index must be.",
            "In front of the logarithm stands the difference of the two shares, not one of them.",
        ),
        Mistake(
            "wrong_sign",
            _index(measure=lambda e, a: (e - a) * np.log(a / e)),
            "The size is right, the sign is not. When a bin has become fuller, which sign has your "
            "difference, and which has your logarithm?",
            "Both factors must change their sign together, so that no bin ever counts below 0. In one of "
            "yours, e and a stand the wrong way round.",
        ),
        Mistake(
            "another_logarithm",
            _each(lambda log: _index(measure=lambda e, a: (a - e) * log(a / e)), np.log2, np.log10),
            "Your index is off by the same factor in every call. To which base is ln?",
            "`np.log` is the natural logarithm. Those to base 2 and 10 have names of their own.",
        ),
        Mistake(
            "no_logarithm",
            _each(
                lambda measure: _index(measure=measure),
                lambda e, a: (a - e) ** 2 / e,
                lambda e, a: (a - e) * a / e,
                lambda e, a: (a - e) ** 2,
                lambda e, a: np.abs(a - e),
                lambda e, a: np.log(a / e),
            ),
            "Of the two factors of each bin one is missing, or another one stands there. Compare with the "
            "formula: a difference, times a logarithm.",
            "For the first bin of the example the two factors are 0.45 - 0.95 and ln(0.45 / 0.95). Print "
            "yours.",
        ),
        Mistake(
            "mean_of_bins",
            _index(combine=np.mean),
            "Your index gets smaller the more bins there are. How are the bins put together?",
            "The formula has a sum over the bins. You divide it by their number.",
        ),
        Mistake(
            "empty_bins_only",
            (
                _index(_shares_where_empty),
                _index(lambda counts: _shares(counts) if (counts == 0).any() else _plain(counts)),
            ),
            "Near, and finite where a bin is empty. When does a bin get half an observation from you, and "
            "when in the task?",
            "A full bin gets its half as well, always. Work out the example with yours: the bins with 9, 4 "
            "and 5 should have got it.",
        ),
        Mistake(
            "empty_bins_dropped",
            _each(
                _unless_empty,
                lambda e, a, full: (_plain(e)[full], _plain(a)[full]),
                lambda e, a, full: (_shares(e)[full], _shares(a)[full]),
                lambda e, a, full: (_plain(e[full]), _plain(a[full])),
                lambda e, a, full: (_shares(e[full]), _shares(a[full])),
            ),
            "You leave out bins that are empty on one side. A kind of review that has come, or gone, for "
            "good would not count at all.",
            "An empty bin is the strongest sign of a change. What does the task do to every bin before it "
            "makes shares, so that none has to be left out?",
        ),
        Mistake(
            "one_side_smoothed",
            (_index(_shares, actual_shares=_plain), _index(_plain, actual_shares=_shares)),
            "Near where all bins are full. You smooth one of the two sides only.",
            "Either side may have an empty bin: with e = 0 the fraction is infinite, with a = 0 its "
            "logarithm is. Who gets the half in the task?",
        ),
        Mistake(
            "old_total",
            _each(lambda more: _index(lambda counts: (counts + 0.5) / (counts.sum() + more)), 0, 0.5, 1),
            "Very near. You add half an observation to every bin and then divide. Do your shares add up to "
            "1?",
            "With five bins there are 2.5 observations more than before. Which total do you divide by?",
        ),
        Mistake(
            "shares_smoothed",
            (
                _index(lambda counts: _plain(counts) + 0.5),
                _index(lambda counts: _plain(_plain(counts) + 0.5)),
            ),
            "Your index is far too small. To what do you add the half, to counts or to shares?",
            "Half an observation is little beside 100 of them, but 0.5 is much beside a share of 0.01. The "
            "half comes first, the shares after it.",
        ),
        Mistake(
            "one_total_for_both",
            _each(_one_total, 0, 1),
            "Right where the two sides have the same number of observations. By which total do you divide "
            "each side?",
            "The shares of each side must add up to 1. Print both sums for a reference of 1,000 and a window "
            "of 60.",
        ),
    ),
    hint="Do the example by hand as far as the two lists of shares. Each must add up to 1, and none may be "
    "0.",
    more="Three steps for each side: add 0.5 to every count, sum that up, divide by this sum. Then, bin by "
    "bin, the difference of the two shares times the natural logarithm of their ratio, and the sum of these.",
    example=(np.array([0, 4]), np.array([4, 0])),
)


# Temperature


def _temperature_calls(rng):
    def call(logits, labels, grid):
        """The first candidate is neither the best, nor one that the most usual wrong rules end at."""
        best = grid[int(np.argmin(_losses(logits, labels, grid)))]
        order = [float(t) for t in rng.permutation(grid)]
        first = next(t for t in order if t not in (best, min(grid), max(grid)))
        last = next(t for t in order if t not in (best, first))
        between = [t for t in order if t not in (first, last)]
        return logits, labels, np.array([first, *between, last])

    def drawn(size, classes, temperature, grid, offset=0.0):
        """Labels that follow the logits at about the given temperature."""
        logits = rng.normal(scale=2.0 * max(temperature, 1.0), size=(size, classes))
        noise = rng.gumbel(size=logits.shape)
        labels = np.argmax(logits / temperature + noise, axis=1)
        return call(logits + offset, labels, grid)

    def verdicts(right, margins, classes):
        """Logits whose largest one leads by these margins, and labels so that these verdicts are right."""
        size = len(right)
        order = rng.permuted(np.tile(np.arange(classes), (size, 1)), axis=1)
        logits = rng.uniform(-0.2, 0.0, size=(size, classes))
        logits[np.arange(size), order[:, 0]] = margins
        return logits, np.where(right, order[:, 0], order[:, 1])

    wide = [0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 5.0]
    rows = rng.permuted(np.repeat([5000.0, 0.0, -5000.0], 30))[:, None]
    wrong = rng.permutation(np.repeat([False, True], [8, 52]))
    few = rng.permutation(np.repeat([False, True], [14, 6]))
    far = rng.permutation(np.repeat([False, True], [3, 5]))
    return [
        drawn(120, 2, 2.2, wide),
        drawn(200, 3, 0.4, wide),
        drawn(150, 4, 1.4, [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0]),
        Call(drawn(90, 2, 1.7, wide, offset=rows), about="large logits"),
        Call(
            call(*verdicts(wrong, np.where(wrong, 2.5, 14.0) + rng.uniform(0, 0.5, 60), 2), wide),
            about="a few verdicts that are very sure and wrong",
        ),
        Call(
            call(*verdicts(few, rng.uniform(2.0, 4.0, 20), 3), wide), about="verdicts that are mostly wrong"
        ),
        Call(
            call(*verdicts(far, rng.integers(4500, 6000, size=8).astype("float64"), 3), wide),
            about="logits of one text that lie thousands apart",
        ),
    ]


def _log_softmax(scaled, axis=1):
    shifted = scaled - scaled.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _softmax(scaled):
    return np.exp(_log_softmax(scaled))


def _of_labels(logs, labels):
    return logs[np.arange(len(labels)), labels]


def _cross_entropy(logs, labels):
    return -np.mean(_of_labels(logs, labels))


def _losses(logits, labels, temperatures):
    return [_cross_entropy(_log_softmax(logits / t), labels) for t in temperatures]


def _temperature_scaling(logits, labels, temperatures):
    """The reference: `fit_temperature` on a grid."""
    best = temperatures[int(np.argmin(_losses(logits, labels, temperatures)))]
    return best, deployment.softmax(logits / best)


def _underflowing(scaled, axis=1):
    with np.errstate(all="ignore"):
        return np.log(np.exp(_log_softmax(scaled, axis)))


def _overflowing(scaled, axis=1):
    with np.errstate(all="ignore"):
        powers = np.exp(scaled)
        return np.log(powers / powers.sum(axis=axis, keepdims=True))


def _one_largest(scaled, axis=1):
    return _overflowing(scaled - scaled.max(), axis)


def _scaling(
    logs=_log_softmax,
    scaled=lambda logits, t: logits / t,
    loss=_cross_entropy,
    choose=np.argmin,
    give=None,
    axis=1,
):
    """Temperature scaling with one of its parts replaced.

    Args:
        logs: Logarithms of a softmax.
        scaled: What that is taken of, from logits and a temperature.
        loss: What is to be small, from those logarithms and the labels.
        choose: The index of the best loss.
        give: What is returned, from logits, temperatures, the best index, and a softmax.
        axis: That of the softmax.
    """

    @_quiet
    def answer(logits, labels, temperatures):
        found = [logs(scaled(logits, t), axis) for t in temperatures]
        best = int(choose([loss(each, labels) for each in found]))
        if give:
            return give(logits, temperatures, best, lambda x: np.exp(logs(x, axis)))
        return temperatures[best], np.exp(found[best])

    return answer


def _scalings(**parts):
    """A mistake with each kind of softmax: exact, with probabilities of 0 in the loss, with overflow."""
    return tuple(_scaling(logs, **parts) for logs in (_log_softmax, _underflowing, _overflowing))


def _given_by(logs):
    """The probabilities by another softmax than the loss."""
    return lambda logits, ts, best, softmax: (ts[best], np.exp(logs(logits / ts[best])))


def _last_lowest(losses):
    return len(losses) - 1 - int(np.argmin(losses[::-1]))


def _right(logs, labels):
    return np.argmax(logs, axis=1) == labels


def _squared_error(logs, labels):
    return np.mean(np.sum((np.exp(logs) - np.eye(logs.shape[1])[labels]) ** 2, axis=1))


_TEMPERATURE = Question(
    id="deployment.temperature_scaling",
    title="A temperature for honest probabilities",
    points=2,
    minutes=15,
    signature="temperature_scaling(logits, labels, temperatures)",
    calls=_temperature_calls,
    reference=_temperature_scaling,
    returns=("array", "array"),
    names=("temperature", "probabilities"),
    rtol=1e-4,
    atol=1e-8,
    mistakes=(
        Mistake(
            "multiplied",
            _scalings(scaled=lambda logits, t: logits * t),
            "Your temperature works the wrong way round: a high one makes your model surer of itself.",
            "A high temperature must bring the logits closer together, so that the probabilities get more "
            "alike. Yours drives the logits apart.",
        ),
        Mistake(
            "softmax_first",
            _scalings(scaled=lambda logits, t: _softmax(logits) / t),
            "Your probabilities went through a softmax twice. What is it that the temperature divides?",
            "After a softmax all numbers lie between 0 and 1, and a second one makes them nearly alike. "
            "Divide what comes out of the network.",
        ),
        Mistake(
            "over_texts",
            (
                *_scalings(axis=0),
                *_scalings(axis=None),
            ),
            "Your probabilities do not add up to 1 for each text. Over which axis does your softmax go?",
            "Each row is one text, and its classes share a probability of 1. Print the sums of your "
            "probabilities over the last axis.",
        ),
        Mistake(
            "by_accuracy",
            _each(
                lambda choose: _scaling(
                    loss=lambda logs, labels: -np.mean(_right(logs, labels)), choose=choose
                ),
                np.argmin,
                _last_lowest,
            ),
            "Your choice is always the first of the candidates, or always the last. Does the largest of some "
            "logits become another one if all are divided by the same number?",
            "A temperature does not change which class wins, so the accuracy is the same at each. It is the "
            "probability of the right class that changes.",
        ),
        Mistake(
            "highest_loss",
            _scalings(choose=np.argmax),
            "Of all the temperatures you choose the one with the largest cross-entropy, or you have lost a "
            "minus sign on the way.",
            "The logarithm of a probability is never above 0, and the better it is, the nearer it gets to "
            "0. Minus its mean must become as small as possible.",
        ),
        Mistake(
            "labels_ignored",
            _scalings(loss=lambda logs, labels: -np.mean(logs.max(axis=1))),
            "You always end at the lowest temperature. Do the labels play a part in your loss?",
            "The logarithm of the largest probability is best when the model is as sure as can be, right or "
            "wrong. Which probability of each row does the formula take?",
        ),
        Mistake(
            "no_logarithm",
            _scaling(loss=lambda logs, labels: -np.mean(np.exp(_of_labels(logs, labels)))),
            "You take the mean of the probabilities of the labels. What does the formula take the mean of?",
            "A wrong verdict with the probability 0.01 for its label costs far more than one with 0.1, "
            "though the two differ by 0.09 only. Which function sees to that?",
        ),
        Mistake(
            "squared_error",
            _scaling(loss=_squared_error),
            "You measure squared errors of the probabilities. That is the Brier score; asked for is another "
            "measure.",
            "A very sure and wrong verdict costs 2 at most in squares. In a logarithm it may cost any "
            "amount, and that is what keeps a temperature honest.",
        ),
        Mistake(
            "confidence_gap",
            _scaling(
                loss=lambda logs, labels: abs(
                    np.mean(np.exp(logs.max(axis=1))) - np.mean(_right(logs, labels))
                )
            ),
            "You compare mean confidence and accuracy. Question 5 does so; here the best temperature is the "
            "one with the least cross-entropy.",
            "For each text take the probability of its own label, of that the logarithm, and minus the mean "
            "over the texts.",
        ),
        Mistake(
            "all_pairs",
            _scalings(loss=lambda logs, labels: -np.mean(logs[:, labels])),
            "Your probabilities are right for the temperature that you choose, but you choose another one. "
            "Print the shape of what you take the mean of.",
            "`probabilities[:, labels]` pairs every text with the label of every other, an array of shape "
            "(n, n). Each row should give you one number: that of its own label.",
        ),
        Mistake(
            "overflow",
            (_scaling(_overflowing), _scaling(give=_given_by(_overflowing))),
            "Right as long as the logits are small. Where they are near 5,000, your powers are infinite and "
            "the probabilities NaN.",
            "A softmax does not change if the same number is taken off all logits of a text. Which number "
            "makes sure that no exponent is above 0?",
        ),
        Mistake(
            "one_largest",
            (_scaling(_one_largest), _scaling(give=_given_by(_one_largest))),
            "Right as long as the texts have logits of about the same size. What is left of a text's logits "
            "near -5,000 when another text's 5,000 is taken off them?",
            "One number for all texts keeps powers from overflowing, but those of a text with small logits "
            "all become 0. Each row has a largest logit of its own.",
        ),
        Mistake(
            "log_of_zero",
            _scaling(_underflowing),
            "Right but where the logits of one text lie thousands apart. There the probability of a label "
            "becomes exactly 0, at every temperature. What does your logarithm make of that, with or without "
            "a small number added?",
            "A small number added to the probability hides the infinity, but then all temperatures seem "
            "alike. ln(exp(a) / (exp(a) + exp(b))) can be worked out on paper: what is left of ln(exp(a))?",
        ),
        Mistake(
            "last_candidate",
            _scalings(give=lambda logits, ts, best, softmax: (ts[best], softmax(logits / ts[-1]))),
            "The probabilities are not those of your temperature, but those at the candidate that you tried "
            "last.",
            "After a loop its variables hold what the last turn left in them. Compute the probabilities once "
            "more, or keep them when a candidate is the best so far.",
        ),
        Mistake(
            "unscaled_probabilities",
            _scalings(give=lambda logits, ts, best, softmax: (ts[best], softmax(logits))),
            "The probabilities are not those at your temperature, but those of the logits as they came.",
            "The second value is to be what the model says at the temperature that you found.",
        ),
        Mistake(
            "index",
            _scalings(give=lambda logits, ts, best, softmax: (best, softmax(logits / ts[best]))),
            "In place of the temperature you return where it stands in the list.",
            "`np.argmin` gives a place. Which candidate stands there?",
        ),
    ),
    hint="First write the part that turns logits and one temperature into probabilities. Then, which number "
    "tells how good a temperature is, and what do you need from each row for it?",
    more="For the loss you need ln p of one class in each row. With m the row's largest scaled logit, ln p "
    "is z - m - ln(sum of exp(z - m)): no power there is above 1, and no logarithm is one of 0. "
    "`x[np.arange(n), labels]` takes one number from each row.",
    example=(np.array([[2000.0, 0.0], [2000.0, 0.0]]), np.array([0, 1]), np.array([1.0, 2.0])),
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
        Call(([*falling, int(rng.integers(70, 120))], buckets, 3), about="a bucket without texts"),
        Call((rng.permutation(on_bound).tolist(), buckets, 4), about="texts that fill their buckets exactly"),
        (near(14), buckets, 4),
        (rng.integers(1, 200, size=12).tolist(), [16, 64, 100, 256], 3),
        Call(([], buckets, 4), about="no texts"),
        (near(5), buckets, 1),
    ]


def _chunks(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def _smallest(length, buckets):
    return next(bucket for bucket in buckets if length <= bucket)


def _groups(bucket=_smallest, order=None, chunks=_chunks, sort=None, item=None):
    """The groups with one of their parts replaced.

    Args:
        bucket: The bucket of a length.
        order: A key by which indices are sorted first, from a length.
        chunks: Cuts the indices of a bucket into groups.
        sort: The order of the buckets, from a dict of their indices in order of arrival.
        item: What stands in a group, from a length and its index.
    """

    def answer(lengths, buckets, batch_size):
        indices = range(len(lengths))
        members = {} if sort else {each: [] for each in buckets}
        for index in sorted(indices, key=lambda index: order(lengths[index])) if order else indices:
            what = item(lengths[index], index) if item else index
            members.setdefault(bucket(lengths[index], buckets), []).append(what)
        found = [members[each] for each in sort(members)] if sort else members.values()
        return [group for each in found for group in chunks(each, batch_size)]

    return answer


def _strictly(length, buckets):
    return next((bucket for bucket in buckets if length < bucket), buckets[-1])


def _nearest(length, buckets):
    return min(buckets, key=lambda bucket: abs(bucket - length))


def _below(length, buckets):
    return max((bucket for bucket in buckets if bucket <= length), default=buckets[0])


def _all_together(order):
    """Groups cut from one list of all texts."""

    def answer(lengths, buckets, batch_size):
        key = order(lengths, buckets)
        return _chunks(sorted(range(len(lengths)), key=key), batch_size)

    return answer


def _neighbours(in_order_of_buckets):
    def answer(lengths, buckets, batch_size):
        runs = itertools.groupby(range(len(lengths)), key=lambda index: _smallest(lengths[index], buckets))
        runs = [(bucket, list(run)) for bucket, run in runs]
        if in_order_of_buckets:
            runs.sort(key=lambda run: run[0])
        return [group for _, run in runs for group in _chunks(run, batch_size)]

    return answer


def _as_they_fill(in_order_of_buckets):
    def answer(lengths, buckets, batch_size):
        waiting, groups = ({each: [] for each in buckets} if in_order_of_buckets else {}), []
        for index, length in enumerate(lengths):
            bucket = _smallest(length, buckets)
            waiting.setdefault(bucket, []).append(index)
            if len(waiting[bucket]) == batch_size:
                groups.append(waiting.pop(bucket))
                if in_order_of_buckets:
                    waiting[bucket] = []
        rest = sorted(waiting) if in_order_of_buckets else waiting
        return groups + [waiting[bucket] for bucket in rest if waiting[bucket]]

    return answer


def _full_only(items, size):
    return [group for group in _chunks(items, size) if len(group) == size]


def _evenly(items, size):
    if not items:
        return []
    return [part.tolist() for part in np.array_split(items, -(-len(items) // size))]


def _places_when_sorted(lengths, buckets, batch_size):
    ordered = sorted(lengths)
    return _groups()(ordered, buckets, batch_size)


def _places_in_buckets(lengths, buckets, batch_size):
    return [
        list(range(len(group)))
        for group in _groups(chunks=lambda items, size: [items] if items else [])(
            lengths, buckets, batch_size
        )
        for group in _chunks(group, batch_size)
    ]


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
            (_groups(order=lambda length: length), _groups(order=lambda length: -length)),
            "Your texts are in the right buckets, but inside a bucket you sorted them by length. Who has "
            "waited longest?",
            "In a bucket all texts are padded to the same length, so sorting saves nothing. It only makes a "
            "text wait for others that came later.",
        ),
        Mistake(
            "strict_bound",
            _groups(bucket=_strictly),
            "Right but for texts that fill a bucket exactly: a text of 32 tokens runs at 64 with you.",
            "32 tokens fit into 32 places. Look at your comparison of a length with a bucket.",
        ),
        Mistake(
            "across_buckets",
            (
                _all_together(lambda lengths, buckets: lambda index: _smallest(lengths[index], buckets)),
                _all_together(lambda lengths, buckets: lambda index: lengths[index]),
                _all_together(lambda lengths, buckets: lambda index: index),
            ),
            "Some of your groups hold texts of two buckets. To which length must such a group be padded?",
            "You cut one list of all texts into groups. A group must also end where its bucket does.",
        ),
        Mistake(
            "neighbours_only",
            _each(_neighbours, True, False),
            "Your groups are too small: only texts that came directly one after the other are together.",
            "`itertools.groupby`, or a comparison with the text before, starts a new run whenever the "
            "bucket changes. A text must find those of its bucket however many others came in between.",
        ),
        Mistake(
            "order_of_arrival",
            _groups(sort=list),
            "Your groups are right. The buckets come in the order in which the first text of each arrived; "
            "which order is asked for?",
            "A dict keeps its keys in the order in which they were put in. Go through `buckets` instead.",
        ),
        Mistake(
            "longest_first",
            _groups(sort=lambda members: sorted(members, reverse=True)),
            "Your groups are right. The longest bucket comes first; which one should?",
            "Inside a bucket your groups are in order. Only the buckets have to change places.",
        ),
        Mistake(
            "as_they_fill",
            _each(_as_they_fill, True, False),
            "Your groups are right, but they stand in the order in which they became full, and those that "
            "are not full at the end.",
            "In operation that would make sense. The task asks for all groups of the shortest bucket first, "
            "full or not.",
        ),
        Mistake(
            "empty_groups",
            (
                _groups(chunks=lambda items, size: _chunks(items, size) or [[]]),
                _groups(
                    chunks=lambda items, size: [*_full_only(items, size), items[len(items) // size * size :]]
                ),
            ),
            "There are groups without any text in your result. When does your code put a group in?",
            "A bucket may have no texts, or may have come out even just before. Ask whether a group holds "
            "something before you add it.",
        ),
        Mistake(
            "nearest_bucket",
            _groups(bucket=_nearest),
            "You take the bucket whose length is nearest. What happens to the last words of a text of 40 "
            "tokens that runs at 32?",
            "A bucket must hold the whole text. So only those that are large enough come into question.",
        ),
        Mistake(
            "bucket_below",
            _groups(bucket=_below),
            "You take the bucket below the length, where there is one. What happens to the last words of a "
            "text of 60 tokens that runs at 32?",
            "A bucket must hold the whole text, so it is at least as long. Which of those is the smallest?",
        ),
        Mistake(
            "rest_lost",
            _groups(chunks=_full_only),
            "Some texts are in none of your groups. What becomes of the last group of a bucket, if it is "
            "not full?",
            "Five texts in groups of two are three groups. Here each text is someone's request: it must get "
            "an answer.",
        ),
        Mistake(
            "one_group_per_bucket",
            _groups(chunks=lambda items, size: [items] if items else []),
            "All texts of a bucket are in one group. What is `batch_size` for?",
            "Cut the indices of each bucket into pieces: places 0 to batch_size - 1, the next as many, and "
            "so on.",
        ),
        Mistake(
            "evenly",
            _groups(chunks=_evenly),
            "Your buckets are right. You cut them into groups of about the same size; which size has a group "
            "here, if there are texts enough?",
            "With five texts and a batch size of 4 the groups have 4 and 1, not 3 and 2. `np.array_split` "
            "takes the number of parts, not their size.",
        ),
        Mistake(
            "by_equal_length",
            _groups(bucket=lambda length, buckets: length, sort=sorted),
            "Only texts of exactly the same length are together in your groups. To which length is a text "
            "padded?",
            "Texts of 20 and 32 tokens both run at 32, so they can run together. What they share is the "
            "bucket.",
        ),
        Mistake(
            "lengths",
            _groups(item=lambda length, index: length),
            "Your groups hold the lengths of the texts. How would the caller find out which texts they are?",
            "`enumerate` gives a place along with each length. The places are asked for.",
        ),
        Mistake(
            "other_places",
            (_places_when_sorted, _places_in_buckets),
            "Your groups have the right sizes, but the numbers in them are no places in `lengths`. In which "
            "list do you count?",
            "After sorting or picking out, a text stands at another place than before. Keep its index in "
            "`lengths` with it from the start.",
        ),
    ),
    hint="Two steps. First give each text its place in a bucket, and print that. Cut into groups only when "
    "all texts have one.",
    more="A dict with a list for each of `buckets` in turn; each index goes, in order, into the list of the "
    "smallest bucket that is at least as long as its text. Then each list in slices of `batch_size`.",
    example=([70, 10, 30, 64, 20], [32, 64, 128], 2),
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

    levels = np.repeat([0.5, 0.625, 0.75, 0.875, 1.0], rng.integers(4, 8, size=5))
    right, order = np.isin(levels, (0.5, 0.75)), rng.permutation(len(levels))
    return [
        call(*drawn(6, 0.51), 2, 5),
        call(*drawn(40, 0.51), 2, 10),
        Call(call(*drawn(70, 0.53), 3, 5), about="three classes"),
        Call(
            call(levels[order], right[order], 3, 4), about="confidences that lie exactly on a border of bins"
        ),
        call(*drawn(25, 0.51), 2, 20),
        call(*drawn(15, 0.51), 2, 7),
    ]


def _error(
    confidence=lambda probabilities: probabilities.max(axis=1),
    right=lambda probabilities, labels: probabilities.argmax(axis=1) == labels,
    which=lambda confidence, bins: np.ceil(confidence * bins) - 1,
    gap=lambda sure, hit, index, bins: abs(sure.mean() - hit.mean()),
    combine=lambda gaps, counts, bins: np.sum(gaps * counts) / counts.sum(),
    empty=False,
):
    """The error with one of its parts replaced.

    Args:
        confidence: From the probabilities.
        right: Whether each verdict is right, from probabilities and labels.
        which: The bin of each text, from the confidences and the number of bins.
        gap: Of one bin, from its confidences, whether they are right, its index and the number of bins.
        combine: The error, from the gaps, the number of texts in each bin, and the number of bins.
        empty: Whether bins without texts are kept.
    """

    @_quiet
    def answer(probabilities, labels, bins):
        sure, hit = confidence(probabilities), right(probabilities, labels)
        bin_of = which(sure, bins).astype("int64")
        gaps, counts = [], []
        for index in range(bins) if empty else np.unique(bin_of):
            here = bin_of == index
            if not here.any():
                gaps.append(np.nan)
            else:
                gaps.append(gap(sure[here], hit[here], index, bins))
            counts.append(here.sum())
        return combine(np.array(gaps), np.array(counts), bins)

    return answer


def _of_class_1(probabilities):
    return probabilities[:, 1]


def _class_1_bin(confidence, bins):
    return np.maximum(np.ceil(confidence * bins) - 1, 0)


def _of_the_label(probabilities, labels, bins):
    own = probabilities[np.arange(len(labels)), labels]
    return _error(lambda _: own, which=_class_1_bin)(probabilities, labels, bins)


def _bins_from(low):
    """Bins of equal width from another number up to 1, or up to the greatest confidence."""

    def which(confidence, bins):
        edges = np.linspace(low(confidence), 1.0, bins + 1)
        return np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)

    return _error(which=which)


def _between_extremes(confidence, bins):
    edges = np.linspace(confidence.min(), confidence.max(), bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)


def _lost_at_1(of_all):
    """Bins that hold their lower bound, so that a confidence of 1 is in none."""

    def answer(probabilities, labels, bins):
        kept = probabilities.max(axis=1) < 1
        error = _error(which=lambda confidence, bins: np.floor(confidence * bins))
        return error(probabilities[kept], labels[kept], bins) * (kept.mean() if of_all else 1.0)

    return answer


def _of_equal_size(probabilities, labels, bins):
    sure = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    parts = [part for part in np.array_split(np.argsort(sure, kind="stable"), bins) if len(part)]
    return sum(len(part) * abs(sure[part].mean() - hit[part].mean()) for part in parts) / len(labels)


@_quiet
def _whole_accuracy(probabilities, labels, bins):
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    return _error(gap=lambda sure, hit, index, bins: abs(sure.mean() - accuracy))(probabilities, labels, bins)


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
            (
                _error(combine=lambda gaps, counts, bins: np.mean(gaps)),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps) / bins),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps)),
            ),
            "Your gaps are right, and you give every bin the same weight. Should a bin with one text count "
            "as much as one with a hundred?",
            "The error is a mean over texts, not over bins: each text brings in the gap of its bin.",
        ),
        Mistake(
            "divided_by_another_number",
            (
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts) / bins),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts) / len(counts)),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts)),
            ),
            "Your gaps are right, and so are their weights. What must the weighted gaps be divided by to "
            "make a mean?",
            "A mean of weighted numbers is divided by the sum of the weights. What do the numbers of texts "
            "in all bins add up to?",
        ),
        Mistake(
            "lower_bound",
            (
                _error(which=lambda confidence, bins: np.minimum(np.floor(confidence * bins), bins - 1)),
                _error(which=lambda confidence, bins: np.floor(confidence * bins)),
                *_each(_lost_at_1, True, False),
            ),
            "Right but for confidences that lie exactly on the border of a bin. Which bin do you put them "
            "into?",
            "A bin holds its upper bound: with four bins, 0.5 belongs to the second, from 0.25 to 0.5, and 1 "
            "to the fourth.",
        ),
        Mistake(
            "another_range_of_bins",
            (
                _bins_from(lambda confidence: 0.5),
                _bins_from(np.min),
                _error(which=_between_extremes),
            ),
            "Your bins begin where the confidences do, instead of at 0. Which range does the task divide?",
            "With two classes no confidence is below 0.5, so the lower half of the bins stays empty: that is "
            "as it should be. np.histogram takes the range of the numbers unless it is told another.",
        ),
        Mistake(
            "bins_of_equal_size",
            _of_equal_size,
            "Your bins hold the same number of texts. What is to be equal about them?",
            "Four bins divide the numbers from 0 to 1 at 0.25, 0.5 and 0.75, however many texts lie in each.",
        ),
        Mistake(
            "no_bins",
            lambda probabilities, labels, bins: np.mean(
                np.abs(probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels))
            ),
            "You take the gap of each text by itself. A verdict that is 0.8 sure and right has the gap 0.2 "
            "with you; is its model badly calibrated?",
            "One text says nothing: it is right or wrong. Only of many together can 80 percent be right. So "
            "first the means of a bin, then their distance.",
        ),
        Mistake(
            "signed",
            (
                _error(gap=lambda sure, hit, index, bins: sure.mean() - hit.mean()),
                _error(gap=lambda sure, hit, index, bins: hit.mean() - sure.mean()),
                lambda probabilities, labels, bins: abs(
                    probabilities.max(axis=1).mean() - np.mean(probabilities.argmax(axis=1) == labels)
                ),
            ),
            "Bins that are too sure and bins that are not sure enough cancel in your sum.",
            "A model that is 0.2 too sure in one half of the texts and 0.2 too modest in the other is badly "
            "calibrated. What has to be done with a gap before it is added?",
        ),
        Mistake(
            "squared",
            (
                _error(combine=lambda gaps, counts, bins: np.sum(gaps**2 * counts) / counts.sum()),
                _error(combine=lambda gaps, counts, bins: np.sqrt(np.sum(gaps**2 * counts) / counts.sum())),
            ),
            "You square the gaps. What does the task call a gap?",
            "A distance is a difference without its sign: 0.2 counts as 0.2, not as 0.04.",
        ),
        Mistake(
            "largest_gap",
            _error(combine=lambda gaps, counts, bins: np.max(gaps)),
            "You return the largest gap. That is the maximum calibration error; asked for is the expected "
            "one.",
            "The largest gap may be that of a bin with a single text. All bins count, each as much as it has "
            "texts.",
        ),
        Mistake(
            "confidence_of_class_1",
            _error(_of_class_1, which=_class_1_bin),
            "You take the probability of class 1 as the confidence. If a model gives 0.9 to class 0, how "
            "sure is it of its verdict?",
            "The verdict is the likeliest class, whichever it is, and the confidence is its probability. "
            "With three classes, column 1 is just one of them.",
        ),
        Mistake(
            "share_of_class_1",
            _error(_of_class_1, lambda probabilities, labels: labels == 1, _class_1_bin),
            "You compare the probability of class 1 with the share of class 1. That is a fair question "
            "about two classes, but another one.",
            "Asked for are confidence and accuracy: the probability of the likeliest class, and whether "
            "that class is the label.",
        ),
        Mistake(
            "two_classes_only",
            (
                _error(
                    right=lambda probabilities, labels: (probabilities[:, 1] > 0.5).astype("int64") == labels
                ),
                _error(
                    lambda probabilities: np.maximum(probabilities[:, 1], 1 - probabilities[:, 1]),
                    lambda probabilities, labels: (probabilities[:, 1] > 0.5).astype("int64") == labels,
                ),
            ),
            "Right with two classes. With three, your verdict knows only whether it is class 1 or not.",
            "The verdict is the class whose probability is the largest, and that may be below 0.5. Which "
            "function gives the place of the largest number of a row?",
        ),
        Mistake(
            "probability_of_the_label",
            _of_the_label,
            "You take the probability of the label as the confidence. Does the model know the label when it "
            "gives its verdict?",
            "The confidence is that of the verdict, right or wrong: the largest probability of a row.",
        ),
        Mistake(
            "middle_of_the_bin",
            _each(
                lambda distance: _error(
                    gap=lambda sure, hit, index, bins: distance((index + 0.5) / bins - hit.mean())
                ),
                np.abs,
                np.positive,
                np.negative,
            ),
            "You compare the accuracy of a bin with its middle. What does the task compare it with?",
            "The confidences of a bin need not lie around its middle. Take the mean of those that are there.",
        ),
        Mistake(
            "accuracy_of_all",
            _whole_accuracy,
            "You compare the confidence of each bin with the accuracy over all texts. Whose accuracy belongs "
            "to a bin?",
            "Both numbers of a gap are means over the same texts: those in the bin.",
        ),
        Mistake(
            "empty_bins",
            _error(empty=True),
            "You return NaN. What is the mean confidence of a bin that holds no text?",
            "The mean of nothing is NaN, and NaN times 0 is still NaN. With two classes no confidence is "
            "below 0.5, so half of the bins are always empty: leave them out.",
        ),
    ),
    hint="Make two arrays of length n first: how sure the model is of its verdict, and whether the verdict "
    "is right. The bins come after that.",
    more="A confidence c lies in the bin number ceil(c · bins), counted from 1. For each bin that holds "
    "texts: the mean of their confidences, the share of them that is right, the distance of the two, times "
    "the number of these texts. All that, added up and divided by n.",
    example=(np.array([[0.7, 0.3], [0.75, 0.25], [0.2, 0.8]]), np.array([1, 0, 1]), 4),
)


# Cost


def _cost_calls(rng):
    def call(utilisation):
        price, rate = rng.uniform(0.05, 4.0), rng.uniform(2.0, 400.0)
        return round(float(price), 2), round(float(rate), 1), utilisation

    shares = [round(float(share), 2) for share in rng.uniform((0.2, 0.55, 0.03), (0.45, 0.9, 0.12))]
    return [call(shares[0]), call(1.0), call(shares[1]), call(shares[2])]


def _cost(seconds=3600.0, requests=1000.0, power=-1, over=-1):
    """The cost with one of its parts replaced; `power` is of the utilisation, `over` of the rate."""

    def answer(price, rate, utilisation):
        return requests * price * utilisation**power / seconds * rate**over

    return answer


def _inverted(requests):
    return lambda *arguments: 1 / _cost(requests=requests)(*arguments)


@_quiet
def _idle(price, rate, utilisation):
    return 1000 * price / np.float64(3600 * rate * (1 - utilisation))


def _idle_added(price, rate, utilisation):
    return _cost()(price, rate, 1.0) * (2 - utilisation)


def _idle_share_paid(price, rate, utilisation):
    return _cost()(price, rate, 1.0) * (1 - utilisation)


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
            _cost(seconds=1.0),
            "Your cost is 3,600 times too high. In which unit of time is the price, and in which the "
            "requests?",
            "The price is for an hour, the requests are those of a second. Bring both to the same unit.",
        ),
        Mistake(
            "hours_as_minutes",
            _cost(seconds=60.0),
            "Your cost is 60 times too high. How many seconds has an hour?",
            "Requests per second times 60 are those of a minute. The price is that of an hour.",
        ),
        Mistake(
            "hours_multiplied",
            (_cost(seconds=1 / 3600), _cost(seconds=1 / 60)),
            "You multiply where you should divide: your cost is millions, or thousands, of times too high. "
            "Is the machine's price for a second higher or lower than that for an hour?",
            "Write the unit beside each number: money per hour, requests per second. Which operation leaves "
            "money per request?",
        ),
        Mistake(
            "hours_as_days",
            _cost(seconds=86400.0),
            "Your cost is 24 times too low. How long does the machine work for its price?",
            "The price is for an hour. 86,400 are the seconds of a day.",
        ),
        Mistake(
            "utilisation_multiplied",
            _cost(power=1),
            "Right for a utilisation of 1. With you, a machine that idles makes each request cheaper.",
            "At half the load the machine costs as much as before and serves half as many. What happens to "
            "the cost of one request?",
        ),
        Mistake(
            "utilisation_ignored",
            _cost(power=0),
            "Right for a utilisation of 1. Else you count on requests that never came.",
            "You pay for all hours, at night as well. How many requests does the machine really serve in "
            "one?",
        ),
        Mistake(
            "idle_share",
            (_idle, _idle_added, _idle_share_paid),
            "You compute with 1 - utilisation, the share in which the machine idles. Which share gives the "
            "number of requests?",
            "A machine for 2 requests a second, at a utilisation of 0.25, answers half a request a second on "
            "average. What does the cost have to be divided by?",
        ),
        Mistake(
            "one_request",
            _cost(requests=1.0),
            "Your result is a thousand times too small: it is the cost of how many requests?",
            "Prices of a single request have too many zeros to be read. Asked for is the price of a "
            "thousand.",
        ),
        Mistake(
            "thousandth",
            (_cost(requests=1e-3), _cost(requests=1e6)),
            "Your result is off by a factor of a thousand or a million. For how many requests is it to be?",
            "The cost of one request, times a thousand: each of the two steps once.",
        ),
        Mistake(
            "rate_multiplied",
            (_cost(over=1), _cost(over=1, power=1), _cost(over=1, seconds=1 / 3600, power=1)),
            "With you, a faster machine makes each request dearer. What happens to the cost of a request if "
            "the same money pays for more of them?",
            "The price is shared out among all requests of the hour. To share out is to divide.",
        ),
        Mistake(
            "upside_down",
            (_inverted(1000.0), _inverted(1.0), _inverted(1e-3)),
            "A dearer machine makes your result smaller. What stands above the line, and what below it?",
            "You have requests per unit of money. Asked for is money per thousand requests.",
        ),
    ),
    hint="How many requests does the machine really answer in the hour that you pay for?",
    more="Three steps: the requests that are answered in an hour, which are fewer than it could; the price "
    "of the hour divided by them, for one; times a thousand.",
    example=(7.2, 4.0, 0.25),
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
        Call(([machine(50, 12.0)], 95.0), about="a single machine"),
        ([machine(40, 30.0), machine(11, 5.0), machine(70, 12.0), machine(25, 20.0)], 50.0),
        Call(([machine(9, 30.0), machine(14, 20.0)], 100.0), about="percentile 100"),
    ]


def _fleet_percentile(samples, percentile):
    """The reference: what one machine would have measured."""
    return np.percentile(np.concatenate(samples), percentile)


def _percentiles(samples, q):
    return [np.percentile(sample, q) for sample in samples]


def _of_all(method):
    return lambda samples, q: np.percentile(np.concatenate(samples), q, method=method)


def _at_place(place):
    """The request at a place in the queue of all."""

    def answer(samples, q):
        ordered = np.sort(np.concatenate(samples))
        return ordered[min(max(int(place(len(ordered), q)), 0), len(ordered) - 1)]

    return answer


def _at_place_unguarded(samples, q):
    ordered = np.sort(np.concatenate(samples))
    return ordered[int(len(ordered) * q / 100)]


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
            lambda samples, q: np.mean(_percentiles(samples, q)),
            "You take the mean of the machines' percentiles. Suppose one machine is slow and gets one "
            "request in a thousand: how many users wait?",
            "Percentiles cannot be averaged: each is a place in a queue of its own. Which queue does the "
            "percentile of all requests look at?",
        ),
        Mistake(
            "weighted_mean",
            lambda samples, q: np.average(
                _percentiles(samples, q), weights=[len(sample) for sample in samples]
            ),
            "You weigh the machines' percentiles by their requests. That is right for means, but a "
            "percentile is not one.",
            "A fast machine has its percentile, too, and it pulls yours down, though the slow requests of "
            "the other are still there. Do not compute a percentile before all requests are together.",
        ),
        Mistake(
            "worst_machine",
            lambda samples, q: np.max(_percentiles(samples, q)),
            "You return the percentile of the slowest machine. It tells which machine to look at, but not "
            "what users see.",
            "If the slowest machine gets few of the requests, most of the slow 5 percent are somewhere "
            "else. Every request must count once, wherever it was served.",
        ),
        Mistake(
            "percentile_of_percentiles",
            lambda samples, q: np.percentile(_percentiles(samples, q), q),
            "You take a percentile of the machines' percentiles. What share of all requests is above it?",
            "Your second percentile ranks machines, not requests: one with 8 requests counts as much as one "
            "with 300.",
        ),
        Mistake(
            "median_of_percentiles",
            lambda samples, q: np.median(_percentiles(samples, q)),
            "You take the median of the machines' percentiles. What if most requests go to a machine that is "
            "not in the middle?",
            "A machine with 8 requests counts as much with you as one with 300. Which list holds every "
            "request once?",
        ),
        Mistake(
            "of_means",
            (
                lambda samples, q: np.percentile([np.mean(sample) for sample in samples], q),
                lambda samples, q: np.percentile([np.median(sample) for sample in samples], q),
            ),
            "You reduce each machine to one number first. What a single user had to wait is lost then.",
            "A machine's mean says nothing of its slowest requests, and those are what a high percentile is "
            "about. Take the percentile first and last of the requests themselves.",
        ),
        Mistake(
            "mean_of_all",
            lambda samples, q: np.mean(np.concatenate(samples)),
            "You return the mean latency of all requests. What is `percentile` for?",
            "The mean does not tell what the slowest see. Put the requests in order: where in that queue is "
            "the one asked for?",
        ),
        Mistake(
            "one_machine",
            (
                lambda samples, q: np.percentile(samples[0], q),
                lambda samples, q: np.percentile(samples[-1], q),
                lambda samples, q: np.percentile(max(samples, key=len), q),
            ),
            "You return the percentile of one machine only. Where are the requests of the others?",
            "A `return` inside a loop ends it at the first machine; a variable that each turn overwrites "
            "holds the last. All requests together make the queue.",
        ),
        Mistake(
            "fastest_machine",
            lambda samples, q: np.min(_percentiles(samples, q)),
            "You return the percentile of the fastest machine. Do all users get that one?",
            "Every request must count once, wherever it was served. Which list holds them all?",
        ),
        Mistake(
            "cut_to_the_shortest",
            lambda samples, q: np.percentile([sample[: min(map(len, samples))] for sample in samples], q),
            "Right where all machines have the same number of requests. Else some of the requests are "
            "missing: which?",
            "`zip` ends with the shortest of its lists. NumPy has a function that joins arrays of different "
            "lengths, one behind the other.",
        ),
        Mistake(
            "not_joined",
            lambda samples, q: np.percentile(samples, q),
            "Right for a single machine. An array has rows of one length, and the machines have different "
            "numbers of requests.",
            "NumPy cannot make one array with a row for each machine. It can put arrays of any lengths one "
            "behind the other: look for a function that joins.",
        ),
        Mistake(
            "as_a_fraction",
            lambda samples, q: np.percentile(np.concatenate(samples), q / 100),
            "You return nearly the fastest request of all. In which unit does NumPy's function want its "
            "percentile?",
            "`np.percentile` counts from 0 to 100, `np.quantile` from 0 to 1. You give to the one what the "
            "other wants.",
        ),
        Mistake(
            "from_the_slowest",
            lambda samples, q: np.percentile(np.concatenate(samples), 100 - q),
            "You count from the wrong end: 95 percent of the requests are slower than your result.",
            "Percentile 95 lies near the slow end. Which percentile do you ask for?",
        ),
        Mistake(
            "not_interpolated",
            (
                *_each(_of_all, "nearest", "lower", "higher", "midpoint"),
                _at_place(lambda n, q: n * q / 100),
                _at_place(lambda n, q: np.ceil(n * q / 100) - 1),
                _at_place_unguarded,
            ),
            "Near. You take all requests together, but return one of them, or the middle of two, where the "
            "right number mostly lies elsewhere between two.",
            "The place in the queue has a fraction, and an index has none. `np.percentile` without a "
            "`method` does what is asked for.",
        ),
    ),
    hint="If all requests had gone to one single machine, what would you have computed?",
    more="Put the arrays one behind the other to a single one: NumPy has a function for that. Then it is one "
    "call.",
    example=([np.array([4.0, 1.0, 3.0, 2.0]), np.array([10.0])], 90.0),
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
        Call((spike, 0.25, 3), about="a single very high value"),
        Call((runs(0, 3, b, 1, 1, 4), 0.25, 2), about="values above the threshold from the start"),
        Call((on_it, 0.25, 3), about="a value equal to the threshold"),
        (level(rng.random(10) < 0.5), 0.25, 1),
        (level(rng.random(30) < 0.7), 0.25, 4),
        Call((runs(1, 2), 0.25, 4), about="fewer values than `windows`"),
        (runs(1, 3, 1, 8, 2), 0.25, 3),
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


def _slices(test, first=lambda i, windows: i - windows + 1, beyond=1, from_the_start=True):
    """Alerts from a test of the values of a slice for each window.

    Args:
        test: From the values of the slice and the threshold.
        first: Where the slice begins, from the window's index and `windows`.
        beyond: By how many the slice ends after the window.
        from_the_start: Whether the first windows are tested, too.
    """

    @_quiet
    def answer(values, threshold, windows):
        return np.array(
            [
                bool(
                    (from_the_start or i >= windows - 1)
                    and test(values[first(i, windows) : i + beyond], threshold)
                )
                for i in range(len(values))
            ]
        )

    return answer


def _from_0(i, windows):
    return max(i - windows + 1, 0)


def _all_above(values, threshold):
    return np.all(values > threshold)


def _mean_above(values, threshold):
    return len(values) > 0 and np.mean(values) > threshold


def _starting_over(values, threshold, windows):
    count, result = 0, []
    for each in values > threshold:
        count = count + 1 if each else 0
        result.append(count == windows)
        if count == windows:
            count = 0
    return np.array(result)


def _full_windows_only(values, threshold, windows):
    return np.lib.stride_tricks.sliding_window_view(values > threshold, windows).all(axis=1)


def _complete_slices(values, threshold, windows):
    places = range(len(values) - windows + 1)
    return np.array([np.all(values[i : i + windows] > threshold) for i in places], bool)


def _padded_full_windows(values, threshold, windows):
    return np.append(np.zeros(windows - 1, bool), _full_windows_only(values, threshold, windows))


def _padded_convolution(values, threshold, windows):
    found = np.convolve(values > threshold, np.ones(windows, "int64"), "valid")
    return np.append(np.zeros(windows - 1, bool), found == windows)


def _no_longer_than(values, threshold, windows):
    return _full_windows_only(values, threshold, windows) if len(values) >= windows else np.zeros(0, bool)


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
            (
                lambda values, threshold, windows: np.cumsum(values > threshold) >= windows,
                lambda values, threshold, windows: (
                    (np.cumsum(values > threshold) >= windows) & (values > threshold)
                ),
            ),
            "You count all values above the threshold since the start, in a row or not. When does your "
            "count begin anew?",
            "A month has many chance values above it. What has to happen to your count when a value is not "
            "above the threshold?",
        ),
        Mistake(
            "one_too_late",
            (
                lambda values, threshold, windows: _streaks(values > threshold) > windows,
                lambda values, threshold, windows: np.append(False, _firing(values, threshold, windows)[:-1]),
            ),
            "Your alert fires one window too late. How many values above the threshold in a row do you ask "
            "for, and does the present one count?",
            "With three windows the alert fires at the third value in a row, not at the one after it. Look "
            "at your comparison, or at where your slice ends.",
        ),
        Mistake(
            "one_too_early",
            lambda values, threshold, windows: _streaks(values > threshold) >= windows - 1,
            "Your alert fires one window too early. How many values do you look at?",
            "The present value and `windows - 1` before it are `windows` values. With one window an alert "
            "needs one value above the threshold, not none.",
        ),
        Mistake(
            "only_once",
            lambda values, threshold, windows: _streaks(values > threshold) == windows,
            "Your alert begins at the right moment, but it is on in that window only. When does it end?",
            "As long as the values stay above the threshold, the last few of them are all above it. Look at "
            "your comparison: what if the run is longer than needed?",
        ),
        Mistake(
            "starts_over",
            _starting_over,
            "Your alert begins at the right moment, goes off, and comes back if the run is long enough. What "
            "becomes of your count when it fires?",
            "The fourth value in a row has three before it just as the third has two. Only one thing sets "
            "the count back to 0.",
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
            (
                _looking_ahead,
                lambda values, threshold, windows: _firing(values[::-1], threshold, windows)[::-1],
            ),
            "You mark a long run from its first value on. Could you have known at that moment how long it "
            "would get?",
            "On past data one sees the future, in operation one does not. The answer for a window may use "
            "its own value and earlier ones only.",
        ),
        Mistake(
            "mean_of_the_windows",
            (
                _slices(_mean_above, from_the_start=False, first=_from_0),
                _slices(_mean_above, first=_from_0),
                lambda values, threshold, windows: (
                    np.convolve(values, np.ones(windows))[: len(values)] / windows > threshold
                ),
            ),
            "You compare the mean of the last values with the threshold. What does a single very high value "
            "do to it?",
            "One value of 5 lifts the mean of three above 0.25, though the other two are all right. Each "
            "value has to be above the threshold by itself.",
        ),
        Mistake(
            "any_of_the_windows",
            (
                _slices(lambda values, threshold: np.any(values > threshold), first=_from_0),
                _slices(
                    lambda values, threshold: np.any(values > threshold), first=_from_0, from_the_start=False
                ),
            ),
            "One value above the threshold among the last few is enough for your alert. How many have to be?",
            "np.any asks for one, np.all for each. By chance alone one in a few is above quite often.",
        ),
        Mistake(
            "too_few_values_at_the_start",
            _slices(_all_above, first=_from_0),
            "Right but at the start, where your alert fires before there are enough values. How many does it "
            "take?",
            "A slice that begins at 0 is shorter than `windows` there. What does the task say about the "
            "first windows?",
        ),
        Mistake(
            "empty_slices_at_the_start",
            _slices(_all_above),
            "Right but at the start. What is in your slice there? Print it.",
            "A negative start counts from the end, which leaves nothing, or something quite different; and "
            "np.all of nothing is True. The first `windows - 1` answers are known without any slice.",
        ),
        Mistake(
            "first_windows_missing",
            (_full_windows_only, _complete_slices, _no_longer_than),
            "Your result is shorter than `values`. For which windows is there no answer?",
            "Windows at the start have too few values before them, but they get an answer, too: the alert is "
            "off. And `values` may be shorter than `windows`.",
        ),
        Mistake(
            "fewer_values_than_windows",
            (_padded_full_windows, _padded_convolution),
            "Right but where there are fewer values than `windows`. What is the answer then?",
            "Neither a sliding window nor a convolution of mode valid does there what you need. No run can "
            "be long enough, and the result has as many places as ever.",
        ),
        Mistake(
            "numbers",
            lambda values, threshold, windows: _firing(values, threshold, windows).astype("int64"),
            "Your result is right but for its kind: ones and zeros instead of True and False.",
            "`values[result]` would take the values at the places 0 and 1 instead of those with an alert. A "
            "comparison gives booleans, and so does `astype(bool)`.",
        ),
    ),
    hint="Go through the example as it would happen, one window after the other. What do you have to "
    "remember from one window to the next?",
    more="Remember one number: how many values in a row have been above the threshold, the present one "
    "included. It grows by 1 or falls to 0. The alert is on wherever it is at least `windows`.",
    example=(np.array([3.0, 3.0, 2.0, 3.0, 3.0, 3.0]), 2.0, 2),
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
