"""The capstone's assistant and its names: arithmetic against references, folders that are checked."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import capstone
from course_lib.capstone import assistant, data, entities


def points(count, width=16, seed=0):
    return assistant.unit(np.random.default_rng(seed).normal(size=(count, width)))


# Vectors, head, index


def test_unit_makes_lengths_one_and_leaves_nothing_undefined():
    found = assistant.unit([[3.0, 4.0], [0.0, 0.0]])
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]])


def test_a_head_learns_from_questions_in_scope_only():
    centres = points(3)
    labels = np.repeat([0, 1, 2, data.OUT], 20)
    vectors = assistant.unit(np.concatenate([np.repeat(centres, 20, axis=0), points(20, seed=1)]))
    head = assistant.train_head(vectors, labels)
    assert head.kernel.shape == (16, 3)
    probabilities = head.probabilities(centres)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@given(st.integers(1, 60), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_an_index_in_8_bits_is_near_the_exact_cosines(count, seed):
    stored, asked = points(count, 24, seed), points(5, 24, seed + 1)
    index = assistant.Index(stored, np.zeros(count, int))
    assert index.vectors.dtype == "int8"
    # Half a step of each number, by Cauchy and Schwarz.
    bound = 0.5 * index.scales.max() * np.sqrt(24)
    assert np.abs(index.likeness(asked) - asked @ stored.T).max() <= bound + 1e-6
    places, likeness = index.nearest(stored)
    np.testing.assert_allclose(likeness, 1, atol=0.02)
    if count < 10:
        assert (index.likeness(stored).argmax(axis=1) == places).all()


def test_an_index_looks_within_a_label_and_says_when_there_is_none():
    stored = points(6)
    index = assistant.Index(stored, np.array([0, 0, 1, 1, 2, 2]))
    places, _ = index.nearest(stored, [1, 2, 0, 2, 0, 1])
    assert (index.labels[places] == [1, 2, 0, 2, 0, 1]).all()
    assert index.nearest(stored[:1], [7])[1].tolist() == [-1.0]


# Cost


def test_costs_by_hand():
    trust = np.array([0.9, 0.8, 0.4, 0.7, 0.1])
    proposed, labels = np.array([0, 1, 2, 0, 1]), np.array([0, 2, 2, data.OUT, data.OUT])
    # Right, wrong, handed over, wrong (out of scope), handed over.
    assert assistant.mean_cost(0.5, trust, proposed, labels, wrong=5) == (0 + 5 + 1 + 5 + 1) / 5
    assert assistant.mean_cost(2, trust, proposed, labels, wrong=5) == 1
    assert assistant.mean_cost(0, trust, proposed, labels, wrong=5) == (0 + 5 + 0 + 5 + 5) / 5
    weighed = assistant.mean_cost(0.5, trust, proposed, labels, wrong=5, share=0.1)
    assert weighed == pytest.approx(0.9 * 2 + 0.1 * 3)


def test_a_share_needs_both_kinds():
    with pytest.raises(ValueError, match="questions in scope and out of scope are both needed"):
        assistant.mean_cost(0.5, np.ones(2), np.zeros(2), np.zeros(2), share=0.1)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2), st.integers(-1, 2)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_chosen_threshold_is_the_best_of_a_fine_grid(rows):
    trust, proposed, labels = (np.array(each) for each in zip(*rows, strict=True))
    chosen = assistant.choose_threshold(trust, proposed, labels, 5.0)
    cost = assistant.mean_cost(chosen, trust, proposed, labels, 5.0)
    assert all(
        cost <= assistant.mean_cost(each, trust, proposed, labels, 5.0) + 1e-12
        for each in [*np.linspace(0, 1.01, 40), *trust]
    )


def test_dearer_mistakes_hand_over_more():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 3, 400)
    trust = np.clip(rng.normal(np.where(labels < 0, 0.3, 0.6), 0.15), 0, 1)
    proposed = np.where(labels < 0, 0, np.where(rng.random(400) < 0.9, labels, (labels + 1) % 3))
    thresholds = [assistant.choose_threshold(trust, proposed, labels, wrong) for wrong in (1.5, 5, 50)]
    assert thresholds == sorted(thresholds)


# The folder


@pytest.fixture(scope="module")
def folder(minilm):
    """The sample's assistant, in the cache."""
    return assistant.sample_assistant()


@pytest.fixture
def copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def test_the_samples_assistant_answers_and_hands_over(folder):
    ready = assistant.Assistant(folder)
    card, paid = ready.card, ready("My card was declined")
    assert paid.label == "payment_failed"
    assert paid.reply == card["replies"][card["labels"].index("payment_failed")]
    assert paid.nearest == "My card was declined."
    assert paid.trust == pytest.approx(paid.probability * paid.likeness)
    assert sum(paid.probabilities.values()) == pytest.approx(1)
    assert ready("Do you sell skis?").reply is None
    assert card["evaluation"]["right_intent"] >= 50
    assert card["evaluation"]["handed_over"] >= 20


def test_an_assistant_reads_odd_and_long_questions(folder):
    ready = assistant.Assistant(folder)
    odd = ["", "half \ud83d of a pair", "[SEP] [MASK]", "<br />", "where " * 300]
    found = ready.predict(odd)
    assert [each.truncated for each in found] == [False] * 4 + [True]
    assert all(0 <= each.trust <= 1 for each in found)
    assert found[0].unknown == 0
    with pytest.raises(TypeError, match="sequence of str"):
        ready.predict("a single one")


@pytest.mark.parametrize("name", [assistant.ENCODER, assistant.TOKENIZER, assistant.INDEX, assistant.CARD])
def test_a_missing_or_changed_file_is_noticed(copied, name):
    path = copied / name
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match="is no assistant that `course assist` made"):
        assistant.Assistant(copied)
    path.write_bytes(content.replace(b"a", b"b", 1) if name == assistant.CARD else content[:-1])
    with pytest.raises(ValueError, match=r"is no assistant|is damaged, or of another version"):
        assistant.Assistant(copied)


