"""A bundle as a page that runs in the reader's own browser: a folder for any static host."""

import hashlib
import html
import html.entities
import importlib.resources
import json
import pathlib
import shutil
import tempfile

from course_lib import deployment, fetch
from course_lib.deployment import folders
from course_lib.serving import packages as npm
from course_lib.serving.page import about, style

RECORD = "page.json"  # Says which files are the page's, and what they are.
FORMAT = 1

_LOADED = (deployment.CARD, deployment.TOKENIZER, deployment.MODEL)
_SHOWN = ("app.js", "classifier.js", "client.js", "icon.svg", "manifest.webmanifest", "words.js", "worker.js")
# Where the page has the packages' files. Some servers do not know that .mjs is JavaScript.
_PLACES = {
    ("@litertjs/core", "dist/index.js"): "litert/core.js",
    ("@litertjs/wasm-utils", "dist/index.js"): "litert/wasm-utils.js",
    ("@huggingface/tokenizers", "dist/tokenizers.min.mjs"): "tokenizers/tokenizers.js",
    ("@huggingface/tokenizers", "LICENSE"): "LICENSE.txt",
}
# A browser knows no package by its name; import maps, which would tell it, do not hold in workers.
_IMPORT = (b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"')
_SOURCE_MAP = b"//# sourceMappingURL="
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'"
)


def write(bundle, folder, packages=None):
    """Writes a folder that classifies texts in the browser of whoever opens it, and sends nothing anywhere.

    All addresses in it are relative: any web server can show it under any path, such as
    `python -m http.server`. A folder that is such a page already is replaced as a whole. Model, tokenizer and
    card are those of the bundle, so that the folder is itself one that `deployment.Classifier` runs.

    Args:
        bundle: A bundle, as `deployment.export` writes it.
        folder: The folder to write.
        packages: A folder with the npm packages that `serving.packages` names, as archives or unpacked; None
            takes those in the cache, or has npm bring them.

    Returns:
        The folder, a `pathlib.Path`.

    Raises:
        ValueError: If the bundle is none, or something else is in the folder.
        PackageError: If a package cannot be had.
        OSError: If the folder cannot be written.
    """
    folders.check(folder, "page", _own)
    card = deployment.Classifier(bundle, threads=1).card  # For its checks.
    files = {name: pathlib.Path(bundle, name).read_bytes() for name in _LOADED}
    files |= _libraries(npm.load(packages)) | _assets(card)
    listed = _listed(files)
    version = hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]
    digests = {name: each["sha256"] for name, each in listed.items()} | {RECORD: None}
    files["service-worker.js"] = _filled(
        "service-worker.js", version=version, files=json.dumps(digests, indent=1)
    )
    record = {"format": FORMAT, "version": version, "files": _listed(files)}
    files[RECORD] = json.dumps(record, indent=1).encode()
    target = pathlib.Path(folder).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, content in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
        part.chmod(0o755)
        folders.move(part, target, "page", _own)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return pathlib.Path(folder)


def _listed(files):
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    }


def _assets(card):
    known = {name: _asset(name).encode() for name in _SHOWN}
    return known | {
        "index.html": _filled("index.html", policy=html.escape(_POLICY), about=html.escape(about(card))),
        "style.css": _filled("style.css", shared=style().strip()),
        "entities.js": f"export const ENTITIES = {json.dumps(html.entities.html5)};\n".encode(),
    }


def _asset(name):
    return (
        importlib.resources.files("course_lib.serving").joinpath("static", name).read_text(encoding="utf-8")
    )


def _filled(name, **values):
    text = _asset(name)
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text.encode()


def _libraries(packages):
    """The packages' files by their places in the page."""
    files = {}
    for package, contents in packages.items():
        for name, content in contents.items():
            place = _PLACES.get((package, name), f"litert/{name}")
            if place == "litert/core.js":
                if content.count(_IMPORT[0]) != 1:
                    raise npm.PackageError(f"{package} is built in a way that the page does not know.")
                content = content.replace(*_IMPORT)
            if place.endswith(".js"):  # The map is not there.
                content = content.partition(_SOURCE_MAP)[0]
            files[place] = content
    lines = [f"{each.name} {each.version}, Apache-2.0: LICENSE.txt" for each in npm.PACKAGES]
    lines += [
        "",
        "Changed in them: litert/core.js imports wasm-utils.js by its place; no source maps are named.",
    ]
    files["NOTICE.txt"] = "\n".join(["In this page:", *lines, ""]).encode()
    return files


def _own(folder):
    """The files of a page, by names relative to it; those that somebody changed are left out."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        known = {name: each["sha256"] for name, each in record["files"].items()}
        if record["format"] != FORMAT or deployment.CARD not in known:
            raise ValueError(f"format {record['format']}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{folder / RECORD} is no record of a page: {error}") from None
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return [RECORD, *(name for name in known if name in found and _is(found[name], known[name]))]


def _is(path, digest):
    return path.is_file() and not path.is_symlink() and fetch.file_sha256(path) == digest


def loaded(folder):
    """Megabytes that a browser loads of a page: of the two builds of LiteRT it takes one."""
    record = json.loads((pathlib.Path(folder) / RECORD).read_text(encoding="utf-8"))
    return sum(each["bytes"] for name, each in record["files"].items() if "_compat_" not in name) / 1e6
