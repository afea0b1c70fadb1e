/* avr_run: runs an AVR firmware under libsimavr, counts its cycles and measures its stack.
 *
 *   avr_run [--mcu atmega328p] [--freq 16000000] [--limit CYCLES] [--rows FILE] [--results FILE]
 *           [--report FILE] [--uart-in FILE] [--quiet CYCLES] [--lines] ELF
 *
 * What the firmware sends through UART0 goes to stdout. The firmware commands this runner by
 * writes to GPIOR0 (see enum command); GPIOR1 and GPIOR2 then hold the low and the high byte of the
 * SRAM address of a request block: struct { uint16_t address, length; }.
 *
 * With --lines each line of --uart-in is sent when the one before has been answered by a line, or
 * by nothing for --quiet cycles: a sketch that prints loses what comes in meanwhile. --uart-in - is
 * stdin: no simulated time passes while its next line is waited for.
 *
 * Exit status: 0 ended by CMD_END, by sleeping with interrupts off, or because all of --uart-in was
 * sent and for --quiet cycles nothing came out; 1 crashed, 2 cycle limit, 64 wrong usage or a file
 * that cannot be read or written. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE /* libsimavr's headers, cfmakeraw() */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gelf.h>

#include "uart_link.h"

enum { EXIT_CRASH = 1, EXIT_LIMIT = 2, EXIT_BAD_USAGE = 64 };
enum { GPIOR0 = 0x3E, GPIOR1 = 0x4A, GPIOR2 = 0x4B }; /* data addresses, the same on all ATmegas */
enum { RAM_OFFSET = 0x800000, EEPROM_OFFSET = 0x810000 }; /* how an AVR ELF tells memories apart */
enum { PAINT = 0xA5 };
enum { LINE_GAP = 32000 }; /* cycles of silence behind a line's end before it is an answer */

enum command {
    CMD_START = 1, /* start counting */
    CMD_STOP = 2,  /* stop counting: one pair */
    CMD_FILL = 3,  /* the next bytes of --rows into the block; block.length = 0 when they ran out */
    CMD_TAKE = 4,  /* the block's bytes are appended to --results */
    CMD_END = 255,
};

struct options {
    const char *mcu, *rows, *results, *report, *uart_in, *elf;
    uint32_t freq;
    uint64_t limit, quiet;
    bool lines;
};

struct bytes {
    uint8_t *data;
    size_t size, used;
};

/* The numbers of one program. Addresses are data addresses, or bytes of flash. */
struct program {
    uint32_t code_begin, code_end; /* where instructions lie */
    uint16_t static_end;           /* one past .data, .bss and .noinit */
};

/* What a pair of markers measured: its cycles, and the deepest stack below the SP at its start. */
struct pair {
    uint64_t cycles;
    unsigned stack;
};

struct measured {
    bool counting;
    avr_cycle_count_t started;
    uint16_t started_sp, pair_lowest_sp, lowest_sp;
    struct pair *pairs;
    size_t count, room;
};

struct run {
    avr_t *avr;
    struct program program;
    struct measured measured;
    struct bytes rows, uart_in;
    bool more;                   /* stdin may have another line for uart_in */
    avr_cycle_count_t last_byte; /* when a byte last went in or came out */
    bool line_sent, answered; /* the last byte in, and since then the last one out, ended a line */
    FILE *results;
    const char *end, *reason;
    const struct options *options;
};

static const char USAGE[] =
    "usage: avr_run [--mcu NAME] [--freq HZ] [--limit CYCLES] [--rows FILE] [--results FILE]\n"
    "               [--report FILE] [--uart-in FILE] [--quiet CYCLES] [--lines] ELF\n";

static void fail(const char *what, const char *why) {
    fprintf(stderr, "avr_run: %s: %s\n", what, why);
    exit(EXIT_BAD_USAGE);
}

/* ---- files ---------------------------------------------------------------------------------- */

static FILE *open_file(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file)
        fail(path, strerror(errno));
    return file;
}

