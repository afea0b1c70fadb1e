/*
 * Cycles of an instruction by a table of its core. They are modelled, not counted: memory without
 * wait states, no interrupts, and of the pipeline only what is said here.
 *
 * Cortex-M: the tables of instructions in Arm's technical reference manuals of the Cortex-M0+ (DDI
 * 0484), Cortex-M3 (DDI 0337) and Cortex-M4 (100166). Where a manual gives a range, the table has
 * its middle, rounded up: the pipeline's refill 2 of 1 to 3, a division 7 of 2 to 12, on Cortex-M3
 * a long product 4 of 3 to 5, with a sum 6 of 4 to 7. The Cortex-M0+ has the multiplier of a single
 * cycle, as all boards here do. On Cortex-M3 and M4 a single load, or a store with an index, that
 * comes directly after a single load takes one cycle less, unless its address was just loaded. Left
 * out: the wait for an address or a float that the instruction before has worked out, folded IT
 * instructions, the fetch that a table of constants holds up. In an IT block an instruction takes
 * its cycles even if it is passed over, a branch only where it is taken.
 *
 * RV32IMC: there is no table by the makers of the ESP32-C3. This one assumes a pipeline of four
 * stages that takes one instruction a cycle, two for a load and the upper half of a product, three
 * for a branch that is taken, two for a jump, and ten for a division.
 */
#ifndef MCUGEN_QEMU_TIMING_H
#define MCUGEN_QEMU_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum kind {
    ORDINARY,
    MULTIPLY,
    MULTIPLY_ADD,
    LONG, /* a product of 64 bits; on RISC-V its upper half */
    LONG_ADD,
    DIVIDE,
    LOAD,
    STORE,
    STORE_INDEXED, /* its address is the sum of two registers */
    SEVERAL,       /* loads or stores of a list: to this comes one for each register */
    BRANCH,        /* a conditional one: to this comes `taken` where it is */
    JUMP,
    CALL,
    TABLE_JUMP,
    SYSTEM,
    FLOAT_MULTIPLY_ADD,
    FLOAT_DIVIDE, /* and the square root */
    FLOAT_PAIR,   /* a move of two words between the core and its floats */
    KINDS
};

struct timing {
    const char *name;
    unsigned char cycles[KINDS];
    unsigned char taken; /* what a conditional branch that is taken takes more */
    unsigned char to_pc; /* what a load of the program counter takes more */
    bool pipelined;      /* whether a load and what follows overlap by a cycle */
    bool is_thumb;
};

/* clang-format off */
static const struct timing TIMINGS[] = {
    {"Cortex-M0+",
     {[ORDINARY] = 1, [MULTIPLY] = 1, [LOAD] = 2, [STORE] = 2, [STORE_INDEXED] = 2, [SEVERAL] = 1,
      [BRANCH] = 1, [JUMP] = 2, [CALL] = 3, [SYSTEM] = 3},
     1, 2, false, true},
    {"Cortex-M3",
     {[ORDINARY] = 1, [MULTIPLY] = 1, [MULTIPLY_ADD] = 2, [LONG] = 4, [LONG_ADD] = 6, [DIVIDE] = 7,
      [LOAD] = 2, [STORE] = 1, [STORE_INDEXED] = 2, [SEVERAL] = 1, [BRANCH] = 1, [JUMP] = 3,
      [CALL] = 3, [TABLE_JUMP] = 4, [SYSTEM] = 2},
     2, 2, true, true},
    {"Cortex-M4",
     {[ORDINARY] = 1, [MULTIPLY] = 1, [MULTIPLY_ADD] = 1, [LONG] = 1, [LONG_ADD] = 1, [DIVIDE] = 7,
      [LOAD] = 2, [STORE] = 1, [STORE_INDEXED] = 2, [SEVERAL] = 1, [BRANCH] = 1, [JUMP] = 3,
      [CALL] = 3, [TABLE_JUMP] = 4, [SYSTEM] = 2, [FLOAT_MULTIPLY_ADD] = 3, [FLOAT_DIVIDE] = 14,
      [FLOAT_PAIR] = 2},
     2, 2, true, true},
    {"RV32IMC",
     {[ORDINARY] = 1, [MULTIPLY] = 1, [LONG] = 2, [DIVIDE] = 10, [LOAD] = 2, [STORE] = 1,
      [BRANCH] = 1, [JUMP] = 2, [SYSTEM] = 1},
     2, 0, false, false},
};
/* clang-format on */

