/*
 * The end of a driver on a bare-metal core in QEMU. Files of the simulator's folder come and go by
 * semihosting: for every model `rows` holds their number and then the rows, `results` takes what
 * the model makes of them. Where nothing outside counts (MCUGEN_COUNT_INSIDE), `counts` takes each
 * call's instructions and stack.
 */
#include "mcu.h"
#include "mcugen_probe.h"

#include <string.h>

enum { OPEN = 1, CLOSE = 2, WRITE = 5, READ = 6, READ_BINARY = 1, WRITE_BINARY = 5, FAILED = 3 };

static intptr_t open_file(const char *name, int mode) {
    const uintptr_t arguments[3] = {(uintptr_t)name, (uintptr_t)mode, strlen(name)};
    const intptr_t file = mcu_semihost(OPEN, arguments);
    if (file == -1) {
        mcu_exit(FAILED);
    }
    return file;
}

/* Reads or writes all of a block; the call's answer is how many bytes are left. */
static void transfer(int operation, intptr_t file, const void *block, uint32_t size) {
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)block, size};
    if (size != 0 && mcu_semihost(operation, arguments) != 0) {
        mcu_exit(FAILED);
    }
}

static void close_file(intptr_t file) {
    const uintptr_t arguments[1] = {(uintptr_t)file};
    mcu_semihost(CLOSE, arguments);
}

#ifdef MCUGEN_COUNT_INSIDE
extern uint32_t _bss_end;
enum { PAINT = 0x5AA5C33C, PAINTED_WORDS = 4096 };
static uint64_t started;
static uint32_t *stack_top, *painted;
static struct {
    uint32_t instructions, stack;
} count;

static uint32_t *stack_pointer(void) { return (uint32_t *)__builtin_frame_address(0); }

/* Paints what is free below the stack, most 16 KiB of it; the deepest call so far has washed off
 * some. */
static void paint(void) {
    uint32_t *end = stack_pointer() - 32;
    painted = end - &_bss_end > PAINTED_WORDS ? end - PAINTED_WORDS : &_bss_end;
    for (volatile uint32_t *word = painted; word < end; word++) {
        *word = PAINT;
    }
}

void mcugen_start(void) {
    stack_top = stack_pointer();
    started = mcu_instructions();
}

void mcugen_stop(void) {
    count.instructions = (uint32_t)(mcu_instructions() - started);
    const uint32_t *word = painted;
    while (*word == PAINT) {
        word++;
    }
    count.stack = (uint32_t)((uintptr_t)stack_top - (uintptr_t)word);
}
#endif

/* float: for the alignment */
static float in[MCUGEN_IN_BYTES / 4 + 2], out[MCUGEN_OUT_BYTES / 4 + 2];

int main(void) {
    const intptr_t rows = open_file("rows", READ_BINARY),
                   results = open_file("results", WRITE_BINARY);
#ifdef MCUGEN_COUNT_INSIDE
    const intptr_t counts = open_file("counts", WRITE_BINARY);
    mcu_clock_begin();
    paint();
#endif
    for (unsigned i = 0; i < mcugen_model_count; i++) {
        const mcugen_model *model = &mcugen_models[i];
        uint32_t left = 0;
        transfer(READ, rows, &left, sizeof left);
        for (; left != 0; left--) {
            transfer(READ, rows, in, model->in_bytes);
            model->row((const unsigned char *)in, (unsigned char *)out);
            transfer(WRITE, results, out, model->out_bytes);
#ifdef MCUGEN_COUNT_INSIDE
            transfer(WRITE, counts, &count, sizeof count);
#endif
        }
    }
    close_file(results);
    return 0;
}
