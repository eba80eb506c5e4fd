"""Pictures that code draws for the site: its icon, and a card for each page that somebody shares."""

import base64
import hashlib
import io
import pathlib
import textwrap

import matplotlib as mpl
import matplotlib.figure
import matplotlib.image
import nbformat

INK, BLUE = "#1A1A1A", "#00629B"
# Attention: four queries by four keys, each the stronger the nearer.
CELLS = [[max(0.12, 1 - abs(row - column) * 0.4) for column in range(4)] for row in range(4)]


def icon():
    """The icon as SVG: a small map of attention, each query on its own key the most."""
    cells = "".join(
        f'<rect x="{4 + 14.5 * column:g}" y="{4 + 14.5 * row:g}" width="12.5" height="12.5" rx="2" '
        f'fill-opacity="{CELLS[row][column]:.2f}"/>'
        for row in range(4)
        for column in range(4)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><style>g{fill:#00629b}'
        f"@media(prefers-color-scheme:dark){{g{{fill:#7cc4f0}}}}</style><g>{cells}</g></svg>\n"
    )


def touch_icon():
    """The icon as PNG, 180 pixels, for the screens of telephones."""
    figure = matplotlib.figure.Figure(figsize=(1.8, 1.8), dpi=100, facecolor="white")
    ax = figure.add_axes((0.08, 0.08, 0.84, 0.84))
    for row in range(4):
        for column in range(4):
            place = (column + 0.06, 3 - row + 0.06)
            ax.add_patch(mpl.patches.Rectangle(place, 0.88, 0.88, color=BLUE, alpha=CELLS[row][column], lw=0))
    ax.set(xlim=(0, 4), ylim=(0, 4))
    ax.axis("off")
    return _png(figure)


def card(title, about, picture=None):
    """A card of 1,200 by 630 pixels.

    Args:
        title: Of the page.
        about: A sentence or two.
        picture: The bytes of a PNG that stands below, or None.

    Returns:
        The bytes of a PNG.
    """
    figure = matplotlib.figure.Figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    figure.patches.append(
        mpl.patches.Rectangle((0, 0.975), 1, 0.025, color=BLUE, transform=figure.transFigure, figure=figure)
    )
    figure.text(0.05, 0.93, "Attention to Edge", fontsize=20, color=BLUE, va="top", weight="bold")
    figure.text(0.05, 0.85, textwrap.shorten(title, 44), fontsize=38, color=INK, va="top", weight="bold")
    lines = textwrap.wrap(about, 72, max_lines=2 if picture else 6, placeholder=" …")
    figure.text(0.05, 0.73, "\n".join(lines), fontsize=20, color=INK, va="top", linespacing=1.4)
    if picture:
        image = matplotlib.image.imread(io.BytesIO(picture))
        ax = figure.add_axes((0.05, 0.03, 0.9, 0.54))
        ax.imshow(image, interpolation="lanczos")
        ax.set_anchor("W")
        ax.axis("off")
    return _png(figure)


def first_picture(path):
    """The bytes of the first picture that a notebook shows, or None."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    return None


def write_once(path, key, make):
    """Writes what `make` returns, unless the file is there and was made for the same key.

    Args:
        path: The file.
        key: Text or bytes on which alone it depends.
        make: Called without arguments; returns bytes.
    """
    path = pathlib.Path(path)
    stamp = path.with_name(f".{path.name}.key")
    digest = hashlib.sha256(key if isinstance(key, bytes) else key.encode()).hexdigest()
    if not (path.exists() and stamp.exists() and stamp.read_text() == digest):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())
        stamp.write_text(digest)


def _png(figure):
    with mpl.rc_context({"font.family": "DejaVu Sans"}), io.BytesIO() as buffer:
        figure.savefig(buffer, format="png")
        return buffer.getvalue()
