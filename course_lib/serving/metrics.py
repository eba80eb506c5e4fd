"""What Prometheus reads of a service."""

import functools
import logging
import threading

import prometheus_client

from course_lib import deployment

_log = logging.getLogger(__package__)


def version(card):
    """A short name for what a folder holds: its version, or the beginning of its model's checksum."""
    return card.get("version") or card.get("sha256", {}).get(deployment.MODEL, "unknown")[:12]


class Metrics:
    """What Prometheus reads, in a registry of its own. No value and no label comes from a text.

    Args:
        settings: A `Settings`.
        card: The model card.
        waiting: Function that returns how many texts wait.
    """

    def __init__(self, settings, card, waiting):
        self.registry = registry = prometheus_client.CollectorRegistry()
        counter = functools.partial(prometheus_client.Counter, registry=registry)
        gauge = functools.partial(prometheus_client.Gauge, registry=registry)
        histogram = functools.partial(prometheus_client.Histogram, registry=registry)
        self.requests = counter("course_requests", "Requests.", ["path", "status"])
        self.errors = counter("course_errors", "Failures inside the service.", ["path"])
        times = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
        self.seconds = histogram("course_request_seconds", "Time to the answer.", ["path"], buckets=times)
        sizes = (1, 2, 4, 8, 16, 32, 64)
        self.batch = histogram("course_batch_size", "Texts that ran together.", buckets=sizes)
        gauge("course_model_info", "Which model answers.", ["sha256"]).labels(version(card)).set(1)
        gauge("course_queue_length", "Texts that wait.").set_function(waiting)
        self.labels = counter("course_predictions", "Predictions.", ["label"])
        levels = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
        self.confidence = histogram("course_confidence", "Of the likeliest class.", buckets=levels)
        self.psi = gauge("course_drift_psi", "Population stability index.", ["feature"])
        self.alert = gauge("course_drift_alert", "Whether it has drifted.", ["feature"])
        prometheus_client.ProcessCollector(registry=registry)
        self._lock = threading.Lock()  # The monitor's: batches come while Prometheus reads.
        try:
            reference = card["reference"]
            known = {
                name: reference[name]
                for name in deployment.WATCHED
                if name in reference or name in deployment.FEATURES
            }
            self._monitor = deployment.DriftMonitor(known, window=settings.drift_window)
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("Drift is not watched, the model card's reference does not serve: %r", error)
            self._monitor = None
        else:
            for name in known:
                self.alert.labels(name).set(0)
            from scipy import stats  # noqa: F401  The monitor needs it: seconds that no request shall wait.

    def observe(self, predictions):
        """Takes in the predictions of a batch."""
        self.batch.observe(len(predictions))
        with self._lock:
            for each in predictions:
                self.labels.labels(each.label).inc()
                self.confidence.observe(each.probability)
                if self._monitor:
                    self._monitor.add(deployment.features(each))

    def text(self):
        """All of it in Prometheus' format."""
        with self._lock:
            drift = self._monitor.report() if self._monitor else {}
        for name, found in drift.items():
            self.psi.labels(name).set(found.psi)
            self.alert.labels(name).set(found.alert)
        return prometheus_client.generate_latest(self.registry)
