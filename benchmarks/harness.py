"""How `make bench` measures: each side in a process of its own, in turns, with the ratio of paired times.

A side is a class. `Side(settings)` prepares everything and may take its time; `run(case, lap)` is timed, and
`answer(case, outcome)`, where there is one, turns what `run` returned into what is compared, outside the
time. A long case calls `lap()` now and then: it hands the machine to the other sides until it is its turn
again. `packages` names what must be installed.
"""

import contextlib
import dataclasses
import gc
import importlib.metadata
import importlib.util
import io
import json
import multiprocessing
import os
import resource
import statistics
import sys
import textwrap
import time
import traceback

from course_lib import runtime

THREADS = 2
COURSE = "course"
POOLS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class SideError(RuntimeError):
    """A side raised; the message has its traceback."""


# Sides and their turns


def missing(side):
    """The packages of a side that are not installed, by the names in which they are imported."""
    return [name for name in getattr(side, "packages", ()) if importlib.util.find_spec(name) is None]


class Worker:
    """A side in a process of its own.

    Args:
        name: What the table calls it.
        side: Its class.
        settings: What the class is given; it must be picklable, as the class must be.
    """

    def __init__(self, name, side, settings):
        self.name, self.peak_gigabytes = name, None
        context = multiprocessing.get_context("spawn")
        self._pipe, pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(pipe, side, settings), daemon=True)
        self._process.start()
        pipe.close()

    def send(self, case):
        """Starts a case, or lets it go on after a lap."""
        self._pipe.send(case)

    def receive(self):
        """Waits for the next event: `("ready" | "lap" | "done", seconds, answer)`."""
        try:
            kind, seconds, answer, self.peak_gigabytes = self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise SideError(f"{self.name}: its process ended with exit status {code}") from None
        if kind == "failed":
            raise SideError(f"{self.name}: {answer}")
        return kind, seconds, answer

    def close(self):
        """Ends the process."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()


def _serve(pipe, side, settings):
    def tell(kind, seconds=0.0, answer=None):
        scale = 1e9 if sys.platform == "darwin" else 1e6  # ru_maxrss is in bytes there, in KiB on Linux.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
        pipe.send((kind, seconds, answer, round(peak, 2)))

    def lap():
        nonlocal began
        tell("lap", time.perf_counter() - began)
        pipe.recv()
        began = time.perf_counter()

    runtime.quiet_logs()
    with runtime.hidden_stderr(), contextlib.redirect_stdout(io.StringIO()):
        try:
            runner = side(settings)
            gc.collect()
            tell("ready")
            while (case := pipe.recv()) is not None:
                began = time.perf_counter()
                outcome = runner.run(case, lap)
                seconds = time.perf_counter() - began
                tell("done", seconds, runner.answer(case, outcome) if hasattr(runner, "answer") else outcome)
        except EOFError:
            pass  # The parent is gone.
        except BaseException:
            tell("failed", answer=traceback.format_exc())


@contextlib.contextmanager
def workers(sides, settings):
    """Starts the sides that are installed, one after the other, each ready before the next begins.

    Args:
        sides: Dict from name to class.
        settings: What each class is given.

    Yields:
        Dict from name to `Worker`.
    """
    os.environ.update(dict.fromkeys(POOLS, str(THREADS)), TOKENIZERS_PARALLELISM="true")
    running = {}
    try:
        for name, side in sides.items():
            if not missing(side):
                running[name] = Worker(name, side, settings)
                running[name].receive()
        yield running
    finally:
        for worker in running.values():
            worker.close()


def take_turns(running, case, rounds, warmups=1):
    """Lets all sides do the same case again and again: A B A B ...

    Args:
        running: Dict from name to `Worker`.
        case: What `run` is given.
        rounds: How often each side's time counts.
        warmups: Rounds before these, whose times do not.

    Returns:
        `(seconds, answers)`: dicts from name to the list of times, and to the last answer.
    """
    seconds, answers = {name: [] for name in running}, {}
    for turn in range(-warmups, rounds):
        for name, worker in running.items():
            worker.send(case)
            kind, taken, answers[name] = worker.receive()
            if kind != "done":
                raise SideError(f"{name}: {case!r} has laps; measure it with `take_laps`")
            if turn >= 0:
                seconds[name].append(taken)
    return seconds, answers


def take_laps(running, case):
    """Lets all sides do one long case, each a lap at a time: A B A B ...

    Args:
        running: Dict from name to `Worker`.
        case: What `run` is given.

    Returns:
        As `take_turns`, with the times of a side's laps; they add up to its time for the case.
    """
    seconds, answers, waiting = {name: [] for name in running}, {}, dict(running)
    while waiting:
        for name, worker in list(waiting.items()):
            worker.send(case)
            kind, taken, answer = worker.receive()
            seconds[name].append(taken)
            if kind == "done":
                answers[name] = answer
                del waiting[name]
    return seconds, answers


# Statistics and results


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        """Of numbers, at least one."""
        values = sorted(values)
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def ratio(ours, theirs):
    """How many times as fast we are: the spread of the ratios of times measured one right after the other."""
    return Spread.of([other / own for own, other in zip(ours, theirs, strict=True)])


def row(what, seconds, *, goal, goals=None, scale=1.0, unit="s", notes=None, laps=False, unequal=()):
    """One measured thing: the times of all sides, and our ratio to each of the others.

    Args:
        what: In words.
        seconds: Dict from name to the list of times; ours is named `COURSE`.
        goal: How many times as fast as the fastest of the others we want to be; None without others.
        goals: Dict from name of a side to the goal against that one in any case.
        scale: What a second is in `unit`, divided by how many things the time is for.
        unit: Of the medians.
        notes: Dict from name of a side to words about it, such as its accuracy.
        laps: Whether the times are parts of one long case: then the ratio is that of their sums, and its
            quartiles are those of the laps, between which it need not lie.
        unequal: Names of sides whose results were worse: they are in the table, and no goal is measured by
            them. With ours among them, every goal is missed.

    Returns:
        A dict that JSON can hold: among others the `times`, medians or sums, and the `ratios` to them.
    """
    goals = goals or {}
    others = {name: taken for name, taken in seconds.items() if name != COURSE}
    middle = sum if laps else statistics.median
    times = {name: scale * middle(taken) for name, taken in seconds.items()}
    ratios = {}
    for name, taken in others.items():
        spread = ratio(seconds[COURSE], taken)
        found = times[name] / times[COURSE] if laps else spread.median
        ratios[name] = {"ratio": found, "low": spread.low, "high": spread.high}
    fastest = min((name for name in others if name not in unequal), key=times.get, default=None)
    return {
        "what": what,
        "unit": unit,
        "rounds": len(seconds[COURSE]),
        "of_sums": laps,
        "times": times,
        "ratios": ratios,
        "fastest": fastest,
        "goals": {**goals, fastest: max(goal, goals.get(fastest, goal))} if fastest else {},
        "notes": notes or {},
        "accurate": COURSE not in unequal,
    }


def environment(*packages):
    """What a result depends on besides the code: machine, threads, versions of installed packages."""
    versions = {"Python": sys.version.split()[0]}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {"machine": runtime.cpu_name(), "threads": THREADS, "versions": versions}


def write_json(path, value):
    """Writes a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with runtime.atomic_write(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n")


def number(value):
    """Three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(results):
    """The results as a table in markdown.

    Args:
        results: Dict from name of a comparison to its result: `title`, `rows` of `row`, and `absent`, the
            sides that are not installed.

    Returns:
        Lines joined into a string; one per side that we are compared with, or one if there is none.
    """
    lines = [
        "| | against | goal | course | the other | times as fast (quartiles; of sums: of the turns) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results.values():
        for entry in result["rows"]:
            what = f"{result['title']}: {entry['what']}"
            unit, times, notes = entry["unit"], entry["times"], entry["notes"]
            ours = f"{number(times[COURSE])} {unit}{_note(notes, COURSE)}"
            for name, found in entry["ratios"].items():
                goal = entry["goals"].get(name)
                of_sums = " of sums (turns: " if entry["of_sums"] else " ("
                spread = (
                    f"{number(found['ratio'])}{of_sums}{number(found['low'])} to {number(found['high'])})"
                )
                cells = [
                    what,
                    name,
                    f"{goal:g}" if goal else "",
                    ours,
                    f"{number(times[name])} {unit}{_note(notes, name)}",
                    spread,
                    "" if not goal else "met" if _is_met(entry, name) else "**missed**",
                ]
                lines.append(_line(*cells))
            for name in result["absent"]:
                lines.append(_line(what, name, "", ours, "not installed", "", ""))
            if not entry["ratios"] and not result["absent"]:
                lines.append(_line(what, "", "", ours, "", "", ""))
    return "\n".join(lines)


def _is_met(entry, name):
    return entry["accurate"] and entry["ratios"][name]["ratio"] >= entry["goals"][name]


def _line(*cells):
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def _note(notes, name):
    return f", {notes[name]}" if name in notes else ""


def plot(results, path):
    """Draws every ratio on a logarithmic axis, with its quartiles unless it is one of sums, and the goals.

    Args:
        results: As in `table`.
        path: The PNG; it is replaced only when the new one is complete.
    """
    import matplotlib
    import matplotlib.ticker

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from course_lib import plots

    plots.use_style()
    bars = [
        (f"{result['title']}: {entry['what']}, against {name}", entry, name)
        for result in results.values()
        for entry in result["rows"]
        for name in entry["ratios"]
    ]
    figure, ax = plt.subplots(figsize=(11, 1 + 0.45 * len(bars)), layout="constrained")
    for place, (_, entry, name) in enumerate(bars):
        found, goal = entry["ratios"][name], entry["goals"].get(name)
        met = goal is None or _is_met(entry, name)
        ax.barh(place, found["ratio"] - 1, left=1, color="C0" if met else "C1", alpha=0.8)
        end = max(found["ratio"], goal or 1)
        if not entry["of_sums"]:  # The quartiles of the turns need not be about it.
            ax.plot([found["low"], found["high"]], [place, place], color="grey", linewidth=1.5)
            end = max(end, found["high"])
        if goal:
            ax.plot([goal, goal], [place - 0.4, place + 0.4], color="black", linewidth=2)
        label = f"{number(found['ratio'])}{' (of sums)' if entry['of_sums'] else ''}"
        ax.annotate(label, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set(
        xscale="log", xlabel="times as fast as the other (grey: quartiles; black: the goal; orange: missed)"
    )
    ax.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.set_yticks(range(len(bars)), [textwrap.fill(label, 72) for label, *_ in bars], fontsize=8.5)
    ax.invert_yaxis()
    ax.margins(x=0.1)
    with runtime.atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=120)
    plt.close(figure)


# What both sides must agree on


class DifferentWorkError(AssertionError):
    """The sides did not do the same work, so that their times cannot be compared."""


def check_equal(answers):
    """Raises `DifferentWorkError` unless all sides answered the same."""
    for name, answer in answers.items():
        if answer != answers[COURSE]:
            raise DifferentWorkError(f"{name} answered {answer}, the course {answers[COURSE]}")
