"""Question: a split that does not leak."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _split_case(rng, labels, share, count=30, early=1, short=None):
    """Labels and groups: `count` groups with all labels, and many single examples.

    Single examples are enough to even out each label, and one group has 6 examples, so that each sensible
    order of taking groups comes near enough. In the numbering, groups stand everywhere, more of them at its
    beginning the larger `early` is. There, small labels are a little more frequent: who deals out each label
    by itself in the order of the numbers ends at different groups.

    `short` says, for each label, by how many examples the single ones are fewer than the test part must have:
    who deals out each label by itself, by size, then ends at different groups, too. Without it, there are
    hundreds of single ones.
    """
    extra = [[i // 2 % labels] if i % 2 else [] for i in range(count)]
    groups = [[*range(labels), *each] for each in extra]
    groups[:1] = [[i % labels for i in range(6)]][:count]
    held = np.bincount([label for group in groups for label in group], minlength=labels)
    alone = rng.integers(320, 360, size=labels)
    if short is not None:
        alone = np.floor((share * held - short) / (1 - share)).astype("int64")
    power = np.append(np.geomspace(1.15, 1 / 1.15, labels), early)
    places = [rng.permutation((np.arange(n) + rng.random(n)) / n) for n in [*alone, count]]
    places[-1][:1] = (
        0  # The largest is the first, lest it comes when one label is complete and others are not.
    )
    place = np.concatenate([each**p for each, p in zip(places, power, strict=True)])
    groups = [*np.repeat(np.arange(labels), alone)[:, None], *groups]
    names = np.sort(rng.choice(5 * len(groups), len(groups), replace=False))[np.argsort(np.argsort(place))]
    numbers = np.repeat(names, [len(group) for group in groups])
    order = rng.permutation(len(numbers))
    return np.concatenate(groups)[order], numbers[order], share


def _split_calls(rng):
    return [
        _split_case(rng, 2, 0.25),
        _split_case(rng, 2, 0.2, count=32, early=2.5),
        _split_case(rng, 2, 0.45, count=41, short=(1, 4)),
        Call(_split_case(rng, 3, 0.3), about="three labels"),
        Call(_split_case(rng, 3, 0.4, count=43, short=(1, 2.5, 4)), about="three labels"),
        Call(_split_case(rng, 2, 0.3, count=0), about="groups of one example each"),
    ]


def _test_part(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    part[imdb.stratified_split(labels, (1 - share, share), groups)[1]] = True
    return part


def _torn(part, names):
    """The names that stand in both parts."""
    return np.intersect1d(names[part], names[~part])


def _largest(groups):
    return int(np.unique(groups, return_counts=True)[1].max())


def _in_proportion(part, labels, groups, share, label):
    mine = labels == label
    return abs(part[mine].sum() - share * mine.sum()) <= _largest(groups) + 1e-9


def _judge_split(arguments, packed):
    labels, groups, share = arguments
    if not np.isin(packed[0], (0, 1)).all():
        return "The output must be boolean: True for the test part."
    part = packed[0].astype(bool)
    for group in _torn(part, groups):
        inside, size = int(part[groups == group].sum()), int((groups == group).sum())
        return f"Group {group} is in both parts: {inside} of its {size} examples are in the test part."
    for label in np.unique(labels):
        total, got = int((labels == label).sum()), int(part[labels == label].sum())
        if not _in_proportion(part, labels, groups, share, label):
            return (
                f"The test part must hold {share * total:.1f} of the {total} examples with label {label}, "
                f"give or take {_largest(groups)}. Received: {got}"
            )
    return None


def _recognised(test):
    """A recogniser out of a function of labels, groups, share and a boolean part."""

    def recognise(arguments, packed):
        labels, groups, share = arguments
        if packed[0].shape != labels.shape or not np.isin(packed[0], (0, 1)).all():
            return False
        return bool(test(labels, groups, share, packed[0].astype(bool)))

    return recognise


def _tears(part, groups):
    """Whether a group is torn, or none can be."""
    return _largest(groups) == 1 or len(_torn(part, groups)) > 0


def _numbers_returned(arguments, packed):
    """Recognises numbers of examples or of groups in place of a mask."""
    got = packed[0]
    return (
        got.ndim == 1
        and got.dtype.kind in "iu"
        and got.shape != arguments[0].shape
        and len(np.unique(got)) == len(got)
    )


def _third_label_off(labels, groups, share, part):
    known = np.unique(labels)
    right = [_in_proportion(part, labels, groups, share, label) for label in known]
    return not len(_torn(part, groups)) and all(right[:2]) and not all(right)


def _first_two_labels(others):
    """A split that keeps count of two labels only; groups without them are taken or not."""

    def split(labels, groups, share):
        counted = labels < 2
        part = np.zeros(len(labels), dtype=bool)
        part[counted] = _test_part(labels[counted], groups[counted], share)
        chosen = np.isin(groups, groups[part])
        return chosen | ~np.isin(groups, groups[counted]) if others else chosen

    return split


def _ungrouped(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        part[members[: round(share * len(members))]] = True
    return part


def _label_by_label(labels, groups, share):
    part = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        numbers, sizes = np.unique(groups[labels == label], return_counts=True)
        order = np.arange(len(numbers))[:: -1 if label else 1]  # It stands for another shuffle per label.
        taken = numbers[order][np.cumsum(sizes[order]) <= share * sizes.sum()]
        part |= (labels == label) & np.isin(groups, taken)
    return part


def _first_groups(labels, groups, share):
    numbers, sizes = np.unique(groups, return_counts=True)
    return np.isin(groups, numbers[np.cumsum(sizes) <= share * len(labels)])


def _share_of_groups(labels, groups, share):
    numbers = np.unique(groups)
    return np.isin(groups, numbers[: round(share * len(numbers))])


def _with_their_groups(labels, groups, share):
    return np.isin(groups, groups[_ungrouped(labels, groups, share)])


def _until_all_have_enough(labels, groups, share):
    known = np.unique(labels)
    missing = share * (labels[:, None] == known).sum(axis=0)
    part = np.zeros(len(labels), dtype=bool)
    for number in np.unique(groups):
        if (missing <= 0).all():
            break
        members = groups == number
        part |= members
        missing = missing - (labels[members][:, None] == known).sum(axis=0)
    return part


def _off(labels, groups, share, part, sign):
    """Whether no group is torn, and labels have only too many (or only too few) examples."""
    if len(_torn(part, groups)):
        return False
    known = np.unique(labels)
    excess = [sign * (part[labels == each].sum() - share * (labels == each).sum()) for each in known]
    return max(excess) > _largest(groups) + 1e-9 and min(excess) >= -_largest(groups) - 1e-9


QUESTION = Question(
    id="imdb.split",
    title="A split that does not leak",
    points=4,
    minutes=30,
    signature="split_by_groups(labels, groups, share)",
    calls=_split_calls,
    reference=_test_part,
    judge=_judge_split,
    mistakes=(
        Mistake(
            "label_by_label",
            _label_by_label,
            "You deal out the groups once for each label. A group with both labels then gets two decisions, "
            "and its positive and its negative examples end up in different parts.",
            "Look at one group that is torn: the True and the False in it go by label. A group must be put "
            "into a part once, with all that is in it; only then update what each label is missing.",
            # Each label of a group is whole; a group is not, unless this call went well by luck.
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, 10 * groups + labels))
                    and (len(_torn(part, groups)) or _judge_split((labels, groups, share), [part]) is None)
                )
            ),
        ),
        Mistake(
            "nothing_chosen",
            (
                lambda labels, groups, share: np.zeros(len(labels), dtype=bool),
                lambda labels, groups, share: np.ones(len(labels), dtype=bool),
            ),
            "All examples are in the same part. Does your condition for taking a group ever hold, or ever "
            "fail?",
            "Print, for the first few groups, what is still missing of each label and what the group holds. "
            "In the beginning `share` of each label's total is missing; a single example must fit into that.",
            _recognised(lambda labels, groups, share, part: part.all() or not part.any()),
        ),
        Mistake(
            "numbers_returned",
            (
                lambda labels, groups, share: np.flatnonzero(_test_part(labels, groups, share)),
                lambda labels, groups, share: np.unique(groups[_test_part(labels, groups, share)]),
            ),
            "You return numbers, of examples or of groups. Asked for was one True or False for each example.",
            "The result has the shape of `labels`. np.isin(groups, chosen) makes it from chosen groups; from "
            "indices, an array of False in which these are set to True.",
            _numbers_returned,
        ),
        Mistake(
            "groups_ignored",
            _ungrouped,
            "Some groups have examples in both parts, so near-duplicates of test reviews are trained on. "
            "What is it that you deal out: examples or groups?",
            "Go through np.unique(groups), not through the examples. np.isin(groups, chosen) marks all "
            "examples of the chosen groups at once.",
            _recognised(lambda labels, groups, share, part: _tears(part, groups)),
        ),
        Mistake(
            "training_part",
            lambda labels, groups, share: ~_test_part(labels, groups, share),
            "All is well but for the sides: you mark the training part. True was to mean the test part, "
            "which holds `share` of the examples.",
            "Print the mean of your result: it should be about `share`, and it is about 1 - share.",
            _recognised(
                lambda labels, groups, share, part: _judge_split((labels, groups, share), [~part]) is None
            ),
        ),
        Mistake(
            "third_label_ignored",
            (_first_two_labels(True), _first_two_labels(False)),
            "With two labels all is right. With three, the third is not in proportion: your code only counts "
            "labels 0 and 1.",
            "There may be two or three labels; which ones, np.unique(labels) says. Keep one count for each "
            "of them, and let a group fit only if it fits into all counts.",
            _recognised(_third_label_off),
        ),
        Mistake(
            "labels_ignored",
            _first_groups,
            "No group is torn and the size is right, but the labels are not in proportion. When you take a "
            "group, what do you count: its examples, or those of each of its labels?",
            "Keep a count of what the test part still misses of each label, in the beginning share times "
            "its total. A group with two labels takes from two counts: what must it fit into before you "
            "take it?",
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, groups))
                    and abs(part.sum() - share * len(part)) <= _largest(groups) + 1e-9
                )
            ),
        ),
        Mistake(
            "share_of_groups",
            _share_of_groups,
            "No group is torn and you took the right share of the groups. But groups differ in size; it is "
            "the examples that were to be shared out.",
            "With one group of 9 and nine single texts, half of the groups may be 13 or 5 of the 18 "
            "examples. Count examples while you take groups, for each label.",
            _recognised(
                lambda labels, groups, share, part: (
                    not len(_torn(part, groups))
                    and abs(len(np.unique(groups[part])) - share * len(np.unique(groups))) <= 2
                )
            ),
        ),
        Mistake(
            "too_many",
            (_with_their_groups, _until_all_have_enough),
            "No group is torn, but the test part has too much of some label, and of none too little. Is "
            "something added when that label has enough already?",
            "Whatever adds examples must be counted, those that come along with their group, too, and for "
            "each label. A group is taken only if none of its labels then has more than its share.",
            _recognised(lambda labels, groups, share, part: _off(labels, groups, share, part, 1)),
        ),
        Mistake(
            "too_few",
            (
                lambda labels, groups, share: _test_part(labels, groups, share / 2),
                lambda labels, groups, share: _test_part(labels, groups, share) & (groups % 2 == 0),
            ),
            "No group is torn, but the test part has too little of some label, and of none too much. Do you "
            "stop too early, or leave groups out?",
            "When a group does not fit, go on with the next: a smaller one may fit, and the many single "
            "examples at the end fill up what is missing of each label.",
            _recognised(lambda labels, groups, share, part: _off(labels, groups, share, part, -1)),
        ),
    ),
    hint="Count what the test part should get of each label. Then go through the groups, large ones first, "
    "and take one whole if it fits into what is still missing of every label.",
    more="np.unique(groups, return_counts=True) gives numbers and sizes. For each group, count its examples "
    "of each label; if no count is above what is missing, take the group and subtract the counts. The many "
    "single examples at the end fill up what is left. np.isin(groups, chosen) is the result.",
    example=(np.array([0, 1, 0, 0, 1, 1, 0, 1]), np.array([3, 3, 5, 6, 8, 9, 12, 12]), 0.25),
)
