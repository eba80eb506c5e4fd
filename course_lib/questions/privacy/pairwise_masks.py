"""Question: a sum of which nobody sees the parts."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each

_WHOLE = 2**32


def _mask_calls(rng):
    def call(clients, size, low=-900, high=900):
        values = rng.integers(low, high, size=(clients, size))
        masks = rng.integers(_WHOLE, size=(clients, clients, size))
        for i in range(clients):
            masks[i, : i + 1] = 0
        return values, masks

    def at_the_ends():
        _, masks = call(2, 3)
        return np.array([[-(2**30), 2**30, 7], [-(2**30), 2**30 - 1, -8]]), masks

    negative = call(3, 4, low=-500, high=-10)
    return [
        call(3, 2, low=0),
        call(4, 3),
        Call(negative, about="sums below 0"),
        Call(call(2, 3), about="two clients"),
        Call(call(1, 3), about="a single client"),
        Call(call(5, 4, low=-(10**8), high=10**8), about="large numbers"),
        Call(at_the_ends(), about="the least and the largest sum"),
    ]


def _masked(
    sign=lambda i, j: 1 if i < j else -1,
    pair=lambda masks, i, j: masks[min(i, j), max(i, j)],
    wrapped=lambda x: x % _WHOLE,
    total=lambda sent, values: (sent.sum(axis=0) + _WHOLE // 2) % _WHOLE - _WHOLE // 2,
):
    """What is sent and its sum, with one of the parts replaced.

    Args:
        sign: Of the mask that client i has with client j.
        pair: That mask, from all masks and both clients.
        wrapped: What is sent, from the masked numbers.
        total: From what is sent and the clients' own numbers.
    """

    def answer(values, masks):
        sent = values.astype("int64").copy()
        for i in range(len(values)):
            for j in range(len(values)):
                if i != j:
                    sent[i] += sign(i, j) * pair(masks, i, j)
        sent = wrapped(sent)
        return sent, total(sent, values)

    return answer


def _reference(values, masks):
    return _masked()(values, masks)


def _signed(x):
    return (x + _WHOLE // 2) % _WHOLE - _WHOLE // 2


def _signed_without_remainder(sent, values):
    total = sent.sum(axis=0)
    return np.where(total >= _WHOLE // 2, total - _WHOLE, total)


def _signed_above_the_half(sent, values):
    total = sent.sum(axis=0) % _WHOLE
    return np.where(total > _WHOLE // 2, total - _WHOLE, total)


def _upper_only(values, masks):
    sent = (values + masks.sum(axis=1)) % _WHOLE
    return sent, _signed(sent.sum(axis=0))


def _next_only(values, masks):
    """Each client masks with the next one, in a ring."""
    sent = values.copy()
    for i in range(len(values) - 1):
        sent[i] += masks[i, i + 1]
        sent[i + 1] -= masks[i, i + 1]
    sent %= _WHOLE
    return sent, _signed(sent.sum(axis=0))


QUESTION = Question(
    id="privacy.pairwise_masks",
    title="A sum of which nobody sees the parts",
    points=3,
    minutes=20,
    signature="pairwise_masks(values, masks)",
    calls=_mask_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("sent", "total"),
    dtypes=("int", "int"),
    rtol=0.0,
    atol=0.5,
    mistakes=(
        Mistake(
            "same_sign",
            of_each(lambda sign: _masked(sign), lambda i, j: 1, lambda i, j: -1),
            "Your masks do not cancel: both clients of a pair do the same with it.",
            "Add up what the two send. What must one of them do if the other adds?",
        ),
        Mistake(
            "signs_exchanged",
            _masked(lambda i, j: 1 if i > j else -1),
            "Your total is right, and the numbers that are sent are not. Who adds, who subtracts?",
            "The client with the lower number adds the mask that it has with one of a higher number.",
        ),
        Mistake(
            "lower_half_missing",
            (_upper_only, _masked(pair=lambda masks, i, j: masks[i, j])),
            "Some masks are added and never subtracted. Where does client 2 find the mask that it has with "
            "client 0?",
            "There is one mask for a pair, at `masks[0, 2]`, and both clients use it.",
        ),
        Mistake(
            "neighbours_only",
            _next_only,
            "Right for two clients. With more of them, each has a mask with every other one.",
            "If only neighbours share masks, two dishonest neighbours see what the client between them "
            "sends. How many pairs have three clients?",
        ),
        Mistake(
            "not_wrapped",
            (
                _masked(wrapped=lambda x: x),
                _masked(wrapped=np.abs),
                _masked(wrapped=lambda x: x, total=lambda sent, values: sent.sum(axis=0)),
            ),
            "Numbers are sent that are negative, or do not fit into 32 bits. Their size would tell "
            "something.",
            "After each addition only the remainder by 2³² counts, which lies from 0 to 2³² - 1.",
        ),
        Mistake(
            "other_modulus",
            (
                _masked(wrapped=lambda x: x % (_WHOLE - 1)),
                _masked(wrapped=lambda x: x % (_WHOLE - 1), total=lambda sent, values: values.sum(axis=0)),
                _masked(wrapped=lambda x: x % 2**31, total=lambda sent, values: values.sum(axis=0)),
                _masked(wrapped=lambda x: x % 2**31),
                _masked(wrapped=lambda x: np.fmod(x, _WHOLE)),
                _masked(wrapped=_signed),
                _masked(
                    wrapped=lambda x: np.abs(np.fmod(x, _WHOLE)),
                    total=lambda sent, values: values.sum(axis=0),
                ),
                _masked(wrapped=lambda x: np.fmod(x, _WHOLE), total=lambda sent, values: values.sum(axis=0)),
            ),
            "Your remainder is another one than that by 2³², or it can be negative.",
            "`%` in Python gives a remainder from 0 on, also for negative numbers. 2³² is `2**32`.",
        ),
        Mistake(
            "total_not_wrapped",
            (
                _masked(total=lambda sent, values: sent.sum(axis=0)),
                _masked(total=_signed_without_remainder),
                _masked(total=lambda sent, values: sent.sum(axis=0) - _WHOLE * (len(sent) // 2)),
            ),
            "What is sent is right. In your total the masks have not gone: a multiple of 2³² is left.",
            "The masks cancel as remainders. What has to be done to the sum of all that was sent?",
        ),
        Mistake(
            "total_not_signed",
            _masked(total=lambda sent, values: sent.sum(axis=0) % _WHOLE),
            "Right where the sum is not negative. What does -1 look like as a remainder by 2³²?",
            "Remainders from 2³¹ on stand for negative numbers: how far is 4,294,967,295 from 2³²?",
        ),
        Mistake(
            "least_sum_positive",
            _masked(total=_signed_above_the_half),
            "Right but for one sum, the least that there can be: with you it is positive.",
            "All sums are below 2³¹. What does a remainder of just 2³¹ stand for?",
        ),
        Mistake(
            "mean",
            (
                lambda values, masks: (_reference(values, masks)[0], values.mean(axis=0)),
                lambda values, masks: (_reference(values, masks)[0], values.sum()),
                lambda values, masks: (_reference(values, masks)[0], values.sum(axis=1)),
                _masked(total=lambda sent, values: _signed(sent.sum(axis=1))),
            ),
            "What is sent is right. The total is to be a sum over clients, one for each number.",
            "Clients are the first axis. Which one goes away in the sum?",
        ),
        Mistake(
            "exchanged",
            lambda values, masks: _reference(values, masks)[::-1],
            "Both results are there, and have changed places.",
            "What the clients send comes first, with a row for each of them.",
        ),
    ),
    hint="Write down for three clients which masks each of them uses, and with which sign. Every mask must "
    "stand there twice.",
    more="For every pair i < j: row i gets + masks[i, j], row j gets - masks[i, j]. Remainders by 2**32. For "
    "the total: the remainder of the sum, less 2**32 where it is 2**31 or more.",
    example=(
        np.array([[5], [-9]]),
        np.array([[[0], [4294967294]], [[0], [0]]]),
    ),
)
