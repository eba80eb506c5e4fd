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
html_baseurl = "https://{}.github.io/{}/".format(*slug.split("/"))

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "course_site"]
exclude_patterns = ["README.md"]
templates_path = ["_templates"]
suppress_warnings = ["mystnb.unknown_mime_type"]
nitpicky = False

# The lessons as they are committed: nothing is executed.
nb_execution_mode = "off"
nb_mime_priority_overrides = [("gettext", "image/png", 1)]  # Else it would not see what is said of pictures.
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_all_links_external = False
html_math_renderer = "mathml"  # Browsers draw it themselves: no JavaScript, nothing to fetch.

language = os.environ.get("COURSE_SITE_LANGUAGE", "en")
locale_dirs = [str(ROOT / "docs" / "locale")]
gettext_compact = False
gettext_location = False
gettext_uuid = False
figure_language_filename = "{root}.{language}{ext}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
html_title = project
