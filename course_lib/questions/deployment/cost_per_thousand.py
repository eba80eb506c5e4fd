"""Question: what a thousand answers cost."""

import numpy as np

from course_lib.questions import Mistake, Question
from course_lib.questions.deployment._shared import deployment


def _cost_calls(rng):
    def call(utilisation):
        price, rate = rng.uniform(0.05, 4.0), rng.uniform(2.0, 400.0)
        return round(float(price), 2), round(float(rate), 1), utilisation

    shares = [round(float(share), 2) for share in rng.uniform((0.2, 0.55, 0.03), (0.45, 0.9, 0.12))]
    return [call(shares[0]), call(1.0), call(shares[1]), call(shares[2])]


def _cost(seconds=3600.0, requests=1000.0, power=-1, over=-1):
    """The cost with one of its parts replaced; `power` is of the utilisation, `over` of the rate."""

    def answer(price, rate, utilisation):
        return requests * price * utilisation**power / seconds * rate**over

    return answer


def _inverted(requests):
    return lambda *arguments: 1 / _cost(requests=requests)(*arguments)


def _idle(price, rate, utilisation):
    return 1000 * price / np.float64(3600 * rate * (1 - utilisation))


def _idle_added(price, rate, utilisation):
    return _cost()(price, rate, 1.0) * (2 - utilisation)


def _idle_share_paid(price, rate, utilisation):
    return _cost()(price, rate, 1.0) * (1 - utilisation)


QUESTION = Question(
    id="deployment.cost_per_thousand",
    title="What a thousand answers cost",
    points=1,
    minutes=5,
    signature="cost_per_thousand(price_per_hour, requests_per_second, utilisation)",
    calls=_cost_calls,
    reference=lambda price_per_hour, requests_per_second, utilisation: deployment.cost_per_thousand(
        price_per_hour, requests_per_second, utilisation
    ),
    rtol=1e-4,
    atol=1e-10,
    mistakes=(
        Mistake(
            "hours_as_seconds",
            _cost(seconds=1.0),
            "Your cost is 3,600 times too high. In which unit of time is the price, and in which the "
            "requests?",
            "The price is for an hour, the requests are those of a second. Bring both to the same unit.",
        ),
        Mistake(
            "hours_as_minutes",
            _cost(seconds=60.0),
            "Your cost is 60 times too high. How many seconds has an hour?",
            "Requests per second times 60 are those of a minute. The price is that of an hour.",
        ),
        Mistake(
            "hours_multiplied",
            (_cost(seconds=1 / 3600), _cost(seconds=1 / 60)),
            "You multiply where you should divide: your cost is millions, or thousands, of times too high. "
            "Is the machine's price for a second higher or lower than that for an hour?",
            "Write the unit beside each number: money per hour, requests per second. Which operation leaves "
            "money per request?",
        ),
        Mistake(
            "hours_as_days",
            _cost(seconds=86400.0),
            "Your cost is 24 times too low. How long does the machine work for its price?",
            "The price is for an hour. 86,400 are the seconds of a day.",
        ),
        Mistake(
            "utilisation_multiplied",
            _cost(power=1),
            "Right for a utilisation of 1. With you, a machine that idles makes each request cheaper.",
            "At half the load the machine costs as much as before and serves half as many. What happens to "
            "the cost of one request?",
        ),
        Mistake(
            "utilisation_ignored",
            _cost(power=0),
            "Right for a utilisation of 1. Else you count on requests that never came.",
            "You pay for all hours, at night as well. How many requests does the machine really serve in "
            "one?",
        ),
        Mistake(
            "idle_share",
            (_idle, _idle_added, _idle_share_paid),
            "You compute with 1 - utilisation, the share in which the machine idles. Which share gives the "
            "number of requests?",
            "A machine for 2 requests a second, at a utilisation of 0.25, answers half a request a second on "
            "average. What does the cost have to be divided by?",
        ),
        Mistake(
            "one_request",
            _cost(requests=1.0),
            "Your result is a thousand times too small: it is the cost of how many requests?",
            "Prices of a single request have too many zeros to be read. Asked for is the price of a "
            "thousand.",
        ),
        Mistake(
            "thousandth",
            (_cost(requests=1e-3), _cost(requests=1e6)),
            "Your result is off by a factor of a thousand or a million. For how many requests is it to be?",
            "The cost of one request, times a thousand: each of the two steps once.",
        ),
        Mistake(
            "rate_multiplied",
            (_cost(over=1), _cost(over=1, power=1), _cost(over=1, seconds=1 / 3600, power=1)),
            "With you, a faster machine makes each request dearer. What happens to the cost of a request if "
            "the same money pays for more of them?",
            "The price is shared out among all requests of the hour. To share out is to divide.",
        ),
        Mistake(
            "upside_down",
            (_inverted(1000.0), _inverted(1.0), _inverted(1e-3)),
            "A dearer machine makes your result smaller. What stands above the line, and what below it?",
            "You have requests per unit of money. Asked for is money per thousand requests.",
        ),
    ),
    hint="How many requests does the machine really answer in the hour that you pay for?",
    more="Three steps: the requests that are answered in an hour, which are fewer than it could; the price "
    "of the hour divided by them, for one; times a thousand.",
    example=(7.2, 4.0, 0.25),
)
