"""What other libraries make of the data that `test_monitoring.py` gives to `course_lib.deployment`.

They are no dependency of the course, so their figures are recorded. To record them again, in an environment
of its own: `pip install evidently river scikit-learn`, then `python tests/monitoring_reference.py`.
"""

import json
import pathlib

import numpy as np

RECORD = pathlib.Path(__file__).with_name("monitoring_reference.json")


def spread(count, start=0.5):
    """Numbers that fill the interval from 0 to 1 evenly, without chance: multiples of the golden ratio."""
    return (start + np.arange(count) * (np.sqrt(5) - 1) / 2) % 1


def samples():
    """Dict from a name to two samples of 100 numbers: the reference, and what came later."""
    before, after = spread(100), spread(100, 0.3)
    return {
        "the same": (before, after),
        "skewed": (before, after**1.5),
        "shifted": (before, 0.1 + after),
        "narrowed": (before, 0.25 + after / 2),
        "rounded": (np.round(before, 1), np.round(after**2, 1)),
    }


def categories():
    """Dict from a name to counts of two samples in the same categories."""
    return {
        "the same": ([400, 300, 200, 100], [200, 150, 100, 50]),
        "a little": ([400, 300, 200, 100], [180, 160, 100, 60]),
        "large": ([400, 300, 200, 100], [60, 100, 140, 200]),
        "two": ([500, 500], [150, 350]),
    }


def logits():
    """Logits of 300 texts in three classes, surer than they are right, and labels."""
    labels = (3 * spread(300, 0.1)).astype(int)
    scores = np.stack([spread(300, 0.2 + 0.31 * k) for k in range(3)], axis=1) * 6
    scores[np.arange(300), labels] += 2.5
    return scores, labels


def main():
    """Writes the record."""
    import evidently
    import pandas as pd
    import river
    import sklearn
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from river.drift import KSWIN
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    def drift(before, after, method, kind):
        definition = DataDefinition(**{f"{kind}_columns": ["x"]})
        sets = [Dataset.from_pandas(pd.DataFrame({"x": each}), definition) for each in (after, before)]
        snapshot = Report([ValueDrift(column="x", method=method)]).run(*sets)
        return float(snapshot.dict()["metrics"][0]["value"])

    def kswin(before, after):
        detector = KSWIN(window_size=len(before) + len(after), stat_size=len(after), seed=0)
        for value in (*before, *after):
            detector.update(float(value))
        return float(detector.p_value)

    class Scores(ClassifierMixin, BaseEstimator):
        """A classifier whose inputs are its logits."""

        def fit(self, x, y):
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, x):
            return np.asarray(x)

        def predict(self, x):
            return np.asarray(x).argmax(axis=1)

    scores, labels = logits()
    fitted = CalibratedClassifierCV(
        FrozenEstimator(Scores().fit(scores, labels)), method="temperature", ensemble=False
    ).fit(scores, labels)
    temperature = 1 / fitted.calibrated_classifiers_[0].calibrators[0].beta_
    record = {
        "versions": {each.__name__: each.__version__ for each in (evidently, river, sklearn)},
        "ks": {
            name: {"evidently": drift(*pair, "ks", "numerical"), "river": kswin(*pair)}
            for name, pair in samples().items()
        },
        "psi": {
            name: drift(
                *(np.repeat([f"c{i}" for i in range(len(each))], each) for each in pair), "psi", "categorical"
            )
            for name, pair in categories().items()
        },
        "temperature": float(temperature),
    }
    RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
