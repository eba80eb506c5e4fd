"""The folder that `course page` writes, and the JavaScript packages in it: checked, kept, nothing lost."""

import base64
import hashlib
import io
import json
import os
import pathlib
import re
import stat
import sys
import tarfile

import pytest

from course_lib import cli, deployment, fetch
from course_lib.serving import packages, static

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARD = {
    "format": 1,
    "labels": ["negative", "positive"],
    "temperature": 1.0,
    "truncation": "both",
    "lengths": [64],
    "limits": "Not for <b>you</b>.",
}
CONTENT = {
    "@litertjs/core": {
        "dist/index.js": b'import { createWasmLib } from "@litertjs/wasm-utils";\n//# sourceMappingURL=x.map',
        "wasm/litert_wasm_internal.js": b"1",
        "wasm/litert_wasm_internal.wasm": b"22",
    },
    "@litertjs/wasm-utils": {"dist/index.js": b"export const createWasmLib = 0;"},
    "@huggingface/tokenizers": {"dist/tokenizers.min.mjs": b"export {}", "LICENSE": b"Apache"},
}


def tgz(files):
    """An archive as npm makes them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, each in {"package.json": b"{}", **files}.items():
            member = tarfile.TarInfo(name if name.startswith("..") else f"package/{name}")
            member.size = len(each)
            archive.addfile(member, io.BytesIO(each))
    return content.getvalue()


def packed(name, files, archive=None):
    """A `Package` of these files, and its archive."""
    archive = archive or tgz(files)
    integrity = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    digests = {each: hashlib.sha256(content).hexdigest() for each, content in files.items()}
    return packages.Package(name, "1.0.0", integrity, digests), archive


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small packages, a folder with their archives, an empty cache, and no npm."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "packed").mkdir()
    made = [packed(name, files) for name, files in CONTENT.items()]
    for package, archive in made:
        (tmp_path / "packed" / package.archive).write_bytes(archive)
    monkeypatch.setattr(packages, "PACKAGES", tuple(package for package, _ in made))
    return tmp_path


@pytest.fixture
def bundle(small, monkeypatch):
    """What is a bundle to all but LiteRT."""
    folder = small / "bundle"
    folder.mkdir()
    files = {"model.tflite": b"model", "tokenizer.json": b"{}"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (folder / "card.json").write_text(json.dumps({**CARD, "sha256": digests}))

    class Classifier:
        def __init__(self, folder, threads):
            self.card = deployment.read_card(folder)

    monkeypatch.setattr(deployment, "Classifier", Classifier)
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def page(bundle, small):
    return static.write(bundle, small / "page", small / "packed")


# The folder


def test_it_holds_the_page_the_bundle_and_the_packages(page, bundle):
    files = contents(page)
    assert set(files) == {
        "LICENSE.txt", "NOTICE.txt", "app.js", "card.json", "classifier.js", "client.js", "entities.js",
        "icon.svg",
        "index.html", "litert/core.js", "litert/wasm-utils.js", "litert/wasm/litert_wasm_internal.js",
        "litert/wasm/litert_wasm_internal.wasm", "manifest.webmanifest", "model.tflite", "page.json",
        "service-worker.js", "style.css", "tokenizer.json", "tokenizers/tokenizers.js", "words.js",
        "worker.js",
    }  # fmt: skip
    for name, content in contents(bundle).items():
        assert files[name] == content
    assert deployment.read_card(page) == deployment.read_card(bundle)  # It is a bundle as well.
    assert b"@litertjs/core 1.0.0, Apache-2.0" in files["NOTICE.txt"]
    assert files["litert/core.js"] == b'import { createWasmLib } from "./wasm-utils.js";\n'
    record = json.loads(files.pop("page.json"))
    assert set(record["files"]) == set(files)
    for name, each in record["files"].items():
        assert each == {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    assert b"{{" not in files["index.html"] + files["style.css"] + files["service-worker.js"]
    assert b"Not for &lt;b&gt;you&lt;/b&gt;." in files["index.html"]
    assert page.stat().st_mode & 0o777 == 0o755
    for path in page.rglob("*.*"):
        assert path.stat().st_mode & stat.S_IROTH  # A server may be another user.


def test_no_address_leaves_the_folder(page):
    for name, content in contents(page).items():
        if name.endswith((".html", ".js", ".css", ".webmanifest")):
            text = content.decode()
            assert not re.search(r"(https?|wss?):|[\"'(]//|(src|href)=\"/", text), name
    text = (page / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#x27;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["connect-src"] == rules["style-src"] == rules["img-src"] == "'self'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    # Some browsers check spelling, and suggest words, on somebody's server.
    assert 'spellcheck="false" writingsuggestions="false"' in text
    assert not re.search(r"<script(?! type=\"module\" src=)|<style| on\w+=| style=", text)


def test_another_content_is_another_version(page, bundle, small):
    def version(folder):
        found = re.search(r'VERSION = "(\w+)"', (folder / "service-worker.js").read_text())
        return found[1]

    again = static.write(bundle, small / "again", small / "packed")
    assert contents(again) == contents(page)
    card = json.loads((bundle / "card.json").read_text())
    (bundle / "card.json").write_text(json.dumps({**card, "temperature": 2.0}))
    other = static.write(bundle, small / "other", small / "packed")
    assert version(other) != version(page)


def test_a_page_is_replaced_as_a_whole(page, bundle, small):
    (page / "app.js").unlink()  # Somebody has damaged it.
    before = page.stat().st_ino
    assert static.write(bundle, page) == page
    assert page.stat().st_ino != before
    assert (page / "app.js").is_file()
    assert {path.name for path in small.iterdir()} == {"bin", "bundle", "cache", "packed", "page"}


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda folder: (folder / "mine.txt").write_text("x"), "with more than a page in it: mine.txt"),
        (lambda folder: (folder / "litert" / "x").mkdir(), "with more than a page in it: litert/x"),
        (lambda folder: (folder / "style.css").write_text("mine"), "with more than a page in it: style.css"),
        (lambda folder: (folder / "page.json").write_text("{}"), "is there already and is no page"),
        (lambda folder: (folder / "page.json").write_text("[" * 10**6), "is there already and is no page"),
        (lambda folder: (folder / "page.json").unlink(), "is there already and is no page"),
        (os.chdir, "you are in it"),
    ],
)
def test_what_is_no_page_or_was_changed_is_left_alone(page, bundle, monkeypatch, prepare, said):
    monkeypatch.chdir(page.parent)
    prepare(page)
    before = contents(page)
    with pytest.raises(ValueError, match=re.escape(said)):
        static.write(bundle, page)
    assert contents(page) == before


def test_no_bundle_and_no_folder_are_replaced(bundle, small):
    for place in (bundle, small / "bundle" / "card.json"):
        before = contents(bundle)
        with pytest.raises(ValueError, match="is there already and is no page"):
            static.write(bundle, place, small / "packed")
        assert contents(bundle) == before
    (small / "empty").mkdir()
    static.write(bundle, small / "empty", small / "packed")
    static.write(bundle, small / "deep" / "er", small / "packed")


def test_a_record_that_names_files_elsewhere_loses_nothing(page, bundle, small):
    record = json.loads((page / "page.json").read_text())
    record["files"]["../bundle/card.json"] = record["files"]["card.json"]
    (page / "page.json").write_text(json.dumps(record))
    static.write(bundle, page)
    assert (bundle / "card.json").is_file()


def test_what_goes_wrong_leaves_the_former_page(page, bundle, small, monkeypatch):
    before = contents(page)
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
        with pytest.raises(OSError, match="No space"):
            static.write(bundle, page)
    (bundle / "model.tflite").write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged"):
        static.write(bundle, page)
    assert contents(page) == before
    assert {path.name for path in small.iterdir()} == {"bin", "bundle", "cache", "packed", "page"}


def test_the_command(bundle, small, monkeypatch, capsys):
    arguments = ["course", "page", str(small / "site"), "--bundle", str(bundle)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "there is no npm" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*arguments, "--packages", str(small / "packed")])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    out = capsys.readouterr().out
    assert f"It is here: {small / 'site'}" in out
    assert f"python -m http.server --bind 127.0.0.1 --directory {small / 'site'}" in out


# The packages


def npm(folder, script):
    """An npm that is this shell script."""
    (folder / "bin" / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "npm").chmod(0o755)


def test_npm_is_asked_once_for_exact_versions(small):
    npm(small, f'echo "$@" >> {small}/asked; for each in {small}/packed/*; do /bin/cp $each .; done')
    assert packages.load() == CONTENT
    asked = (small / "asked").read_text()
    assert asked == (
        "pack --ignore-scripts --loglevel=error @litertjs/core@1.0.0 @litertjs/wasm-utils@1.0.0 "
        "@huggingface/tokenizers@1.0.0\n"
    )
    assert packages.load() == CONTENT  # From the cache.
    assert (small / "asked").read_text() == asked
    kept = next((small / "cache" / "packages").rglob("*LICENSE"))
    kept.write_bytes(b"other")  # Then that package only is brought again.
    assert packages.load() == CONTENT
    assert (small / "asked").read_text() == asked + (
        "pack --ignore-scripts --loglevel=error @huggingface/tokenizers@1.0.0\n"
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "there is no npm"),
        (
            "echo 'npm error code ENOTFOUND\nnpm error network request failed' >&2; exit 1",
            "network request failed",
        ),
        ("exit 3", "status 3"),
        ("exit 0", "status 0"),
    ],
)
def test_without_npm_or_a_network_the_ways_are_named(small, script, said):
    if script:
        npm(small, script)
    with pytest.raises(packages.PackageError) as caught:
        packages.load()
    message = str(caught.value)
    assert said in message
    assert "install npm" in message
    assert (
        "`npm pack @litertjs/core@1.0.0 @litertjs/wasm-utils@1.0.0 @huggingface/tokenizers@1.0.0`" in message
    )
    assert "(--packages)" in message
    assert not (small / "cache").exists()


@pytest.mark.parametrize("layout", ["{}", "node_modules/{}"])
def test_unpacked_packages_are_taken(small, layout):
    for name, files in CONTENT.items():
        for each, content in {**files, "package.json": b"{}"}.items():
            path = small / "given" / layout.format(name) / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    assert packages.load(small / "given") == CONTENT
    assert packages.load() == CONTENT  # They are in the cache now.
    path.write_bytes(b"other")
    (small / "given" / layout.format(name) / "LICENSE").write_bytes(b"other")
    with pytest.raises(packages.PackageError, match="LICENSE is not that of @huggingface/tokenizers"):
        packages.load(small / "given")


def test_other_archives_are_refused(small):
    archive = small / "packed" / packages.PACKAGES[1].archive
    archive.write_bytes(tgz({"dist/index.js": b"steal()"}))
    with pytest.raises(packages.PackageError, match="is not @litertjs/wasm-utils"):
        packages.load(small / "packed")
    archive.unlink()
    with pytest.raises(packages.PackageError, match="holds neither litertjs-wasm-utils"):
        packages.load(small / "packed")
    with pytest.raises(packages.PackageError, match="no folder"):
        packages.load(small / "nowhere")
    assert not (small / "cache").exists()


def test_what_npm_brings_is_checked(small):
    npm(small, f"for each in {small}/packed/*; do echo x > ${{each##*/}}; done")
    with pytest.raises(packages.PackageError, match="was not used"):
        packages.load()
    assert not (small / "cache").exists()


def test_a_hostile_archive_writes_nothing(small, monkeypatch):
    """Even one with the right checksum."""
    files = {"dist/index.js": b"export {}"}
    package, archive = packed("evil", files, tgz({**files, "../../../escaped": b"x"}))
    monkeypatch.setattr(packages, "PACKAGES", (package,))
    (small / "packed" / package.archive).write_bytes(archive)
    with pytest.raises(fetch.ArchiveError, match="leads out"):
        packages.load(small / "packed")
    assert not list(small.rglob("escaped"))


def test_a_cache_that_cannot_be_written_is_no_hindrance(small, monkeypatch):
    (small / "file").write_text("x")
    monkeypatch.setenv("COURSE_CACHE", str(small / "file" / "cache"))
    assert packages.load(small / "packed") == CONTENT
