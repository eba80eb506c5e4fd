"""Scoring a table on one machine and on a Ray cluster: each row once, whatever is lost on the way."""

import csv
import importlib.util
import io
import itertools
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import types
import uuid

import hypothesis
import pytest
from hypothesis import strategies

from course_lib import cli, deployment
from course_lib.scaling import score, tables

ROOT = pathlib.Path(__file__).resolve().parent.parent


class StandIn:
    """As `score.Bundle` and its classifier: sure at once, slow if told, and leaves a note of each call."""

    def __init__(self, notes=None, seconds=0.0, name="stand-in"):
        self.notes, self.seconds, self.name = notes, seconds, name

    def __call__(self):
        return self

    def predict(self, texts):
        if self.notes:
            path = pathlib.Path(self.notes, uuid.uuid4().hex)
            ray = sys.modules.get("ray")
            node = ray.get_runtime_context().get_node_id() if ray and ray.is_initialized() else None
            path.write_text(json.dumps([os.getpid(), node, texts[0]]))
        time.sleep(self.seconds)
        return [
            types.SimpleNamespace(
                label=("short", "long")[len(text) > 9], probability=0.5 + len(text) % 7 / 15
            )
            for text in texts
        ]


def notes(folder):
    """What stand-ins noted: `(process, node, first text)` of each call."""
    return [json.loads(text) for path in folder.iterdir() if (text := path.read_text())]


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def rejected(path):
    lines = path.with_name(f"{path.name}.rejected.jsonl").read_text(encoding="utf-8").splitlines()
    return [(found["line"], found["reason"].partition(":")[0]) for found in map(json.loads, lines)]


@pytest.fixture
def table(tmp_path):
    """120 rows in a CSV file, every eleventh without a text."""
    rows = [[i, "" if i % 11 == 5 else f"film {i} " + "very " * (i % 3) + "good"] for i in range(120)]
    return write_csv(tmp_path / "films.csv", [["id", "text"], *rows])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(score, "ROWS", 4)


# One machine


def test_order_and_columns_are_kept(table, tmp_path, small):
    report = score.score(table, tmp_path / "out.csv", StandIn())
    before = [row for row in read_csv(table)[1:] if row[1]]
    header, *after = read_csv(tmp_path / "out.csv")
    assert header == ["id", "text", "predicted_label", "probability"]
    assert [row[:2] for row in after] == before
    want = StandIn().predict([row[1] for row in before])
    assert [row[2:] for row in after] == [[each.label, str(round(each.probability, 6))] for each in want]
    assert (report.scored, report.rejected, report.before) == (109, 11, 0)
    assert "11 rows set aside" in str(report)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "films.csv",
        "out.csv",
        "out.csv.rejected.jsonl",
    ]


FIELDS = strategies.text(strategies.characters(codec="utf-8"), max_size=20)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(strategies.lists(strategies.tuples(FIELDS, FIELDS), max_size=8))
def test_csv_keeps_every_field(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    rows = [[other, f"a{text}"] for other, text in rows]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["other", "text"], *rows])
    (folder / "in.csv").write_bytes(out.getvalue().encode())
    score.score(folder / "in.csv", folder / "out.csv", StandIn())
    assert [row[:2] for row in read_csv(folder / "out.csv")[1:]] == rows


PIECES = strategies.sampled_from(
    [
        b"\n",
        b"\r",
        b'"',
        b",",
        b"text",
        b'{"text": "a"}',
        b'{"text":',
        b"}",
        b"\xff",
        b"\x00",
        b" ",
        "é".encode(),
    ]
)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(strategies.lists(PIECES, max_size=20).map(b"".join))
def test_whatever_a_file_holds_no_line_is_lost_without_a_word(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "in.jsonl").write_bytes(content)
    report = score.score(folder / "in.jsonl", folder / "out.jsonl", StandIn())
    lines = [line for line in content.split(b"\n") if line.decode("utf-8", "surrogateescape").strip()]
    assert report.scored + report.rejected == len(lines)
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == report.scored
    (folder / "in.csv").write_bytes(b"text,n\n" + content)
    report = score.score(folder / "in.csv", folder / "out.csv", StandIn())
    assert len(read_csv(folder / "out.csv")) == report.scored + 1
    if report.rejected:
        kept = (folder / "out.csv.rejected.jsonl").read_text().splitlines()
        assert len(kept) == report.rejected


