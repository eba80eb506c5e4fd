"""Labels for a table of texts, on one machine or on a Ray cluster: `course score`.

The rows are judged in chunks that depend on the file alone. What was found of a chunk is written at once, as
a part in a folder beside the result, and at the end the parts are joined. So whatever ends meanwhile (a
worker, a node, this process), the same command goes on with the chunks that have no part yet, and each row
stands in the result once. Where a chunk is judged changes nothing in it.
"""

import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import threading

import course_lib
from course_lib import deployment, fetch, runtime
from course_lib.deployment import card
from course_lib.scaling import tables

ROWS = 256  # Of a chunk.
CHARACTERS = 2**20  # Of a chunk's texts, or a few more.
DIGITS = 6  # Of probabilities.
PLAN = "plan.json"
RECORD = pathlib.Path(__file__).with_name("score.json")


@dataclasses.dataclass(frozen=True)
class Report:
    """What `score` did.

    Attributes:
        scored: Rows in the result.
        rejected: Rows that were set aside.
        reasons: How many for each reason, numbers in the reasons left out.
        before: Rows that an earlier run had done.
        output: The result.
        set_aside: The file with the rejected rows, or None if there are none.
    """

    scored: int
    rejected: int
    reasons: dict[str, int]
    before: int
    output: pathlib.Path
    set_aside: pathlib.Path | None

    def __str__(self):
        lines = [f"{self.scored:,} rows scored: {self.output}"]
        if self.before:
            lines.append(f"{self.before:,} rows of these and the next were done before.")
        if self.rejected:
            lines.append(f"{self.rejected:,} rows set aside: {self.set_aside}")
            lines += [f"  {count:,} {reason}" for reason, count in self.reasons.items()]
        return "\n".join(lines)


@dataclasses.dataclass
class Chunk:
    """Some rows that stand together in a table, judged together.

    Attributes:
        number: From 0.
        rows: Those to be judged.
        rejected: Those that cannot be.
    """

    number: int
    rows: list[tables.Row] = dataclasses.field(default_factory=list)
    rejected: list[tables.Row] = dataclasses.field(default_factory=list)


