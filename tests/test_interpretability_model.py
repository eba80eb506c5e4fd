"""Lesson 10: claims about a model: gaps, corrections, templates, the card, and `course explain`."""

import importlib
import json
import pathlib
import shutil

import httpx
import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import typer.testing
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from course_lib import cli, deployment, fine_tuning, imdb, interpretability, serving, transformer, weights
from course_lib.interpretability import templates

# Intervals


@given(st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=2, max_size=30))
def test_a_gap_is_students(differences):
    found = interpretability.gap(differences)
    assert found.count == len(differences)
    assert found.low <= found.mean <= found.high
    if np.std(differences) > 1e-6:
        theirs = stats.ttest_1samp(differences, 0.0)
        interval = theirs.confidence_interval()
        np.testing.assert_allclose(
            [found.p, found.low, found.high],
            [theirs.pvalue, interval.low, interval.high],
            rtol=1e-6,
            atol=1e-9,
        )


def test_a_gap_without_spread_and_without_pairs():
    assert interpretability.gap([0.0, 0.0]).p == 1.0
    assert interpretability.gap([1.0, 1.0]).p == 0.0
    assert str(interpretability.gap([1.0, 1.0])) == "+1.00 (+1.00 to +1.00)"
    with pytest.raises(ValueError, match=r"two differences or more. Received shape: \(1,\)"):
        interpretability.gap([1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_step_down_rule(p_values):
    found = interpretability.holm(p_values)
    count = len(p_values)
    for level in (0.01, 0.05, 0.3):
        # Holm's rule as he states it: reject in order until the first that fails.
        rejected = set()
        for step, i in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[i] > level / (count - step):
                break
            rejected.add(i)
        assert {i for i in range(count) if found[i] <= level * (1 + 1e-12)} >= rejected
        assert {i for i in range(count) if found[i] < level * (1 - 1e-9)} <= rejected
    assert (found >= np.array(p_values) - 1e-15).all()
    assert found.max() <= 1.0


def test_holm_by_hand():
    np.testing.assert_allclose(interpretability.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_correlation_is_spearmans_with_an_interval_that_covers():
    rng = np.random.default_rng(0)
    x, noise, z = rng.normal(size=(3, 200))
    r, low, high = interpretability.correlation(x, x + noise)
    assert r == pytest.approx(stats.spearmanr(x, x + noise)[0])
    assert low < r < high
    partial, *_ = interpretability.correlation(x + z, noise + z, given=z)
    pairs = [stats.spearmanr(*each)[0] for each in ((x + z, noise + z), (x + z, z), (noise + z, z))]
    expected = (pairs[0] - pairs[1] * pairs[2]) / np.sqrt((1 - pairs[1] ** 2) * (1 - pairs[2] ** 2))
    assert partial == pytest.approx(expected)
    covered = 0
    for seed in range(200):
        x, y = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 60).T
        _, low, high = interpretability.correlation(x, y)
        covered += low < 6 / np.pi * np.arcsin(0.25) < high  # Spearman's of a normal pair.
    assert 180 <= covered <= 199


# Short cuts and templates


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A solid 8/10 from me.", ["8/10"]),
        ("7.5 / 10, or 7 out of 10", ["7.5 / 10", "7 out of 10"]),
        ("Ten out of ten!", ["Ten out of ten"]),
        ("10/10.", ["10/10"]),
        ("I give it 3/10<br />", ["3/10"]),
        ("on 9/11 and 24/7, in 2010, 8/100, 1/10/99, 1 out of 1000", []),
    ],
)
def test_ratings_are_found_and_go(text, found):
    assert interpretability.ratings(text) == found
    assert interpretability.ratings(interpretability.replace_ratings(text)) == []
    if not found:
        assert interpretability.replace_ratings(text, "X") == text


