"""Lesson 13's customer service on real questions: CLINC150 and Banking77.

    python benchmarks/capstone_assistant.py [--vectors FOLDER]

Needs both data sets (`course fetch clinc150` and `course fetch banking77`, or COURSE_CAPSTONE). The encoder
stays frozen and its vectors are made once, which takes minutes; `--vectors` keeps them. Heads, index and
threshold are those of `capstone.assistant`; thresholds are chosen on validation questions, and test questions
are looked at once. Writes course_lib/capstone/assistant.json, which the lesson reads.
"""

import argparse
import datetime
import json
import pathlib
import tempfile
import time

import numpy as np

from course_lib import runtime

TARGET = pathlib.Path(__file__).parent.parent / "course_lib/capstone/assistant.json"
PARTS = ("train", "validation", "test")
EIGHT = 500  # Test questions that the 8-bit encoder reads, too.
SHOTS, DRAWS = 10, 5
# As published: accuracy in scope and recall of questions out of scope, both in percent.
PUBLISHED = {
    "CLINC150": {
        "source": "Larson et al. 2019, table 2, full data",
        "BERT, a class for out of scope": [96.9, 40.3],
        "BERT, a threshold": [96.2, 52.3],
        "MLP on sentence vectors, a threshold": [93.4, 49.1],
        "SVM on words, a threshold": [88.2, 18.0],
    },
    "Banking77": {
        "source": "Casanueva et al. 2020, table 3, full data and 10 questions per intent",
        "BERT-large, fine-tuned": [93.66, 83.42],
        "BERT-large, frozen": [87.19, 67.55],
        "USE, frozen": [92.81, 84.23],
        "ConveRT, frozen": [93.01, 83.32],
        "USE and ConveRT, frozen": [93.36, 85.19],
    },
}


def vectors(questions, folder):
    """What the encoder makes of all questions, by part; kept in `folder`."""
    from course_lib import fine_tuning, weights
    from course_lib.capstone.assistant import LENGTHS, unit

    found, backbone = {}, None
    for part in PARTS:
        path = folder / f"{questions.name.lower()}_{part}.npy"
        if not path.is_file():
            backbone = backbone or weights.load_backbone("float32")
            texts = getattr(questions, part).texts
            np.save(path, fine_tuning.features(backbone, texts, sequence_length=LENGTHS[-1], batch_size=64))
        found[part] = unit(np.load(path))
    return found


def share(right):
    """A share with its 95 % interval, in percent."""
    from course_lib.fine_tuning import wilson

    low, high = wilson(int(np.sum(right)), len(right))
    return [round(100 * each, 2) for each in (float(np.mean(right)), low, high)]


def ranking(inside, trust):
    """AUC: how often a question in scope has more trust than one out of scope, in percent."""
    from course_lib.privacy import auc

    return round(100 * auc(trust[inside], trust[~inside]), 2)


def at(threshold, trust, proposed, labels):
    """What happens at a threshold: shares in percent."""
    inside, answered = labels >= 0, trust >= threshold
    found = {
        "threshold": round(float(threshold), 4),
        "right": share((answered & (proposed == labels))[inside]),
        "wrong": share((answered & (proposed != labels))[inside]),
    }
    return found | ({"out_recall": share(~answered[~inside])} if (~inside).any() else {})


def curve(trust, proposed, labels, most):
    """Mean costs at thresholds from 0 to 1, for two prices of a wrong reply."""
    from course_lib.capstone import assistant

    grid = np.linspace(0, 1, 101)
    cost = {
        str(wrong): [round(assistant.mean_cost(t, trust, proposed, labels, wrong, most), 4) for t in grid]
        for wrong in (2.0, 5.0, 20.0)
    }
    edges = np.linspace(0, 1, 26)
    counts = {
        name: np.histogram(trust[kept], edges)[0].tolist()
        for name, kept in (("in scope", labels >= 0), ("out of scope", labels < 0))
    }
    return {"cost": cost, "histogram": counts}


def baseline(questions, part):
    """Probabilities of TF-IDF and logistic regression."""
    from course_lib import imdb

    inside = questions.train.labels >= 0
    texts = [text for text, kept in zip(questions.train.texts, inside, strict=True) if kept]
    model = imdb.linear_baseline(texts, questions.train.labels[inside], regularisation=30.0, min_count=1)
    return model.predict_proba(getattr(questions, part).texts)


def against(ours, theirs):
    """McNemar's test of two classifiers on the same questions."""
    from course_lib.fine_tuning import mcnemar

    won, lost, p_value = mcnemar(ours, theirs)
    return {"won": won, "lost": lost, "p": float(f"{p_value:.2g}")}


def overlap(questions):
    """Test questions that stand word for word among the training ones."""
    known = {text.lower().strip(" ?.!") for text in questions.train.texts}
    return sum(text.lower().strip(" ?.!") in known for text in questions.test.texts)


