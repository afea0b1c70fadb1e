/* Unit tests of firmware/store, for this computer under ASan and UBSan. Exit status 0 when all
 * pass; a sanitizer ends the program. The argument names a file that may be written. */
#include "../store/mcugen_store_file.h"
#include "../store/mcugen_store_ram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, on->name);         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { SCHEMA = 0x1234ABCD, LONGEST = 256, RANDOM_CUTS = 10000 };

/* ---- media ------------------------------------------------------------------------------------
 */

typedef struct {
    const char *name;
    uint32_t bytes, page;
    uint8_t word;
    uint32_t payload;
    uint16_t slots;
} medium;

static const medium media[] = {
    {"EEPROM", 300, 0, 1, 40, 5},
    {"EEPROM with two slots", 130, 0, 1, 45, 2},
    {"flash, three records to a page", 512, 256, 4, 45, 6},
    {"flash, a record a page", 512, 128, 8, 80, 4},
    {"flash, two pages a record", 512, 64, 4, 90, 4},
    {"flash, words of 64 bytes", 512, 256, 64, 60, 4},
};
enum { MEDIA = sizeof media / sizeof *media };

static const medium *on = &media[0];
static uint8_t *cells; /* in a block of its own, so that a sanitizer sees a step outside */
static mcugen_store_ram_state ram;
static mcugen_store store;

static uint32_t noise_state = 1;

static uint32_t noise(void) {
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 17;
    noise_state ^= noise_state << 5;
    return noise_state;
}

static void set_up(const medium *which) {
    on = which;
    cells = (uint8_t *)realloc(cells, on->bytes);
    CHECK(cells != NULL);
    memset(cells, 0xFF, on->bytes);
    store = mcugen_store_ram(&ram, cells, on->bytes, on->page, on->word);
}

/* The payload of a number: no two that follow each other are the same. */
static const uint8_t *payload_of(uint32_t number) {
    static uint8_t bytes[LONGEST];
    for (uint32_t i = 0; i < on->payload; i++)
        bytes[i] = (uint8_t)(i < 4 ? number >> 8 * i : number * 7 + i * i);
    return bytes;
}

static int save(uint32_t number) {
    return mcugen_store_save(&store, SCHEMA, payload_of(number), on->payload);
}

static uint8_t loaded[LONGEST];

static int load(void) { return mcugen_store_load(&store, SCHEMA, loaded, on->payload); }

static bool loads(uint32_t number) {
    memset(loaded, 0xA5, sizeof loaded);
    return load() == 0 && memcmp(loaded, payload_of(number), on->payload) == 0;
}

static bool fails_to_load(int why) {
    memset(loaded, 0xA5, sizeof loaded);
    if (load() != why)
        return false;
    for (uint32_t i = 0; i < LONGEST; i++) {
        if (loaded[i] != 0xA5)
            return false;
    }
    return true;
}

/* ---- records, by code of the test's own -------------------------------------------------------
 */

