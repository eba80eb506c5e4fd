"""Question: the layer at which a port goes wrong."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _calls(rng):
    def network(layers):
        return [np.round(rng.normal(scale=3.0, size=(3, 4)), 3) for _ in range(layers)]

    def nearly(layers, by=1e-7):
        return [layer + by * rng.uniform(-1, 1, size=layer.shape) for layer in layers]

    def changed(layers, place, entry, by):
        found = nearly(layers)
        found[place] = found[place].copy()
        found[place][entry] += by
        return found

    five, tall = network(5), network(4)
    start = int(rng.integers(1, 3))
    spread = [layer + (0.01 * 10**i if i >= start else 0) for i, layer in enumerate(nearly(five))]
    healed = changed(five, start, (1, 2), -0.5)
    healed[4] = healed[4] + 0.2
    broken = changed(tall, 2, (0, 3), np.nan)
    blown = changed(tall, 1, (2, 0), np.inf)
    both = [layer.copy() for layer in tall]
    both[3][1, 1] = np.inf
    large = [1e4 * layer for layer in network(4)]
    relative = [layer * (1 + (1e-3 if i == 2 else 1e-6)) for i, layer in enumerate(large)]
    small = [1e-7 * layer for layer in network(4)]
    small[0], other = np.zeros((3, 4)), [2 * layer for layer in small]
    many = [np.round(rng.normal(scale=3.0, size=(20, 40)), 3) for _ in range(3)]
    lonely = changed(many, 1, (int(rng.integers(20)), int(rng.integers(40))), 0.02)
    wide = [layer[:, :1] for layer in network(2)] + [np.full((3, 1), round(float(rng.uniform(1, 3)), 2))]
    flat = [wide[0], wide[1], wide[2][:, 0]]
    apart = [np.array([[1.105]])], [np.array([[1.0]])]
    swapped = nearly(five)
    swapped[1] = swapped[1][::-1]
    return [
        (five, spread, 1e-4, 1e-5),
        Call((five, nearly(five), 1e-4, 1e-5), about="layers that all agree"),
        Call((five, healed, 1e-4, 1e-5), about="a difference that gets smaller again"),
        Call((tall, broken, 1e-4, 1e-5), about="NaN"),
        Call((tall, blown, 1e-4, 1e-5), about="an infinite number"),
        Call((both, both, 1e-4, 1e-5), about="infinite numbers on both sides"),
        Call((large, relative, 1e-4, 1e-5), about="large numbers"),
        Call((small, other, 1e-4, 1e-5), about="tiny numbers"),
        Call((wide, flat, 1e-4, 1e-5), about="shapes that differ"),
        Call((many, lonely, 1e-4, 1e-5), about="one wrong entry among many"),
        Call((five, swapped, 1e-4, 1e-5), about="rows that changed places"),
        Call((*apart, 0.1, 1e-5), about="a tenth of ours, more than a tenth of theirs"),
        Call((*apart[::-1], 0.1, 1e-5), about="a tenth of theirs, more than a tenth of ours"),
    ]


def _alike(a, b, rtol, atol):
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    return bool((np.abs(a - b) <= atol + rtol * np.abs(b)).all())


def _first(alike, nothing=-1, add=0):
    def answer(ours, theirs, rtol, atol):
        for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if not alike(a, b, rtol, atol):
                return place + add
        return nothing

    return answer


def _reference(ours, theirs, rtol, atol):
    return _first(_alike)(ours, theirs, rtol, atol)


def _worst(ours, theirs, rtol, atol):
    if _reference(ours, theirs, rtol, atol) < 0:
        return -1
    return int(np.argmax([np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)]))


def _worst_of_those(ours, theirs, rtol, atol):
    """Looks for the largest among the differences that are too large; NaN is never larger."""
    worst, place = 0.0, -1
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        difference = np.abs(a - b)
        if (difference > atol + rtol * np.abs(b)).any() and difference.max() > worst:
            worst, place = difference.max(), i
    return place


def _last(ours, theirs, rtol, atol):
    return max(
        (i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not _alike(a, b, rtol, atol)),
        default=-1,
    )


def _count(ours, theirs, rtol, atol):
    return sum(not _alike(a, b, rtol, atol) for a, b in zip(ours, theirs, strict=True))


def _each(ours, theirs, rtol, atol):
    return [not _alike(a, b, rtol, atol) for a, b in zip(ours, theirs, strict=True)]


def _tolerant(tolerance):
    """Compares with another tolerance, and all else as it should be."""

    def alike(a, b, rtol, atol):
        if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            return False
        return bool((np.abs(a - b) <= tolerance(b, rtol, atol)).all())

    return alike


def _greater_anywhere(a, b, rtol, atol):
    return a.shape == b.shape and not (np.abs(a - b) > atol + rtol * np.abs(b)).any()


def _plain(a, b, rtol, atol):
    return a.shape == b.shape and bool((np.abs(a - b) <= atol + rtol * np.abs(b)).all())


def _other_size(size):
    """Allows a share of another number than theirs."""

    def alike(a, b, rtol, atol):
        finite = a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all()
        return bool(finite and (np.abs(a - b) <= atol + rtol * size(a, b)).all())

    return alike


def _allclose(a, b, rtol, atol):
    return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol)


def _nan_equal(a, b, rtol, atol):
    return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)


def _broadcast(a, b, rtol, atol):
    finite = np.isfinite(a).all() and np.isfinite(b).all()
    return finite and bool((np.abs(a - b) <= atol + rtol * np.abs(b)).all())


def _no_shapes_needed(a, b, rtol, atol):
    return bool(np.isfinite(b).all()) and _alike(a.ravel(), b.ravel(), rtol, atol)


def _signed(a, b, rtol, atol):
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    return bool((a - b <= atol + rtol * np.abs(b)).all())


def _summary(function):
    def alike(a, b, rtol, atol):
        if a.shape != b.shape:
            return False
        return bool(abs(function(a) - function(b)) <= atol + rtol * abs(function(b)))

    return alike


def _mean_difference(a, b, rtol, atol):
    return a.shape == b.shape and bool(np.abs(a - b).mean() <= atol + rtol * np.abs(b).mean())


def _any_entry(a, b, rtol, atol):
    return a.shape == b.shape and bool((np.abs(a - b) <= atol + rtol * np.abs(b)).any())


QUESTION = Question(
    id="frameworks.first_difference",
    title="The layer at which a port goes wrong",
    points=2,
    minutes=10,
    signature="first_difference(ours, theirs, rtol, atol)",
    calls=_calls,
    reference=_reference,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "largest_difference",
            (_worst, _worst_of_those),
            "You return the layer with the largest difference. Which layer made it?",
            "What one layer gets wrong, the next ones pass on, and often enlarge. The first is the one to "
            "look at.",
        ),
        Mistake(
            "last_difference",
            _last,
            "You return the last layer that differs. The fault lies earlier.",
            "Stop at the first layer that does not agree: a `return` inside the loop.",
        ),
        Mistake(
            "counted",
            _count,
            "You count the layers that differ. Asked for is which one is the first.",
            "Return a place in the list, from 0, and -1 if there is none.",
        ),
        Mistake(
            "nan_passes",
            _first(_greater_anywhere),
            "A NaN passes with you. What is the result of comparing NaN with anything?",
            "`nan > 0.1` is False, so a test that looks for large differences never finds it. Ask for "
            "`np.isfinite`, or test that all differences are small.",
        ),
        Mistake(
            "infinity_passes",
            (_first(_allclose), _first(_nan_equal)),
            "Two infinite numbers count as equal with you. The text says what they count as.",
            "`np.allclose` takes inf and inf for close. A layer that overflows in both networks is no "
            "success.",
        ),
        Mistake(
            "infinite_tolerance",
            _first(_plain),
            "Right for finite numbers. If theirs is infinite, so is what you allow.",
            "`inf <= inf` is True. Ask for `np.isfinite` of both before you compare.",
        ),
        Mistake(
            "share_of_another",
            (
                _first(_other_size(lambda a, b: np.abs(a))),
                _first(_other_size(lambda a, b: np.maximum(np.abs(a), np.abs(b)))),
            ),
            "You allow a share of another number than the text names. Whose size counts?",
            "`rtol` is a share of |theirs|, the reference. With ours, a large wrong number excuses itself.",
        ),
        Mistake(
            "broadcast",
            (_first(_broadcast), _first(_no_shapes_needed)),
            "Right but where the shapes differ. NumPy compares arrays of unequal shapes without a word.",
            "Compare `a.shape` with `b.shape` before you subtract.",
        ),
        Mistake(
            "relative_only",
            (
                _first(_tolerant(lambda b, rtol, atol: rtol * np.abs(b))),
                _first(_tolerant(lambda b, rtol, atol: np.minimum(atol, rtol * np.abs(b)))),
            ),
            "Tiny numbers next to zero differ with you, although they are within `atol`.",
            "The tolerance of an entry is a sum of two terms. One of them does not shrink with the numbers.",
        ),
        Mistake(
            "absolute_only",
            _first(_tolerant(lambda b, rtol, atol: atol)),
            "Large numbers differ with you, although they agree to five digits.",
            "A float32 has seven digits: beside 30,000 a difference of 0.01 is nothing. Add the term with "
            "`rtol`.",
        ),
        Mistake(
            "signed",
            _first(_signed),
            "A difference is missed when ours is the smaller one.",
            "How far apart two numbers are has no sign.",
        ),
        Mistake(
            "summaries",
            (
                *of_each(lambda f: _first(_summary(f)), np.mean, np.sum, np.linalg.norm),
                _first(_mean_difference),
            ),
            "You compare one number per layer, such as a mean. Swapped rows have the same, and one "
            "wrong entry among many gets lost.",
            "Compare entry by entry; all entries must be within the tolerance.",
        ),
        Mistake(
            "one_entry_is_enough",
            _first(_any_entry),
            "A layer passes with you if any of its entries agrees.",
            "`np.any` or `np.all`: which says that nothing is wrong?",
        ),
        Mistake(
            "all_layers",
            (_each, lambda *arguments: [not bad for bad in _each(*arguments)]),
            "You return an answer for every layer. Asked for is the place of the first that differs.",
            "One int: leave the loop as soon as a layer does not agree.",
        ),
        Mistake(
            "from_one",
            _first(_alike, add=1),
            "Your layers are counted from 1.",
            "`ours[0]` is layer 0, as in Python.",
        ),
        Mistake(
            "nothing_is_the_end",
            _first(_alike, nothing=0),
            "If all layers agree, you return a number that names a layer.",
            "The text says what stands for none: -1.",
        ),
    ),
    hint="A loop over both lists at once, with `zip` and `enumerate`, that returns as soon as one pair does "
    "not agree.",
    more="A pair agrees if three things hold: equal shapes, only finite numbers, and every |a - b| at most "
    "atol + rtol · |b|.",
    example=([np.array([1.0]), np.array([2.0])], [np.array([1.0]), np.array([2.1])], 0.01, 0.01),
)
