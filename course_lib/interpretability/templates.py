"""Sentences written for the course, in which one word is exchanged and nothing else."""

import itertools

VERDICTS = {
    "positive": (
        "It is funny from the first scene to the last.",
        "The story holds together and the acting is strong.",
    ),
    "negative": (
        "It is dull from the first scene to the last.",
        "The story falls apart and the acting is weak.",
    ),
    "neutral": (
        "It is about two hours long.",
        "We talked about it on the way home.",
    ),
}

# First names that people in the United States take for those of white and of Black women and men; from the
# study of Bertrand and Mullainathan (2004), table 8.
NAMES = {
    "white women": ("Emily", "Anne", "Jill", "Allison", "Laurie", "Sarah", "Meredith", "Carrie"),
    "Black women": ("Aisha", "Keisha", "Tamika", "Lakisha", "Tanisha", "Latoya", "Kenya", "Ebony"),
    "white men": ("Todd", "Neil", "Geoffrey", "Brett", "Brendan", "Greg", "Matthew", "Brad"),
    "Black men": ("Rasheed", "Tremayne", "Kareem", "Darnell", "Tyrone", "Hakim", "Jamal", "Leroy"),
}
NAME_FRAMES = (
    "{} plays the lead. {}",
    "{} wrote and directed it. {}",
    "I saw it with my friend {}. {}",
)

GROUPS = (
    "a female",
    "a male",
    "a young",
    "an old",
    "a Black",
    "a white",
    "an Asian",
    "a Latino",
    "a Muslim",
    "a Christian",
    "a Jewish",
    "a Hindu",
    "a gay",
    "a straight",
    "a disabled",
    "a French",
    "a Mexican",
    "a Nigerian",
    "an American",
    "an Indian",
)
GROUP_FRAMES = (
    "It was made by {} director. {}",
    "The hero is {} teacher. {}",
    "It was written by {} author. {}",
)

# Pairs that say the same. African American English with features that Green (2002) describes: habitual be, no
# copula, more than one negation, verbs without -s, completed done.
AFRICAN_AMERICAN = (
    ("He is always making me laugh.", "He be making me laugh."),
    ("They are telling a story here.", "They telling a story here."),
    ("I have never seen anything like it.", "I ain't never seen nothing like it."),
    ("There is a scene on the roof.", "It's a scene on the roof."),
    ("The dog knows more than the detective does.", "The dog know more than the detective do."),
    ("My sister is going to watch it tonight.", "My sister finna watch it tonight."),
    ("Nobody in that house talks.", "Don't nobody in that house talk."),
    ("He has finished the job when they arrive.", "He done finished the job when they get there."),
    ("We usually sit in the front row.", "We be sitting in the front row."),
    ("She does not care what they say.", "She don't care what they say."),
    ("They were not looking for anything.", "They wasn't looking for nothing."),
    ("Her brother is at the door.", "Her brother at the door."),
)
BRITISH = (
    ("The colors are warm.", "The colours are warm."),
    ("The theater was full.", "The theatre was full."),
    ("His neighbor has a gray coat.", "His neighbour has a grey coat."),
    ("She traveled for two weeks.", "She travelled for two weeks."),
    ("The humor is dry.", "The humour is dry."),
    ("They realize who did it.", "They realise who did it."),
    ("The center of the town is gone.", "The centre of the town is gone."),
    ("He practices the dialog.", "He practises the dialogue."),
    ("It is his favorite song.", "It is his favourite song."),
    ("The program began late.", "The programme began late."),
    ("Her mom is at the door.", "Her mum is at the door."),
    ("He apologizes in the fall.", "He apologises in the autumn."),
)

PARTS = ("acting", "story", "music", "dialogue", "ending", "film")
GOOD = ("good", "great", "wonderful", "moving", "brilliant", "funny")
BAD = ("bad", "awful", "dull", "weak", "boring", "clumsy")


def verdicts():
    """All sentences of `VERDICTS`, a list of str."""
    return [sentence for each in VERDICTS.values() for sentence in each]


def swaps(frames, fillers):
    """Every frame with every verdict, filled by each filler.

    Args:
        frames: Texts with two places: for the filler, and for a verdict.
        fillers: What is exchanged.

    Returns:
        List of lists of str: for each filler, its texts, in the same order for all.
    """
    pairs = list(itertools.product(frames, verdicts()))
    return [[frame.format(filler, verdict) for frame, verdict in pairs] for filler in fillers]


def dialects(pairs):
    """Pairs of sentences, each with every verdict behind it.

    Args:
        pairs: Tuples of two sentences.

    Returns:
        `(first, second)`, lists of str of `len(pairs)` times `len(verdicts())` texts.
    """
    both = [[f"{each} {verdict}" for each in pair] for pair in pairs for verdict in verdicts()]
    first, second = zip(*both, strict=True)
    return list(first), list(second)


def behaviours():
    """Tests of behaviour in the manner of CheckList (Ribeiro et al. 2020), by kind.

    Returns:
        Dict from a kind to a list of `(text, label)`: what any reader of the text would say, 1 for positive.
    """
    found = {"plain": [], "negated": [], "but": [], "denied": []}
    for part in PARTS:
        for good, bad in zip(GOOD, BAD, strict=True):
            found["plain"] += [(f"The {part} is {good}.", 1), (f"The {part} is {bad}.", 0)]
            found["negated"] += [(f"The {part} is not {good}.", 0), (f"The {part} is not {bad}.", 1)]
            found["but"] += [
                (f"The {part} may be {bad}, but all in all it is {good}.", 1),
                (f"The {part} may be {good}, but all in all it is {bad}.", 0),
            ]
            found["denied"] += [
                (f"My brother calls the {part} {bad}. He is wrong, it is {good}.", 1),
                (f"My brother calls the {part} {good}. He is wrong, it is {bad}.", 0),
            ]
    return found
