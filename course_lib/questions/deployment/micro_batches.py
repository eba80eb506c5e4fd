"""Question: which texts run together."""

import itertools

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.deployment._shared import deployment


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


QUESTION = Question(
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
            of_each(_neighbours, True, False),
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
            of_each(_as_they_fill, True, False),
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
