"""What a wrong output looks like beside the right one: transposed, shifted, scaled, rounded, in part.

A detector gets a question, a call's arguments, the right output and the answer's. It returns the sentences
that hold for this call, the most telling first, or None if this call cannot tell: what holds for all wrong
calls is said.
"""

import itertools
import math
import re

import numpy as np

from course_lib.grading import judge

FACTORS = {
    "2": 2.0,
    "1/2": 0.5,
    "3": 3.0,
    "1/3": 1 / 3,
    "4": 4.0,
    "1/4": 0.25,
    "100, as for per cent": 100.0,
    "1/100": 0.01,
    "1000": 1000.0,
    "1/1000": 0.001,
    "ln 2, as between bits and nats": math.log(2),
    "1/ln 2, as between nats and bits": 1 / math.log(2),
    "ln 10": math.log(10),
    "1/ln 10": 1 / math.log(10),
    "√2": math.sqrt(2),
    "1/√2": math.sqrt(0.5),
    "π": math.pi,
    "1/π": 1 / math.pi,
}
POWERS = {
    "the square of the right one": np.square,
    "the square root of the right one": np.sqrt,
    "the exponential of the right one": np.exp,
    "the natural logarithm of the right one": np.log,
    "the logarithm to base 2 of the right one": np.log2,
    "1 divided by the right one": np.reciprocal,
    "the right one without its sign": np.abs,
}
ROUNDINGS = {
    "rounded to a whole number": np.round,
    "rounded down": np.floor,
    "rounded up": np.ceil,
    "cut to a whole number": np.trunc,
}


def _close(one, other, question):
    if one.shape != other.shape or one.dtype.kind == "U" or other.dtype.kind == "U":
        return False
    loose = max(question.rtol, 1e-5), max(question.atol, 1e-7)
    with np.errstate(all="ignore"):
        return bool(np.allclose(other, one, rtol=loose[0], atol=loose[1], equal_nan=True))


def _shape_of(question, _, one, other):
    """Detectors return None where they cannot tell, else a list of sentences, which may be empty."""
    if one.shape == other.shape or one.dtype.kind == "U":
        return []
    one, other = one.astype("float64"), other.astype("float64")
    said = []
    if one.size == other.size:
        if _close(np.squeeze(one), np.squeeze(other), question):
            more = other.ndim - one.ndim
            said.append(
                "the numbers are right, but there is an axis of length 1 too many."
                if more > 0
                else "the numbers are right, but an axis of length 1 is missing."
            )
        for i, j in itertools.combinations(range(other.ndim), 2):
            if _close(one, np.swapaxes(other, i, j), question):
                said.append(
                    f"the numbers are right, but axes {i - other.ndim} and {j - other.ndim} are exchanged."
                )
        if _close(one.ravel(), other.ravel(), question):
            said.append("the right numbers in the right order, but in another shape.")
        elif _close(np.sort(one, None), np.sort(other, None), question):
            said.append("the right numbers, but at other places and in another shape.")
    for name, reduce in (("mean", np.mean), ("sum", np.sum), ("maximum", np.max)):
        if one.size and _close(np.asarray(reduce(one)), other, question):
            said.append(f"it is the {name} of all the numbers that are asked for.")
        for axis in range(one.ndim):
            if one.shape[axis] and _close(reduce(one, axis=axis), other, question):
                said.append(f"it is the {name} over axis {axis - one.ndim} of what is asked for.")
        for axis in range(other.ndim):
            if other.shape[axis] and _close(one, reduce(other, axis=axis), question):
                said.append(f"the {name} over its axis {axis - other.ndim} would be right.")
    if one.ndim == other.ndim:
        for axis in range(one.ndim):
            n = min(one.shape[axis], other.shape[axis])
            for where, part in (("first", slice(n)), ("last", slice(-n, None))):
                index = (slice(None),) * axis + (part,)
                if (
                    n
                    and one[index].shape == other[index].shape
                    and _close(one[index], other[index], question)
                ):
                    less = "missing" if other.shape[axis] < one.shape[axis] else "too many"
                    end = "end" if where == "first" else "beginning"
                    by = abs(one.shape[axis] - other.shape[axis])
                    verb = "is" if by == 1 else "are"
                    said.append(f"along axis {axis - one.ndim}, {by} at the {end} {verb} {less}.")
    if one.ndim == other.ndim + 1 and len(one) and _close(one[0], other, question):
        said.append("only the first row of what is asked for is there.")
    return said


