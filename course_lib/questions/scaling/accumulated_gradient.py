"""Question: one gradient from several micro-batches."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _accumulation_calls(rng):
    def call(sizes, clip=None, share=None):
        """With a limit, or one that is this share of the right gradient's norm."""
        gradients = np.round(rng.normal(size=(len(sizes), 5)) + rng.normal(size=5), 3)
        sizes = np.array(sizes)
        norm = np.linalg.norm(_mean(gradients, sizes))
        return gradients, sizes, round(float(share * norm), 3) if share else clip

    last = int(rng.integers(1, 4))
    return [
        call([8, 8, 8, last], clip=1000.0),
        call([16, 16, last + 1], clip=1000.0),
        Call(call([8, 8, last], share=0.4), about="a gradient above the limit"),
        Call(call([4, 4, 4, 1], share=1.1), about="a gradient just below the limit"),
        Call(call([8, 8, 8], clip=1000.0), about="micro-batches of one size"),
        Call(call([6], share=0.7), about="a single micro-batch"),
        call([32, 32, 32, 32, last], share=0.6),
    ]


def _mean(gradients, sizes):
    return sizes @ gradients / sizes.sum()


def _clipped(gradient, clip):
    return gradient * min(1.0, clip / np.linalg.norm(gradient))


def _accumulated(mean=_mean, clipped=_clipped):
    """The gradient with one of its two parts replaced."""
    return lambda gradients, sizes, clip: clipped(mean(gradients, sizes), clip)


def _reference(gradients, sizes, clip):
    return _accumulated()(gradients, sizes, clip)


def _clipped_first(mean):
    def answer(gradients, sizes, clip):
        return mean(np.array([_clipped(each, clip) for each in gradients]), sizes)

    return answer


def _clipped_by(norm):
    """Compares another number than the norm with the limit."""
    return _accumulated(clipped=lambda gradient, clip: gradient * min(1.0, clip / norm(gradient)))


def _without_the_last(gradients, sizes):
    kept = sizes == sizes[0]
    return _mean(gradients[kept], sizes[kept])


QUESTION = Question(
    id="scaling.accumulated_gradient",
    title="One gradient from several micro-batches",
    points=2,
    minutes=10,
    signature="accumulated_gradient(gradients, sizes, clip)",
    calls=_accumulation_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "not_weighted",
            (
                _accumulated(lambda gradients, sizes: gradients.mean(axis=0)),
                _accumulated(
                    lambda gradients, sizes: gradients.mean(axis=0), lambda gradient, clip: gradient
                ),
            ),
            "Right for micro-batches of one size. With you, a micro-batch of one example counts as much as "
            "one of eight.",
            "In the large batch every example has the same weight. Each row is a mean: of how many examples "
            "does it speak?",
        ),
        Mistake(
            "added_up",
            _accumulated(lambda gradients, sizes: gradients.sum(axis=0)),
            "Your gradient grows with the number of micro-batches. What would that do to the learning rate?",
            "The sum of means is not the mean of all. Take a single kind of example in every micro-batch: "
            "which gradient must come out?",
        ),
        Mistake(
            "not_divided",
            (
                _accumulated(lambda gradients, sizes: sizes @ gradients),
                _accumulated(lambda gradients, sizes: sizes @ gradients / len(sizes)),
            ),
            "The direction is right, the length is not: your gradient is many times too long where no limit "
            "cuts it.",
            "Size times mean is the sum over a micro-batch's examples. A mean over all examples divides the "
            "sum of these by what?",
        ),
        Mistake(
            "as_if_full",
            (
                _accumulated(lambda gradients, sizes: sizes @ gradients / (len(sizes) * sizes[0])),
                _accumulated(lambda gradients, sizes: sizes @ gradients / (len(sizes) * sizes.max())),
            ),
            "Your gradient is a little too short wherever the last micro-batch is smaller. How many examples "
            "do you divide by?",
            "You count the last micro-batch as if it were full. How many examples are there really?",
        ),
        Mistake(
            "divided_by_size",
            (
                _accumulated(lambda gradients, sizes: (1 / sizes) @ gradients / np.sum(1 / sizes)),
                _accumulated(lambda gradients, sizes: (1 / sizes) @ gradients),
                _accumulated(lambda gradients, sizes: (1 / sizes) @ gradients / len(sizes)),
                _accumulated(lambda gradients, sizes: gradients.sum(axis=0) / sizes.sum()),
            ),
            "You divide each row by a number of examples. Its rows are means already: what do they need "
            "before they can be added?",
            "The gradient of a mean loss has been divided by the size once. To get the sum over the "
            "examples, undo that.",
        ),
        Mistake(
            "last_dropped",
            _accumulated(_without_the_last),
            "The examples of the smaller last micro-batch are missing. Do they teach nothing?",
            "A smaller micro-batch needs a smaller weight, not none.",
        ),
        Mistake(
            "clipped_first",
            of_each(_clipped_first, _mean, lambda gradients, sizes: gradients.mean(axis=0)),
            "You clip every micro-batch for itself. Would the large batch have been clipped in parts?",
            "The micro-batches scatter more than their mean, so a limit that the mean respects cuts some of "
            "them. Which gradient does the optimizer get?",
        ),
        Mistake(
            "not_clipped",
            _accumulated(clipped=lambda gradient, clip: gradient),
            "Right where the gradient is short. What is `clip` for?",
            "Compute the norm of what you return, and compare it with the limit.",
        ),
        Mistake(
            "always_at_the_limit",
            _accumulated(clipped=lambda gradient, clip: gradient * clip / np.linalg.norm(gradient)),
            "Right where the gradient is above the limit. A short one you make longer.",
            "A limit is no target: a gradient below it stays as it is.",
        ),
        Mistake(
            "another_norm",
            of_each(
                _clipped_by,
                lambda gradient: gradient @ gradient,
                lambda gradient: np.sqrt(np.mean(gradient**2)),
                lambda gradient: np.abs(gradient).sum(),
                lambda gradient: np.abs(gradient).max(),
            ),
            "Right where the gradient is far from the limit. Is it the norm that you compare with `clip`?",
            "Compute the root of the sum of the squares of what you return. Is it `clip`?",
        ),
        Mistake(
            "entry_by_entry",
            _accumulated(clipped=lambda gradient, clip: np.clip(gradient, -clip, clip)),
            "You limit each entry by itself. What has to be at most `clip`?",
            "The norm is one number for the whole gradient, and one factor brings it down. Does your "
            "clipping keep the direction?",
        ),
    ),
    hint="How large would the weight of one single example be in the large batch, and how large is it in "
    "the mean of its micro-batch?",
    more="Each row times its size is a sum over examples. Add these, divide by the number of all examples, "
    "and only then look at the norm.",
    example=(np.array([[0.0, 2.0], [4.0, 6.0]]), np.array([3, 1]), 10.0),
)
