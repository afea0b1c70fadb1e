/* What a generated driver needs of the place it runs in: the table's type, and markers around each
   prediction. */
#ifndef MCUGEN_PROBE_H
#define MCUGEN_PROBE_H

#include <stdint.h>

typedef struct {
    void (*row)(const unsigned char *in, unsigned char *out);
    unsigned in_bytes; /* as many as the memory of the place has */
    unsigned out_bytes;
} mcugen_model;

extern const mcugen_model mcugen_models[];
extern const unsigned mcugen_model_count;

#ifdef __AVR__
#include <avr/io.h>
/* The simulator counts the cycles from a 1 to a 2 written here. */
#define MCUGEN_START() (GPIOR0 = 1)
#define MCUGEN_STOP() (GPIOR0 = 2)
#else
#define MCUGEN_START() ((void)0)
#define MCUGEN_STOP() ((void)0)
#endif

#endif
