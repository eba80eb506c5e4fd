"""Lesson 13's recommendation on MovieLens (small, 2016): popularity, matrix factorisation and two towers.

    python benchmarks/capstone_recommendation.py    # three minutes; writes capstone/recommendation.json

The cut is the time before which three quarters of the users rated last. Settings were chosen on a split of
the same kind, made of the ratings before that cut; `--validate` prints how they do there.
"""

import argparse
import dataclasses
import datetime
import json
import pathlib
import time

import numpy as np

from course_lib import capstone, runtime
from course_lib.capstone import data

RECORD = pathlib.Path(capstone.__file__).with_name("recommendation.json")
K = 20


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--validate", action="store_true", help="only print, of the validation split")
    options = parser.parse_args()
    start, environment = time.monotonic(), runtime.setup(seed=0)
    from course_lib import fine_tuning, weights
    from course_lib.capstone import recommendation as films

    ratings = data.movielens()
    whole = films.split(ratings)
    split = films.split(ratings, until=whole.cut) if options.validate else whole
    count = ratings.item_count
    text = films.centred(
        fine_tuning.features(weights.load_backbone("float32"), films.text_of(ratings), sequence_length=32)
    )
    seconds = {"texts": round(time.monotonic() - start, 1)}
    print(seconds, flush=True)

    last = [dataclasses.replace(case, wanted=case.wanted[-1:]) for case in split.cases]

    def judged(scores, allowed=None):
        return films.evaluate(scores, split.cases, K, allowed)

    def summary(scores):
        recall, ndcg = judged(scores).T
        return {
            "recall": round(float(recall.mean()), 4),
            "recall_error": round(float(recall.std() / np.sqrt(len(recall))), 4),
            "ndcg": round(float(ndcg.mean()), 4),
            "recall_known": round(float(judged(scores, split.known)[:, 0].mean()), 4),
            # The same film, among 100 drawn by chance and among all.
            "sampled_hit_10": round(float(films.sampled_hits(scores, split.cases).mean()), 4),
            "last_hit_10": round(float(films.evaluate(scores, last, 10)[:, 0].mean()), 4),
        }

    def interval(one, other):
        return [round(bound, 4) for bound in films.paired_interval(one, other)]

    every, models = {}, {}

    def keep(name, scores, begin):
        every[name], seconds[name] = scores, round(time.monotonic() - begin, 1)
        models[name] = summary(scores)
        print(f"{name}: {models[name]}, {seconds[name]} s", flush=True)

    begin = time.monotonic()
    same = films.popularity(split.histories, count)
    keep("popularity", np.tile(same, (len(split.cases), 1)), begin)
    begin = time.monotonic()
    factors = films.factorise(split.histories, count)
    folded = np.array([factors @ films.fold_in(case.history, factors) for case in split.cases])
    keep("matrix factorisation", folded, begin)
    trained = {}
    for name, settings in {
        "towers: text and embeddings": {},
        "towers: embeddings": {"use_text": False, "drop": 0.0},
        "towers: text": {"drop": 1.0},
    }.items():
        begin = time.monotonic()
        trained[name] = films.train_towers(split.histories, text, **settings).served()
        keep(name, trained[name].scores(split.cases), begin)
    if options.validate:
        return

    # Cold start: a fifth of the known films is taken out of training, and only they are ranked.
    rng = np.random.default_rng(0)
    out = np.zeros(count, bool)
    out[rng.permutation(np.flatnonzero(split.known))[: int(split.known.sum() / 5)]] = True
    left = tuple(each[~out[each]] for each in split.histories)
    left = tuple(each for each in left if len(each))
    cases = []
    for case in split.cases:
        both = np.concatenate([case.history, case.wanted])
        history = case.history[~out[case.history]]
        if out[both].any() and len(history) >= 5:
            cases.append(dataclasses.replace(case, history=history, rated=history, wanted=both[out[both]]))
    begin = time.monotonic()
    towers = films.train_towers(left, text).served()
    cold_factors = films.factorise(left, count)
    cold_scores = {
        "matrix factorisation": np.array(
            [cold_factors @ films.fold_in(c.history, cold_factors) for c in cases]
        ),
        "text without training": text_scores(cases, text),
        "towers: text and embeddings": towers.scores(cases),
        "chance": rng.random((len(cases), count)),
    }
    cold = {name: films.evaluate(each, cases, K, out)[:, 0] for name, each in cold_scores.items()}
    seconds["cold start"] = round(time.monotonic() - begin, 1)

    served = trained["towers: text and embeddings"]
    rows = served.rows()
    index = films.Index(rows)
    exact = every["towers: text and embeddings"]
    users = np.array([np.append(served.user(case.history), 1.0) for case in split.cases])
    eight = users @ index.decoded().T
    same_lists = [
        np.isin(films.ranked(a, c, K), films.ranked(b, c, K)).mean()
        for a, b, c in zip(exact, eight, split.cases, strict=True)
    ]
    begin = time.perf_counter()
    for user in users:
        index.search(user, K)
    milliseconds = 1e3 * (time.perf_counter() - begin) / len(users)
    pairs = (
        ("matrix factorisation", "popularity"),
        ("towers: text and embeddings", "popularity"),
        ("towers: text and embeddings", "matrix factorisation"),
        ("towers: embeddings", "matrix factorisation"),
        ("towers: text and embeddings", "towers: embeddings"),
    )
    unknown = np.concatenate([~split.known[case.wanted] for case in split.cases])
    record = {
        "recorded": {
            "date": datetime.date.today().isoformat(),
            "machine": f"{environment.device_name}, which other work shared",
            "versions": environment.versions,
            "seconds": seconds,
            "k": K,
        },
        "split": {
            "cut": str(np.datetime64(split.cut, "s").astype("datetime64[D]")),
            "training_users": len(split.histories),
            "training_likes": sum(map(len, split.histories)),
            "cases": len(split.cases),
            "wanted": sum(len(case.wanted) for case in split.cases),
            "films": count,
            "known_films": int(split.known.sum()),
            "wanted_unknown": round(float(np.mean(unknown)), 4),
        },
        "models": models,
        "intervals_recall": {
            f"{one} - {other}": interval(judged(every[one])[:, 0], judged(every[other])[:, 0])
            for one, other in pairs
        },
        "interval_sampled_towers_minus_factorisation": interval(
            *(
                films.sampled_hits(every[name], split.cases)
                for name in ("towers: text and embeddings", "matrix factorisation")
            )
        ),
        "cold_start": {
            "films": int(out.sum()),
            "cases": len(cases),
            "recall": {name: round(float(each.mean()), 4) for name, each in cold.items()},
            "intervals": {
                f"{one} - {other}": interval(cold[one], cold[other])
                for one, other in (
                    ("towers: text and embeddings", "chance"),
                    ("matrix factorisation", "chance"),
                    ("text without training", "towers: text and embeddings"),
                )
            },
        },
        "index": {
            "megabytes_float32": round(rows.astype("float32").nbytes / 1e6, 2),
            "megabytes_int8": round(index.nbytes / 1e6, 2),
            "same_films": round(float(np.mean(same_lists)), 4),
            "recall_int8": round(float(judged(eight)[:, 0].mean()), 4),
            "milliseconds": round(milliseconds, 2),
        },
    }
    with runtime.atomic_write(RECORD) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - start:.0f} s")


def text_scores(cases, text):
    """Dot products of the films' texts and the mean of the history's texts."""
    return np.array([text @ text[case.history].mean(axis=0) for case in cases])


if __name__ == "__main__":
    main()
