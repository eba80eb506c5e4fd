"""Question: whether every weight arrived."""

import math
import re

from course_lib.questions import Call, Mistake, Question

RULES = [
    ("/kernel", ".weight"),
    ("/gamma", ".weight"),
    ("/beta", ".bias"),
    ("layer_", "layers."),
    ("ffn.", "linear"),
    ("/", "."),
]


def _calls(rng):
    width = int(rng.integers(4, 9))

    def source(layers):
        found = {"embeddings/table": (30, width)}
        for layer in range(layers):
            name = f"encoder/layer_{layer}"
            found |= {
                f"{name}/attention/query/kernel": (width, width),
                f"{name}/attention/query/bias": (width,),
                f"{name}/ffn.1/kernel": (width, 4 * width),
                f"{name}/norm/gamma": (width,),
                f"{name}/norm/beta": (width,),
            }
        return found

    def target(layers):
        found = {}
        for layer in reversed(range(layers)):
            name = f"encoder.layers.{layer}"
            found |= {
                f"{name}.norm.weight": (width,),
                f"{name}.norm.bias": (width,),
                f"{name}.linear1.weight": (width, 4 * width),
                f"{name}.attention.query.weight": (width, width),
                f"{name}.attention.query.bias": (width,),
            }
        return found | {"embeddings.table": (30, width)}

    ours, theirs = source(2), target(2)
    layer = int(rng.integers(2))
    moved = theirs | {f"encoder.layers.{layer}.linear1.weight": (4 * width, width)}
    dotless = {name: shape for name, shape in ours.items() if "ffn" not in name} | {
        "pooler/ffn_1/kernel": (width, 3),
        "encoder/layer_0/layer_norm/beta": (width,),
    }
    return [
        Call((ours, theirs, RULES), about="weights that all fit"),
        (source(3), theirs, RULES),
        (source(1), theirs | {"head.bias": (2,), "head.weight": (2, width)}, RULES),
        Call((ours, moved, RULES), about="a kernel that is not transposed"),
        Call((dotless, theirs, RULES), about="a name with a dot's place taken by another sign"),
        Call((ours, theirs | {"embeddings.table": (width, 31)}, RULES), about="a table of another size"),
        Call(
            ({"b": (2,), "a": (1,)}, {"d": (2,), "c": (width,), "a": (1, 1)}, []),
            about="no rules",
        ),
    ]


def _renamed(name, rules):
    for old, new in rules:
        name = name.replace(old, new)
    return name


def _once(name, rules):
    for old, new in rules:
        name = name.replace(old, new, 1)
    return name


def _first_rule(name, rules):
    for old, new in rules:
        if old in name:
            return name.replace(old, new)
    return name


def _last_rule(name, rules):
    new_name = name
    for old, new in rules:
        if old in name:
            new_name = name.replace(old, new)
    return new_name


def _first_of_old(name, rules):
    """The last rule of all, applied to the old name, whether it fits or not."""
    new_name = name
    for old, new in rules:
        new_name = name.replace(old, new)
    return new_name


def _patterns(name, rules):
    for old, new in rules:
        name = re.sub(old, new, name)
    return name


def _sorted(names):
    return sorted(names)


def _answer(
    source,
    target,
    rules,
    rename=_renamed,
    differs=lambda one, other: tuple(one) != tuple(other),
    order=_sorted,
    finish=lambda missing, unexpected, mismatched: (missing, unexpected, mismatched),
):
    """The three lists with one of the steps replaced."""
    moved = {rename(name, rules): shape for name, shape in source.items()}
    missing = [name for name in target if name not in moved]
    unexpected = [name for name in moved if name not in target]
    mismatched = [name for name in target if name in moved and differs(moved[name], target[name])]
    return finish(order(missing), order(unexpected), order(mismatched))


def _reference(source, target, rules):
    return _answer(source, target, rules)


def _with(**parts):
    return lambda *arguments: _answer(*arguments, **parts)


def _old_names(source, target, rules):
    missing, _, mismatched = _reference(source, target, rules)
    return missing, sorted(name for name in source if _renamed(name, rules) not in target), mismatched


def _target_renamed(source, target, rules):
    back = [(new, old) for old, new in rules]
    return _answer(source, {_renamed(name, back): shape for name, shape in target.items()}, [])


