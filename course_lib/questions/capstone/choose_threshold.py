"""Question: from which score on a service answers."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each, with_each


def _calls(rng):
    def call(count, wrong_cost, ask_cost, about=""):
        places = rng.permutation(count)
        scores = np.round(np.sort(rng.uniform(0.15, 0.99, size=count))[places], 3)
        right = rng.uniform(size=count) < 0.1 + 0.85 * (places / count)
        return Call((scores, right, wrong_cost, ask_cost), about)

    high, low = round(float(rng.uniform(0.7, 0.9)), 2), round(float(rng.uniform(0.2, 0.4)), 2)
    steps = np.array([high, 0.6, low, 0.55, 0.95])
    return [
        call(24, 8.0, 3.0),
        call(40, 5.0, 1.0),
        Call((steps, np.array([False, False, False, True, False]), 4.0, 1.0), about="answers that are wrong"),
        Call((steps, np.array([True, True, False, True, True]), 2.0, 2.5), about="asking that costs more"),
        Call(
            (
                np.array([0.9, 0.7, 0.7, high, low, low]),
                np.array([True, True, False, True, False, True]),
                3.0,
                1.0,
            ),
            about="equal scores",
        ),
        Call(
            (np.array([0.5, low, 0.9, 0.6]), np.array([True, False, True, False]), 2.0, 1.0),
            about="thresholds that cost the same",
        ),
        call(30, 1.0, 0.75),
    ]


def _answer(
    scores,
    right,
    wrong_cost,
    ask_cost,
    passes=np.greater_equal,
    more=(np.inf,),
    best=None,
    tie=max,
    average=np.mean,
    of_right=0.0,
    candidates=None,
):
    """The cheapest threshold with one of the steps replaced.

    Args:
        scores: As in the question.
        right: As in the question.
        wrong_cost: As in the question.
        ask_cost: As in the question.
        passes: Whether a score is answered, from it and the threshold.
        more: Candidates besides the scores.
        best: What is made as small as possible, if not the cost: of what is answered, and what is right.
        tie: Which of the best thresholds is taken.
        average: Makes one number of the costs.
        of_right: What a right answer costs.
        candidates: All candidates, instead of the scores.
    """

    def costs(threshold):
        answered = passes(scores, threshold)
        return average(np.where(answered, np.where(right, of_right, wrong_cost), ask_cost))

    def value(threshold):
        return costs(threshold) if best is None else best(passes(scores, threshold), right)

    tried = [*(scores if candidates is None else candidates), *more]
    least = min(map(value, tried))
    threshold = tie(each for each in tried if value(each) <= least + 1e-9)
    return threshold, costs(threshold)


def _reference(scores, right, wrong_cost, ask_cost):
    return _answer(scores, right, wrong_cost, ask_cost)


def _with(*settings):
    return with_each(_answer, *settings)


def _costs_exchanged(scores, right, wrong_cost, ask_cost):
    return _answer(scores, right, ask_cost, wrong_cost)


def _errors(answered, right):
    return np.mean(answered != right)


def _wrong_answers(answered, right):
    return np.sum(answered & ~right)


def _precision(answered, right):
    return -np.mean(right[answered]) if answered.any() else 0.0


def _never_asks(scores, right, wrong_cost, ask_cost, tie=max):
    """Counts what wrong answers cost, and nothing for those that are handed on."""
    threshold, _ = _answer(scores, right, wrong_cost, 0.0, tie=tie)
    return threshold, np.mean((scores >= threshold) & ~right) * wrong_cost


def _asks_well(scores, right, wrong_cost, ask_cost):
    """Lets it cost nothing to hand over what would have been answered wrongly."""

    def cost(threshold):
        answered = scores >= threshold
        return np.where(answered, np.where(right, 0.0, wrong_cost), right * ask_cost).mean()

    best = min(map(cost, [*scores, np.inf]))
    return max(each for each in [*scores, np.inf] if cost(each) <= best + 1e-9), best


def _between(scores, right, wrong_cost, ask_cost, below=False):
    """The middle between the threshold and the next score below it; of the least score itself, or below."""
    threshold, cost = _reference(scores, right, wrong_cost, ask_cost)
    lower = scores[scores < threshold]
    if np.isinf(threshold) or not (below or lower.size):
        return threshold, cost
    return (threshold + (lower.max() if lower.size else 0.0)) / 2, cost


def _only_answered(scores, right, wrong_cost, ask_cost):
    def average(threshold):
        answered = scores >= threshold
        return np.mean(np.where(right, 0.0, wrong_cost)[answered]) if answered.any() else ask_cost

    tried = [*scores, np.inf]
    least = min(map(average, tried))
    return max(each for each in tried if average(each) <= least + 1e-9), least


QUESTION = Question(
    id="capstone.choose_threshold",
    title="From which score on a service answers",
    points=2,
    minutes=15,
    signature="choose_threshold(scores, right, wrong_cost, ask_cost)",
    calls=_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("threshold", "cost"),
    mistakes=(
        Mistake(
            "most_right",
            _with({"best": _errors}),
            "You make as few errors as possible. A wrong answer and a question that a person takes over do "
            "not cost the same.",
            "Add up what each message costs under a threshold, and take the threshold with the least.",
        ),
        Mistake(
            "fewest_wrong_answers",
            _with({"best": _wrong_answers}, {"best": _wrong_answers, "tie": min}, {"best": _precision}),
            "Your service is careful to a fault: it makes as few wrong answers as it can, whatever the "
            "handing over costs.",
            "A message that is handed over costs `ask_cost`, also where the answer would have been right.",
        ),
        Mistake(
            "asking_is_free",
            (_never_asks, functools.partial(_never_asks, tie=min), _asks_well, _only_answered),
            "What is handed over costs nothing with you. Somebody has to write those answers.",
            "Each message has one of three costs: 0, `wrong_cost` or `ask_cost`. The mean goes over all "
            "messages.",
        ),
        Mistake(
            "costs_exchanged",
            _costs_exchanged,
            "The two costs have changed places.",
            "`wrong_cost` is for what is answered and wrong, `ask_cost` for what is not answered.",
        ),
        Mistake(
            "above_only",
            _with({"passes": np.greater}, {"passes": np.greater, "more": (np.inf, -np.inf)}),
            "A message whose score is just the threshold is handed over with you. The text says otherwise.",
            "Answered is what has a score of at least the threshold: `>=`.",
        ),
        Mistake(
            "never_hands_everything_over",
            _with({"more": ()}),
            "Right, unless no answer is worth its risk. What if the best is to answer nothing?",
            "Infinity is a candidate, too.",
        ),
        Mistake(
            "lowest_of_several",
            _with({"tie": min}, {"tie": next}),
            "The cost is right. Of several thresholds with that cost, the text asks for another one.",
            "Where it costs the same, the service should say less: the highest of them.",
        ),
        Mistake(
            "total_cost",
            _with({"average": np.sum}),
            "The threshold is right. The cost is that of all messages together.",
            "Asked for is the mean cost of a message.",
        ),
        Mistake(
            "grid",
            _with(
                {"candidates": np.linspace(0, 1, 11)},
                {"candidates": np.linspace(0, 1, 101)},
                {"candidates": np.linspace(0, 1, 11), "more": ()},
                {"candidates": np.linspace(0, 1, 101), "more": ()},
            ),
            "Your thresholds come from a grid. Between two of its points there may be a better one.",
            "The cost changes only at the scores themselves: try each of them, and infinity.",
        ),
        Mistake(
            "between_scores",
            (_between, functools.partial(_between, below=True)),
            "The cost is right. Your threshold lies between two scores; the text names other candidates.",
            "Any number between two scores does the same as the upper one of them. Return that score itself.",
        ),
        Mistake(
            "answers_below",
            of_each(lambda passes: _with({"passes": passes})[0], np.less, np.less_equal),
            "Your service answers when it is unsure and hands over when it is sure.",
            "A high score is a sure one: answered are those at or above the threshold.",
        ),
        Mistake(
            "right_answers_cost",
            _with(
                {"average": lambda costs: costs.mean(), "of_right": -1.0},
                {"of_right": 1.0},
            ),
            "A right answer has a cost, or earns something, with you. The text gives it 0.",
            "Three kinds of messages: answered and right costs 0.",
        ),
        Mistake(
            "changed_places",
            lambda *arguments: _reference(*arguments)[::-1],
            "Threshold and cost are right, and they have changed places.",
            "Return `(threshold, cost)`, in this order.",
        ),
    ),
    hint="Write a function that says what one threshold costs. Then try all that could be the best.",
    more="Under a threshold t: `np.where(scores >= t, np.where(right, 0, wrong_cost), ask_cost).mean()`. Try "
    "every score and `np.inf`, and of the cheapest take the highest.",
    example=(np.array([0.9, 0.8, 0.6, 0.3]), np.array([True, True, False, True]), 4.0, 1.0),
)
