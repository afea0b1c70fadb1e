/*
 * A TCG plugin for QEMU 7 and newer: counts the instructions between two marks of a bare-metal
 * program, adds up what they take by the core's table of qemu_timing.h, and finds the lowest byte
 * of the stack that is written meanwhile. The marks are
 * instructions that do nothing and that no compiler emits (firmware/driver/mcugen_probe.h): the
 * first announces a store just below the stack pointer, which tells where the stack is; the second
 * begins to count, the third ends it.
 *
 *   -plugin qemu_count.so,marks=46C946D246DB,stack=0x20000400,timing=Cortex-M3,out=FILE
 *
 * marks   the three instructions in hexadecimal, as they lie in memory read as one number, 2 or 4
 *         bytes each
 * stack   the end of static data: a store below it is none to the stack
 * timing  the core's table; without it no cycles are modelled
 * FILE    a line "instructions stack cycles" for each pair, then "all instructions lowest cycles",
 *         the whole run's; cycles are 0 without a table
 *
 * Debian ships no header for plugins: the declarations below are what this file uses of the
 * documented interface.
 */
#include "qemu_timing.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_W = 2 };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed)(unsigned vcpu, void *data);
typedef void (*stored)(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data);
typedef void (*ended)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated callback);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, executed callback,
                                            enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *counter,
                                                uint64_t amount);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed callback,
                                          enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, stored callback,
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
                                      void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, ended callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

enum { ANNOUNCE, START, STOP, MARKS };

static uint32_t marks[MARKS];
static size_t mark_size;
static uint64_t stack_limit;
static const struct timing *timing;
static FILE *out;

static uint64_t instructions, cycles;           /* all, marks left out */
static uint64_t first_instruction, first_cycle; /* what they were at the start mark */
static uint64_t top, lowest; /* the stack pointer at the start mark, the lowest store since then */
static uint64_t lowest_of_all = UINT64_MAX;
static bool announced, counting;

/* A run of instructions without a branch but at its end. */
struct block {
    uint64_t start, next; /* its address, and the one behind it */
    unsigned taken;       /* cycles if another one than the next comes after it */
};

static const struct block *last; /* the one that ran before */

static void at_block(unsigned vcpu, void *data) {
    const struct block *block = data;
    (void)vcpu;
    if (last != NULL && last->next != block->start) {
        cycles += last->taken;
    }
    last = block;
}

static void at_mark(unsigned vcpu, void *data) {
    (void)vcpu;
    switch ((int)(intptr_t)data) {
    case ANNOUNCE: announced = true; break;
    case START:
        lowest = top;
        first_instruction = instructions;
        first_cycle = cycles;
        counting = true;
        break;
    default:
        if (counting) {
            fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", instructions - first_instruction,
                    top - lowest, cycles - first_cycle);
        }
        counting = false;
    }
}

static void at_store(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)vcpu;
    (void)info;
    (void)data;
    if (address < stack_limit || (stack_limit < 0x40000000 && address >= 0x40000000)) {
        return; /* static data; or a register of a Cortex-M's periphery */
    }
    if (announced) {
        announced = false;
        top = address + 4;
    }
    if (counting && address < lowest) {
        lowest = address;
    }
    if (address < lowest_of_all) {
        lowest_of_all = address;
    }
}

static int mark_of(const struct qemu_plugin_insn *insn) {
    uint32_t code = 0;
    /* Longer than it is may be one near the end of a page: QEMU has looked at the next one already.
       No instruction begins as another, shorter one is. */
    if (qemu_plugin_insn_size(insn) < mark_size) {
        return MARKS;
    }
    memcpy(&code, qemu_plugin_insn_data(insn), mark_size);
    int mark = 0;
    while (mark < MARKS && marks[mark] != code) {
        mark++;
    }
    return mark;
}

/* The cycles of a block's instructions are counted with them; those of a branch that is taken when
   the next block begins. */
static void time_block(struct qemu_plugin_tb *tb) {
    const size_t length = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block); /* QEMU may run it for as long as we are here */
    struct decoded before = {0};
    unsigned conditional = 0;
    if (block == NULL || length == 0) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const size_t size = qemu_plugin_insn_size(insn);
        const bool is_mark = mark_of(insn) < MARKS;
        const struct decoded found = decoded_of(timing, qemu_plugin_insn_data(insn), size);
        unsigned needed = is_mark ? 0 : cycles_of(timing, &found, &before);
        block->next = qemu_plugin_insn_vaddr(insn) + size;
        block->taken = found.kind == BRANCH ? timing->taken : 0;
        if (conditional > 0 && is_jump(&found)) {
            block->taken = needed - 1;
            needed = 1;
        }
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &cycles,
                                                   needed);
        conditional = found.it_length > 0 ? found.it_length : conditional - (conditional > 0);
        before = is_mark ? (struct decoded){0} : found;
    }
    block->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    qemu_plugin_register_vcpu_tb_exec_cb(tb, at_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void at_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    if (timing != NULL) {
        time_block(tb);
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const int mark = mark_of(insn);
        if (mark < MARKS) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(intptr_t)mark);
            continue;
        }
        qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &instructions,
                                                   1);
        qemu_plugin_register_vcpu_mem_cb(insn, at_store, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_W,
                                         NULL);
    }
}

static void at_end(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    fprintf(out, "all %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", instructions, lowest_of_all, cycles);
    fclose(out);
}

static bool take_marks(const char *text) {
    mark_size = strlen(text) / MARKS / 2;
    for (int i = 0; i < MARKS; i++) {
        char one[9] = "";
        if (mark_size != 2 && mark_size != 4) {
            return false;
        }
        memcpy(one, text + (size_t)i * 2 * mark_size, 2 * mark_size);
        marks[i] = (uint32_t)strtoul(one, NULL, 16);
    }
    return true;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    bool is_whole = false, is_timed = true;
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "marks=", 6) == 0) {
            is_whole = take_marks(argv[i] + 6);
        } else if (strncmp(argv[i], "stack=", 6) == 0) {
            stack_limit = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "timing=", 7) == 0) {
            timing = timing_named(argv[i] + 7);
            is_timed = timing != NULL;
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (!is_whole || !is_timed || out == NULL) {
        fputs("qemu_count: needs marks= and out=, and a timing= that it knows\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, at_translation);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
