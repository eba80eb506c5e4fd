"""The lessons' path as a picture with links: one drawing for wide screens and one for narrow ones."""

import html

from course_site import lessons

WIDTH, HEIGHT, GAP = 190, 84, 22
# Where a stage of the course begins; colours are those of the lessons' drawings.
STAGES = ((0, "blue"), (3, "orange"), (6, "green"), (9, "pink"), (12, "grey"))


def svg(titles, columns, label):
    """The map.

    Args:
        titles: Pairs of a page's title, such as "01 · Attention", and its address.
        columns: How many lessons stand beside one another.
        label: What the picture is, for who cannot see it.

    Returns:
        SVG, in which each lesson is a link.
    """
    places = []
    for i in range(len(titles)):
        row, column = divmod(i, columns)
        column = column if row % 2 == 0 else columns - 1 - column  # Back and forth, so that the path goes on.
        places.append((GAP / 2 + column * (WIDTH + GAP), GAP / 2 + row * (HEIGHT + GAP)))
    width, height = columns * (WIDTH + GAP), (max(y for _, y in places) + HEIGHT + GAP / 2)
    path = " L ".join(f"{x + WIDTH / 2:g} {y + HEIGHT / 2:g}" for x, y in places)
    parts = [
        f'<svg class="lesson-map lesson-map-{columns}" viewBox="0 0 {width:g} {height:g}" role="group" '
        f'aria-label="{html.escape(label)}" xmlns="http://www.w3.org/2000/svg">',
        f'<path class="way" d="M {path}" fill="none" aria-hidden="true"/>',
    ]
    for i, ((title, address), (x, y)) in enumerate(zip(titles, places, strict=True)):
        number, _, name = title.partition(" · ")
        stage = next(colour for first, colour in reversed(STAGES) if i >= first)
        parts.append(
            f'<a href="{html.escape(address)}">'
            f'<rect class="{stage}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
            f'<text class="number" x="{x + 12:g}" y="{y + 26:g}">{html.escape(number)}</text>'
            f'<text class="name" x="{x + WIDTH / 2:g}" y="{y + 56:g}" text-anchor="middle">'
            f"{html.escape(name)}</text></a>"
        )
    return "\n".join([*parts, "</svg>"])


def both(app, docname, label):
    """The map for wide screens and for narrow ones; the page's style shows one of them."""
    titles = [
        (app.env.titles[each.page].astext(), app.builder.get_relative_uri(docname, each.page))
        for each in lessons.table()
        if each.page in app.env.titles
    ]
    return "\n".join(svg(titles, columns, label) for columns in (4, 2))
