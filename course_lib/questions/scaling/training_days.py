"""Question: how long a training takes."""

from course_lib.questions import Call, Mistake, Question


def _plan_calls(rng):
    def call(parameters, tokens, accelerators, peak, recompute):
        share = round(float(rng.uniform(0.25, 0.55)), 2)
        return parameters, tokens, accelerators, peak, share, recompute

    return [
        call(110e6, round(float(rng.uniform(80, 160))) * 1e9, 8, 125e12, False),
        call(7e9, 2e12, 1024, 312e12, False),
        Call(call(7e9, round(float(rng.uniform(1, 3)), 1) * 1e12, 512, 989e12, True), about="recomputation"),
        call(22e6, round(float(rng.uniform(2, 9))) * 1e9, 1, 40e12, False),
        Call(call(13e9, 1e12, 256, 312e12, True), about="recomputation"),
    ]


def _days(passes=lambda recompute: 8 if recompute else 6, use=1, devices=1, seconds=86_400, over=1):
    """The days with one of their parts replaced.

    Args:
        passes: Operations per weight and token.
        use: Power of the share.
        devices: Power of the number of accelerators.
        seconds: Of a day.
        over: Power of the peak.
    """

    def answer(parameters, tokens, accelerators, peak, share, recompute):
        work = passes(recompute) * parameters * tokens
        return work / (accelerators**devices * float(peak) ** over * share**use) / seconds

    return answer


def _reference(parameters, tokens, accelerators, peak, share, recompute):
    return _days()(parameters, tokens, accelerators, peak, share, recompute)


QUESTION = Question(
    id="scaling.training_days",
    title="How long a training takes",
    points=1,
    minutes=5,
    signature="training_days(parameters, tokens, accelerators, peak, share, recompute)",
    calls=_plan_calls,
    reference=_reference,
    atol=0.0,
    mistakes=(
        Mistake(
            "forward_only",
            (_days(lambda recompute: 2), _days(lambda recompute: 4 if recompute else 2)),
            "Your days are those of a forward pass alone. What else happens in a training step?",
            "The backward pass computes gradients for the weights and for the inputs of each layer. The text "
            "says what that costs.",
        ),
        Mistake(
            "backward_as_forward",
            (
                _days(lambda recompute: 4),
                _days(lambda recompute: 6 if recompute else 4),
                _days(lambda recompute: 5 if recompute else 4),
            ),
            "You count the backward pass like a forward one. How many products does it need for each of the "
            "forward pass?",
            "For each product of the forward pass there are two in the backward pass: one for the gradient "
            "of the kernel, one for that of the input.",
        ),
        Mistake(
            "one_per_weight",
            (
                _days(lambda recompute: 4 if recompute else 3),
                _days(lambda recompute: 1),
                _days(lambda recompute: 5 if recompute else 3),
            ),
            "Your days are too few by a factor of two or more. How many operations does one weight cost for "
            "one token?",
            "A weight is multiplied and the product added: that is two, in each pass.",
        ),
        Mistake(
            "recomputation_ignored",
            _days(lambda recompute: 6),
            "Right without recomputation. What is done a second time with it?",
            "Activations that were not kept must be computed again before the backward pass can use them.",
        ),
        Mistake(
            "recomputation_too_dear",
            (
                _days(lambda recompute: 12 if recompute else 6),
                _days(lambda recompute: 10 if recompute else 6),
                _days(lambda recompute: 7 if recompute else 6),
                _days(lambda recompute: 9 if recompute else 6),
            ),
            "Right without recomputation. With it, you count something else than one more forward pass.",
            "Only the forward pass runs twice, the backward pass runs once. What does one forward pass cost?",
        ),
        Mistake(
            "recomputation_always",
            (_days(lambda recompute: 8), _days(lambda recompute: 6 if recompute else 8)),
            "Right with recomputation only. How often does the forward pass run without it?",
            "`recompute` is True where activations are computed a second time. Look at your condition.",
        ),
        Mistake(
            "share",
            (_days(use=0), _days(use=-1)),
            "With you, accelerators that wait more do not take longer. What does a share of 0.4 of the peak "
            "do to the time?",
            "At half the rate everything takes twice as long. Where must the share stand?",
        ),
        Mistake(
            "accelerators",
            (_days(devices=0), _days(devices=-1)),
            "Your days do not fall with the number of accelerators.",
            "The peak is that of one accelerator. What can all of them do in a second?",
        ),
        Mistake(
            "unit_of_time",
            (
                _days(seconds=1),
                _days(seconds=365 * 86_400),
                _days(seconds=3600),
                _days(seconds=60),
                _days(seconds=24),
                _days(seconds=1440),
            ),
            "Your result is in another unit than days.",
            "The peak is per second. How many seconds has a day?",
        ),
        Mistake(
            "upside_down",
            (
                lambda *arguments: 1 / _reference(*arguments),
                lambda *arguments: 86_400**2 * _reference(*arguments),
                _days(over=-1),
            ),
            "Your result has the wrong size by far: something is multiplied that should be divided.",
            "Write the unit beside each number: operations, operations per second, seconds per day. Which "
            "way do they leave days?",
        ),
    ),
    hint="How many operations does the whole training take, and how many are really done in a day?",
    more="Operations per weight and token, times weights, times tokens. Divided by accelerators, peak, "
    "share, and the seconds of a day.",
    example=(1e9, 72e9, 10, 1e14, 0.5, False),
)
