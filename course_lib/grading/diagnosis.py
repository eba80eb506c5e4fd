"""What can be said of a wrong answer to any question, from its outputs alone.

A finding is a sentence that holds for every call that went wrong. It describes, it does not solve: "the rows
and columns are exchanged", "half of what it should be".
"""

import itertools

import numpy as np

from course_lib.grading import judge, patterns
from course_lib.grading.judge import Raised

LARGE = 50.0  # From here on a number counts as large.


def findings(question, expectation, outputs, wrong):
    """Sentences on what the wrong calls have in common; at most three, the most telling first.

    Args:
        question: The `Question`.
        expectation: Of `judge.expected`.
        outputs: One entry per call, as `judge.outcomes` returns them.
        wrong: Indices of the calls that went wrong.
    """
    returned = [i for i in wrong if not isinstance(outputs[i], Raised)]
    said = [] if question.judge or not returned else _of_outputs(question, expectation, outputs, returned)
    return [*said[:2], *_of_calls(question, expectation.calls, wrong)[:1]]


# Of the calls: what those have in common that went wrong


def _of_calls(question, calls, wrong):
    wrong = set(wrong)
    if len(wrong) == len(calls):
        return []
    traits = [_traits(question, arguments) for arguments in calls]
    for trait in dict.fromkeys(itertools.chain.from_iterable(traits)):
        if {i for i, each in enumerate(traits) if trait in each} == wrong:
            return [f"It is right in all calls but those with {trait}."]
    return [f"It is right in {len(calls) - len(wrong)} of {len(calls)} calls."]


def _traits(question, arguments):
    """What is special about a call, the most telling first; ends "calls with ..."."""
    told = [arguments.about] if getattr(arguments, "about", "") else []
    names = question.arguments
    for place, name in enumerate(names):
        if place >= len(arguments):
            told.append(f"`{name}` left out")
            continue
        told += [
            f"{what} `{name}`" if what.endswith("in") else what for what in _special(name, arguments[place])
        ]
    return told


def _special(name, value):
    if value is None:
        return [f"`{name}` None"]
    if isinstance(value, bool):
        return [f"`{name}` {value}"]
    if isinstance(value, (int, float)) and value in (0, 1):
        return [f"`{name}` {value:g}"]
    if isinstance(value, (str, list, tuple)) and not len(value):
        return [f"an empty `{name}`"]
    if not isinstance(value, np.ndarray):
        return []
    if not value.size:
        return [f"an empty `{name}`"]
    told = [f"`{name}` of {value.ndim} {'axis' if value.ndim == 1 else 'axes'}"]
    told += [f"an axis of length 1 in `{name}`"] if 1 in value.shape else []
    if value.dtype.kind in "iuf":
        told += [f"NaN in `{name}`"] if np.isnan(value).any() else []
        told += [f"infinite numbers in `{name}`"] if np.isinf(value).any() else []
        finite = value[np.isfinite(value)]
        told += [f"large numbers in `{name}`"] if (np.abs(finite) > LARGE).any() else []
    if value.dtype.kind == "b":
        told += [f"a row without True in `{name}`"] if not value.any(axis=-1).all() else []
        told += [f"only True in `{name}`"] if value.all() else []
    return told


# Of the outputs


def _of_outputs(question, expectation, outputs, returned):
    """What holds for the outputs of all wrong calls, value by value."""
    values = [list(judge.parts(question, expectation.outputs[i], outputs[i])) for i in returned]
    wrong = {
        place
        for value in values
        for place, (_, form, one, other) in enumerate(value)
        if not _equal(question, form, one, other)
    }
    if not wrong:
        return []
    said, places = [], sorted(wrong)
    if len(values[0]) > 1 and len(wrong) < len(values[0]):
        good = [values[0][place][0] for place in range(len(values[0])) if place not in wrong]
        bad = [values[0][place][0] for place in places]
        said.append(f"Of the returned values {_list(good)} {_is(good)} right, {_list(bad)} {_is(bad)} not.")
    elif len(places) == 2 and (swapped := _exchanged(question, values)):
        return [swapped]
    # What is wrong with the first may be all: the others are often made from it.
    place = places[0]
    name, form = values[0][place][:2]
    pairs = [
        (expectation.calls[i], *value[place][2:])
        for i, value in zip(returned, values, strict=True)
        if not _equal(question, form, *value[place][2:])
    ]
    detectors = {
        "array": patterns.ARRAYS,
        "text": patterns.TEXTS,
        "texts": patterns.TEXTS,
        "ragged": patterns.SEQUENCES,
    }[form]
    if found := _common(question, detectors, pairs):
        said.append(found[0].upper() + found[1:] if len(values[0]) == 1 else f"Of {name}: {found}")
    return said


def _equal(question, form, one, other):
    if form == "ragged":
        return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
    return (
        one.shape == other.shape
        and one.dtype.kind in _kinds(other)
        and bool(judge.agree(question, one, other).all())
    )


def _kinds(array):
    return "U" if array.dtype.kind == "U" else "biuf"


def _list(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is(names):
    return "is" if len(names) == 1 else "are"


def _exchanged(question, values):
    """A sentence if two returned values have changed places, else None."""
    name, other_name = (value[0] for value in values[0])
    for (_, form, one, got), (_, other_form, two, other_got) in values:
        same = (
            form == other_form and _equal(question, form, one, other_got) and _equal(question, form, two, got)
        )
        if not same:
            return None
    return f"{name[0].upper()}{name[1:]} and {other_name} have changed places."


def _common(question, detectors, pairs):
    """The first sentence that a detector finds in all pairs; those for which it cannot tell do not count."""
    for detector in detectors:
        shared = None
        for arguments, one, other in pairs:
            found = detector(question, arguments, one, other)
            if found is None:
                continue
            shared = list(found) if shared is None else [each for each in shared if each in found]
            if not shared:
                break
        if shared:
            return shared[0]
    return None
