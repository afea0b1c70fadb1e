/* Records in slots; see mcugen_store.h.
 *
 * Where nothing is erased, a slot is a record. In flash, slots lie in groups that are erased
 * together: a page with as many records as fit, or as many pages as one record takes. A save that
 * comes to a group's first slot erases the group; in any other it writes where all is blank. It
 * ends in front of the newest record's group, which is never erased. */
#include "mcugen_store.h"

#include <stddef.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records hold numbers as they lie in memory, which has to be little-endian"
#endif

#define LARGEST ((mcugen_store_size) - 1 / 2) /* of a store: no sum below wraps */

enum { HEADER = 16, CRC = 4, CHUNK = MCUGEN_STORE_CHUNK };

typedef struct {
    uint8_t magic[3];
    uint8_t version;
    uint32_t schema;
    uint32_t sequence;
    uint32_t size; /* of the payload */
} header;

typedef char header_has_no_holes[sizeof(header) == HEADER ? 1 : -1];

typedef struct {
    header head;
    uint32_t crc;
    uint16_t slot;
} record;

typedef struct {
    mcugen_store_size slot;  /* bytes */
    mcugen_store_size group; /* bytes */
    uint16_t in_group;
    uint16_t slots;
} layout;

static const uint8_t blank = 0xFF;

/* ---- where slots lie ------------------------------------------------------------------------ */

static mcugen_store_size rounded_up(mcugen_store_size bytes, mcugen_store_size unit) {
    return (mcugen_store_size)((bytes + unit - 1u) / unit * unit);
}

static bool has_pages(const mcugen_store *store) { return MCUGEN_STORE_PAGES && store->page != 0; }

static bool is_store(const mcugen_store *store) {
    return store->size >= MCUGEN_STORE_OVERHEAD && store->size <= LARGEST && store->word != 0 &&
           CHUNK % store->word == 0 &&
           (MCUGEN_STORE_PAGES ? store->page <= store->size && store->page % store->word == 0
                               : store->page == 0);
}

static layout layout_of(const mcugen_store *store, mcugen_store_size size) {
    layout all = {0, 0, 1, 0};
    if (!is_store(store) || size > store->size - MCUGEN_STORE_OVERHEAD)
        return all;
    all.slot = rounded_up((mcugen_store_size)(size + MCUGEN_STORE_OVERHEAD), store->word);
    all.group = !has_pages(store) ? all.slot : rounded_up(all.slot, store->page);
    mcugen_store_size in_group = MCUGEN_STORE_PAGES ? all.group / all.slot : 1;
    mcugen_store_size groups = store->size / all.group;
    if (groups < (store->one_slot ? 1u : 2u))
        return all;
    if (in_group > UINT16_MAX / 2)
        in_group = UINT16_MAX / 2;
    if (groups > UINT16_MAX / in_group)
        groups = UINT16_MAX / in_group;
    all.in_group = (uint16_t)in_group;
    all.slots = (uint16_t)(groups * in_group);
    return all;
}

static uint16_t group_of(const layout *all, uint16_t slot) {
    return MCUGEN_STORE_PAGES ? (uint16_t)(slot / all->in_group) : slot;
}

static uint16_t number_in_group(const layout *all, uint16_t slot) {
    return MCUGEN_STORE_PAGES ? (uint16_t)(slot % all->in_group) : 0;
}

static mcugen_store_size place_of(const layout *all, uint16_t slot) {
    return (mcugen_store_size)(group_of(all, slot) * all->group +
                               number_in_group(all, slot) * all->slot);
}

