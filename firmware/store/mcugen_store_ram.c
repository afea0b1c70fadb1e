#include "mcugen_store_ram.h"

#include <stddef.h>
#include <string.h>

static uint8_t noise(mcugen_store_ram_state *ram) {
    ram->seed ^= ram->seed << 13;
    ram->seed ^= ram->seed >> 17;
    ram->seed ^= ram->seed << 5;
    return (uint8_t)(ram->seed >> 11);
}

static void set(mcugen_store_ram_state *ram, mcugen_store_size at, uint8_t byte) {
    const uint8_t stuck = ram->stuck == NULL ? 0 : ram->stuck[at];
    ram->cells[at] = (uint8_t)((ram->cells[at] & stuck) | (byte & ~stuck));
}

static void wear_out(mcugen_store_ram_state *ram, mcugen_store_size unit) {
    if (ram->wear != NULL)
        ram->wear[unit]++;
}

static int read_ram(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    memcpy(to, ((const mcugen_store_ram_state *)ctx)->cells + at, size);
    return 0;
}

/* Takes power for one byte; false when there is none any more. */
static bool has_power(mcugen_store_ram_state *ram) {
    if (ram->power == 0)
        return false;
    ram->power--;
    ram->used++;
    return true;
}

/* The byte at which power went: bits of flash only go from 1 to 0. */
static void tear(mcugen_store_ram_state *ram, mcugen_store_size at, uint8_t byte) {
    uint8_t torn = ram->torn == MCUGEN_STORE_CUT_RANDOM ? noise(ram) : 0xFF;
    if (ram->page != 0)
        torn = ram->cells[at] & (uint8_t)(byte | noise(ram));
    if (ram->torn != MCUGEN_STORE_CUT_BEFORE)
        set(ram, at, torn);
}

static int write_eeprom(mcugen_store_ram_state *ram, mcugen_store_size at, const uint8_t *from,
                        uint16_t size) {
    for (uint16_t i = 0; i < size; i++) {
        if (ram->cells[at + i] == from[i])
            continue;
        if (!has_power(ram)) {
            tear(ram, at + i, from[i]);
            ram->torn = MCUGEN_STORE_CUT_BEFORE; /* there is no second one */
            return -1;
        }
        set(ram, at + i, from[i]);
        wear_out(ram, at + i);
    }
    return 0;
}

/* Whether flash takes it: whole words, and all erased. Stuck bits are never erased. */
static bool is_writable(const mcugen_store_ram_state *ram, mcugen_store_size at, uint16_t size) {
    bool good = at % ram->word == 0 && size % ram->word == 0;
    for (uint16_t i = 0; i < size; i++)
        good = good && (ram->cells[at + i] == 0xFF || ram->stuck != NULL);
    return good;
}

static int write_flash(mcugen_store_ram_state *ram, mcugen_store_size at, const uint8_t *from,
                       uint16_t size) {
    if (!is_writable(ram, at, size)) {
        ram->refused++;
        return -1;
    }
    for (uint16_t i = 0; i < size; i++) {
        if (!has_power(ram)) {
            tear(ram, at + i, from[i]);
            ram->torn = MCUGEN_STORE_CUT_BEFORE;
            return -1;
        }
        set(ram, at + i, ram->cells[at + i] & from[i]);
    }
    return 0;
}

static int write_ram(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    mcugen_store_ram_state *ram = (mcugen_store_ram_state *)ctx;
    return ram->page == 0 ? write_eeprom(ram, at, (const uint8_t *)from, size)
                          : write_flash(ram, at, (const uint8_t *)from, size);
}

/* A page that power leaves half erased has any bits; one that it leaves at the first byte is as it
 * was. */
static int erase_ram(void *ctx, mcugen_store_size at) {
    mcugen_store_ram_state *ram = (mcugen_store_ram_state *)ctx;
    const bool all = ram->power >= ram->page;
    const bool any = ram->power > 0;
    for (mcugen_store_size i = 0; i < ram->page; i++) {
        if (has_power(ram) || any)
            set(ram, at + i, all ? 0xFF : noise(ram));
    }
    if (any)
        wear_out(ram, at / ram->page);
    return all ? 0 : -1;
}

mcugen_store mcugen_store_ram(mcugen_store_ram_state *ram, uint8_t *cells, mcugen_store_size bytes,
                              mcugen_store_size page, uint8_t word) {
    memset(ram, 0, sizeof *ram);
    ram->cells = cells;
    ram->page = page;
    ram->word = word;
    ram->power = UINT32_MAX;
    ram->seed = 1;
    const mcugen_store store = {
        read_ram, write_ram, page == 0 ? NULL : erase_ram, NULL, ram, bytes, page, word, false};
    return store;
}
