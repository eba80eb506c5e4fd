"""What several questions of the lesson share."""


def _found(tags, strict=False, by_type=True, split_at_begin=True, close=True, kind=None):
    """Spans of a sentence as `(type, start, end)`, the end not included.

    Args:
        tags: Of each word.
        strict: Whether only a B begins a span.
        by_type: Whether another type begins a new span.
        split_at_begin: Whether a B ends the span before it.
        close: Whether a span that reaches the end of the sentence counts.
        kind: Makes the type of a tag, or what stands after its first hyphen.
    """
    kind = kind or (lambda tag: tag.partition("-")[2])
    spans, start, type_ = [], None, None
    for place, tag in enumerate([*tags, "O"] if close else tags):
        prefix, of = tag[0], kind(tag)
        goes_on = start is not None and prefix != "O" and (not by_type or of == type_)
        if goes_on and split_at_begin and prefix == "B":
            goes_on = False
        if goes_on:
            continue
        if start is not None:
            spans.append((type_, start, place))
        begins = prefix == "B" or (prefix == "I" and not strict)
        start, type_ = (place, of) if begins else (None, None)
    return spans


def _sentence(rng, length, types, density=0.55, loose=0.0):
    """Tags of a sentence; the share `loose` of its spans begins with an I."""
    tags = []
    while len(tags) < length:
        if rng.uniform() < density:
            of, size = types[int(rng.integers(len(types)))], int(rng.integers(1, 4))
            first = "I" if rng.uniform() < loose else "B"
            tags += [f"{first}-{of}", *[f"I-{of}"] * (size - 1)]
        else:
            tags.append("O")
    return tags[:length]
