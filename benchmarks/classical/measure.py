"""Every cell by every tool: mcugen each time, a peer once, and then from the cache."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.classical import ours, port, results
from benchmarks.classical.cases import BOOSTERS, Case, case, quantised
from benchmarks.classical.code import Code, UnsupportedError, from_json
from benchmarks.classical.peers import PEERS, QUANTISED, Peer
from benchmarks.classical.program import Core, FailedError, measure
from benchmarks.classical.results import OURS, Result
from mcugen import __version__
from mcugen.boards import Optimize
from mcugen.data import firmware_dir

HERE = Path(__file__).resolve().parent
CORES = (
    Core("avr", "mega2560", "-Os"),
    Core("cortex-m4f", "feather_nrf52840", "-O2"),
    Core("cortex-m0plus", "metro_m0", "-Os"),
)
BUDGET = 200_000_000  # cycles or instructions for the rows of a cell; a slower model runs fewer rows, at least 10
FORMS: tuple[Optimize, ...] = ("speed", "size")


@dataclass(frozen=True)
class Bench:
    """What to run: cells, tools, the Python that has the peers, and where their results are kept."""

    models: tuple[str, ...]
    data: tuple[str, ...]
    cores: tuple[Core, ...]
    peers: tuple[str, ...]
    python: str
    cache: Path
    budget: int = BUDGET
    ours: bool = True

    def run(self) -> Iterator[Result]:
        """The matrix, cell by cell."""
        peers = [peer for peer in PEERS if self.has(peer)]
        for model in self.models:
            for data in (d for d in self.data if d in BOOSTERS.get(model, self.data)):
                yield from self.cell(lambda m=model, d=data: case(m, d), model, data, peers)  # type: ignore[misc]

    def run_quantised(self) -> Iterator[Result]:
        """Trees and forests on integers that the caller holds: mcugen and emlearn."""
        peers = [peer for peer in (QUANTISED,) if self.has(peer)]
        for model in (m for m in self.models if m in ("tree", "forest10", "forest100", "extra10")):
            for data in self.data:
                yield from self.cell(lambda m=model, d=data: quantised(m, d), model, data, peers)  # type: ignore[misc]

    def has(self, peer: Peer) -> bool:
        """Whether it is asked for and installed."""
        if peer.name not in self.peers:
            return False
        missing = [name for name in peer.packages if not self.installed[name]]
        if missing:
            print(f"{peer.name} is left out: no {' and no '.join(missing)} in {self.python}", file=sys.stderr)
        return not missing

    def cell(self, make: Callable[[], Case], model: str, data: str, peers: Iterable[Peer]) -> Iterator[Result]:
        """One model on one data set, on all cores, by all tools."""
        one = make()
        with tempfile.TemporaryDirectory(prefix="mcugen-benchmark-") as made:
            folder = Path(made)
            (folder / "case").write_bytes(one.pickled)
            codes: dict[tuple[str, str], Code | UnsupportedError] = {}

            def code(peer: Peer, form: str) -> Code:  # the same for all cores, and made only where no cache has it
                if (peer.name, form) not in codes:
                    codes[peer.name, form] = self.ported(peer, form, one, folder / "case")
                if isinstance(found := codes[peer.name, form], UnsupportedError):
                    raise found
                return found

            for core in self.cores:
                print(
                    f"{model} on {data}, {core.name}{'' if one.input == 'float' else ', ' + one.input}", file=sys.stderr
                )
                if self.ours:
                    for optimize in FORMS:
                        made_by_us = lambda c=core, o=optimize: ours.port(c, one, o)  # noqa: E731
                        yield self.result(core, one, f"{OURS} {optimize}", "", __version__, made_by_us, folder)
                for peer in peers:
                    forms = [form for form, kinds in peer.forms.items() if type(one.fitted).__name__ in kinds]
                    if not forms:
                        yield replace(self.blank(core, one, peer.name, "", ""), reason="no such model")
                    for form in forms:
                        yield self.cached(core, one, peer, form, code, folder)

    def ported(self, peer: Peer, form: str, one: Case, pickled: Path) -> Code | UnsupportedError:
        """The peer's code, or why it has none: the same for all cores."""
        file = self.kept("code", self.python, *self.packages(peer), form, one.fingerprint, text_of(peer))
        if file.is_file():
            return from_json(file.read_text())
        try:
            code = port.ported(self.python, peer, form, pickled)
        except UnsupportedError as reason:
            return reason
        file.write_text(code.to_json())
        return code

    def packages(self, peer: Peer) -> list[str]:
        """What the peer is made of, with versions."""
        return [f"{name} {self.installed[name]}" for name in peer.packages]

    def kept(self, *key: str) -> Path:
        """The file of the cache that has what was made of these."""
        self.cache.mkdir(parents=True, exist_ok=True)
        return self.cache / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.json"

    # -- one result --------------------------------------------------------------------------------------------------

    def cached(
        self, core: Core, one: Case, peer: Peer, form: str, code: Callable[[Peer, str], Code], folder: Path
    ) -> Result:
        """A peer's result, measured where no run before did it with the same versions, model, rows and flags."""
        number = self.installed[peer.packages[0]]
        flags = [flag for flag in core.gcc if not flag.startswith("-I")]  # wherever the checkout lies
        made_by = (*self.packages(peer), form, one.fingerprint, text_of(peer), text_of_programs())
        file = self.kept(*made_by, *flags, core.compiler, str(self.budget))
        if file.is_file():
            return results.from_json(file.read_text())
        found = self.result(core, one, peer.name, form, number, lambda: code(peer, form), folder)
        file.write_text(found.to_json())
        return found

    @cached_property
    def installed(self) -> dict[str, str]:
        """The peers' packages and their versions, from the Python that has them."""
        return port.versions(self.python)

    def result(
        self, core: Core, one: Case, tool: str, form: str, number: str, make: Callable[[], Code], folder: Path
    ) -> Result:
        """Measured, or an empty cell with its reason: one tool's failure is no end of the others."""
        blank = self.blank(core, one, tool, form, number)
        try:
            code = make()
            blank = replace(blank, form=code.form or form)
            here = Path(tempfile.mkdtemp(dir=folder))
            found = measure(core, code, one.test, here, self.budget)
        except (UnsupportedError, FailedError) as problem:
            return replace(blank, reason=str(problem))
        except Exception as problem:  # a tool that breaks down is a result, too
            return replace(blank, reason=f"{type(problem).__name__}: {problem}"[:160])
        rows = len(found.answers)
        wrong, close = found.answers != one.expected[:rows], one.close[:rows]
        return replace(
            blank,
            cycles=round(float(np.mean(found.cycles)), 1),
            worst=max(found.cycles),
            flash=found.flash,
            ram=found.ram,
            stack=max(found.stacks),
            rows=rows,
            close=int(close.sum()),
            wrong=int((wrong & ~close).sum()),
            wrong_close=int((wrong & close).sum()),
        )

    def blank(self, core: Core, one: Case, tool: str, form: str, number: str) -> Result:
        """A result without figures."""
        return Result(
            one.input,
            core.name,
            core.unit,
            core.optimise,
            one.model,
            one.family,
            one.data,
            tool,
            form,
            of=len(one.test),
            compiler=core.compiler,
            version=number,
            sklearn=version("scikit-learn"),
        )


def text_of(peer: Peer) -> str:
    """What calls the peer: where it changes, what the cache has of the peer is old."""
    files = (
        HERE / "code.py",
        HERE / "port.py",
        *(HERE / "peers" / f"{name}.py" for name in sorted({peer.module, peer.name})),
    )
    return _fingerprint(file for file in files if file.is_file())


def text_of_programs() -> str:
    """What makes programs and runs them: where it changes, all that the cache has is old."""
    firmware = (path for path in firmware_dir().rglob("*.[ch]") if path.parent.name in ("driver", "mcu", "simulator"))
    return _fingerprint((HERE / "program.py", *sorted(firmware)))


def _fingerprint(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