def test_malformed_rows_of_csv_are_set_aside(tmp_path):
    lines = [
        b"\xef\xbb\xbftext,n",
        b'"two\nlines, and a ""quote""",1',
        b",2",
        b" <br /> ,3",
        b"one column",
        b"a,b,c",
        b"caf\xe9,4",
        b'"x"y,5',
        b"",
        b"z" * 100_001 + b",6",
        b"z" * 900_000 + b",7",
        b",".join([b"y" * 1000] * 500),
        "café,8".encode(),
    ]
    (tmp_path / "in.csv").write_bytes(b"\n".join(lines))
    report = score.score(tmp_path / "in.csv", tmp_path / "out.csv", StandIn())
    assert [row[:2] for row in read_csv(tmp_path / "out.csv")[1:]] == [
        ['two\nlines, and a "quote"', "1"],
        ["café", "8"],
    ]
    assert rejected(tmp_path / "out.csv") == [
        (4, "no text but white space or tags"),
        (5, "no text but white space or tags"),
        (6, "wrong number of columns"),
        (7, "wrong number of columns"),
        (8, "not UTF-8"),
        (9, "broken CSV"),
        (11, "the text is too long"),
        (12, "broken CSV"),
        (13, "the line is too long"),
    ]
    assert report.reasons["wrong number of columns"] == 2
    assert "caf\\\\xe9,4" in (tmp_path / "out.csv.rejected.jsonl").read_text()


def test_a_longer_field_that_others_allow_changes_nothing(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"text,n\n" + b"z" * 131_073 + b",1\nfine,2\n")
    before = csv.field_size_limit(2**24)
    try:
        report = score.score(tmp_path / "in.csv", tmp_path / "out.csv", StandIn())
        assert csv.field_size_limit() == 2**24
    finally:
        csv.field_size_limit(before)
    assert report.reasons == {"broken CSV": 1}
    assert report.scored == 1


def test_a_quote_that_is_not_closed_costs_no_memory_and_not_the_rest(tmp_path):
    good = b"fine,1\n" * 3
    bad = b'"open,2\n' + b"lost,3\n" * 20_000
    (tmp_path / "in.csv").write_bytes(b"text,n\n" + good + bad + good)
    report = score.score(tmp_path / "in.csv", tmp_path / "out.csv", StandIn())
    assert report.reasons == {"broken CSV": 1}
    assert "or a quote that is not closed" in (tmp_path / "out.csv.rejected.jsonl").read_text()
    assert report.scored > 6  # After 131,072 characters the next line begins a row again.


