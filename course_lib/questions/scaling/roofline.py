"""Question: what a matrix product can reach."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _roofline_calls(rng):
    peak, bandwidth = round(float(rng.uniform(80, 200)), 1) * 1e9, round(float(rng.uniform(8, 20)), 1) * 1e9
    odd = [int(n) for n in rng.integers(20, 400, size=3)]
    return [
        Call((1, 384, 384, 4, peak, bandwidth), about="one row"),
        Call((4096, 1024, 1024, 2, peak, bandwidth), about="large matrices"),
        (*odd, 4, peak, bandwidth),
        Call((1, 768, 3072, 2, 312e12, 2.0e12), about="one row"),
        Call((8192, 4096, 4096, 2, 312e12, 2.0e12), about="large matrices"),
        (32, 384, 1536, 4, peak, bandwidth),
        Call((16, 2, 16, 2, peak, bandwidth), about="a narrow product"),
    ]


def _flops(m, k, n):
    return 2 * m * k * n


def _values(m, k, n):
    return m * k + k * n + m * n


def _lesser(flops, moved, peak, bandwidth):
    return min(peak, bandwidth * flops / moved)


def _ceiling(flops=_flops, values=_values, size=lambda b: b, intensity=np.divide, reached=_lesser):
    """Intensity and rate with one of their parts replaced.

    Args:
        flops: From the three sizes.
        values: That are moved, from the three sizes.
        size: Of a value in bytes.
        intensity: From operations and bytes.
        reached: From operations, bytes, peak and bandwidth.
    """

    def answer(m, k, n, bytes_per_value, peak, bandwidth):
        work, moved = float(flops(m, k, n)), float(values(m, k, n) * size(bytes_per_value))
        return intensity(work, moved), reached(work, moved, peak, bandwidth)

    return answer


def _reference(m, k, n, bytes_per_value, peak, bandwidth):
    return _ceiling()(m, k, n, bytes_per_value, peak, bandwidth)


QUESTION = Question(
    id="scaling.roofline",
    title="What a matrix product can reach",
    points=2,
    minutes=10,
    signature="roofline(m, k, n, bytes_per_value, peak, bandwidth)",
    calls=_roofline_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("intensity", "reached"),
    mistakes=(
        Mistake(
            "one_operation",
            _ceiling(lambda m, k, n: m * k * n),
            "Your intensity is half of what it should be. How many operations are a product and its "
            "addition?",
            "Each of the m * n results is a sum of k products: k multiplications, and as many additions.",
        ),
        Mistake(
            "additions_less_one",
            _ceiling(lambda m, k, n: m * n * (2 * k - 1)),
            "You leave out one addition for each result. The task counts as many additions as products.",
            "That is exact for the sum of k numbers, and nobody counts like that: a multiply-add is two "
            "operations.",
        ),
        Mistake(
            "result_not_written",
            _ceiling(values=lambda m, k, n: m * k + k * n),
            "You read both matrices. What happens to the result?",
            "The result must go back to the memory, and its m * n values take bandwidth like those that are "
            "read.",
        ),
        Mistake(
            "result_counted_twice",
            _ceiling(values=lambda m, k, n: m * k + k * n + 2 * m * n),
            "You move the result twice. How often does the task let each of the three matrices travel?",
            "A result need not be read before it is written.",
        ),
        Mistake(
            "one_matrix",
            (
                _ceiling(values=lambda m, k, n: k * n),
                _ceiling(values=lambda m, k, n: m * k),
                _ceiling(values=lambda m, k, n: m * n),
                _ceiling(values=lambda m, k, n: k * n + m * n),
                _ceiling(values=lambda m, k, n: m * k + m * n),
            ),
            "Not all of the three matrices are in your count of bytes.",
            "Two are read and one is written. Write down their three shapes.",
        ),
        Mistake(
            "read_again_and_again",
            (
                _ceiling(values=lambda m, k, n: 2 * m * k * n),
                _ceiling(values=lambda m, k, n: 2 * m * k * n + m * n),
                _ceiling(values=lambda m, k, n: m * k * n),
            ),
            "You read a value anew for each operation. How often does the task let each value be read?",
            "The cache is as large as it needs to be: each value is read from memory once, and written once.",
        ),
        Mistake(
            "size_of_a_value",
            (_ceiling(size=lambda b: 1), _ceiling(size=lambda b: 4), _ceiling(size=lambda b: 8 * b)),
            "Your intensity does not fit the bytes of a value. In which unit is the bandwidth?",
            "Half as many bytes for a value double the intensity. The fourth argument says how many there "
            "are.",
        ),
        Mistake(
            "the_higher_ceiling",
            _ceiling(reached=lambda flops, moved, peak, bandwidth: max(peak, bandwidth * flops / moved)),
            "Your rate is above one of the two ceilings. Can a machine compute faster than its peak, or on "
            "numbers that have not come yet?",
            "Both ceilings hold at the same time. Which of the two is felt?",
        ),
        Mistake(
            "times_added",
            _ceiling(
                reached=lambda flops, moved, peak, bandwidth: flops / (flops / peak + moved / bandwidth)
            ),
            "You add the time for moving to that for computing. In this model, do they take place one after "
            "the other?",
            "While one tile is computed, the next is on its way. The longer of the two times decides.",
        ),
        Mistake(
            "one_ceiling",
            (
                _ceiling(reached=lambda flops, moved, peak, bandwidth: peak),
                _ceiling(reached=lambda flops, moved, peak, bandwidth: bandwidth * flops / moved),
            ),
            "You know one of the two ceilings only: your rate is right for some of the products and too high "
            "for the others.",
            "Think of a single row, and then of large matrices. Which of the two is waiting for the memory?",
        ),
        Mistake(
            "bytes_per_operation",
            (
                _ceiling(intensity=lambda flops, moved: moved / flops),
                _ceiling(
                    intensity=lambda flops, moved: moved / flops,
                    reached=lambda flops, moved, peak, bandwidth: min(peak, bandwidth * moved / flops),
                ),
            ),
            "Your intensity is upside down: large matrices must have a high one.",
            "Operations per byte: what stands above the line?",
        ),
        Mistake(
            "seconds",
            (
                _ceiling(reached=lambda flops, moved, peak, bandwidth: max(flops / peak, moved / bandwidth)),
                _ceiling(reached=lambda flops, moved, peak, bandwidth: bandwidth),
                _ceiling(reached=lambda f, moved, peak, bandwidth: _lesser(f, moved, peak, bandwidth) / peak),
            ),
            "Your intensity is right. The second number is to be operations per second.",
            "Bytes per second times operations per byte: which unit is left?",
        ),
    ),
    hint="Count for the product of a (2, 3) and a (3, 4) matrix: how many multiplications, how many numbers "
    "read, how many written?",
    more="The intensity is operations over bytes. If only the memory counted, the rate would be intensity "
    "times bandwidth; if only the arithmetic counted, the peak.",
    example=(2, 4, 2, 2, 100.0, 20.0),
)