uint16_t mcugen_store_slots(const mcugen_store *store, mcugen_store_size size) {
    return layout_of(store, size).slots;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* CRC-32 as Ethernet has it, bit by bit: a table would take flash, and writing takes longer. */
static uint32_t crc_over(uint32_t crc, const void *data, mcugen_store_size size) {
    const uint8_t *bytes = (const uint8_t *)data;
    for (; size > 0; size--) {
        crc ^= *bytes++;
        for (uint8_t bit = 8; bit > 0; bit--) {
            const bool carry = (crc & 1u) != 0;
            crc >>= 1;
            if (carry)
                crc ^= 0xEDB88320u;
        }
    }
    return crc;
}

/* The CRC of a record whose payload is in RAM. */
static uint32_t crc_of(const header *head, const void *payload) {
    const uint32_t crc = crc_over(0xFFFFFFFFu, head, HEADER);
    return ~crc_over(crc, payload, (mcugen_store_size)head->size);
}

static bool read(const mcugen_store *store, mcugen_store_size at, void *to, uint16_t size) {
    return store->read(store->ctx, at, to, size) == 0;
}

static uint16_t piece_of(mcugen_store_size left) {
    return (uint16_t)(left < (mcugen_store_size)CHUNK ? left : (mcugen_store_size)CHUNK);
}

/* Whether there is a whole record at an address; `found` is spoiled where there is none. */
static bool is_record(const mcugen_store *store, mcugen_store_size at, record *found) {
    header *head = &found->head;
    if (!read(store, at, head, HEADER) || memcmp(head->magic, "mcg", sizeof head->magic) != 0 ||
        store->size - at < MCUGEN_STORE_OVERHEAD ||
        head->size > store->size - at - MCUGEN_STORE_OVERHEAD)
        return false;
    uint32_t crc = crc_over(0xFFFFFFFFu, head, HEADER);
    at = (mcugen_store_size)(at + HEADER);
    uint8_t chunk[CHUNK];
    for (mcugen_store_size left = (mcugen_store_size)head->size; left > 0;) {
        const uint16_t size = piece_of(left);
        if (!read(store, at, chunk, size))
            return false;
        crc = crc_over(crc, chunk, size);
        at = (mcugen_store_size)(at + size);
        left = (mcugen_store_size)(left - size);
    }
    return read(store, at, &found->crc, CRC) && found->crc == ~crc;
}

static bool is_newer(const record *one, const record *other) {
    const uint32_t ahead = one->head.sequence - other->head.sequence; /* it wraps around */
    return ahead != 0 && ahead < 0x80000000u;
}

/* The newest record of any schema; false where there is none. */
static bool find_newest(const mcugen_store *store, const layout *all, record *newest) {
    bool any = false;
    for (uint16_t slot = 0; slot < all->slots; slot++) {
        record one;
        if (!is_record(store, place_of(all, slot), &one) || (any && !is_newer(&one, newest)))
            continue;
        one.slot = slot;
        *newest = one;
        any = true;
    }
    return any;
}

static bool is_of(const record *one, uint32_t schema, mcugen_store_size size) {
    return one->head.version == MCUGEN_STORE_VERSION && one->head.schema == schema &&
           one->head.size == size;
}

int mcugen_store_load(const mcugen_store *store, uint32_t schema, void *payload,
                      mcugen_store_size size) {
    const layout all = layout_of(store, size);
    record newest;
    if (all.slots == 0)
        return MCUGEN_STORE_E_ROOM;
    if (!find_newest(store, &all, &newest))
        return MCUGEN_STORE_E_EMPTY;
    if (!is_of(&newest, schema, size))
        return MCUGEN_STORE_E_SCHEMA;
    uint8_t *to = (uint8_t *)payload;
    mcugen_store_size at = (mcugen_store_size)(place_of(&all, newest.slot) + HEADER);
    while (size > 0) {
        const uint16_t piece = piece_of(size);
        if (!read(store, at, to, piece))
            return MCUGEN_STORE_E_READ;
        to += piece;
        at = (mcugen_store_size)(at + piece);
        size = (mcugen_store_size)(size - piece);
    }
    return crc_of(&newest.head, payload) == newest.crc ? 0 : MCUGEN_STORE_E_READ;
}

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct {
    const mcugen_store *store;
    mcugen_store_size at; /* where the chunk goes */
    uint8_t used;
    uint8_t chunk[CHUNK];
} writer;

static bool flush(writer *to) {
    if (to->store->write(to->store->ctx, to->at, to->chunk, to->used) != 0)
        return false;
    to->at = (mcugen_store_size)(to->at + to->used);
    to->used = 0;
    return true;
}

static bool put(writer *to, const void *data, mcugen_store_size size) {
    const uint8_t *bytes = (const uint8_t *)data;
    for (; size > 0; size--) {
        to->chunk[to->used++] = *bytes++;
        if (to->used == CHUNK && !flush(to))
            return false;
    }
    return true;
}

/* What is left, filled up to whole words. */
static bool end(writer *to) {
    while (to->used % to->store->word != 0)
        to->chunk[to->used++] = blank;
    return to->used == 0 || flush(to);
}

/* Writes a record, and reads it back. */
static bool write_record(const mcugen_store *store, mcugen_store_size at, const record *one,
                         const void *payload) {
    writer to;
    to.store = store;
    to.at = at;
    to.used = 0;
    if (!put(&to, &one->head, HEADER) || !put(&to, payload, (mcugen_store_size)one->head.size) ||
        !put(&to, &one->crc, CRC) || !end(&to) ||
        (store->commit != NULL && store->commit(store->ctx) != 0))
        return false;
    record back;
    return is_record(store, at, &back) && back.crc == one->crc;
}

static bool is_blank(const mcugen_store *store, mcugen_store_size at, mcugen_store_size size) {
    uint8_t chunk[CHUNK];
    for (mcugen_store_size done = 0; done < size;) {
        const uint16_t piece = piece_of(size - done);
        if (!read(store, at + done, chunk, piece))
            return false;
        done += piece;
        for (uint16_t i = 0; i < piece; i++) {
            if (chunk[i] != blank)
                return false;
        }
    }
    return true;
}

/* Makes a slot ready for a record; false where it cannot be. */
static bool clear_slot(const mcugen_store *store, const layout *all, uint16_t slot) {
    if (!has_pages(store))
        return true;
    mcugen_store_size at = place_of(all, slot);
    if (number_in_group(all, slot) != 0)
        return is_blank(store, at, all->slot);
    for (const mcugen_store_size behind = at + all->group; at < behind; at += store->page) {
        if (store->erase(store->ctx, at) != 0)
            return false;
    }
    return true;
}

int mcugen_store_save(const mcugen_store *store, uint32_t schema, const void *payload,
                      mcugen_store_size size) {
    const layout all = layout_of(store, size);
    if (all.slots == 0)
        return MCUGEN_STORE_E_ROOM;
    record next = {{{'m', 'c', 'g'}, 0, 0, (uint32_t)-1, 0}, 0, (uint16_t)(all.slots - 1)};
    const bool any = find_newest(store, &all, &next);
    if (any && is_of(&next, schema, size) && crc_of(&next.head, payload) == next.crc)
        return 0;
    next.head.version = MCUGEN_STORE_VERSION;
    next.head.schema = schema;
    next.head.sequence++;
    next.head.size = size;
    next.crc = crc_of(&next.head, payload);
    const uint16_t newest = next.slot;
    const bool keep = any && all.slots != all.in_group; /* there is a group beside the newest's */
    for (uint16_t left = all.slots; left > 0; left--) {
        if (++next.slot == all.slots)
            next.slot = 0;
        if (keep && number_in_group(&all, next.slot) == 0 &&
            group_of(&all, next.slot) == group_of(&all, newest))
            break;
        if (clear_slot(store, &all, next.slot) &&
            write_record(store, place_of(&all, next.slot), &next, payload))
            return 0;
    }
    return MCUGEN_STORE_E_WORN;
}