def _unchanged(question, arguments, one, other):
    """Whether the output is one of the inputs."""
    said = []
    for name, value in zip(question.arguments, arguments, strict=False):
        if isinstance(value, np.ndarray) and value.shape == other.shape and value.dtype.kind != "U":
            if one.shape == value.shape and _same(question, one, value):
                return None  # What is right is that input, too.
            if other.dtype.kind != "U" and np.array_equal(value, other):
                said.append(f"it is `{name}`, as it came in.")
    return said


def _order(question, _, one, other):
    if one.shape != other.shape or one.size < 2:
        return None
    if one.dtype.kind != "U" and np.ptp(one.astype("float64")) == 0:
        return None
    said = []
    for i, j in itertools.combinations(range(one.ndim), 2):
        if one.shape[i] == one.shape[j] and _same(question, np.swapaxes(one, i, j), other):
            what = "rows and columns" if one.ndim == 2 else f"axes {i - one.ndim} and {j - one.ndim}"
            said.append(f"{what} are exchanged.")
    for axis in range(one.ndim):
        where = "" if one.ndim == 1 else f" along axis {axis - one.ndim}"
        if _same(question, np.flip(one, axis), other):
            said.append(f"the order is reversed{where}.")
        n = one.shape[axis]
        for by in (1, -1) if n > 2 else ():
            ahead, behind = [slice(None)] * axis, [slice(None)] * axis
            kept = (slice(None, n - 1), slice(1, None))
            part, other_part = (kept[0], kept[1]) if by > 0 else (kept[1], kept[0])
            if _same(question, one[(*ahead, part)], other[(*behind, other_part)]):
                said.append(
                    f"all is shifted by one place{where}, to {'higher' if by > 0 else 'lower'} indices."
                )
        if n > 1 and one.ndim > 1:
            first = np.take(one, [0], axis)
            if _same(question, np.broadcast_to(first, one.shape), other):
                said.append(
                    f"what is right for the first place along axis {axis - one.ndim} stands at all of them."
                )
    if not said and one.dtype.kind != "b" and _sorted_alike(question, one, other):
        said.append("the right values, but at other places.")
    return said


def _same(question, one, other):
    return one.shape == other.shape and bool(judge.agree(question, one, other).all())


def _sorted_alike(question, one, other):
    if (one.dtype.kind == "U") != (other.dtype.kind == "U"):
        return False
    return _same(question, np.sort(one, None), np.sort(other, None))


def _truth(question, _, one, other):
    if one.shape != other.shape or one.dtype.kind != "b" or one.size == 0:
        return None
    if other.dtype.kind == "b":
        if (one != other).all():
            return ["True and False are exchanged."]
        if not other.any() or other.all():
            return [f"everything is {bool(other.flat[0])}."]
        if not (other & ~one).any():
            return ["what is True is right, but some are missing."]
        if not (one & ~other).any():
            return ["all that must be True is, but there is more."]
    return []


def _arithmetic(question, arguments, one, other):
    if one.shape != other.shape or one.dtype.kind == "U" or one.size == 0:
        return None
    one, other = one.astype("float64"), other.astype("float64")
    finite = np.isfinite(one)
    if not finite.any() or not np.isfinite(other[finite]).all():
        return None if not finite.any() else []
    a, b = one[finite], other[finite]
    if not (np.abs(a) > question.atol).any():
        return None
    said = []
    if _close(-a, b, question):
        said.append("the sign is wrong everywhere.")
    if _close(1 - a, b, question):
        said.append("each number is 1 minus the right one.")
    with np.errstate(all="ignore"):
        for name, change in POWERS.items():
            if _close(change(a), b, question) and not _close(a, change(a), question):
                said.append(f"each number is {name}.")
        for name, change in ROUNDINGS.items() if a.size > 1 else ():  # A single 0 may have many causes.
            if _close(change(a), b, question):
                said.append(f"the numbers are {name}.")
        nonzero = np.abs(a) > max(question.atol, 1e-12)
        ratio = b[nonzero] / a[nonzero]
        steady = len(ratio) and np.ptp(ratio) <= 1e-4 * abs(ratio[0]) + 1e-12
        scaled = steady and ratio[0] != 0 and _close(a * ratio[0], b, question)
        if scaled:
            said += _factors(question, arguments, float(ratio[0]))
    offset = b - a
    if np.ptp(offset) <= 10 * question.atol + 1e-4 * abs(offset[0]) and (
        a.size > 1 or abs(offset[0]) in (1.0, 2.0)
    ):
        said += [f"each number is {abs(offset[0]):.4g} too {'large' if offset[0] > 0 else 'small'}."]
    if scaled and a.size > 1:  # Of a single number that would say nothing.
        said.append(f"each number is the right one times {ratio[0]:.4g}.")
        said.append("each number is the right one times a constant, which differs from call to call.")
    return said


