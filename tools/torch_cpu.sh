# Sets `torch`, uv's arguments for PyTorch's CPU build, which is without 3 GB of CUDA: from a folder that pip was told
# of, or else from PyTorch's own index. Sourced by benchmarks/setup.sh and tools/frameworks.sh; `py` is the Python.
torch=(torch --torch-backend=cpu)
tag="$("$py" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')"
for wheel in "${PIP_FIND_LINKS:-/nowhere}"/torch-*+cpu-"$tag"-*.whl; do
    [ ! -f "$wheel" ] || torch=("$wheel")
done
