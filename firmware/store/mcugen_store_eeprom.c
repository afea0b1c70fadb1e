#include "mcugen_store_eeprom.h"

#if defined(__AVR__)

#include <avr/eeprom.h>
#include <stddef.h>

/* The context is the first address. */
static uint8_t *place(void *ctx, mcugen_store_size at) { return (uint8_t *)ctx + at; }

static int read(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    eeprom_read_block(to, place(ctx, at), size);
    return 0;
}

static int write(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    eeprom_update_block(from, place(ctx, at), size);
    return 0;
}

mcugen_store mcugen_store_eeprom(uint16_t first, uint16_t bytes) {
    const mcugen_store store = {read, write, NULL, NULL, (void *)first, bytes, 0, 1, false};
    return store;
}

#endif