static struct bytes read_file(const char *path) {
    struct bytes all = {0};
    if (!path)
        return all;
    FILE *file = open_file(path, "rb");
    uint8_t chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0; all.size += n) {
        uint8_t *bigger = realloc(all.data, all.size + n);
        if (!bigger)
            fail(path, "out of memory");
        all.data = bigger;
        memcpy(all.data + all.size, chunk, n);
    }
    if (ferror(file))
        fail(path, strerror(errno));
    fclose(file);
    return all;
}

/* Loads what the segments say, not what the sections are called: simavr's own loader knows .text
 * and .data only, and would lose tables that were placed behind .text. */
static void load_segments(Elf *elf, const char *path, avr_t *avr) {
    size_t count = 0, size = 0;
    const char *raw = elf_rawfile(elf, &size);
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD)
            continue;
        if (segment.p_filesz == 0 || segment.p_paddr >= RAM_OFFSET)
            continue;
        if (segment.p_paddr + segment.p_filesz > (GElf_Addr)avr->flashend + 1)
            fail(path, "the program is larger than the MCU's flash");
        if (segment.p_offset + segment.p_filesz > size)
            fail(path, "truncated ELF file");
        memcpy(avr->flash + segment.p_paddr, raw + segment.p_offset, segment.p_filesz);
    }
}

static struct program read_sections(Elf *elf, uint16_t ram_start) {
    struct program program = {UINT32_MAX, 0, ram_start};
    for (Elf_Scn *scan = elf_nextscn(elf, NULL); scan; scan = elf_nextscn(elf, scan)) {
        GElf_Shdr section;
        if (!gelf_getshdr(scan, &section) || !(section.sh_flags & SHF_ALLOC))
            continue;
        const GElf_Addr begin = section.sh_addr, end = section.sh_addr + section.sh_size;
        if (section.sh_flags & SHF_EXECINSTR) {
            program.code_begin = begin < program.code_begin ? (uint32_t)begin : program.code_begin;
            program.code_end = end > program.code_end ? (uint32_t)end : program.code_end;
        } else if (begin >= RAM_OFFSET && end < EEPROM_OFFSET) {
            const uint16_t ram_end = (uint16_t)(end - RAM_OFFSET);
            program.static_end = ram_end > program.static_end ? ram_end : program.static_end;
        }
    }
    return program;
}

static struct program load_program(const char *path, avr_t *avr) {
    elf_version(EV_CURRENT);
    const int file = open(path, O_RDONLY);
    if (file < 0)
        fail(path, strerror(errno));
    Elf *elf = elf_begin(file, ELF_C_READ, NULL);
    GElf_Ehdr header;
    if (!elf || !gelf_getehdr(elf, &header) || header.e_machine != EM_AVR)
        fail(path, "not an AVR ELF file");
    load_segments(elf, path, avr);
    const struct program program = read_sections(elf, (uint16_t)(avr->ioend + 1));
    if (program.code_end == 0)
        fail(path, "no code in this ELF file");
    elf_end(elf);
    close(file);
    return program;
}

/* ---- the firmware's commands ---------------------------------------------------------------- */

static void finish(struct run *run, const char *end, const char *reason) {
    if (run->end)
        return;
    run->end = end;
    run->reason = reason;
}

static uint16_t read16(const avr_t *avr, uint16_t address) {
    return (uint16_t)(avr->data[address] | avr->data[address + 1] << 8);
}

static uint16_t stack_pointer(const avr_t *avr) { return read16(avr, R_SPL); }

static uint16_t opcode(const avr_t *avr, uint32_t address) {
    return (uint16_t)(avr->flash[address] | avr->flash[address + 1] << 8);
}

/* How many cycles between the two markers are the markers' own: the starting write, and the `ldi`
 * that loads the stopping write's number, where the compiler has put one right in front of it. */
static unsigned starting_cost(const avr_t *avr) {
    return (opcode(avr, avr->pc) & 0xFE0F) == 0x9200 ? 2 : 1; /* sts : out */
}