/* What is known of an instruction. Registers are bits, the first of them bit 0. */
struct decoded {
    enum kind kind;
    unsigned count;     /* registers of a list */
    bool to_pc;         /* whether a load fills the program counter */
    uint32_t addresses; /* registers that the address of a single load or store is made of */
    uint32_t loaded;    /* the register that a single load fills */
    unsigned it_length; /* instructions that this one makes conditional */
};

static inline unsigned bits_of(uint32_t word) {
    unsigned found = 0;
    for (; word != 0; word &= word - 1) {
        found++;
    }
    return found;
}

static inline struct decoded one_access(bool is_load, bool is_indexed, uint32_t addresses,
                                        unsigned target) {
    struct decoded found = {.kind = is_load ? LOAD : is_indexed ? STORE_INDEXED : STORE};
    found.addresses = addresses;
    found.loaded = is_load ? 1U << target : 0;
    found.to_pc = is_load && target == 15;
    return found;
}

static inline struct decoded several(unsigned count, bool to_pc) {
    return (struct decoded){.kind = SEVERAL, .count = count, .to_pc = to_pc};
}

static inline struct decoded of_kind(enum kind kind) { return (struct decoded){.kind = kind}; }

static inline struct decoded thumb_accesses(uint32_t code) {
    const unsigned low = code & 7, base = code >> 3 & 7, upper = code >> 8 & 7;
    switch (code >> 11) {
    case 0x09: return one_access(true, false, 1U << 15, upper);
    case 0x0A:
    case 0x0B: /* with an index: three of the eight store */
        return one_access((code >> 9 & 7) > 2, true, 1U << base | 1U << (code >> 6 & 7), low);
    case 0x12:
    case 0x13: return one_access(code >> 11 & 1, false, 1U << 13, upper);
    case 0x18:
    case 0x19: return several(bits_of(code & 0xFF), false);
    default: return one_access(code >> 11 & 1, false, 1U << base, low);
    }
}

static inline struct decoded thumb16(uint32_t code) {
    const unsigned first = code >> 11;
    if ((code & 0xFFC0) == 0x4340) {
        return of_kind(MULTIPLY);
    }
    if ((code & 0xFC00) == 0x4400) { /* with all registers, and bx */
        const bool writes_pc = (code & 0x87) == 0x87 && (code & 0x0300) != 0x0100;
        return of_kind((code & 0x0300) == 0x0300 || writes_pc ? JUMP : ORDINARY);
    }
    if ((first >= 0x09 && first <= 0x13) || first == 0x18 || first == 0x19) {
        return thumb_accesses(code);
    }
    if ((code & 0xFE00) == 0xB400 || (code & 0xFE00) == 0xBC00) { /* push, pop */
        return several(bits_of(code & 0x1FF), (code & 0x0900) == 0x0900);
    }
    if ((code & 0xF500) == 0xB100) { /* cbz, cbnz */
        return of_kind(BRANCH);
    }
    if ((code & 0xFF00) == 0xBF00 && (code & 0xF) != 0) { /* the lowest 1 ends its mask */
        struct decoded it = of_kind(ORDINARY);
        it.it_length = code & 1 ? 4 : code & 2 ? 3 : code & 4 ? 2 : 1;
        return it;
    }
    if ((code & 0xF000) == 0xD000) {
        return of_kind((code & 0x0E00) == 0x0E00 ? SYSTEM : BRANCH);
    }
    return of_kind(first == 0x1C ? JUMP : ORDINARY);
}

static inline struct decoded thumb_floats(uint32_t one, uint32_t two) {
    if ((one & 0xFE00) == 0xEC00) {
        if ((one & 0xFFE0) == 0xEC40) {
            return of_kind(FLOAT_PAIR);
        }
        const bool is_single = (one & 0xFF20) == 0xED00; /* vldr, vstr; else lists */
        return several(is_single ? 1 + (two >> 8 & 1) : two & 0xFF, false);
    }
    if (two & 0x10) { /* between the core and its floats */
        return of_kind(ORDINARY);
    }
    switch (one & 0xB0) {
    case 0x20:
    case 0x30: return of_kind(ORDINARY);
    case 0x80: return of_kind(FLOAT_DIVIDE);
    case 0xB0: return of_kind((one & 0xF) == 1 && (two & 0xC0) == 0xC0 ? FLOAT_DIVIDE : ORDINARY);
    default: return of_kind(FLOAT_MULTIPLY_ADD);
    }
}

static inline struct decoded thumb_products(uint32_t one, uint32_t two) {
    const unsigned what = one >> 4 & 7;
    if ((one & 0x80) == 0) {
        const bool only_multiplies = (two & 0xF000) == 0xF000;
        return of_kind(what == 0 && !only_multiplies ? MULTIPLY_ADD : MULTIPLY);
    }
    return of_kind(what == 1 || what == 3 ? DIVIDE : what < 3 ? LONG : LONG_ADD);
}