def _and_missing(missing, unexpected, mismatched):
    return sorted(missing + mismatched), unexpected, mismatched


def _and_both(missing, unexpected, mismatched):
    return sorted(missing + mismatched), sorted(unexpected + mismatched), mismatched


QUESTION = Question(
    id="frameworks.load_report",
    title="Whether every weight arrived",
    points=2,
    minutes=15,
    signature="load_report(source, target, rules)",
    calls=_calls,
    reference=_reference,
    returns=("texts", "texts", "texts"),
    names=("missing", "unexpected", "mismatched"),
    mistakes=(
        Mistake(
            "exchanged",
            _with(finish=lambda missing, unexpected, mismatched: (unexpected, missing, mismatched)),
            "What is missing, and what nobody expected? The two have changed places.",
            "Missing is what the new model has and the source lacks.",
        ),
        Mistake(
            "no_rules",
            (_with(rename=lambda name, rules: name), _target_renamed),
            "Your names are still those of the source. Who applies the rules?",
            "Rename the source's names first, then compare with those of the target.",
        ),
        Mistake(
            "one_rule_only",
            _with(rename=_first_rule),
            "You stop at the first rule that fits a name. The others have not been applied.",
            "Every name passes through all rules, one after the other.",
        ),
        Mistake(
            "rules_on_the_old_name",
            (_with(rename=_last_rule), _with(rename=_first_of_old)),
            "Each rule of yours starts from the source's own name again, so only one of them is seen.",
            "A rule goes on with what the rules before it made of the name.",
        ),
        Mistake(
            "replaced_once",
            _with(rename=_once),
            "Each rule of yours replaces the first occurrence only.",
            "`encoder/layer_0/norm` has two slashes, and both must go.",
        ),
        Mistake(
            "rules_reversed",
            _with(rename=lambda name, rules: _renamed(name, rules[::-1])),
            "You apply the rules from last to first. Some then find nothing to replace any more.",
            "Once every slash is a dot, no name holds `/kernel`. Apply the first rule first.",
        ),
        Mistake(
            "patterns",
            _with(rename=_patterns),
            "Right but where a dot is compared with another sign: your rules are regular expressions.",
            "In `re.sub`, a dot stands for any character. `str.replace` takes it as it is.",
        ),
        Mistake(
            "sizes_compared",
            (
                _with(differs=lambda one, other: math.prod(one) != math.prod(other)),
                _with(differs=lambda one, other: sorted(one) != sorted(other)),
            ),
            "A kernel that is not transposed passes with you. Do you compare shapes, or how many numbers "
            "there are?",
            "(4, 16) and (16, 4) hold as many numbers, and each at another place.",
        ),
        Mistake(
            "axes_counted",
            _with(differs=lambda one, other: len(one) != len(other)),
            "You compare how many axes there are. How long each is counts, too.",
            "Shapes are equal if they are equal as tuples.",
        ),
        Mistake(
            "mismatched_twice",
            (_with(finish=_and_missing), _with(finish=_and_both)),
            "A weight of the wrong shape appears in two lists. Its name did arrive.",
            "Missing and unexpected are about names alone.",
        ),
        Mistake(
            "not_sorted",
            (
                _with(order=list),
                _with(order=lambda names: sorted(names, reverse=True)),
            ),
            "The right names, but not in the alphabet's order.",
            "`sorted` makes a list of names that two people can compare.",
        ),
        Mistake(
            "old_names",
            _old_names,
            "You report unexpected weights by their old names. The text asks for the new ones.",
            "Whoever writes the next rule wants to see what became of the name.",
        ),
    ),
    hint="Make a dict from new names to shapes first. Then each list is one line.",
    more="For every name of `source` apply all rules with `str.replace`. Missing: in `target`, not among the "
    "new names. Unexpected: the other way round. Mismatched: in both, with unequal shapes. Sort each.",
    example=(
        {"norm/gamma": (4,), "dense/kernel": (4, 2), "step": ()},
        {"norm.weight": (4,), "dense.weight": (2, 4), "dense.bias": (2,)},
        [("/gamma", ".weight"), ("/kernel", ".weight")],
    ),
)
