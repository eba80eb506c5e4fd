"""From archive to batches: the contract of each step, against independent references."""

import collections
import html
import html.entities
import itertools
import math
import re
import sys

import numpy as np
import pytest
import sklearn.metrics
import tokenizers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from course_lib import imdb, samples, weights

WORDS = [
    "the",
    "a",
    "film",
    "plot",
    "actor",
    "never",
    "dull",
    "moment",
    "quite",
    "good",
    "bad",
    "scene",
    "was",
    "light",
]


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """No test sees or fills the user's own cache, nor the user's choice of data."""
    monkeypatch.delenv("COURSE_IMDB", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


# Cleaning and splitting


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("One.<br /><br />Two.", "One. Two."),
        ("<p class='x'>A <i>fine</i> film</p>", "A fine film"),
        ("Tom &amp; Jerry &#39;s &eacute;clat &nbsp; here", "Tom & Jerry 's éclat here"),
        ("I <3 it, 2 < 3 > 1, a<b", "I <3 it, 2 < 3 > 1, a<b"),
        ("  tabs\t and\n\nlines ", "tabs and lines"),
        ("before<!-- note\n<br> -->after", "before after"),
        ("a <!-- b --> c <!-- d --> e <!-- open", "a c e <!-- open"),
        ("--> a <!-- open", "--> a <!-- open"),
        ("&lt;br /&gt; as written", "<br /> as written"),
        ("", ""),
        ("&#99999999; &#xD800;", "\ufffd \ufffd"),  # What is no character.
        (f"&#{'9' * 4301}; &#{'9' * 5000} b", "\ufffd \ufffd b"),  # Nor an integer that Python would make.
        (f"&#x{'9' * 5000};", "\ufffd"),
        (f"&#{'0' * 5000}65; &#0000000065; &#x{'0' * 5000}41;", "A A A"),
        (f"&#{'0' * 5000};", "\ufffd"),
        ("half \ud800 or \udfff, a pair \ud83d\ude00", "half \ufffd or \ufffd, a pair \U0001f600"),
    ],
)
def test_clean(text, plain):
    assert imdb.clean(text) == plain


def reference(first, digits, last):
    """A character reference; `digits` is a short text that is repeated, thousands of times perhaps."""
    return f"{first}{digits[0] * digits[1]}{last}"


references = st.builds(
    reference,
    st.sampled_from(["&#", "&#x", "&#X", "&", "&#0"]),
    st.tuples(st.sampled_from(["0", "9", "41", "f", ""]), st.sampled_from([1, 40, 4400])),
    st.sampled_from(["", ";", "65;", "41 ", "amp;", "<"]),
)
names = st.sampled_from(sorted(html.entities.html5)).map("&{}".format)
# All of Unicode, halves of surrogate pairs included, which `st.text()` leaves out.
halves = st.sampled_from(["\ud800", "\udfff", "\ud83d\ude00"])
characters = halves | st.text(st.characters(), max_size=20)
anything = st.lists(
    st.one_of(characters, references, names, st.sampled_from(["<br />", "<!--", "-->", "<", ">", " "])),
    max_size=12,
).map("".join)


@given(anything)
def test_clean_takes_any_text(text):
    cleaned = imdb.clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert cleaned.encode().decode() == cleaned


