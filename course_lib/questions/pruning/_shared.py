"""What several questions of the lesson share."""

import numpy as np

from course_lib.questions import Lesson

pruning = Lesson("pruning")


def _signs(rng, magnitudes):
    return rng.choice([-1.0, 1.0], size=np.shape(magnitudes)) * magnitudes


def _tied(rng, counts):
    """Magnitudes 0.25, 0.5 and 1 so many times, in random order and with random signs."""
    return _signs(rng, rng.permutation(np.repeat([0.25, 0.5, 1.0], counts)))


def _count(weights, sparsity):
    return round(sparsity * weights.size)


def _stable(sizes):
    return np.argsort(sizes, axis=None, kind="stable")


def _drop(weights, places):
    mask = np.ones(weights.size, dtype=bool)
    mask[places] = False
    return mask.reshape(weights.shape)


def _drop_first(scores, count):
    return _drop(scores, _stable(scores)[:count])


def _right_mask(weights, sparsity):
    return _drop_first(np.abs(weights), _count(weights, sparsity))


def _dropping(count, score=np.abs):
    """A mask that drops the first places of a stable order, with another count or score."""
    return lambda weights, sparsity: _drop_first(score(weights), count(weights, sparsity))


def _comparing(compare, more=0, score=np.abs):
    """A mask that compares with the magnitude at a place of the sorted ones."""

    def answer(weights, sparsity):
        ordered = np.sort(np.abs(weights), axis=None)
        place = min(max(_count(weights, sparsity) + more, 0), weights.size - 1)
        return compare(score(weights), ordered[place])

    return answer


def _quantile(compare, share=lambda sparsity: sparsity):
    return lambda weights, sparsity: compare(np.abs(weights), np.quantile(np.abs(weights), share(sparsity)))


def _not_stable(weights, sparsity):
    return _drop(weights, np.argsort(np.abs(weights).ravel())[: _count(weights, sparsity)])


def _partitioned(weights, sparsity):
    count = _count(weights, sparsity)
    return _drop(weights, np.argpartition(np.abs(weights).ravel(), count)[:count])


def _last_of_equals(weights, sparsity):
    kept = weights.size - _count(weights, sparsity)
    return _drop(weights, _stable(-np.abs(weights))[kept:])


def _last_of_equal_values(weights, sparsity):
    return _drop(weights, _stable(-weights)[weights.size - _count(weights, sparsity) :])


def _dropping_the_largest(weights, sparsity):
    return _drop(weights, _stable(-np.abs(weights))[: _count(weights, sparsity)])


def _dropping_the_end(weights, sparsity):
    return _drop(weights, _stable(np.abs(weights))[weights.size - _count(weights, sparsity) :])


def _order_as_ranks(weights, sparsity):
    return (_stable(np.abs(weights)) >= _count(weights, sparsity)).reshape(weights.shape)


def _cut(number):
    return lambda weights, sparsity: int(number(sparsity * weights.size))


def _inverted(answer):
    return lambda weights, sparsity: ~answer(weights, sparsity)


# Who takes True for "goes" may do so with any of these.
_MASKS = (
    _right_mask,
    _comparing(np.greater, -1),
    _comparing(np.greater_equal),
    _quantile(np.greater),
    _quantile(np.greater_equal),
    _not_stable,
    _partitioned,
    _last_of_equals,
    _dropping(_cut(np.floor)),
    _dropping(_cut(np.ceil)),
)
