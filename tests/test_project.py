"""A learner's own project: begun, filled, measured; what the check says of all that is missing or hostile."""

import ast
import csv
import io
import json
import os
import pathlib
import re
import shutil
import zipfile

import nbformat
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import cli, links
from course_lib.grading import project
from course_lib.grading.project import criteria, writing
from course_lib.grading.project import files as reading

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The worked example: messages to a shop, and whether they are complaints.
LOAD = '''
def load():
    """Return three pairs of examples and labels: to train on, to choose by, and held out."""
    rng = np.random.default_rng(0)
    things = ["parcel", "lamp", "chair", "invoice", "voucher", "kettle", "desk", "shelf", "mirror", "rug"]
    words = {"complaint": ["broken", "late", "missing", "wrong"], "other": ["nice", "new", "blue", "same"]}
    texts, labels = [], []
    while len(texts) < 900:
        label = ["complaint", "other"][rng.uniform() < 0.6]
        hint = words[label if rng.uniform() < 0.9 else "other"][rng.integers(4)]
        text = f"Order {rng.integers(10_000)}: the {things[rng.integers(10)]} is {hint}"
        if text not in texts:
            texts.append(text)
            labels.append(label)
    return (texts[:500], labels[:500]), (texts[500:600], labels[500:600]), (texts[600:], labels[600:])
'''
BASELINE = '''
def baseline(examples):
    """Return a label for each example, by the simplest means that are fair."""
    return [max(set(train_labels), key=train_labels.count)] * len(examples)
'''
PREDICT = '''
from collections import Counter

counts = {label: Counter() for label in set(train_labels)}
for text, label in zip(train, train_labels, strict=True):
    counts[label].update(text.split())


def predict(examples):
    """Return a label for each example, by your model."""

    def score(text, label):
        total = sum(counts[label].values())
        chances = [(counts[label][word] + 1) / (total + 1000) for word in text.split()[2:]]
        return np.log(chances).sum() + np.log(train_labels.count(label))

    return [max(counts, key=lambda label: score(text, label)) for text in examples]
'''
EXPORT = '''
import json


def export(folder):
    """Write everything that `predict` needs into the folder."""
    (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
'''


def yardstick():
    np.ones((40, 40)) @ np.ones((40, 40))


def cells(kind="code"):
    return ["".join(cell["source"]) for cell in writing.notebook()["cells"] if cell["cell_type"] == kind]


def fill(folder):
    """Does what a learner does: fills the template, runs it from the top, and writes the card."""
    project.begin(folder)
    scope, answers = {}, {"load": LOAD, "baseline": BASELINE, "predict": PREDICT, "export": EXPORT}
    for source in cells()[1:]:  # The first installs the course on Colab.
        for name, answer in answers.items():
            stub = re.search(rf"^def {name}\(.*?^    raise [^\n]*\n", source, re.MULTILINE | re.DOTALL)
            source = source.replace(stub[0], answer.strip() + "\n") if stub else source
        source = source.replace('title = ""', 'title = "Complaints to a shop"')
        source = source.replace("predict, held_out)", "predict, held_out, yardstick=yardstick)")
        scope.setdefault("yardstick", yardstick)
        exec(compile(source, "<capstone.ipynb>", "exec"), scope)
    return scope


WORDS = "These are words of my own about this part of the project, enough of them to be read. " * 2