static void put_u32(uint8_t *to, uint32_t number) {
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        const uint32_t odd = (crc ^ (uint32_t)(bytes[bit / 8] >> bit % 8)) & 1u;
        crc = crc >> 1 ^ (odd ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

/* Writes a record that any firmware may have left. */
static void leave(uint8_t *at, uint8_t version, uint32_t sequence, uint32_t number) {
    memcpy(at, "mcg", 3);
    at[3] = version;
    put_u32(at + 4, SCHEMA);
    put_u32(at + 8, sequence);
    put_u32(at + 12, on->payload);
    memcpy(at + 16, payload_of(number), on->payload);
    put_u32(at + 16 + on->payload, crc32_of(at, 16 + on->payload));
}

/* ---- tests on every medium --------------------------------------------------------------------
 */

static void test_an_erased_store_is_empty(void) {
    CHECK(fails_to_load(MCUGEN_STORE_E_EMPTY));
    CHECK(mcugen_store_slots(&store, on->payload) == on->slots);
}

static void test_garbage_is_empty(void) {
    for (int round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < on->bytes; i++)
            cells[i] = (uint8_t)(noise() >> 9);
        CHECK(fails_to_load(MCUGEN_STORE_E_EMPTY));
        CHECK(save(3) == 0 && loads(3));
    }
}

static void test_a_record_is_what_the_documentation_says(void) {
    uint8_t wanted[LONGEST];
    CHECK(save(5) == 0);
    leave(wanted, 1, 0, 5);
    CHECK(memcmp(cells, wanted, on->payload + MCUGEN_STORE_OVERHEAD) == 0);
}

static void test_the_newest_is_loaded(void) {
    for (uint32_t i = 0; i < 100; i++)
        CHECK(save(i) == 0 && loads(i));
}

static void test_what_is_there_is_not_written_again(void) {
    for (uint32_t i = 0; i < 20; i++) {
        CHECK(save(i) == 0);
        ram.used = 0;
        CHECK(save(i) == 0 && ram.used == 0 && loads(i));
    }
}

static void test_another_schema_length_or_version(void) {
    CHECK(save(1) == 0);
    memset(loaded, 0xA5, sizeof loaded);
    CHECK(mcugen_store_load(&store, SCHEMA + 1, loaded, on->payload) == MCUGEN_STORE_E_SCHEMA);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, on->payload - 1) == MCUGEN_STORE_E_SCHEMA);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, on->payload / 3) == MCUGEN_STORE_E_SCHEMA);
    CHECK(loaded[0] == 0xA5);
    CHECK(mcugen_store_save(&store, SCHEMA + 1, payload_of(2), on->payload) == 0);
    CHECK(mcugen_store_load(&store, SCHEMA + 1, loaded, on->payload) == 0);
    CHECK(fails_to_load(MCUGEN_STORE_E_SCHEMA)); /* never an older one than what was saved last */
    memset(cells, 0xFF, on->bytes);
    leave(cells, MCUGEN_STORE_VERSION + 1, 7, 1);
    CHECK(fails_to_load(MCUGEN_STORE_E_SCHEMA));
    CHECK(save(4) == 0 && loads(4));
}

/* Where the newest record is. */
static uint8_t *newest(void) {
    uint8_t *found = NULL;
    for (uint32_t at = 0; at + on->payload + MCUGEN_STORE_OVERHEAD <= on->bytes; at++) {
        if (memcmp(cells + at, "mcg", 3) == 0 && (found == NULL || cells[at + 8] > found[8]))
            found = cells + at;
    }
    CHECK(found != NULL);
    return found;
}

static void test_every_damaged_bit_is_noticed(void) {
    CHECK(save(1) == 0 && save(2) == 0);
    uint8_t *record = newest();
    for (uint32_t bit = 0; bit < 8 * (on->payload + MCUGEN_STORE_OVERHEAD); bit++) {
        const uint8_t was = record[bit / 8];
        record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(loads(1));
        record[bit / 8] = (uint8_t)~was;
        CHECK(loads(1));
        record[bit / 8] = was;
    }
    CHECK(loads(2));
    record[0] ^= 1u;
    newest()[20] ^= 1u;
    CHECK(fails_to_load(MCUGEN_STORE_E_EMPTY));
}

static void test_sequence_numbers_wrap_around(void) {
    leave(cells, MCUGEN_STORE_VERSION, 0xFFFFFFFDu, 99);
    for (uint32_t i = 0; i < 40; i++)
        CHECK(save(i) == 0 && loads(i));
}

