"""Question: chains of near-duplicates."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _duplicates_calls(rng):
    def linked(count, links):
        first, second = (rng.integers(count, size=links) for _ in range(2))
        pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
        return count, np.unique(pairs[first != second], axis=0)

    shift = int(rng.integers(1, 4))
    chain = np.array([[0, 5], [2, 4], [4, 5]])
    zigzag = np.ravel(np.column_stack([np.arange(7), np.arange(13, 6, -1)]))  # 0, 13, 1, 12, ...
    links = np.sort(np.stack([zigzag[:-1], zigzag[1:]], axis=1), axis=1)
    return [
        Call((4, np.array([[1, 3]])), about="a single pair"),
        (7 + shift, chain + shift),
        Call((3, np.zeros((0, 2), dtype="int64")), about="no pairs"),
        (6, np.array([[0, 1], [0, 2], [4, 5]])),
        linked(20, 12),
        linked(60, 45),
        Call((14 + shift, np.unique(links + shift, axis=0)), about="a long chain"),
    ]


def _smallest(groups):
    """Names each group by its first member."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse]


def _duplicate_groups(count, pairs):
    return _smallest(imdb.duplicate_groups(count, pairs))


def _by_pairs(change, passes=1):
    """Groups after so many times `change(groups, first, second)` for each pair."""

    def answer(count, pairs):
        groups = np.arange(count)
        for _ in range(passes):
            for first, second in pairs:
                change(groups, first, second)
        return groups

    return answer


def _to_partner(groups, first, second):
    groups[second] = first


def _to_partners_group(groups, first, second):
    groups[second] = groups[first]


def _smaller_to_second(groups, first, second):
    groups[second] = min(groups[first], groups[second])


def _smaller_to_both(groups, first, second):
    groups[first] = groups[second] = min(groups[first], groups[second])


def _all_of_second(groups, first, second):
    groups[groups == groups[second]] = groups[first]


def _all_of_first(groups, first, second):
    groups[groups == groups[first]] = groups[second]


def _all_to_larger(groups, first, second):
    low, high = sorted((groups[first], groups[second]))
    groups[groups == low] = high


def _all_of_the_index(groups, first, second):
    groups[groups == second] = groups[first]


def _all_of_the_index_to_the_smaller(groups, first, second):
    groups[groups == second] = min(groups[first], groups[second])


def _all_of_second_to_the_index(groups, first, second):
    groups[groups == groups[second]] = first