@pytest.fixture
def unlimited():
    """Python makes integers of any number of digits."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(limit)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(references | names | characters, max_size=8).map("".join))
def test_clean_reads_references_as_pythons_html_does(unlimited, text):
    text = text.replace("<", " ")
    pairs = re.compile("[\ud800-\udbff][\udc00-\udfff]")
    whole = pairs.sub(
        lambda pair: chr(0x10000 + (ord(pair[0][0]) - 0xD800) * 1024 + ord(pair[0][1]) - 0xDC00), text
    )
    whole = re.sub("[\ud800-\udfff]", "\ufffd", whole)
    assert imdb.clean(text) == " ".join(html.unescape(whole).split())


@settings(deadline=None, max_examples=25)
@given(st.lists(anything, min_size=1, max_size=4), st.sampled_from(["head", "tail", "both"]))
def test_what_reads_texts_takes_any(texts, how):
    encoded = imdb.encode(texts, toy_tokenizer(), 8, how)
    # Escaped, because `encode` cleans again, and "&lt;b&gt;" is text that would then be a tag.
    cleaned = [html.escape(imdb.clean(text), quote=False) for text in texts]
    assert encoded == imdb.encode(cleaned, toy_tokenizer(), 8, how)
    dataset = imdb.batches(texts, [1] * len(texts), toy_tokenizer(), 4, 8, how, by_length=False)
    ((x, y),) = dataset.as_numpy_iterator()
    assert [
        row[mask].tolist() for row, mask in zip(x["token_ids"], x["padding_mask"], strict=True)
    ] == encoded
    assert imdb.train_wordpiece(texts, 60)[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    model = imdb.linear_baseline([*texts, "good good", "bad bad"], [*y, 1, 0], min_count=1)
    assert set(model.predict(texts)) <= {0, 1}


NO_TEXTS = {
    "one text": ("good film", "Received: 'good film'"),
    "bytes": (b"good film", "Received: b'good film'"),
    "None": (None, "Received: None"),
    "a generator": ((text for text in ["good"]), "Received: <generator"),
    "a dict": ({"good": 1}, r"Received: \{'good': 1\}"),
    "None among them": (["good", None], "Received: None at index 1"),
    "NaN among them": (["good", math.nan], "Received: nan at index 1"),
    "bytes among them": ([b"good", "x"], "Received: b'good' at index 0"),
    "a table": (np.array([["good"], ["bad"]]), r"Received: array\(\[\['good'\]"),
}


@pytest.mark.parametrize("case", NO_TEXTS)
@pytest.mark.parametrize(
    "call",
    [
        lambda texts: imdb.encode(texts, toy_tokenizer()),
        lambda texts: imdb.batches(texts, [1, 0], toy_tokenizer()),
        lambda texts: imdb.train_wordpiece(texts, 50),
        lambda texts: imdb.linear_baseline(texts, [1, 0]),
        imdb.near_duplicates,
    ],
    ids=["encode", "batches", "train_wordpiece", "linear_baseline", "near_duplicates"],
)
def test_what_is_no_sequence_of_texts_is_refused_in_words(case, call):
    texts, message = NO_TEXTS[case]
    with pytest.raises(ValueError, match=f"`texts` must be a sequence of str, such as .*{message}"):
        call(texts)


def test_sequences_of_texts_that_are_no_lists():
    texts = ["a b", "b a c"]
    expected = imdb.encode(texts, toy_tokenizer())
    assert imdb.encode(tuple(texts), toy_tokenizer()) == expected
    assert imdb.encode(np.array(texts), toy_tokenizer()) == expected


@pytest.mark.parametrize("text", [None, math.nan, b"good"])
def test_clean_refuses_what_is_no_text(text):
    with pytest.raises(ValueError, match=r"`text` must be a str\. Received: "):
        imdb.clean(text)


def jaccard(first, second):
    """Written another way than the module: sets of tuples."""

    def trigrams(text):
        words = re.findall(r"\w+", text.lower())
        words += [""] * (3 - len(words)) if words else []
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    first, second = trigrams(first), trigrams(second)
    return len(first & second) / len(first | second) if first or second else 0.0


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=12),
    st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0]),
)
def test_near_duplicates_are_exactly_the_similar_pairs(texts, threshold):
    expected = {
        (i, j): jaccard(texts[i], texts[j])
        for j in range(len(texts))
        for i in range(j)
        if jaccard(texts[i], texts[j]) >= threshold - 1e-9
    }
    pairs, similarities = imdb.near_duplicates(texts, threshold)
    assert [tuple(pair) for pair in pairs] == sorted(expected)
    np.testing.assert_allclose(similarities, [expected[pair] for pair in sorted(expected)], atol=1e-12)


def test_near_duplicates_ignore_case_and_punctuation():
    pairs, similarities = imdb.near_duplicates(["A fine film, really!", "unlike this", "a FINE film; really"])
    assert pairs.tolist() == [[0, 2]]
    assert similarities == [1.0]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, math.nan])
def test_near_duplicates_refuse_a_threshold(threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be above 0 and at most 1"):
        imdb.near_duplicates(["a"], threshold)


def test_duplicate_groups_follow_chains():
    groups = imdb.duplicate_groups(6, np.array([[0, 2], [2, 4], [1, 5]]))
    assert groups[0] == groups[2] == groups[4]
    assert groups[1] == groups[5]
    assert len({groups[0], groups[1], groups[3]}) == 3
    assert len(set(imdb.duplicate_groups(3, np.zeros((0, 2), "int64")))) == 3


fractions = st.sampled_from(
    [(1.0,), (0.9, 0.1), (0.5, 0.5), (0.7, 0.2, 0.1), (0.0, 1.0), (1 / 3, 1 / 3, 1 / 3)]
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), fractions, st.integers(0, 5))
def test_a_split_gives_each_part_its_share_of_every_label(labels, shares, seed):
    parts = imdb.stratified_split(labels, shares, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part, share in zip(parts, shares, strict=True):
        assert part.tolist() == sorted(part.tolist())
        for label in set(labels):
            assert abs(sum(labels[i] == label for i in part) - share * labels.count(label)) <= 1 + 1e-6


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=80), fractions)
def test_a_split_keeps_groups_together(examples, shares):
    labels, groups = zip(*examples, strict=True)
    parts = imdb.stratified_split(labels, shares, groups=groups)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    homes = [{groups[i] for i in part} for part in parts]
    assert sum(len(home) for home in homes) == len(set(groups))
    largest = max(collections.Counter(groups).values())
    for part, share in zip(parts, shares, strict=True):
        assert abs(len(part) - share * len(labels)) <= 2 * largest


def test_a_split_depends_on_its_seed_only():
    labels = [0, 1] * 50
    first, again, other = (
        imdb.stratified_split(labels, (0.5, 0.5), seed=seed)[0].tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_split_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"sum to 1\. Received: \(0\.5, 0\.2\)"):
        imdb.stratified_split([0, 1], (0.5, 0.2))
    with pytest.raises(ValueError, match=r"sum to 1"):
        imdb.stratified_split([0, 1], (1.5, -0.5))
    with pytest.raises(ValueError, match=r"one entry per label. Received: 1 for 2 labels"):
        imdb.stratified_split([0, 1], (0.5, 0.5), groups=[0])


# Annotation


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_cohen_kappa(pairs):
    first, second = zip(*pairs, strict=True)
    kappa = imdb.cohen_kappa(first, second)
    if len({*first, *second}) == 1:
        assert math.isnan(kappa)
    else:
        assert kappa == pytest.approx(sklearn.metrics.cohen_kappa_score(first, second), abs=1e-12)


def test_cohen_kappa_of_the_paper():
    # Cohen (1960), table 1: proportions of two judges over three categories; kappa is .492 there.
    table = np.array([[0.25, 0.13, 0.12], [0.12, 0.02, 0.16], [0.03, 0.15, 0.02]])
    first, second = zip(
        *[(i, j) for (i, j), p in np.ndenumerate(table) for _ in range(round(100 * p))], strict=True
    )
    observed, chance = 0.29, sum(table.sum(axis=0) * table.sum(axis=1))
    assert imdb.cohen_kappa(first, second) == pytest.approx((observed - chance) / (1 - chance))


def test_cohen_kappa_refuses_unequal_lists():
    with pytest.raises(ValueError, match=r"must label the same items. Received: 2 and 1"):
        imdb.cohen_kappa([1, 0], [1])
    with pytest.raises(ValueError, match=r"must label the same items"):
        imdb.cohen_kappa([], [])


# From words to batches

VOCABULARY = [
    "[UNK]",
    "a",
    "un",
    "##a",
    "##ff",
    "##able",
    "aff",
    "##aff",
    "##b",
    "unaff",
    "##l",
    "##le",
    "##e",
    "c",
]


@settings(max_examples=300)
@given(st.text("unafblec", max_size=12))
def test_wordpiece_is_hugging_faces(word):
    reference = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({piece: i for i, piece in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    assert imdb.wordpiece(word, set(VOCABULARY)) == reference.encode(word).tokens


def test_wordpiece_by_example():
    assert imdb.wordpiece("unaffable", {"un", "##aff", "##able"}) == ["un", "##aff", "##able"]
    assert imdb.wordpiece("unaffable", {"un", "##aff"}) == ["[UNK]"]
    assert imdb.wordpiece("a" * 100, {"a", "##a"}) == ["a"] + ["##a"] * 99
    assert imdb.wordpiece("a" * 101, {"a", "##a"}, unknown="?") == ["?"]
    assert imdb.wordpiece("", {"a"}) == []


def test_a_trained_vocabulary():
    texts = [review.text for review in samples.load()]
    vocabulary = imdb.train_wordpiece(texts, 800)
    assert vocabulary == imdb.train_wordpiece(texts, 800)
    assert len(vocabulary) == len(set(vocabulary)) == 800
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = set(re.findall(r"[a-z]+", " ".join(texts).lower()))
    assert "the" in vocabulary
    split = {word: imdb.wordpiece(word, set(vocabulary)) for word in words}
    assert all("".join(pieces).replace("##", "") == word for word, pieces in split.items())


@given(st.lists(st.integers(0, 9)), st.integers(0, 12), st.sampled_from(["head", "tail", "both"]))
def test_truncate(ids, length, how):
    cut = imdb.truncate(ids, length, how)
    assert len(cut) == min(len(ids), length)
    front = {"head": len(cut), "tail": 0, "both": -(-len(cut) // 2)}[how]
    assert cut[:front] == ids[:front]
    assert cut[front:] == ids[len(ids) - (len(cut) - front) :]


def test_truncate_refuses():
    with pytest.raises(ValueError, match=r"`how` must be 'head', 'tail' or 'both', .* Received: 'middle', 3"):
        imdb.truncate([1], 3, "middle")
    with pytest.raises(ValueError, match=r"Received: 'head', -1"):
        imdb.truncate([1], -1)
    with pytest.raises(ValueError, match=r"an integer\. Received: 'head', 1\.5"):
        imdb.truncate([1], 1.5)


@given(st.lists(st.lists(st.integers(1, 9), max_size=7), max_size=6), st.integers(1, 5))
def test_pad(sequences, multiple):
    token_ids, padding_mask = imdb.pad(sequences, multiple=multiple, pad_id=-1)
    longest = max((len(sequence) for sequence in sequences), default=0)
    assert token_ids.shape == padding_mask.shape == (len(sequences), math.ceil(longest / multiple) * multiple)
    assert (token_ids.dtype, padding_mask.dtype) == ("int32", "bool")
    for row, mask, sequence in zip(token_ids.tolist(), padding_mask.tolist(), sequences, strict=True):
        assert row == sequence + [-1] * (len(row) - len(sequence))
        assert mask == [True] * len(sequence) + [False] * (len(row) - len(sequence))


def test_pad_to_a_length():
    assert imdb.pad([[1, 2]], length=3)[0].tolist() == [[1, 2, 0]]
    with pytest.raises(ValueError, match=r"must hold the longest sequence, of 4 tokens. Received: 3"):
        imdb.pad([[1], [1, 2, 3, 4]], length=3)


@given(
    st.lists(st.integers(0, 100), max_size=60),
    st.integers(1, 9),
    st.integers(1, 20),
    st.none() | st.integers(0, 3),
)
def test_batches_by_length(lengths, batch_size, multiple, seed):
    groups = imdb.batches_by_length(lengths, batch_size, multiple, seed)
    assert sorted(np.concatenate([np.zeros(0, "int64"), *groups]).tolist()) == list(range(len(lengths)))
    assert sum(len(group) < batch_size for group in groups) <= 1
    steps = sorted(
        [[math.ceil(lengths[i] / multiple) for i in group] for group in groups],
        key=lambda steps: (min(steps), max(steps)),
    )
    assert all(max(first) <= min(second) for first, second in itertools.pairwise(steps))
    if seed is None:
        assert [math.ceil(lengths[i] / multiple) for group in groups for i in group] == sorted(
            itertools.chain(*steps)
        )


def test_batches_by_length_mix_anew_with_each_seed():
    lengths = np.arange(200) % 50
    first, again, other = (
        [g.tolist() for g in imdb.batches_by_length(lengths, 8, seed=s)] for s in (0, 0, 1)
    )
    assert first == again != other
    assert {frozenset(group) for group in first} != {frozenset(group) for group in other}


def toy_tokenizer():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(4)
    return tokenizer


def test_encode_cleans_cuts_and_frames():
    tokenizer = toy_tokenizer()
    texts = ["a b<br />c", "a b c d e f g h", "", "zzz"]
    assert imdb.encode(texts, tokenizer, 6) == [[2, 5, 6, 7, 3], [2, 5, 6, 7, 8, 3], [2, 3], [2, 1, 3]]
    assert imdb.encode(texts[1:2], tokenizer, 6, "both") == [[2, 5, 6, 11, 12, 3]]
    assert tokenizer.padding["length"] == 9, "the caller's tokenizer keeps its settings"
    assert tokenizer.truncation["max_length"] == 4
    with pytest.raises(ValueError, match=r"`length` >= 0"):
        imdb.encode(texts, tokenizer, 1)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("ab Σσé\u0301一.,'[]MASK\x07\u200b\u00a0\u3000ﬁİ😀<>!-"), max_size=60),
        max_size=4,
    ),
    st.sampled_from(("head", "tail", "both")),
    st.integers(2, 20),
)
@example(["a [SEP] b [MASK]. c[SEP]d" * 3, "\x07 \x07 a b \x07"], "both", 5)
@example(["\u200b " * 30 + "a b c"], "tail", 4)
@example(["&amp;lt; " * 2 + "\x07 &amp;lt;"], "head", 3)
def test_encode_word_by_word_is_encode_of_the_whole(texts, how, length):
    tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    reference = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    reference.encode_special_tokens = True  # "[SEP]" in a text is no end of it.
    whole = [
        [
            101,
            *imdb.truncate(reference.encode(imdb.clean(text), add_special_tokens=False).ids, length - 2, how),
            102,
        ]
        for text in texts
    ]
    assert imdb.encode(texts, tokenizer, length, how) == whole


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a ", "b, ", " ", "<br />", "<a ", "<", ">", "<!--", "-->", "&am", "p;", "&amp;lt;"]
        ),
        max_size=80,
    ),
    st.integers(3, 8),
)
@example(["a ", "<a ", *["a "] * 30, ">", "b "], 8)
@example(["a ", "<!--", "<br />", *["a "] * 30, "-->", "b "], 8)
def test_encode_reads_the_beginning_of_a_long_text_as_it_does_the_whole(pieces, length):
    text = "".join(pieces)
    tokenizer = toy_tokenizer()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = tokenizer.encode(imdb.clean(text), add_special_tokens=False).ids
    assert imdb.encode([text], tokenizer, length) == [[2, *ids[: length - 2], 3]]


def test_encode_with_a_tokenizer_that_looks_across_words():
    trained = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
    trained.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = tokenizers.trainers.BpeTrainer(special_tokens=special, vocab_size=60, show_progress=False)
    trained.train_from_iterator(["a film of a kind"] * 5, trainer)
    whole = trained.encode("a film of a kind", add_special_tokens=False).ids
    assert imdb.encode(["a film of a kind"], trained, 9, "both") == [[2, *imdb.truncate(whole, 7, "both"), 3]]


@pytest.mark.parametrize("across", [False, True])
def test_a_typed_special_token_is_no_control_token(across):
    tokenizer = toy_tokenizer()
    if across:  # The whole text at once.
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([tokenizer.pre_tokenizer])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    ids = imdb.encode(["a [SEP] b", "a[MASK]b [PAD] [CLS]", "a b"], tokenizer, 30)
    assert [each.count(2) for each in ids] == [each.count(3) for each in ids] == [1, 1, 1]
    assert not any({0, 4} & set(each) for each in ids)
    assert ids[2] == [2, 5, 6, 3]
    assert not tokenizer.encode_special_tokens, "the caller's tokenizer keeps its settings"


def test_encode_refuses_a_tokenizer_that_is_not_bert_s():
    words = {"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3}
    other = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    with pytest.raises(ValueError, match=r"no \[CLS\] or no \[SEP\]"):
        imdb.encode(["a"], other)
    with pytest.raises(ValueError, match=r"must be a `tokenizers.Tokenizer`. Received: dict"):
        imdb.encode(["a"], words)


def test_encode_takes_the_library_s_own_bert_tokenizer():
    pieces = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film"])}
    tokenizer = tokenizers.BertWordPieceTokenizer(pieces)
    assert imdb.encode(["A film", "a [SEP]"], tokenizer) == [[2, 5, 6, 3], [2, 5, 1, 1, 1, 3]]


@pytest.mark.parametrize("length", [1, 8, 24, 40])
def test_batches_have_the_length_that_is_asked_for(length):
    sequences = [[5] * (1 + i % length) for i in range(20)]
    for x, _ in imdb.batch_sequences(sequences, [0] * 20, batch_size=8, length=length):
        assert {each.shape[1] for each in x.values()} == {length}
    with pytest.raises(ValueError, match="must hold the longest sequence"):
        imdb.batch_sequences([[5] * (length + 1)], [0], length=length)
    with pytest.raises(ValueError, match="`segments` must have one id per token"):
        imdb.batch_sequences(sequences, [0] * 20, segments=[[0] * 99] * 20, length=length)


def toy_data(count=203):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghij"), rng.integers(1, 60))) for _ in range(count)]
    return texts, [text.count("a") % 2 for text in texts]


def rows(dataset):
    """(token ids without padding, label) of every review, in the dataset's order."""
    found = []
    for x, y in dataset.as_numpy_iterator():
        assert x["token_ids"].shape == x["padding_mask"].shape == x["segment_ids"].shape
        assert not x["segment_ids"].any()
        assert not x["token_ids"][~x["padding_mask"]].any()
        for ids, mask, label in zip(x["token_ids"], x["padding_mask"], y, strict=True):
            found.append((tuple(ids[mask].tolist()), int(label)))
    return found


