"""sigmoid: NumPy against compiled C."""

from __future__ import annotations

from curve import check_elsewhere, check_numbers, check_types

from mcugen.ops.sigmoid import Sigmoid


def test_the_c_gives_numpys_numbers() -> None:
    check_numbers(Sigmoid())


def test_the_c_is_cpp_and_avr_too() -> None:
    check_elsewhere(Sigmoid())


def test_what_it_takes() -> None:
    check_types(Sigmoid())
