/* Unit tests of firmware/link, for this computer under ASan and UBSan. Exit status 0 when all pass;
 * a sanitizer ends the program. Frames are made and read here by code of the test's own. */
#include "../link/mcugen_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELLO = 1, PUT, RUN, GET, GREETING = 0x81, ACK, DONE, DATA, FAIL = 0xFF };
enum { WRONG_REQUEST = 1, OUT_OF_RANGE, OTHER_INPUT };
enum { IN = 60, TAIL = 3, OUT = 70 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- a model of bytes, in blocks of their own so that a sanitizer sees a step outside ----------
 */

static uint8_t *in, *tail, *out;
static unsigned runs, last_row;
static uint8_t sent[1024];
static size_t sent_size;

static uint32_t run_model(uint16_t row) {
    last_row = row;
    runs++;
    for (uint8_t i = 0; i < OUT; i++)
        out[i] = (uint8_t)(in[i % IN] + tail[i % TAIL]);
    return 0x00C0FFEEu;
}

static void keep(const uint8_t *bytes, size_t size) {
    CHECK(size <= MCUGEN_LINK_FRAME && size <= sizeof sent - sent_size);
    memcpy(sent + sent_size, bytes, size);
    sent_size += size;
}

static mcugen_link_span input_spans[2], output_spans[1];
static mcugen_link_model model = {
    {1, 0, 3, 0, 0, 6, 7, 0}, {input_spans, IN + TAIL}, {output_spans, OUT}, run_model, keep, 0};
static mcugen_link *line;

static void *block(size_t size) {
    void *made = calloc(1, size);
    CHECK(made != NULL);
    return made;
}

static void set_up(void) {
    in = (uint8_t *)block(IN);
    tail = (uint8_t *)block(TAIL);
    out = (uint8_t *)block(OUT);
    line = (mcugen_link *)block(sizeof *line);
    input_spans[0].data = in, input_spans[0].size = IN;
    input_spans[1].data = tail, input_spans[1].size = TAIL;
    output_spans[0].data = out, output_spans[0].size = OUT;
    line->model = &model;
    model.rows = 0;
    sent_size = 0;
    runs = 0;
}

static void tear_down(void) {
    free(in);
    free(tail);
    free(out);
    free(line);
}

/* ---- frames -------------------------------------------------------------------------------- */

static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        const uint32_t odd = (crc ^ (uint32_t)(bytes[bit / 8] >> bit % 8)) & 1u;
        crc = crc >> 1 ^ (odd ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

static void put_u32(uint8_t *to, uint32_t number) {
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static uint32_t get_u32(const uint8_t *from) {
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* The frame on the wire for a body of type, number and payload; returns its size. */
static size_t make(uint8_t *wire, uint8_t type, uint16_t number, const void *payload, size_t size) {
    uint8_t body[256];
    CHECK(size < 240);
    body[0] = type;
    body[1] = (uint8_t)number;
    body[2] = (uint8_t)(number >> 8);
    if (size > 0)
        memcpy(body + 3, payload, size);
    put_u32(body + 3 + size, crc32_of(body, 3 + size));
    size_t at = 0, code = 1;
    wire[at++] = 0;
    wire[at++] = 1;
    for (size_t i = 0; i < size + 7; i++) {
        if (body[i] == 0) {
            code = at;
            wire[at++] = 1;
        } else {
            wire[at++] = body[i];
            wire[code]++;
        }
    }
    wire[at++] = 0;
    return at;
}

static size_t feed(const uint8_t *bytes, size_t size) {
    size_t text = 0;
    for (size_t i = 0; i < size; i++)
        text += mcugen_link_take(line, bytes[i]) ? 0 : 1;
    return text;
}

static uint8_t body[MCUGEN_LINK_FRAME];

/* Reads the one frame that was sent into `body`; returns its payload's size. */
static size_t answered(uint8_t type, uint16_t number) {
    size_t size = 0;
    CHECK(sent_size >= 9 && sent[0] == 0 && sent[sent_size - 1] == 0);
    for (size_t at = 1; at < sent_size - 1;) {
        const size_t end = at + sent[at];
        CHECK(sent[at] != 0 && end <= sent_size - 1);
        for (at++; at < end; at++) {
            CHECK(sent[at] != 0);
            body[size++] = sent[at];
        }
        if (at < sent_size - 1)
            body[size++] = 0;
    }
    sent_size = 0;
    CHECK(size >= 7 && get_u32(body + size - 4) == crc32_of(body, size - 4));
    CHECK(body[0] == type && body[1] == (uint8_t)number && body[2] == number >> 8);
    return size - 7;
}

static size_t ask(uint8_t type, uint16_t number, const void *payload, size_t size) {
    uint8_t wire[300];
    CHECK(feed(wire, make(wire, type, number, payload, size)) == 0);
    return sent_size;
}

static void refused(uint8_t type, const void *payload, size_t size, uint8_t why) {
    ask(type, 77, payload, size);
    CHECK(answered(FAIL, 77) == 1 && body[3] == why);
}

/* ---- the tests ------------------------------------------------------------------------------- */

static const uint8_t hello[] = {0x00, 0x03, 0x01, 0x01, 0x05, 0x64, 0x82, 0x98, 0xE7, 0x00};

static void test_the_example_of_the_documentation(void) {
    CHECK(feed(hello, sizeof hello) == 0);
    CHECK(answered(GREETING, 1) == 18);
}

static void test_hello(void) {
    ask(HELLO, 0xBEEF, NULL, 0);
    CHECK(answered(GREETING, 0xBEEF) == 18);
    CHECK(body[3] == MCUGEN_LINK_VERSION);
    CHECK(memcmp(body + 4, model.hash, 8) == 0);
    CHECK(get_u32(body + 12) == IN + TAIL && get_u32(body + 16) == OUT);
    CHECK(body[20] == MCUGEN_LINK_DATA);
}

static void put(uint32_t offset, const uint8_t *data, size_t size) {
    uint8_t payload[64];
    put_u32(payload, offset);
    memcpy(payload + 4, data, size);
    ask(PUT, 3, payload, 4 + size);
}

static void test_put_over_the_arrays_border(void) {
    uint8_t data[MCUGEN_LINK_DATA];
    for (uint8_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i % 5);
    put(IN + TAIL - sizeof data, data, sizeof data);
    CHECK(answered(ACK, 3) == 0);
    CHECK(memcmp(in + IN + TAIL - sizeof data, data, sizeof data - TAIL) == 0);
    CHECK(memcmp(tail, data + sizeof data - TAIL, TAIL) == 0);
    put(IN + TAIL, data, 0); /* nothing, at the very end */
    CHECK(answered(ACK, 3) == 0);
}

static void test_put_outside_is_refused(void) {
    const uint8_t data[MCUGEN_LINK_DATA + 2] = {9};
    static const uint32_t offsets[] = {IN + TAIL, 0x10000u, 0x80000000u, 0xFFFFFFFFu, 0xFFFFFFD0u};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        put(offsets[i], data, 1);
        CHECK(answered(FAIL, 3) == 1 && body[3] == OUT_OF_RANGE);
    }
    put(IN + TAIL - 1, data, 2);
    CHECK(answered(FAIL, 3) == 1 && body[3] == OUT_OF_RANGE);
    put(0, data, MCUGEN_LINK_DATA + 1);
    CHECK(answered(FAIL, 3) == 1 && body[3] == OUT_OF_RANGE);
    CHECK(in[0] == 0 && tail[TAIL - 1] == 0);
}

static uint32_t input_crc(void) {
    uint8_t all[IN + TAIL];
    memcpy(all, in, IN);
    memcpy(all + IN, tail, TAIL);
    return crc32_of(all, sizeof all);
}

static size_t run_with(uint32_t crc, uint8_t most) {
    uint8_t payload[5];
    put_u32(payload, crc);
    payload[4] = most;
    return ask(RUN, 4, payload, 5);
}

static void test_run_answers_for_its_input_only(void) {
    for (uint8_t i = 0; i < IN; i++)
        in[i] = (uint8_t)(7 * i);
    tail[1] = 200;
    const uint32_t crc = input_crc();
    run_with(crc, 255);
    CHECK(answered(DONE, 4) == 8 + MCUGEN_LINK_DATA - 4);
    CHECK(runs == 1 && get_u32(body + 3) == 0x00C0FFEEu);
    CHECK(get_u32(body + 7) == crc32_of(out, OUT));
    CHECK(memcmp(body + 11, out, MCUGEN_LINK_DATA - 4) == 0);
    run_with(crc, 5);
    CHECK(answered(DONE, 4) == 8 + 5 && memcmp(body + 11, out, 5) == 0);
    run_with(crc, 0);
    CHECK(answered(DONE, 4) == 8);
    tail[2] ^= 1;
    run_with(crc, 5);
    CHECK(answered(FAIL, 4) == 1 && body[3] == OTHER_INPUT);
    CHECK(runs == 3);
}

static void run_row(uint16_t number, uint16_t row, uint8_t type) {
    uint8_t payload[7];
    put_u32(payload, input_crc());
    payload[4] = 5;
    payload[5] = (uint8_t)row;
    payload[6] = (uint8_t)(row >> 8);
    ask(RUN, number, payload, sizeof payload);
    CHECK(answered(type, number) == (type == DONE ? 13 : 1));
}

static void test_rows_come_in_their_order_and_once(void) {
    model.rows = 3;
    run_row(9, 1, FAIL); /* the first is 0 */
    run_row(10, 0, DONE);
    run_row(10, 0, DONE); /* the same request, whose answer was lost */
    CHECK(runs == 1);
    run_row(11, 0, DONE); /* another input */
    CHECK(runs == 2);
    run_row(12, 2, FAIL);
    run_row(13, 1, DONE);
    run_row(14, 2, DONE);
    run_row(14, 2, DONE);
    CHECK(runs == 4 && last_row == 2);
    run_row(15, 3, FAIL);
    run_row(16, 0, DONE);
    CHECK(runs == 5);
    run_with(input_crc(), 5); /* without the row's number */
    CHECK(answered(FAIL, 4) == 1 && body[3] == WRONG_REQUEST);
}

static void get(uint32_t offset, uint8_t size) {
    uint8_t payload[5];
    put_u32(payload, offset);
    payload[4] = size;
    ask(GET, 5, payload, 5);
}

static void test_get(void) {
    for (uint8_t i = 0; i < OUT; i++)
        out[i] = (uint8_t)(i - 20);
    get(OUT - MCUGEN_LINK_DATA, MCUGEN_LINK_DATA);
    CHECK(answered(DATA, 5) == 4 + MCUGEN_LINK_DATA);
    CHECK(get_u32(body + 3) == OUT - MCUGEN_LINK_DATA);
    CHECK(memcmp(body + 7, out + OUT - MCUGEN_LINK_DATA, MCUGEN_LINK_DATA) == 0);
    get(OUT, 0);
    CHECK(answered(DATA, 5) == 4);
    static const uint32_t offsets[] = {OUT, OUT + 1, 0x10000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        get(offsets[i], 1);
        CHECK(answered(FAIL, 5) == 1 && body[3] == OUT_OF_RANGE);
    }
    get(0, MCUGEN_LINK_DATA + 1);
    CHECK(answered(FAIL, 5) == 1 && body[3] == OUT_OF_RANGE);
    get(0, 255);
    CHECK(answered(FAIL, 5) == 1 && body[3] == OUT_OF_RANGE);
}

static void test_wrong_requests(void) {
    const uint8_t zeros[8] = {0};
    for (unsigned type = 0; type < 256; type++) {
        if (type < HELLO || type > GET)
            refused((uint8_t)type, zeros, type % 8, WRONG_REQUEST);
    }
    refused(HELLO, zeros, 1, WRONG_REQUEST);
    refused(PUT, zeros, 3, WRONG_REQUEST);
    refused(RUN, zeros, 4, WRONG_REQUEST);
    refused(RUN, zeros, 6, WRONG_REQUEST);
    refused(GET, zeros, 4, WRONG_REQUEST);
    refused(GET, zeros, 6, WRONG_REQUEST);
    CHECK(runs == 0);
}

static void test_text_is_text(void) {
    static const uint8_t text[] = "1.5,2,3\r\n";
    CHECK(feed(text, sizeof text - 1) == sizeof text - 1);
    test_hello();
    CHECK(feed(text, sizeof text - 1) == sizeof text - 1);
    CHECK(sent_size == 0);
}

static void test_zeros_alone_stay_in_front_of_a_frame(void) {
    static const uint8_t zeros[5] = {0};
    CHECK(feed(zeros, sizeof zeros) == 0);
    test_hello();
}

static void test_too_long_a_frame_gives_the_line_back(void) {
    uint8_t bytes[100];
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = 0;
    /* a zero, 62 bytes of frame, the one that is too many; the others are text */
    CHECK(feed(bytes, sizeof bytes) == sizeof bytes - 64);
    CHECK(sent_size == 0);
    CHECK(feed(bytes, 1) == 0); /* what was to end the frame begins the next one */
    test_hello();
}

static void test_the_longest_frame_is_taken(void) {
    uint8_t payload[54] = {0}, wire[300];
    CHECK(make(wire, PUT, 3, payload, sizeof payload) == MCUGEN_LINK_FRAME);
    ask(PUT, 3, payload, sizeof payload);
    CHECK(answered(FAIL, 3) == 1 && body[3] == OUT_OF_RANGE);
}

static void test_every_damaged_byte_is_noticed(void) {
    uint8_t payload[24] = {0}, wire[300], damaged[300];
    memset(payload + 4, 0x55, 20);
    const size_t size = make(wire, PUT, 9, payload, sizeof payload);
    for (size_t at = 0; at < size; at++) {
        for (unsigned change = 1; change < 256; change++) {
            memcpy(damaged, wire, size);
            damaged[at] ^= (uint8_t)change;
            feed(damaged, size);
            CHECK(sent_size == 0);
            /* whatever state it left behind, at most one frame is lost */
            feed(hello, sizeof hello);
            if (sent_size == 0)
                feed(hello, sizeof hello);
            CHECK(answered(GREETING, 1) == 18);
        }
    }
    for (size_t i = 0; i < IN; i++)
        CHECK(in[i] == 0);
}

static void test_cut_and_stretched_frames(void) {
    uint8_t wire[300], other[300];
    const size_t size = make(wire, HELLO, 0x0102, NULL, 0);
    for (size_t at = 1; at + 1 < size; at++) {
        memcpy(other, wire, at);
        memcpy(other + at, wire + at + 1, size - at - 1);
        feed(other, size - 1); /* without the byte */
        CHECK(sent_size == 0);
        memcpy(other + at + 1, wire + at, size - at);
        other[at] = 0x21;
        feed(other, size + 1); /* with one more */
        CHECK(sent_size == 0);
        test_hello();
    }
}

static uint32_t noise_state = 1;

static uint32_t noise(void) {
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 17;
    noise_state ^= noise_state << 5;
    return noise_state;
}

/* Any bytes, then frames of any body with a right CRC: the sanitizers watch what is written. */
static void test_noise(void) {
    for (uint32_t i = 0; i < 2000000; i++) {
        const uint32_t any = noise();
        mcugen_link_take(line, any % 16 == 0 ? 0 : (uint8_t)(any >> 8));
        sent_size = 0;
    }
    uint8_t payload[54], wire[300];
    for (uint32_t i = 0; i < 200000; i++) {
        const size_t size = noise() % (sizeof payload + 1);
        for (size_t j = 0; j < size; j++)
            payload[j] = (uint8_t)(noise() % 3 == 0 ? 0 : noise());
        if (size >= 4 && noise() % 2 == 0)
            put_u32(payload, noise() % 80);
        const size_t wired = make(wire, (uint8_t)(noise() % 6), (uint16_t)noise(), payload, size);
        CHECK(feed(wire, wired) == 0 || i == 0);
        CHECK(sent_size <= MCUGEN_LINK_FRAME && (sent_size > 0 || i == 0));
        for (size_t j = 1; j + 1 < sent_size; j++)
            CHECK(sent[j] != 0);
        sent_size = 0;
    }
}

#define TEST(name) {#name, name}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    TEST(test_the_example_of_the_documentation),
    TEST(test_hello),
    TEST(test_put_over_the_arrays_border),
    TEST(test_put_outside_is_refused),
    TEST(test_run_answers_for_its_input_only),
    TEST(test_rows_come_in_their_order_and_once),
    TEST(test_get),
    TEST(test_wrong_requests),
    TEST(test_text_is_text),
    TEST(test_zeros_alone_stay_in_front_of_a_frame),
    TEST(test_too_long_a_frame_gives_the_line_back),
    TEST(test_the_longest_frame_is_taken),
    TEST(test_every_damaged_byte_is_noticed),
    TEST(test_cut_and_stretched_frames),
    TEST(test_noise),
};

int main(void) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        set_up();
        tests[i].run();
        tear_down();
        printf("%s\n", tests[i].name);
    }
    return 0;
}
