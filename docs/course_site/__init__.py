"""What the course's site adds to Sphinx: notebooks with described pictures, the map, the demo, cards."""

from course_site import mathml, notebooks, pages


def setup(app):
    """Sphinx calls this."""
    for part in (notebooks, mathml, pages):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
