"""What the course's site adds to Sphinx: notebooks with described pictures, the map, the demo, cards."""

# Sphinx' name of each language: its folder in the site, its code for browsers, its own name.
LANGUAGES = {"en": ("", "en", "English"), "zh_CN": ("zh/", "zh-CN", "中文")}


def setup(app):
    """Sphinx calls this."""
    # They need Sphinx, the rest does not.
    from course_site import chinese, head, mathml, notebooks, pages, reference

    for part in (notebooks, mathml, pages, head, reference, chinese):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "version": "1"}
