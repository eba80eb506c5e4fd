"""Questions of lesson 02: cleaning, duplicates, splits, agreement, WordPiece, cuts, padding, batches."""

import functools
import html
import math
import re

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

imdb = Lesson("imdb")

# Cleaning

_WORDS = ["calm", "brave", "dull", "warm", "loud", "tender", "clumsy", "honest", "gloomy", "witty", "lavish"]
_NAMED = ["auml", "ccedil", "copy", "deg", "egrave", "euro", "laquo", "ldquo", "ndash", "ntilde", "ouml"]


def _clean_calls(rng):
    a, b, c, d = (str(word) for word in rng.permutation(_WORDS)[:4])
    named = [f"&{name};" for name in rng.permutation(_NAMED)[:4]]
    letters = [int(code) for code in rng.choice(np.arange(0xE0, 0x17F), size=4, replace=False)]
    decimal, hexadecimal = [f"&#{code};" for code in letters[:2]], [f"&#x{code:x};" for code in letters[2:]]
    return [
        (f"A {a} start.<br /><br />Then a <i>{b}</i> end.",),
        (f"I <3 the {a} cast, and 5 > 4 <b>stars</b>. {b} < {c}!",),
        (f"Tom &amp; Ann&#39;s caf&eacute;: {a}. They write &lt;br&gt; and &amp;lt; in {b} reviews.",),
        (f"  {a}\n\n{b}\t{c}  {d},&nbsp;&nbsp;{a}. ",),
        (f"I <heart this {a} film.<br/>So {b}, <a href='x.html'\n class='y'>so {c}</A>.",),
        ("",),
        (f"<P>{a} &gt; {b}</P>\n<p>10 &lt; {int(rng.integers(11, 99))} &quot;{c}&quot;</p>",),
        (f"{b} {named[0]} {c}{named[1]} &hellip; {decimal[0]}{hexadecimal[0]}{a}<br />&mdash; {named[2]}",),
        (f"It&#x27;s {a}{hexadecimal[1]}, {decimal[1]}{b}: {named[3]}, not &amp;{_NAMED[0]};",),
    ]


_TAG = r"</?[a-zA-Z][^<>]*>"


def _cleaned(text, tag=_TAG, gap=" "):
    return " ".join(html.unescape(re.sub(tag, gap, text)).split())


_CLEAN = Question(
    id="imdb.clean",
    title="Cleaning without eating text",
    points=2,
    minutes=15,
    signature="clean(text)",
    calls=_clean_calls,
    reference=lambda text: imdb.clean(text),
    returns=("text",),
    mistakes=(
        Mistake(
            "naive",
            functools.partial(_cleaned, tag=r"<[^>]*>", gap=""),
            "Two things: sentences on both sides of a line break are glued together, and where someone "
            "writes “I <3 it”, all from the < up to the next > is gone.",
            "A line break separates words, so what must stand in its place? And look at the character after "
            "the <: in <br> and </i> it tells you that a tag begins, in <3 that none does.",
        ),
        Mistake(
            "any_bracket",
            functools.partial(_cleaned, tag=r"<[^>]*>"),
            "Tags are gone, but so is text: of “I <3 the”, all from the < up to the next > is missing. What "
            "tells a tag from a heart?",
            "A tag begins with < or </ and, directly after it, a letter. And inside a tag there is no other "
            "<: in “I <heart it.<br/>So” only <br/> is a tag.",
        ),
        Mistake(
            "glued",
            functools.partial(_cleaned, gap=""),
            "The right tags are gone, but the words on both sides of a line break are glued into one.",
            "“start.<br /><br />Then” must become “start. Then”. What do you put in a tag's place, and "
            "which later step makes several of those one?",
        ),
        Mistake(
            "entities_first",
            lambda text: " ".join(re.sub(_TAG, " ", html.unescape(text)).split()),
            "Someone wrote about the tag <br>, as &lt;br&gt;, and your result has lost it. In which order "
            "do you remove tags and decode entities?",
            "&lt;br&gt; is text that shows as <br>; it becomes a tag for you only if it is decoded too "
            "early. Which of the two steps must come first?",
        ),
        Mistake(
            "entities_left",
            lambda text: " ".join(re.sub(_TAG, " ", text).split()),
            "The tags are gone, but entities such as &amp; and &eacute; are still written out.",
            "The standard library knows them all: look into the module html. It is one call, at one of two "
            "possible places; &lt;br&gt; tells you which.",
        ),
        Mistake(
            "only_blanks",
            lambda text: re.sub(" +", " ", html.unescape(re.sub(_TAG, " ", text))).strip(" "),
            "Runs of blanks are single now, but line feeds, tabs and no-break spaces are still there. White "
            "space is more than the blank.",
            "Print repr() of your result for 'a\\n\\nb&nbsp;c': it must be 'a b c'. For split() without an "
            "argument, and for \\s in a regular expression, all of these are white space.",
        ),
    ),
    hint="Three steps: tags, entities, white space. The order matters; try “&lt;b&gt;” and “a&nbsp; b”.",
)


