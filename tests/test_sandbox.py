"""The sandbox: honest answers, failures, and hostile ones, after each of which an honest one is right."""

import concurrent.futures
import contextlib
import io
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest

from course_lib.grading import frames, sandbox, worker
from course_lib.grading.judge import Raised
from course_lib.grading.sandbox import Limits, Outcome, Sandbox, SandboxError, Task

ROOT = pathlib.Path(worker.__file__).resolve().parents[2]
MISSING = sandbox.missing_layers()
confined = pytest.mark.skipif(bool(MISSING), reason=f"cannot confine here, missing: {'; '.join(MISSING)}")

CALLS = [(np.random.default_rng(seed).normal(size=(3, 4)),) for seed in range(3)]
EXPECTED = [(x @ x.T).sum(axis=0) for (x,) in CALLS]
HONEST = "def solve(x):\n    return (x @ x.T).sum(axis=0)\n"


def task(source, seconds=20.0, name="solve", calls=CALLS, forms=("array",)):
    return Task(name, textwrap.dedent(source) if source else source, calls, forms, seconds)


def right(outcome):
    return (
        outcome.status == "answered"
        and all(isinstance(output, list) for output in outcome.outputs)
        and all(
            output[0].shape == expected.shape and np.allclose(output[0], expected)
            for output, expected in zip(outcome.outputs, EXPECTED, strict=True)
        )
    )


def wait_for(condition):
    """Waits until something becomes true; the limit is for a machine that hangs."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ended(process):
    """Whether a process is gone; one that only its new parent has not asked for yet is."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A file that no answer may read or change."""
    path = tmp_path_factory.mktemp("outside") / "sentinel.txt"
    path.write_text("not for answers")
    return path


@pytest.fixture(scope="module")
def box(outside):
    """A confined sandbox without TensorFlow, which leaves nothing behind."""
    if MISSING:
        pytest.skip(f"cannot confine here, missing: {'; '.join(MISSING)}")
    before = sorted(outside.parent.iterdir()), outside.stat(), outside.read_text()
    os.environ["COURSE_SECRET"] = "in the grader's environment"
    limits = Limits(data=1 << 30)  # Half of what is usual, because filling it takes seconds.
    with Sandbox(frameworks=False, limits=limits) as box:
        del os.environ["COURSE_SECRET"]
        yield box
        warm = psutil.Process(box._process.pid)
        wait_for(lambda: not warm.children(recursive=True))
        folder = pathlib.Path(box._folder)
        wait_for(lambda: not [*folder.glob("child-*")])
    assert not folder.exists()
    assert not warm.is_running()
    after = sorted(outside.parent.iterdir()), outside.stat(), outside.read_text()
    assert [before[0], before[2]] == [after[0], after[2]]
    for name in ("st_mode", "st_uid", "st_size", "st_mtime_ns", "st_nlink"):
        assert getattr(before[1], name) == getattr(after[1], name)


@pytest.fixture(scope="module")
def framework_box():
    """A confined sandbox with TensorFlow and Keras."""
    with Sandbox() as box:
        yield box


def attacked(box, source, outside, seconds=20.0):
    """Runs a hostile submission, then an honest one, and returns the hostile one's outcome."""
    source = textwrap.dedent(source).replace("SENTINEL", str(outside)).replace("ROOT", str(ROOT))
    (outcome,) = box.run([task(source, seconds)])
    assert not right(outcome)
    assert right(box.run([task(HONEST)])[0])
    return outcome


# Honest answers.


def test_an_honest_answer_is_answered(box):
    (outcome,) = box.run([task(HONEST)])
    assert right(outcome)
    assert outcome.message == ""
    assert all(type(output[0]) is np.ndarray and output[0].flags.writeable for output in outcome.outputs)


@pytest.mark.parametrize(
    ("body", "forms", "expected"),
    [
        ("return x", ("array",), [np.arange(3.0)]),
        ("return [[1, 2], [3, 4]]", ("array",), [np.array([[1, 2], [3, 4]])]),
        ("return 7", ("array",), [np.array(7)]),
        ("return True", ("array",), [np.array(True)]),
        ("return x > 0", ("array",), [np.array([False, True, True])]),
        ("return np.float16(0.5)", ("array",), [np.array(0.5, "float16")]),
        ("return np.longdouble(0.5)", ("array",), [np.array(0.5)]),
        ("return x.astype('>f8')", ("array",), [np.arange(3.0)]),
        ("return np.asfortranarray(np.ones((2, 3)))", ("array",), [np.ones((2, 3))]),
        ("return np.ones((0, 3))", ("array",), [np.ones((0, 3))]),
        ("return 'héllo ✓ 😀'", ("text",), [np.array("héllo ✓ 😀")]),
        ("return ''", ("text",), [np.array("")]),
        ("return ['a', 'bcd']", ("texts",), [np.array(["a", "bcd"])]),
        ("return []", ("texts",), [np.array([], "U1")]),
        ("return [[1, 2], [], (3,)]", ("ragged",), [np.array([1, 2, 3]), np.array([2, 0, 1])]),
        ("return []", ("ragged",), [np.array([], int), np.array([], int)]),
        ("return x, 'a'", ("array", "text"), [np.arange(3.0), np.array("a")]),
    ],
)
def test_every_form_arrives_as_it_was_returned(box, body, forms, expected):
    (outcome,) = box.run([task(f"def solve(x):\n    {body}", calls=[(np.arange(3.0),)], forms=forms)])
    assert outcome.status == "answered"
    (arrays,) = outcome.outputs
    for array, other in zip(arrays, expected, strict=True):
        assert array.dtype.kind == other.dtype.kind
        assert array.shape == other.shape
        np.testing.assert_array_equal(array, other)


def test_names_that_need_no_import_and_all_kinds_of_arguments(box):
    arguments = (np.ones(2), "two", 3, 4.5, None, (1, [2, {"three": np.zeros(1)}]))
    source = """
        def solve(*a):
            return [math.pi, np.sum(a[0]), len(a[1]), a[2], a[3], a[4] is None, a[5][1][1]["three"][0]]
    """
    (outcome,) = box.run([task(source, calls=[arguments])])
    np.testing.assert_allclose(outcome.outputs[0][0], [np.pi, 2, 3, 3, 4.5, 1, 0])


def test_a_later_cell_uses_an_earlier_one_and_random_numbers_repeat(box):
    first = task(
        "import random\ndef one(x):\n    return np.random.rand() + random.random()", name="one", calls=[(0,)]
    )
    second = task("def two(x):\n    return one(x) + 1", name="two", calls=[(0,)])
    a, b = box.run([first, second]), box.run([first, second])
    assert [outcome.status for outcome in a + b] == ["answered"] * 4
    assert a[0].outputs == b[0].outputs
    assert a[1].outputs == b[1].outputs
    one, two = (outcome.outputs[0][0] for outcome in a)
    assert two == one + 1  # Seeded anew before every cell.


def test_calls_do_not_see_each_others_changes(box):
    shared = np.ones(2)
    (outcome,) = box.run([task("def solve(x):\n    x += 1\n    return x", calls=[(shared,), (shared,)])])
    np.testing.assert_array_equal(outcome.outputs[1][0], [2, 2])
    np.testing.assert_array_equal(shared, [1, 1])


def test_large_requests_and_results_pass(box):
    x = np.random.default_rng(0).normal(size=(1000, 1000))
    (outcome,) = box.run([task("def solve(x):\n    return -x", calls=[(x,), (x,)])])
    np.testing.assert_array_equal(outcome.outputs[1][0], -x)


def test_temporary_files_can_be_written_and_libraries_imported(box):
    source = """
        import collections, html, pathlib, tempfile, unicodedata, sqlite3, scipy.special
        def solve(x):
            file = tempfile.NamedTemporaryFile(delete=False)
            file.write(b"12")
            file.close()
            return float(pathlib.Path(file.name).read_text()) + scipy.special.erf(0)
    """
    (outcome,) = box.run([task(source, calls=[(0,)])])
    assert (outcome.status, outcome.message) == ("answered", "")
    assert outcome.outputs[0][0] == 12