static void test_slots_wear_alike(void) {
    static uint32_t wear[1024];
    memset(wear, 0, sizeof wear);
    ram.wear = wear;
    for (uint32_t i = 0; i < 6000; i++)
        CHECK(mcugen_store_save(&store, SCHEMA, payload_of(noise()), on->payload) == 0);
    const uint32_t slot = on->page != 0 ? 1 : on->payload + MCUGEN_STORE_OVERHEAD;
    const uint32_t units = on->page != 0 ? on->bytes / on->page : on->slots;
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < units; i++) {
        uint32_t worst = 0;
        for (uint32_t j = 0; j < slot; j++)
            worst = wear[i * slot + j] > worst ? wear[i * slot + j] : worst;
        least = worst < least ? worst : least;
        most = worst > most ? worst : most;
    }
    printf("%s: wear %u to %u\n", on->name, (unsigned)least, (unsigned)most);
    CHECK(least > 0 && most <= 2 * least);
    CHECK(most <= 6000u / on->slots + 1); /* as often as the report says */
}

static uint32_t cuts, lost; /* power cuts, and how many left neither record */

/* Cuts `power` bytes into the save of `number`; the newest before it was `last`. */
static void cut(uint32_t number, uint32_t last, bool any, uint32_t power, mcugen_store_torn torn) {
    ram.power = power;
    ram.torn = torn;
    ram.seed = noise();
    const int said = save(number);
    ram.power = UINT32_MAX;
    const bool kept =
        loads(number) || (said != 0 && (any ? loads(last) : fails_to_load(MCUGEN_STORE_E_EMPTY)));
    cuts++;
    lost += !kept;
}

static void test_a_cut_at_every_byte(void) {
    uint8_t before[1024];
    for (uint32_t saves = 0; saves <= on->slots + 1u; saves++) {
        if (saves > 0)
            CHECK(save(saves - 1) == 0);
        memcpy(before, cells, on->bytes);
        ram.used = 0;
        CHECK(save(saves) == 0);
        const uint32_t all = ram.used;
        CHECK(all > on->payload / 2);
        for (uint32_t power = 0; power <= all; power++) {
            for (int torn = MCUGEN_STORE_CUT_BEFORE; torn <= MCUGEN_STORE_CUT_RANDOM; torn++) {
                memcpy(cells, before, on->bytes);
                cut(saves, saves - 1, saves > 0, power, (mcugen_store_torn)torn);
                if (power % 7 == 0) /* and the store still works */
                    CHECK(save(1000) == 0 && loads(1000) && save(1001) == 0 && loads(1001));
            }
        }
        memcpy(cells, before, on->bytes);
    }
}

static void test_random_cuts(void) {
    uint32_t last = 0;
    CHECK(save(0) == 0);
    for (uint32_t i = 1; i <= RANDOM_CUTS; i++) {
        cut(i, last, true, noise() % (2 * on->payload + 3 * on->page),
            (mcugen_store_torn)(noise() % 3));
        last = loads(i) ? i : last;
    }
}

/* Bits that are stuck in all slots but one, then in all but the newest. */
static void test_worn_slots_are_passed_over(void) {
    static uint8_t stuck[1024];
    const uint32_t unit = on->page == 0 ? on->payload + MCUGEN_STORE_OVERHEAD : on->bytes / 2;
    const uint32_t units = on->bytes / unit;
    ram.stuck = stuck;
    for (uint32_t good = 0; good + 1 < units; good++) {
        memset(cells, 0xFF, on->bytes);
        memset(stuck, 0xFF, sizeof stuck);
        memset(stuck + good * unit, 0, 2 * unit); /* two good ones */
        for (uint32_t i = 0; i < 10; i++)
            CHECK(save(i) == 0 && loads(i));
        memset(stuck, 0xFF, sizeof stuck);
        for (uint32_t i = 10; i < 20; i++)
            CHECK(save(i) == MCUGEN_STORE_E_WORN && loads(9));
    }
}