def test_malformed_rows_of_json_are_set_aside_and_others_keep_every_byte(tmp_path):
    good = [b'{"n": 1.0, "text": "a\\u0000b", "big": 1e400}', '{"text":"café" ,"o":{"k":[]}}'.encode()]
    bad = [
        b'{"text": 5}',
        b'{"text": null}',
        b"{}",
        b"[1]",
        b'{"text": "a"',
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": "' + b"a" * 2_000_000 + b'"}',
        b'{"text": "a", "probability": 1}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([good[0], *bad, b"", good[1] + b" \r"]))
    score.score(tmp_path / "in.jsonl", tmp_path / "out.jsonl", StandIn())
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [line[: line.index(b', "predicted_label"')] for line in lines] == [each[:-1] for each in good]
    assert [json.loads(line)["predicted_label"] for line in lines] == ["short", "short"]
    assert rejected(tmp_path / "out.jsonl") == [
        (2, "the text is no string"),
        (3, "no text"),
        (4, "no text"),
        (5, "no JSON object"),
        (6, "broken JSON"),
        (7, "not UTF-8"),
        (8, "broken JSON"),
        (9, "the line is too long"),
        (10, "it has keys that are added"),
    ]


def test_parquet_keeps_types_and_order(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = [None if i % 7 == 0 else f"text {i}" for i in range(700)]
    texts = arrow.array(texts).dictionary_encode()
    days = arrow.array(range(700), arrow.date32())
    before = arrow.table({"day": days, "text": texts, "lists": [[i, None] for i in range(700)]})
    parquet.write_table(before, tmp_path / "in.parquet", row_group_size=100)
    report = score.score(tmp_path / "in.parquet", tmp_path / "out.parquet", StandIn())
    after = parquet.read_table(tmp_path / "out.parquet")
    assert after.drop_columns(list(tables.NEW)).equals(before.filter(arrow.compute.is_valid(before["text"])))
    assert after.schema.field("probability").type == arrow.float64()
    assert (report.scored, report.reasons) == (600, {"no text": 100})
    assert rejected(tmp_path / "out.parquet")[1] == (8, "no text")


def test_parquet_that_is_not_utf8(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = arrow.array([b"good", b"caf\xe9"]).view(arrow.string())
    parquet.write_table(arrow.table({"text": texts}), tmp_path / "in.parquet")
    score.score(tmp_path / "in.parquet", tmp_path / "out.parquet", StandIn())
    assert rejected(tmp_path / "out.parquet") == [(2, "not UTF-8")]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_without_rows(tmp_path, suffix):
    (tmp_path / f"in{suffix}").write_text("text\n" if suffix == ".csv" else "")
    report = score.score(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", StandIn())
    assert (report.scored, report.set_aside) == (0, None)
    assert (tmp_path / f"out{suffix}").read_text() == (
        "text,predicted_label,probability\n" if suffix == ".csv" else ""
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"review,n\n", "has no column 'text'; its columns are 'review', 'n'"),
        (b"text,text\n", "more than one column 'text'"),
        (b"text,probability\n", "has columns of the names that are added: probability"),
        (b"te\xffxt\n", "is not UTF-8"),
        (b'"text"x\n', "is no CSV"),
    ],
)
def test_a_first_line_that_cannot_be_used(tmp_path, content, message):
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        score.score(tmp_path / "in.csv", tmp_path / "out.csv", StandIn())
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_files_that_do_not_fit(table, tmp_path):
    def fails(source, target, message, **more):
        with pytest.raises(ValueError, match=re.escape(message)):
            score.score(source, target, StandIn(), **more)

    fails(tmp_path / "none.csv", tmp_path / "out.csv", "There is no file")
    fails(table, tmp_path / "out.jsonl", "must be of the same kind")
    fails(table, table, "must be no folder and not", replace=True)
    (tmp_path / "in.txt").touch()
    fails(tmp_path / "in.txt", tmp_path / "out.txt", "ends in one of .csv, .jsonl, .parquet")
    if importlib.util.find_spec("pyarrow"):
        (tmp_path / "in.parquet").write_text("none")
        fails(tmp_path / "in.parquet", tmp_path / "out.parquet", "is no Parquet file")
    (tmp_path / "out.csv").write_text("mine")
    fails(table, tmp_path / "out.csv", "is there already. --replace replaces it.")
    assert (tmp_path / "out.csv").read_text() == "mine"
    score.score(table, tmp_path / "out.csv", StandIn(), replace=True)
    assert len(read_csv(tmp_path / "out.csv")) == 110


def test_no_more_is_read_than_is_at_work():
    taken = []

    def start(chunk):
        taken.append(chunk)
        return chunk

    found = score.in_flight(itertools.count(), 3, start, lambda running: running[:1], lambda done: -done)
    assert list(itertools.islice(found, 5)) == [(i, -i) for i in range(5)]
    assert len(taken) <= 5 + 3


def test_chunks_are_cut_by_rows_and_by_characters(monkeypatch):
    monkeypatch.setattr(score, "CHARACTERS", 100)
    rows = [tables.Row(i, "x" * (60 if i < 4 else 0)) for i in range(4 + score.ROWS + 3)]
    assert [len(chunk.rows) for chunk in score.chunks(rows)] == [2, 2, score.ROWS, 3]
    assert not list(score.chunks([]))


# What is cut off goes on

DRIVER = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import test_scaling_score as own
own.score.ROWS = 4
run = None
if {address!r}:
    import ray
    ray.cloudpickle.register_pickle_by_value(own)
    from course_lib.scaling import ray_score
    run = ray_score.on_ray({address!r})
own.score.score({source!r}, {target!r}, own.StandIn({notes!r}, 0.1), run=run)
"""


def killed_driver(source, target, notes, address="", parts=5):
    """Scores in another process, which is killed when some parts are there; returns how many."""
    names = {"tests": ROOT / "tests", "root": ROOT, "source": source, "target": target, "notes": notes}
    code = DRIVER.format(address=address, **{name: str(path) for name, path in names.items()})
    driver = subprocess.Popen([sys.executable, "-c", code])
    folder = target.with_name(f"{target.name}.parts")
    try:
        assert wait_for(lambda: len(list(folder.glob("*.counts"))) >= parts or driver.poll() is not None)
        assert driver.poll() is None
    finally:
        driver.kill()
        driver.wait()
    assert not target.exists()
    return len(list(folder.glob("*.counts")))


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_a_killed_driver_goes_on(table, tmp_path, small):
    seen, out = tmp_path / "notes", tmp_path / "out.csv"
    seen.mkdir()
    score.score(table, tmp_path / "whole.csv", StandIn())
    done = killed_driver(table, out, seen)
    report = score.score(table, out, StandIn(seen))
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert report.before == 4 * done
    assert not out.with_name("out.csv.parts").exists()
    first = [text for process, _, text in notes(seen) if process == os.getpid()]
    assert len(first) == len(set(first)) == 30 - done  # What had a part was not judged again.


def test_half_a_part_is_none(table, tmp_path, small):
    parts = tmp_path / "out.csv.parts"

    def broken(make, waiting):
        yield from itertools.islice(score.on_threads(make, waiting), 3)
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError, match="power"):
        score.score(table, tmp_path / "out.csv", StandIn(), run=broken)
    last = max(parts.glob("*.counts"))
    last.unlink()
    last.with_suffix(".rows").write_bytes(b"half a ro")
    report = score.score(table, tmp_path / "out.csv", StandIn())
    assert (report.scored, report.before) == (109, 8)
    score.score(table, tmp_path / "whole.csv", StandIn())
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_parts_of_something_else_are_not_gone_on_from(table, tmp_path, small):
    def stopped(make, waiting):
        yield from itertools.islice(score.on_threads(make, waiting), 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score.score(table, tmp_path / "out.csv", StandIn(), run=stopped)
    with pytest.raises(ValueError, match="was done of another classifier"):
        score.score(table, tmp_path / "out.csv", StandIn(name="another"))
    table.write_text(table.read_text() + "120,one more\n")
    with pytest.raises(ValueError, match="was done of another input"):
        score.score(table, tmp_path / "out.csv", StandIn())


def test_two_at_once_do_not_disturb_each_other(table, tmp_path, small, capsys):
    out, seen = tmp_path / "out.csv", []

    def work():
        try:
            seen.append(score.score(table, out, StandIn(seconds=0.02)))
        except ValueError as error:
            seen.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in seen) == ["Report", "ValueError"]
    assert len(read_csv(out)) == 110


# The command


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, minilm):
    """A tiny classifier, not trained, whose answers differ from text to text."""
    import keras
    import numpy as np

    from course_lib import fine_tuning, imdb, transformer, weights

    keras.utils.set_random_seed(1)
    model = fine_tuning.classifier(
        transformer.encoder(len(weights.vocabulary()), 1, 2, 16, 32, max_length=32)
    )
    kernel = model.weights[-2]
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape) * 3)
    split = imdb.Split([f"film {i}" for i in range(60)], np.arange(60) % 2, [f"t{i}" for i in range(60)])
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return deployment.export(model, folder, split, split, mode="float32", lengths=(16, 32))


def course(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["course", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


def test_the_command_says_what_predict_says(monkeypatch, capsys, bundle, table, tmp_path):
    assert course(monkeypatch, "score", table, tmp_path / "out.csv", "--bundle", bundle) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"109 rows scored: {tmp_path / 'out.csv'}\n11 rows set aside: ")
    after = read_csv(tmp_path / "out.csv")[1:]
    want = deployment.Classifier(bundle, threads=1).predict([row[1] for row in after])
    assert [row[2] for row in after] == [each.label for each in want]
    assert [float(row[3]) for row in after] == pytest.approx([each.probability for each in want], abs=2e-6)
    assert course(monkeypatch, "score", table, tmp_path / "out.csv", "--bundle", bundle) == 1
    assert "--replace" in capsys.readouterr().err


def test_a_bundle_has_a_name_of_its_own(bundle, tmp_path):
    import shutil

    other = shutil.copytree(bundle, tmp_path / "other")
    assert score.Bundle(other).name == score.Bundle(bundle).name
    found = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps({**found, "temperature": 2.0}))
    assert score.Bundle(other).name != score.Bundle(bundle).name


def test_importing_loads_no_framework():
    code = (
        "import sys; from course_lib.scaling import launch, ray_score, score\n"
        "print([name for name in ('keras', 'tensorflow', 'jax', 'ray', 'sklearn') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_without_ray_the_error_says_what_to_install(monkeypatch, capsys, table, tmp_path, bundle):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert course(monkeypatch, "score", table, tmp_path / "o.csv", "-b", bundle, "--ray", "auto") == 1
    assert capsys.readouterr().err == 'course: --ray needs Ray: pip install "course-lib[scale]"\n'


def test_the_record_agrees_with_itself():
    found = score.recorded()
    for name, ratio in found["ratio"].items():
        gains = [lap["2"][name] / lap["1"][name] for lap in found["laps"]]
        assert ratio == pytest.approx(statistics.median(gains), abs=0.006)
    assert found["ratio"]["waiting"] > 1.7
    assert any("are killed" in line for line in found["lost"])
    assert found["lost"][-2].endswith(f"{found['settings']['rows']} rows scored, 0 set aside")
    assert found["lost"][-1].endswith("the file is byte for byte that of one machine")


# A Ray cluster of two nodes


NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}


def started(cluster, tries=3):
    """Two nodes; on a machine that is very busy Ray itself gives up after half a minute."""
    made = cluster()
    try:
        made.add_node(**NODE, include_dashboard=False, no_monitor=True)
        made.add_node(**NODE)
    except Exception:
        made.shutdown()
        if tries == 1:
            raise
        return started(cluster, tries - 1)
    return made


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one processor each, on this machine."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "4")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        import ray
        from ray.cluster_utils import Cluster

        made = started(Cluster)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        try:
            ray.init(made.address, log_to_driver=False, logging_level="ERROR")
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def on_ray(cluster):
    from course_lib.scaling import ray_score

    return ray_score.on_ray(cluster.address)


@pytest.fixture
def whole(table, tmp_path, small):
    """What one machine makes of the table."""
    score.score(table, tmp_path / "whole.csv", StandIn())
    return (tmp_path / "whole.csv").read_bytes(), (tmp_path / "whole.csv.rejected.jsonl").read_bytes()


def both(path):
    return path.read_bytes(), path.with_name(f"{path.name}.rejected.jsonl").read_bytes()


def disturbed(table, tmp_path, cluster, disturb, seconds=0.1):
    """Scores on the cluster; `disturb` is called with the notes once some are there."""
    seen, out = tmp_path / "notes", tmp_path / "out.csv"
    seen.mkdir()
    began = threading.Thread(target=lambda: wait_for(lambda: len(notes(seen)) >= 6) and disturb(notes(seen)))
    began.start()
    made = StandIn(
        str(seen), seconds, name=str(seen)
    )  # A worker keeps a classifier as long as its name is the same.
    score.score(table, out, made, run=on_ray(cluster))
    began.join()
    return out, notes(seen)


def test_two_nodes_write_the_same_bytes(cluster, table, tmp_path, whole):
    out, seen = disturbed(table, tmp_path, cluster, lambda _: None)
    assert both(out) == whole
    assert len(seen) == 30
    assert len({node for _, node, _ in seen}) == 2


def test_a_killed_worker_costs_no_row_and_doubles_none(cluster, table, tmp_path, whole):
    out, seen = disturbed(table, tmp_path, cluster, lambda seen: os.kill(seen[-1][0], signal.SIGKILL))
    assert both(out) == whole
    assert len({process for process, _, _ in seen}) >= 3


def test_a_lost_node_costs_no_row_and_doubles_none(cluster, table, tmp_path, whole):
    lost = []

    def lose(_):
        node = next(node for node in cluster.list_all_nodes() if not node.head)
        lost.append(node.node_id)
        wait_for(lambda: node.node_id in {each for _, each, _ in notes(tmp_path / "notes")})
        cluster.remove_node(node, allow_graceful=False)

    try:
        # Longer than a busy machine takes to start the second node's worker.
        out, seen = disturbed(table, tmp_path, cluster, lose, seconds=1.0)
    finally:
        cluster.add_node(**NODE)
    assert both(out) == whole
    assert lost[0] in {node for _, node, _ in seen}
    assert len(seen) > 30  # What the node had begun was done again elsewhere.


def test_a_killed_driver_goes_on_with_another_way(cluster, table, tmp_path, whole):
    seen, out = tmp_path / "notes", tmp_path / "out.csv"
    seen.mkdir()
    done = killed_driver(table, out, seen, cluster.address)
    report = score.score(table, out, StandIn())
    assert both(out) == whole
    assert report.before == 4 * done


def test_an_error_in_a_worker_is_said(cluster, table, tmp_path):
    class Broken(StandIn):
        def predict(self, texts):
            raise ZeroDivisionError("no good")

    with pytest.raises(RuntimeError, match="A worker failed: no good"):
        score.score(table, tmp_path / "out.csv", Broken(name="broken"), run=on_ray(cluster))


def test_no_cluster_there(table, tmp_path):
    pytest.importorskip("ray")
    from course_lib.scaling import ray_score

    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"There is no Ray cluster at 127.0.0.1:9: .*refused"):
        score.score(table, tmp_path / "out.csv", StandIn(), run=ray_score.on_ray("127.0.0.1:9"))
    assert time.monotonic() - began < 15
