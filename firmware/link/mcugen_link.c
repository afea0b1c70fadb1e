/* The board's end of mcugen's serial protocol; see mcugen_link.h.
 *
 * A frame is decoded, answered and encoded in the one buffer: byte 0 is the zero in front, byte 1
 * the first code of COBS, then come the type, the sequence number, the payload and the CRC. */
#include "mcugen_link.h"

#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the protocol sends numbers as they lie in memory, which has to be little-endian"
#endif

enum {
    TYPE = 2,
    PAYLOAD = 5,
    CRC = 4, /* bytes */
    LONGEST = MCUGEN_LINK_FRAME - 1,
    FIRST = MCUGEN_LINK_DATA - 4 /* bytes of output that DONE brings */
};

enum { HELLO = 1, PUT, RUN, GET, ANSWER = 0x80, FAIL = 0xFF };

enum { WRONG_REQUEST = 1, OUT_OF_RANGE, OTHER_INPUT };

/* CRC-32 as Ethernet has it, bit by bit: a table would take flash, and a frame is short. */
static uint32_t crc_over(uint32_t crc, const uint8_t *bytes, size_t size) {
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

static uint32_t crc_of_all(const mcugen_link_bytes *all) {
    uint32_t crc = 0xFFFFFFFFu;
    const mcugen_link_span *span = all->spans;
    for (size_t left = all->size; left > 0; left -= span->size, span++)
        crc = crc_over(crc, (const uint8_t *)span->data, span->size);
    return ~crc;
}

static uint32_t crc_of(const uint8_t *frame, uint8_t end) {
    return ~crc_over(0xFFFFFFFFu, frame + TYPE, (size_t)(end - TYPE));
}

static void write_u32(uint8_t *bytes, uint32_t number) { memcpy(bytes, &number, sizeof number); }

static uint16_t read_u16(const uint8_t *bytes) {
    uint16_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

static uint32_t read_u32(const uint8_t *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

/* Copies `size` bytes from `offset` on, to the arrays or from them; they have to be there. */
static void copy(const mcugen_link_span *span, size_t offset, uint8_t *bytes, uint8_t size,
                 bool to_span) {
    for (; size > 0; span++) {
        for (; offset < span->size && size > 0; offset++, size--, bytes++) {
            uint8_t *there = (uint8_t *)span->data + offset;
            if (to_span)
                *there = *bytes;
            else
                *bytes = *there;
        }
        offset -= span->size;
    }
}

/* Sends the frame with its CRC; its type, its sequence number and `size` bytes of payload stand. */
static void send(mcugen_link *link, uint8_t size) {
    uint8_t *frame = link->frame;
    uint8_t end = (uint8_t)(PAYLOAD + size);
    write_u32(frame + end, crc_of(frame, end));
    end = (uint8_t)(end + CRC);
    frame[0] = 0;
    frame[end] = 0;
    uint8_t code = 1; /* every zero becomes the way to the next one */
    for (uint8_t at = TYPE; at <= end; at++) {
        if (frame[at] != 0)
            continue;
        frame[code] = (uint8_t)(at - code);
        code = at;
    }
    link->model->write(frame, (size_t)end + 1);
}

/* The answers: each turns the request in the frame into its answer, and returns its payload's size.
 */

static uint8_t fail(uint8_t *frame, uint8_t why) {
    frame[TYPE] = FAIL;
    frame[PAYLOAD] = why;
    return 1;
}

static uint8_t greet(const mcugen_link_model *model, uint8_t *frame) {
    uint8_t *to = frame + PAYLOAD;
    to[0] = MCUGEN_LINK_VERSION;
    memcpy(to + 1, model->hash, MCUGEN_LINK_HASH);
    write_u32(to + 1 + MCUGEN_LINK_HASH, (uint32_t)model->inputs.size);
    write_u32(to + 5 + MCUGEN_LINK_HASH, (uint32_t)model->outputs.size);
    to[9 + MCUGEN_LINK_HASH] = MCUGEN_LINK_DATA;
    return 10 + MCUGEN_LINK_HASH;
}

/* PUT and GET: `size` bytes between the frame and the arrays. */
static uint8_t move(const mcugen_link_bytes *all, uint8_t *frame, uint8_t size, bool to_arrays) {
    uint8_t *payload = frame + PAYLOAD;
    const uint32_t offset = read_u32(payload);
    if (size > MCUGEN_LINK_DATA || offset > all->size || size > all->size - offset)
        return fail(frame, OUT_OF_RANGE);
    copy(all->spans, (size_t)offset, payload + 4, size, to_arrays);
    return to_arrays ? 0 : (uint8_t)(4 + size);
}

/* Whether the model has taken the row of this request: now, or when the request came first and its
 * answer was lost. */
static bool take_row(mcugen_link *link, const uint8_t *frame) {
    const uint16_t number = read_u16(frame + TYPE + 1), row = read_u16(frame + PAYLOAD + 5);
    if (number == link->number && row + 1u == link->row)
        return true;
    if (row >= link->model->rows || (row != 0 && row != link->row))
        return false;
    link->microseconds = link->model->run(row);
    link->number = number;
    link->row = (uint16_t)(row + 1);
    return true;
}

static uint8_t run(mcugen_link *link, uint8_t *frame) {
    const mcugen_link_model *model = link->model;
    uint8_t *payload = frame + PAYLOAD;
    if (read_u32(payload) != crc_of_all(&model->inputs))
        return fail(frame, OTHER_INPUT);
    if (model->rows == 0)
        link->microseconds = model->run(0);
    else if (!take_row(link, frame))
        return fail(frame, OTHER_INPUT);
    uint8_t size = payload[4];
    if (size > FIRST)
        size = FIRST;
    if (size > model->outputs.size)
        size = (uint8_t)model->outputs.size;
    write_u32(payload, link->microseconds);
    write_u32(payload + 4, crc_of_all(&model->outputs));
    copy(model->outputs.spans, 0, payload + 8, size, false);
    return (uint8_t)(8 + size);
}

static uint8_t serve(mcugen_link *link, uint8_t size) {
    const mcugen_link_model *model = link->model;
    uint8_t *frame = link->frame;
    const uint8_t type = frame[TYPE];
    frame[TYPE] = (uint8_t)(type | ANSWER);
    if (type == HELLO && size == 0)
        return greet(model, frame);
    if (type == PUT && size >= 4)
        return move(&model->inputs, frame, (uint8_t)(size - 4), true);
    if (type == RUN && size == (model->rows == 0 ? 5 : 7))
        return run(link, frame);
    if (type == GET && size == 5)
        return move(&model->outputs, frame, frame[PAYLOAD + 4], false);
    return fail(frame, WRONG_REQUEST);
}

/* Turns every code of COBS back into its zero; false when they do not end with the frame. */
static bool decode(uint8_t *frame, uint8_t end) {
    uint8_t at = 1;
    while (at < end) {
        const uint8_t code = frame[at];
        if (code > end - at)
            return false;
        frame[at] = 0;
        at = (uint8_t)(at + code);
    }
    return true;
}

static void end_frame(mcugen_link *link, uint8_t end) {
    if (end < PAYLOAD + CRC || !decode(link->frame, end))
        return;
    const uint8_t crc = (uint8_t)(end - CRC);
    if (read_u32(link->frame + crc) == crc_of(link->frame, crc))
        send(link, serve(link, (uint8_t)(crc - PAYLOAD)));
}

bool mcugen_link_take(mcugen_link *link, uint8_t byte) {
    if (byte == 0) {
        const uint8_t end = link->next;
        link->next = end > 1 ? 0 : 1;
        if (end > 1)
            end_frame(link, end);
        return true;
    }
    if (link->next == 0)
        return false;
    if (link->next == LONGEST) {
        link->next = 0; /* no frame is as long: text again, or nobody could type here any more */
        return true;
    }
    link->frame[link->next++] = byte;
    return true;
}
