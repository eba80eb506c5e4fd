"""Chunks of a table judged on a Ray cluster: a task each, which Ray starts again where a node was lost.

A task needs nothing of the node it runs on but an installed course-lib: the classifier comes with it through
Ray's object store, and what it returns is small and kept by the process that asked. So any node can take it
over.
"""

import os
import socket

import course_lib
from course_lib.scaling import score

RETRIES = 5  # Of a chunk whose worker or node is lost: one that kills every worker must end somewhere.


def on_ray(address):
    """A way to judge chunks on a cluster, for `score.score`.

    Args:
        address: As `ray.init` takes it: `HOST:PORT`, `ray://HOST:PORT` or `auto`. A connection that is there
            already is used.

    Returns:
        A function like `score.on_threads`.

    Raises:
        ImportError: If Ray is not installed.
        RuntimeError: When it is called, if there is no cluster, or its workers do not fit.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is reported to anybody.
    try:
        import ray
    except ImportError:
        raise ImportError('--ray needs Ray: pip install "course-lib[scale]"') from None

    def run(make, waiting):
        _check_reachable(address)
        mine = not ray.is_initialized()
        if mine:
            try:
                ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise RuntimeError(f"There is no Ray cluster at {address}: {error}") from error
        try:
            yield from _run(ray, make, waiting)
        except ray.exceptions.RayTaskError as error:
            raise RuntimeError(f"A worker failed: {error.cause}") from error
        except ray.exceptions.RayError as error:
            raise RuntimeError(
                f"The cluster failed: {error} Start the same command again: what was done is kept."
            ) from error
        finally:
            if mine:
                ray.shutdown()

    return run


def _check_reachable(address):
    """Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise RuntimeError(f"There is no Ray cluster at {address}: {error}") from error


def _run(ray, make, waiting):
    shared = ray.put(make)
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(work)

    def start(chunk):
        return task.remote(shared, make.name, [row.text for row in chunk.rows], course_lib.__version__)

    def wait(running):
        return ray.wait(running, num_returns=1)[0]

    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    yield from score.in_flight(waiting, most, start, wait, ray.get)


_made = {}


def work(make, name, texts, version):
    """What a worker does: the classifier is made once in each process."""
    if version != course_lib.__version__:
        raise RuntimeError(
            f"this node has course-lib {course_lib.__version__}, not {version}. Install the same everywhere."
        )
    if name not in _made:
        _made.clear()
        _made[name] = make()
    return score.judge(_made[name], texts) if texts else []