/* Each byte or page takes so many writes; then it keeps what it has. */
static void test_until_it_is_worn_out(void) {
    enum { ENDURANCE = 30 };
    static uint8_t stuck[1024];
    static uint32_t wear[1024];
    memset(stuck, 0, sizeof stuck);
    memset(wear, 0, sizeof wear);
    ram.stuck = stuck;
    ram.wear = wear;
    uint32_t saves = 0;
    while (save(saves) == 0) {
        CHECK(loads(saves));
        saves++;
        for (uint32_t i = 0; i < on->bytes; i++)
            stuck[i] = wear[on->page == 0 ? i : i / on->page] < ENDURANCE ? 0 : 0xFF;
    }
    CHECK(save(saves) == MCUGEN_STORE_E_WORN && loads(saves - 1));
    CHECK(saves >= (on->slots - 1u) * ENDURANCE);
}

/* ---- tests of a kind of their own -------------------------------------------------------------
 */

static void test_stores_that_cannot_be(void) {
    const mcugen_store good = store;
    CHECK(mcugen_store_slots(&store, 300) == 0);
    CHECK(mcugen_store_slots(&store, UINT32_MAX) == 0);
    CHECK(mcugen_store_slots(&store, 130) == 2 && mcugen_store_slots(&store, 131) == 0);
    CHECK(mcugen_store_save(&store, SCHEMA, payload_of(1), 131) == MCUGEN_STORE_E_ROOM);
    CHECK(mcugen_store_load(&store, SCHEMA, loaded, 131) == MCUGEN_STORE_E_ROOM);
    store.word = 0;
    CHECK(mcugen_store_slots(&store, 1) == 0);
    store.word = 3;
    CHECK(mcugen_store_slots(&store, 1) == 0);
    store = good, store.page = 301;
    CHECK(mcugen_store_slots(&store, 1) == 0);
    store.page = 150, store.word = 4;
    CHECK(mcugen_store_slots(&store, 1) == 0);
    store.word = 1;
    CHECK(mcugen_store_slots(&store, 1) == 14);
    store = good, store.size = 19;
    CHECK(mcugen_store_slots(&store, 0) == 0);
    store.size = UINT32_MAX;
    CHECK(mcugen_store_slots(&store, 1) == 0);
    store.size = UINT32_MAX / 2;
    CHECK(mcugen_store_slots(&store, 0) == UINT16_MAX);
    store.page = UINT32_MAX / 4;
    CHECK(mcugen_store_slots(&store, 0) == UINT16_MAX / 2 * 2);
    CHECK(mcugen_store_slots(&store, UINT32_MAX / 4 - 20) == 2);
    CHECK(mcugen_store_slots(&store, UINT32_MAX / 4 - 19) == 0);
}

static void test_one_slot_where_that_is_allowed(void) {
    store.one_slot = true;
    CHECK(mcugen_store_slots(&store, 280) == 1 && mcugen_store_slots(&store, 281) == 0);
    const medium *was = on;
    static const medium alone[] = {{"EEPROM with one slot", 0, 0, 1, 200, 1},
                                   {"flash with one page", 0, 300, 4, 60, 3}};
    for (int i = 0; i < 2; i++) {
        on = &alone[i];
        memset(cells, 0xFF, was->bytes);
        store = mcugen_store_ram(&ram, cells, was->bytes, on->page, on->word);
        store.one_slot = true;
        CHECK(mcugen_store_slots(&store, on->payload) == on->slots);
        for (uint32_t j = 0; j < 20; j++)
            CHECK(save(j) == 0 && loads(j));
    }
}

static void test_sizes_of_payloads(void) {
    const medium *was = on;
    for (uint32_t size = 0; size <= 130; size++) {
        const medium sized = {"sized", 300, 0, 1, size, 2};
        on = &sized;
        CHECK(save(size) == 0 && load() == 0 && memcmp(loaded, payload_of(size), size) == 0);
    }
    on = was;
}

static int reads_left;

static int read_badly(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    memcpy(to, cells + at, size);
    (void)ctx;
    if (--reads_left == 0)
        *(uint8_t *)to ^= 4u;
    return 0;
}

