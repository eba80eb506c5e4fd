"""Question: a percentile from a histogram."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.deployment._shared import deployment


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


QUESTION = Question(
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
            of_each(lambda share: _estimate(place=lambda *_: share), 0.0, 0.5),
            "You find the right bucket and return always the same place in it, its lower end or its middle. "
            "How far into the bucket does the rank lie?",
            "If a bucket holds 10 requests and the rank is that of its eighth, eight tenths of the bucket's "
            "width lie below. Which two numbers give you the eight and the ten?",
        ),
        Mistake(
            "share_of_another_number",
            of_each(
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
            of_each(
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
            of_each(
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
            of_each(
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
