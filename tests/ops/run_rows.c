/* Runs every model of a driver on rows from stdin, each row in memory of its own so that ASan sees the first byte too far.
 * Arguments: the number of rows per model. */
#include "mcugen_probe.h"

#include <stdio.h>
#include <stdlib.h>

static void run_row(const mcugen_model *model)
{
    unsigned char *in = malloc(model->in_bytes);
    unsigned char *out = malloc(model->out_bytes);
    if (in == NULL || out == NULL || fread(in, 1, model->in_bytes, stdin) != model->in_bytes) {
        exit(2);
    }
    model->row(in, out);
    fwrite(out, 1, model->out_bytes, stdout);
    free(in);
    free(out);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (long row = 0; row < atol(argv[i]); row++) {
            run_row(&mcugen_models[i - 1]);
        }
    }
    return 0;
}
