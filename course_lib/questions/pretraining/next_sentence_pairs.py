"""Question: pairs, half of them wrong."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pretraining._shared import pretraining


def _pairs_calls(rng):
    def documents(lengths):
        """Documents of sentences of such lengths, in which no token occurs twice."""
        ids = iter(rng.permutation(5 + np.arange(sum(map(sum, lengths)))).tolist())
        return [[[next(ids) for _ in range(length)] for length in document] for document in lengths]

    def some(count):
        sizes = rng.integers(2, 6, size=count)
        cuts = np.array([rng.integers(1, size) for size in sizes])
        sources = np.where(np.arange(count) % 2, (np.arange(count) + 1) % count, np.arange(count))
        return documents([rng.integers(1, 6, size=size).tolist() for size in sizes]), cuts, sources

    one, other, alike = documents([[2, 1, 3], [1, 2, 2], [2, 2, 2]])
    alike = [*alike[:2], one[2]]
    return [
        (documents([[2, 1, 2], [1, 2], [2, 2, 1, 1]]), np.array([1, 1, 3]), np.array([0, 2, 1])),
        Call((documents([[2, 1], [1, 1, 3]]), np.array([1, 2]), np.array([1, 0])), about="no own ending"),
        Call(
            (documents([[1, 3, 1], [2, 2], [4, 1, 1]]), np.array([2, 1, 1]), np.array([0, 1, 2])),
            about="only own endings",
        ),
        some(6),
        some(9),
        Call(
            ([one, other, alike, other], np.array([2, 1, 2, 1]), np.array([2, 3, 1, 3])),
            about="documents that end alike",
        ),
    ]


def _flat(sentences):
    return [token for sentence in sentences for token in sentence]


def _beginning(documents, cuts, i, source):
    return documents[i][: cuts[i]]


def _ending(documents, cuts, i, source):
    return documents[source][cuts[source] :]


def _same(documents, cuts, i, source):
    return i == source


def _paired(first=_beginning, second=_ending, label=_same):
    """Pairs of which a function of documents, cuts, number and source gives each part."""

    def answer(documents, cuts, sources):
        numbers = list(enumerate(sources))
        return (
            [_flat(first(documents, cuts, i, source)) for i, source in numbers],
            [_flat(second(documents, cuts, i, source)) for i, source in numbers],
            np.array([label(documents, cuts, i, source) for i, source in numbers]).astype("int32"),
        )

    return answer


def _of_strangers(second):
    """The own ending, or what a function gives of another document."""

    def answer(documents, cuts, i, source):
        return (_ending if i == source else second)(documents, cuts, i, source)

    return answer


def _whole(documents, cuts, i, source):
    return documents[source]


def _sources_beginning(documents, cuts, i, source):
    return documents[source][: cuts[source]]


def _moved(first=0, second=0):
    return _paired(
        lambda documents, cuts, i, source: documents[i][: cuts[i] + first],
        lambda documents, cuts, i, source: documents[source][cuts[source] + second :],
    )


QUESTION = Question(
    id="pretraining.next_sentence_pairs",
    title="Pairs, half of them wrong",
    points=2,
    minutes=15,
    signature="next_sentence_pairs(documents, cuts, sources)",
    calls=_pairs_calls,
    reference=lambda documents, cuts, sources: pretraining.next_sentence_pairs(documents, cuts, sources),
    returns=("ragged", "ragged", "array"),
    names=("first", "second", "is_next"),
    dtypes=(None, None, "int"),
    mistakes=(
        Mistake(
            "own_cut",
            _paired(second=lambda documents, cuts, i, source: documents[source][cuts[i] :]),
            "Pairs from one document are right. A stranger's ending begins at the wrong sentence: whose cut "
            "do you use?",
            "Document 1 with the source 2 takes the ending of document 2, and that begins at `cuts[2]`. "
            "With the cut of document 1 it may even be empty.",
        ),
        Mistake(
            "cut_of_the_source",
            _paired(first=lambda documents, cuts, i, source: documents[i][: cuts[source]]),
            "The second parts are right. The first ones end at the wrong sentence where the source is "
            "another document: whose cut do you use?",
            "The first part is always the beginning of document i, and that ends before `cuts[i]`, wherever "
            "the second comes from.",
        ),
        Mistake(
            "source_ignored",
            (
                _paired(second=lambda documents, cuts, i, source: documents[i][cuts[i] :]),
                _paired(
                    second=lambda documents, cuts, i, source: documents[i][cuts[i] :],
                    label=lambda documents, cuts, i, source: True,
                ),
            ),
            "The second part of yours is always the document's own ending. What are `sources` for?",
            "Pair i takes the ending of document `sources[i]`. In about half of the pairs that is a "
            "stranger, so that there is something to tell apart.",
        ),
        Mistake(
            "inverted",
            _paired(label=lambda documents, cuts, i, source: i != source),
            "The parts are right, but your labels are the other way round: 1 stands for strangers.",
            "`is_next` answers the question “does the second part follow the first?”. If the source of "
            "document 0 is 0, it does, and the label is 1.",
        ),
        Mistake(
            "label_by_text",
            (
                _paired(
                    label=lambda documents, cuts, i, source: (
                        _flat(_ending(documents, cuts, i, source)) == _flat(documents[i][cuts[i] :])
                    )
                ),
                _paired(label=lambda documents, cuts, i, source: documents[i] == documents[source]),
            ),
            "The parts are right, and nearly all labels. Yours compare texts: what if two documents have the "
            "same one?",
            "Many reviews end in the same sentence. The label asks for the *document* that the second part "
            "is from, and its number says that.",
        ),
        Mistake(
            "strangers_beginning",
            (_paired(second=_of_strangers(_sources_beginning)), _paired(second=_sources_beginning)),
            "Of a stranger you take the beginning. By what could a model tell such pairs without comparing "
            "the parts?",
            "A second part always begins at a cut and goes to the end of its document, whoever it is of: "
            "what stands on which side of the colon in your slice?",
        ),
        Mistake(
            "whole_stranger",
            (_paired(second=_of_strangers(_whole)), _paired(second=_whole)),
            "Of a stranger you take the whole document. By what could a model tell such pairs without "
            "reading them?",
            "Such parts are longer, and length alone would give the answer. Of every source only what stands "
            "behind its cut is taken.",
        ),
        Mistake(
            "one_sentence",
            (
                _paired(second=lambda documents, cuts, i, source: [documents[source][cuts[source]]]),
                _paired(first=lambda documents, cuts, i, source: [documents[i][cuts[i] - 1]]),
                _paired(first=lambda documents, cuts, i, source: [documents[i][0]]),
                _paired(
                    first=lambda documents, cuts, i, source: [documents[i][cuts[i] - 1]],
                    second=lambda documents, cuts, i, source: [documents[source][cuts[source]]],
                ),
                _paired(
                    first=lambda documents, cuts, i, source: [documents[i][0]],
                    second=lambda documents, cuts, i, source: [documents[source][cuts[source]]],
                ),
            ),
            "A part of yours is a single sentence. In spite of the name, the parts are as long as there is "
            "text.",
            "The cut is where a slice begins or ends: all sentences before it make the first part, the one "
            "with its number and all behind it the second, joined into one list of ids.",
        ),
        Mistake(
            "cut_elsewhere",
            (_moved(1, 0), _moved(0, 1), _moved(1, 1), _moved(-1, 0), _moved(0, -1)),
            "A part of yours begins or ends one sentence too early or too late. To which part does the "
            "sentence with the number of the cut belong?",
            "With the cut 1 the beginning is sentence 0 alone, and sentence 1 begins the ending. A slice "
            "[:n] ends before n, [n:] begins with it.",
        ),
        Mistake(
            "cut_in_tokens",
            _paired(
                first=lambda documents, cuts, i, source: [_flat(documents[i])[: cuts[i]]],
                second=lambda documents, cuts, i, source: [_flat(documents[source])[cuts[source] :]],
            ),
            "Your parts are divided after so many tokens. What does a cut count?",
            "`cuts[i]` is a number of sentences. Cut the list of sentences first, and join them after that.",
        ),
        Mistake(
            "exchanged",
            _paired(
                first=_sources_beginning,
                second=lambda documents, cuts, i, source: documents[i][cuts[i] :],
            ),
            "Beginning and ending have changed roles: you take the document's own ending, and the beginning "
            "of its source.",
            "Pair i begins with the beginning of document i, always. The source says whose ending follows.",
        ),
    ),
    hint="Write one function that joins sentences to a list of ids. The rest is two slices per document.",
    more="The first part of pair i joins documents[i][:cuts[i]]. The second joins a slice of another "
    "document, whose number is sources[i], from the cut of that document on. is_next compares two numbers.",
    example=([[[7], [8], [9, 5]], [[6, 4], [3]]], np.array([2, 1]), np.array([1, 1])),
)
