"""What the course's site adds to Sphinx: notebooks with described pictures, the map, the demo, cards."""

from course_site import head, mathml, notebooks, pages, reference


def setup(app):
    """Sphinx calls this."""
    for part in (notebooks, mathml, pages, head, reference):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