@confined
def test_tensorflow_and_keras_answers(framework_box):
    sources = {
        "def solve(x):\n    return keras.ops.softmax(x)": None,
        "def solve(x):\n    return tf.cast(tf.constant(x) * 2, tf.bfloat16)": None,
        "@tf.function\ndef solve(x):\n    if tf.reduce_sum(x) > 0:\n        return x\n    return -x": None,
        "def solve(x):\n    return next(iter(tf.data.Dataset.from_tensors(x).map(lambda v: v + 1)))": None,
        "import keras\ndef solve(x):\n    return keras.layers.Dense(2)(x)": None,
        """def solve(x):
            model = keras.Sequential([keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            model.fit(x, x[:, :1], verbose=0)
            return model.predict(x, verbose=0)
        """: None,
        "def solve(x):\n    return keras.random.normal((2,))": None,
    }
    for source in sources:
        outcomes = [
            framework_box.run([task(source, 120.0, calls=[(np.ones((2, 3), "float32"),)])])[0] for _ in "ab"
        ]
        assert [(o.status, o.message) for o in outcomes] == [("answered", "")] * 2, source
        np.testing.assert_array_equal(outcomes[0].outputs[0][0], outcomes[1].outputs[0][0], err_msg=source)
        assert np.isfinite(outcomes[0].outputs[0][0].astype(float)).all()


@confined
def test_answers_that_use_the_libraries_as_learners_do(framework_box):
    source = """
        import concurrent.futures, locale, threading, warnings, zoneinfo
        import matplotlib.pyplot as plt
        import scipy.linalg
        import sklearn.linear_model
        def solve(x):
            warnings.warn("a warning")
            np.exp(1000 * x)
            fig, ax = plt.subplots()
            ax.plot(x[0])
            fig.savefig("plot.png")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                squares = list(pool.map(lambda row: row @ row, x))
            threading.Thread(target=print, args=(x,)).start()
            locale.setlocale(locale.LC_ALL, "")
            zoneinfo.ZoneInfo("Europe/Berlin")
            sklearn.linear_model.LinearRegression(n_jobs=2).fit(x, x[:, 0]).predict(x)
            print(keras.Sequential([keras.layers.Dense(1)])(x), open("plot.png", "rb").read(4))
            x @ np.ones((3, 500)) @ np.ones((500, 500))
            return scipy.linalg.norm(squares)
    """
    (outcome,) = framework_box.run([task(source, 120.0, calls=[(np.ones((2, 3)),)])])
    assert (outcome.status, outcome.message) == ("answered", "")
    np.testing.assert_allclose(outcome.outputs[0][0], 3 * np.sqrt(2))


@confined
@pytest.mark.parametrize(
    "source",
    [
        """
            import keras
            keras.ops.convert_to_numpy = keras.ops.softmax = lambda *a, **k: np.ones(3)
            keras.utils.set_random_seed = tf.random.set_seed = lambda *a: 1 / 0
            def solve(x):
                return keras.ops.softmax(x)
        """,
        "def solve(x):\n    return tf.io.read_file('SENTINEL')",
        "def solve(x):\n    return tf.data.TextLineDataset('SENTINEL').batch(1).get_single_element()",
        "y = tf.zeros((1 << 20, 1 << 16))",
        "def solve(x):\n    tf.io.write_file('SENTINEL', 'mine')\n    return x",
    ],
)
def test_attacks_by_way_of_the_frameworks(framework_box, outside, source):
    outcome = attacked(framework_box, source, outside, 120.0)
    assert "not for answers" not in repr(outcome)
    assert outside.read_text() == "not for answers"
    if "1 << 20" in source:
        assert outcome.status == "out of memory"
    elif "SENTINEL" in source:
        assert outcome.status == "forbidden"


# Ways to fail.


@pytest.mark.parametrize(
    ("source", "status", "message"),
    [
        (None, "not attempted", "The answer cell is missing"),
        ("def solve(x):\n    raise NotImplementedError('do this')", "not attempted", "do this"),
        ("raise NotImplementedError('do that')", "not attempted", "do that"),
        ("def solve(x):\n\n    return 1 / 0", "crashed", "ZeroDivisionError in line 3: division by zero"),
        ("def solve(x):\n    return np.ones(2) @ np.ones(3)", "crashed", "ValueError in line 2"),
        ("x = 1\ny = z", "crashed", "NameError in line 2"),
        ("x = 1\ndef solve(x)\n    return x", "crashed", "SyntaxError in line 2"),
        ("def solve(x):\n\treturn 1\n        return 2", "crashed", "Error in line 3"),
        ("def sovle(x):\n    return x", "crashed", "does not define the function solve"),
        ("solve = 3", "crashed", "does not define the function solve"),
        ("def solve():\n    return 1", "crashed", "TypeError"),
        ("", "crashed", "does not define"),
        ("x = 'a\0b'", "crashed", "null bytes"),  # A SyntaxError since Python 3.11.4, before a ValueError.
        ("def solve(x):\n    import sys\n    sys.exit()", "crashed", "SystemExit in line 3"),
        ("def solve(x):\n    return np.ones(1 << 40)", "out of memory", "MemoryError in line 2"),
        ("def solve(x):\n    raise PermissionError('mine')", "forbidden", "mine"),
    ],
)
def test_failures_have_their_status_and_a_message(box, source, status, message):
    (outcome,) = box.run([task(source)])
    assert outcome.status == status
    assert message in outcome.message
    assert outcome.outputs == []


def test_calls_that_raise_stand_among_those_that_return(box):
    source = "def solve(x):\n    if x == 1:\n        raise KeyError('one')\n    return None if x == 2 else x"
    (outcome,) = box.run([task(source, calls=[(0,), (1,), (2,)])])
    assert outcome.status == "answered"
    assert outcome.outputs[0][0] == 0
    assert outcome.outputs[1] == Raised("KeyError", "'one'", 3)
    assert outcome.outputs[2].kind == "FormError"
    assert "None" in outcome.outputs[2].message


def test_after_a_death_the_rest_goes_on(box):
    tasks = [
        task("def one(x):\n    return x + 1", name="one", calls=[(1,)]),
        task("import os\ndef two(x):\n    os._exit(0)", name="two", calls=[(1,)]),
        task("def three(x):\n    return one(x) + 1", name="three", calls=[(1,)]),
        task("while True: pass", 0.3, name="four", calls=[(1,)]),
        task(None, name="five"),
        task("import os\nos.kill(os.getpid(), 9)", name="six", calls=[(1,)]),
        task("def seven(x):\n    return three(x) + 1", name="seven", calls=[(1,)]),
    ]
    outcomes = box.run(tasks)
    assert [outcome.status for outcome in outcomes] == [
        "answered",
        "crashed",
        "answered",
        "timed out",
        "not attempted",
        "crashed",
        "answered",
    ]
    assert [outcomes[i].outputs[0][0] for i in (0, 2, 6)] == [2, 3, 4]
    assert "SIGKILL" in outcomes[5].message


def test_a_cell_that_only_kills_when_repeated_ends_nothing_but_itself(box):
    # The first cell dies as soon as time has passed, which is when it is executed again.
    first = f"import os, time\nif time.time() > {time.time() + 1}: os._exit(3)\ndef one(x):\n    return x"
    tasks = [
        task(first, name="one", calls=[(1,)]),
        task("import time\ndef two(x):\n    while True: time.sleep(1)", 2.0, name="two", calls=[(1,)]),
        task(HONEST),
    ]
    outcomes = box.run(tasks)
    assert [outcome.status for outcome in outcomes] == ["answered", "timed out", "answered"]
    assert right(outcomes[2])


def test_repeating_slow_cells_is_bounded(box):
    slow = "import time\ntime.sleep(0.2)\ndef {0}(x):\n    while True: pass"
    tasks = [task(slow.format(f"f{i}"), 0.3, name=f"f{i}", calls=[(1,)]) for i in range(5)]
    outcomes = box.run([*tasks, task(HONEST)])
    assert [outcome.status for outcome in outcomes] == ["timed out"] * 5 + ["answered"]


def test_no_tasks_and_no_calls(box):
    assert box.run([]) == []
    assert box.run([task(HONEST, calls=[])])[0].status == "answered"


def test_a_dead_warm_process_is_replaced(box):
    for _ in range(2):
        os.kill(box._process.pid, signal.SIGKILL)
        assert right(box.run([task(HONEST)])[0])


def test_a_keeper_that_dies_is_replaced(box):
    warm = psutil.Process(box._process.pid)

    def kill():
        wait_for(lambda: len(warm.children(recursive=True)) == 2)
        keeper, child = warm.children(recursive=True)
        keeper.kill()
        wait_for(lambda: ended(child))

    source = "import time\ntime.sleep(1)\n" + HONEST
    with concurrent.futures.ThreadPoolExecutor() as pool:
        killed = pool.submit(kill)
        assert right(box.run([task(source)])[0])
        killed.result()
    assert box._process.pid != warm.pid