def _factors(question, arguments, ratio):
    """Names of a constant factor, from constants and from the sizes of this call's arguments."""
    said = [
        f"each number is the right one times {name}."
        for name, value in FACTORS.items()
        if _near(value, ratio)
    ]
    for name, size in _sizes(question, arguments):
        if size < 2:
            continue
        for form, value in (
            ("{}", size),
            ("1 / {}", 1 / size),
            ("√ of {}", size**0.5),
            ("1 / √ of {}", size**-0.5),
            ("({} - 1) / {}", (size - 1) / size),
            ("{} / ({} - 1)", size / (size - 1)),
        ):
            if _near(value, ratio):
                said.append(f"each number is the right one times {form.replace('{}', name)}.")
    return said


def _near(value, ratio):
    return abs(value - ratio) <= 1e-4 * abs(ratio)


def _sizes(question, arguments):
    """Numbers that a call's arguments suggest, with their names."""
    for name, value in zip(question.arguments, arguments, strict=False):
        if isinstance(value, np.ndarray):
            for axis in range(value.ndim):
                yield f"the length of axis {axis - value.ndim} of `{name}`", value.shape[axis]
            if value.ndim > 1:
                yield f"the size of `{name}`", value.size
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"`{name}`", abs(value)
        elif isinstance(value, (list, tuple)):
            yield f"the length of `{name}`", len(value)


def _sums(question, _, one, other):
    if one.shape != other.shape or one.ndim < 1 or one.dtype.kind not in "f" or one.size < 2:
        return None
    other = other.astype("float64")
    axes = [axis for axis in range(one.ndim) if np.allclose(np.nansum(one, axis=axis), 1, atol=1e-4)]
    if len(axes) != 1 or not np.isfinite(other).all():
        return None if len(axes) != 1 else []
    if np.allclose(other.sum(axis=axes[0]), 1, atol=1e-4):
        return []
    said = [
        f"your numbers sum to 1 along axis {axis - one.ndim}; they must along axis {axes[0] - one.ndim}."
        for axis in range(one.ndim)
        if axis != axes[0] and one.shape[axis] > 1 and np.allclose(other.sum(axis=axis), 1, atol=1e-4)
    ]
    if one.ndim > 1 and np.isclose(other.sum(), 1, atol=1e-4):
        said.append("all your numbers together sum to 1; they must do so along one axis.")
    return [*said, f"your numbers do not sum to 1 along axis {axes[0] - one.ndim}."]


def _not_numbers(question, _, one, other):
    if one.shape != other.shape or one.dtype.kind == "U" or other.dtype.kind != "f":
        return None
    said = []
    for name, test in (("NaN", np.isnan), ("infinite", np.isinf)):
        theirs, right = test(other), test(one.astype("float64"))
        more = theirs & ~right
        if more.any():
            rest = judge.agree(question, one, other) | more
            said.append(
                f"there is {'NaN' if name == 'NaN' else 'infinity'} where a number must be"
                + ("; all other places are right." if rest.all() and not more.all() else ".")
            )
        elif (right & ~theirs).any():
            said.append(f"where the result must be {name}, yours is not.")
    return said


def _places(question, arguments, one, other):
    """Where the wrong places lie, if they are some of many."""
    if one.shape != other.shape or one.ndim == 0 or one.size < 3:
        return None
    bad = ~judge.agree(question, one, other)
    if bad.all():
        return []
    said = []
    for name, value in zip(question.arguments, arguments, strict=False):
        if isinstance(value, np.ndarray) and value.dtype.kind == "b" and value.size > 1:
            shape = value.shape + (1,) * (one.ndim - value.ndim)
            if len(shape) == one.ndim and all(a in (b, 1) for a, b in zip(shape, one.shape, strict=True)):
                mask = np.broadcast_to(value.reshape(shape), one.shape)
                for truth in (True, False):
                    if not bad[mask != truth].any() and (mask != truth).any():
                        said.append(f"it is wrong only where `{name}` is {truth}.")
    if one.ndim == 2 and one.shape[0] == one.shape[1] and not (bad & ~np.eye(len(one), dtype=bool)).any():
        said.append("only the diagonal is wrong.")
    for axis in range(one.ndim):
        if one.shape[axis] < 3:
            continue
        where = "" if one.ndim == 1 else f" along axis {axis - one.ndim}"
        for word, place in (("first", 0), ("last", one.shape[axis] - 1)):
            if not np.delete(bad, place, axis).any():
                said.append(f"only the {word} place{where} is wrong.")
    if one.dtype.kind in "iuf":
        for text, test in (
            ("0", one == 0),
            ("negative", one < 0),
            ("above 1", one > 1),
            ("the largest", one == np.max(one)),
        ):
            if test.any() and not test.all() and not bad[~test].any():
                said.append(f"only numbers that must be {text} are wrong.")
    return said


