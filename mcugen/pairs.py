"""Numbers as sums of two floats, the larger one and what its rounding took off: 48 digits where float32 has 24.

What follows is exact but for the roundings of the smaller float, and the same in C (templates/math.c.j2), bit for bit, where
nothing over- or underflows.
"""

from __future__ import annotations

from math import factorial, log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

NOTHING = 100.0  # a power of two below that of -NOTHING counts as 0
TERMS = 11  # of the series of e, for at most ln(2) / 2: what is left out is below 2**-47
UPPER = np.uint32(0xFFFFF000)  # the upper half of a float's digits


def product_rest(x: Floats, y: Floats, product: Floats) -> Floats:
    """What is missing in the rounded product of two floats (T. Dekker 1971, with halves of 12 digits)."""
    x_upper, y_upper = upper(x), upper(y)
    x_lower, y_lower = x - x_upper, y - y_upper
    rest = x_upper * y_upper - product + x_upper * y_lower + x_lower * y_upper + x_lower * y_lower
    return np.asarray(rest, np.float32)


def difference_rest(x: Floats, y: Floats, difference: Floats) -> Floats:
    """What is missing in the rounded difference of two floats (D. Knuth's TwoSum)."""
    taken = difference - x
    return np.asarray((x - (difference - taken)) - (y + taken), np.float32)


def upper(x: Floats) -> Floats:
    """The upper 12 of a float's digits."""
    return (np.ascontiguousarray(x, np.float32).view(np.uint32) & UPPER).view(np.float32)


def summed(pairs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The numbers (…, n) that pairs (…, 2 n) stand for, the larger floats first."""
    n = pairs.shape[-1] // 2
    return np.asarray(pairs[..., :n].astype(np.float64) + pairs[..., n:])


Pair = tuple[Floats, Floats]


def product(a: Pair, b: Pair) -> Pair:
    """The product of two pairs."""
    whole = a[0] * b[0]
    return renewed(whole, product_rest(a[0], b[0], whole) + (a[0] * b[1] + a[1] * b[0]))


def total(a: Pair, b: Pair) -> Pair:
    """The sum of two pairs."""
    whole = a[0] + b[0]
    return renewed(whole, difference_rest(a[0], -b[0], whole) + (a[1] + b[1]))


def renewed(whole: Floats, rest: Floats) -> Pair:
    """A number and what is missing in it as a pair, of which the first is the nearest float."""
    first = whole + rest
    return first, rest - (first - whole)


def negative(a: Pair) -> Pair:
    """A pair with the other sign."""
    return -a[0], -a[1]


def quotient(a: Pair, b: Pair) -> Pair:
    """The quotient of two pairs, the second of which is not 0: one step of long division."""
    whole = a[0] / b[0]
    times = whole * b[0]
    left = difference_rest(a[0], times, a[0] - times) - product_rest(whole, b[0], times) + (a[1] - whole * b[1])
    return renewed(whole, ((a[0] - times) + left) / b[0])


def root(a: Pair) -> Pair:
    """The square root of a pair that is not negative: one step of Newton's."""
    whole = np.sqrt(a[0])
    square = whole * whole
    left = (a[0] - square) - product_rest(whole, whole, square) + a[1]
    return renewed(whole, np.where(whole > 0, left / (whole + whole), np.float32(0)))


def polynomial(terms: Pair, t: Pair) -> Pair:
    """The sum of terms[k] t^k, for pairs t of any number."""
    first, rest = terms
    value = (np.full_like(t[0], first[-1]), np.full_like(t[0], rest[-1]))
    for k in range(len(first) - 2, -1, -1):
        value = total(product(value, t), (np.full_like(t[0], first[k]), np.full_like(t[0], rest[k])))
    return value


def power_of_two(a: Pair) -> Pair:
    """2 to the power of -a, of numbers from 0 on."""
    near = a[0] < np.float32(NOTHING)
    first, rest = (np.where(near, part, np.float32(0)) for part in a)
    whole = np.floor(first + np.float32(0.5))
    t = product(renewed(whole - first, -rest), pair_of(log(2)))
    value = polynomial(series_of_e(), t)
    down = -whole.astype(np.int64)
    first, rest = (np.where(near, np.ldexp(part, down), np.float32(0)) for part in value)
    return first, rest


def series_of_e() -> Pair:
    """1 / k! from k = 0 on."""
    return pair_of([1 / factorial(k) for k in range(TERMS + 1)])


def pair_of(numbers: npt.ArrayLike) -> Pair:
    """Float64 numbers as pairs; those beyond float32 as infinity and 0."""
    exact = np.asarray(numbers, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        first = exact.astype(np.float32)
        return first, np.where(np.isfinite(first), exact - first, 0.0).astype(np.float32)
