"""Scoring on one Ray node and on two: how many times the rows a second, and what a lost node costs.

    python benchmarks/score_nodes.py            # laps that are missing, then a run that loses a node

Both nodes are on this machine, with a processor each, and what Ray and the driver do themselves needs
the same processors. So there is a control beside the reviewer: a classifier that only waits, as long for each
text. It shows what the distribution costs; the reviewer, what two processors gain.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time
import types

import ray
from ray.cluster_utils import Cluster

from course_lib import deployment, imdb, runtime
from course_lib.scaling import ray_score, score

ROOT = pathlib.Path(__file__).resolve().parents[1]
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
}
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20, "include_log_monitor": False}


class Waiting:
    """Judges nothing and waits: what is left when no processor has anything to do."""

    name = "waiting"

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self):
        return self

    def predict(self, texts):
        time.sleep(self.seconds * len(texts))
        return [types.SimpleNamespace(label="none", probability=1.0)] * len(texts)


def rows(path, count):
    texts = imdb.load(verbose=False).test.texts[:count]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def lap(source, folder, make, cluster):
    target = folder / "out.jsonl"
    began = time.monotonic()
    report = score.score(source, target, make, replace=True, run=ray_score.on_ray(cluster.address))
    return report.scored / (time.monotonic() - began), target.read_bytes()


def warm(cluster, make, folder):
    """Every node has loaded the classifier, which takes longer than a chunk."""
    few = rows(folder / "few.jsonl", 8 * score.ROWS)
    score.score(few, folder / "warm.jsonl", make, replace=True, run=ray_score.on_ray(cluster.address))


def lose_a_node(source, folder, make, cluster, node, want):
    """Scores and takes a node away half-way; returns lines that say what happened."""
    began, lines = time.monotonic(), []

    def say(line):
        lines.append(f"{time.monotonic() - began:5.1f} s  {line}")
        print(lines[-1], flush=True)

    half = len(want.splitlines()) // 2
    gone = threading.Event()

    def show(done, _):
        if done >= half and not gone.is_set():
            gone.set()
            say(f"{done} rows are done; the processes of node {node.node_id[:8]} are killed")
            threading.Thread(target=cluster.remove_node, args=(node, False)).start()
        elif gone.is_set():
            say(f"{done} rows are done")

    say(f"scoring {len(want.splitlines())} rows on two nodes")
    target = folder / "lost.jsonl"
    report = score.score(source, target, make, replace=True, run=ray_score.on_ray(cluster.address), show=show)
    say(f"{report.scored} rows scored, {report.rejected} set aside")
    same = target.read_bytes() == want
    say(f"the file is {'' if same else 'NOT '}byte for byte that of one machine")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--laps", type=int, default=3)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--chunk", type=int, default=16)
    parser.add_argument("--output", type=pathlib.Path, default=score.RECORD)
    options = parser.parse_args()
    settings = {"rows": options.rows, "rows_per_chunk": options.chunk, "cores_per_node": 1}
    record = {"settings": settings, "laps": []}
    if options.output.is_file():
        before = json.loads(options.output.read_text(encoding="utf-8"))
        record = before if before["settings"] == settings else record
    score.ROWS = options.chunk
    reviewer = score.Bundle(deployment.reviewer_bundle())

    def keep():
        with runtime.atomic_write(options.output) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    os.environ |= RAY  # What the nodes' processes get.
    cluster = Cluster()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = rows(folder / "in.jsonl", options.rows)
        cluster.add_node(**NODE, include_dashboard=False, no_monitor=True)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        try:
            score.score(source, folder / "here.jsonl", reviewer)
            here = (folder / "here.jsonl").read_bytes()
            node = None
            while len(record["laps"]) < options.laps or "lost" not in record:
                found = {}
                for nodes in (1, 2):
                    if nodes == 2 and node is None:
                        node = cluster.add_node(**NODE)
                        cluster.wait_for_nodes()
                    warm(cluster, reviewer, folder)
                    rate, data = lap(source, folder, reviewer, cluster)
                    assert data == here
                    if nodes == 1:
                        waiting = Waiting(1 / rate)
                    found[str(nodes)] = {
                        "reviewer": round(rate, 1),
                        "waiting": round(lap(source, folder, waiting, cluster)[0], 1),
                        "load": round(os.getloadavg()[0], 1),
                    }
                    print(nodes, found[str(nodes)], flush=True)
                record["laps"].append(found)
                if len(record["laps"]) >= options.laps and "lost" not in record:
                    record["lost"] = lose_a_node(source, folder, reviewer, cluster, node, here)
                else:
                    cluster.remove_node(node)
                node = None
                keep()
        finally:
            ray.shutdown()
            cluster.shutdown()
    record |= {
        "ratio": {
            name: round(statistics.median(lap["2"][name] / lap["1"][name] for lap in record["laps"]), 2)
            for name in ("reviewer", "waiting")
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": runtime.cpu_name(),
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            **{each: importlib.metadata.version(each) for each in ("ray", "ai-edge-litert")},
        },
        "note": "Both nodes are on one machine with two cores, which Ray and the driver use, too; `load` is "
        "what the machine had to do meanwhile, others' work included: where there is more of it, two "
        "processes get a larger share than one. `waiting` is a classifier that sleeps.",
    }
    keep()
    print(record["ratio"])


if __name__ == "__main__":
    main()
