/* The board's end of mcugen's serial protocol: framed requests for the model's inputs and outputs.
 *
 * It lives on one serial line with text that people type: a frame stands between two zero bytes,
 * and text has none. docs/serial-protocol.md of mcugen describes every byte. No heap, no Arduino.
 */
#ifndef MCUGEN_LINK_H
#define MCUGEN_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MCUGEN_LINK_VERSION = 1,
    MCUGEN_LINK_HASH = 8, /* bytes that tell one model from another */
    MCUGEN_LINK_FRAME =
        64,               /* bytes of the longest frame on the wire: an Arduino Uno keeps no more */
    MCUGEN_LINK_DATA = 48 /* bytes of input or output that a frame carries at most */
};

/* One array of the model. */
typedef struct {
    void *data;
    size_t size; /* bytes */
} mcugen_link_span;

/* Arrays that count as one run of bytes, one behind the other and nothing between them. */
typedef struct {
    const mcugen_link_span *spans;
    size_t size; /* bytes of all of them */
} mcugen_link_bytes;

/* What the protocol serves. */
typedef struct {
    uint8_t hash[MCUGEN_LINK_HASH];
    mcugen_link_bytes inputs;
    mcugen_link_bytes outputs;
    /* Runs the model; returns the microseconds it took. Where an input comes row by row, it takes
     * row number `row`, begins anew with 0, and runs the model with the last. */
    uint32_t (*run)(uint16_t row);
    void (*write)(const uint8_t *bytes, size_t size);
    uint16_t rows; /* that make an input, where `inputs` is one of them; else 0 */
} mcugen_link_model;

/* The state of a line; `{&model}` is one at its start. */
typedef struct {
    const mcugen_link_model *model;
    uint32_t microseconds; /* that the last row took */
    uint16_t row;          /* the one that is next, where an input comes row by row */
    uint16_t number;       /* of the request that brought the last one */
    uint8_t next;          /* where in `frame` the next byte goes; 0 outside of a frame */
    uint8_t frame[MCUGEN_LINK_FRAME];
} mcugen_link;

/* Takes a byte that came in, and answers when it ends a frame. False when the byte is text. */
bool mcugen_link_take(mcugen_link *link, uint8_t byte);

#ifdef __cplusplus
}
#endif

#endif
