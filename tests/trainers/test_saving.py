"""A trainer's C over a store: cuts, what learns during a save, states of other trainers; as C99 and as C++11, under sanitizers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sanitized import run_main

import mcugen
from mcugen.data import firmware_dir
from mcugen.targets.driver import Unit

STORE = ("mcugen_store.h", "mcugen_store.c", "mcugen_store_ram.h", "mcugen_store_ram.c")

BEGIN = r"""
#include <stdio.h>
#include <string.h>
#include "a.h"
#include "b.h"
#include "mcugen_store_ram.h"

static uint8_t cells[4096];
static mcugen_store_ram_state ram;
static mcugen_store store;

static void learn(a_state *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        const int8_t x[3] = {(int8_t)(i * 37), (int8_t)(i * 11), (int8_t)i};
        (void)a_learn(s, x, i % 2);
    }
}

static void open_store(uint32_t page)
{
    memset(cells, 0xFF, sizeof cells);
    store = mcugen_store_ram(&ram, cells, sizeof cells, page, page == 0 ? 1 : 4);
}
"""

CUTS = r"""
/* Whether a cut after so many bytes leaves the state of the second save, or the one before. */
static int is_whole(uint32_t page, uint32_t power)
{
    static a_state one, two, found;
    open_store(page);
    a_init(&one);
    learn(&one, 0, 20);
    if (a_save(&one, &store) != 0) {
        return 0;
    }
    two = one;
    learn(&two, 20, 40);
    ram.power = power;
    ram.torn = MCUGEN_STORE_CUT_RANDOM;
    const int failed = a_save(&two, &store);
    ram.power = UINT32_MAX;
    a_init(&found);
    if (a_load(&found, &store) != 0) {
        return 0;
    }
    return memcmp(&found, &two, A_STATE) == 0 || (failed && memcmp(&found, &one, A_STATE) == 0);
}

int main(void)
{
    const uint32_t pages[] = {0, 256};
    for (int i = 0; i < 2; i++) {
        int bad = 0;
        for (uint32_t power = 0; power <= A_STATE + 300; power++) {
            bad += !is_whole(pages[i], power);
        }
        printf("%d\n", bad);
    }
    return 0;
}
"""

BUSY = r"""
static a_state state;
static int (*plain)(void *, mcugen_store_size, const void *, uint16_t);
static int taken[6];

/* What an interrupt might do in the middle of a save. */
static int interrupted(void *ctx, mcugen_store_size at, const void *from, uint16_t size)
{
    const int8_t x[3] = {1, 2, 3};
    uint16_t ticket;
    taken[0] = a_learn(&state, x, 1);
    taken[1] = a_ask(&state, x, &ticket);
    taken[2] = a_label(&state, 1, 0);
    taken[3] = a_reset(&state);
    taken[4] = a_drift(&state);
    taken[5] = a_drop(&state);
    (void)a_predict(&state, x);
    return plain(ctx, at, from, size);
}

int main(void)
{
    static a_state before, found;
    const int8_t x[3] = {9, 9, 9};
    uint16_t ticket;
    open_store(0);
    plain = store.write;
    store.write = interrupted;
    a_init(&state);
    learn(&state, 0, 30);
    (void)a_ask(&state, x, &ticket);
    state.alarm = 1;
    before = state;
    printf("%d", a_save(&state, &store));
    printf(" %d", taken[0] == A_E_BUSY && taken[1] == A_E_BUSY && taken[2] == A_E_BUSY && taken[3] == A_E_BUSY && taken[5] == A_E_BUSY);
    printf(" %d %d", taken[4], memcmp(&state, &before, A_STATE));
    printf(" %d", a_drift(&state));
    printf(" %d", a_drift(&state));
    a_init(&found);
    printf(" %d", a_load(&found, &store));
    printf(" %d", memcmp(&found, &before, A_STATE));
    printf(" %d\n", a_learn(&found, x, 1) >= 0);
    return 0;
}
"""

OTHERS = r"""
int main(void)
{
    static a_state a, kept;
    static b_state b;
    open_store(0);
    a_init(&a);
    learn(&a, 0, 9);
    kept = a;
    printf("%d", a_load(&a, &store) == MCUGEN_STORE_E_EMPTY);
    b_init(&b);
    (void)b_save(&b, &store);
    printf(" %d", a_load(&a, &store) == MCUGEN_STORE_E_SCHEMA);
    (void)a_save(&a, &store);
    for (size_t i = 0; i < sizeof cells; i++) {
        cells[i] = (uint8_t)~cells[i];
    }
    printf(" %d", a_load(&a, &store) == MCUGEN_STORE_E_EMPTY);
    printf(" %d\n", memcmp(&a, &kept, A_STATE));
    return 0;
}
"""


def printed(main: str, *, learner: dict[str, Any] | None = None, **other: Any) -> str:
    """What the program prints: trainer `a` of three int8 features, of this learner, and `b`, which differs in these options."""
    asked: dict[str, Any] = {"n_features": 3, "numeric": "int16", "input": "int8", "pending": 2, **(learner or {})}
    made = [mcugen.trainer(**asked, name="a"), mcugen.trainer(**{**asked, **other}, name="b")]
    units = [Unit(one.module, one.files) for one in made]
    store = {f"src/{name}": (firmware_dir() / "store" / name).read_text() for name in STORE}
    return run_main([replace(units[0], files={**units[0].files, **store}), units[1]], BEGIN + main)


def test_a_cut_at_every_byte_leaves_the_last_or_the_one_before() -> None:
    """In an EEPROM and in pages of flash."""
    assert printed(CUTS).split() == ["0", "0"]


def test_what_learns_during_a_save_is_refused_and_the_save_is_whole() -> None:
    """An alarm is kept until the save is done, and is said then, once."""
    assert printed(BUSY, learner={"learner": "opt-ovo", "droppable": True}).split() == [
        "0",
        "1",
        "0",
        "0",
        "1",
        "0",
        "0",
        "0",
        "1",
    ]


@pytest.mark.parametrize(
    "other",
    [{"classes": ["x", "y"]}, {"input": "uint8"}, {"pending": 3}],
    ids=str,
)
def test_states_of_other_trainers_and_garbage_are_refused(other: dict[str, Any]) -> None:
    assert printed(OTHERS, **other).split() == ["1", "1", "1", "0"]
