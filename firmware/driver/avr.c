/*
 * The simulator's end of a driver on AVR. For every model the runner serves a number of rows, then
 * the rows; the results go back as they come. A served block of length 0 means that there is
 * nothing more.
 */
#include "mcugen_probe.h"

enum { FILL = 3, TAKE = 4, END = 255 };

static volatile struct {
    uint16_t address;
    uint16_t length;
} block;

static uint16_t request(uint8_t command, volatile void *data, uint16_t length) {
    block.address = (uint16_t)data;
    block.length = length;
    GPIOR1 = (uint8_t)(uint16_t)&block;
    GPIOR2 = (uint8_t)((uint16_t)&block >> 8);
    GPIOR0 = command;
    __asm__ volatile("" ::: "memory");
    return block.length;
}

/* float: for the alignment */
static float in[MCUGEN_IN_BYTES / 4 + 1], out[MCUGEN_OUT_BYTES / 4 + 1];

const unsigned char *mcugen_fetch(unsigned size) {
    request(FILL, in, (uint16_t)size);
    return (const unsigned char *)in;
}

int main(void) {
    for (unsigned i = 0; i < mcugen_model_count; i++) {
        const mcugen_model *model = &mcugen_models[i];
        uint32_t rows = 0;
        request(FILL, &rows, sizeof rows);
        for (; rows && request(FILL, in, model->in_bytes); rows--) {
            model->row((const unsigned char *)in, (unsigned char *)out);
            request(TAKE, out, model->out_bytes);
        }
    }
    GPIOR0 = END;
    for (;;) {
    }
}