def _direct(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[a], groups[b] = min(groups[a], b), min(groups[b], a)
    return groups


def _looked_up_once(count, pairs):
    groups = _by_pairs(_smaller_to_both)(count, pairs)
    return groups[groups]


def _root(parents, text):
    while parents[text] != text:
        text = parents[text]
    return text


def _by_roots(link, resolve=True):
    """Union-find; `link(parents, first, second)` joins the texts of a pair."""

    def answer(count, pairs):
        parents = np.arange(count)
        for first, second in pairs:
            link(parents, first, second)
        return np.array([_root(parents, text) if resolve else parents[text] for text in range(count)])

    return answer


def _root_to_root(parents, first, second):
    parents[_root(parents, second)] = _root(parents, first)


def _larger_root_to_smaller(parents, first, second):
    low, high = sorted((_root(parents, first), _root(parents, second)))
    parents[high] = low


def _second_to_root(parents, first, second):
    parents[second] = _root(parents, first)


def _by_sets(count, pairs):
    """Sets that grow by pairs, but of which no two are ever made one."""
    found = []
    for first, second in pairs.tolist():
        for each in found:
            if first in each or second in each:
                each.update((first, second))
                break
        else:
            found.append({first, second})
    groups = np.arange(count)
    for each in found:
        groups[sorted(each)] = min(each)
    return groups


QUESTION = Question(
    id="imdb.duplicate_groups",
    title="Chains of near-duplicates",
    points=2,
    minutes=15,
    signature="duplicate_groups(count, pairs)",
    calls=_duplicates_calls,
    reference=_duplicate_groups,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "direct_only",
            _direct,
            "Texts that are linked directly come together, but a chain falls apart: the friends of a friend "
            "keep another number.",
            "With the pairs 0-5, 2-4 and 4-5 all of 0, 2, 4 and 5 are one group, though 0 and 2 are no "
            "pair. Which number does 2 have in your result, and what would have to tell it of 0?",
        ),
        Mistake(
            "partner",
            _by_pairs(_to_partner),
            "The second text of a pair gets the index of the first, even if that one already belongs to a "
            "group with a smaller number.",
            "With the pairs 0-1 and 1-2 your 2 gets the number 1, while 1 itself has 0. And if a text is the "
            "second of two pairs, the later one wipes out the earlier. Which numbers must meet in a pair?",
        ),
        Mistake(
            "handed_on",
            (_by_pairs(_to_partners_group), _by_roots(_second_to_root)),
            "You give one text the number of its partner, and what that text was linked to before keeps the "
            "old one.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 leaves the group of 0 and joins that of "
            "2. When two groups meet, who must change its number? Not only one text.",
        ),
        Mistake(
            "second_only",
            _by_pairs(_smaller_to_second),
            "Only the second text of a pair can change its number. If it is the second that already has the "
            "smaller one, the first never learns of it.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 has 0 and 4 has 2, and nothing changes. "
            "Whichever side has the larger number must change, and everyone else with that number, too.",
        ),
        Mistake(
            "one_pass",
            _by_pairs(_smaller_to_both),
            "The smaller number goes to both texts of a pair, but not to those that came to them by earlier "
            "pairs.",
            "Go through 0-5, 2-4, 4-5 by hand: after the third pair 4 has the number 0 and 2 still has 2. "
            "Either renumber a whole group when two meet, or go through the pairs until nothing changes.",
        ),
        Mistake(
            "few_passes",
            (_by_pairs(_smaller_to_both, 2), _by_pairs(_smaller_to_both, 3), _looked_up_once),
            "Short chains come together, but a long one does not: you hand the numbers on a fixed number of "
            "times.",
            "Each time the numbers move on by some links, and a chain may have more links than you have "
            "turns. How can your code find out by itself that it is done?",
        ),
        Mistake(
            "roots_not_followed",
            _by_roots(_larger_root_to_smaller, resolve=False),
            "You link the groups rightly, but what you return is each text's parent, and that may have a "
            "parent of its own.",
            "When the root of a group is hung below another, those that hang on it still name it. Follow the "
            "links of each text up to the end once more before you return.",
        ),
        Mistake(
            "sets_not_merged",
            _by_sets,
            "A pair whose two texts are in two groups already does not make them one: you add it to the "
            "first that fits.",
            "With the pairs 0-5, 2-4 and 4-5 you have {0, 5} and {2, 4} when the third comes. It belongs to "
            "both; what has to happen to the two sets?",
        ),
        Mistake(
            "another_member",
            (
                _by_pairs(_all_of_second),
                _by_pairs(_all_of_first),
                _by_pairs(_all_to_larger),
                _by_roots(_root_to_root),
            ),
            "The groups are right, but not all are called by their smallest member.",
            "When two groups meet, compare their two numbers. Which one may stay, whichever of the texts "
            "stands first in the pair?",
        ),
        Mistake(
            "index_for_number",
            (
                _by_pairs(_all_of_the_index),
                _by_pairs(_all_of_the_index_to_the_smaller),
                _by_pairs(_all_of_second_to_the_index),
            ),
            "After some pairs, a text's index and its group's number are two things. Which of the two do you "
            "look for in your groups, and which one do you write there?",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 has the number 0, and 4 has 2. What must "
            "be looked for are texts with one of these numbers; none has the number 5 any more.",
        ),
        Mistake(
            "renumbered",
            lambda count, pairs: imdb.duplicate_groups(count, pairs),
            "The groups are right, but they are counted through as 0, 1, 2. Which number was asked for?",
            "A group is called by its smallest member, so that there is one right answer: for 4 texts and "
            "the pair 1-3 it is [0, 1, 2, 1], and with a pair 0-1 no text would have the number 1.",
        ),
    ),
    hint="Begin with each text in a group of its own. A pair makes two groups one: every member of one of "
    "them gets the other's number.",
    more="Start with np.arange(count). For each pair, take the numbers that its two texts have now; if they "
    "differ, give all texts with the larger number the smaller one. Try the pairs 0-5, 2-4, 4-5 by hand.",
    example=(6, np.array([[0, 3], [1, 2], [2, 3]])),
)