def test_batches_hold_each_review_once_with_its_label():
    texts, labels = toy_data()
    tokenizer = toy_tokenizer()
    expected = list(zip(map(tuple, imdb.encode(texts, tokenizer, 32)), labels, strict=True))
    plain = imdb.batches(texts, labels, tokenizer, batch_size=16, sequence_length=32, by_length=False)
    assert rows(plain) == expected
    assert {x["token_ids"].shape[1] for x, _ in plain.as_numpy_iterator()} == {32}
    assert len(plain) == 13
    by_length = imdb.batches(texts, labels, tokenizer, batch_size=16, sequence_length=32)
    assert sorted(rows(by_length)) == sorted(expected)
    assert rows(by_length) == rows(by_length)
    mixed = imdb.batches(texts, labels, tokenizer, batch_size=16, sequence_length=32, shuffle=True, seed=5)
    epochs = [rows(mixed), rows(mixed)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(expected)
    assert epochs[0] != epochs[1]
    again = imdb.batches(texts, labels, tokenizer, batch_size=16, sequence_length=32, shuffle=True, seed=5)
    assert epochs == [rows(again), rows(again)]


def test_batches_by_length_have_few_shapes_and_little_padding():
    texts, labels = toy_data()
    options = {"tokenizer": toy_tokenizer(), "batch_size": 16, "sequence_length": 64, "multiple": 8}
    padding = {}
    for by_length in (False, True):
        dataset = imdb.batches(texts, labels, by_length=by_length, shuffle=True, **options)
        masks = [x["padding_mask"] for x, _ in dataset.as_numpy_iterator()]
        padding[by_length] = 1 - sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)
    assert {mask.shape[1] for mask in masks} <= set(range(8, 65, 8))
    assert padding[True] < 0.5 * padding[False]