static void test_what_reads_otherwise_the_second_time(void) {
    CHECK(save(1) == 0);
    store.read = read_badly;
    reads_left = 3 + on->slots; /* behind the header, the payload, the CRC, and the other headers */
    CHECK(load() == MCUGEN_STORE_E_READ);
    CHECK(loads(1));
}

/* ---- a file -----------------------------------------------------------------------------------
 */

static const char *path;
static mcugen_store disk;
static uint32_t power;

static int write_with_power(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    const uint16_t some = (uint16_t)(power < size ? power : size);
    power -= some;
    if (some > 0 && disk.write(ctx, at, from, some) != 0)
        return -1;
    return some == size ? 0 : -1;
}

static void open_store(void) {
    CHECK(mcugen_store_file(&disk, path, on->bytes));
    store = disk;
}

static void test_a_file(void) {
    remove(path);
    open_store();
    CHECK(fails_to_load(MCUGEN_STORE_E_EMPTY));
    for (uint32_t i = 0; i < 10; i++) {
        CHECK(save(i) == 0 && loads(i));
        mcugen_store_file_close(&store);
        open_store();
        CHECK(loads(i));
    }
    mcugen_store_file_close(&store);
    CHECK(!mcugen_store_file(&disk, "/none/such/folder", 100));
    mcugen_store_file_close(&disk);
}

static void test_a_file_cut_anywhere(void) {
    open_store();
    store.write = write_with_power;
    store.commit = NULL; /* the disk's own time is not what is tested */
    uint32_t last = 9;
    for (uint32_t i = 10; i < 10 + RANDOM_CUTS; i++) {
        power = i < 400 ? i % 100 : noise() % (2 * on->payload);
        const int said = save(i);
        if (i % 100 == 0) {
            mcugen_store_file_close(&store);
            open_store();
            store.write = write_with_power;
            store.commit = NULL;
        }
        const bool new_one = loads(i);
        CHECK(new_one || (said != 0 && loads(last)));
        last = new_one ? i : last;
    }
    mcugen_store_file_close(&store);
}

#define TEST(name) {#name, name}

typedef struct {
    const char *name;
    void (*run)(void);
} test;

static const test on_every_medium[] = {
    TEST(test_an_erased_store_is_empty),
    TEST(test_garbage_is_empty),
    TEST(test_a_record_is_what_the_documentation_says),
    TEST(test_the_newest_is_loaded),
    TEST(test_what_is_there_is_not_written_again),
    TEST(test_another_schema_length_or_version),
    TEST(test_every_damaged_bit_is_noticed),
    TEST(test_sequence_numbers_wrap_around),
    TEST(test_slots_wear_alike),
    TEST(test_a_cut_at_every_byte),
    TEST(test_random_cuts),
    TEST(test_worn_slots_are_passed_over),
    TEST(test_until_it_is_worn_out),
};

static const test on_the_first[] = {
    TEST(test_stores_that_cannot_be),
    TEST(test_one_slot_where_that_is_allowed),
    TEST(test_sizes_of_payloads),
    TEST(test_what_reads_otherwise_the_second_time),
    TEST(test_a_file),
    TEST(test_a_file_cut_anywhere),
};

int main(int count, char **arguments) {
    CHECK(count == 2);
    path = arguments[1];
    for (int i = 0; i < MEDIA; i++) {
        for (size_t j = 0; j < sizeof on_every_medium / sizeof *on_every_medium; j++) {
            set_up(&media[i]);
            on_every_medium[j].run();
            CHECK(ram.refused == 0 && lost == 0);
            printf("%s: %s\n", media[i].name, on_every_medium[j].name);
        }
        printf("%s: cuts %u\n", media[i].name, (unsigned)cuts);
        cuts = 0;
    }
    for (size_t j = 0; j < sizeof on_the_first / sizeof *on_the_first; j++) {
        set_up(&media[0]);
        on_the_first[j].run();
        printf("%s\n", on_the_first[j].name);
    }
    free(cells);
    return 0;
}
