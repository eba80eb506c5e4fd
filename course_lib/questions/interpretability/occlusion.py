"""Question: what happens without a word."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each

_PADDING, _MASK, _CLS, _SEP = 0, 4, 2, 3


def _occlusion_calls(rng):
    values = np.round(rng.normal(scale=0.8, size=30), 2)
    values[[_PADDING, _MASK, _CLS, _SEP]] = rng.uniform(0.2, 0.4, size=4).round(2) + np.array(
        [0.2, -0.9, 0, 0.4]
    )
    special = (_CLS, _SEP)

    def text(words, padding):
        ids = rng.choice(np.arange(5, 30), size=words, replace=False)
        return np.array([_CLS, *ids, _SEP, *[_PADDING] * padding])

    twice = text(6, 2)
    twice[4] = twice[2]
    pair = text(6, 1)
    pair[3] = _SEP
    return [
        (text(5, 0), values, special, _MASK),
        Call((text(4, 3), values, special, _MASK), about="padding"),
        Call((twice, values, special, _MASK), about="a word that stands twice"),
        Call((pair, values, special, _MASK), about="two segments"),
        Call((text(0, 4), values, special, _MASK), about="a text without words"),
        Call((text(5, 2)[1:], values, (_SEP,), _MASK), about="a text without [CLS]"),
        (text(12, 4), values, special, _MASK),
    ]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _real(token_ids):
    return token_ids != _PADDING


def _score(token_ids, values):
    return _sigmoid(values[token_ids[_real(token_ids)]].sum())


def _replaced(token_ids, place, mask_id):
    changed = token_ids.copy()
    changed[place] = mask_id
    return changed


def _occluded(
    score=_score,
    replaced=_replaced,
    words=lambda token_ids, special: _real(token_ids) & ~np.isin(token_ids, special),
    change=lambda full, without: full - without,
    give=lambda found, words: found,
):
    """The attributions with one of their parts replaced.

    Args:
        score: Of token ids and values.
        replaced: The token ids without a word, from ids, place and the id of the mask.
        words: Where the words are, from token ids and special ones.
        change: From the scores with and without the word.
        give: What is returned, from all attributions and where the words are.
    """

    def answer(token_ids, values, special_ids, mask_id):
        found, full = np.zeros(len(token_ids)), score(token_ids, values)
        here = words(token_ids, special_ids)
        for place in np.flatnonzero(here):
            found[place] = change(full, score(replaced(token_ids, place, mask_id), values))
        return give(found, here)

    return answer


def _reference(token_ids, values, special_ids, mask_id):
    return _occluded()(token_ids, values, special_ids, mask_id)


def _all_alike(token_ids, place, mask_id):
    return np.where(token_ids == token_ids[place], mask_id, token_ids)


def _one_after_the_other(token_ids, values, special_ids, mask_id, from_the_last=False):
    """The masks stay, and each drop is measured from the full text or from the last one."""
    changed, found = token_ids.copy(), np.zeros(len(token_ids))
    full = _score(changed, values)
    for place, token in enumerate(token_ids):
        if token != _PADDING and token not in special_ids:
            changed[place] = mask_id
            score = _score(changed, values)
            found[place] = full - score
            full = score if from_the_last else full
    return found


def _ends_only(token_ids, special_ids):
    """The first and the last token of the text, whatever they are."""
    here = _real(token_ids)
    places = np.flatnonzero(here)
    here[[places[0], places[-1]]] = False
    return here


def _occluded_without_special(token_ids, values, special_ids, mask_id):
    silent = values.copy()
    silent[list(special_ids)] = 0.0
    return _reference(token_ids, silent, special_ids, mask_id)


def _sum(token_ids, values):
    return values[token_ids[_real(token_ids)]].sum()


def _mean(token_ids, values):
    return _sigmoid(values[token_ids[_real(token_ids)]].mean())


def _with_padding(token_ids, values):
    return _sigmoid(values[token_ids].sum())


QUESTION = Question(
    id="interpretability.occlusion",
    title="What happens without a word",
    points=2,
    minutes=15,
    signature="occlusion(token_ids, values, special_ids, mask_id)",
    calls=_occlusion_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "sign",
            (
                _occluded(change=lambda full, without: without - full),
                _occluded(change=lambda full, without: abs(full - without)),
            ),
            "Your numbers have the right size, but not the right signs. A word that speaks for class 1: does "
            "the score rise or fall without it?",
            "A word that raises the score gets a positive number, one that lowers it a negative one.",
        ),
        Mistake(
            "padding_occluded",
            _occluded(words=lambda token_ids, special: ~np.isin(token_ids, special)),
            "Right without padding. With you, a place where there is no word takes part in the verdict.",
            "A mask put onto padding is a new token, which the model did not see before. What is the "
            "attribution of padding?",
        ),
        Mistake(
            "special_occluded",
            (
                _occluded(words=lambda token_ids, special: _real(token_ids)),
                _occluded(words=lambda token_ids, special: token_ids >= 0),
                _occluded(words=lambda token_ids, special: _real(token_ids) & (token_ids != _CLS)),
                _occluded(words=lambda token_ids, special: _real(token_ids) & (token_ids != special[-1])),
            ),
            "Your words are right, but special tokens get numbers, too. What would a text without its [SEP] "
            "be?",
            "Those tokens are the frame of every text, not something that its author said. The third "
            "argument lists them.",
        ),
        Mistake(
            "ends_only",
            _occluded(words=_ends_only),
            "You leave out the first and the last token, whatever they are. Do special tokens stand there "
            "only, and always?",
            "A text of two segments has a [SEP] in its middle, and a text may begin with a word. Compare "
            "ids, not places.",
        ),
        Mistake(
            "removed",
            (
                _occluded(replaced=lambda ids, place, mask_id: np.delete(ids, place)),
                _occluded(replaced=lambda ids, place, mask_id: _replaced(ids, place, _PADDING)),
            ),
            "You take the word out, or put padding there. What is to stand in its place?",
            "The mask token has a value of its own. With a real model, a text without a token is another "
            "text: all later words move up.",
        ),
        Mistake(
            "all_alike",
            _occluded(replaced=_all_alike),
            "Right but for a word that stands twice: with you, both go at once.",
            "The question is asked of a place, not of a word. How many tokens may change at a time?",
        ),
        Mistake(
            "masks_stay",
            (
                _one_after_the_other,
                lambda *arguments: _one_after_the_other(*arguments, from_the_last=True),
            ),
            "The first word is right, the later ones are not. What does your text look like when it is the "
            "turn of the second word?",
            "An assignment into an array stays. Each word is occluded in a text in which all the others are "
            "there.",
        ),
        Mistake(
            "no_sigmoid",
            (
                _occluded(score=_sum),
                lambda ids, values, special, mask: np.where(
                    _real(ids) & ~np.isin(ids, special), values[ids] - values[mask], 0.0
                ),
                _occluded(change=lambda full, without: np.log(full / without)),
            ),
            "Your numbers are differences of something else than probabilities.",
            "The same word moves a text that is sure already by less than one that is not. Which function "
            "sees to that?",
        ),
        Mistake(
            "padding_in_the_score",
            (
                _occluded(score=_with_padding),
                _occluded(score=_with_padding, words=lambda ids, special: ~np.isin(ids, special)),
            ),
            "Right without padding. Your score changes if a text gets more padding at its end.",
            "The value of id 0 is a number like any other in the table. Which tokens does the model add up?",
        ),
        Mistake(
            "special_not_counted",
            _occluded_without_special,
            "Your scores leave out special tokens. They get no attribution, but does the model read them?",
            "Every token that is not padding adds its value to the sum, whether or not it is ever occluded.",
        ),
        Mistake(
            "mean_of_values",
            _occluded(score=_mean),
            "Your score is made of the mean of the values. What does the task's model do with them?",
            "The sum of the values of all tokens that are not padding, and of that the sigmoid.",
        ),
        Mistake(
            "score_returned",
            of_each(
                lambda give: _occluded(change=give),
                lambda full, without: without,
                lambda full, without: 1 - without,
                lambda full, without: (full - without) / full,
            ),
            "You return something else than a difference of two scores.",
            "How much lower is the score without the word than with it? Subtract, and no more.",
        ),
        Mistake(
            "words_only",
            _occluded(give=lambda found, words: found[words]),
            "Your result has as many numbers as there are words. Which length is asked for?",
            "Every place gets a number, so that it can be drawn under its token; where nothing was occluded "
            "it is 0.",
        ),
    ),
    hint="Write the model first, and check it with the example. Then occlude one word by hand.",
    more="Make a copy of the ids for each place, put the mask there, and subtract its score from that of the "
    "full text. Leave a 0 where the id is 0 or among the special ones.",
    example=(np.array([2, 6, 5, 3, 0]), np.array([0.5, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0]), (2, 3), 4),
)