def test_a_warm_process_that_dies_while_it_starts_is_replaced(tmp_path, monkeypatch):
    mark, program = tmp_path / "mark", tmp_path / "worker.py"
    program.write_text(f"""
import os, runpy
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, "w").close()
    os.kill(os.getpid(), 9)
runpy.run_path({worker.__file__!r}, run_name="__main__")
""")
    monkeypatch.setattr(worker, "__file__", str(program))
    with Sandbox(confined=False, frameworks=False) as free:
        assert mark.exists()
        assert right(free.run([task(HONEST)])[0])


def test_a_grader_that_cannot_start_is_an_error_not_a_mark(tmp_path, monkeypatch):
    broken = tmp_path / "worker.py"
    broken.write_text("raise SystemExit('no such luck')")
    monkeypatch.setattr(worker, "__file__", str(broken))
    with pytest.raises(SandboxError, match="no such luck"):
        Sandbox(confined=False, frameworks=False).run([task(HONEST)])


def test_a_grader_that_keeps_failing_is_an_error_not_a_mark(tmp_path, monkeypatch):
    broken = tmp_path / "worker.py"
    broken.write_text("import os, sys\nos.write(int(sys.argv[1]), b'{\"ready\": true}\\n')")
    monkeypatch.setattr(worker, "__file__", str(broken))
    with pytest.raises(SandboxError, match=r"has ended|does not reply"):
        Sandbox(confined=False, frameworks=False).run([task(HONEST)])


def test_a_machine_that_cannot_confine_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(sandbox.confine, "missing", lambda: ["Landlock"])
    assert sandbox.missing_layers() == ["Landlock"]
    with pytest.raises(SandboxError, match="Missing: Landlock"):
        Sandbox()


def test_without_confinement_there_are_time_limits(outside):
    with Sandbox(confined=False, frameworks=False) as free:
        assert right(free.run([task(HONEST)])[0])
        assert free.run([task("while True: pass", 0.3)])[0].status == "timed out"
        reads = free.run([task(f"def solve(x):\n    return open({str(outside)!r}).read()", forms=("text",))])
        assert reads[0].outputs[0][0] == "not for answers"
        started = free.run(
            [task("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nwhile True: pass", 0.5)]
        )
        assert started[0].status == "timed out"
        assert right(free.run([task(HONEST)])[0])
        warm = psutil.Process(free._process.pid)
    assert not warm.is_running()
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "1000"]]


@pytest.mark.parametrize("attempt", range(5))
def test_when_the_grader_is_killed_nothing_stays(attempt):
    source = "" if attempt else "while True: pass"
    program = f"""
        from course_lib.grading.sandbox import Sandbox, Task
        with Sandbox(confined={not MISSING}, frameworks=False) as box:
            print(box._process.pid, box._folder, flush=True)
            while True:
                box.run([Task("f", {source!r}, [], ("array",), 1000.0)])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        pid, folder = process.stdout.readline().split()
        warm = psutil.Process(int(pid))
        if source:
            wait_for(warm.children)
        else:
            time.sleep(0.05 + np.random.default_rng().random() / 20)  # At any point of what it does.
        children = warm.children(recursive=True)
        process.kill()
    wait_for(lambda: all(map(ended, [warm, *children])))
    wait_for(lambda: not os.path.exists(folder))


# Hostile answers: each tries what must not be possible and returns if it was; so none may be "answered".

FORBIDDEN = {
    "read a system file": "open('/etc/passwd').read()",
    "read a file outside": "open('SENTINEL').read()",
    "list a folder outside": "os.listdir(os.path.dirname('SENTINEL'))",
    "list the root": "os.listdir('/')",
    "read course_lib": "open('ROOT/course_lib/attention.py').read()",
    "list course_lib": "os.listdir('ROOT/course_lib')",
    "read the grader": "open('ROOT/course_lib/grading/judge.py').read()",
    "list the solutions": "os.listdir('ROOT/solutions')",
    "read the tests": "open('ROOT/tests/test_sandbox.py').read()",
    "read by way of /proc/self/root": "open('/proc/self/root/SENTINEL').read()",
    "read by way of /proc/self/cwd": "open('/proc/self/cwd/' + '../' * 20 + 'SENTINEL').read()",
    "list the folder of other submissions": "os.listdir(os.path.dirname(os.getcwd()))",
    "list all processes": "os.listdir('/proc')",
    "read another process's environment": "open('/proc/1/environ').read()",
    "read the parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "read the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "read the parent's files": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "read the parent's command": "open(f'/proc/{os.getppid()}/cmdline').read()",
    "change into a folder and list it": "os.chdir(os.path.dirname('SENTINEL')); os.listdir('.')",
    "write a file outside": "open('SENTINEL', 'a').write('x')",
    "empty a file outside": "os.open('SENTINEL', os.O_RDONLY | os.O_TRUNC)",
    "empty a readable file": "os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
    "write a library": "open(np.__file__, 'a')",
    "truncate a file outside": "os.truncate('SENTINEL', 0)",
    "remove a file outside": "os.remove('SENTINEL')",
    "rename a file outside": "os.rename('SENTINEL', 'SENTINEL.old')",
    "make a file outside": "open('SENTINEL.new', 'w')",
    "make a folder outside": "os.mkdir('SENTINEL.new')",
    "write to /tmp": "open('/tmp/course-escape', 'w')",
    "write to /dev/shm": "open('/dev/shm/course-escape', 'w')",
    "change a file's mode": "os.chmod('SENTINEL', 0o777)",
    "change a file's owner": "os.chown('SENTINEL', os.getuid(), os.getgid())",
    "change a file's times": "os.utime('SENTINEL', (0, 0))",
    "change a file's attributes": "os.setxattr('SENTINEL', 'user.a', b'b')",
    "make a symbolic link": "os.symlink('SENTINEL', 'link')",
    "make a pipe": "os.mkfifo('pipe')",
    "make a folder": "os.mkdir('folder')",
    "make a file without a name": "os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "remove a file, so that it counts no more": "open('a', 'w').close(); os.remove('a')",
    "allocate without writing": "os.posix_fallocate(os.open('a', os.O_RDWR | os.O_CREAT), 0, 1 << 20)",
    "an internet socket": "import socket; socket.socket()",
    "a name lookup": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a pair of sockets": "import socket; socket.socketpair()",
    "a program": "import subprocess; subprocess.run(['true'])",
    "a shell": "refused(os.system('true'))",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', ''])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "fork": "os.fork()",
    "a process pool": "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
    "signal the parent": "os.kill(os.getppid(), 9)",
    "probe the parent": "os.kill(os.getppid(), 0)",
    "signal everyone": "os.kill(-1, 9)",
    "signal the group": "os.kill(0, 9)",
    "signal the group by number": "os.killpg(os.getpgid(0), 9)",
    "signal by thread": "call('tkill', os.getppid(), 9)",
    "signal by thread group": "call('tgkill', os.getppid(), os.getppid(), 9)",
    "queue a signal": "call('rt_sigqueueinfo', os.getppid(), 9, bytes(128))",
    "have a pipe signal the parent": "import fcntl; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
    "limit the parent": "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    "slow the parent down": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "bind the parent to a processor": "os.sched_setaffinity(os.getppid(), {0})",
    "trace the parent": "call('ptrace', 16, os.getppid(), 0, 0)",
    "be traced": "call('ptrace', 0, 0, 0, 0)",
    "read the parent's memory by call": "call('process_vm_readv', os.getppid(), None, 0, None, 0, 0)",
    "a handle on the parent": "call('pidfd_open', os.getppid(), 0)",
    "io_uring": "call('io_uring_setup', 8, bytes(256))",
    "memory as a file": "os.memfd_create('a')",
    "shared memory": "import mmap; mmap.mmap(-1, 1 << 20)",
    "System V shared memory": "call('shmget', 0, 1 << 20, 0o1600)",
    "a message queue": "call('mq_open', b'/a', os.O_CREAT | os.O_RDWR, 0o600, None)",
    "a name space": "call('unshare', 0x10000000)",
    "mount": "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "chroot": "os.chroot('.')",
    "another user": "os.setresuid(65534, 65534, 65534)",
    "BPF": "call('bpf', 0, bytes(128), 128)",
    "performance counters": "call('perf_event_open', bytes(128), 0, -1, -1, 0)",
    "keys": "call('keyctl', 0, -3, 0)",
    "page faults": "call('userfaultfd', 0)",
    "a process without fork": "call('clone', 17, None, None, None, None)",
    "outlive the grader": "call('prctl', 1, 0, 0, 0, 0)",
    "the table of 32-bit pointers": "call(0x40000000 + 39)",
    "watch files": "call('inotify_add_watch', 0, b'SENTINEL', 2)",
    "watch a folder": "import fcntl; fcntl.fcntl(os.open('.', os.O_RDONLY), fcntl.F_NOTIFY, 2)",
    "have others wait for a file": (
        "import fcntl; open('a', 'w').close(); fcntl.fcntl(os.open('a', 0), fcntl.F_SETLEASE, fcntl.F_WRLCK)"
    ),
    "take the account's memory for pipes": "import fcntl; fcntl.fcntl(os.pipe()[1], 1031, 1 << 18)",
    "change a file's flags": "control(0x40086602)",
    "change a file's extended flags": "control(0x401C5820)",
    "change a file's version": "control(0x40087602)",
    "share another file's blocks": "control(0x40049409)",
    "type on a terminal": "control(0x5412)",
    "asynchronous reading and writing": "call('io_setup', 1, ctypes.byref(ctypes.c_ulong()))",
    "memory that grows by itself": "mapped(0x100)",
    "the machine's large pages": "mapped(0x40000)",
    "a core of its own": "call('prctl', 62, 1, 0, 0, 0)",
}
PREAMBLE = """
import ctypes, os, platform, sys
NUMBERS = {
    "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "pidfd_open": (434, 434), "io_uring_setup": (425, 425),
    "shmget": (29, 194), "mq_open": (240, 180), "unshare": (272, 97), "mount": (165, 40), "bpf": (321, 280),
    "clone": (56, 220),
    "perf_event_open": (298, 241), "keyctl": (250, 219), "userfaultfd": (323, 282), "prctl": (157, 167),
    "inotify_add_watch": (254, 27), "io_setup": (206, 0),
}
def refused(status):
    if status: raise PermissionError(status)
