"""Question: an alert that does not cry wolf."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _alert_calls(rng):
    def level(above):
        """Values around 0.25: True gives one above it."""
        above = np.asarray(above, bool)
        size = rng.uniform(0.01, 0.1, size=above.shape)
        return np.round(0.25 + np.where(above, size, -size), 3)

    def runs(*lengths):
        """Below, above, below and so on, for these numbers of windows."""
        return level(np.repeat(np.arange(len(lengths)) % 2, lengths))

    a, b = (int(n) for n in rng.integers((1, 1), (3, 4)))
    spike = runs(2, 1, 3, 4, 1)
    spike[2] = round(float(rng.uniform(3.0, 6.0)), 3)
    on_it = runs(1, 2, b, 5, 1)
    on_it[1 + 2 + b + 1] = 0.25
    return [
        (runs(1, 2, a, 1, 1, 4, 1), 0.25, 3),
        Call((spike, 0.25, 3), about="a single very high value"),
        Call((runs(0, 3, b, 1, 1, 4), 0.25, 2), about="values above the threshold from the start"),
        Call((on_it, 0.25, 3), about="a value equal to the threshold"),
        (level(rng.random(10) < 0.5), 0.25, 1),
        (level(rng.random(30) < 0.7), 0.25, 4),
        Call((runs(1, 2), 0.25, 4), about="fewer values than `windows`"),
        (runs(1, 3, 1, 8, 2), 0.25, 3),
    ]


def _streaks(above):
    count, result = 0, []
    for each in above:
        count = count + 1 if each else 0
        result.append(count)
    return np.array(result)


def _firing(values, threshold, windows):
    """The reference."""
    return _streaks(values > threshold) >= windows


def _latched(values, threshold, windows):
    return np.maximum.accumulate(_firing(values, threshold, windows))


def _looking_ahead(values, threshold, windows):
    firing = _firing(values, threshold, windows)
    for end in np.flatnonzero(firing):
        firing[end + 1 - windows : end] = True
    return firing


def _slices(test, first=lambda i, windows: i - windows + 1, beyond=1, from_the_start=True):
    """Alerts from a test of the values of a slice for each window.

    Args:
        test: From the values of the slice and the threshold.
        first: Where the slice begins, from the window's index and `windows`.
        beyond: By how many the slice ends after the window.
        from_the_start: Whether the first windows are tested, too.
    """

    def answer(values, threshold, windows):
        return np.array(
            [
                bool(
                    (from_the_start or i >= windows - 1)
                    and test(values[first(i, windows) : i + beyond], threshold)
                )
                for i in range(len(values))
            ]
        )

    return answer


def _from_0(i, windows):
    return max(i - windows + 1, 0)


def _all_above(values, threshold):
    return np.all(values > threshold)


def _mean_above(values, threshold):
    return len(values) > 0 and np.mean(values) > threshold


def _starting_over(values, threshold, windows):
    count, result = 0, []
    for each in values > threshold:
        count = count + 1 if each else 0
        result.append(count == windows)
        if count == windows:
            count = 0
    return np.array(result)


def _full_windows_only(values, threshold, windows):
    return np.lib.stride_tricks.sliding_window_view(values > threshold, windows).all(axis=1)


def _complete_slices(values, threshold, windows):
    places = range(len(values) - windows + 1)
    return np.array([np.all(values[i : i + windows] > threshold) for i in places], bool)


def _padded_full_windows(values, threshold, windows):
    return np.append(np.zeros(windows - 1, bool), _full_windows_only(values, threshold, windows))


def _padded_convolution(values, threshold, windows):
    found = np.convolve(values > threshold, np.ones(windows, "int64"), "valid")
    return np.append(np.zeros(windows - 1, bool), found == windows)


def _no_longer_than(values, threshold, windows):
    return _full_windows_only(values, threshold, windows) if len(values) >= windows else np.zeros(0, bool)


QUESTION = Question(
    id="deployment.firing",
    title="An alert that does not cry wolf",
    points=2,
    minutes=10,
    signature="firing(values, threshold, windows)",
    calls=_alert_calls,
    reference=_firing,
    mistakes=(
        Mistake(
            "every_breach",
            lambda values, threshold, windows: values > threshold,
            "Your alert fires at every single value above the threshold. What is `windows` for?",
            "By chance alone one value in many is above. Only several of them in a row say that something "
            "has changed.",
        ),
        Mistake(
            "never_reset",
            (
                lambda values, threshold, windows: np.cumsum(values > threshold) >= windows,
                lambda values, threshold, windows: (
                    (np.cumsum(values > threshold) >= windows) & (values > threshold)
                ),
            ),
            "You count all values above the threshold since the start, in a row or not. When does your "
            "count begin anew?",
            "A month has many chance values above it. What has to happen to your count when a value is not "
            "above the threshold?",
        ),
        Mistake(
            "one_too_late",
            (
                lambda values, threshold, windows: _streaks(values > threshold) > windows,
                lambda values, threshold, windows: np.append(False, _firing(values, threshold, windows)[:-1]),
            ),
            "Your alert fires one window too late. How many values above the threshold in a row do you ask "
            "for, and does the present one count?",
            "With three windows the alert fires at the third value in a row, not at the one after it. Look "
            "at your comparison, or at where your slice ends.",
        ),
        Mistake(
            "one_too_early",
            lambda values, threshold, windows: _streaks(values > threshold) >= windows - 1,
            "Your alert fires one window too early. How many values do you look at?",
            "The present value and `windows - 1` before it are `windows` values. With one window an alert "
            "needs one value above the threshold, not none.",
        ),
        Mistake(
            "only_once",
            lambda values, threshold, windows: _streaks(values > threshold) == windows,
            "Your alert begins at the right moment, but it is on in that window only. When does it end?",
            "As long as the values stay above the threshold, the last few of them are all above it. Look at "
            "your comparison: what if the run is longer than needed?",
        ),
        Mistake(
            "starts_over",
            _starting_over,
            "Your alert begins at the right moment, goes off, and comes back if the run is long enough. What "
            "becomes of your count when it fires?",
            "The fourth value in a row has three before it just as the third has two. Only one thing sets "
            "the count back to 0.",
        ),
        Mistake(
            "never_off",
            _latched,
            "Your alert begins at the right moment and never ends. What should someone see who looks when "
            "all is well again?",
            "The answer for a window depends on the last few values only. After the first that is not above "
            "the threshold, the alert is off.",
        ),
        Mistake(
            "at_the_threshold",
            lambda values, threshold, windows: _streaks(values >= threshold) >= windows,
            "Right until a value is exactly as high as the threshold. Does the task count it among those "
            "above?",
            "A value of 0.25 is not above a threshold of 0.25: it ends a run, like any that is lower. Look "
            "at the sign of your comparison.",
        ),
        Mistake(
            "looks_ahead",
            (
                _looking_ahead,
                lambda values, threshold, windows: _firing(values[::-1], threshold, windows)[::-1],
            ),
            "You mark a long run from its first value on. Could you have known at that moment how long it "
            "would get?",
            "On past data one sees the future, in operation one does not. The answer for a window may use "
            "its own value and earlier ones only.",
        ),
        Mistake(
            "mean_of_the_windows",
            (
                _slices(_mean_above, from_the_start=False, first=_from_0),
                _slices(_mean_above, first=_from_0),
                lambda values, threshold, windows: (
                    np.convolve(values, np.ones(windows))[: len(values)] / windows > threshold
                ),
            ),
            "You compare the mean of the last values with the threshold. What does a single very high value "
            "do to it?",
            "One value of 5 lifts the mean of three above 0.25, though the other two are all right. Each "
            "value has to be above the threshold by itself.",
        ),
        Mistake(
            "any_of_the_windows",
            (
                _slices(lambda values, threshold: np.any(values > threshold), first=_from_0),
                _slices(
                    lambda values, threshold: np.any(values > threshold), first=_from_0, from_the_start=False
                ),
            ),
            "One value above the threshold among the last few is enough for your alert. How many have to be?",
            "np.any asks for one, np.all for each. By chance alone one in a few is above quite often.",
        ),
        Mistake(
            "too_few_values_at_the_start",
            _slices(_all_above, first=_from_0),
            "Right but at the start, where your alert fires before there are enough values. How many does it "
            "take?",
            "A slice that begins at 0 is shorter than `windows` there. What does the task say about the "
            "first windows?",
        ),
        Mistake(
            "empty_slices_at_the_start",
            _slices(_all_above),
            "Right but at the start. What is in your slice there? Print it.",
            "A negative start counts from the end, which leaves nothing, or something quite different; and "
            "np.all of nothing is True. The first `windows - 1` answers are known without any slice.",
        ),
        Mistake(
            "first_windows_missing",
            (_full_windows_only, _complete_slices, _no_longer_than),
            "Your result is shorter than `values`. For which windows is there no answer?",
            "Windows at the start have too few values before them, but they get an answer, too: the alert is "
            "off. And `values` may be shorter than `windows`.",
        ),
        Mistake(
            "fewer_values_than_windows",
            (_padded_full_windows, _padded_convolution),
            "Right but where there are fewer values than `windows`. What is the answer then?",
            "Neither a sliding window nor a convolution of mode valid does there what you need. No run can "
            "be long enough, and the result has as many places as ever.",
        ),
        Mistake(
            "numbers",
            lambda values, threshold, windows: _firing(values, threshold, windows).astype("int64"),
            "Your result is right but for its kind: ones and zeros instead of True and False.",
            "`values[result]` would take the values at the places 0 and 1 instead of those with an alert. A "
            "comparison gives booleans, and so does `astype(bool)`.",
        ),
    ),
    hint="Go through the example as it would happen, one window after the other. What do you have to "
    "remember from one window to the next?",
    more="Remember one number: how many values in a row have been above the threshold, the present one "
    "included. It grows by 1 or falls to 0. The alert is on wherever it is at least `windows`.",
    example=(np.array([3.0, 3.0, 2.0, 3.0, 3.0, 3.0]), 2.0, 2),
)
