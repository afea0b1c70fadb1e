"""A process of its own for the peers: `python -m benchmarks.classical.port MODULE FORM CASE`, or `versions`; JSON on stdout."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.classical.code import Code, UnsupportedError, from_json
from benchmarks.classical.peers import PEERS, Peer

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 300


def main() -> None:
    """One model through one tool, or the versions of all tools."""
    answer, sys.stdout = sys.stdout, sys.stderr  # some tools print
    warnings.simplefilter("ignore")
    if sys.argv[1] == "versions":
        print(json.dumps({name: installed(name) for peer in PEERS for name in peer.packages}), file=answer)
        return
    import numpy as np

    np.set_printoptions(legacy="1.25")  # some print numbers by repr(), which has been np.float64(...) since numpy 2
    module, form, case = sys.argv[1:]
    with open(case, "rb") as file:
        model, train = pickle.load(file)
    try:
        code = importlib.import_module(f"benchmarks.classical.peers.{module}").port(model, form, train)
    except UnsupportedError as problem:
        print(json.dumps({"unsupported": str(problem)}), file=answer)
    else:
        print(code.to_json(), file=answer)


def installed(package: str) -> str:
    """Its version; nothing where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


# ---- the other side -------------------------------------------------------------------------------------------------


def ported(python: str, peer: Peer, form: str, case: Path) -> Code:
    """What the peer makes of a pickled (model, training rows). UnsupportedError where it cannot, or breaks down."""
    try:
        done = _call(python, peer.module, form, str(case))
    except subprocess.TimeoutExpired as late:
        raise UnsupportedError("comes to no end") from late
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UnsupportedError(f"breaks down: {last[:120]}")
    answer = json.loads(done.stdout)
    if "unsupported" in answer:
        raise UnsupportedError(answer["unsupported"])
    return from_json(done.stdout)


def versions(python: str) -> dict[str, str]:
    """The peers' packages and their versions there."""
    done = _call(python, "versions")
    done.check_returncode()
    return dict(json.loads(done.stdout))


def _call(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "benchmarks.classical.port", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


if __name__ == "__main__":
    main()
