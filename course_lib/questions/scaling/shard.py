"""Question: which piece of a kernel a device holds."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _shard_calls(rng):
    a, b = (int(n) for n in rng.integers(3, 9, size=2))
    return [
        ((4 * a, 12 * b), {"batch": 2, "model": 4}, (None, "model"), 6),
        ((8 * a, 6 * b), {"batch": 2, "model": 4}, ("model", None), 5),
        Call(((6 * a, 4 * b), {"batch": 2, "model": 3}, ("model", "batch"), 4), about="axes that cross"),
        Call(
            ((8 * a, 3), {"batch": 4, "model": 2}, (None, None), 3), about="an array that every device holds"
        ),
        Call(((12 * a,), {"batch": 2, "model": 4}, ("model",), 7), about="an array of one axis"),
        Call(
            ((a, 6 * b, 5, 4 * a), {"data": 2, "stage": 3, "model": 2}, (None, "stage", None, "model"), 9),
            about="a mesh of three axes",
        ),
        ((6 * a, 10 * b), {"batch": 3, "model": 2}, ("batch", "model"), 4),
        Call(((6 * a, 10 * b), {"batch": 3, "model": 2}, ("batch", "model"), 0), about="device 0"),
    ]


def _coordinates(mesh, device):
    return dict(zip(mesh, np.unravel_index(device, tuple(mesh.values())), strict=True))


def _columns_first(mesh, device):
    return dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()), order="F"), strict=True))


def _reversed(mesh, device):
    return dict(zip(mesh, np.unravel_index(device, tuple(mesh.values()))[::-1], strict=True))


def _modulo(mesh, device):
    return {name: device % size for name, size in mesh.items()}


def _own_number(mesh, device):
    return dict.fromkeys(mesh, device)


def _pieces(shape, mesh, layout, device, where=_coordinates, count=lambda mesh, name: mesh[name], whole=None):
    """Begin and end along each axis, with one of the parts replaced.

    Args:
        shape: As in the question.
        mesh: As in the question.
        layout: As in the question.
        device: As in the question.
        where: The device's place on each axis of the mesh.
        count: The pieces of an axis.
        whole: Begin and end of an axis that is not cut, from its size.
    """
    place, rows = where(mesh, device), []
    for size, name in zip(shape, layout, strict=True):
        if name is None:
            rows.append(whole(size) if whole else (0, size))
        else:
            piece = size // count(mesh, name)
            rows.append((place[name] * piece, (place[name] + 1) * piece))
    return np.array(rows)


def _reference(shape, mesh, layout, device):
    return _pieces(shape, mesh, layout, device)


def _with(**parts):
    return lambda shape, mesh, layout, device: _pieces(shape, mesh, layout, device, **parts)


def _by_position(shape, mesh, layout, device):
    """The axis of the mesh at the same position, whatever its name."""
    names = list(mesh)
    names = [names[i % len(names)] if name else None for i, name in enumerate(layout)]
    return _pieces(shape, mesh, names, device)


def _by_position_unguarded(shape, mesh, layout, device):
    names = list(mesh)
    names = [names[i] if name else None for i, name in enumerate(layout)]
    return _pieces(shape, mesh, names, device)


def _two_axes(mesh, device):
    """Rows and columns of a mesh that has no other axes."""
    names = list(mesh)
    row, column = divmod(device, mesh[names[1]])
    return {names[0]: row, names[1]: column}


def _two_last_axes(mesh, device):
    names = list(mesh)
    places = dict.fromkeys(names, 0)
    places[names[-2]], places[names[-1]] = divmod(device, mesh[names[-1]])
    return places


def _number_as_length(shape, mesh, layout, device):
    place, rows = _coordinates(mesh, device), []
    for size, name in zip(shape, layout, strict=True):
        piece = mesh[name] if name else size
        begin = place[name] * piece if name else 0
        rows.append((begin, begin + piece))
    return np.array(rows)


def _all_cut(shape, mesh, layout, device):
    names = list(mesh)
    return _pieces(shape, mesh, [name or names[i % len(names)] for i, name in enumerate(layout)], device)


def _lengths(shape, mesh, layout, device):
    rows = _pieces(shape, mesh, layout, device)
    return np.stack([rows[:, 0], rows[:, 1] - rows[:, 0]], axis=1)


def _last_included(shape, mesh, layout, device):
    return _pieces(shape, mesh, layout, device) - [0, 1]


def _only_shape(shape, mesh, layout, device):
    rows = _pieces(shape, mesh, layout, device)
    return rows[:, 1] - rows[:, 0]


def _all_devices(mesh, name):
    return int(np.prod(list(mesh.values())))


QUESTION = Question(
    id="scaling.shard",
    title="Which piece of a kernel a device holds",
    points=3,
    minutes=20,
    signature="shard(shape, mesh, layout, device)",
    calls=_shard_calls,
    reference=_reference,
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "columns_first",
            _with(where=_columns_first),
            "Your pieces have the right sizes, but they belong to other devices: which axis of the mesh "
            "changes fastest as the devices are counted?",
            "Write the numbers of the devices into the mesh, row by row, as NumPy prints "
            "`np.arange(8).reshape(2, 4)`. In which row and column is yours?",
        ),
        Mistake(
            "coordinates_exchanged",
            _with(where=_reversed),
            "You have computed the right coordinates, and given them to the wrong axes of the mesh.",
            "The first axis of the mesh is that of the rows. Which coordinate counts rows?",
        ),
        Mistake(
            "own_number",
            (_with(where=_own_number), _with(where=_own_number, count=_all_devices)),
            "You use the number of the device as its place along an axis, so some pieces end beyond the "
            "array, or are too thin.",
            "On a mesh of 2 by 4, device 6 is in row 1 and column 2. What is its place along the axis of "
            "four?",
        ),
        Mistake(
            "modulo_everywhere",
            _with(where=_modulo),
            "You take the remainder for every axis of the mesh. For the last axis that is right; for the "
            "others?",
            "Devices 0 to 3 of a mesh of 2 by 4 are all in row 0. How often does the row change as you "
            "count?",
        ),
        Mistake(
            "two_axes_only",
            (_with(where=_two_axes), _with(where=_two_last_axes)),
            "Right for a mesh of two axes. What is left of the device's number after the last axis of three?",
            "A quotient can be larger than the axis before. It has to be divided once more, for each axis "
            "that is left.",
        ),
        Mistake(
            "cut_by_all_devices",
            _with(count=_all_devices),
            "Your pieces are too thin: the axis is cut by the devices of one axis of the mesh, not by all of "
            "them.",
            "Devices that differ only along an axis of the mesh that the layout does not name hold the same "
            "piece.",
        ),
        Mistake(
            "number_as_length",
            _number_as_length,
            "Your pieces are as long as the mesh's axis has devices. Is that a number of pieces or a length?",
            "An axis of 24 that is cut into 4 pieces has pieces of 6.",
        ),
        Mistake(
            "by_position",
            (_by_position, _by_position_unguarded),
            "You take the axis of the mesh that stands at the same position. What do the names in the layout "
            "say?",
            "`(None, 'model')` cuts the second axis of the kernel along the mesh's axis of that name, "
            "wherever it stands in the mesh.",
        ),
        Mistake(
            "all_axes_cut",
            _all_cut,
            "You cut axes of the kernel for which the layout says None.",
            "None means that a device holds the axis whole, from 0 to its size.",
        ),
        Mistake(
            "whole_axis_empty",
            (
                _with(whole=lambda size: (0, 0)),
                _with(whole=lambda size: (0, 1)),
                _with(whole=lambda size: (0, -1)),
            ),
            "The axes that are cut are right. Where does an axis end that is not cut?",
            "`kernel[begin:end]` must give all of an axis for which the layout says None.",
        ),
        Mistake(
            "begin_and_length",
            _lengths,
            "Your second column holds lengths. What is it to hold?",
            "`kernel[begin:end]` needs the place at which the piece ends.",
        ),
        Mistake(
            "last_included",
            _last_included,
            "Your pieces end one place too early for a slice.",
            "In Python the end of a slice is the first place that does not belong to it.",
        ),
        Mistake(
            "only_the_shape",
            _only_shape,
            "You return the shape of the piece. Devices with pieces of one shape hold different ones: which?",
            "A row for each axis of the kernel: where the piece begins and where it ends.",
        ),
    ),
    hint="Two steps: at which place does the device stand on each axis of the mesh? And into how many pieces "
    "is each axis of the kernel cut?",
    more="The last axis of the mesh changes fastest: its place is the remainder of the device's number by "
    "its size, and what is left over goes on to the axis before. A piece is size / pieces long, and the "
    "place says how many come before it.",
    example=((4, 6), {"batch": 2, "model": 3}, (None, "model"), 4),
)
