/* The store on a chip's own memory: an AVR's EEPROM in simavr, an nRF51's flash in QEMU. The lines
 * whose checks failed are reported, then 0. RANDOM_CUTS comes from outside. */
#include <string.h>

#if defined(__AVR__)

#include "../store/mcugen_store_eeprom.h"
#include <avr/io.h>

enum { FIRST = 5, BYTES = 140, BEYOND = 1, SLOTS = 3 };
#define OPEN mcugen_store_eeprom

enum { TAKE = 4, END = 255 }; /* commands of firmware/simulator/avr_run.c */

static volatile struct {
    uint16_t address;
    uint16_t length;
} block;

static void report(uint16_t line) {
    static uint16_t reported;
    reported = line;
    block.address = (uint16_t)&reported;
    block.length = sizeof reported;
    GPIOR1 = (uint8_t)(uint16_t)&block;
    GPIOR2 = (uint8_t)((uint16_t)&block >> 8);
    GPIOR0 = TAKE;
    __asm__ volatile("" ::: "memory");
    if (line == 0)
        GPIOR0 = END;
}

#else

#include "../store/mcugen_store_flash.h"
#include "mcu.h"

enum { FIRST = 0x3F400, BYTES = 2048, BEYOND = 1024, SLOTS = 46 };
#define OPEN mcugen_store_flash

static void report(uint16_t line) {
    enum { WRITE_CHARACTER = 3 };
    char text[7] = "000000\n";
    for (int i = 5; line > 0; i--, line = (uint16_t)(line / 10))
        text[i] = (char)('0' + line % 10);
    for (int i = 0; i < 7; i++)
        mcu_semihost(WRITE_CHARACTER, text + i);
}

#endif

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            report(__LINE__);                                                                      \
    } while (0)

enum { PAYLOAD = 21, SCHEMA = 0x7788, FOR_EVER = 0x7FFF };
enum { RECORD = PAYLOAD + MCUGEN_STORE_OVERHEAD + 4 }; /* with what makes whole words of it */

static mcugen_store chip, store; /* as it is, and where power goes */
static uint8_t payload[PAYLOAD], loaded[PAYLOAD];
static uint16_t power, used;

/* Cuts the save at a word, and counts what is written. */
static int write_with_power(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    uint16_t some = power < size ? power : size;
    some = (uint16_t)(some - some % chip.word);
    power = (uint16_t)(power - some);
    used = (uint16_t)(used + some);
    if (chip.write(ctx, at, from, some) != 0 || some == size)
        return some == size ? 0 : -1;
    power = 0;
    return -1;
}

static int erase_with_power(void *ctx, mcugen_store_size at) {
    return power == 0 ? -1 : chip.erase(ctx, at);
}

static const uint8_t *payload_of(uint8_t number) {
    for (uint8_t i = 0; i < PAYLOAD; i++)
        payload[i] = (uint8_t)(i == 0 ? number : number * i);
    return payload;
}

static int save(uint8_t number) {
    power = FOR_EVER;
    return mcugen_store_save(&store, SCHEMA, payload_of(number), PAYLOAD);
}

static int load(void) { return mcugen_store_load(&store, SCHEMA, loaded, PAYLOAD); }

static bool loads(uint8_t number) {
    memset(loaded, 0, sizeof loaded);
    return load() == 0 && memcmp(loaded, payload_of(number), PAYLOAD) == 0;
}

static void test_save_and_load(void) {
    CHECK(mcugen_store_slots(&store, PAYLOAD) == SLOTS);
    CHECK(load() == MCUGEN_STORE_E_EMPTY);
    for (uint8_t i = 0; i < 2 * SLOTS + 5; i++) {
        CHECK(save(i) == 0);
        CHECK(loads(i));
    }
    used = 0;
    CHECK(save(2 * SLOTS + 4) == 0 && used == 0);
    CHECK(mcugen_store_load(&store, SCHEMA + 1, loaded, PAYLOAD) == MCUGEN_STORE_E_SCHEMA);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, PAYLOAD - 1) == MCUGEN_STORE_E_SCHEMA);
    CHECK(mcugen_store_save(&store, SCHEMA, payload, BYTES) == MCUGEN_STORE_E_ROOM);
}

/* Nothing in front of the store or behind it was written or erased. */
static void test_around(const mcugen_store *wide, uint8_t byte) {
    uint8_t found[2] = {0, 0};
    wide->read(wide->ctx, BEYOND - 1, found, 1);
    wide->read(wide->ctx, BEYOND + BYTES, found + 1, 1);
    CHECK(found[0] == byte && found[1] == byte);
}

static void test_after_garbage(void) {
    for (mcugen_store_size at = 0; chip.page != 0 && at < BYTES; at += chip.page)
        CHECK(chip.erase(chip.ctx, at) == 0);
    uint8_t bytes[4] = {1, 2, 3, 4};
    for (mcugen_store_size at = 0; at < BYTES; at = (mcugen_store_size)(at + sizeof bytes)) {
        bytes[at % 4] = (uint8_t)(bytes[at % 4] * 5u + at);
        CHECK(chip.write(chip.ctx, at, bytes, sizeof bytes) == 0);
    }
    CHECK(load() == MCUGEN_STORE_E_EMPTY);
    CHECK(save(200) == 0 && loads(200));
}

static uint8_t last = 200, number = 200;

static void cut_at(uint16_t byte) {
    number++;
    power = byte;
    const int said = mcugen_store_save(&store, SCHEMA, payload_of(number), PAYLOAD);
    power = FOR_EVER;
    CHECK(said == 0 || said == MCUGEN_STORE_E_WORN);
    const bool is_new = loads(number);
    CHECK(is_new || (said != 0 && loads(last)));
    if (is_new)
        last = number;
}

static void test_a_cut_at_every_byte(void) {
    for (uint16_t byte = 0; byte < RECORD; byte++)
        cut_at(byte);
    CHECK(last == number);
}

static void test_random_cuts(void) {
    uint32_t noise = 1;
    for (uint16_t i = 0; i < RANDOM_CUTS; i++) {
        noise = noise * 1103515245u + 12345u;
        cut_at((uint16_t)((noise >> 16) % RECORD));
    }
}

int main(void) {
    const mcugen_store wide = OPEN(FIRST - BEYOND, BYTES + 2 * BEYOND);
    const uint8_t mark[4] = {0x3C, 0x3C, 0x3C, 0x3C};
    for (mcugen_store_size at = 0; wide.page != 0 && at < wide.size; at += wide.page)
        CHECK(wide.erase(wide.ctx, at) == 0);
    wide.write(wide.ctx, (mcugen_store_size)(BEYOND - wide.word), mark, wide.word);
    wide.write(wide.ctx, BEYOND + BYTES, mark, wide.word);
    chip = store = OPEN(FIRST, BYTES);
    store.write = write_with_power;
    if (chip.erase != 0)
        store.erase = erase_with_power;
    test_save_and_load();
    test_after_garbage();
    test_a_cut_at_every_byte();
    test_random_cuts();
    test_around(&wide, mark[0]);
    report(0);
#if defined(__AVR__)
    for (;;) {
    }
#endif
    return 0;
}