static unsigned stopping_cost(const avr_t *avr) {
    const uint16_t before = avr->pc >= 2 ? opcode(avr, avr->pc - 2) : 0;
    const unsigned source = opcode(avr, avr->pc) >> 4 & 0x1F; /* of both out and sts */
    const bool loads = (before & 0xF000) == 0xE000 && 16u + (before >> 4 & 0xF) == source;
    return loads ? 1 : 0;
}

static void start_counting(struct run *run) {
    struct measured *m = &run->measured;
    m->counting = true;
    m->started = run->avr->cycle + starting_cost(run->avr);
    m->started_sp = m->pair_lowest_sp = stack_pointer(run->avr);
}

static void make_room(struct measured *m) {
    m->room = m->room ? 2 * m->room : 1024;
    m->pairs = realloc(m->pairs, m->room * sizeof *m->pairs);
    if (!m->pairs)
        fail("--report", "out of memory");
}

static void stop_counting(struct run *run) {
    struct measured *m = &run->measured;
    if (!m->counting)
        return;
    m->counting = false;
    const struct pair pair = {
        run->avr->cycle - stopping_cost(run->avr) - m->started,
        (unsigned)(m->started_sp - m->pair_lowest_sp),
    };
    if (m->count == m->room)
        make_room(m);
    m->pairs[m->count++] = pair;
}

static void fill(struct run *run, uint16_t block, uint16_t address, uint16_t length) {
    struct bytes *rows = &run->rows;
    if (rows->size - rows->used < length) {
        run->avr->data[block + 2] = run->avr->data[block + 3] = 0;
        return;
    }
    if (length > 0)
        memcpy(run->avr->data + address, rows->data + rows->used, length);
    rows->used += length;
}

static void take(struct run *run, uint16_t address, uint16_t length) {
    if (run->results && fwrite(run->avr->data + address, 1, length, run->results) != length)
        fail("--results", strerror(errno));
}

static void serve_request(struct run *run, enum command command) {
    const avr_t *avr = run->avr;
    const uint16_t block = (uint16_t)(avr->data[GPIOR1] | avr->data[GPIOR2] << 8);
    if (block <= avr->ioend || block > avr->ramend - 3) {
        finish(run, "crash", "a request block outside of SRAM");
        return;
    }
    const uint16_t address = read16(avr, block), length = read16(avr, (uint16_t)(block + 2));
    if (length > 0 && (address <= avr->ioend || (uint32_t)address + length > avr->ramend + 1u)) {
        finish(run, "crash", "a request for bytes outside of SRAM");
        return;
    }
    if (command == CMD_FILL)
        fill(run, block, address, length);
    else
        take(run, address, length);
}

static void on_command(avr_t *avr, avr_io_addr_t register_address, uint8_t value, void *param) {
    struct run *run = param;
    avr->data[register_address] = value;
    switch (value) {
    case CMD_START: start_counting(run); break;
    case CMD_STOP: stop_counting(run); break;
    case CMD_FILL:
    case CMD_TAKE: serve_request(run, (enum command)value); break;
    case CMD_END: finish(run, "exit", ""); break;
    default: /* a sketch's own use of the register */ break;
    }
}

static void on_output(void *user, uint8_t byte) {
    struct run *run = user;
    run->last_byte = run->avr->cycle;
    run->answered = byte == '\n';
    putchar(byte);
}

static bool must_wait(const struct run *run) {
    const uint64_t silent = run->avr->cycle - run->last_byte;
    if (!run->options->lines || !run->line_sent || silent >= run->options->quiet)
        return false;
    return !run->answered || silent < LINE_GAP;
}

/* The next line of stdin; who writes it may wait for what the program has said. */
static void read_line(struct run *run) {
    static size_t room;
    fflush(stdout);
    const ssize_t size = getline((char **)&run->uart_in.data, &room, stdin);
    run->more = size > 0;
    run->uart_in.size = run->more ? (size_t)size : 0;
    run->uart_in.used = 0;
}

