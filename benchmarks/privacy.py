"""Lesson 11's records: what models of the reviewer's recipe say of their training reviews, and a Flower run.

    python benchmarks/privacy.py membership
    python benchmarks/privacy.py flower

`membership` fine-tunes the whole encoder on 100 and on 250 reviews, five passes, as the reviewer was on
20,000, and keeps each model's margins (the logit of the right class less the other's) for reviews that it
learned from and for test reviews. A run that was cut off goes on where it stopped. `flower` keeps what a
server and three clients, one of which leaves and one of which sends nonsense, said in their logs. Both write
into course_lib/privacy/, where the lesson reads them. About seven minutes on two cores.
"""

import argparse
import datetime
import importlib.metadata
import json
import pathlib
import re
import tempfile
import time

import numpy as np

from course_lib import runtime

FOLDER = pathlib.Path(__file__).parent.parent / "course_lib/privacy"
SIZES = (100, 250)
OTHERS, REVIEWER = 1_000, 500  # Test reviews that the two judge; members and others for the reviewer.
FORM = {"sequence_length": 48, "how": "tail"}
PASSES, BATCH, PEAK = 5, 25, 2e-4


def about():
    versions = runtime.versions() | {"Flower": importlib.metadata.version("flwr")}
    return {
        "date": datetime.date.today().isoformat(),
        "device": runtime.cpu_name(),
        "versions": versions,
    }


def save(name, record):
    with runtime.atomic_write(FOLDER / name) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def margins(model, part, **form):
    """The logit of the right class less that of the other, of each review."""
    from course_lib import fine_tuning

    logits = fine_tuning.predict(model, part.texts, **form)
    found = np.where(part.labels > 0, 1, -1) * (logits[:, 1] - logits[:, 0])
    return [round(float(each), 2) for each in found]


def fine_tuned(part):
    """The reviewer's recipe on fewer reviews, cut to fewer tokens."""
    import keras

    from course_lib import fine_tuning, imdb, weights

    keras.utils.set_random_seed(0)
    model = fine_tuning.freeze_embeddings(fine_tuning.classifier(weights.load_backbone()))
    data = imdb.batches(part.texts, part.labels, batch_size=BATCH, shuffle=True, **FORM)
    fine_tuning.fine_tune(model, data, epochs=PASSES, learning_rate=PEAK)
    return model


def membership(rows):
    path = FOLDER / "membership.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": {}}
    runtime.setup(seed=0)
    from course_lib import imdb, weights

    corpus = imdb.load()
    card = weights.reviewer_card()
    for size in (*SIZES, card["training"]["settings"]["train"]):
        if str(size) in record["rows"] or rows == 0:
            continue
        rows -= 1
        begin = time.monotonic()
        if size in SIZES:
            members, others, form = corpus.train.first(size), corpus.test.first(OTHERS), FORM
            model = fine_tuned(members)
        else:
            members, others = corpus.train.first(REVIEWER), corpus.test.first(REVIEWER)
            form = {"sequence_length": card["length"], "how": "both"}
            model = weights.load_reviewer()
        record["rows"][str(size)] = {
            "members": margins(model, members, **form),
            "others": margins(model, others, **form),
            "length": form["sequence_length"],
            "minutes": round((time.monotonic() - begin) / 60, 1),
        }
        record["rows"] = dict(sorted(record["rows"].items(), key=lambda row: int(row[0])))
        record |= {**about(), "settings": {"passes": PASSES, "batch": BATCH, "peak": PEAK}}
        save("membership.json", record)
        print(size, record["rows"][str(size)]["minutes"], "minutes")


def flower(_):
    from course_lib.privacy import flower, heads

    rng = np.random.default_rng(0)
    clients = {}
    for name, size in {"short": 90, "middling": 60, "long": 30}.items():
        features = rng.normal(size=(size, 16)) / 4
        clients[name] = features, (features.sum(axis=1) + rng.normal(0, 0.3, size) > 0).astype(int)
    faults = {"short": (2, "nonsense"), "long": (3, "leaves")}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        weights, history = flower.run(folder, heads.head(16), clients, 4, faults)
        logs = {}
        for path in sorted(pathlib.Path(folder).glob("*.log")):
            text = re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(encoding="utf-8"))
            lines = [line.rstrip() for line in text.splitlines()]
            logs[path.stem] = [re.sub(r"\b[0-9a-f-]{32,36}\b", "ID", line) for line in lines if line]
    record = {
        **about(),
        "seconds": round(time.monotonic() - begin, 1),
        "faults": {name: list(fault) for name, fault in faults.items()},
        "history": history,
        "weights": [each.ravel().tolist() for each in weights],
        "logs": logs,
    }
    save("flower.json", record)
    print(json.dumps(history, indent=1))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["membership", "flower"])
    parser.add_argument("--rows", type=int, default=-1, help="how many rows of `membership` to add; all")
    given = parser.parse_args()
    {"membership": membership, "flower": flower}[given.what](given.rows)


if __name__ == "__main__":
    main()
