/* A board in a shared library, for the tests of the other end of the line: the protocol's C as it
 * is, over a model that needs several frames for a row and for its answer. */
#include "../link/mcugen_link.h"

#include <string.h>

enum { NUMBERS = 20, SHIFTS = 3, SUMS = 25 };

static struct {
    float numbers[NUMBERS];
    int8_t shifts[SHIFTS];
    int32_t largest;
    float sums[SUMS];
} memory;

static mcugen_link line;
static uint8_t *answer_at;

extern uint32_t board_microseconds; /* what a run says that it took */
uint32_t board_microseconds = 1234;

extern uint16_t
    board_rows; /* that make an input, whose numbers are added up; 0 where it comes whole */
uint16_t board_rows;

static float added[NUMBERS];

static uint32_t run(uint16_t row) {
    for (int i = 0; i < NUMBERS; i++)
        added[i] = (row == 0 ? 0.0f : added[i]) + memory.numbers[i];
    if (row + 1 < board_rows)
        return board_microseconds;
    memory.largest = 0;
    for (int32_t i = 1; i < NUMBERS; i++) {
        if (added[i] > added[memory.largest])
            memory.largest = i;
    }
    for (int i = 0; i < SUMS; i++)
        memory.sums[i] = added[i % NUMBERS] + (float)memory.shifts[i % SHIFTS];
    return board_microseconds;
}

static void keep(const uint8_t *bytes, size_t size) {
    memcpy(answer_at, bytes, size);
    answer_at += size;
}

static const mcugen_link_span inputs[] = {{memory.numbers, sizeof memory.numbers},
                                          {memory.shifts, sizeof memory.shifts}};
static const mcugen_link_span outputs[] = {{&memory.largest, sizeof memory.largest},
                                           {memory.sums, sizeof memory.sums}};
static mcugen_link_model model = {
    {0},
    {inputs, sizeof memory.numbers + sizeof memory.shifts},
    {outputs, sizeof memory.largest + sizeof memory.sums},
    run,
    keep,
    0,
};

/* Everything as after power-on, with the firmware of the model that has this hash. */
void board_start(const uint8_t hash[MCUGEN_LINK_HASH]);
void board_start(const uint8_t hash[MCUGEN_LINK_HASH]) {
    memset(&memory, 0, sizeof memory);
    memset(&line, 0, sizeof line);
    memcpy(model.hash, hash, MCUGEN_LINK_HASH);
    model.rows = board_rows;
    line.model = &model;
}

/* Takes a byte; returns how many bytes it wrote to `answer`, or -1 when the byte is text. */
int board_take(uint8_t byte, uint8_t answer[MCUGEN_LINK_FRAME]);
int board_take(uint8_t byte, uint8_t answer[MCUGEN_LINK_FRAME]) {
    answer_at = answer;
    return mcugen_link_take(&line, byte) ? (int)(answer_at - answer) : -1;
}
