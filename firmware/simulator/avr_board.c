/* avr_board: a simulated AVR board to flash: bootloader, serial port, reset line, real time.
 *
 *   avr_board [--mcu atmega328p] [--freq 16000000] --boot-base ADDRESS --bootloader HEX
 *             [--reset-on-open]
 *
 * Prints one line, `port PATH`: a pseudo-terminal that is wired to UART0. An uploader writes to it
 * as to a board's USB serial port. SIGUSR1 is the reset that a real board's DTR line causes; with
 * --reset-on-open it also happens whenever a program opens the port, as on a real Arduino.
 * SIGTERM or SIGINT end it: exit status 0. 64 is wrong usage or an unreadable file, 1 a crash. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE /* libsimavr's headers, cfmakeraw() */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <simavr/sim_hex.h>

#include "uart_link.h"

enum { EXIT_CRASH = 1, EXIT_BAD_USAGE = 64 };
enum { SLICES_PER_SECOND = 1000, NANOSECONDS = 1000000000, MAX_LAG = NANOSECONDS / 20 };

struct options {
    const char *mcu, *bootloader;
    uint32_t freq, boot_base;
    bool reset_on_open;
};

struct board {
    avr_t *avr;
    struct uart_link uart;
    int master, slave; /* the slave stays open, so that no uploader's closing hangs up the line */
    int opened;        /* inotify: one event whenever a program opens the slave; or -1 */
};

static volatile sig_atomic_t reset_asked, end_asked;

static const char USAGE[] =
    "usage: avr_board [--mcu NAME] [--freq HZ] --boot-base ADDRESS --bootloader HEX\n"
    "                 [--reset-on-open]\n";

static void fail(const char *what, const char *why) {
    fprintf(stderr, "avr_board: %s: %s\n", what, why);
    exit(EXIT_BAD_USAGE);
}

static void on_signal(int signal_number) {
    if (signal_number == SIGUSR1)
        reset_asked = 1;
    else
        end_asked = 1;
}

/* ---- the serial port --------------------------------------------------------------------- */

static void open_terminal(struct board *board) {
    board->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (board->master < 0 || grantpt(board->master) || unlockpt(board->master))
        fail("pseudo-terminal", strerror(errno));
    board->slave = open(ptsname(board->master), O_RDWR | O_NOCTTY);
    struct termios raw;
    if (board->slave < 0 || tcgetattr(board->slave, &raw))
        fail("pseudo-terminal", strerror(errno));
    cfmakeraw(&raw);
    tcsetattr(board->slave, TCSANOW, &raw);
}

static void watch_opening(struct board *board) {
    board->opened = inotify_init1(IN_NONBLOCK);
    if (board->opened < 0 || inotify_add_watch(board->opened, ptsname(board->master), IN_OPEN) < 0)
        fail("--reset-on-open", strerror(errno));
}

static bool was_opened(const struct board *board) {
    char events[4096];
    return board->opened >= 0 && read(board->opened, events, sizeof events) > 0;
}

static int from_terminal(void *user) {
    uint8_t byte;
    return read(((struct board *)user)->master, &byte, 1) == 1 ? byte : -1;
}

static void to_terminal(void *user, uint8_t byte) {
    /* When nobody listens and the line is full, the byte is lost: as on a wire. */
    if (write(((struct board *)user)->master, &byte, 1) < 0)
        return;
}

/* ---- the board --------------------------------------------------------------------------- */

static void load_bootloader(avr_t *avr, const char *path, uint32_t base) {
    ihex_chunk_p chunks = NULL;
    const int count = read_ihex_chunks(path, &chunks);
    if (count <= 0)
        fail(path, "not a readable Intel hex file");
    for (int i = 0; i < count; i++) {
        if (chunks[i].baseaddr < base)
            fail(path, "has bytes below --boot-base");
        if (chunks[i].baseaddr + chunks[i].size > avr->flashend + 1)
            fail(path, "is larger than the MCU's flash");
        memcpy(avr->flash + chunks[i].baseaddr, chunks[i].data, chunks[i].size);
    }
    free_ihex_chunks(chunks);
}

static void reset(struct board *board) {
    avr_reset(board->avr);
    avr_regbit_set(board->avr, board->avr->reset_flags.extrf);
}

