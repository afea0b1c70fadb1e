"""The contract of an op. An op is one Python file in ops/, one C template in templates/ops/ and one test in tests/ops/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from mcugen.ir import Array, TensorType

if TYPE_CHECKING:
    from mcugen.boards import Target


# Bytes of flash, cycles (unknown), bytes of stack of a kernel of loops over tensors, its call and its readers among them.
ORDINARY, ORDINARY_ON_AVR = (250, 0, 120), (400, 0, 60)


@dataclass(frozen=True)
class Cost:
    """What a node costs on a target. Bytes of flash (code and constants), cycles of one call, bytes of stack.

    cycles are instructions where that is what the target's simulator counts; where they are not `counted`, nothing there
    could be, and they serve to compare forms only. `shared` are bytes of functions, by name, that all nodes have together: they
    are in no node's flash. `near`: what of the flash are tables that have to lie in the first 64 KiB of an 8-bit AVR.
    """

    flash: int = 0
    cycles: int = 0
    stack: int = 0
    counted: bool = True
    shared: Mapping[str, int] = field(default_factory=dict)
    near: int = 0


@dataclass(frozen=True)
class Work:
    """What a node's C is made of, as named counts: mcugen/cost.py makes a Cost of them with an architecture's weights.

    tables  bytes of constants in flash, exactly
    code    what the size of the code depends on
    runs    what is done in one call, for the rows that are expected
    stack   what the stack depends on
    shared  what the size of functions depends on that all nodes of a model have together
    far     what of the tables an 8-bit AVR reads through far addresses, which reach all of its flash
    """

    tables: int = 0
    code: Mapping[str, float] = field(default_factory=dict)
    runs: Mapping[str, float] = field(default_factory=dict)
    stack: Mapping[str, float] = field(default_factory=dict)
    shared: Mapping[str, float] = field(default_factory=dict)
    far: int = 0


Rows = tuple[int, int]  # from the first, up to and without the second


@dataclass(frozen=True)
class Form:
    """One of several exact ways to emit an op on a target, with its estimated cost; `name` is what the report calls it."""

    name: str
    cost: Cost


@dataclass(frozen=True, eq=False)
class Op:
    """Base of all ops: frozen, holding its attributes and, for classical models, its arrays."""

    name: ClassVar[str]
    onnx: ClassVar[tuple[str, ...]] = ()
    in_place: ClassVar[int | None] = None  # which input's buffer the first output may take over
    updates: ClassVar[tuple[int, ...]] = ()  # of one that changes STATE in place: the inputs that its outputs are
    includes: ClassVar[tuple[str, ...]] = ()
    scratch: ClassVar[int] = 0  # how many of the last outputs are only room for the kernel to work in
    view: ClassVar[bool] = False  # whether the output is the input's bytes under another type
    packs: ClassVar[bool] = False  # whether its constants are CONST inputs that a form packs
    running: ClassVar[bool] = (
        False  # whether it can take its first input's rows one by one, in order, and keeps in its scratch what they come to
    )

    @property
    def form(self) -> str:
        """The name of the form that `with_form` fixed; empty before that, and for good where there is only one."""
        return ""

    @property
    def weighted(self) -> bool:
        """Whether its constants take less flash in a smaller number format, at the price of exactness."""
        return False

    @property
    def quantised(self) -> bool:
        """Whether it is decided for such a format."""
        return self.weighted and self.form.startswith("int")

    def first_alone(self) -> Self:
        """This op giving its first output only, where that is less work: a class without its probabilities."""
        return self

    def seen(self, *inputs: Array) -> Self:
        """This op knowing inputs that it will get, each (rows, *its shape); it may make use of their sizes, not of more."""
        return self

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """The output types for these input types; raises E0201 where the op does not take them."""
        raise NotImplementedError

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        """The op's meaning in NumPy; the generated C is tested against it."""
        raise NotImplementedError

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        """The input, and its element, of which alone element `at` of the first output is a function; None where it is of more.

        With `exactly` it is how passes see through an op that maps features one by one.
        """
        return None

    def exactly(self, at: int, x: Array) -> Array:
        """That function as the model itself works it out in float64; it never falls as x grows, and says what NaN becomes.

        Where x is too small for it, as the logarithm's may be, it is NaN.
        """
        return x

    def reads(self, at: int, *inputs: TensorType) -> tuple[Rows | None, ...]:
        """Which rows of each input row `at` of the first output is made of; None for an input that is read whole, at any time.
        A row is a step along the first axis. Empty where the kernel does not make one row after the other.

        A kernel that has rows keeps to them: while it writes row `at`, it reads nothing but these rows and those of the rows that
        come after, whichever end it begins at (`backward`).
        """
        return ()

    def describe(self) -> str:
        """The attributes as the dump shows them; empty where there are none."""
        return ""

    def sums(self) -> tuple[str, ...]:
        """What the arithmetic of the compiler's own library that a program gets from the op depends on, in words."""
        return ()

    def macc(self, *inputs: TensorType) -> int:
        """Multiply-accumulate operations of one call."""
        return 0

    def forms(self, target: Target) -> tuple[Form, ...]:
        """The exact ways to emit this op on a target; empty where there is only one."""
        return ()

    def with_form(self, form: Form, target: Target) -> Self:
        """This op decided: the form fixed and its constants packed. Called by the pass `select`."""
        return self

    def smaller(self) -> tuple[str, ...]:
        """What a user can do for a model that takes less flash, each as an order: `train fewer trees`."""
        return ()

    def packed(
        self, target: Target, types: tuple[TensorType, ...], tables: tuple[Array, ...]
    ) -> tuple[Self, tuple[Array, ...]]:
        """Where `packs`: this op decided for a target, and the constants that it takes from then on instead of `tables`, which are
        its last inputs; types are those of the inputs before them.
        """
        raise NotImplementedError

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        """What its C is made of on a target, decided where it has forms; None where nobody has counted it."""
        return None

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        """The estimated cost of the op as it is (decided, where it has forms). Of one that nobody has measured only the flash and
        the stack of an ordinary kernel are known, rather too much than too little.
        """
        from mcugen.cost import estimate

        work = self.work(target, *inputs)
        if work:
            return estimate(self.name, work, target.board)
        return Cost(*(ORDINARY_ON_AVR if target.board.arch == "avr" else ORDINARY), counted=False)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Inputs, each (rows, *its shape), at most `limit` rows, that try what is hard for the op; empty where it knows none."""
        return ()

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Inputs such as the op was fitted on, for what is in front of it; empty where its constants do not tell."""
        return ()

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        """Rows of each input that give rows y (n, elements) of the first output, or nearly, NaN where any number does; empty
        where the op cannot say.
        """
        return ()

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        """What the template needs beyond types and names."""
        return {}


def same(left: Op, right: Op) -> bool:
    """Whether two ops share one kernel: the same class and the same attributes, arrays compared by content."""
    if type(left) is not type(right):
        return False
    return all(_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def _equal(left: object, right: object) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(left, right)  # type: ignore[arg-type]
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return left is right or bool(left == right)
