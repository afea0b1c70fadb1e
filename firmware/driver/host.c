/* The host's end of a driver: many rows through one model of a shared library. */
#include "mcugen_probe.h"

#include <stddef.h>

void mcugen_rows(unsigned model, size_t rows, const unsigned char *in, unsigned char *out);

void mcugen_rows(unsigned model, size_t rows, const unsigned char *in, unsigned char *out) {
    const mcugen_model *m = &mcugen_models[model];
    for (size_t i = 0; i < rows; i++) {
        m->row(in + i * m->in_bytes, out + i * m->out_bytes);
    }
}
