"""Questions of lesson 07: codes, scales per channel, integers of 4 bits, noise, calibration, a gradient."""

from course_lib.questions.quantization import (
    channel_scales,
    pack_int4,
    percentile_range,
    quantize,
    scale_and_zero_point,
    sqnr,
    straight_through_gradient,
    unpack_int4,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        scale_and_zero_point,
        quantize,
        channel_scales,
        pack_int4,
        unpack_int4,
        sqnr,
        percentile_range,
        straight_through_gradient,
    )
)