static inline struct decoded thumb32(uint32_t one, uint32_t two) {
    if ((one & 0xFE40) == 0xE800) {
        return several(bits_of(two), (one & 0x10) && two >> 15);
    }
    if ((one & 0xFFF0) == 0xE8D0 && (two & 0xFFE0) == 0xF000) {
        return of_kind(TABLE_JUMP);
    }
    if ((one & 0xFE40) == 0xE840) { /* of two registers, or exclusive: a P or W bit tells */
        return several(one & 0x0120 ? 2 : 1, false);
    }
    if ((one & 0xFC00) == 0xEC00 && (two & 0x0E00) == 0x0A00) {
        return thumb_floats(one, two);
    }
    if ((one & 0xF800) == 0xF000 && two >> 15) {
        if (two & 0x1000) {
            return of_kind(two & 0x4000 ? CALL : JUMP);
        }
        return of_kind((one & 0x0380) == 0x0380 ? SYSTEM : BRANCH);
    }
    if ((one & 0xFE00) == 0xF800) {
        const bool is_indexed = (one & 0x80) == 0 && (one & 0xF) != 15 && (two & 0x0FC0) == 0;
        const bool is_word = (one & 0x60) == 0x40;
        if ((one & 0x10) && two >> 12 == 15 && !is_word) { /* a hint to fetch */
            return of_kind(ORDINARY);
        }
        const uint32_t index = is_indexed ? 1U << (two & 0xF) : 0;
        return one_access(one & 0x10, is_indexed, 1U << (one & 0xF) | index, two >> 12);
    }
    return (one & 0xFF00) == 0xFB00 ? thumb_products(one, two) : of_kind(ORDINARY);
}

static inline struct decoded compressed(uint32_t code) {
    const unsigned quadrant = code & 3, what = code >> 13;
    if (quadrant != 1 && (what == 2 || what == 6)) {
        return of_kind(what == 2 ? LOAD : STORE);
    }
    if (quadrant == 1 && (what == 1 || what >= 5)) {
        return of_kind(what >= 6 ? BRANCH : JUMP);
    }
    const bool is_jump = quadrant == 2 && what == 4 && (code & 0x7C) == 0 && (code & 0xF80) != 0;
    return of_kind(is_jump ? JUMP : ORDINARY);
}

static inline struct decoded riscv32(uint32_t code) {
    switch (code & 0x7F) {
    case 0x03: return of_kind(LOAD);
    case 0x23: return of_kind(STORE);
    case 0x33: {
        const unsigned what = code >> 12 & 7;
        const bool is_product = code >> 25 == 1;
        return of_kind(!is_product ? ORDINARY : what == 0 ? MULTIPLY : what < 4 ? LONG : DIVIDE);
    }
    case 0x63: return of_kind(BRANCH);
    case 0x67:
    case 0x6F: return of_kind(JUMP);
    case 0x73: return of_kind(SYSTEM);
    default: return of_kind(ORDINARY);
    }
}

/* The instruction of `size` bytes at `data`, as it lies in memory. */
static inline struct decoded decoded_of(const struct timing *core, const void *data, size_t size) {
    uint16_t half[2] = {0, 0};
    memcpy(half, data, size < sizeof half ? size : sizeof half);
    if (core->is_thumb) {
        return size == 2 ? thumb16(half[0]) : thumb32(half[0], half[1]);
    }
    return size == 2 ? compressed(half[0]) : riscv32(half[0] | (uint32_t)half[1] << 16);
}

/* Its cycles, of a conditional branch those that it takes if it is not taken. */
static inline unsigned cycles_of(const struct timing *core, const struct decoded *insn,
                                 const struct decoded *before) {
    const bool overlaps = core->pipelined && (insn->kind == LOAD || insn->kind == STORE_INDEXED) &&
                          before->kind == LOAD && (before->loaded & insn->addresses) == 0;
    return core->cycles[insn->kind] + insn->count - overlaps + (insn->to_pc ? core->to_pc : 0U);
}

static inline bool is_jump(const struct decoded *insn) {
    return insn->kind == JUMP || insn->kind == CALL || insn->kind == TABLE_JUMP || insn->to_pc;
}

static inline const struct timing *timing_named(const char *name) {
    for (size_t i = 0; i < sizeof TIMINGS / sizeof *TIMINGS; i++) {
        if (strcmp(TIMINGS[i].name, name) == 0) {
            return &TIMINGS[i];
        }
    }
    return NULL;
}

#endif
