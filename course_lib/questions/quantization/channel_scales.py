"""Question: a scale per channel."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.quantization._shared import quantization


def _channel_calls(rng):
    def call(inputs, outputs, empty=None):
        """A kernel with channels of quite different sizes, in some of which the largest entry is negative."""
        sizes = 10.0 ** rng.uniform(-1.5, 0.5, size=outputs)
        kernel = rng.uniform(0.1, 0.8, size=(inputs, outputs)) * rng.choice([-1.0, 1.0], (inputs, outputs))
        kernel[0] = np.abs(kernel[0])
        kernel[1] = rng.uniform(0.9, 1.0, size=outputs) * np.where(np.arange(outputs) % 2, 1.0, -1.0)
        kernel = rng.permuted(kernel, axis=0) * sizes
        if empty is not None:
            kernel[:, empty] = 0.0
        return (kernel.astype("float32"),)

    return [
        call(5, 3),
        Call(call(4, 4), about="as many inputs as outputs"),
        call(2, 6),
        Call(call(8, 1), about="a single output"),
        Call(call(6, 4, empty=int(rng.integers(4))), about="a channel of zeros"),
    ]


def _over_inputs(kernel):
    return np.abs(kernel).max(axis=0, keepdims=True)


def _scales(largest=_over_inputs, divisor=127, finish=None):
    """Scales with one of their parts replaced."""

    def answer(kernel):
        found = largest(kernel)
        return finish(found) if finish else np.where(found == 0, 1.0, found / divisor)

    return answer


def _however_divided(largest):
    """A mistake in the largest entries, with each divisor and each care for channels of zeros."""
    return tuple(
        _scales(largest, divisor, finish)
        for divisor in (127, 128)
        for finish in (
            None,
            lambda found, divisor=divisor: found / divisor,
            lambda found, divisor=divisor: np.where(found == 0, 1.0, found) / divisor,
        )
    )


QUESTION = Question(
    id="quantization.channel_scales",
    title="A scale per channel",
    points=2,
    minutes=10,
    signature="channel_scales(kernel)",
    calls=_channel_calls,
    reference=lambda kernel: quantization.channel_scales(kernel),
    rtol=1e-4,
    atol=1e-8,
    mistakes=(
        Mistake(
            "per_input",
            (
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1, keepdims=True)),
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1)[None]),
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1)),
            ),
            "You have one scale for each input. But an output is a sum over the inputs, and it can be scaled "
            "once, at its end, only if all its terms share a scale.",
            "The axis named in `max` is the one that the maximum goes over. The inputs of one output share a "
            "scale, so which axis is theirs?",
        ),
        Mistake(
            "per_tensor",
            (
                _scales(lambda kernel: np.abs(kernel).max()),
                _scales(lambda kernel: np.abs(kernel).max(keepdims=True)),
                _scales(lambda kernel: np.full((1, kernel.shape[1]), np.abs(kernel).max())),
            ),
            "You find one largest entry for the whole kernel. The largest channel then decides how coarsely "
            "all the others are rounded.",
            "A channel whose entries are a hundred times smaller than the largest would get no other codes "
            "than 0, 1 and -1. Tell `max` which axis to go over.",
        ),
        Mistake(
            "over_128",
            of_each(lambda divisor: _scales(divisor=divisor), 128, 127.5),
            "The shape is right, the scales are a little too small, all by the same share. Which code does "
            "the entry of the largest magnitude get from you?",
            "It would get more than 127. A symmetric code uses as many integers above zero as below, and "
            "leaves -128 alone.",
        ),
        Mistake(
            "over_255",
            of_each(lambda divisor: _scales(divisor=divisor), 255, 256, 254),
            "Your scales are about half of what they should be. How many steps does a symmetric code have "
            "from zero to its greatest integer?",
            "All the integers of a byte lie between the largest entry and its negative. Above zero there are "
            "only about half of them.",
        ),
        Mistake(
            "range_instead_of_magnitude",
            tuple(
                _scales(lambda kernel: np.ptp(kernel, axis=0, keepdims=True), divisor)
                for divisor in (255, 254, 256, 127)
            ),
            "You spread the codes from the least entry of a channel to its greatest. Where does zero lie in "
            "such a code?",
            "With the zero point 0, the code must reach as far below zero as above. In a channel with -3 and "
            "1, how far is that?",
        ),
        Mistake(
            "signs_kept",
            (
                *_however_divided(lambda kernel: kernel.max(axis=0, keepdims=True)),
                *_however_divided(lambda kernel: np.abs(kernel.max(axis=0, keepdims=True))),
            ),
            "Some channels are right, others get too small a scale. Look at the entry that lies furthest "
            "from zero in those: which sign has it?",
            "In a channel with -3 and 1 the code must reach to -3. The greatest entry is 1, but the entry of "
            "the largest magnitude is another one.",
        ),
        Mistake(
            "upside_down",
            (
                _scales(finish=lambda found: np.where(found == 0, 1.0, 127 / found)),
                _scales(finish=lambda found: 127 / found),
            ),
            "Your scales grow where the entries of a channel shrink. In kernel / scales, what must the "
            "largest entry become?",
            "An entry of 2.54 that gets the code 127 has the scale 0.02. What you return is 50.",
        ),
        Mistake(
            "not_divided",
            _scales(finish=lambda found: np.where(found == 0, 1.0, found)),
            "You return the largest magnitudes themselves. Which code would the largest entry get from "
            "kernel / scales?",
            "It would get the code 1, and all others 0 or 1. Which code is it to get?",
        ),
        Mistake(
            "axis_dropped",
            _however_divided(lambda kernel: np.abs(kernel).max(axis=0)),
            "There is one scale for each output, but the axis of the inputs is gone. It has to stay, with "
            "length 1.",
            "Two axes keep the scales in place beside kernels of any layout, without luck in broadcasting. "
            "`max` has an argument that keeps the axis.",
        ),
        Mistake(
            "as_a_column",
            _however_divided(lambda kernel: np.abs(kernel).max(axis=0)[:, None]),
            "There is one scale for each output, but they stand one below the other. Beside a kernel of "
            "shape (inputs, outputs), along which axis do the outputs lie?",
            "`kernel / scales` would divide each row by one number, or not fit at all. The shape asked for "
            "is (1, outputs).",
        ),
        Mistake(
            "zero_for_an_empty_channel",
            (
                _scales(finish=lambda found: found / 127),
                *(
                    _scales(finish=function)
                    for tiny in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)
                    for function in (
                        lambda found, tiny=tiny: np.maximum(found, tiny) / 127,
                        lambda found, tiny=tiny: np.maximum(found / 127, tiny),
                        lambda found, tiny=tiny: found / 127 + tiny,
                    )
                ),
            ),
            "All is right but for a channel of zeros, such as pruning leaves behind. Which scale does the "
            "task want for it?",
            "With the scale 0, 0 / 0 is NaN, and NaN as an int8 is some integer or other. Any positive scale "
            "stores zeros exactly, but one is agreed upon.",
        ),
        Mistake(
            "one_before_dividing",
            _scales(finish=lambda found: np.where(found == 0, 1.0, found) / 127),
            "All is right but for a channel of zeros. You put the 1 in, and then something happens to it.",
            "The scale of such a channel is to be 1, not its largest entry. In which order do you replace "
            "and divide?",
        ),
    ),
    hint="Find the largest magnitude in each column first. Print the shape of what you return.",
    more="`np.abs`, then a maximum over the axis of the inputs that keeps this axis, then a division, so "
    "that the largest entry gets the code 127 or -127. np.where can put the 1 where a maximum is 0.",
    example=(np.array([[0.0, -6.35, 0.254], [0.0, 1.0, -0.1]], "float32"),),
)