# Groups of near-duplicates


def _duplicates_calls(rng):
    def linked(count, links):
        first, second = (rng.integers(count, size=links) for _ in range(2))
        pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
        return count, np.unique(pairs[first != second], axis=0)

    shift = int(rng.integers(1, 4))
    chain = np.array([[0, 5], [2, 4], [4, 5]])
    return [
        (4, np.array([[1, 3]])),
        (7 + shift, chain + shift),
        (3, np.zeros((0, 2), dtype="int64")),
        (6, np.array([[0, 1], [0, 2], [4, 5]])),
        linked(20, 12),
        linked(60, 45),
    ]


def _smallest(groups):
    """Names each group by its first member."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse]


def _duplicate_groups(count, pairs):
    return _smallest(imdb.duplicate_groups(count, pairs))


def _direct(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[a], groups[b] = min(groups[a], b), min(groups[b], a)
    return groups


def _partner(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[b] = a
    return groups


def _handed_on(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[b] = groups[a]
    return groups


def _second_only(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[b] = min(groups[a], groups[b])
    return groups


def _one_pass(count, pairs):
    groups = np.arange(count)
    for a, b in pairs:
        groups[a] = groups[b] = min(groups[a], groups[b])
    return groups


_DUPLICATES = Question(
    id="imdb.duplicate_groups",
    title="Chains of near-duplicates",
    points=2,
    minutes=15,
    signature="duplicate_groups(count, pairs)",
    calls=_duplicates_calls,
    reference=_duplicate_groups,
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
            _partner,
            "The second text of a pair gets the index of the first, even if that one already belongs to a "
            "group with a smaller number.",
            "With the pairs 0-1 and 1-2 your 2 gets the number 1, while 1 itself has 0. And if a text is the "
            "second of two pairs, the later one wipes out the earlier. Which numbers must meet in a pair?",
        ),
        Mistake(
            "handed_on",
            _handed_on,
            "You give one text the number of its partner, and what that text was linked to before keeps the "
            "old one.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 leaves the group of 0 and joins that of "
            "2. When two groups meet, who must change its number? Not only one text.",
        ),
        Mistake(
            "second_only",
            _second_only,
            "Only the second text of a pair can change its number. If it is the second that already has the "
            "smaller one, the first never learns of it.",
            "Go through 0-5, 2-4, 4-5 by hand: at the third pair 5 has 0 and 4 has 2, and nothing changes. "
            "Whichever side has the larger number must change, and everyone else with that number, too.",
        ),
        Mistake(
            "one_pass",
            _one_pass,
            "The smaller number goes to both texts of a pair, but not to those that came to them by earlier "
            "pairs.",
            "Go through 0-5, 2-4, 4-5 by hand: after the third pair 4 has the number 0 and 2 still has 2. "
            "Either renumber a whole group when two meet, or go through the pairs until nothing changes.",
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
)


# A split by groups


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
        _split_case(rng, 3, 0.3),
        _split_case(rng, 3, 0.4, count=43, short=(1, 2.5, 4)),
        _split_case(rng, 2, 0.3, count=0),
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
        if abs(got - share * total) > _largest(groups) + 1e-9:
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


_SPLIT = Question(
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
            "labels_ignored",
            _first_groups,
            "No group is torn and the size is right, but the labels are not in proportion. Does your choice "
            "of groups look at the labels, at each of them by itself?",
            "Keep a count of what the test part still misses of each label, in the beginning share times "
            "its total. What does a group have to fit into before you take it?",
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
                    and abs(len(np.unique(groups[part])) - share * len(np.unique(groups))) <= 1
                )
            ),
        ),
    ),
    hint="Count what the test part should get of each label. Then go through the groups, large ones first, "
    "and take one whole if it fits into what is still missing of every label.",
)


# Agreement


def _kappa_calls(rng):
    first = rng.permutation(np.repeat([0, 1], 20))
    rare = rng.permutation(np.repeat([0, 1], [50, 10]))
    kinds = np.array(["plain", "negation", "mixed"])
    truth = rng.permutation(np.repeat([0, 1, 2], [14, 8, 4]))
    return [
        (np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0])),
        (first, np.where(rng.permutation(40) < 12, 0, first)),
        (first, np.where(rng.permutation(40) < int(rng.integers(26, 34)), 1 - first, first)),
        (rare, np.roll(rare, 1)),
        (kinds[truth], kinds[np.where(rng.permutation(26) < 6, (truth + 1) % 3, truth)]),
        (kinds[truth], kinds[truth]),
        (np.zeros(5, dtype="int64"), np.repeat([0, 3], [4, 1])),
        (np.full(4, 2), np.full(4, 2)),
    ]


def _frequencies(first, second):
    labels = np.union1d(first, second)
    return [np.array([np.mean(each == label) for label in labels]) for each in (first, second)]


def _kappa_with(chance):
    """Kappa with another idea of chance: a function of both annotators' frequencies."""

    def kappa(first, second):
        expected = chance(*_frequencies(first, second))
        return (np.mean(first == second) - expected) / (1 - expected) if expected < 1 else math.nan

    return kappa