def call(name, *arguments):
    number = NUMBERS[name][platform.machine() == "aarch64"] if isinstance(name, str) else name
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def control(request):
    import fcntl
    fcntl.ioctl(os.open('a', os.O_RDONLY | os.O_CREAT), request, bytes(64))
def mapped(flag):
    import mmap
    mmap.mmap(-1, 1 << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | flag)
"""


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_is_refused(box, outside, name):
    source = f"{PREAMBLE}\ndef solve(x):\n    {FORBIDDEN[name]}\n    return np.zeros(1)\n"
    outcome = attacked(box, source, outside)
    assert outcome.status == "forbidden", outcome
    assert outside.read_text() == "not for answers"


@confined
@pytest.mark.parametrize(
    "name", sorted(set(FORBIDDEN) & {"signal the parent", "io_uring", "make a pipe", "fork"})
)
def test_it_is_the_confinement_that_refuses(outside, name):
    # The same attacks work without it, or are refused by something else than permission.
    attack = FORBIDDEN[name].replace("os.kill(os.getppid(), 9)", "os.kill(os.getppid(), 0)")
    source = f"{PREAMBLE}\ndef solve(x):\n    {attack}\n    return np.zeros(1)\n"
    with Sandbox(confined=False, frameworks=False) as free:
        assert free.run([task(source, 5.0)])[0].status != "forbidden"


HOSTILE = {
    # name: (source, statuses that are right for it)
    "import course_lib": ("import course_lib.attention\nsolve = course_lib.attention.softmax", {"crashed"}),
    "import course_lib from its folder": (
        "import sys\nsys.path.insert(0, 'ROOT')\nfrom course_lib.questions import attention\n"
        "def solve(x):\n    return len(attention.QUESTIONS)",
        {"crashed", "forbidden"},
    ),
    "import course_lib without the guard": (
        """
            import sys
            sys.path.insert(0, "ROOT")
            sys.meta_path[:] = [finder for finder in sys.meta_path if "NoCourse" not in type(finder).__name__]
            def solve(x):
                import course_lib.questions
                return 1.0
        """,
        {"crashed", "forbidden"},
    ),
    "load course_lib as a file": (
        """
            import importlib.util
            spec = importlib.util.spec_from_file_location("a", "ROOT/course_lib/attention.py")
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        """,
        {"forbidden"},
    ),
    "link to a file outside": (
        "import os\ndef solve(x):\n    os.link('SENTINEL', 'mine')\n    return open('mine').read()",
        {"forbidden", "crashed"},
    ),
    "the grader's environment": (
        """
            import os
            def solve(x):
                seen = repr(os.environ) + open("/proc/self/environ").read()
                assert "COURSE" in seen, "nothing to see"
                return x
        """,
        {"crashed", "forbidden"},
    ),
    "walk over own file descriptors": (
        """
            import os
            def solve(x):
                links = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                         if os.path.exists(f"/proc/self/fd/{fd}")}
                for fd, link in links.items():
                    if link.startswith("/") and link != "/dev/null" and "child" not in link and fd != "2":
                        if not link.startswith("/proc"):
                            return np.zeros(1)  # Something else is open.
                raise RuntimeError("nothing but pipes")
        """,
        {"crashed"},
    ),
    "patched builtins": (
        """
            import builtins
            builtins.len = lambda *a: 0
            builtins.isinstance = lambda *a: True
            builtins.callable = lambda *a: True
            builtins.type = lambda *a: np.ndarray
            builtins.next = builtins.memoryview = builtins.str = builtins.enumerate = None
            def solve(x):
                return np.zeros(3)
        """,
        {"answered", "crashed", "malformed"},
    ),
    "patched numpy": (
        """
            class Equal(np.ndarray):
                def __eq__(self, other): return np.ones(1, bool)
            np.allclose = np.isclose = np.array_equal = lambda *a, **k: np.array(True)
            np.asarray = np.array = lambda *a, **k: np.zeros(3).view(Equal)
            np.testing.assert_allclose = lambda *a, **k: None
            def solve(x):
                return np.zeros(3)
        """,
        {"answered", "crashed", "malformed"},
    ),
    "patched worker": (
        """
            import sys
            main = sys.modules["__main__"]
            main.pack = lambda *a: [np.zeros(3)]
            main.RAISED, main.VALUE = main.VALUE, main.RAISED
            def solve(x):
                return np.zeros(3)
        """,
        {"answered", "crashed", "malformed"},
    ),
    "modules replaced": (
        """
            import sys
            for name in list(sys.modules):
                sys.modules[name] = None
            def solve(x):
                return 0
        """,
        {"answered", "crashed", "malformed"},
    ),
    "an object that says it is equal": (
        """
            class Liar:
                shape, dtype, ndim = (3,), np.dtype(float), 1
                def __eq__(self, other): return True
                def __len__(self): return 3
                def __array__(self, *a, **k): return np.full(3, np.nan)
                def __getitem__(self, index): raise IndexError
                def __bool__(self): return True
            solve = lambda x: Liar()
        """,
        {"answered"},
    ),
    "an array subclass that lies": (
        """
            class Liar(np.ndarray):
                def __array_function__(self, *a, **k): return True
                def __array_ufunc__(self, *a, **k): return True
                def __eq__(self, other): return np.ones(3, bool)
                def __reduce__(self): return (print, ())
                nbytes = 0
            solve = lambda x: np.zeros(3).view(Liar)
        """,
        {"answered"},
    ),
    "__array__ that gives an array of objects": (
        "class A:\n    def __array__(self, *a, **k): return np.array([print], object)\nsolve = lambda x: A()",
        {"answered"},
    ),
    "__array__ that exits": (
        "import os\nclass A:\n    def __array__(self, *a, **k): os._exit(0)\nsolve = lambda x: A()",
        {"crashed"},
    ),
    "NaN": ("def solve(x):\n    return np.full(3, np.nan)", {"answered"}),
    "infinity": ("def solve(x):\n    return np.full(3, np.inf)", {"answered"}),
    "complex": ("def solve(x):\n    return np.zeros(3, complex)", {"answered"}),
    "structured": ("def solve(x):\n    return np.zeros(3, [('a', 'f8')])", {"answered"}),
    "pickle": ("def solve(x):\n    return np.array([print, solve], dtype=object)", {"answered"}),
    "a generator": ("def solve(x):\n    yield 1", {"answered"}),
    "itself": ("def solve(x):\n    a = []\n    a.append(a)\n    return a", {"answered"}),
    "os._exit(0)": ("import os\ndef solve(x):\n    os._exit(0)", {"crashed"}),
    "os._exit(1) in the cell": ("import os\nos._exit(1)", {"crashed"}),
    "sys.exit(0) in the cell": ("import sys\nsys.exit(0)", {"crashed"}),
    "KeyboardInterrupt": ("def solve(x):\n    raise KeyboardInterrupt", {"crashed"}),
    "GeneratorExit": ("def solve(x):\n    raise GeneratorExit", {"crashed"}),
    "abort": ("import os\ndef solve(x):\n    os.abort()", {"crashed"}),
    "SIGKILL to itself": ("import os\ndef solve(x):\n    os.kill(os.getpid(), 9)", {"crashed"}),
    "SIGTERM to itself": ("import os\ndef solve(x):\n    os.kill(os.getpid(), 15)", {"crashed"}),
    "SIGSTOP to itself": ("import os\ndef solve(x):\n    os.kill(os.getpid(), 19)", {"timed out"}),
    "a segmentation fault": ("import ctypes\ndef solve(x):\n    ctypes.string_at(8)", {"crashed"}),
    "scribbling over memory": (
        "import ctypes\ndef solve(x):\n    ctypes.memset(id(None) - 4096, 1, 1 << 20)\n    return x",
        {"crashed", "malformed", "timed out"},
    ),
    "an infinite loop": ("def solve(x):\n    while True: pass", {"timed out"}),
    "an infinite loop in the cell": ("while True: pass", {"timed out"}),
    "an infinite loop that catches everything": (
        """
            def solve(x):
                while True:
                    try:
                        while True: pass
                    except BaseException: pass
        """,
        {"timed out"},
    ),
    "sleeping": ("import time\ndef solve(x):\n    time.sleep(10 ** 6)", {"timed out"}),
    "signals and alarms blocked": (
        """
            import signal, time
            for number in signal.valid_signals() - {9, 19}:
                signal.signal(number, lambda *a: None)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            def solve(x):
                while True: time.sleep(1)
        """,
        {"timed out"},
    ),
    "a slow comparison": ("def solve(x):\n    return 7 ** 10 ** 9", {"timed out", "out of memory"}),
    "a catastrophic pattern": (
        "import re\ndef solve(x):\n    return re.match('(a+)+b', 'a' * 99)",
        {"timed out"},
    ),
    "deep recursion": ("def solve(x):\n    return solve(x)", {"crashed"}),
    "deep recursion without a limit": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef solve(x):\n    return [solve(x)][0]",
        {"crashed", "out of memory", "timed out"},
    ),
    "deep nesting in the source": ("solve = " + "(" * 5000 + ")" * 5000, {"crashed", "out of memory"}),
    "bytes without end": (
        "def solve(x):\n    a = []\n    while True: a.append(bytearray(b'1') * (1 << 24))",
        {"out of memory"},
    ),
    "a huge array": ("def solve(x):\n    return np.ones(1 << 33)", {"out of memory"}),
    "many arrays": (
        "def solve(x):\n    a = []\n    while True: a.append(np.ones(1 << 20))",
        {"out of memory"},
    ),
    "private memory by mmap": (
        """
            import mmap
            def solve(x):
                a = []
                while True:
                    a.append(mmap.mmap(-1, 1 << 28, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
                    a[-1][::4096] = b"1" * (1 << 16)
        """,
        {"out of memory", "crashed", "forbidden"},
    ),
    "memory that is caught": (
        """
            def solve(x):
                a = []
                while True:
                    try:
                        a.append(np.ones(1 << 16))
                    except MemoryError: pass
        """,
        {"timed out", "out of memory"},
    ),
    "an abort for want of memory": (
        "import os\ndef solve(x):\n    os.write(2, b'throwing std::bad_alloc')\n    os.abort()",
        {"out of memory"},
    ),
    "many files": (
        "def solve(x):\n    for i in range(10 ** 7): open(str(i), 'w').close()",
        {"forbidden"},
    ),
    "one big file": (
        "def solve(x):\n    with open('a', 'wb') as file:\n        while True: file.write(bytes(1 << 20))",
        {"crashed"},
    ),
    "several big files": (
        """
            def solve(x):
                for i in range(10 ** 6):
                    with open(str(i), "wb") as file:
                        for _ in range(15): file.write(b"1" * (1 << 20))
        """,
        {"forbidden"},
    ),
    "big files, caught": (
        """
            def solve(x):
                while True:
                    for i in range(99):
                        try:
                            with open(str(i), "wb") as file:
                                for _ in range(15): file.write(b"1" * (1 << 20))
                        except OSError: pass
        """,
        {"forbidden", "timed out"},
    ),
    "many descriptors": ("import os\ndef solve(x):\n    while True: os.pipe()", {"crashed"}),
    "many threads": (
        """
            import threading, time
            def solve(x):
                while True:
                    try:
                        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
                    except RuntimeError: pass
        """,
        {"forbidden", "timed out", "out of memory"},
    ),
    "threads with small stacks": (
        """
            import threading, time
            threading.stack_size(32768)
            def work():
                while True: pass
            def solve(x):
                while True:
                    try:
                        threading.Thread(target=work, daemon=True).start()
                    except RuntimeError: pass
        """,
        {"forbidden", "timed out", "out of memory"},
    ),
    "threads that go on": (
        """
            import threading, os
            def work():
                while True:
                    os.write(3, b"later")
            def solve(x):
                threading.Thread(target=work, daemon=True).start()
                return np.zeros(3)
        """,
        {"answered", "malformed", "timed out"},
    ),
    "threads that are waited for": (
        """
            import threading, time
            def solve(x):
                threading.Thread(target=time.sleep, args=(10 ** 6,)).start()
                return np.zeros(3)
        """,
        {"answered"},
    ),
    "a forest of forks": (
        "import os\ndef solve(x):\n    while True:\n        try: os.fork()\n        except OSError: pass",
        {"timed out"},
    ),
    "output without end": (
        "import os\ndef solve(x):\n    while True: os.write(3, bytes(1 << 16))",
        {"malformed"},
    ),
    "printing without end": (
        "import sys\ndef solve(x):\n    while True: print('a' * 10**6), print('a' * 10**6, file=sys.stderr)",
        {"timed out", "crashed"},
    ),
    "a large array": ("def solve(x):\n    return np.zeros(1 << 24)", {"answered"}),
    "a broadcast array": ("def solve(x):\n    return np.broadcast_to(1.0, (10 ** 6, 10 ** 6))", {"answered"}),
    "names that are no text": (
        """
            import ctypes, threading, time
            def rest():
                ctypes.CDLL(None).prctl(15, b"\\xfe")
                time.sleep(1)
            def solve(x):
                ctypes.CDLL(None).prctl(15, b"\\xff\\n) R 1")
                threading.Thread(target=rest, daemon=True).start()
                open(b"\\xff", "w").close()
                time.sleep(0.2)
                return np.zeros(3)
        """,
        {"answered"},
    ),
    "results taken back": (
        """
            import os
            def solve(x):
                taken = os.open("/proc/self/fd/3", os.O_RDONLY)
                while True:
                    os.write(3, b"A")
                    os.read(taken, 1)
        """,
        {"malformed", "timed out", "forbidden"},
    ),
    "timers without end": (
        """
            import ctypes, os, platform
            def solve(x):
                number = {"x86_64": 222, "aarch64": 107}[platform.machine()]
                libc = ctypes.CDLL(None, use_errno=True)
                for _ in range(1000):
                    if libc.syscall(number, 0, None, ctypes.byref(ctypes.c_int())) < 0:
                        raise OSError(ctypes.get_errno(), "no more")
                return np.zeros(3)
        """,
        {"crashed"},
    ),
    "garbage on every descriptor": (
        """
            import os
            def solve(x):
                for fd in range(64):
                    try: os.write(fd, os.urandom(1000))
                    except OSError: pass
                return np.zeros(3)
        """,
        {"malformed"},
    ),
    "every descriptor closed": (
        "import os\ndef solve(x):\n    os.closerange(0, 64)\n    return np.zeros(3)",
        {"crashed"},
    ),
    "results closed and time spent": (
        "import os, time\ndef solve(x):\n    os.close(3)\n    time.sleep(10 ** 6)",
        {"crashed"},
    ),
    "frames walked": (
        """
            import sys
            def solve(x):
                frame, found = sys._getframe(), []
                while frame:
                    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
                        if isinstance(value, np.ndarray) and value.shape == (3,):
                            return value
                        found += [value] if isinstance(value, dict) else []
                    frame = frame.f_back
                assert not any("expected" in entry or "outputs" in entry for entry in found)
                return np.zeros(3)
        """,
        {"answered"},
    ),
    "garbage collector walked": (
        """
            import gc
            def solve(x):
                gc.unfreeze()
                for item in gc.get_objects():
                    for value in gc.get_referents(item):
                        if type(value) is np.ndarray and value.shape == (3,) and value.dtype == float:
                            return value
                return np.zeros(3)
        """,
        {"answered"},
    ),
    "tracing the worker": (
        """
            import sys
            def trace(frame, event, argument):
                for name in frame.f_locals:
                    if name in ("arrays", "value"):
                        frame.f_locals[name] = [np.zeros(3)]
                return trace
            sys.settrace(trace)
            sys.setprofile(trace)
            def solve(x):
                return np.zeros(3)
        """,
        {"answered", "crashed", "timed out", "malformed"},
    ),
    "atexit": (
        "import atexit, os\natexit.register(os.write, 3, b'late')\ndef solve(x):\n    return np.zeros(3)",
        {"answered"},
    ),
    "__del__": (
        """
            import os
            class Late(list):
                def __del__(self): os.write(3, b"late")
            def solve(x):
                return Late([1, 2, 3])
        """,
        {"malformed", "answered"},
    ),
    "hooks": (
        """
            import sys, os
            sys.excepthook = sys.unraisablehook = lambda *a: os.write(3, b"hook")
            class A:
                def __del__(self): 1 / 0
            def solve(x):
                A()
                raise ValueError
        """,
        {"malformed", "crashed"},
    ),
    "an exception that cannot be shown": (
        """
            class Meta(type):
                @property
                def __name__(cls): raise SystemExit
            class E(Exception, metaclass=Meta):
                def __str__(self): raise KeyboardInterrupt
            def solve(x):
                raise E
        """,
        {"crashed"},
    ),
    "an exception that takes its time": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\ndef solve(x):\n    raise E",
        {"timed out"},
    ),
    "an exception that paints": (
        "def solve(x):\n    raise ValueError('\\x1b[2J\\n\\r\\ud800' + 'a' * 10 ** 7)",
        {"crashed"},
    ),
    "an exception of an odd name": (
        "def solve(x):\n    raise type('\\n=1+1', (Exception,), {})",
        {"malformed"},
    ),
    "an exception that stays in its own frame": (
        """
            def solve(x):
                try:
                    raise ValueError
                except ValueError as error:
                    error.__cause__ = error.__context__ = error
                    raise
        """,
        {"crashed"},
    ),
    "own limits raised": (
        """
            import resource
            def solve(x):
                resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
                return x
        """,
        {"crashed", "forbidden"},
    ),
    "an unknown system call": (
        """
            import ctypes
            def solve(x):
                for number in range(451, 600):
                    assert ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 0, 0) == -1
                    assert ctypes.get_errno() == 38
                return np.zeros(3)
        """,
        {"answered"},
    ),
    "confinement undone": (
        """
            import ctypes
            def solve(x):
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.prctl(22, 0, 0, 0, 0) == -1
                assert libc.prctl(38, 0, 0, 0, 0) == -1
                return open("SENTINEL").read()
        """,
        {"forbidden"},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_get_nothing_and_harm_nobody(box, outside, name):
    source, statuses = HOSTILE[name]
    if statuses == {"timed out"}:
        seconds = 0.5  # What does not end by itself need not be waited for.
    elif "timed out" in statuses:
        seconds = 2.0
    else:
        seconds = 20.0 if statuses & {"out of memory", "forbidden"} else 10.0
    outcome = attacked(box, source, outside, seconds)
    assert outcome.status in statuses, outcome
    assert "not for answers" not in repr(outcome)
    assert outcome.message.isprintable()
    assert len(outcome.message) <= 500


def test_an_exception_of_a_huge_kind_and_message_is_cut(box):
    (outcome,) = box.run(
        [task("def solve(x):\n    raise type('E' * 10 ** 6, (Exception,), {})('a' * 10 ** 6)")]
    )
    assert outcome.status == "crashed"
    assert outcome.message.startswith("E" * 100 + " in line 2: aaa")
    assert len(outcome.message) == 500


def test_that_a_child_is_ready_cannot_be_taken_back(box, outside, monkeypatch):
    original = frames.Reader.frame

    def slow(self, *kinds):
        if kinds == (worker.READY,):
            time.sleep(0.2)
        return original(self, *kinds)

    monkeypatch.setattr(frames.Reader, "frame", slow)
    source = """
        import os
        results = os.open("/proc/self/fd/3", os.O_RDONLY | os.O_NONBLOCK)
        os.read(results, 1)
    """
    assert attacked(box, source, outside).status in ("crashed", "forbidden")


def test_a_submission_leaves_nothing_in_memory_for_the_next(box):
    marker = "MARKED-" + "BY-ANOTHER"
    calls = [(np.frombuffer(marker.encode() * 1000, "uint8"),)]
    first = f"""
        import ctypes, os, time, warnings
        open({marker!r}, "w").write({marker!r})
        ctypes.CDLL(None).prctl(15, b"MARKED-BY-ANOTH")  # A name has 15 bytes.
        os.write(2, b"{marker} " * 1000)
        def solve(x):
            warnings.warn({marker!r})
            time.sleep(0.2)
            if len(x) == 1:
                raise ValueError({marker!r})
            return [{marker!r}] * 1000
    """
    box.run([task(first, calls=[*calls, (np.zeros(1),)])])
    box.run([task(f"{textwrap.dedent(first)}\nos._exit(1)")])
    source = """
        import os, re
        pattern = re.compile(b"[M]ARKED-BY-ANOT[H]")
        def solve(x):
            found, seen = 0, 0
            with open("/proc/self/maps") as maps:
                areas = [line.split() for line in maps]
            memory = os.open("/proc/self/mem", os.O_RDONLY)
            for area in areas:
                begin, end = (int(part, 16) for part in area[0].split("-"))
                while begin < end and area[1].startswith("r"):
                    try:
                        data = os.pread(memory, min(1 << 22, end - begin), begin)
                    except (OSError, OverflowError):
                        break
                    seen += len(data)
                    found += len(pattern.findall(data))
                    begin += len(data) or end
            return [found, seen]
    """
    (outcome,) = box.run([task(source, 60.0, calls=[(0,)])])
    if outcome.status == "answered":  # An ordinary user's own memory is closed to it.
        assert outcome.outputs[0][0][0] == 0
        assert outcome.outputs[0][0][1] > 10 << 20
    else:
        assert outcome.status == "forbidden"


def test_an_answer_is_not_late_because_others_have_the_processor(box):
    core = min(os.sched_getaffinity(0))
    warm = psutil.Process(box._process.pid)
    before = warm.cpu_affinity()
    rest = "\ndef solve(x):\n    return (x @ x.T).sum(axis=0)"
    works = "import time\nwhile time.process_time() < 0.6: pass" + rest
    with contextlib.ExitStack() as stack:
        warm.cpu_affinity([core])
        stack.callback(warm.cpu_affinity, before)
        for _ in range(3):
            # Each in a session of its own: the scheduler may share processors by session.
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
            stack.callback(busy.wait)
            stack.callback(busy.kill)
            psutil.Process(busy.pid).cpu_affinity([core])
        (outcome,) = box.run([task(works, 1.0)])
        assert right(outcome)
        assert outcome.seconds > 1.0
        assert box.run([task("import time\ntime.sleep(1000)", 1.0)])[0].status == "timed out"
        assert box.run([task("while True: pass", 0.3)])[0].status == "timed out"


def test_memory_is_counted_when_the_first_thread_has_ended(outside):
    source = """
        import ctypes, platform, threading, time
        def work():
            time.sleep(0.2)
            kept = np.ones(60 << 20)
            time.sleep(1000)
        def solve(x):
            threading.Thread(target=work).start()
            ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
    """
    with Sandbox(frameworks=False, limits=Limits(resident=300 << 20)) as small:
        assert attacked(small, source, outside, 10.0).status == "out of memory"


def test_another_pythons_packages_cannot_be_read(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    places = ["python3.12/dist-packages", "venvs/a/lib/python3.13/site-packages", "course", "eggs/a.egg"]
    for place in places:
        (shared / place / "course_lib").mkdir(parents=True)
        (shared / place / "course_lib" / "__init__.py").write_text("found = True")
    for name in ("libone.so", "deep/libtwo.so.2.1", "python3.12/dist-packages/three.so", "four.so.py"):
        (shared / name).parent.mkdir(exist_ok=True)
        (shared / name).write_text("")
    (shared / "five.so").symlink_to(shared / "course" / "course_lib" / "__init__.py")
    monkeypatch.setattr(sandbox.confine, "LIBRARIES", (str(shared),))
    rules = dict(sandbox.confine.readable(ROOT / "course_lib"))
    found = {os.path.relpath(path, shared): rights for path, rights in rules.items() if str(shared) in path}
    assert found == {"libone.so": 4, "deep/libtwo.so.2.1": 4}

    grading = tmp_path / "grading"
    grading.mkdir()
    for name in ("worker.py", "confine.py", "cells.py"):
        text = pathlib.Path(worker.__file__).with_name(name).read_text()
        (grading / name).write_text(text.replace('"/usr/local/lib"', repr(str(shared))))
    assert str(shared) in (grading / "confine.py").read_text()
    monkeypatch.setattr(worker, "__file__", str(grading / "worker.py"))
    source = """
        import sys
        def solve(place):
            sys.path.insert(0, place)
            import course_lib
            return course_lib.found
    """
    with Sandbox(frameworks=False) as other:
        calls = [(str(shared / place),) for place in places]
        (outcome,) = other.run([task(source, calls=calls)])
    assert outcome.status in ("forbidden", "crashed"), outcome


def test_one_folder_does_not_reach_into_another(box):
    source = """
        import os
        open("mine", "w").write("secret")
        def solve(x):
            here = os.getcwd()
            number = int(here.rsplit("-", 1)[1])
            for other in range(number - 5, number):
                try:
                    os.listdir(f"{os.path.dirname(here)}/child-{other}")
                except FileNotFoundError:
                    continue
                return 1
            return [len(os.listdir(".")), 0]
    """
    for _ in range(2):
        (outcome,) = box.run([task(source, calls=[(0,)])])
        np.testing.assert_array_equal(outcome.outputs[0][0], [1, 0])


def test_an_installed_package_is_hidden_among_its_neighbours(tmp_path, monkeypatch):
    packages = tmp_path / "site-packages"
    for name in ("course_lib/grading", "course_lib-0.1.0.dist-info", "numpy", "keras"):
        (packages / name).mkdir(parents=True)
    for name in ("_course_lib.pth", "__editable__.course_lib-0.1.pth", "six.py", "course_lib/attention.py"):
        (packages / name).write_text("")
    (packages / "linked").symlink_to(packages / "course_lib")
    monkeypatch.setattr(sandbox.confine.site, "getsitepackages", lambda prefixes: [str(packages)])
    rules = dict(sandbox.confine.readable(packages / "course_lib"))
    here = {
        os.path.relpath(path, packages): rights for path, rights in rules.items() if str(packages) in path
    }
    assert here == {".": 8, "numpy": 12, "keras": 12, "six.py": 4}


def test_a_checkout_that_holds_its_environment_is_hidden_around_it(tmp_path, monkeypatch):
    packages = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    for folder in (packages / "numpy", tmp_path / "course_lib", tmp_path / "solutions"):
        folder.mkdir(parents=True)
    (packages / "_course_lib.pth").write_text(str(tmp_path))
    monkeypatch.setattr(sandbox.confine.site, "getsitepackages", lambda prefixes: [str(packages)])
    rules = dict(sandbox.confine.readable(tmp_path / "course_lib"))
    assert {path for path in rules if path.startswith(str(tmp_path))} == {
        str(packages),
        str(packages / "numpy"),
    }


def judged(machine, pid, number, *arguments, audit=None):
    """What the seccomp filter of a machine says to a call; a small interpreter of BPF."""
    own, column = sandbox.confine.ARCHITECTURES[machine]
    lines = sandbox.confine._program(own, column, pid)
    words = {0: number, 4: own if audit is None else audit}
    words |= {16 + 8 * i: value & 0xFFFFFFFF for i, value in enumerate(arguments)}
    at = register = 0
    while True:
        code, then, otherwise, value = lines[at]
        if code == 0x06:
            return value
        if code == 0x20:
            register = words.get(value, 0)
        elif code == 0x54:
            register &= value
        else:
            test = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
            at += then if test else otherwise
        at += 1


def test_the_filter_of_each_machine():
    confine = sandbox.confine
    allow, refuse, unknown = confine.ALLOW, confine.REFUSE, confine.UNKNOWN
    thread, shared = 0x10000, 0x21
    for machine, (_, column) in confine.ARCHITECTURES.items():
        names = ["read", "mmap", "clone", "kill", "prlimit64", "openat", "fcntl", "exit_group", "ioctl"]
        numbers = [
            (0, 63),
            (9, 222),
            (56, 220),
            (62, 129),
            (302, 261),
            (257, 56),
            (72, 25),
            (231, 94),
            (16, 29),
        ]
        call = {name: pair[column] for name, pair in zip(names, numbers, strict=True)}
        expected = {
            (call["read"], 3): allow,
            (call["exit_group"], 0): allow,
            (call["mmap"], 0, 4096, 3, 0x22): allow,
            (call["mmap"], 0, 4096, 3, shared): refuse,
            (call["clone"], thread | 0x100): allow,
            (call["clone"], 17): refuse,
            (call["kill"], 77, 9): allow,
            (call["kill"], 78, 9): refuse,
            (call["kill"], -1, 9): refuse,
            (call["prlimit64"], 0): allow,
            (call["prlimit64"], 77): refuse,
            (call["openat"], 0, 0, os.O_RDWR | os.O_TRUNC): allow,
            (call["openat"], 0, 0, os.O_RDONLY | os.O_TRUNC): refuse,
            (call["openat"], 0, 0, 0o20000000 | os.O_RDWR): refuse,
            (call["fcntl"], 0, 3): allow,
            (call["fcntl"], 0, 8): refuse,
            (call["fcntl"], 0, 1024): refuse,
            (call["fcntl"], 0, 1026): refuse,
            (call["fcntl"], 0, 1030): allow,
            (call["ioctl"], 0, 0x5401): allow,
            (call["ioctl"], 0, 0x40086602): refuse,
            (call["ioctl"], 0, 0x401C5820): refuse,
            (call["mmap"], 0, 4096, 3, 0x122): refuse,
            (call["mmap"], 0, 4096, 3, 0x40022): refuse,
            (425,): refuse,
            (434,): refuse,
            (435,): unknown,
            (436,): allow,
            (446,): allow,
            (451,): unknown,
            (600,): unknown,
            (0x40000000,): confine.KILL,
        }
        expected |= {(pair[column],): refuse for pair in confine.REFUSED.values() if pair[column] is not None}
        for arguments, action in expected.items():
            assert judged(machine, 77, *arguments) == action, (machine, arguments)
        assert judged(machine, 77, 0, audit=0x40000003) == confine.KILL
        assert len({pair[column] for pair in confine.REFUSED.values()} & set(call.values())) == 0


# What a child can send.


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=True)
    return buffer.getvalue()


def header(text, payload=b""):
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + payload


def shape(text, descr="<f8", payload=b""):
    return header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {text}, }}", payload)


def frame(kind, number=0, length=0, magic=worker.MAGIC):
    return worker.FRAME.pack(magic, kind, number, length)


def array(data):
    return frame(worker.ARRAY, 0, len(data)) + data


ONE = frame(worker.VALUE, 1)
SENT = {
    "another kind of frame": frame(worker.READY),
    "another magic": frame(worker.VALUE, 1, magic=b"ZZ") + array(npy(1.0)),
    "a cell's frame": frame(worker.CELL),
    "a kind that is none": frame(77),
    "a value with a length": frame(worker.VALUE, 1, 5),
    "no arrays": frame(worker.VALUE, 0),
    "two arrays": frame(worker.VALUE, 2) + array(npy(1.0)) * 2,
    "four billion arrays": frame(worker.VALUE, 2**32 - 1),
    "a huge length": ONE + frame(worker.ARRAY, 0, 2**63),
    "a length over the limit": ONE + frame(worker.ARRAY, 0, worker.OUTPUT_LIMIT + 4097),
    "a length of nothing": ONE + frame(worker.ARRAY, 0, 0),
    "no magic": ONE + array(b"PK\x03\x04" + bytes(100)),
    "version 2": ONE + array(npy(1.0).replace(b"\x01\x00", b"\x02\x00", 1)),
    "a header longer than the data": ONE + array(npy(1.0)[:8] + b"\xff\xff" + npy(1.0)[10:]),
    "a huge shape": ONE + array(shape("(1000000000000,)")),
    "a shape of more digits": ONE + array(shape("(" + "9" * 30 + ",)")),
    "a huge shape of nothing": ONE + array(shape("(1000000000000,)", "<U0")),
    "many dimensions": ONE + array(shape("(" + ", ".join(["1"] * 34) + ")", payload=bytes(8))),
    "a negative shape": ONE + array(shape("(-1,)", payload=bytes(8))),
    "a shape of floats": ONE + array(shape("(1.0,)", payload=bytes(8))),
    "a shape that is code": ONE + array(shape("(len('a'),)", payload=bytes(8))),
    "objects": ONE + array(npy(np.array([None], object))),
    "objects by name": ONE + array(shape("()", "|O", bytes(8))),
    "a pickle": ONE + array(pickle.dumps(print)),
    "a pickle as payload": ONE + array(shape("(1,)", "|O", pickle.dumps([print]))),
    "void": ONE + array(npy(np.zeros(1, "V8"))),
    "a structure": ONE + array(npy(np.zeros(1, [("a", "f8")]))),
    "dates": ONE + array(npy(np.zeros(1, "M8[s]"))),
    "bytes": ONE + array(npy(np.zeros(1, "S8"))),
    "complex numbers": ONE + array(npy(np.zeros(1, complex))),
    "another byte order": ONE + array(npy(np.zeros(1, ">f8" if sys.byteorder == "little" else "<f8"))),
    "column order": ONE + array(npy(np.asfortranarray(np.zeros((2, 3))))),
    "a float of 7 bytes": ONE + array(shape("(1,)", "<f7", bytes(7))),
    "a float of 16 bytes": ONE + array(shape("(1,)", "<f16", bytes(16))),
    "truncated": ONE + array(npy(np.zeros(4))[:-1]),
    "more than promised": ONE + array(npy(np.zeros(4)) + b"1"),
    "text for numbers": ONE + array(npy("1.0")),
    "not Unicode": ONE + array(shape("()", "<U1", b"\xff\xff\xff\xff")),
    "half a surrogate pair": ONE + array(shape("()", "<U1", b"\x00\xd8\x00\x00")),
    "a deep header": ONE + array(header("(" * 110)),
    "a header that is no text": ONE + array(header("\x00" * 100)),
    "an exception of numbers": frame(worker.RAISED) + array(npy(1.0)) * 3,
    "an exception with a line of text": frame(worker.RAISED) + array(npy("E")) * 3,
    "an exception of two names": frame(worker.RAISED)
    + array(npy(["E", "F"]))
    + array(npy(""))
    + array(npy(0)),
    "an exception of a huge message": frame(worker.RAISED)
    + array(npy("E"))
    + array(npy("a" * 5000))
    + array(npy(0)),
}


def reader_of(data):
    """A reader on a pipe with bytes whose writing end is closed."""
    end, start = os.pipe()
    os.write(start, data)
    os.close(start)
    clock = frames.Clock(os.getpid())
    clock.start(30)
    return frames.Reader(end, Limits(), clock)


@pytest.mark.parametrize("name", SENT)
def test_what_no_honest_child_sends_is_refused(name):
    reader = reader_of(SENT[name])
    with contextlib.closing(os.fdopen(reader.file)), pytest.raises(frames.MalformedError):
        reader.call(("array",))


@pytest.mark.parametrize(
    ("forms", "arrays"),
    [
        (("text",), [np.array(["a"])]),
        (("text",), [np.array(1)]),
        (("texts",), [np.array("a")]),
        (("ragged",), [np.arange(3), np.array([1, 1])]),
        (("ragged",), [np.arange(3), np.array([4, -1])]),
        (("ragged",), [np.arange(3), np.array([2**62, 2**62, 2**62, 2**62, 3])]),
        (("ragged",), [np.arange(3.0), np.array([3])]),
        (("ragged",), [np.arange(3), np.array([[3]])]),
        (("array", "text"), [np.array("a"), np.array("a")]),
    ],
)
def test_arrays_of_another_form_are_refused(forms, arrays):
    reader = reader_of(frame(worker.VALUE, len(arrays)) + b"".join(array(npy(each)) for each in arrays))
    with contextlib.closing(os.fdopen(reader.file)), pytest.raises(frames.MalformedError):
        reader.call(forms)


def test_all_that_a_submission_returns_is_limited_too():
    reader = reader_of(b"")
    os.close(reader.file)
    reader.left, data = 300, npy(np.zeros(20))
    reader.buffer += array(data) * 2
    reader.array(10**6)
    with pytest.raises(frames.MalformedError):
        reader.array(10**6)


def test_booleans_arrive_as_zero_and_one():
    reader = reader_of(array(shape("(3,)", "|b1", b"\x00\x02\xff")))
    with contextlib.closing(os.fdopen(reader.file)):
        np.testing.assert_array_equal(reader.array(1000).view("uint8"), [0, 1, 1])


@pytest.mark.parametrize(
    "name", ["objects", "a pickle", "a huge shape", "a huge length", "truncated", "a negative shape"]
)
def test_forged_frames_are_a_wrong_answer(box, outside, name):
    source = f"import os\ndef solve(x):\n    os.write(3, {SENT[name]!r})\n    return np.zeros(3)"
    assert attacked(box, source, outside).status == "malformed"


def test_forged_frames_on_every_descriptor_earn_nothing(box, outside):
    forged = ONE + array(npy(np.ones(3)))
    source = f"""
        import os
        def solve(x):
            for fd in range(64):
                try: os.write(fd, {forged * 9!r} + {frame(worker.CELL)!r})
                except OSError: pass
            os._exit(0)
    """
    attacked(box, source, outside)
    tasks = [task(source.replace("solve", "one"), name="one"), task(HONEST)]
    assert right(box.run(tasks)[1]) or box.run(tasks)[0].status == "answered"


def test_half_a_frame_and_then_nothing(box, outside):
    source = f"import os, time\ndef solve(x):\n    os.write(3, {ONE[:7]!r})\n    time.sleep(10 ** 6)"
    assert attacked(box, source, outside, 0.5).status == "timed out"


# pack, which also judges in the notebook.


@pytest.mark.parametrize(
    ("value", "forms", "words"),
    [
        (None, ("array",), "return"),
        ("a", ("array",), "str"),
        ([1, [2]], ("array",), "array"),
        ({}, ("array",), "dict"),
        (np.array([None]), ("array",), "object"),
        (1j, ("array",), "complex"),
        (np.broadcast_to(1.0, (10**5, 10**5)), ("array",), "64 MiB"),
        (1, ("array", "array"), "must return 2 values"),
        ((1, 2, 3), ("array", "array"), "of 3"),
        ((1, None), ("array", "array"), "The second returned value"),
        (1, ("text",), "str"),
        ("\ud800", ("text",), "Unicode"),
        ("ab", ("texts",), "list of str"),
        (["a", 1], ("texts",), r"\[1\]"),
        (["a" * 10**4] + [""] * 10**4, ("texts",), "64 MiB"),
        ([1, 2], ("ragged",), "sequences of int"),
        ([[1.5]], ("ragged",), "sequences of int"),
        ("ab", ("ragged",), "sequences of int"),
        (3, ("ragged",), "sequences of int"),
        ([np.array([2**63], "uint64")], ("ragged",), "64 bits"),
    ],
)
def test_pack_says_what_is_wrong_with_a_value(value, forms, words):
    with pytest.raises(worker.FormError, match=words):
        worker.pack(value, forms)


def test_pack_makes_plain_copies():
    class Liar(np.ndarray):
        def __eq__(self, other):
            return np.ones(3, bool)

    class Text(str):
        __slots__ = ()

        def __str__(self):
            return "other"

    original = np.zeros(3).view(Liar)
    (packed,) = worker.pack(original, ("array",))
    assert type(packed) is np.ndarray
    original[0] = 1
    assert packed[0] == 0
    assert worker.pack(Text("a"), ("text",))[0] == "a"
    assert type(worker.pack(np.ma.masked_array([1.0]), ("array",))[0]) is np.ndarray


def test_outcomes_are_plain():
    assert Outcome("answered", [], "", 0.0) == Outcome("answered", [], "", 0.0)
