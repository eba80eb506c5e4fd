"""What is built for a package index: everything that the package needs, and nothing of this machine."""

import email
import pathlib
import re
import sys
import tomllib
import zipfile

import pytest
import trove_classifiers

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import dist  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return dist.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def metadata(built):
    files = dist.contents(built[1])
    return email.message_from_bytes(next(files[name] for name in files if name.endswith("/METADATA")))


def test_both_hold_the_package_whole_and_nothing_else(built):
    for path in built:
        assert dist.problems(path, committed=False) == []
    archive, wheel = map(dist.contents, built)
    package = {name for name in archive if name.startswith("course_lib/")}
    assert package == {name for name in wheel if name.startswith("course_lib/")}
    assert {"course_lib/cli.py", "course_lib/serving/page.html", "course_lib/serving/page.png"} <= package
    assert {f"course_lib/serving/static/{name}" for name in ("index.html", "style.css", "app.js")} <= package
    assert "course_lib/imdb/splits.npz" in package
    assert {"course_lib/reviewer/adapter.safetensors", "course_lib/samples/reviews.jsonl"} <= package
    built_from = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"}
    assert set(archive) - package == built_from | {"PKG-INFO", ".gitignore"}
    assert {name.partition("/")[0] for name in wheel} == {
        "course_lib",
        f"course_lib-{PROJECT['version']}.dist-info",
    }


def test_the_command_and_the_licences_are_in_the_wheel(built):
    files = {name.partition(".dist-info/")[2]: content for name, content in dist.contents(built[1]).items()}
    assert files["entry_points.txt"].decode().split() == [
        "[console_scripts]",
        "course",
        "=",
        "course_lib.cli:main",
    ]
    assert files["licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    samples = "course_lib/samples/LICENSE"
    assert files[f"licenses/{samples}"] == (ROOT / samples).read_bytes()


def test_metadata_for_an_index_is_complete(metadata):
    assert metadata["Name"] == "course-lib"
    assert 20 < len(metadata["Summary"]) < 200
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    classifiers = metadata.get_all("Classifier")
    assert set(classifiers) <= trove_classifiers.classifiers
    for kind in ("Development Status", "Intended Audience", "Operating System", "Topic"):
        assert any(each.startswith(f"{kind} :: ") for each in classifiers)
    urls = dict(each.split(", ") for each in metadata.get_all("Project-URL"))
    assert urls == PROJECT["urls"]
    for address in urls.values():
        assert address.startswith(PROJECT["urls"]["Repository"])


def test_the_readme_of_an_index_has_no_relative_link(metadata):
    text = metadata.get_payload()
    repository = PROJECT["urls"]["Repository"]
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert len(targets) > 20
    assert [each for each in targets if not each.startswith("https://")] == []
    assert f"]({repository}/raw/main/docs/05.png)" in text
    for path in re.findall(rf"\]\({re.escape(repository)}/(?:raw|blob)/main/([^)]+)\)", text):
        assert (ROOT / path).exists(), path


def test_what_does_not_belong_into_a_package_is_found(built, tmp_path):
    wheel = tmp_path / built[1].name
    with zipfile.ZipFile(built[1]) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if not name.endswith("splits.npz"):
                new.writestr(name, old.read(name))
        new.writestr("tests/test_x.py", "")
        new.writestr("course_lib/x.kept-1.py", f"path = '{ROOT}/x'")
    found = dist.problems(wheel, committed=False)
    assert "course_lib/imdb/splits.npz is missing" in found
    assert "tests/test_x.py does not belong into it" in found
    assert "course_lib/x.kept-1.py does not belong into it" in found
    assert "course_lib/x.kept-1.py is not in git" in found
    assert any(each.startswith(f"course_lib/x.kept-1.py names {ROOT}") for each in found)


def test_an_installed_wheel_is_what_runs(built, tmp_path):
    """With everything else borrowed, and none of the clone's own files."""
    bin_folder = dist.environment(tmp_path / "environment", built[1])
    (tmp_path / "elsewhere").mkdir()
    said = dist.run(
        bin_folder, tmp_path / "elsewhere", "python", "-c", "import course_lib; print(course_lib.__file__)"
    )
    assert pathlib.Path(said).is_relative_to(tmp_path / "environment")
    assert (
        dist.run(bin_folder, tmp_path / "elsewhere", "course", "--version") == f"course {PROJECT['version']}"
    )
    with pytest.raises(SystemExit, match="No such command 'nonsense'"):
        dist.run(bin_folder, tmp_path / "elsewhere", "course", "nonsense")