static int next_input(void *user) {
    struct run *run = user;
    struct bytes *input = &run->uart_in;
    if (input->used == input->size && run->more && !must_wait(run))
        read_line(run);
    if (input->used == input->size || must_wait(run))
        return -1;
    const uint8_t byte = input->data[input->used++];
    run->last_byte = run->avr->cycle;
    run->line_sent = byte == '\n';
    run->answered = false;
    return byte;
}

/* ---- the run -------------------------------------------------------------------------------- */

static void do_not_sleep(avr_t *avr, avr_cycle_count_t cycles) {
    (void)avr, (void)cycles; /* simulated time passes without waiting */
}

/* SPH and SPL are two writes, with SREG's between them. In the middle the pointer means nothing. */
static bool is_half_written(const avr_t *avr) {
    const uint16_t next = opcode(avr, avr->pc), after = opcode(avr, avr->pc + 2);
    return (next & 0xFE0F) == 0xBE0D || (after & 0xFE0F) == 0xBE0D; /* out SPL, r */
}

static void note_stack(struct run *run, uint16_t sp) {
    struct measured *m = &run->measured;
    if (is_half_written(run->avr))
        return;
    if (m->counting && sp < m->pair_lowest_sp)
        m->pair_lowest_sp = sp;
    if (sp >= m->lowest_sp)
        return;
    m->lowest_sp = sp;
    if (sp + 1 < run->program.static_end)
        finish(run, "crash", "the stack ran into .bss");
}

static void step(struct run *run) {
    avr_t *avr = run->avr;
    const int state = avr_run(avr);
    const struct measured *m = &run->measured;
    const uint16_t sp = stack_pointer(avr);
    if (sp < m->lowest_sp || (m->counting && sp < m->pair_lowest_sp))
        note_stack(run, sp);
    if (state == cpu_Done)
        finish(run, "sleep", "");
    else if (state == cpu_Crashed || state == cpu_Stopped)
        finish(run, "crash", "simavr stopped it: bad address, bad instruction or watchdog");
    else if (avr->pc < run->program.code_begin || avr->pc >= run->program.code_end)
        finish(run, "crash", "a jump outside of the program");
}

static bool is_quiet(const struct run *run) {
    const uint64_t cycles = run->options->quiet;
    const bool sent = run->uart_in.used == run->uart_in.size && !run->more;
    return cycles && sent && run->avr->cycle - run->last_byte >= cycles;
}

static void run_to_end(struct run *run) {
    avr_t *avr = run->avr;
    run->measured.lowest_sp = avr->ramend;
    memset(avr->data + run->program.static_end, PAINT, avr->ramend + 1u - run->program.static_end);
    avr->run_cycle_limit = 1; /* one instruction at a time, so that no stack depth is missed */
    avr->run_cycle_count = 1;
    while (!run->end) {
        step(run);
        if (avr->cycle >= run->options->limit)
            finish(run, "limit", "");
        else if (is_quiet(run))
            finish(run, "quiet", "");
    }
}

/* Static data, what is no longer painted above it (a heap), and the deepest stack. */
static unsigned sram_peak(const struct run *run) {
    const avr_t *avr = run->avr;
    const uint16_t lowest = run->measured.lowest_sp;
    uint16_t below = lowest;
    while (below >= run->program.static_end && avr->data[below] == PAINT)
        below--;
    const unsigned stack = avr->ramend - lowest;
    const unsigned bottom = below + 1u - (avr->ioend + 1u);
    const unsigned whole = avr->ramend - avr->ioend;
    return bottom + stack < whole ? bottom + stack : whole;
}

