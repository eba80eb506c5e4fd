"""Question: greedy WordPiece."""

import functools

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _wordpiece_calls(rng):
    stems = rng.permutation(["film", "watch", "heart", "break", "laugh", "dream", "sound", "dance"])
    a, b, c = (str(stem) for stem in stems[:3])
    letters = "abcdefghijklmnoprstuvwy"
    vocabulary = ["[PAD]", "[UNK]", *letters, *("##" + letter for letter in letters)]
    vocabulary += [a, b, a[:2], "un", "##" + a, "##able", "##ab", "##ing", "##ly", "##" + c]
    vocabulary += [a.capitalize(), b + c + "able"]
    vocabulary = [str(piece) for piece in rng.permutation(vocabulary)]
    # The longest start leaves a rest that cannot be split, though a shorter one would not.
    trap = ["re", "re" + c[0], "##" + c, "[UNK]", c]
    return [
        Call((a, vocabulary), about="a word of the vocabulary"),
        (f"un{a}able", vocabulary),
        (f"{b}ingly", vocabulary),
        Call((a + b, vocabulary), about="a piece inside that is there without ## only"),
        Call((f"{a}qing", vocabulary), about="an unknown character inside"),
        Call(("北", vocabulary), about="an unknown character alone"),
        Call(("re" + c, trap), about="a start after which nothing fits"),
        Call((c, ["##" + c, a]), about="a start that is there with ## only"),
        Call((f"un{a}s", vocabulary), about="a single letter at the end"),
        Call((a[0], vocabulary), about="a word of one letter"),
        Call((f"{a.capitalize()}ing", vocabulary), about="a capital"),
        Call((f"{b}{c}ables", vocabulary), about="a long piece"),
    ]


def _pieces(
    word,
    vocabulary,
    inside=("##",),
    at_start=("",),
    choose=max,
    ends=lambda word, start: range(start + 1, len(word) + 1),
    unknown=lambda pieces: ["[UNK]"],
):
    """Greedy pieces, with a part replaced.

    Args:
        word: The word.
        vocabulary: The vocabulary.
        inside: What may stand before a piece inside the word; the first is preferred.
        at_start: The same for its start.
        choose: Picks one of the ends that fit.
        ends: Makes the ends that are tried.
        unknown: Makes the result, or None to go on, from the pieces before an unknown one.
    """
    pieces, start = [], 0
    while start < len(word):
        fits = {}
        for prefix in reversed(inside if start else at_start):
            fits |= {
                end: prefix + word[start:end]
                for end in ends(word, start)
                if prefix + word[start:end] in vocabulary
            }
        if not fits and (result := unknown(pieces)) is not None:
            return result
        end = choose(fits) if fits else start + 1
        pieces.append(fits[end] if fits else "[UNK]")
        start = end
    return pieces


def _split_with(**parts):
    return functools.partial(_pieces, **parts)


def _first_in_list(word, vocabulary):
    pieces = []
    while word:
        prefix = "##" if pieces else ""
        fits = [
            piece
            for piece in vocabulary
            if piece.startswith(prefix) and word.startswith(piece[len(prefix) :]) and piece != prefix
        ]
        if not fits:
            return ["[UNK]"]
        pieces.append(fits[0])
        word = word[len(fits[0]) - len(prefix) :]
    return pieces


def _backtracking(word, vocabulary, start=0):
    prefix = "##" if start else ""
    for end in range(len(word), start, -1):
        if prefix + word[start:end] in vocabulary:
            rest = _backtracking(word, vocabulary, end) if end < len(word) else []
            if rest != ["[UNK]"]:
                return [prefix + word[start:end], *rest]
    return ["[UNK]"]


def _text_for_unknown(word, vocabulary):
    pieces = _pieces(word, vocabulary)
    return "[UNK]" if pieces == ["[UNK]"] else pieces


