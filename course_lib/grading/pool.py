"""Sandboxes that work side by side, and the bar that shows how far they are."""

import contextlib
import os
import queue
import sys
import threading


class Pool:
    """Threads that take (submission, tasks, other cells) from a queue, each with a sandbox of its own.

    Args:
        jobs: How many.
        open_sandbox: Function that gives a new `sandbox.Sandbox`.
        waiting: The `queue.SimpleQueue`.
    """

    def __init__(self, jobs, open_sandbox, waiting):
        self.open_sandbox, self.waiting = open_sandbox, waiting
        self.ended = threading.Event()
        self.finished = queue.Queue(maxsize=2 * jobs)  # Outputs may be large: no more wait than needed.
        # Daemons: after an error or Ctrl-C nobody waits for an answer that runs to its limit.
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            thread.join(5.0 if kind else None)

    def outcomes(self, count):
        """Yields `count` times (submission, outcomes or an exception); raises what ended a thread."""
        for _ in range(count):
            submission, outcomes = self.finished.get()
            if submission is None:
                raise outcomes
            yield submission, outcomes

    def _work(self):
        try:
            while not self.ended.is_set():
                # A sandbox that failed is replaced; one that does not even start ends the run.
                with self.open_sandbox() as box:
                    while True:
                        entry = self.waiting.get()
                        if entry is None or self.ended.is_set():
                            return
                        submission, tasks, own = entry
                        try:
                            outcomes = box.run(tasks, own) if tasks else []
                            if len(outcomes) != len(tasks):
                                raise ValueError("the sandbox lost an answer")
                        except Exception as error:  # Never the learner's fault, and not the others' either.
                            self._give(submission, error)
                            break
                        self._give(submission, outcomes)
        except BaseException as error:
            self._give(None, error)

    def _give(self, submission, outcomes):
        while not self.ended.is_set():
            with contextlib.suppress(queue.Full):
                self.finished.put((submission, outcomes), timeout=0.2)
                break


def cores():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def bar(total):
    """Gives a function of (done, total) that draws a bar on stderr, if that is a terminal.

    Args:
        total: How many there are.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import console, progress

    columns = (*progress.Progress.get_default_columns()[:2], progress.MofNCompleteColumn())
    with progress.Progress(
        *columns, progress.TimeRemainingColumn(), console=console.Console(stderr=True)
    ) as drawn:
        task = drawn.add_task("Grading", total=total)
        yield lambda done, total: drawn.update(task, completed=done)