def measure(questions, folder):
    from course_lib.capstone import assistant

    began, x = time.time(), vectors(questions, folder)
    labels = {part: getattr(questions, part).labels for part in PARTS}
    kept = labels["train"] >= 0
    head = assistant.train_head(x["train"], labels["train"])
    index = assistant.Index(x["train"][kept], labels["train"][kept])
    scored, y, inside = {}, labels["test"], labels["test"] >= 0
    for part in PARTS[1:]:
        p = head.probabilities(x[part])
        proposed, trust = assistant.judge(x[part], head, index)
        places, likeness = index.nearest(x[part])
        scored[part] = {
            "probability": (proposed, p.max(axis=1)),
            "likeness": (index.labels[places], likeness),
            "product": (proposed, trust),
        }
    words = baseline(questions, "test").argmax(axis=1)
    proposed, trust = scored["test"]["product"]
    nearest = scored["test"]["likeness"][0]
    # 32 bits against 8, of the index and of the encoder.
    exact = np.concatenate(
        [(block @ x["train"][kept].T).argmax(axis=1) for block in np.array_split(x["test"], 20)]
    )
    found = {
        "questions": {part: len(labels[part]) for part in PARTS},
        "out_of_scope": {part: int((labels[part] < 0).sum()) for part in PARTS},
        "intents": len(questions.classes),
        "test_in_train": overlap(questions),
        "accuracy": {
            "TF-IDF": share((words == y)[inside]),
            "nearest question": share((nearest == y)[inside]),
            "head": share((proposed == y)[inside]),
        },
        "head_against_tfidf": against(proposed[inside] == y[inside], words[inside] == y[inside]),
        "index": {
            "same_nearest_in_8_bits": share(index.nearest(x["test"])[0] == exact),
            "megabytes": [round(4 * len(index) * 384 / 1e6, 2), round(len(index) * 388 / 1e6, 2)],
        },
    }
    if (~inside).any():
        chosen = {
            name: assistant.choose_threshold(
                scored["validation"][name][1],
                scored["validation"][name][0],
                labels["validation"],
                assistant.WRONG,
                assistant.SHARE,
            )
            for name in scored["test"]
        }
        found["ranking"] = {name: ranking(inside, each[1]) for name, each in scored["test"].items()}
        found["at_least_cost"] = {
            name: at(chosen[name], each[1], each[0], y)
            | {
                "cost": round(
                    assistant.mean_cost(chosen[name], each[1], each[0], y, assistant.WRONG, assistant.SHARE),
                    4,
                )
            }
            for name, each in scored["test"].items()
        }
        # Most questions right, out of scope ones included, as those who publish choose it.
        held, (said, sure) = labels["validation"], scored["validation"]["probability"]

        def right(threshold):
            return np.mean(np.where(held < 0, sure < threshold, (sure >= threshold) & (said == held)))

        said_test, sure_test = scored["test"]["probability"]
        found["at_most_right"] = at(max(np.unique(sure), key=right), sure_test, said_test, y)
        found["curves"] = {
            part: curve(scored[part]["product"][1], scored[part]["product"][0], labels[part], assistant.SHARE)
            for part in PARTS[1:]
        }
    else:
        few = []
        for draw in range(DRAWS):
            rng = np.random.default_rng(draw)
            places = np.concatenate(
                [
                    rng.choice(np.flatnonzero(labels["train"] == each), SHOTS, False)
                    for each in range(found["intents"])
                ]
            )
            small = assistant.train_head(x["train"][places], labels["train"][places], 100.0)
            few.append(float(np.mean(small.probabilities(x["test"]).argmax(axis=1) == y)))
        found["ten_per_intent"] = {
            "mean": round(100 * np.mean(few), 2),
            "draws": [round(100 * f, 2) for f in few],
        }
    found["seconds"] = round(time.time() - began)
    return found, head, index, x


def eight_bits(questions, head, index, x):
    """The same questions through the encoder in 8 bits."""
    from course_lib import weights
    from course_lib.capstone import assistant

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "assistant"
        backbone = weights.load_backbone("float32")
        few = questions.__class__(
            **{
                **vars(questions),
                "validation": type(questions.validation)(
                    questions.validation.texts[:200], questions.validation.labels[:200]
                ),
                "test": type(questions.test)(questions.test.texts[:20], questions.test.labels[:20]),
            }
        )
        assistant.export(path, backbone, few, head, index, 0.3)
        small = assistant.Assistant(path)
        small.warm_up()
        began = time.perf_counter()
        found = small.predict(questions.test.texts[:EIGHT])
        seconds = time.perf_counter() - began
        proposed, trust = assistant.judge(x["test"][:EIGHT], head, index)
        same = [each.label == questions.classes[label] for each, label in zip(found, proposed, strict=True)]
        return {
            "questions": EIGHT,
            "same_intent": share(same),
            "largest_difference_of_trust": round(
                float(np.abs(trust - [each.trust for each in found]).max()), 3
            ),
            "milliseconds": round(1e3 * seconds / EIGHT, 1),
            "megabytes": {each.name: round(each.stat().st_size / 1e6, 2) for each in sorted(path.iterdir())},
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=pathlib.Path, help="folder that keeps the encoder's vectors")
    arguments = parser.parse_args()
    runtime.quiet_logs()
    runtime.setup(seed=0, precision="float32")
    from course_lib.capstone import data

    with tempfile.TemporaryDirectory() as folder:
        folder = arguments.vectors or pathlib.Path(folder)
        clinc, head, index, x = measure(clinc_questions := data.clinc150(), folder)
        clinc["eight_bits"] = eight_bits(clinc_questions, head, index, x)
        banking, *_ = measure(data.banking77(), folder)
    record = {
        "date": datetime.date.today().isoformat(),
        "device": runtime.cpu_name(),
        "versions": runtime.versions(),
        "CLINC150": clinc,
        "Banking77": banking,
        "published": PUBLISHED,
    }
    with runtime.atomic_write(TARGET) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: record[name] for name in ("CLINC150", "Banking77")}, indent=1))


if __name__ == "__main__":
    main()
