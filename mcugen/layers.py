"""Layers of weights as integers, one after the other: what a ReLU lets through never becomes a float.

The first layer's row becomes integers as in mcugen/fixed.py. A layer's sums all have one exponent, so they are a row of
integers already; they are only shifted down, all alike, until they fit the next layer's row and leave room for the 1 of its
intercepts. How far is found at run time, from the largest; in 32 bits it is guessed first, from what the layer gave before
(or from the length of its weights), and worked out again where the guess was too low. What ReLU lets through may be scaled: each unit's weights are
brought to the size with which the next layer looks at it, by a power of two, so that no unit needs an exponent of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from mcugen.fixed import SUM_BITS, USUAL, Fixed, Floats, Integers, Width, fixed

ENOUGH = 126  # of an exponent's bias
RAISED = 8  # bits that are worth another look at a row
MARGIN = 1  # bits above what rows are known to give


@dataclass(frozen=True, eq=False)
class Layers:
    """weights (rows, columns) and biases (rows,) of each layer, float64; a layer's rows are the next one's columns."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layers) or len(self.weights) != len(other.weights):
            return False
        pairs = zip((*self.weights, *self.biases), (*other.weights, *other.biases), strict=True)
        return all(np.array_equal(one, another) for one, another in pairs)

    __hash__ = None  # type: ignore[assignment]  # compared by content

    def scores(self, x: Floats) -> Floats:
        """What the last layer gives for rows (n, features), (n, rows), in float64."""
        for i, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.maximum(x, 0) if i else x) @ weights.T + bias
        return x

    def reach(self, x: Floats) -> Floats:
        """What few rows (n, features) pass in each hidden unit, layer after layer in one array."""
        found = []
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weights.T + bias, 0)
            found.append(np.quantile(x, USUAL, axis=0))
        return np.concatenate(found)

    def fixed(self, width: Width, sizes: Integers | None = None, reach: Floats | None = None) -> Network:
        """The integers; sizes as `fixed` takes them, of the first layer's features, and what `reach` found of rows."""
        weights, biases = [*self.weights], [*self.biases]
        most: list[float | None] = [None] * len(weights)
        at = np.cumsum([0, *map(len, weights)])
        for i in range(len(weights) - 1, 0, -1):
            largest = np.abs(weights[i]).max(axis=0)
            size = np.where(largest > 0, np.frexp(largest)[1], 0)
            weights[i] = np.ldexp(weights[i], -size)
            weights[i - 1] = np.ldexp(weights[i - 1], size[:, None])
            biases[i - 1] = np.ldexp(biases[i - 1], size)
            if reach is not None:
                most[i] = float(np.ldexp(reach[at[i - 1] : at[i]], size).max(initial=0.0))
        made = [fixed(weights[0], biases[0], width, sizes)]
        for w, b, largest in zip(weights[1:], biases[1:], most[1:], strict=True):
            made.append(_later(w, b, made[-1], largest))
        return Network(tuple(made))


@dataclass(frozen=True, eq=False)
class Later(Fixed):
    """A layer after the first. down: what the sums before it are shifted down by, in 32 bits, if they fit then."""

    down: int = 0


def _later(weights: Floats, bias: Floats, last: Fixed, most: float | None) -> Later:
    """The integers of a layer, whose columns have one exponent, for a row made of the last one's sums; `most` is the largest
    number that such rows had."""
    found = fixed(weights, bias, last.width)
    assert not len(found.lifts), "columns were brought to one size"
    if most is None:
        length = float(np.sqrt((last.weights.astype(np.float64) ** 2).sum(axis=1)).max())
        largest = max(length, 1.0) * 2.0**last.x_bits
    else:
        largest = most * 2.0 ** (last.scale - last.begin)
    down = int(np.ceil(np.log2(max(largest, 1.0)))) + MARGIN - found.x_bits
    down = min(max(down, 32 - found.x_bits), SUM_BITS[32] - found.x_bits)
    if found.bias:  # a row's top is never below that of the last one's least
        down = max(down, found.least - (last.begin - last.scale) - ENOUGH - found.x_bits)
    parts = {one.name: getattr(found, one.name) for one in fields(Fixed)}
    return Later(**parts, down=down)


@dataclass(frozen=True, eq=False)
class Network:
    """The integers of all layers."""

    layers: tuple[Fixed, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tables in flash."""
        return sum(layer.nbytes for layer in self.layers)

    def sums(self, x: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
        """The last layer's sums for rows (n, features), and their exponents (n,), exactly as the C has them."""
        *_, (sums, top, _) = self.steps(x)
        return sums, top - self.layers[-1].scale

    def steps(self, x: npt.NDArray[np.float32]) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Of each layer its sums (n, rows), the tops (n,) of the rows that they are of, and how far these were shifted down."""
        q, top = self.layers[0].load(x)
        sums = q @ self.layers[0].weights.T
        yield sums, top, np.zeros(len(x), np.int64)
        for last, layer in zip(self.layers, self.layers[1:], strict=False):
            assert isinstance(layer, Later)
            exponent, passed = top.astype(np.int64) - last.scale, np.maximum(sums, 0)
            down = _down(passed, exponent, layer)
            q = passed >> np.minimum(down, 63)[:, None] if layer.width == 32 else _rounded(passed, down[:, None])
            top = exponent + down + ENOUGH + layer.x_bits
            if layer.width == 32 and layer.bias:
                q, top = _raised(q, top, layer)
            q = np.concatenate([q, _one(top, layer)], axis=1) if layer.bias else q
            sums = q @ layer.weights.T
            yield sums, top, down


def _down(sums: Integers, exponent: Integers, layer: Later) -> Integers:
    """How far sums of 0 or more (n, features), of these exponents (n,), have to be shifted down to be rows of a layer."""
    used = np.bitwise_or.reduce(sums, axis=1)
    length = np.array([int(one).bit_length() for one in used], np.int64)
    if layer.width == 32:
        return np.maximum(length - layer.x_bits, layer.down)
    down = np.maximum(length - layer.x_bits, 0)
    return np.maximum(down, layer.least - exponent - ENOUGH - layer.x_bits) if layer.bias else down


def _raised(q: Integers, top: Integers, layer: Later) -> tuple[Integers, Integers]:
    """Rows far smaller than their tops, shifted up as far as they may be, so that the intercepts keep their digits."""
    used = np.bitwise_or.reduce(q, axis=1)
    room = np.array([layer.x_bits - int(one).bit_length() for one in used], np.int64)
    above = top - layer.least
    up = np.where(used > 0, np.minimum(room, above), above)
    up = np.where((above > RAISED) & (up >= RAISED), up, 0)
    return q << np.where(used > 0, up, 0)[:, None], top - up


def _one(top: Integers, layer: Fixed) -> Integers:
    """The intercepts' 1 in rows of these tops, (n, 1)."""
    below = np.minimum(top - layer.least, 63)
    return np.where(below < layer.x_bits, np.int64(1 << (layer.x_bits - 1)) >> below, 0)[:, None]


def _rounded(sums: Integers, down: Integers) -> Integers:
    return np.where(down > 0, (sums >> np.minimum(np.maximum(down - 1, 0), 62)) + 1 >> 1, sums)
