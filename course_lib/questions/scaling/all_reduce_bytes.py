"""Question: what a ring all-reduce sends."""

from course_lib.questions import Call, Mistake, Question


def _ring_calls(rng):
    values = [int(n) for n in rng.integers((900, 20_000, 400), (1000, 90_000, 900))]
    return [
        (4 * values[0], 4, 4),
        (8 * values[1], 8, 2),
        Call((8 * values[0] + 3, 8, 4), about="values that do not divide evenly"),
        Call((5 * values[2] + 1, 5, 2), about="values that do not divide evenly"),
        Call((values[1], 1, 4), about="a single worker"),
        (2 * values[2], 2, 4),
        Call((8 * values[2] + 6, 8, 4), about="values that do not divide evenly"),
        Call((3, 16, 4), about="fewer values than workers"),
    ]


def _sent(steps=lambda n: 2 * (n - 1), part=lambda values, n: -(-values // n), size=lambda bytes_: bytes_):
    """The bytes with one of their parts replaced.

    Args:
        steps: How often a worker sends, from the number of workers.
        part: How many values each time, from those of the array and the number of workers.
        size: Of a value.
    """
    return lambda values, workers, bytes_per_value: (
        steps(workers) * part(values, workers) * size(bytes_per_value)
    )


def _reference(values, workers, bytes_per_value):
    return _sent()(values, workers, bytes_per_value)


QUESTION = Question(
    id="scaling.all_reduce_bytes",
    title="What a ring all-reduce sends",
    points=1,
    minutes=10,
    signature="all_reduce_bytes(values, workers, bytes_per_value)",
    calls=_ring_calls,
    reference=_reference,
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "one_round",
            _sent(lambda n: n - 1),
            "You count one of the two rounds. Where is each finished sum after the first?",
            "After the first round every worker has the whole sum of one part only. What must travel in the "
            "second?",
        ),
        Mistake(
            "one_step_more",
            (_sent(lambda n: 2 * n), _sent(lambda n: 2 * n - 1), _sent(lambda n: n)),
            "You count too many steps. In a ring of two, how often must a part be passed on until both have "
            "added theirs?",
            "A part starts with a worker's own values, so it has to visit only the others. A single worker "
            "sends nothing at all.",
        ),
        Mistake(
            "whole_array",
            (
                _sent(part=lambda values, n: values),
                _sent(lambda n: n - 1, lambda values, n: values),
                _sent(lambda n: 2, lambda values, n: values),
                _sent(lambda n: n, lambda values, n: values),
            ),
            "You send whole arrays. What does a worker send in one step of the ring?",
            "The trick of the ring is that each worker passes on one part at a time, while all the others "
            "pass on other parts.",
        ),
        Mistake(
            "all_workers",
            (
                _sent(lambda n: 2 * (n - 1) * n),
                _sent(lambda n: (n - 1) * n),
                _sent(lambda n: 2 * (n - 1), lambda values, n: -(-values // n) * n),
            ),
            "Your number is that of all workers together. How much does one of them send?",
            "All workers send at the same time, each over a line of its own: count one line.",
        ),
        Mistake(
            "sent_and_received",
            _sent(lambda n: 4 * (n - 1)),
            "You count every byte twice, once where it is sent and once where it arrives.",
            "The task asks for what one worker sends. What arrives was sent by its neighbour.",
        ),
        Mistake(
            "part_cut_off",
            _sent(part=lambda values, n: values // n),
            "Right where the values divide evenly. Else some values are in none of your parts.",
            "All parts have one length, and together they hold at least every value. With 3 values and 16 "
            "workers, what is in the parts?",
        ),
        Mistake(
            "one_value_more",
            (_sent(part=lambda values, n: values // n + 1), _sent(part=lambda values, n: (values + n) // n)),
            "Right where the values do not divide evenly. Where they do, how many zeros must be added?",
            "12 values on 4 workers are parts of 3, and nothing has to be filled up. What does your formula "
            "give for a part there?",
        ),
        Mistake(
            "part_with_a_fraction",
            (
                _sent(part=lambda values, n: values / n),
                lambda values, n, size: 2 * (n - 1) * values * size // n,
                lambda values, n, size: 2 * (n - 1) * values // n * size,
                lambda values, n, size: round(2 * (n - 1) * values * size / n),
                lambda values, n, size: -(-2 * (n - 1) * values * size // n),
                _sent(part=lambda values, n: round(values / n)),
            ),
            "Right where the values divide evenly. Else: how many values has one of your parts?",
            "A part has a whole number of values, and the array is filled up until all parts are equally "
            "long. Find the length of a part first, then multiply.",
        ),
        Mistake(
            "values_counted",
            (
                _sent(size=lambda bytes_: 1),
                _sent(size=lambda bytes_: 4),
                _sent(size=lambda bytes_: 8 * bytes_),
            ),
            "You count something else than the bytes of these values. How large is one of them?",
            "A value of float32 has 4 bytes, one of bfloat16 has 2. The third argument says it.",
        ),
    ),
    hint="Draw three workers in a ring and an array in three parts. Count the arrows that leave one worker.",
    more="Three factors: the steps of both rounds, the values of one part, rounded up, and the bytes of a "
    "value.",
    example=(7, 3, 2),
)