def _undivided(first, second):
    one, two = _frequencies(first, second)
    return np.mean(first == second) - one @ two if one @ two < 1 else math.nan


def _clipped(first, second):
    kappa = imdb.cohen_kappa(first, second)
    return kappa if math.isnan(kappa) else max(kappa, 0.0)


def _one_label_agrees(first, second):
    kappa = imdb.cohen_kappa(first, second)
    return 1.0 if math.isnan(kappa) else kappa


_KAPPA = Question(
    id="imdb.cohen_kappa",
    title="Agreement beyond chance",
    points=1,
    minutes=10,
    signature="cohen_kappa(first, second)",
    calls=_kappa_calls,
    reference=lambda first, second: imdb.cohen_kappa(first, second),
    mistakes=(
        Mistake(
            "agreement",
            lambda first, second: np.mean(first == second),
            "You return the share of items on which the two agree. Two people who toss coins agree on half "
            "of them; kappa was to be 0 then.",
            "Compute how often they would agree if each kept the frequencies of their labels and ignored "
            "the items. Which part of your number is only that, and how much could be above it?",
        ),
        Mistake(
            "undivided",
            _undivided,
            "You subtract chance, but perfect agreement does not give 1 in your result.",
            "With two labels used equally often, chance is 0.5, so perfect agreement leaves 1 - 0.5. What "
            "is the most that observed agreement can be above chance?",
        ),
        Mistake(
            "uniform_chance",
            _kappa_with(lambda one, two: 1 / len(one)),
            "Your chance agreement is one over the number of labels. Do these annotators use all labels "
            "equally often?",
            "Two moderators who mark 3 of 100 comments each agree on about 94 of 100 by luck, not on 50. "
            "For each label, with which probability do both give it?",
        ),
        Mistake(
            "pooled_chance",
            _kappa_with(lambda one, two: np.sum(((one + two) / 2) ** 2)),
            "You pool the labels of both annotators before you compute chance. That is another statistic, "
            "Scott's pi; Cohen's lets each have their own habits.",
            "If one always says 0 and the other 0 or 3, luck agrees exactly where the second says 0. Which "
            "two frequencies of the label 0 have to be multiplied?",
        ),
        Mistake(
            "clipped",
            _clipped,
            "All is right but where the two agree less often than luck would: you return 0 there. What does "
            "the formula give?",
            "Kappa is negative when two annotators agree less than by chance, for example because one has "
            "exchanged the labels. That is worth knowing, so nothing is cut off at 0.",
        ),
        Mistake(
            "one_label_agrees",
            _one_label_agrees,
            "All is right but for the case in which both give the same one label to everything: nothing "
            "can be told then, and NaN was asked for.",
            "With a single label, chance agreement is 1 already: there is nothing beyond it to reach, and "
            "the fraction is 0/0. Should that be told by which labels occur, or by the denominator?",
        ),
    ),
    hint="The formula needs two numbers: the share of equal labels, and the sum over labels of the product "
    "of the two annotators' frequencies.",
)