def card(report, **instead):
    """A card that states what the check has measured."""
    said = " ".join(" ".join(line.found) for line in report.lines)
    scores = re.search(r"Recomputed [\w ]+: (\S+) by your model, (\S+) by", said)
    size = int(re.search(r"files? with ([\d,]+) bytes", said)[1].replace(",", ""))
    times = re.search(r"clock: (\S+) ms", said)[1]
    sections = dict.fromkeys(criteria.SECTIONS, WORDS)
    sections["Data"] += "Licence: CC0."
    sections["Results"] += (
        f"Of 300 examples the model has {scores[1]} right, the baseline {scores[2]}. "
        f"It takes {size / 1000:.1f} kB and {times} ms."
    )
    sections |= instead
    return "# Card\n\n" + "\n".join(f"## {name}\n\n{text}\n" for name, text in sections.items() if text)


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A project with everything right. Not to be changed."""
    folder = tmp_path_factory.mktemp("worked") / "mine"
    before = pathlib.Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    try:
        fill(pathlib.Path())
    finally:
        os.chdir(before)
    (folder / "CARD.md").write_text(card(project.check(folder)), encoding="utf-8")
    return folder


@pytest.fixture
def mine(worked, tmp_path):
    """A copy of it."""
    return pathlib.Path(shutil.copytree(worked, tmp_path / "mine"))


def line(report, criterion):
    (found,) = [each for each in report.lines if each.criterion == criterion]
    return found


def missing(path, criterion):
    """What the check says is missing, of a criterion that must not be met."""
    found = line(project.check(path), criterion)
    assert not found.met
    return " ".join(found.missing)


def test_a_project_from_end_to_end(worked, monkeypatch, capsys):
    report = project.check(worked)
    assert report.complete, str(report)
    assert report.points == 40
    assert report.title == "Complaints to a shop"
    text = str(report)
    assert "300 held-out examples with 2 different labels." in text
    assert "0 of them are among the 600 of training." in text
    assert "better than the baseline, outside chance" in text
    assert "40 of 40 points that can be measured." in text
    for named in (worked, worked / "capstone.ipynb"):
        monkeypatch.setattr("sys.argv", ["course", "check", str(named)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        assert capsys.readouterr().out == f"{text}\n"


def test_a_zip_says_the_same(worked, tmp_path):
    for inner in ("", "mine/"):
        path = tmp_path / f"{len(inner)}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(worked.rglob("*")):
                if file.is_file():
                    archive.write(file, f"{inner}{file.relative_to(worked)}")
            archive.writestr("__MACOSX/._CARD.md", b"x")
        assert str(project.check(path)) == str(project.check(worked))


def test_an_exercise_beside_a_card_stays_an_exercise(mine):
    assert project.is_project(mine / "capstone.ipynb")
    assert project.is_project(mine / "mine.ipynb")
    assert not project.is_project(mine / "01_attention.ipynb")
    assert not project.is_project(ROOT / "exercises" / "13_capstone.ipynb")


def test_nothing_of_the_learners_is_written_but_digests(worked):
    assert b"parcel" not in (worked / "results" / "training.csv").read_bytes()
    assert b"parcel" not in (worked / "results" / "labels.csv").read_bytes()


def test_a_new_project_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["course", "capstone", "mine"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.startswith("Open mine/capstone.ipynb. `course check mine` measures")
    nbformat.validate(nbformat.read("mine/capstone.ipynb", 4))
    monkeypatch.setattr("sys.argv", ["course", "check", "mine"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().out
    for part in (
        "results/labels.csv is missing.",
        "`project.save`, at the end of the notebook, writes all four.",
        "The held-out data have to be right first.",
        "There is no folder model",
        "results/latency.json is missing.",
        "`project.measure`, at the end of the notebook, writes it.",
        "Its section Problem has 0 words of your own",
        "0 of 40 points",
    ):
        assert part in said
    with pytest.raises(FileExistsError, match="Give a new folder"):
        project.begin("mine")


def test_the_template_is_python_and_has_the_setup_of_the_lessons():
    import test_notebooks

    sources = cells()
    assert sources[0] == test_notebooks.SETUP.format(install=links.install_line(links.repository(ROOT)))
    stubs = []
    for source in sources[1:]:
        assert max(map(len, source.splitlines())) <= 110
        stubs += [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    assert stubs == ["load", "baseline", "predict", "export"]
    assert sum("raise NotImplementedError" in source for source in sources) == 4


def test_the_rubric_is_that_of_the_check():
    text = (ROOT / "docs" / "CAPSTONE.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^\|---\|---\|---\|\n((?:\|.*\n)+)", text, re.M)
    rows = re.findall(r"^\| ([\w\- ]+) \| (\d+) \|", first, re.M)
    assert {name: int(points) for name, points in rows} == project.CRITERIA
    assert sum(project.CRITERIA.values()) == 40
    assert sum(int(points) for points in re.findall(r"^\| [\w ]+ \| (\d+) \|", second, re.M)) == 60
    for name in criteria.SECTIONS:
        assert f"## {name}\n" in (writing.TEMPLATE / "card.md").read_text(encoding="utf-8")
    assert f"at least {criteria.EXAMPLES} examples" in text
    assert f"at least {criteria.ROUNDS} rounds" in text
    assert f"at least {criteria.WORDS} words" in text


# Scores


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, ours, baseline = ([f"c{i}" for i in rng.integers(0, 4, size=200)] for _ in range(3))
    ours = [a if rng.uniform() < 0.6 else b for a, b in zip(labels, ours, strict=True)]
    accuracy = project.compare(labels, ours, baseline)
    assert accuracy.score == pytest.approx(sklearn.metrics.accuracy_score(labels, ours))
    assert project.score(labels, ours) == accuracy.score
    f1 = project.compare(labels, ours, baseline, "macro_f1")
    assert project.score(labels, baseline, "macro_f1") == f1.baseline
    assert f1.score == pytest.approx(sklearn.metrics.f1_score(labels, ours, average="macro"))
    assert f1.baseline == pytest.approx(sklearn.metrics.f1_score(labels, baseline, average="macro"))
    assert f1.low < f1.score - f1.baseline < f1.high
    right = np.array(labels) == [ours, baseline]
    b, c = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (accuracy.only_ours, accuracy.only_baseline) == (b, c)
    assert accuracy.p_value == pytest.approx(scipy.stats.binomtest(b, b + c).pvalue)
    assert accuracy.better


def test_predictions_that_no_label_has_are_wrong():
    found = project.compare(["a", "b"] * 60, ["a", "nonsense"] * 60, ["a", "a"] * 60, "macro_f1")
    assert found.score == pytest.approx(0.5)
    assert found.baseline == pytest.approx(1 / 3)


def test_numbers_are_better_when_nearer():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=150)
    near, far = labels + 0.1 * rng.normal(size=150), labels + rng.normal(size=150)
    found = project.compare(labels, near, far, "mean_absolute_error")
    assert found.score == pytest.approx(np.abs(near - labels).mean())
    assert project.score(labels, near, "mean_absolute_error") == found.score
    assert found.high < 0
    assert found.better
    assert not project.compare(labels, far, near, "mean_absolute_error").better
    assert not project.compare(labels, near, near, "mean_absolute_error").better


@pytest.mark.parametrize(
    ("text", "value", "share", "stated"),
    [
        ("It has 86.2 % right.", 0.8621, True, True),
        ("It has 86.2% right.", 0.8621, True, True),
        ("It has 0.862 right.", 0.8621, True, True),
        ("It has 86 % right", 0.8621, True, True),
        ("It has 0.9 right", 0.8621, True, False),
        ("It has 87 % right", 0.8621, True, False),
        ("It has 86.3 % right", 0.8621, True, False),
        ("version 1.86.2 %", 0.862, True, False),
        ("0.8629", 0.862, True, False),
        ("It takes 1,234.5 ms.", 1234.52, False, True),
        ("It takes 12 ms", 12.4, False, True),
        ("It takes 12 ms", 12.6, False, False),
        ("", 0.5, True, False),
    ],
)
def test_numbers_in_a_text(text, value, share, stated):
    assert criteria.states(text, value, share) == stated


@given(st.floats(0.001, 0.999), st.integers(2, 6), st.booleans())
def test_a_rounded_share_is_stated(value, digits, percent):
    text = f"about {100 * value:.{digits - 2}f} % of them" if percent else f"about {value:.{digits}f}."
    assert criteria.states(text, value, True)
    assert not criteria.states(text, value + 2 * 10.0**-digits, True)


@pytest.mark.parametrize(
    ("text", "total", "stated"),
    [
        ("2.8 MB", 2_790_000, True),
        ("2.9 MB", 2_790_000, False),
        ("3 MB on disk", 2_790_000, True),
        ("1,234 bytes", 1234, True),
        ("1.2 kB", 1234, True),
        ("1.2", 1234, False),
    ],
)
def test_sizes_in_a_text(text, total, stated):
    assert criteria.states_size(text, total) == stated


# What is missing or wrong


def rewrite(path, change):
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("id,label", "id,class"), "its first line must name the columns label"),
        (lambda text: "", "its first line must name the columns id, label"),
        (lambda text: text + text.splitlines()[1] + "\n", "is there twice"),
        (lambda text: text + "abc\n", "line 302: 2 values were expected. Received: 1"),
        (lambda text: text + "a,b,c\n", "Received: 3"),
        (lambda text: text + ",other\n", "a value is empty or too long"),
        (lambda text: text + "x" * 2000 + ",other\n", "a value is empty or too long"),
        (lambda text: text + '"\n', "that is not CSV"),
        (lambda text: text + "," * 20_000, "has a line of more than 10,000 characters"),
        (lambda text: "\n".join(text.splitlines()[:51]), "250 of them are missing, and 0 are not among them"),
        (lambda text: text + "new,other\n", "0 of them are missing, and 1 are not among them"),
    ],
)
def test_a_broken_table_of_predictions(mine, change, said):
    rewrite(mine / "results" / "predictions.csv", change)
    assert said in missing(mine, "held-out data")
    assert "have to be right first" in missing(mine, "score")


def test_held_out_examples_that_were_trained_on(mine):
    known = (mine / "results" / "labels.csv").read_text(encoding="utf-8").splitlines()[1].partition(",")[0]
    rewrite(mine / "results" / "training.csv", lambda text: f"{text}{known}\n")
    assert "says nothing of new examples" in missing(mine, "held-out data")
    rewrite(mine / "results" / "training.csv", lambda text: "id\n")
    assert "names no example" in missing(mine, "held-out data")


def test_too_few_examples_or_labels(mine):
    for name in ("labels", "predictions", "baseline"):
        rewrite(mine / "results" / f"{name}.csv", lambda text: "\n".join(text.splitlines()[:51]) + "\n")
    assert "Hold out at least 100 examples" in missing(mine, "held-out data")
    rewrite(mine / "results" / "labels.csv", lambda text: text.replace("complaint", "other"))
    assert "All labels are the same" in missing(mine, "held-out data")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "must hold a JSON object"),
        ('{"metric": NaN}', "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"metric": "luck"}', "`metric` must be one of accuracy, macro_f1, mean_absolute_error"),
        ('{"metric": ["accuracy"]}', "`metric` must be one of"),
        ('{"metric": "mean_absolute_error"}', "all labels must be numbers. Received: "),
        ("{}", "`metric` must be one of"),
    ],
)
def test_a_broken_project_file(mine, record, said):
    (mine / "results" / "project.json").write_text(record)
    assert said in missing(mine, "score")


def test_a_score_that_the_card_does_not_state(mine):
    rewrite(mine / "CARD.md", lambda text: re.sub(r"has [\d.]+% right", "has 99.9% right", text))
    said = missing(mine, "score")
    assert "of your model" in said
    assert "of the baseline" not in said


def test_an_honest_failure_has_all_points(mine):
    shutil.copy(mine / "results" / "baseline.csv", mine / "results" / "predictions.csv")
    assert "within chance: an honest failure has all points" in missing(mine, "comparison")
    text = card(project.check(mine)).replace("It takes", "The difference is within chance. It takes")
    (mine / "CARD.md").write_text(text, encoding="utf-8")
    assert project.check(mine).complete, str(project.check(mine))


def test_a_model_that_is_missing_linked_or_not_stated(mine, tmp_path):
    rewrite(mine / "CARD.md", lambda text: text.replace(" kB", " furlongs"))
    assert "does not state the size, such as" in missing(mine, "size")
    (mine / "model" / "big").symlink_to("/etc/passwd")
    assert "model/big is a link, and links are not followed." in missing(mine, "size")
    shutil.rmtree(mine / "model")
    assert "There is no folder model" in missing(mine, "size")
    (mine / "model").symlink_to(tmp_path)
    said = missing(mine, "size")
    assert "model is a link" in said


def test_a_model_that_is_too_large(mine):
    with (mine / "model" / "sparse").open("wb") as file:
        file.truncate(criteria.MODEL_BYTES + 1)
    assert "That is more than 2 GB: compress it" in missing(mine, "size")


@pytest.mark.parametrize(
    "seconds",
    [
        None,
        [],
        {"a": 1},
        [[0.1, 0.1]] * 19,
        [[0.1]] * 30,
        *([pair] * 30 for pair in ([0.1, "x"], [0.1, -1], [0, 1], [True, 1], [0.1, 1e9], [0.1, 10**400])),
    ],
)
def test_times_that_are_none(mine, seconds):
    (mine / "results" / "latency.json").write_text(
        json.dumps({"machine": "m", "yardstick": "y", "seconds": seconds})
    )
    assert "`seconds` must hold at least 20 pairs of times" in missing(mine, "latency")


def test_times_without_a_machine_or_not_stated(mine):
    path = mine / "results" / "latency.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"machine": " "}))
    assert "`machine` must say which it was" in missing(mine, "latency")
    path.write_text(json.dumps(record | {"seconds": [[7.77, 0.123]] * 25}))
    assert "states neither 7.77e+03 ms nor 63.2 times" in missing(mine, "latency")


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"Limits": ""}, "CARD.md has no section ## Limits."),
        ({"Use": "Few words."}, "Its section Use has 2 words of your own; write at least 25."),
        ({"Use": f"<!-- {WORDS} -->"}, "Its section Use has 0 words"),
        ({"Problem": f"<!-- {WORDS}"}, "CARD.md has no section ## Data."),
        ({"Data": WORDS}, "does not say under which licence"),
    ],
)
def test_a_card_with_holes(mine, instead, said):
    (mine / "CARD.md").write_text(card(project.check(mine), **instead), encoding="utf-8")
    assert said in missing(mine, "card")


def test_a_colon_and_capitals_in_a_heading_do_not_matter(mine):
    text = (mine / "CARD.md").read_text(encoding="utf-8")
    (mine / "CARD.md").write_text(text.replace("## Results", "## RESULTS:"), encoding="utf-8")
    assert project.check(mine).complete


def test_a_card_that_is_none(mine):
    (mine / "CARD.md").unlink()
    said = "CARD.md is missing. `course capstone` with a new folder writes one to fill."
    assert missing(mine, "card") == said
    (mine / "CARD.md").write_bytes(b"\xff\xfe\x00")
    assert missing(mine, "card") == "CARD.md is not UTF-8: save it as such."
    (mine / "CARD.md").write_bytes(b"x" * (reading.TEXT_BYTES + 1))
    assert "more than the 1,048,576 that are read" in missing(mine, "card")
    (mine / "CARD.md").unlink()
    (mine / "CARD.md").symlink_to("/etc/passwd")
    assert missing(mine, "card") == "CARD.md is a link, and links are not followed."
    (mine / "CARD.md").unlink()
    os.mkfifo(mine / "CARD.md")
    assert missing(mine, "card") == "CARD.md is not a plain file."


# Hostile folders and zips


def test_what_is_no_project(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.zip: it is not there"):
        project.check(tmp_path / "nowhere.zip")
    (tmp_path / "a.zip").write_bytes(b"PK but not really")
    with pytest.raises(ValueError, match="not a zip file, or it is damaged"):
        project.check(tmp_path / "a.zip")
    (tmp_path / "b.zip").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="cannot be read"):
        project.check(tmp_path / "b.zip")


def test_a_folder_of_something_else():
    with pytest.raises(
        ValueError, match=r"exercises: there is no project, neither CARD\.md nor .* name the notebook"
    ):
        project.check(ROOT / "exercises")


def test_a_folder_with_far_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "ENTRIES", 50)
    for number in range(51):
        (tmp_path / f"{number}").touch()
    with pytest.raises(ValueError, match="More than 50 files are in it: is that the folder you mean"):
        project.check(tmp_path)


def test_a_deep_folder_ends(tmp_path):
    place = tmp_path / "model"
    for _ in range(40):
        place = place / "d"
    place.mkdir(parents=True)
    (place / "file").touch()
    assert "folders deep" in missing(tmp_path, "size")


def test_links_to_folders_are_not_entered(tmp_path, mine):
    shutil.move(mine / "results", tmp_path / "elsewhere")
    (mine / "results").symlink_to(tmp_path / "elsewhere")
    assert "results/labels.csv is missing." in missing(mine, "held-out data")


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_members_of_a_zip(tmp_path):
    path = zipped(
        tmp_path / "a.zip",
        [
            ("CARD.md", b"/etc/passwd", 0o120777),
            ("results/labels.csv", b"x" * (15 * 2**20), 0),
            ("../results/predictions.csv", b"id,label\n", 0),
            ("results/project.json", b"{}", 0),
            ("results/project.json", b"{}", 0),
        ],
    )
    report = project.check(path)
    assert "CARD.md is a link or another special file" in line(report, "card").missing[0]
    said = " ".join(line(report, "held-out data").missing)
    assert "unpacks to more than 200 times its size" in said
    assert "results/predictions.csv is missing" in said
    assert report.points == 0
    many = zipped(tmp_path / "b.zip", [(f"{n}", b"", 0) for n in range(reading.ENTRIES + 1)])
    with pytest.raises(ValueError, match="is that the zip file you mean"):
        project.check(many)


def test_names_and_titles_cannot_speak_to_the_terminal(mine):
    (mine / "results" / "project.json").write_text(
        json.dumps({"title": "a\x1b[2Jb\n\u202e", "metric": "accuracy"})
    )
    (mine / "model" / "x\x1b[31m").symlink_to("/")
    rewrite(mine / "results" / "predictions.csv", lambda text: text + "\x1b[1m,a\n\x1b[1m,a\n")
    report = project.check(mine)
    assert "\x1b" not in str(report)
    assert "\u202e" not in str(report)


def test_a_table_with_many_rows(mine, monkeypatch):
    monkeypatch.setattr(reading, "ROWS", 100)
    assert "more than 100 rows: take fewer examples" in missing(mine, "held-out data")


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300), name=st.sampled_from(["labels.csv", "project.json", "latency.json"]))
def test_any_bytes_are_read_or_refused(worked, data, name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(worked.rglob("*")):
            if file.is_file() and file.name != name:
                archive.write(file, str(file.relative_to(worked)))
        archive.writestr(f"results/{name}", data)
    path = worked.parent / "fuzzed.zip"
    path.write_bytes(buffer.getvalue())
    assert not project.check(path).complete


# What runs in the learner's notebook


def test_equal_examples_have_one_name():
    assert writing.digest("A  film.") == writing.digest(" a film.\n")
    assert writing.digest("A film.") != writing.digest("A film!")
    assert writing.digest(b"x") != writing.digest(b"y")
    image = np.arange(6.0).reshape(2, 3)
    assert writing.digest(image) == writing.digest(np.asfortranarray(image))
    assert writing.digest(image) != writing.digest(image.T)
    assert writing.digest(image) != writing.digest(image.astype("float32"))
    assert project.shared(["a", "b"], ["c", "B ", "a"]) == [1, 2]
    with pytest.raises(ValueError, match=r"or an array of numbers\. Received: dict"):
        writing.digest({})


def test_save_writes_labels_alike_whatever_their_type(tmp_path):
    texts = [f"text {n}" for n in range(120)]
    labels = np.arange(120) % 2
    ours = [float(label) for label in labels]
    baseline = [bool(label) if n % 3 else 1 for n, label in enumerate(labels)]
    found = project.save(tmp_path, "t", ["other"], texts, labels, ours, baseline)
    assert found.score == 1
    assert found.baseline == pytest.approx(np.mean((labels == 1) | (np.arange(120) % 3 > 0)))
    with (tmp_path / "results" / "baseline.csv").open(encoding="utf-8", newline="") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"0", "1"}


def test_save_refuses_what_the_check_would(tmp_path):
    with pytest.raises(ValueError, match=r"must have one length, above 0\. Received: \[2, 2, 1, 2\]"):
        project.save(tmp_path, "", [], ["a", "b"], [0, 1], [0], [0, 1])
    with pytest.raises(ValueError, match="1 held-out examples are equal to another one"):
        project.save(tmp_path, "", [], ["a", "A"], [0, 1], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="`metric` must be one of"):
        project.save(tmp_path, "", [], ["a"], [0], [0], [0], "luck")


def test_measuring_takes_turns(tmp_path):
    calls = []
    seconds = project.measure(
        tmp_path, calls.append, ["a", "b"], rounds=20, yardstick=lambda: calls.append("yardstick")
    )
    assert seconds.shape == (20, 2)
    assert (seconds > 0).all()
    assert calls[:4] == [["a"], "yardstick", ["b"], "yardstick"]
    assert len(calls) == 2 * 23
    record = json.loads((tmp_path / "results" / "latency.json").read_text())
    assert record["machine"]
    assert len(record["seconds"]) == 20
