"""The official test reviews, once: the reviewer's 8-bit bundle and TF-IDF, trained on the same 20,000.

    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/official.py

No lesson and no choice looks at these reviews. All are judged that the archive has. What has been judged is
kept, a thousand at a time, in the folder that --state names, so that a run that was killed goes on. Writes
official.json and README's table.
"""

import argparse
import hashlib
import json
import pathlib
import sys
import time

import harness
import numpy as np
import pages

from course_lib import runtime

RECORDED = pathlib.Path(__file__).with_suffix(".json")
PART = 1000


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("build/official"))
    return parser.parse_args()


def judge(classifier, texts, folder):
    """The classes that a classifier gives texts.

    Args:
        classifier: With `logits(texts)`.
        texts: List of str.
        folder: Where the classes of each thousand are kept; those that are there are taken.

    Returns:
        An integer array, and the minutes that were spent on those that were not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, begun, made = [], time.monotonic(), 0
    for start in range(0, len(texts), PART):
        path = folder / f"{start:05d}.json"
        if not path.is_file():
            classes = classifier.logits(texts[start : start + PART]).argmax(axis=1).tolist()
            harness.write_json(path, classes)
            made += len(classes)
        found += json.loads(path.read_text())
        seconds = time.monotonic() - begun
        print(f"{len(found):,} of {len(texts):,} reviews, {seconds:.0f} s", file=sys.stderr, flush=True)
    return np.array(found), round((time.monotonic() - begun) / 60, 1) if made == len(texts) else None


def compare(labels, ours, theirs):
    """Accuracies, intervals and McNemar's test, a dict that JSON can hold."""
    from course_lib import fine_tuning

    first, second = (fine_tuning.evaluate(labels, each) for each in (ours, theirs))
    won, lost, p_value = fine_tuning.mcnemar(first.right, second.right)
    return {
        "reviews": first.total,
        "reviewer": _summary(first),
        "tfidf": _summary(second),
        "mcnemar": {"only_reviewer": won, "only_tfidf": lost, "p": float(f"{p_value:.2g}")},
    }


def _summary(found):
    low, high = found.interval
    return {
        "accuracy": round(found.accuracy, 4),
        "correct": found.correct,
        "interval": [round(low, 4), round(high, 4)],
        "macro_f1": round(found.macro_f1, 4),
    }


def table(found):
    """The result in markdown: a table, and McNemar's test in words."""
    lines = [
        f"| on {found['reviews']:,} official test reviews | accuracy (95 % interval) | macro F1 |",
        "|---|---|---|",
    ]
    for name, key in (
        ("the reviewer, 8-bit bundle", "reviewer"),
        ("TF-IDF and logistic regression", "tfidf"),
    ):
        lines.append(f"| {name} | {pages.share(found[key])} | {found[key]['macro_f1']:.3f} |")
    copies = f"{found['copies']} of these reviews are also among the 20,000 training reviews, word for word."
    minutes = f", the bundle in {found['minutes']} minutes" if found["minutes"] is not None else ""
    where = f"Recorded on {found['measured on']} on {found['machine']}{minutes}."
    return "\n".join([*lines, "", f"{pages.versus(found['mcnemar'])} {copies} {where}"])


def main():
    options = arguments()
    environment = runtime.setup(seed=0)
    from course_lib import deployment, imdb

    test = imdb.load_official().test
    train = imdb.load().train
    folder = deployment.reviewer_bundle()
    model = deployment.read_card(folder)["sha256"][deployment.MODEL]
    # What is kept is of this model and of these reviews.
    key = hashlib.sha256("\n".join([model, *test.ids]).encode()).hexdigest()[:12]
    ours, minutes = judge(deployment.Classifier(folder), test.texts, options.state / key)
    theirs = imdb.linear_baseline(train.texts, train.labels).predict(test.texts)
    found = compare(test.labels, ours, theirs) | {
        "copies": len(set(train.texts) & set(test.texts)),
        "model": model,
        "minutes": minutes,
        "machine": runtime.cpu_name(),
        "versions": environment.versions,
        "measured on": time.strftime("%d %B %Y").lstrip("0"),
    }
    harness.write_json(RECORDED, found)
    pages.fill("official", table(found))
    print(table(found))


if __name__ == "__main__":
    main()
