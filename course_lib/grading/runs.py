"""The folder of a run: what it began with, what is done already, and one run at a time."""

import contextlib
import json
import os

from course_lib import runtime

SMALL_SEEDS = 2**63  # Fewer than these can be tried.


@contextlib.contextmanager
def locked(output):
    """Keeps a second run out of a folder while the block runs.

    The lock goes with the process, even if it is killed.

    Raises:
        ValueError: If another run is in it.
    """
    import fcntl

    handle = os.open(output, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another run is grading into {output}: wait for it or choose another folder."
            ) from None
        yield
    finally:
        os.close(handle)


def open_run(output, found, seed, only, resume):
    """Begins a run or takes up an earlier one.

    Args:
        output: The folder.
        found: List of `submissions.Submission`.
        seed: As for `grade.grade`.
        only: Sorted list of question ids, or None.
        resume: Whether to go on with an earlier run.

    Returns:
        The seed, and the results that are there already, by id.

    Raises:
        ValueError: If the folder holds something else, or the run was another one.
    """
    folder = output / "submissions"
    listing = [
        {
            "id": submission.id,
            "source": submission.source,
            "sha256": submission.sha256,
            "state": _state(submission),
        }
        for submission in found
    ]
    begun = resume and (output / "run.json").exists()
    if resume:  # What a killed run was just writing, in any of its folders; of what is no run's, nothing.
        for part in output.rglob(".*.part") if begun else output.glob(".run.json.*.part"):
            part.unlink()
    if begun:
        run = _read_json(output / "run.json")
        if run is None or not {"seed", "only", "submissions"} <= set(run):
            raise ValueError(f"{output / 'run.json'} is damaged: grade into a new folder.")
        if seed is not None and seed != run["seed"]:
            raise ValueError(
                f"The run in {output} has the seed {run['seed']}, not {seed}: leave --seed away."
            )
        if only != run["only"]:
            asked = ", ".join(run["only"] or ["all questions"])
            raise ValueError(
                f"The run in {output} is of {asked}: ask for the same, or grade into a new folder."
            )
        _same_submissions(output, run["submissions"], listing)
        folder.mkdir(exist_ok=True)
        return run["seed"], {s.id: r for s in found if (r := _finished(folder / f"{s.id}.json", s))}
    if any(output.iterdir()):
        why = "but holds no run to go on with" if resume else "(--resume goes on with a run that was ended)"
        raise ValueError(f"The folder {output} is not empty {why}: choose another folder.")
    seed = SMALL_SEEDS | int.from_bytes(os.urandom(8), "big") if seed is None else int(seed)
    write_json(output / "run.json", {"seed": seed, "only": only, "submissions": listing})
    folder.mkdir()
    return seed, {}


def _state(submission):
    if submission.problem:
        return "unreadable"
    return "superseded" if submission.superseded else "read"


def _same_submissions(output, before, now):
    """Raises ValueError if the submissions are not those that the run began with."""
    before = {entry["id"]: entry for entry in before}
    now = {entry["id"]: entry for entry in now}
    changes = [f"{name} is gone" for name in before if name not in now]
    changes += [f"{name} is new" for name in now if name not in before]
    changes += [f"{name} has changed" for name in now if name in before and now[name] != before[name]]
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise ValueError(
            f"The submissions are not those that the run in {output} began with: {', '.join(changes[:3])}"
            f"{more}. Pass the same paths from the same folder, or grade into a new folder."
        )


def _finished(path, submission):
    """The result of an earlier run, unless it is missing, of other bytes, or the grader's own failure."""
    result = _read_json(path)
    fits = result is not None and result.get("sha256") == submission.sha256
    return result if fits and result.get("status") != "grader error" else None


def _read_json(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path, value):
    """Writes a file of JSON."""
    with runtime.atomic_write(path, private=True) as part:
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