def test_swaps_change_the_filler_and_nothing_else():
    first, second = interpretability.swaps(interpretability.GROUP_FRAMES, ["a young", "an old"])
    assert len(first) == len(second) == 18
    assert all(one.replace("a young", "an old") == other for one, other in zip(first, second, strict=True))


def test_templates_are_of_equal_number_and_without_twins():
    assert {len(names) for names in interpretability.NAMES.values()} == {8}
    every = [name for names in interpretability.NAMES.values() for name in names]
    assert len(set(every)) == 32
    assert len(set(interpretability.GROUPS)) == len(interpretability.GROUPS)
    for pairs in (interpretability.AFRICAN_AMERICAN, interpretability.BRITISH):
        first, second = interpretability.dialects(pairs)
        assert len(first) == len(second) == 12 * len(templates.verdicts())
        assert not set(first) & set(second)


def test_behaviours_hold_both_verdicts_equally_often():
    for texts in interpretability.behaviours().values():
        labels = [label for _, label in texts]
        assert len({text for text, _ in texts}) == len(texts) >= 60
        assert 0.45 < np.mean(labels) < 0.55


# The picture


def test_the_table_of_words_shows_every_number():
    scores = {"one": np.array([1.0, -0.5, 0.0]), "other": np.array([-2.0, 1.0, 0.1])}
    figure = interpretability.word_table(["a", "b", "c"], scores, per_row=2, title="T")
    shown = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert sorted(shown) == sorted(["+100", "−50", "0", "−100", "+50", "+5"])
    plt.close(figure)
    with pytest.raises(ValueError, match="3 words, 2 of 'one'"):
        interpretability.word_table(["a", "b", "c"], {"one": [1, 2]})


# The card


@pytest.fixture(scope="module")
def bundle(minilm, tmp_path_factory):
    keras.utils.set_random_seed(1)
    made = fine_tuning.classifier(
        transformer.encoder(len(weights.vocabulary()), 1, 2, 16, 32, max_length=256)
    )
    kernel = made.weights[-2]
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape) * 3)
    texts = imdb.Split(
        [f"film number {i}" for i in range(20)], np.arange(20) % 2, [str(i) for i in range(20)]
    )
    folder = tmp_path_factory.mktemp("bundles") / "float32"
    return deployment.export(made, folder, texts, texts, mode="float32", lengths=(16, 32))


@pytest.fixture
def copied(bundle, tmp_path):
    return pathlib.Path(shutil.copytree(bundle, tmp_path / "bundle"))


FINDINGS = (
    interpretability.Finding("fairness", "gap of | names", -0.1, -0.2, 0.0, 32, "log-odds"),
    interpretability.Finding("short cuts", "verdicts that a rating turns", 12.0, count=200, unit="%"),
    interpretability.Finding("fairness", "second", 1.0),
)


