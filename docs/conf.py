"""Settings of the course's site, for Sphinx. `make site` (tools/build_site.py) calls it."""

import os
import pathlib
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "tools")]

from course_lib import links  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Attention to Edge"
author = PROJECT["authors"][0]["name"]
copyright = f"{author}, {PROJECT['license']}"
version = release = PROJECT["version"]
slug = links.repository(ROOT)
html_baseurl = links.site(slug)

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "course_site"]
exclude_patterns = ["README.md"]  # Pages include parts of it.
templates_path = [str(ROOT / "docs" / "_templates")]
# Code in languages that are not coloured, and types in docstrings that are names of fields as well.
suppress_warnings = ["misc.highlighting_failure", "ref.python"]

# The lessons as they are committed: nothing is executed.
nb_execution_mode = "off"
nb_mime_priority_overrides = [("gettext", "image/png", 1)]  # Else it would not see what is said of pictures.
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_all_links_external = False
html_math_renderer = "mathml"  # Browsers draw it themselves: no JavaScript, nothing to fetch.

language = os.environ.get("COURSE_SITE_LANGUAGE", "en")
locale_dirs = [str(ROOT / "build" / "site" / "locale")]  # A copy: Sphinx writes what it compiles beside it.
gettext_compact = False
gettext_location = False
gettext_uuid = False

default_role = "code"  # Docstrings mark code as Markdown does.
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

ICON = "_static/favicon.svg"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static", str(ROOT / "build" / "site" / "static")]
html_css_files = ["course.css"]
html_js_files = [("demo.js", {"type": "module"})]
html_copy_source = False
html_show_sphinx = False
html_title = project
html_use_index = False
html_domain_indices = False
# Where nothing stands under a page, there is nothing to choose from beside it.
ALONE = (
    "index",
    "drawings",
    "CHANGELOG",
    "CONTRIBUTING",
    "docs/TEACHING",
    "docs/SCALING",
    "docs/CAPSTONE",
    "docs/pruning",
)
html_sidebars = {page: [] for page in ALONE}
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "_static/favicon.svg",
        "image_dark": "_static/favicon.svg",
        "alt_text": "",
    },
    "navbar_end": ["language", "repository", "theme-switcher"],
    "article_header_end": ["language"],
    "search_bar_text": "搜索课程 ..." if language == "zh_CN" else "Search the course ...",
    "header_links_before_dropdown": 4,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_center": ["lessons"],
    "footer_end": [],
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
demo = os.environ.get("COURSE_SITE_DEMO", "")