QUESTION = Question(
    id="imdb.wordpiece",
    title="Greedy WordPiece",
    points=2,
    minutes=15,
    signature="wordpiece(word, vocabulary)",
    calls=_wordpiece_calls,
    reference=lambda word, vocabulary: imdb.wordpiece(word, set(vocabulary)),
    returns=("texts",),
    mistakes=(
        Mistake(
            "shortest_first",
            _split_with(choose=min),
            "You take the shortest piece that fits, so words fall into letters. Which one was to be taken?",
            "At each place try the whole rest of the word first, then the rest without its last character, "
            "and so on. A word that is in the vocabulary is one piece.",
        ),
        Mistake(
            "first_in_list",
            _first_in_list,
            "You take the first piece of the vocabulary that fits. The vocabulary has no special order; of "
            "all that fit, which was to be taken?",
            "Several pieces of the vocabulary may begin at the same place, such as a letter and a whole "
            "word. Go through the ends of the word instead, from far to near, and ask whether the piece is "
            "there.",
        ),
        Mistake(
            "without_hashes",
            _split_with(inside=("",)),
            "The pieces inside a word have no ## in your result, and you looked them up without it: as if a "
            "new word began there.",
            "Two pieces in the vocabulary, able and ##able, are different ids. What has to stand before "
            "word[start:end] when start is not 0, before you look it up?",
        ),
        Mistake(
            "either",
            (
                _split_with(inside=("##", "")),
                _split_with(inside=("", "##")),
                _split_with(inside=("##", ""), at_start=("", "##")),
                _split_with(at_start=("", "##")),
                _split_with(at_start=("##", "")),
            ),
            "At some place you take a piece with ## where one without was asked for, or the other way round.",
            "At the start of the word only pieces without ## count, further inside only those with it. So at "
            "each place there is just one way to write what you look up.",
        ),
        Mistake(
            "hashes_at_start",
            _split_with(at_start=("##",)),
            "You look for ## already at the start of the word, where nothing is continued.",
            "The first piece is looked up as it is, all others with ## before them. What tells you in your "
            "loop that a piece is the first?",
        ),
        Mistake(
            "hashes_dropped",
            lambda word, vocabulary: [piece.removeprefix("##") for piece in _pieces(word, vocabulary)],
            "You split at the right places, but the pieces in your list have lost their ##. They are no "
            "longer the vocabulary's names.",
            "Each piece of the result must be looked up in the embedding table, so it must be in the "
            "vocabulary exactly as it is written there. Add to the list what you looked up.",
        ),
        Mistake(
            "last_end_left_out",
            _split_with(ends=lambda word, start: range(start + 1, len(word))),
            "You never try the whole rest of a word, so that none can ever be finished. Up to where does "
            "your inner loop go?",
            "For a word of 4 letters the piece word[0:4] must be tried, and range(4) ends with 3. Print all "
            "ends that your inner loop tries for a short word.",
        ),
        Mistake(
            "single_letters_left_out",
            _split_with(ends=lambda word, start: range(start + 2, len(word) + 1)),
            "You never try a piece of a single letter. Down to where does your inner loop go?",
            "If nothing longer fits, word[start:start + 1] is still to be tried. Print all ends that your "
            "inner loop tries for a short word.",
        ),
        Mistake(
            "pieces_kept",
            (
                _split_with(unknown=lambda pieces: [*pieces, "[UNK]"]),
                _split_with(unknown=lambda pieces: [*pieces, "##[UNK]"] if pieces else ["[UNK]"]),
            ),
            "Where the rest of a word cannot be split, you keep the pieces before it. What was asked for if "
            "any part is unknown?",
            "BERT's rule is all or nothing: a word has a split into pieces of the vocabulary, or the word "
            "as a whole is [UNK]. Return a list with that one piece.",
        ),
        Mistake(
            "rest_dropped",
            (
                _split_with(unknown=lambda pieces: pieces),
                _split_with(unknown=lambda pieces: pieces or ["[UNK]"]),
            ),
            "Where the rest of a word cannot be split, you stop and return what you have: nothing shows that "
            "something is missing.",
            "If no piece fits at some place, the result for the whole word is the list ['[UNK]'], whatever "
            "was found before. Leaving only the loop does not do that.",
        ),
        Mistake(
            "characters_unknown",
            _split_with(unknown=lambda pieces: None),
            "An unknown character becomes [UNK] in the middle of your list, and you go on behind it. What "
            "was asked for if any part is unknown?",
            "BERT's rule is all or nothing: as soon as no piece fits at some place, the result for the "
            "whole word is the list ['[UNK]'].",
        ),
        Mistake(
            "word_for_unknown",
            (
                lambda word, vocabulary: (
                    [word] if _pieces(word, vocabulary) == ["[UNK]"] else _pieces(word, vocabulary)
                ),
                _split_with(unknown=lambda pieces: []),
            ),
            "Words that can be split come out right. For the others your list does not hold what was asked "
            "for.",
            "A word that cannot be split has no id, nor has an empty list. There is a piece in BERT's "
            "vocabulary that stands for all such words.",
        ),
        Mistake(
            "lower_case",
            lambda word, vocabulary: _pieces(word.lower(), vocabulary),
            "Words in small letters are right. What do you do to a word before you look it up?",
            "Film and film are two pieces here. Whether a model tells them apart is decided before its words "
            "are split; look the word up as it is given.",
        ),
        Mistake(
            "text_for_unknown",
            _text_for_unknown,
            "Words that can be split come out right. For the others your function does not return a list of "
            "pieces.",
            "Whoever calls it will go through the result piece by piece, and the pieces of a str are its "
            "characters. A list with the one piece [UNK] was asked for.",
        ),
        Mistake(
            "backtracking",
            _backtracking,
            "You find splits where the greedy rule finds none: when the rest does not fit, you go back and "
            "try a shorter piece before it. That is cleverer than BERT, and gives other ids.",
            "Greedy means that a piece once taken stays. With un, una and ##able, the word unable begins "
            "with una; the rest ble fits nothing, so the word is [UNK].",
        ),
    ),
    hint="Two loops: the outer one walks through the word from piece to piece, the inner one tries ends "
    "from the last to the first.",
    more="Keep the place where the next piece starts. From there try word[start:end] for end from len(word) "
    "down to start + 1, with ## before it if start is not 0. The first that is in the vocabulary is taken, "
    "and start becomes its end; if none is, return at once.",
    example=("playing", ["p", "play", "##i", "##ing", "ing"]),
)
