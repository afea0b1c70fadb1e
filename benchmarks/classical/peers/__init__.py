"""The other tools: one module each with `port(model, form, train)`, which gives a Code or raises UnsupportedError.

They run in a process of their own (port.py), because some change numpy's settings or the model, and maybe by a Python that is
not ours: so they import nothing of mcugen, and their tool only where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A tool: its module here, its packages on PyPI (the first gives the version), the forms that it can write a model in."""

    name: str
    module: str
    packages: tuple[str, ...]
    forms: tuple[str, ...]


PEERS = (
    Peer("micromlgen", "micromlgen", ("micromlgen",), ("class",)),
    Peer("everywhereml", "everywhereml", ("everywhereml",), ("class",)),
    Peer("m2cgen", "m2cgen", ("m2cgen",), ("double",)),
    Peer("emlearn", "emlearn", ("emlearn",), ("inline", "loadable")),
    Peer("tl2cgen", "tl2cgen", ("tl2cgen", "treelite"), ("branches", "quantize")),
    Peer("embml", "embml", ("embml",), ("tables", "rules")),
    Peer("sklearn-porter", "porter", ("sklearn-porter",), ("embedded",)),
)