class Bundle:
    """A bundle's content, which can be sent to another machine and made a classifier there.

    Args:
        folder: The bundle.

    Attributes:
        name: Tells this classifier from every other.

    Raises:
        ValueError: As `deployment.read_card`.
    """

    def __init__(self, folder):
        found, files = card.read(folder)
        files[deployment.CARD] = json.dumps(found).encode()
        self._files = files
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
        self.name = hashlib.sha256(json.dumps(digests).encode()).hexdigest()

    def __call__(self):
        """The `deployment.Classifier`, on one thread: a sum in another order could end in another digit."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in self._files.items():
                pathlib.Path(folder, name).write_bytes(data)
            return deployment.Classifier(folder, threads=1)


def judge(classifier, texts):
    """What is written of texts.

    Args:
        classifier: Has a method `predict`, as `deployment.Classifier`.
        texts: List of str.

    Returns:
        List of `(label, probability)`.
    """
    return [(found.label, round(found.probability, DIGITS)) for found in classifier.predict(texts)]


def score(source, target, make, column="text", replace=False, run=None, show=None):
    """Judges every row of a table; a run that was cut off goes on.

    Args:
        source: A file that ends in .csv, .jsonl or .parquet.
        target: The file to write, of the same kind: all columns of `source`, `predicted_label` and
            `probability`, in the order of `source` without what cannot be judged. That is set aside in
            `target` + `.rejected.jsonl`, with line and reason.
        make: Gives a classifier when it is called, and has a `name`; see `Bundle`.
        column: The column with the texts.
        replace: Whether `target` is replaced if it is there.
        run: Judges chunks: called with `make` and an iterator of `Chunk`, it yields `(chunk, results)` in any
            order. None takes `on_threads`; `ray_score.on_ray` gives one for a cluster.
        show: Called with the rows done and the share of the file that is read, after each chunk.

    Returns:
        A `Report`.

    Raises:
        ValueError: If the files are not usable, or parts are there of something else.
        ImportError: If a Parquet file is to be read without pyarrow.
    """
    source, target = pathlib.Path(source), pathlib.Path(target)
    if not source.is_file():
        raise ValueError(f"There is no file {source}.")
    if tables.kind(source) is not tables.kind(target):
        raise ValueError(f"{target} must be of the same kind as {source}: {source.suffix}")
    aside = target.with_name(f"{target.name}.rejected.jsonl")
    for file in (target, aside):
        if file.exists() and (file.is_dir() or source.samefile(file)):
            raise ValueError(f"{file} would be written: it must be no folder and not {source}.")
    parts = target.with_name(f"{target.name}.parts")
    _check_free(target, parts, replace)
    with tables.open_table(source, column):  # For its errors.
        pass
    parts.mkdir(parents=True, exist_ok=True)
    with fetch.lock(parts / target.name):
        if not parts.is_dir():  # Another process was at work here, and has just ended it.
            _check_free(target, parts, replace)
            parts.mkdir()
        _check_plan(parts, source, column, make.name)
        before = sum(map(sum, _counts(parts).values()))
        with tables.open_table(source, column) as table:
            _fill(table, source, parts, make, run or on_threads, show, before)
            return _join(table, parts, target, aside, before)


def _check_free(target, parts, replace):
    if target.exists() and not replace and not (parts / PLAN).is_file():
        raise ValueError(f"{target} is there already. --replace replaces it.")


def _check_plan(parts, source, column, name):
    """What parts there are must be of this file, column and classifier."""
    plan = {
        "input": fetch.file_sha256(source),
        "column": column,
        "classifier": name,
        "rows": ROWS,
        "version": course_lib.__version__,
    }
    path = parts / PLAN
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != plan:
            other = [key for key in plan if before.get(key) != plan[key]]
            raise ValueError(
                f"{parts} holds what was done of another {', '.join(other)}. Remove it to start anew."
            )
    else:
        with runtime.atomic_write(path) as file:
            file.write_text(json.dumps(plan, indent=1), encoding="utf-8")


def _fill(table, source, parts, make, run, show, done):
    """Writes the parts that are missing."""
    size = getattr(table, "rows", None) or max(1, source.stat().st_size)
    known = _counts(parts)
    waiting = (chunk for chunk in chunks(table) if chunk.number not in known)
    for chunk, results in run(make, waiting):
        _write(parts, table, chunk, results)
        done += len(chunk.rows) + len(chunk.rejected)
        if show:
            show(done, table.position / size)


def chunks(rows):
    """Cuts a table into `Chunk`s of `ROWS` rows, fewer where their texts are long.

    Args:
        rows: Iterable of `tables.Row`.

    Yields:
        Each `Chunk`.
    """
    chunk, characters = Chunk(0), 0
    for row in rows:
        (chunk.rejected if row.reason else chunk.rows).append(row)
        characters += len(row.text or row.raw)
        if len(chunk.rows) + len(chunk.rejected) == ROWS or characters >= CHARACTERS:
            yield chunk
            chunk, characters = Chunk(chunk.number + 1), 0
    if chunk.rows or chunk.rejected:
        yield chunk


def on_threads(make, waiting, workers=None):
    """Judges chunks on this machine.

    Args:
        make: As in `score`; called once on each thread.
        waiting: Iterable of `Chunk`; few more are taken than are being judged.
        workers: Threads; None takes one for each core.

    Yields:
        `(chunk, results)` as they are done.
    """
    own = threading.local()

    def work(chunk):
        if chunk.rows and not hasattr(own, "classifier"):
            own.classifier = make()
        return judge(own.classifier, [row.text for row in chunk.rows]) if chunk.rows else []

    def wait(running):
        return concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)[0]

    workers = workers or os.cpu_count() or 1
    pool = concurrent.futures.ThreadPoolExecutor(workers, "score")
    try:
        yield from in_flight(
            waiting, 2 * workers, lambda chunk: pool.submit(work, chunk), wait, lambda done: done.result()
        )
    finally:
        pool.shutdown(cancel_futures=True)


def in_flight(waiting, most, start, wait, result):
    """Keeps a number of chunks at work.

    Args:
        waiting: Iterable of `Chunk`.
        most: How many are at work at a time.
        start: Called with a chunk, begins its work and returns a handle, which can be a key of a dict.
        wait: Called with the handles of all that runs, returns some that are done.
        result: Called with a handle that is done.

    Yields:
        `(chunk, results)` as they are done.
    """
    running = {}
    for chunk in waiting:
        running[start(chunk)] = chunk
        while len(running) >= most:
            for done in wait(list(running)):
                yield running.pop(done), result(done)
    while running:
        for done in wait(list(running)):
            yield running.pop(done), result(done)


def recorded():
    """What benchmarks/score_nodes.py measured: rows a second on one node and on two, and a run that lost one.

    Returns:
        Dict with `laps` (of each number of nodes, rows a second), `ratio` (the median gain), `lost` (lines of
        the run that lost a node), `date`, `machine`, `versions`, `settings` and `note`.
    """
    return json.loads(RECORD.read_text(encoding="utf-8"))


# Parts


def _path(parts, number, what):
    return parts / f"{number:08d}.{what}"


def _write(parts, table, chunk, results):
    """Writes a part; it is there once its counts are, which are the last of its files."""
    rejected = [
        json.dumps({"line": row.line, "reason": row.reason, "row": row.raw}, ensure_ascii=False) + "\n"
        for row in chunk.rejected
    ]
    with runtime.atomic_write(_path(parts, chunk.number, "rejected")) as path:
        path.write_text("".join(rejected), encoding="utf-8", errors="backslashreplace")
    with runtime.atomic_write(_path(parts, chunk.number, "rows")) as path:
        path.write_bytes(table.render(chunk.rows, results))
    with runtime.atomic_write(_path(parts, chunk.number, "counts")) as path:
        path.write_text(json.dumps([len(chunk.rows), len(chunk.rejected)]), encoding="ascii")


def _counts(parts):
    """Rows scored and rejected of each part that is there, by its number."""
    return {int(path.stem): json.loads(path.read_bytes()) for path in sorted(parts.glob("*.counts"))}


def _join(table, parts, target, aside, before):
    counts = _counts(parts)
    if sorted(counts) != list(range(len(counts))):
        raise RuntimeError(f"Parts are missing in {parts}. Start the same command again.")
    scored, rejected = (sum(each[place] for each in counts.values()) for place in (0, 1))
    reasons = collections.Counter()
    if rejected:
        with runtime.atomic_write(aside) as path, path.open("w", encoding="utf-8") as out:
            for number in counts:
                with _path(parts, number, "rejected").open(encoding="utf-8") as lines:
                    for line in lines:
                        out.write(line)
                        reasons[json.loads(line)["reason"].partition(":")[0]] += 1
    else:
        aside.unlink(missing_ok=True)
    with runtime.atomic_write(target) as path:
        table.join([_path(parts, number, "rows") for number in counts], path)
    shutil.rmtree(parts)
    found = dict(reasons.most_common())
    return Report(scored, rejected, found, before, target, aside if rejected else None)