def test_batches_refuse_unequal_lists():
    with pytest.raises(ValueError, match=r"one label per text. Received: 2 and 1"):
        imdb.batches(["a", "b"], [1], toy_tokenizer())
    with pytest.raises(ValueError, match=r"one label per text. Received: 2 and 3"):
        imdb.batch_sequences([[1], [2]], [1, 0, 1])


NO_LABELS = {
    "soft": ([0, 0.9], r"Received: 0\.9 at index 1"),
    "NaN": ([1, math.nan], "Received: nan at index 1"),
    "infinite": (np.array([math.inf, 1]), "Received: inf at index 0"),
    "missing": ([1, None], "Received: None at index 1"),
    "text": (["pos", "neg"], "Received: 'pos' at index 0"),
    "digits": (["1", "0"], "Received: '1' at index 0"),
    "one-hot": (np.eye(2), r"Received: an array of shape \(2, 2\): np\.argmax\(labels, axis=1\)"),
    "a column": ([[1], [0]], r"Received: an array of shape \(2, 1\): np\.ravel\(labels\)"),
    "ragged": ([[1], [0, 1]], r"Received: \[\[1\], \[0, 1\]\]"),
    "by text": ({"a": 1, "b": 0}, r"Received: \{'a': 1, 'b': 0\}"),
    "too large": ([0, 2**31], "Received: 2147483648 at index 1"),
    "complex": ([1j, 0], "Received: 1j at index 0"),
}


