/* State that survives a power cut: records in slots of an EEPROM, of flash, of a file.
 *
 * A record is what it says about itself (magic, version, schema, sequence number, length), the
 * payload and a CRC-32; the newest whole one counts. A save goes into the slot behind the newest
 * record's and never touches that one: power may go at any byte, and the record that was the newest
 * before is still there. Slots take turns, so that they wear alike. A payload that is the newest
 * record's already is not written again. docs/storage.md of mcugen says more. No heap, no Arduino;
 * the stack holds one chunk, never the payload.
 */
#ifndef MCUGEN_STORE_H
#define MCUGEN_STORE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* On an AVR, which has its EEPROM, nothing is erased by pages, and that part is left out. */
#if defined(__AVR__)
typedef uint16_t mcugen_store_size; /* sizes and addresses */
enum { MCUGEN_STORE_PAGES = 0, MCUGEN_STORE_CHUNK = 16 };
#else
typedef uint32_t mcugen_store_size;
enum { MCUGEN_STORE_PAGES = 1, MCUGEN_STORE_CHUNK = 64 }; /* bytes read or written at once */
#endif

enum {
    MCUGEN_STORE_VERSION = 1,  /* of the record's form */
    MCUGEN_STORE_OVERHEAD = 20 /* bytes of a record beside its payload */
};

enum {
    MCUGEN_STORE_E_EMPTY = -1,  /* load: there is no whole record */
    MCUGEN_STORE_E_SCHEMA = -2, /* load: the newest has another schema, length or version */
    MCUGEN_STORE_E_WORN = -3,   /* save: what was written reads back in no slot but the newest
                                   record's, which stays as it is */
    MCUGEN_STORE_E_ROOM = -4,   /* two records do not fit, or the store's numbers cannot be */
    MCUGEN_STORE_E_READ = -5    /* load: the record read otherwise the second time; the payload is
                                   spoiled, which no other code says */
};

/* Where records are. The functions return 0 where they succeeded; addresses begin with 0, sizes are
 * at most MCUGEN_STORE_CHUNK. One of this module's back-ends fills it in, or you do. */
typedef struct {
    int (*read)(void *ctx, mcugen_store_size at, void *to, uint16_t size);
    /* Writes whole words to a word's address. With pages: once, on what was erased. Without:
     * over what is there, and bytes that are the same already need not be written. */
    int (*write)(void *ctx, mcugen_store_size at, const void *from, uint16_t size);
    /* The page there becomes 0xFF; NULL without pages. */
    int (*erase)(void *ctx, mcugen_store_size at);
    /* All of a record is written: make it last. May be NULL. */
    int (*commit)(void *ctx);
    void *ctx;
    mcugen_store_size size; /* bytes, fewer than 2^31 (AVR: 2^15) */
    mcugen_store_size page; /* bytes that are erased at once; 0 where bytes are written over */
    uint8_t word;  /* bytes that are written at once; divides MCUGEN_STORE_CHUNK and the page */
    bool one_slot; /* allows a store with room for one record: a cut during a save loses it */
} mcugen_store;

/* Saves a payload. Returns 0, E_WORN or E_ROOM. A slot that does not read back is passed over for
 * the next; two good ones are enough. The payload must stay as it is meanwhile: one that an
 * interrupt changes does not read back either. */
int mcugen_store_save(const mcugen_store *store, uint32_t schema, const void *payload,
                      mcugen_store_size size);

/* Loads the newest payload. Returns 0, E_EMPTY, E_SCHEMA, E_ROOM or E_READ. */
int mcugen_store_load(const mcugen_store *store, uint32_t schema, void *payload,
                      mcugen_store_size size);

/* How many records with a payload of `size` bytes there is room for; 0 where a save is E_ROOM. */
uint16_t mcugen_store_slots(const mcugen_store *store, mcugen_store_size size);

#ifdef __cplusplus
}
#endif

#endif
