"""Lesson 13's financial news on Financial PhraseBank: lexicons, TF-IDF, the encoder, 8 bits.

    python benchmarks/capstone_news.py    # about three minutes; writes course_lib/capstone/news.json

A random fifth of the statements, with the classes' shares, is the test set, an eighth of the rest the
validation set. The settings (the ridge of the head, the rate and the epochs of the adapted blocks) were tried
on another split of the same statements, and not changed after.
"""

import datetime
import json
import pathlib
import tempfile
import time

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from course_lib import capstone, runtime
from course_lib.capstone import data

RECORD = pathlib.Path(capstone.__file__).with_name("news.json")


def parts(labels, seed=0):
    """Places of the training, validation and test set."""
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
    train, validation = train_test_split(rest, test_size=0.125, stratify=labels[rest], random_state=seed)
    return train, validation, test


def scores(labels, predictions, agreement):
    """Accuracy and macro F1 on all, on what all annotators agree on, and on the rest."""
    found = {}
    for name, which in (
        ("all", agreement > 0),
        ("all agree", agreement == 1),
        ("some disagree", agreement < 1),
    ):
        pair = labels[which], predictions[which]
        found[name] = {
            "accuracy": round(float(np.mean(pair[0] == pair[1])), 4),
            "macro_f1": round(float(f1_score(*pair, average="macro")), 4),
            "statements": int(which.sum()),
        }
    return found


def main():
    start, environment = time.monotonic(), runtime.setup(seed=0)
    from course_lib import deployment, fine_tuning, weights
    from course_lib.capstone import news

    bank = data.phrasebank()
    train, validation, test = parts(bank.labels)
    texts = np.array(bank.texts, dtype=object)
    truth, agreement, predictions = bank.labels[test], bank.agreement[test], {}
    seconds = {}

    def lap(name):
        seconds[name] = round(time.monotonic() - start - sum(seconds.values()), 1)
        print(f"{name}: {seconds[name]} s", flush=True)

    predictions["always neutral"] = np.full(len(test), news.NEUTRAL)
    for name, lexicon in (("general lexicon", news.general_lexicon()), ("course's lexicon", None)):
        predictions[name] = news.by_sign(news.lexicon_scores(texts[test], lexicon))
    linear = news.linear_baseline(list(texts[train]), bank.labels[train])
    predictions["TF-IDF"] = linear.predict(list(texts[test]))
    lap("lexicons and TF-IDF")

    backbone = weights.load_backbone("float32")
    features = fine_tuning.features(backbone, list(texts), sequence_length=64)
    head = news.train_head(features[train], bank.labels[train])
    predictions["frozen encoder, head"] = head.logits(features[test]).argmax(axis=1)
    lap("features of the encoder")

    reviewer = weights.load_reviewer("float32")
    sided = np.flatnonzero(truth != news.NEUTRAL)
    film = fine_tuning.predict(reviewer, list(texts[test]), sequence_length=64)
    lean = film[:, 1] - film[:, 0]
    right = (lean > 0) == (truth > news.NEUTRAL)
    predictions["film reviewer"] = np.where(lean > 0, 2, 0)
    lap("the film reviewer")

    model = news.adapt(backbone, list(texts[train]), bank.labels[train])
    lap("adapting two blocks")
    held, logits = (
        fine_tuning.predict(model, list(texts[p]), sequence_length=64) for p in (validation, test)
    )
    predictions["last two blocks adapted"] = logits.argmax(axis=1)
    temperature = deployment.fit_temperature(held, bank.labels[validation])
    calm = deployment.softmax(logits / temperature)
    threshold, coverage = news.choose_threshold(
        deployment.softmax(held / temperature), bank.labels[validation], accuracy=0.95
    )
    answered = calm.max(axis=1) >= threshold
    lap("predicting")

    compressed = {}
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("float32", "dynamic"):
            path = pathlib.Path(folder) / mode
            deployment.export(
                model,
                path,
                data.Texts(tuple(texts[validation]), bank.labels[validation]),
                data.Texts(tuple(texts[test][:100]), truth[:100]),
                labels=data.SENTIMENTS,
                mode=mode,
                lengths=(64,),
            )
            classifier = deployment.Classifier(path)
            begin = time.perf_counter()
            small = classifier.logits(list(texts[test]))
            compressed[mode] = {
                "megabytes": round((path / "model.tflite").stat().st_size / 1e6, 1),
                "milliseconds": round(1e3 * (time.perf_counter() - begin) / len(test), 1),
                **scores(truth, small.argmax(axis=1), agreement)["all"],
                "same_labels": round(float(np.mean(small.argmax(axis=1) == logits.argmax(axis=1))), 4),
            }
            lap(f"{mode} bundle")

    right_of = {name: each == truth for name, each in predictions.items()}
    pairs = (
        ("frozen encoder, head", "TF-IDF"),
        ("last two blocks adapted", "TF-IDF"),
        ("last two blocks adapted", "frozen encoder, head"),
        ("TF-IDF", "course's lexicon"),
    )
    record = {
        "recorded": {
            "date": datetime.date.today().isoformat(),
            "machine": f"{environment.device_name}, which other work shared",
            "versions": environment.versions,
            "seconds": seconds,
        },
        "statements": {
            "train": len(train),
            "validation": len(validation),
            "test": len(test),
            "classes": np.bincount(bank.labels, minlength=3).tolist(),
            "all_agree": int(np.sum(bank.agreement == 1)),
        },
        "models": {name: scores(truth, each, agreement) for name, each in predictions.items()},
        "film_reviewer_on_sided": {
            "statements": len(sided),
            "accuracy": round(float(np.mean(right[sided])), 4),
            "calls_neutral_positive": round(float(np.mean(lean[truth == news.NEUTRAL] > 0)), 4),
        },
        "mcnemar": {
            f"{one} / {other}": fine_tuning.mcnemar(right_of[one], right_of[other]) for one, other in pairs
        },
        "calibration": {
            "temperature": round(temperature, 3),
            "error_before": round(
                deployment.expected_calibration_error(deployment.softmax(logits), truth)[0], 4
            ),
            "error_after": round(deployment.expected_calibration_error(calm, truth)[0], 4),
        },
        "selective": {
            "wanted": 0.95,
            "threshold": round(threshold, 3),
            "coverage_validation": round(coverage, 3),
            "coverage": round(float(answered.mean()), 3),
            "accuracy": round(float(np.mean(calm[answered].argmax(axis=1) == truth[answered])), 4),
        },
        "compressed": compressed,
        "confusion": [
            [int(np.sum((truth == i) & (predictions["last two blocks adapted"] == j))) for j in range(3)]
            for i in range(3)
        ],
    }
    with runtime.atomic_write(RECORD) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