@pytest.mark.parametrize("case", NO_LABELS)
def test_batches_refuse_labels_that_are_no_whole_numbers(case):
    labels, message = NO_LABELS[case]
    for call in (
        lambda: imdb.batches(["a", "b"], labels, toy_tokenizer()),
        lambda: imdb.batch_sequences([[1], [2]], labels),
        lambda: list(imdb.padded_batches([[1], [2]], labels)),
    ):
        with pytest.raises(ValueError, match=f"`labels` must have one integer per text.*{message}"):
            call()


@pytest.mark.parametrize(
    "labels",
    [[1, 0], (True, False), [1.0, 0.0], np.array([1, 0], "uint8"), np.array([1, 0], object)],
    ids=["int", "bool", "float", "uint8", "object"],
)
def test_batches_take_whole_numbers_of_any_type(labels):
    ((_, y),) = imdb.padded_batches([[1], [2]], labels)
    assert (y.tolist(), y.dtype) == ([1, 0], "int32")


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_batches_refuse_a_size(size):
    with pytest.raises(ValueError, match=f"`batch_size` must be an integer above 0. Received: {size}"):
        imdb.batches(["a", "b"], [1, 0], toy_tokenizer(), batch_size=size)
    with pytest.raises(ValueError, match=f"`multiple` must be an integer above 0. Received: {size}"):
        imdb.batches_by_length([1, 2], 2, size)