# WordPiece


def _wordpiece_calls(rng):
    stems = rng.permutation(["film", "watch", "heart", "break", "laugh", "dream", "sound", "dance"])
    a, b, c = (str(stem) for stem in stems[:3])
    letters = "abcdefghijklmnoprstuvwy"
    vocabulary = ["[PAD]", "[UNK]", *letters, *("##" + letter for letter in letters)]
    vocabulary += [a, b, a[:2], "un", "##" + a, "##able", "##ab", "##ing", "##ly", "##" + c]
    vocabulary = [str(piece) for piece in rng.permutation(vocabulary)]
    # The longest start leaves a rest that cannot be split, though a shorter one would not.
    trap = ["re", "re" + c[0], "##" + c, "[UNK]", c]
    return [
        (a, vocabulary),
        (f"un{a}able", vocabulary),
        (f"{b}ingly", vocabulary),
        (a + b, vocabulary),
        (f"{a}qing", vocabulary),
        ("北", vocabulary),
        ("re" + c, trap),
        (c, ["##" + c, a]),
    ]


def _pieces(word, vocabulary, hashes=True, shortest=False, unknown=lambda pieces: None):
    """Greedy pieces; `unknown` makes the result, or None to go on, from the pieces before an unknown one."""
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start and hashes else ""
        ends = range(start + 1, len(word) + 1)
        fits = [end for end in ends if prefix + word[start:end] in vocabulary]
        end = (fits[0] if shortest else fits[-1]) if fits else start + 1
        if not fits and (result := unknown(pieces)) is not None:
            return result
        pieces.append(prefix + word[start:end] if fits else "[UNK]")
        start = end
    return pieces


def _backtracking(word, vocabulary, start=0):
    prefix = "##" if start else ""
    for end in range(len(word), start, -1):
        if prefix + word[start:end] in vocabulary:
            rest = _backtracking(word, vocabulary, end) if end < len(word) else []
            if rest != ["[UNK]"]:
                return [prefix + word[start:end], *rest]
    return ["[UNK]"]


_ALL_UNKNOWN = functools.partial(_pieces, unknown=lambda pieces: ["[UNK]"])

_WORDPIECE = Question(
    id="imdb.wordpiece",
    title="Greedy WordPiece",
    points=2,
    minutes=15,
    signature="wordpiece(word, vocabulary)",
    calls=_wordpiece_calls,
    reference=lambda word, vocabulary: imdb.wordpiece(word, set(vocabulary)),
    returns=("texts",),
    mistakes=(
        Mistake(
            "shortest_first",
            functools.partial(_ALL_UNKNOWN, shortest=True),
            "You take the shortest piece that fits, so words fall into letters. Which one was to be taken?",
            "At each place try the whole rest of the word first, then the rest without its last character, "
            "and so on. A word that is in the vocabulary is one piece.",
        ),
        Mistake(
            "without_hashes",
            functools.partial(_ALL_UNKNOWN, hashes=False),
            "The pieces inside a word have no ## in your result, and you looked them up without it: as if a "
            "new word began there.",
            "Two pieces in the vocabulary, able and ##able, are different ids. What has to stand before "
            "word[start:end] when start is not 0, before you look it up?",
        ),
        Mistake(
            "hashes_dropped",
            lambda word, vocabulary: [
                piece.removeprefix("##") for piece in imdb.wordpiece(word, set(vocabulary))
            ],
            "You split at the right places, but the pieces in your list have lost their ##. They are no "
            "longer the vocabulary's names.",
            "Each piece of the result must be looked up in the embedding table, so it must be in the "
            "vocabulary exactly as it is written there. Add to the list what you looked up.",
        ),
        Mistake(
            "pieces_kept",
            functools.partial(_pieces, unknown=lambda pieces: [*pieces, "[UNK]"]),
            "Where the rest of a word cannot be split, you keep the pieces before it. What was asked for if "
            "any part is unknown?",
            "BERT's rule is all or nothing: a word has a split into pieces of the vocabulary, or the word "
            "as a whole is [UNK]. Return a list with that one piece.",
        ),
        Mistake(
            "characters_unknown",
            _pieces,
            "An unknown character becomes [UNK] in the middle of your list, and you go on behind it. What "
            "was asked for if any part is unknown?",
            "BERT's rule is all or nothing: as soon as no piece fits at some place, the result for the "
            "whole word is the list ['[UNK]'].",
        ),
        Mistake(
            "backtracking",
            _backtracking,
            "You find splits where the greedy rule finds none: when the rest does not fit, you go back and "
            "try a shorter piece before it. That is cleverer than BERT, and gives other ids.",
            "Greedy means that a piece once taken stays. With un, una and ##able, the word unable begins "
            "with una; the rest ble fits nothing, so the word is [UNK].",
        ),
    ),
    hint="Two loops: the outer one walks through the word from piece to piece, the inner one tries ends "
    "from the last to the first.",
)