static void write_report(const struct run *run, const char *path) {
    const struct measured *m = &run->measured;
    FILE *file = open_file(path, "w");
    fprintf(file, "{\"end\": \"%s\", \"reason\": \"%s\", \"sram_peak\": %u,", run->end, run->reason,
            sram_peak(run));
    fprintf(file, " \"total_cycles\": %" PRIu64 ",\n \"cycles\": [", (uint64_t)run->avr->cycle);
    for (size_t i = 0; i < m->count; i++)
        fprintf(file, "%s%" PRIu64, i ? ", " : "", m->pairs[i].cycles);
    fprintf(file, "],\n \"stack\": [");
    for (size_t i = 0; i < m->count; i++)
        fprintf(file, "%s%u", i ? ", " : "", m->pairs[i].stack);
    fprintf(file, "]}\n");
    if (fclose(file))
        fail(path, strerror(errno));
}

/* ---- the command line ----------------------------------------------------------------------- */

static uint64_t number(const char *text) {
    char *rest;
    errno = 0;
    const unsigned long long value = strtoull(text, &rest, 10);
    if (errno || rest == text || *rest || *text == '-' || value == 0)
        fail(text, "not a positive number");
    return value;
}

static struct options parse(int count, char **arguments) {
    static const struct option known[] = {
        {"mcu", required_argument, 0, 'm'},     {"freq", required_argument, 0, 'f'},
        {"limit", required_argument, 0, 'l'},   {"rows", required_argument, 0, 'i'},
        {"results", required_argument, 0, 'o'}, {"report", required_argument, 0, 'r'},
        {"uart-in", required_argument, 0, 'u'}, {"quiet", required_argument, 0, 'q'},
        {"lines", no_argument, 0, 'n'},         {0, 0, 0, 0},
    };
    struct options o = {.mcu = "atmega328p", .freq = 16000000, .limit = 2000000000};
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'm': o.mcu = optarg; break;
        case 'f': o.freq = (uint32_t)number(optarg); break;
        case 'l': o.limit = number(optarg); break;
        case 'i': o.rows = optarg; break;
        case 'o': o.results = optarg; break;
        case 'r': o.report = optarg; break;
        case 'u': o.uart_in = optarg; break;
        case 'q': o.quiet = number(optarg); break;
        case 'n': o.lines = true; break;
        default: fputs(USAGE, stderr); exit(EXIT_BAD_USAGE);
        }
    }
    if (optind != count - 1) {
        fputs(USAGE, stderr);
        exit(EXIT_BAD_USAGE);
    }
    o.elf = arguments[optind];
    return o;
}

static avr_t *make_mcu(const char *name, uint32_t frequency) {
    avr_global_logger_set(keep_quiet);
    avr_t *avr = avr_make_mcu_by_name(name);
    if (!avr)
        fail(name, "simavr does not know this MCU");
    avr_init(avr);
    avr->frequency = frequency;
    avr->sleep = do_not_sleep;
    avr->codeend = avr->flashend;
    return avr;
}

int main(int count, char **arguments) {
    static struct run run;
    const struct options options = parse(count, arguments);
    run.options = &options;
    run.line_sent = true; /* the first line waits for what the program says at its start */
    run.avr = make_mcu(options.mcu, options.freq);
    run.program = load_program(options.elf, run.avr);
    run.rows = read_file(options.rows);
    run.more = options.uart_in && !strcmp(options.uart_in, "-");
    run.uart_in = read_file(run.more ? NULL : options.uart_in);
    run.results = options.results ? open_file(options.results, "wb") : NULL;
    struct uart_link uart = {run.avr, next_input, on_output, &run};
    uart_link_open(&uart); /* an MCU without a UART says nothing */
    avr_register_io_write(run.avr, GPIOR0, on_command, &run);

    run_to_end(&run);

    if (run.results && fclose(run.results))
        fail(options.results, strerror(errno));
    if (options.report)
        write_report(&run, options.report);
    fflush(stdout);
    if (*run.reason)
        fprintf(stderr, "avr_run: %s at 0x%04" PRIx32 "\n", run.reason, run.avr->pc);
    return !strcmp(run.end, "crash") ? EXIT_CRASH : !strcmp(run.end, "limit") ? EXIT_LIMIT : 0;
}
