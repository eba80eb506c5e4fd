"""The reviewer's bundle on 64-bit ARM, emulated: the same tokens, the same verdicts? Not how fast.

    apt-get install qemu-user-static
    python benchmarks/aarch64.py

QEMU runs Debian's Python for arm64, with NumPy, tokenizers and ai-edge-litert from their wheels for aarch64,
as the cores of a Raspberry Pi 4 (Cortex-A72) and of a Raspberry Pi 5 (Cortex-A76). Both run the bundle's own
code on the same texts as this machine. Packages come from Debian and from the package index by their usual
clients, and are unpacked into a temporary folder. Emulated seconds say nothing about a device, so none are
recorded.
"""

import argparse
import datetime
import json
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np

from course_lib import deployment, imdb, runtime

ROOT = pathlib.Path(__file__).resolve().parent.parent
QEMU = "qemu-aarch64-static"
CORES = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5"}
DEBIAN = ("python3.11", "python3.11-minimal", "libpython3.11-stdlib", "libpython3.11-minimal", "libc6")
DEBIAN += ("libstdc++6", "libgcc-s1", "zlib1g", "libexpat1", "libffi8", "libcrypt1")
# Of 2.2 and 2.3 the interpreter crashes when it is made, in QEMU 7.2.
WHEELS = ("ai-edge-litert==2.1.6", "tokenizers", "numpy")
PLATFORMS = ("manylinux_2_27", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
CLIENT = """
import json, platform, sys
for name in ("tensorflow", "keras", "keras_hub", "torch", "sklearn", "scipy"):
    sys.modules[name] = None
from course_lib import deployment
classifier = deployment.Classifier(sys.argv[1], threads=1)
texts = json.load(sys.stdin)
encodings = classifier._tokenizer.encode_batch(texts, add_special_tokens=False)
json.dump({
    "machine": platform.machine(),
    "ids": [each.ids for each in encodings],
    "logits": [classifier.logits([text])[0].tolist() for text in texts],
}, sys.stdout)
"""


def install(folder):
    """Unpacks Debian's Python for arm64 and the three wheels into a folder; nothing is installed."""
    subprocess.run(["dpkg", "--add-architecture", "arm64"], check=True)
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    packages = [f"{name}:arm64" for name in DEBIAN]
    subprocess.run(["apt-get", "download", "-qq", *packages], check=True, cwd=folder)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    pip += ["--python-version", "3.11", *(f"--platform={name}_aarch64" for name in PLATFORMS)]
    subprocess.run([*pip, "--dest", folder, *WHEELS], check=True)
    for wheel in folder.glob("*.whl"):
        subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder / "site"], check=True)


def emulated(folder, core):
    """The command that runs Debian's Python on an emulated core."""
    root = folder / "root"
    command = [QEMU, "-cpu", core, "-L", root, "-E", f"PYTHONPATH={folder / 'site'}:{ROOT}"]
    return [*command, "-E", f"LD_LIBRARY_PATH={root}/usr/lib/aarch64-linux-gnu", root / "usr/bin/python3.11"]


def ask(python, bundle, texts):
    """What a Python says of the texts: machine, ids, logits."""
    command = [*map(str, python), "-W", "ignore", "-c", CLIENT, str(bundle)]
    found = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, cwd=ROOT)
    if found.returncode:
        raise SystemExit(found.stderr[-2000:])
    return json.loads(found.stdout)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=24, help="short texts")
    parser.add_argument("--reviews", type=int, default=6, help="test reviews")
    parser.add_argument("--packages", type=pathlib.Path, help="a folder with what was installed before")
    parser.add_argument("--output", type=pathlib.Path, default=deployment.RECORDS / "aarch64.json")
    options = parser.parse_args()
    bundle = deployment.reviewer_bundle()
    texts = [each.text for each in imdb.rated("films")[: options.sentences]]
    texts += imdb.load(verbose=False).test.texts[: options.reviews]
    texts = [imdb.clean(text) for text in texts]
    here = ask([sys.executable], bundle, texts)
    with tempfile.TemporaryDirectory() as name:
        folder = options.packages or pathlib.Path(name)
        if not (folder / "site").is_dir():
            install(folder)
        result = {
            "date": datetime.date.today().isoformat(),
            "here": platform.machine(),
            "texts": len(texts),
            "packages": sorted(path.stem for path in (folder / "site").glob("*.dist-info")),
            "cores": {},
        }
        for core, device in CORES.items():
            there = ask(emulated(folder, core), bundle, texts)
            apart = np.abs(np.array(there["logits"]) - np.array(here["logits"]))
            same = np.argmax(there["logits"], axis=1) == np.argmax(here["logits"], axis=1)
            result["cores"][core] = {
                "device": device,
                "machine": there["machine"],
                "same ids": sum(a == b for a, b in zip(there["ids"], here["ids"], strict=True)),
                "same labels": int(same.sum()),
                "largest difference of a logit": float(apart.max()),
            }
            print(core, result["cores"][core])
    with runtime.atomic_write(options.output) as part:
        part.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