def test_another_version_is_noticed(copied):
    card = json.loads((copied / assistant.CARD).read_text())
    (copied / assistant.CARD).write_text(json.dumps(card | {"format": "assistant-0"}))
    with pytest.raises(ValueError, match="of another version"):
        assistant.Assistant(copied)


def test_what_is_there_is_not_replaced_unasked(folder, tmp_path):
    questions = data.sample("intents")
    inside = questions.train.labels
    index = assistant.Index(points(len(inside), 384), inside)
    with pytest.raises(ValueError, match="is there already"):
        assistant.export(folder, None, questions, None, index, 0.3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="is no assistant"):
        assistant.export(tmp_path / "mine", None, questions, None, index, 0.3, replace=True)
    with pytest.raises(ValueError, match="must hold the training questions in scope"):
        assistant.export(
            tmp_path / "new", None, questions, None, assistant.Index(points(3), np.zeros(3)), 0.3
        )


def test_an_evaluation_counts(folder):
    class Fixed:
        def predict(self, texts):
            replies = ["yes", None, "yes", None]
            return [
                type("Answer", (), {"label": "a", "reply": reply})
                for reply, _ in zip(replies, texts, strict=True)
            ]

    part = data.Texts(("p", "q", "r", "s"), np.array([0, 0, 1, data.OUT]))
    assert assistant.evaluate(Fixed(), part, ["a", "b"]) == {
        "questions": 4,
        "in_scope": 3,
        "right_intent": 2,
        "answered": 2,
        "right": 1,
        "handed_over": 1,
    }


def test_the_record_is_of_these_data_sets():
    found = capstone.record("assistant")
    assert found["CLINC150"]["questions"] == {"train": 15_100, "validation": 3_100, "test": 5_500}
    assert found["Banking77"]["questions"] == {"train": 9_038, "validation": 965, "test": 3_080}
    for name in ("CLINC150", "Banking77"):
        share, low, high = found[name]["accuracy"]["head"]
        assert low < share < high
    assert {"date", "device", "versions", "published"} <= set(found)


# Names

# What seqeval 1.2.2 says of these tags.
SPANS = [
    ([], set()),
    (["O"], set()),
    (["I-PER", "I-PER"], {("PER", 0, 1)}),
    (["B-PER", "B-PER"], {("PER", 0, 0), ("PER", 1, 1)}),
    (["B-PER", "I-LOC"], {("PER", 0, 0), ("LOC", 1, 1)}),
    (["O", "I-LOC", "B-LOC", "I-LOC"], {("LOC", 1, 1), ("LOC", 2, 3)}),
    (["B-ORG", "I-ORG", "O", "I-ORG"], {("ORG", 0, 1), ("ORG", 3, 3)}),
    (["I-PER", "B-PER", "I-PER"], {("PER", 0, 0), ("PER", 1, 2)}),
]


@pytest.mark.parametrize(("tags", "found"), SPANS)
def test_spans_are_seqevals(tags, found):
    assert entities.spans(tags) == found


def test_span_scores_are_seqevals():
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG"]]
    said = [["B-PER", "I-PER", "O", "B-ORG"], ["B-ORG", "I-ORG"]]
    assert entities.span_scores(true, said) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert entities.span_scores(true, true) == (1, 1, 1)
    assert entities.span_scores(true, [["O"] * 4, ["O"] * 2]) == (0, 0, 0)
    with pytest.raises(ValueError, match="as many predicted tags as true ones"):
        entities.span_scores(true, said[:1])


TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=12)


@given(TAGS)
@settings(max_examples=100, deadline=None)
def test_spans_tell_their_tags_and_do_not_meet(tags):
    found = sorted(entities.spans(tags), key=lambda each: each[1])
    places = [place for _, first, last in found for place in range(first, last + 1)]
    assert places == [place for place, tag in enumerate(tags) if tag != "O"]
    assert all(tags[place][2:] == kind for kind, first, last in found for place in range(first, last + 1))


def test_first_tokens_are_where_words_begin(minilm):
    from course_lib import weights

    vocabulary = weights.vocabulary()
    words = ["Ingrid", "antidisestablishmentarianism", ",", "U.S.", "naïve"]
    ids, places = entities.first_tokens(words)
    assert [vocabulary[ids[0]], vocabulary[ids[-1]]] == ["[CLS]", "[SEP]"]
    firsts = [vocabulary[ids[place]] for place in places]
    assert all(not token.startswith("##") for token in firsts)
    assert all(word.lower().startswith(token[:1]) for word, token in zip(words, firsts, strict=True))
    assert len(ids) > len(words) + 2
    with pytest.raises(ValueError, match="Each word needs a token"):
        entities.first_tokens(["a", ""])


def test_word_vectors_do_not_depend_on_neighbours_in_the_batch(minilm):
    from course_lib import weights

    backbone = weights.load_backbone("float32")
    short, long = ["Ana", "left", "."], ["The", "museum", "in", "Osterby", "was", "closed", "."]
    together = entities.word_vectors(backbone, [short, long])
    (alone,) = entities.word_vectors(backbone, [short])
    assert [each.shape for each in together] == [(3, 384), (7, 384)]
    np.testing.assert_allclose(together[0], alone, atol=1e-4)


def test_shape_says_capitals_and_the_first_word():
    assert entities.shape(["The", "mayor", "Ana"]).tolist() == [[1, 1], [0, 0], [1, 0]]


def test_files_of_the_package_are_small():
    folder = pathlib.Path(capstone.__file__).parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_500_000