def test_batches_are_what_kerashubs_preprocessor_makes():
    keras_hub = pytest.importorskip("keras_hub")
    try:
        folder = str(weights.preset())
    except weights.WeightsNotFoundError as error:
        pytest.skip(str(error))
    # The pretrained vocabulary has no accents; KerasHub keeps them unless told otherwise.
    tokenizer = keras_hub.models.BertTokenizer.from_preset(folder, strip_accents=True)
    reference = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=48)
    texts = [review.text for review in samples.load()[:40]] + ["Ça, c'est naïve! 北京 <3 unbelievableness"]
    dataset = imdb.batches(texts, [0] * len(texts), batch_size=64, sequence_length=48, by_length=False)
    ours = next(dataset.as_numpy_iterator())[0]
    theirs = reference([imdb.clean(text) for text in texts])
    assert set(ours) == set(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(array, np.asarray(theirs[name]).astype(array.dtype), err_msg=name)


def test_linear_baseline_uses_pairs_of_words():
    labels = [1, 1, 0, 0] * 20
    texts = [f"{text}<br />" for text in ["it is good", "it isn't bad", "it is bad", "it isn't good"] * 20]
    assert (
        imdb.linear_baseline(texts, labels).score(["IT ISN'T BAD", "it isn't good", "is bad"], [1, 0, 0])
        == 1.0
    )
    features = imdb.linear_baseline(texts, labels)[0].get_feature_names_out()
    assert {"isn't", "isn't bad"} <= set(features)
    assert "br" not in features