def test_findings_are_added_to_a_bundle_that_stays_one(copied):
    before = (copied / "README.md").read_text(encoding="utf-8")
    added = interpretability.model_card(copied, FINDINGS, "Other languages.")
    card = deployment.read_card(copied)
    assert [each["what"] for each in card["findings"]["found"]] == [each.what for each in FINDINGS]
    readme = (copied / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(before.rstrip())
    assert readme.endswith(added)
    assert "| fairness | gap of \\| names | -0.1 log-odds | -0.2 to 0 log-odds | 32 |" in added
    assert added.index("second") < added.index("short cuts")
    interpretability.model_card(copied, FINDINGS[:1])
    again = (copied / "README.md").read_text(encoding="utf-8")
    assert again.count("## What was found") == 1
    assert "short cuts" not in again
    assert deployment.Classifier(copied)("A film.").label
    deployment.check_target(copied, replace=True)  # It has no file too many.


def test_a_bundle_without_a_page_for_people_gets_one(copied):
    (copied / "README.md").unlink()
    interpretability.model_card(copied, FINDINGS)
    assert (copied / "README.md").read_text(encoding="utf-8").startswith("# Model card\n\n## What was found")


def test_the_card_refuses_what_is_no_finding(copied, tmp_path):
    with pytest.raises(ValueError, match="at least one finding"):
        interpretability.model_card(copied, [])
    with pytest.raises(ValueError, match="is no bundle"):
        interpretability.model_card(tmp_path, FINDINGS)
    with pytest.raises(ValueError, match="x: a finding is a finite number"):
        interpretability.Finding("a", "x", float("nan"))
    for low, high in ((0.0, None), (2.0, 3.0)):
        with pytest.raises(ValueError, match="x: an interval has two ends around the value"):
            interpretability.Finding("a", "x", 1.0, low, high)


def test_gaps_and_shares_are_findings():
    gap = interpretability.gap([1.0, 2.0, 3.0])
    found = interpretability.Finding.gap("a", "b", gap, "log-odds")
    assert (found.value, found.low, found.high, found.count) == (gap.mean, gap.low, gap.high, 3)
    found = interpretability.Finding.share("a", "b", 8, 10)
    assert (found.value, found.count, found.unit) == (80.0, 10, "%")
    assert (found.low / 100, found.high / 100) == pytest.approx(fine_tuning.wilson(8, 10))


# The command


def run(*arguments):
    return typer.testing.CliRunner().invoke(cli.app, ["explain", *arguments])


def test_the_command_the_service_and_the_function_say_the_same(bundle):
    text = "A <b>dull</b> film, not a good one. " + "It goes on. " * 20
    expected = deployment.Classifier(bundle).word_importance(text)
    found = json.loads(run(str(bundle), text, "--json").stdout)
    app = serving.create_app(deployment.Classifier(bundle))

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.post("/explain", json={"text": text})).json()

    import asyncio

    for words in (found["words"], asyncio.run(ask())["words"]):
        assert [each["word"] for each in words] == [word for word, _ in expected]
        assert [each["change"] for each in words] == pytest.approx([c for _, c in expected], abs=1e-6)
    assert found["label"] == deployment.Classifier(bundle)(text).label
    lines = run("--bundle", str(bundle), text).stdout.splitlines()
    assert "(cut)" in lines[0]
    for line, (word, change) in zip(lines[1:], expected, strict=True):
        assert line.endswith(f"  {word}")
        assert ("not seen" in line) == (change is None)
        assert change is None or f"{100 * change:+.1f} points" in line


def test_the_command_says_what_is_wrong(bundle):
    assert "put the text in quotes" in str(run(str(bundle), "A", "film").exception)
    assert "put the text in quotes" in str(run(str(bundle), "film", "-b", str(bundle)).exception)
    assert "white space or tags" in str(run(str(bundle), "<br />").exception)
    assert "is no folder with a bundle" in str(run("nowhere", "A film").exception)


def test_a_word_cannot_steer_the_terminal(bundle):
    shown = run(str(bundle), "A \x1b[31mred film").stdout
    assert "\x1b" not in shown


# The record


def test_the_record_is_of_these_reviews_and_versions(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent.parent / "benchmarks"))
    script = importlib.import_module("shortcut")
    record, test = interpretability.shortcut_record(), imdb.load(verbose=False).test
    rated = [bool(interpretability.ratings(text)) for text in test.texts]
    assert list(record["rated"]) == [i for i, found in enumerate(rated) if found]
    assert list(record["plain"]) == [i for i, found in enumerate(rated) if not found][: script.PLAIN]
    assert {tuple(each) for each in record["rated"].values()} == {tuple(script.PUT_IN_PLACE)}
    assert {tuple(each) for each in record["plain"].values()} == {script.PUT_BEHIND}
    i = next(iter(record["rated"]))
    assert interpretability.ratings(script.variants(test.texts[i], rated=True)["without"]) == []
    assert script.variants("A film.", rated=False)["I saw it on 9/10."] == "A film. I saw it on 9/10."