def _cumulative(question, _, one, other):
    if one.shape != other.shape or one.dtype.kind == "U" or one.ndim == 0 or one.shape[-1] < 3:
        return None
    one = one.astype("float64")
    if _close(np.cumsum(one, axis=-1), other, question):
        return ["each number is the sum of the right ones up to its place."]
    if _close(np.diff(one, axis=-1), other[..., 1:], question):
        return ["each number is the difference of two right ones."]
    return []


ARRAYS = (_shape_of, _truth, _order, _arithmetic, _cumulative, _not_numbers, _sums, _unchanged, _places)


# Texts and sequences


def _text_of(question, _, one, other):
    one, other = (list(map(str, np.atleast_1d(each))) for each in (one, other))
    said = []
    changes = {
        "lower case and capitals differ.": str.lower,
        "only white space at the ends differs.": str.strip,
        "only white space differs.": lambda text: "".join(text.split()),
        "only punctuation and signs differ.": lambda text: re.sub(r"\W", "", text),
    }
    for sentence, change in changes.items():
        if list(map(change, one)) == list(map(change, other)):
            said.append(sentence)
    if len(one) == len(other) == 1:
        if one[0].startswith(other[0]) and other[0]:
            said.append("the end is missing.")
        if other[0].startswith(one[0]) and one[0]:
            said.append("there is something more at the end.")
    else:
        said += _lists(one, other)
    return said


def _sequences_of(question, _, one, other):
    one, other = ([row.tolist() for row in judge.rows(*each)] for each in (one, other))
    if not one and not other:
        return None
    said = _lists(one, other, "sequences")
    if len(one) == len(other):
        if all(sorted(a) == sorted(b) for a, b in zip(one, other, strict=True)):
            said.append("each sequence has the right numbers, in another order.")
        if sorted(map(sorted, one)) == sorted(map(sorted, other)):
            said.append("the right sequences, but in another order, inside or among them.")
        for sentence, part in (
            ("each sequence lacks its last number.", slice(None, -1)),
            ("each sequence lacks its first number.", slice(1, None)),
            ("each sequence lacks its first and its last number.", slice(1, -1)),
        ):
            if all(b == a[part] for a, b in zip(one, other, strict=True)):
                said.append(sentence)
            if all(a == b[part] for a, b in zip(one, other, strict=True)):
                said.append(
                    sentence.replace("lacks", "has one too many:")
                    if "and" not in sentence
                    else "each sequence has one number too many at each end."
                )
        if all(a == b[::-1] for a, b in zip(one, other, strict=True)):
            said.append("each sequence is reversed.")
        differences = {
            y - x
            for a, b in zip(one, other, strict=True)
            if len(a) == len(b)
            for x, y in zip(a, b, strict=True)
        }
        if len(differences) == 1 and all(len(a) == len(b) for a, b in zip(one, other, strict=True)):
            by = differences.pop()
            said.append(f"each number is {abs(by)} too {'large' if by > 0 else 'small'}.")
    if [x for row in one for x in row] == [x for row in other for x in row]:
        said.append("the right numbers in the right order, but the borders between sequences are elsewhere.")
    return said


def _lists(one, other, what="values"):
    said = []
    if one == other[::-1]:
        said.append(f"the {what} are in reverse order.")
    elif sorted(one) == sorted(other):
        said.append(f"the right {what}, in another order.")
    if len(other) < len(one):
        if other == one[: len(other)]:
            said.append(
                f"{len(one) - len(other)} at the end {'is' if len(one) - len(other) == 1 else 'are'} missing."
            )
        elif other == one[len(one) - len(other) :]:
            said.append("the beginning is missing.")
    elif len(other) > len(one):
        if one == other[: len(one)]:
            said.append("the right beginning, but then there is more.")
        elif one == other[len(other) - len(one) :]:
            said.append("there is more before the right ones.")
    return said


TEXTS = (_text_of,)
SEQUENCES = (_sequences_of,)