static void do_not_sleep(avr_t *avr, avr_cycle_count_t cycles) {
    (void)avr, (void)cycles; /* keep_pace() waits for all of the time that passed */
}

static void make_board(struct board *board, const struct options *options) {
    avr_global_logger_set(keep_quiet);
    avr_t *avr = board->avr = avr_make_mcu_by_name(options->mcu);
    if (!avr)
        fail(options->mcu, "simavr does not know this MCU");
    avr_init(avr);
    avr->frequency = options->freq;
    avr->sleep = do_not_sleep;
    avr->codeend = avr->flashend;
    avr->reset_pc = options->boot_base;
    load_bootloader(avr, options->bootloader, options->boot_base);
    board->uart = (struct uart_link){avr, from_terminal, to_terminal, board};
    if (!uart_link_open(&board->uart))
        fail(options->mcu, "has no UART");
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

/* Waits until real time has come to `due`. A simulation that fell far behind gives up the lost
 * time instead of racing after it: an uploader's time-outs count from its own last byte. */
static int64_t keep_pace(int64_t due) {
    const int64_t ahead = due - now();
    if (ahead < -MAX_LAG)
        return due - ahead;
    if (ahead > 0) {
        const struct timespec pause = {ahead / NANOSECONDS, ahead % NANOSECONDS};
        nanosleep(&pause, NULL);
    }
    return due;
}

/* False when the simulated MCU stopped for good. */
static bool run_slice(avr_t *avr) {
    const avr_cycle_count_t until = avr->cycle + avr->frequency / SLICES_PER_SECOND;
    while (avr->cycle < until) {
        const int state = avr_run(avr);
        if (state == cpu_Crashed || state == cpu_Stopped)
            return false;
        if (state == cpu_Done) /* asleep with interrupts off: only a reset wakes it */
            avr->cycle = until;
    }
    return true;
}

static int run(struct board *board) {
    int64_t due = now();
    while (!end_asked) {
        const bool opened = was_opened(board);
        if (reset_asked || opened) {
            reset_asked = 0;
            reset(board);
        }
        if (!run_slice(board->avr)) {
            fprintf(stderr, "avr_board: the firmware crashed at 0x%04x\n", board->avr->pc);
            return EXIT_CRASH;
        }
        due = keep_pace(due + NANOSECONDS / SLICES_PER_SECOND);
    }
    return 0;
}

/* ---- the command line -------------------------------------------------------------------- */

static uint32_t number(const char *text) {
    char *rest;
    errno = 0;
    const unsigned long value = strtoul(text, &rest, 0);
    if (errno || rest == text || *rest || *text == '-' || value == 0 || value > UINT32_MAX)
        fail(text, "not a positive number");
    return (uint32_t)value;
}

static struct options parse(int count, char **arguments) {
    static const struct option known[] = {
        {"mcu", required_argument, 0, 'm'},       {"freq", required_argument, 0, 'f'},
        {"boot-base", required_argument, 0, 'a'}, {"bootloader", required_argument, 0, 'b'},
        {"reset-on-open", no_argument, 0, 'o'},   {0, 0, 0, 0},
    };
    struct options o = {.mcu = "atmega328p", .freq = 16000000};
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) {
        switch (option) {
        case 'm': o.mcu = optarg; break;
        case 'f': o.freq = number(optarg); break;
        case 'a': o.boot_base = number(optarg); break;
        case 'b': o.bootloader = optarg; break;
        case 'o': o.reset_on_open = true; break;
        default: fputs(USAGE, stderr); exit(EXIT_BAD_USAGE);
        }
    }
    if (optind != count || !o.bootloader || !o.boot_base) {
        fputs(USAGE, stderr);
        exit(EXIT_BAD_USAGE);
    }
    return o;
}

static void listen_to_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

int main(int count, char **arguments) {
    static struct board board = {.opened = -1};
    const struct options options = parse(count, arguments);
    listen_to_signals();
    make_board(&board, &options);
    open_terminal(&board);
    if (options.reset_on_open)
        watch_opening(&board);
    reset(&board);
    printf("port %s\n", ptsname(board.master));
    fflush(stdout);
    return run(&board);
}
