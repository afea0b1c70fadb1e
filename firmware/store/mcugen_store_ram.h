/* RAM that behaves as an EEPROM or as flash does, with faults to order: for tests of what is saved,
 * on a computer or on a board. */
#ifndef MCUGEN_STORE_RAM_H
#define MCUGEN_STORE_RAM_H

#include "mcugen_store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the byte or word looks whose writing was cut. */
typedef enum {
    MCUGEN_STORE_CUT_BEFORE, /* as it was */
    MCUGEN_STORE_CUT_ERASED, /* 0xFF; in flash some of its bits are written */
    MCUGEN_STORE_CUT_RANDOM
} mcugen_store_torn;

typedef struct {
    uint8_t *cells; /* `size` bytes of the store */
    uint32_t *wear; /* how often each byte, or with pages each page, was erased or written;
                       or NULL */
    const uint8_t
        *stuck; /* for each byte the bits that writing and erasing do not change; or NULL */
    mcugen_store_size page, word; /* as in the store */
    uint32_t power;               /* bytes that can be written or erased until power goes */
    uint32_t used;                /* bytes written or erased so far */
    uint32_t refused;             /* writes to words that were not erased, or to parts of words */
    uint32_t seed;                /* of what is random; not 0 */
    mcugen_store_torn torn;
} mcugen_store_ram_state;

/* Fills in what has to be for cells without a fault: as they are, power for ever. */
mcugen_store mcugen_store_ram(mcugen_store_ram_state *ram, uint8_t *cells, mcugen_store_size bytes,
                              mcugen_store_size page, uint8_t word);

#ifdef __cplusplus
}
#endif

#endif
