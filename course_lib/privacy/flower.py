"""Federated averaging with Flower: a server and clients, each a process, on loopback or a network.

    python -m course_lib.privacy.flower server --folder F --rounds 4
    python -m course_lib.privacy.flower client --folder F --name short [--fault 2:nonsense]

`run` starts them all on this machine and waits for their end. Needs the extra `federated`. It uses Flower's
`start_server` and `start_client`, which every Flower since 1.8 has: one process each. Flower's newer engine
puts a SuperLink and SuperNodes between them, for many users and runs; the strategy and the client are the
same there. Nothing is encrypted: across a network, give both sides certificates.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np

from course_lib import runtime
from course_lib.privacy import federated

# Flower reports its use to its makers and looks for updates, unless it is told not to before its import.
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
FAULTS = ("leaves", "nonsense")


def _library():
    os.environ.update(QUIET)
    try:
        import flwr.client
        import flwr.common
        import flwr.server.strategy
    except ImportError:
        raise ImportError('Flower is not installed. Run `pip install "course-lib[federated]"`.') from None
    return flwr


def serve(folder, rounds, port, seconds=300):
    """The server: sends weights, screens what comes back, and has Flower average the rest.

    Args:
        folder: Holds `start.npz`; gets `result.json`, what happened in each round, and `weights.npz`.
        rounds: Number of rounds.
        port: Where to listen, on loopback.
        seconds: How long to wait for all clients to come, and for their answers in a round.

    Raises:
        ImportError: Without the extra `federated`.
        TimeoutError: If not all clients come.
    """
    flwr = _library()
    folder = pathlib.Path(folder)
    start = _read(folder / "start.npz")
    clients = len(list(folder.glob("client-*.npz")))
    history, kept = [], [start]

    class Screened(flwr.server.strategy.FedAvg):
        """Flower's averaging, of what `federated.screen` lets through."""

        def initialize_parameters(self, client_manager):
            """The first weights, once everybody is there."""
            if not client_manager.wait_for(clients, timeout=seconds):
                raise TimeoutError(f"Only {client_manager.num_available()} of {clients} clients came.")
            return flwr.common.ndarrays_to_parameters(start)

        def aggregate_fit(self, server_round, results, failures):
            """One round: `results` are (client, answer), `failures` those who went."""
            results = sorted(results, key=lambda each: each[1].metrics["name"])
            names = [answer.metrics["name"] for _, answer in results]
            arrays = [flwr.common.parameters_to_ndarrays(answer.parameters) for _, answer in results]
            accepted = federated.screen(arrays, kept[-1])
            results = [each for each, fine in zip(results, accepted, strict=True) if fine]
            averaged, metrics = super().aggregate_fit(server_round, results, failures)
            if averaged is not None:  # Else nobody is left: the weights stay.
                kept.append(flwr.common.parameters_to_ndarrays(averaged))
            history.append(
                {
                    "round": server_round,
                    "averaged": [name for name, fine in zip(names, accepted, strict=True) if fine],
                    "rejected": [name for name, fine in zip(names, accepted, strict=True) if not fine],
                    "lost": len(failures),
                }
            )
            return averaged, metrics

    strategy = Screened(
        fraction_evaluate=0.0, min_fit_clients=1, min_evaluate_clients=0, min_available_clients=1
    )
    flwr.server.start_server(
        server_address=f"127.0.0.1:{port}",
        config=flwr.server.ServerConfig(num_rounds=rounds, round_timeout=seconds),
        strategy=strategy,
    )
    np.savez(folder / "weights.npz", *kept[-1])
    with runtime.atomic_write(folder / "result.json") as path:
        pathlib.Path(path).write_text(json.dumps(history))


