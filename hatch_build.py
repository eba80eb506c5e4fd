"""README.md as a package index shows it: links that are relative in the clone lead to the repository."""

import pathlib
import re

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\]]*\])\((?!https?:|#)(?P<path>[^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Fills in `readme`, which pyproject.toml declares dynamic."""

    def update(self, metadata):
        """Called by hatchling with the static part of [project]."""
        text = pathlib.Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = metadata["urls"]["Repository"]

        def absolute(link):
            view = "raw" if link["image"] else "blob"
            return f"{link['image']}{link['text']}({repository}/{view}/main/{link['path']})"

        metadata["readme"] = {"content-type": "text/markdown", "text": LINK.sub(absolute, text)}
