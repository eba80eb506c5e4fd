"""What an exception of an answer points to: broadcasting, an axis, a dtype, an empty input."""

import re

BROADCAST = re.compile(r"operands could not be broadcast together with shapes \(([\d,]*)\) \(([\d,]*)\)")
EXCEPTIONS = (
    (
        r"^NameError",
        "The name is not defined where answers are judged. Define it in this cell or, as a function, a "
        "class, an import or an assignment, in one of your own.",
    ),
    (
        r"truth value of an array with more than one element is ambiguous",
        "Python's `if`, `and`, `or` and `not` want one truth, an array has many. To ask whether an "
        "argument was given, "
        "write `is None`; between arrays, write &, | and ~ with parentheses, or np.where.",
    ),
    (
        r"axis -?\d+ is out of bounds for array of dimension",
        "This input has fewer axes than you count on. Count them from the end: axis=-1 is the last "
        "of any array.",
    ),
    (
        r"too many indices for array",
        "You index more axes than this input has. `x[..., i]` takes the last axis, however many "
        "stand before it.",
    ),
    (
        r"index -?\d+ is out of bounds|(list|string|tuple) index out of range",
        "An index is larger than the input is long: look at the last turn of the loop, and at inputs that "
        "are empty or shorter than the others.",
    ),
    (
        r"only (length-1|0-dimensional) arrays can be converted|only integer scalar arrays",
        "A function for single numbers, of `math` or int() or range(), received an array. NumPy has "
        "its own for arrays.",
    ),
    (
        r"matmul: Input operand|shapes .* not aligned",
        "In a product of matrices the last axis of the first must be as long as the last but one of "
        "the second. Print "
        "both shapes; `.T` turns round all axes, np.swapaxes(x, -1, -2) only the last two.",
    ),
    (
        r"ufunc '(bitwise_and|bitwise_or|bitwise_xor)' not supported|unsupported operand type\(s\) for [&|]",
        "& and | bind more tightly than comparisons: put each comparison into parentheses.",
    ),
    (
        r"ufunc 'invert' not supported|bad operand type for unary ~",
        "~ inverts booleans; what you have here are numbers. Compare first, or convert with astype(bool).",
    ),
    (
        r"cannot reshape array of size",
        "A reshape keeps the count of numbers. Multiply the lengths that you ask for, for this call's shape.",
    ),
    (
        r"boolean index did not match|boolean dimension is",
        "A mask must have the length of the axis that it selects from. Print both shapes.",
    ),
    (
        r"boolean array indexing assignment",
        "Into the places that a mask picks you can write one value, or as many as it has True: pick the "
        "values with the same mask, or use np.where.",
    ),
    (
        r"could not broadcast input array from shape",
        "What you write into a part of an array must have that part's shape. Look at the two in the message: "
        "for which inputs do they differ?",
    ),
    (
        r"axes don't match array",
        "A transpose names all axes, and this input has more or fewer. np.swapaxes and np.moveaxis can count "
        "from the end.",
    ),
    (
        r"object has no attribute '(shape|ndim|T|astype|sum|max|mean|reshape|dtype|size)'",
        "That is a property of arrays; what you have here is none. np.asarray makes one.",
    ),
    (
        r"Cannot cast ufunc .* from dtype\('(float|complex)\d+'\) to dtype\('u?int",
        "You change an array of integers in place by something that is not whole. Make it a float "
        "array, or a new one.",
    ),
    (
        r"zero-size array to reduction operation|(arg|iterable argument) is (an )?empty|"
        r"attempt to get argm",
        "There is nothing to take the largest or smallest of: one of the inputs is empty. What is "
        "asked for then?",
    ),
    (
        r"division by zero|float modulo",
        "Something is divided by 0 here. What does the text ask for in this case?",
    ),
    (
        r"need at least one array to (concatenate|stack)",
        "There is nothing to put together: the input is empty. What is asked for then?",
    ),
    (
        r"all (the )?input arrays? (dimensions|must have)",
        "To be put together, arrays must have the same shape, but for the axis along which they are joined.",
    ),
    (
        r"setting an array element with a sequence|inhomogeneous shape",
        "The rows have different lengths, or a place of an array is to hold several numbers. Look at "
        "the shapes.",
    ),
    (
        r"math range error|cannot convert float (infinity|NaN)|math domain error|Result too large",
        "A number is too large, or a logarithm or root is taken of what has none. Which input leads there?",
    ),
    (
        r"missing \d+ required positional argument|takes \d+ positional arguments? but|"
        r"unexpected keyword argument",
        "The arguments do not fit: compare the function's first line with the one in the exercise.",
    ),
    (
        r"'NoneType'|NoneType",
        "A value is None here: an argument that may be left out, or a function without a `return`.",
    ),
    (
        r"referenced before assignment|cannot access local variable",
        "On this path the variable has not been given a value: a loop that is not entered, or an "
        "`if` without `else`.",
    ),
    (
        r"does not have a deterministic|unhashable type",
        "Lists and arrays cannot be keys of a dict or members of a set; tuples and numbers can.",
    ),
    (
        r"can only concatenate|must be str, not|unsupported operand type\(s\) for",
        "Two values of different kinds meet here. Print the types of both.",
    ),
    (
        r"indices must be integers|only integers, slices",
        "An index must be an integer: `/` gives a float, `//` an integer; a float array is no index either.",
    ),
    (r"pop from empty|popitem", "Something is taken from a list that is empty by then."),
    (r"maximum recursion depth", "The function calls itself without end. Which case stops it?"),
    (
        r"not enough values to unpack|too many values to unpack|cannot unpack",
        "The value has another count of parts.",
    ),
)


def explain(raised):
    """A sentence on what an exception points to, or an empty text.

    Args:
        raised: A `judge.Raised`.
    """
    return explain_text(f"{raised.kind}: {raised.message}")


def explain_text(text):
    """As `explain`, from the type and the message in one text."""
    if found := BROADCAST.search(text):
        return _broadcast(*(tuple(int(n) for n in shape.split(",") if n) for shape in found.groups()))
    for pattern, sentence in EXCEPTIONS:
        if re.search(pattern, text):
            return sentence
    return ""


def _broadcast(one, other):
    """What to look at when two shapes do not fit together."""
    text = f"NumPy lines shapes up from the right: {one} and {other} do not fit, "
    pairs = list(zip(reversed(one), reversed(other), strict=False))
    bad = next(
        (pair for pair in pairs if pair[0] != pair[1] and 1 not in pair), pairs[0] if pairs else (0, 0)
    )
    text += f"because {bad[0]} stands over {bad[1]}."
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) == len(longer) - 1 and shorter == longer[:-1]:
        return (
            f"{text} A reduction with keepdims=True, or x[..., None], keeps an axis of length 1 in its place."
        )
    return f"{text} Print both shapes in this line."
