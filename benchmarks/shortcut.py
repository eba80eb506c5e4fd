"""Lesson 10's short cut: what ratings such as 8/10 in a review's text do to the reviewer's verdict.

    python benchmarks/shortcut.py    # what is missing; --seconds 200 begins nothing new afterwards

The log-odds of positive of two groups of test reviews, read as the reviewer was trained: at most 256
tokens, from both ends. Those with a number out of ten in their text are read as they are, without it, and
with another in its place. Of the others, the first 100 are read with a sentence put behind them. A review
that is in the package's record is not read again.
"""

import argparse
import datetime
import json
import time

from course_lib import imdb, runtime

PLAIN = 100
PUT_IN_PLACE = {"as it is": None, "without": "", "9/10": "9/10", "2/10": "2/10"}
PUT_BEHIND = (
    "",
    "I saw it on 9/10.",
    "I saw it on 2/10.",
    "My brother gives it 9/10.",
    "My brother gives it 2/10.",
    "I saw it on a Tuesday.",
)
STEP = 6  # Reviews that are read before they are written down.


def variants(text, rated):
    """The texts that are read of one review, by name."""
    from course_lib import interpretability

    text = imdb.clean(text)
    if rated:
        change = interpretability.replace_ratings
        return {name: text if by is None else change(text, by) for name, by in PUT_IN_PLACE.items()}
    return {extra: f"{text} {extra}".strip() for extra in PUT_BEHIND}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="begin nothing new after so many")
    options = parser.parse_args()
    environment = runtime.setup(seed=0)
    from course_lib import interpretability, weights
    from course_lib.interpretability.shortcut import RECORD

    start, test = time.monotonic(), imdb.load(verbose=False).test
    with_rating = [bool(interpretability.ratings(text)) for text in test.texts]
    rated = [i for i, found in enumerate(with_rating) if found]
    plain = [i for i, found in enumerate(with_rating) if not found][:PLAIN]
    result = json.loads(RECORD.read_text()) if RECORD.is_file() else {"rated": {}, "plain": {}}
    model = weights.load_reviewer("float32")
    for name, places in (("plain", plain), ("rated", rated)):
        missing = [i for i in places if str(i) not in result[name]]
        for begin in range(0, len(missing), STEP):
            if time.monotonic() - start > options.seconds:
                return
            group = missing[begin : begin + STEP]
            texts = {i: variants(test.texts[i], name == "rated") for i in group}
            every = [text for each in texts.values() for text in each.values()]
            leans = iter(interpretability.lean(model, every, length=256))
            for i, each in texts.items():
                result[name][str(i)] = {variant: round(float(next(leans)), 3) for variant in each}
            result["recorded"] = {
                "date": datetime.date.today().isoformat(),
                "machine": f"{environment.device_name}, which other work shared",
                "versions": environment.versions,
                "length": 256,
            }
            with runtime.atomic_write(RECORD) as part:
                part.write_text(json.dumps(result) + "\n")
            print(f"{name}: {len(result[name])} reviews, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