# Truncation


def _truncate_calls(rng):
    def ids(count):
        return [int(n) for n in rng.integers(1000, 30000, size=count)]

    return [
        (ids(8), 3, "head"),
        (ids(8), 3, "tail"),
        (ids(8), 4, "both"),
        (ids(9), 5, "both"),
        (ids(int(rng.integers(10, 30))), 7, "both"),
        (ids(5), 1, "both"),
        (ids(4), 0, "tail"),
        (ids(3), 4, "both"),
        (ids(4), 4, "tail"),
        ([], 3, "head"),
    ]


def _cut(token_ids, length, how, half=lambda length: (length + 1) // 2):
    """The right cut, but for the part of the head in "both"."""
    head = {"head": length, "tail": 0, "both": half(length)}[how]
    return imdb.truncate(token_ids, head, "head") + imdb.truncate(token_ids[head:], length - head, "tail")


def _minus_zero(token_ids, length, how):
    head = {"head": length, "tail": 0, "both": (length + 1) // 2}[how]
    if len(token_ids) <= length or how == "head":
        return token_ids[:length]
    return token_ids[:head] + token_ids[-(length - head) :]


def _minus_zero_in_both(token_ids, length, how):
    return (_minus_zero if how == "both" else imdb.truncate)(token_ids, length, how)


def _one_short(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    half = length // 2
    return token_ids[:half] + token_ids[len(token_ids) - half :]


def _overlapping(token_ids, length, how):
    if how != "both":
        return imdb.truncate(token_ids, length, how)
    head, tail = (length + 1) // 2, length // 2
    return token_ids[:head] + token_ids[max(0, len(token_ids) - tail) :]


def _backwards(token_ids, length, how):
    if how == "head" or len(token_ids) <= length:
        return token_ids[:length]
    head = 0 if how == "tail" else (length + 1) // 2
    return token_ids[:head] + token_ids[::-1][: length - head]


_TRUNCATE = Question(
    id="imdb.truncate",
    title="Which end to keep",
    points=1,
    minutes=10,
    signature="truncate(token_ids, length, how)",
    calls=_truncate_calls,
    reference=lambda token_ids, length, how: imdb.truncate(token_ids, length, how),
    mistakes=(
        Mistake(
            "minus_zero",
            _minus_zero,
            "All is right until nothing is to be kept of the tail: then you keep everything. What is -0?",
            "ids[-k:] holds the last k ids for k = 1, 2, 3, but ids[-0:] is ids[0:]. Count the start of the "
            "tail from the front instead.",
        ),
        Mistake(
            "minus_zero_in_both",
            _minus_zero_in_both,
            "All is right but for both ends at length 1: the head gets the one token, and behind it you "
            "append the whole sequence. How many tokens are left for the tail, and what is -0?",
            "With length 1 the tail has 1 // 2 = 0 tokens, and ids[-0:] is ids[0:], which is everything. "
            "Start the tail at len(ids) - k instead of at -k.",
        ),
        Mistake(
            "tail_larger",
            functools.partial(_cut, half=lambda length: length // 2),
            "With an odd length you give the extra token to the tail; it was to go to the head.",
            "Of 5 tokens the head has 3 and the tail 2. Integer division rounds down: what must be added to "
            "the length before it?",
        ),
        Mistake(
            "one_short",
            _one_short,
            "With an odd length your result is one token short: both halves are rounded down.",
            "Of 5 tokens the head has 3 and the tail 2; yours have 2 each. If you know how long the head "
            "is, how long is the tail?",
        ),
        Mistake(
            "overlapping",
            _overlapping,
            "A sequence shorter than `length` comes out wrong with both ends: its middle is in the head and "
            "in the tail.",
            "For [1, 2, 3] and length 4 the head is [1, 2] and the tail [2, 3]: together the 2 is there "
            "twice. What should happen to a sequence that needs no cut?",
        ),
        Mistake(
            "backwards",
            _backwards,
            "The tail has the right tokens, but in reversed order: the review now reads backwards.",
            "Of [1, 2, 3, 4] the last two are [3, 4], yours are [4, 3]. Take a slice that ends at the end "
            "instead of turning the list round.",
        ),
    ),
    hint="First return what needs no cut. Then find how many tokens the head gets, 0 for the tail alone; "
    "the rest of `length` comes from the end.",
)


# Padding


def _pad_calls(rng):
    def ids(*lengths):
        return [[int(n) for n in rng.integers(100, 30000, size=length)] for length in lengths]

    inside = ids(3, 5, 2)
    inside[0][1] = 0
    return [
        (ids(4, 2, 3),),
        (ids(*(int(n) for n in rng.integers(2, 9, size=3)), 1, 10),),
        (inside,),
        (ids(2, 0, 4), 1),
        (ids(3, 3), 0),
        (ids(1, 5), 7),
        ([[], []],),
    ]


def _padded(sequences, pad_id=0, width=None, left=False):
    """Rows of equal width."""
    width = max(map(len, sequences)) if width is None else width
    token_ids = np.full((len(sequences), width), pad_id)
    mask = np.zeros(token_ids.shape, dtype=bool)
    for i, sequence in enumerate(sequences):
        place = slice(width - len(sequence), None) if left else slice(len(sequence))
        token_ids[i, place], mask[i, place] = sequence, True
    return token_ids, mask


def _mask_from_ids(sequences, pad_id=0):
    token_ids, _ = _padded(sequences, pad_id)
    return token_ids, token_ids != pad_id


def _mask_from_zero(sequences, pad_id=0):
    token_ids, _ = _padded(sequences, pad_id)
    return token_ids, token_ids != 0


def _mask_inverted(sequences, pad_id=0):
    token_ids, mask = _padded(sequences, pad_id)
    return token_ids, ~mask


_PAD = Question(
    id="imdb.pad",
    title="Padding and its mask",
    points=1,
    minutes=10,
    signature="pad(sequences, pad_id=0)",
    calls=_pad_calls,
    reference=lambda sequences, pad_id=0: imdb.pad(sequences, pad_id=pad_id),
    returns=("array", "array"),
    mistakes=(
        Mistake(
            "left",
            functools.partial(_padded, left=True),
            "Your padding stands before the text, so a row no longer begins with the first token of its "
            "sequence.",
            "[5, 6] in a batch of width 3 becomes [5, 6, 0]; yours is [0, 5, 6]. BERT learned its positions "
            "with the padding at the end.",
        ),
        Mistake(
            "mask_from_ids",
            _mask_from_ids,
            "The ids are right, but the mask hides tokens of the text: those whose id happens to be "
            "`pad_id`.",
            "After padding, a pad token and a token of the text with that id look alike. What do you know "
            "about each row before padding that tells them apart?",
        ),
        Mistake(
            "mask_from_zero",
            _mask_from_zero,
            "The ids are right, but your mask is True wherever an id is not 0. The padding is not always 0, "
            "and a 0 is not always padding.",
            "With `pad_id` 1 your mask shows the padding as text; and [5, 0] holds two tokens, so its mask "
            "must be [True, True]. Do not ask the ids: what do you know about each row before padding?",
        ),
        Mistake(
            "mask_inverted",
            _mask_inverted,
            "The ids are right, but your mask is True where the padding is. What does True mean in lesson "
            "01's masks, and in Keras?",
            "True marks what may be attended to: tokens. The row [5, 6, 0] of a sequence of 2 has the mask "
            "[True, True, False].",
        ),
        Mistake(
            "pad_id_ignored",
            lambda sequences, pad_id=0: _padded(sequences),
            "You always fill up with 0. Not every vocabulary has its pad token there.",
            "The second argument says which id fills the rows; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code, or does it come from np.zeros?",
        ),
        Mistake(
            "fixed_width",
            lambda sequences, pad_id=0: _padded(sequences, pad_id, width=128),
            "You pad everything to 128. The batch was to be as wide as its longest sequence, and no wider.",
            "With sequences of 4, 2 and 3 tokens the shape is (3, 4). At 128, more than nine tenths of the "
            "work would go into padding.",
        ),
    ),
    hint="Find the width, make an array full of `pad_id`, and write each sequence to the start of its row. "
    "The mask follows from the lengths.",
)


# Batches


def _batches_calls(rng):
    steps = 16 * int(rng.integers(1, 5))
    return [
        (np.array([5, 2, 9, 2, 7]) + int(rng.integers(9)), 2, 1),
        (np.array([33, 17, 16, 15, 32, 1]) + steps, 2, 16),
        (rng.permutation(60)[:11] + 3, 4, 1),
        (rng.integers(10, 128, size=50), 8, 16),
        (np.full(5, int(rng.integers(5, 50))), 3, 8),
        (np.array([3, 1]) + steps, 32, 1),
    ]


def _steps(lengths, multiple):
    return -(-lengths // multiple)


def _grouped(keys, batch_size):
    order = np.argsort(keys, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


_BATCHES = Question(
    id="imdb.batches_by_length",
    title="Batches with little padding",
    points=2,
    minutes=10,
    signature="batches_by_length(lengths, batch_size, multiple)",
    calls=_batches_calls,
    reference=lambda lengths, batch_size, multiple: imdb.batches_by_length(lengths, batch_size, multiple),
    returns=("ragged",),
    mistakes=(
        Mistake(
            "lengths_returned",
            lambda lengths, size, multiple: [
                lengths[each] for each in imdb.batches_by_length(lengths, size, multiple)
            ],
            "Your batches hold the lengths. Their order is right, but which examples are they?",
            "The result is used as [sequences[i] for i in batch], so it must hold indices. Sorting gives "
            "values; which function gives the order that would sort them?",
        ),
        Mistake(
            "multiple_ignored",
            lambda lengths, size, multiple: _grouped(lengths, size),
            "With `multiple` 1 all is right. With 16 you still tell 15 from 16, though both are padded to "
            "16 and count as equal.",
            "Compute the padded width of each example first, and sort by that. Among equal widths the "
            "smaller index comes first, whatever the lengths.",
        ),
        Mistake(
            "rounded_down",
            lambda lengths, size, multiple: _grouped(lengths // multiple, size),
            "Your steps begin one too early: 15 and 16 fall into different ones, and 16 and 17 into the "
            "same.",
            "A width must hold the text, so it is rounded up: 15 and 16 become 16, and 17 becomes 32. What "
            "does // do, and how do you turn that round?",
        ),
        Mistake(
            "longest_first",
            lambda lengths, size, multiple: _grouped(-_steps(lengths, multiple), size),
            "Your first batch has the longest examples. The order was to ascend.",
            "This matters for the rest, too: with 5 examples in batches of 2, the single one must be the "
            "longest, and yours is the shortest.",
        ),
        Mistake(
            "rest_dropped",
            lambda lengths, size, multiple: imdb.batches_by_length(lengths, size, multiple)[
                : len(lengths) // size
            ],
            "Some examples are in no batch: those that are left when all full batches are made.",
            "5 examples in batches of 2 make three batches, of 2, 2 and 1. How far must the starts of the "
            "batches go?",
        ),
        Mistake(
            "unsorted",
            lambda lengths, size, multiple: _grouped(np.zeros(len(lengths)), size),
            "Your batches take the examples as they come: long and short ones share a batch, and the short "
            "ones are padded.",
            "Before you cut the indices into batches, bring them into an order in which neighbours are "
            "about equally long.",
        ),
    ),
    hint="Round up, sort the indices by the result with a sort that keeps ties in order, cut into pieces.",
)


QUESTIONS = (_CLEAN, _DUPLICATES, _SPLIT, _KAPPA, _WORDPIECE, _TRUNCATE, _PAD, _BATCHES)
