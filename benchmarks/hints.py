"""How many wrong answers are recognised, of those in tests/wrong_answers/.

    python benchmarks/hints.py [-v] [attention ...]

They were written by people who had not seen the known mistakes. For each lesson: how many draw the hint of a
known mistake (named), only a finding about their outputs or their exception (clue), only the general hint, or
are accepted. Whether a hint names the mistake that was made can only be read: -v prints what each answer says
of itself beside what it drew.
"""

import argparse
import collections
import math
import os
import pathlib
import re
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "tests" / "wrong_answers"
KINDS = ("named", "clue", "general", "accepted")
sys.path.insert(0, str(ROOT))

from course_lib import questions, runtime  # noqa: E402
from course_lib.grading import cells, feedback, judge  # noqa: E402


def read(word, folder=ANSWERS):
    """The wrong answers of a lesson: triples of a question's id, what is wrong in words, and the source."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{word}*.py")))
    for block in re.split(r"^# %% ", text, flags=re.MULTILINE)[1:]:
        name, said, source = block.split("\n", 2)
        yield name.strip(), said.removeprefix("# mistake:").strip(), source


def examine(question, source):
    """What an answer draws: a kind, the verdict, and the lines of its hints."""
    scope = {"np": np, "math": math, "__name__": "__main__"}
    exec(compile(source, f"<{question.id}>", "exec"), scope)
    function, expectation = scope[question.function], feedback.expected(question.id)
    with np.errstate(all="ignore"), cells.closed_to(function):
        outputs = judge.outcomes(function, expectation.calls, question.returns)
        verdict = judge.verdict(question, expectation, outputs)
        if verdict.status == "right":
            return "accepted", verdict, []
        lines = feedback.hints(question, expectation, outputs, verdict)
    if verdict.mistakes:
        return "named", verdict, lines
    clues = [text for word, text in lines if word == "clue" and not text.startswith("It is right in")]
    return "clue" if clues else "general", verdict, lines


def main(arguments=None):
    """Prints the table; exits with 1 if an answer is accepted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lessons", nargs="*", help="such as attention; default: all")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what each answer drew")
    parser.add_argument("--folder", type=pathlib.Path, default=ANSWERS, help="other answers in this form")
    options = parser.parse_args(arguments)
    runtime.quiet_logs()
    os.environ["COURSE_PROGRESS"] = str(pathlib.Path(tempfile.mkdtemp()) / "progress.json")
    total = collections.Counter()
    print(f"{'lesson':<16}" + "".join(f"{kind:>10}" for kind in KINDS))
    for word in options.lessons or questions.topics():
        counts = collections.Counter()
        for name, said, source in read(word, options.folder):
            kind, verdict, lines = examine(questions.get(name), source)
            counts[kind] += 1
            if options.verbose:
                print(f"\n{name}: {said}\n  {kind} {', '.join(m.name for m in verdict.mistakes)}")
                print("".join(f"    {word}: {text}\n" for word, text in lines), end="")
        print(f"{word:<16}" + "".join(f"{counts[kind]:>10}" for kind in KINDS))
        total += counts
    print(f"{'all':<16}" + "".join(f"{total[kind]:>10}" for kind in KINDS))
    return 1 if total["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
