"""What all tests have: tools that may be missing, and golden files, brought up to date with `pytest --update-golden` (read
the diff before you keep it)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tools
from hypothesis import HealthCheck, settings

# How long hypothesis takes to make inputs says how busy the machine is, and nothing of the code.
settings.register_profile("mcugen", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mcugen")

GOLDEN = Path(__file__).parent / "golden"
Golden = Callable[[str, str], None]
Require = Callable[..., None]


# The files that take longest, half a minute and more, begin first: else one of two processes has the last of them for itself.
LONGEST = (
    "test_every_core.py",
    "test_estimates.py",
    "test_pipelines.py",
    "test_every_row.py",
    "test_docs.py",
    "test_examples.py",
    "test_link_on_boards.py",
    "test_tree_ensemble.py",
    "test_second_opinion.py",
    "test_nodes.py",
    "test_trees_on_avr.py",
    "test_every_row_of_ensembles.py",
    "test_every_row_of_linear.py",
    "test_tree_combine.py",
    "test_fit.py",
    "test_points_on_cores.py",
    "test_every_board.py",
    "test_skl2onnx.py",
    "test_streams_on_boards.py",
    "test_op_estimates.py",
    "test_avr_strict.py",
    "test_every_pass.py",
    "test_cli.py",
    "test_c.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In LONGEST's order, then as collected (with xdist's --no-loadscope-reorder, as `make test` has it)."""
    rank = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden/ anew from what the code gives now"
    )


@pytest.fixture(scope="session")
def require() -> Require:
    """`require("avr-gcc", "simavr")`: go on only where all of them are to be had (see tools.py)."""
    return tools.require


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden("help/fit.txt", text)`: the text is what the file holds."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.is_file(), f"{file} is missing: run pytest --update-golden and read it"
        assert text == file.read_text(encoding="utf-8")

    return compare