def join(folder, name, port, fault=None, seconds=300):
    """A client: trains on its own examples whenever it is asked to.

    Args:
        folder: Holds `client-NAME.npz` with `features` and `labels`, which nobody else reads.
        name: Which.
        port: Where the server listens.
        fault: None, or `(round, what)`: in this round it "leaves", or sends "nonsense".
        seconds: How long to look for the server.

    Raises:
        ImportError: Without the extra `federated`.
    """
    flwr = _library()
    with np.load(pathlib.Path(folder) / f"client-{name}.npz") as file:
        features, labels = file["features"], file["labels"]

    class Client(flwr.client.NumPyClient):
        """What Flower asks of a client that holds NumPy arrays."""

        answered = 0

        def fit(self, parameters, config):
            """New weights, how many examples they come from, and the client's name."""
            self.answered += 1
            now = fault[1] if fault and fault[0] == self.answered else None
            if now == "leaves":
                os._exit(1)  # As if the machine had lost its power.
            weights = federated.local_training(parameters, features, labels)
            if now == "nonsense":
                weights = [np.full_like(each, np.nan) for each in weights]
            return weights, len(labels), {"name": name}

    flwr.client.start_client(
        server_address=f"127.0.0.1:{port}", client=Client().to_client(), max_wait_time=seconds
    )


def run(folder, start, clients, rounds, faults=None, seconds=300):
    """Starts a server and its clients as processes of their own, and waits until all have ended.

    Args:
        folder: An empty folder; the logs stay in it.
        start: The first weights, a list of arrays.
        clients: Dict from a name to its `(features, labels)`.
        rounds: Number of rounds.
        faults: Dict from a client's name to `(round, "leaves" or "nonsense")`, or None.
        seconds: How long all of it may take.

    Returns:
        `(weights, history)`: the last weights, and per round a dict of the clients that were "averaged" and
        "rejected", and how many were "lost".

    Raises:
        ImportError: Without the extra `federated`.
        RuntimeError: If the server fails or does not end in time; the message ends with its log.
    """
    _library()
    folder, faults = pathlib.Path(folder), faults or {}
    np.savez(folder / "start.npz", *start)
    for name, (features, labels) in clients.items():
        np.savez(folder / f"client-{name}.npz", features=features, labels=labels)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    common = ["--folder", str(folder), "--port", port, "--seconds", str(seconds)]
    processes, end = {}, time.monotonic() + seconds
    try:
        processes["server"] = _start(folder, "server", [*common, "--rounds", str(rounds)])
        for name in clients:
            fault = ["--fault", f"{faults[name][0]}:{faults[name][1]}"] if name in faults else []
            processes[name] = _start(folder, "client", [*common, "--name", name, *fault], name)
        try:
            code = processes["server"].wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = "no end in time"
        if code != 0:
            log = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"Flower's server failed ({code}). Its log ends:\n{log[-2000:]}")
        for name in clients:
            try:
                processes[name].wait(10)
            except subprocess.TimeoutExpired:
                processes[name].kill()
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
    return _read(folder / "weights.npz"), json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _start(folder, role, arguments, name=None):
    with (folder / f"{name or role}.log").open("w") as log:
        return subprocess.Popen(  # noqa: S603  Its own module, with numbers and paths.
            [sys.executable, "-m", "course_lib.privacy.flower", role, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **QUIET, "FLWR_HOME": str(folder / "home")},
        )


def _read(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def _fault(text):
    number, _, what = text.partition(":")
    if not number.isdecimal() or what not in FAULTS:
        raise argparse.ArgumentTypeError(f"must be ROUND:leaves or ROUND:nonsense, not {text!r}")
    return int(number), what


def main(arguments=None):
    """The command line of a server or a client."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.privacy.flower")
    parser.add_argument("role", choices=["server", "client"])
    parser.add_argument("--folder", required=True, help="where data and results lie")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--seconds", type=float, default=300, help="how long to wait for the others")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--name", help="which client this is")
    parser.add_argument("--fault", type=_fault, help="ROUND:leaves or ROUND:nonsense")
    given = parser.parse_args(arguments)
    if given.role == "server":
        serve(given.folder, given.rounds, given.port, given.seconds)
    elif given.name is None:
        parser.error("a client needs --name")
    else:
        join(given.folder, given.name, given.port, given.fault, given.seconds)


if __name__ == "__main__":
    main()
