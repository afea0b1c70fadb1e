#include "mcugen_store_flash.h"

#ifdef MCUGEN_STORE_HAS_FLASH

#include <string.h>

/* Registers by their address: the makers' headers differ from core to core. */
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define SMALL_REGISTER(address) (*(volatile uint16_t *)(uintptr_t)(address))

/* Each MCU has these, and WORD in bytes; `at` is an address of its own. */
static uint32_t page_at(uint32_t at);
static int erase_page(uint32_t at);
static int write_word(uint32_t at, const uint8_t *word);

static uint32_t word_of(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

#if defined(MCUGEN_STORE_NRF) /* product specification of the nRF52840, NVMC and FICR */

enum { WORD = 4, READING = 0, WRITING = 1, ERASING = 2 };
#define CODEPAGESIZE REGISTER(0x10000010)
#define READY REGISTER(0x4001E400)
#define CONFIG REGISTER(0x4001E504)
#define ERASEPAGE REGISTER(0x4001E508)

static void wait(void) {
    while ((READY & 1u) == 0) {
    }
}

static uint32_t page_at(uint32_t at) {
    (void)at;
    return CODEPAGESIZE;
}

static int erase_page(uint32_t at) {
    CONFIG = ERASING;
    wait();
    ERASEPAGE = at;
    wait();
    CONFIG = READING;
    return 0;
}

static int write_word(uint32_t at, const uint8_t *word) {
    CONFIG = WRITING;
    wait();
    REGISTER(at) = word_of(word);
    wait();
    CONFIG = READING;
    return 0;
}

#elif defined(MCUGEN_STORE_STM32F1) /* reference manual RM0008, programming manual PM0075 */

enum { WORD = 4, PG = 1u << 0, PER = 1u << 1, STRT = 1u << 6, LOCK = 1u << 7 };
enum { BUSY = 1u << 0, FAILED = 1u << 2 | 1u << 4, DONE = 1u << 5 };
#define KEYR REGISTER(0x40022004)
#define SR REGISTER(0x4002200C)
#define CR REGISTER(0x40022010)
#define AR REGISTER(0x40022014)
#define FLASH_KIBIBYTES SMALL_REGISTER(0x1FFFF7E0)

static void unlock(void) {
    if ((CR & LOCK) != 0) {
        KEYR = 0x45670123u;
        KEYR = 0xCDEF89ABu;
    }
    SR = FAILED | DONE; /* a 1 clears */
}

static int finish(void) {
    while ((SR & BUSY) != 0) {
    }
    const int failed = (SR & FAILED) != 0 ? -1 : 0;
    CR = LOCK;
    return failed;
}

/* Up to 128 KiB pages have 1 KiB, then 2 KiB. */
static uint32_t page_at(uint32_t at) {
    (void)at;
    return FLASH_KIBIBYTES > 128 ? 2048 : 1024;
}

static int erase_page(uint32_t at) {
    unlock();
    CR = PER;
    AR = at;
    CR = PER | STRT;
    return finish();
}

static int write_half(uint32_t at, uint16_t half) {
    unlock();
    CR = PG;
    SMALL_REGISTER(at) = half;
    return finish();
}

static int write_word(uint32_t at, const uint8_t *word) {
    const uint32_t both = word_of(word);
    return write_half(at, (uint16_t)both) != 0 ? -1 : write_half(at + 2, (uint16_t)(both >> 16));
}

#elif defined(MCUGEN_STORE_STM32F4) /* reference manual RM0390 */

/* Four bytes at once need a supply of 2.7 V or more. */
enum { WORD = 4, PG = 1u << 0, SER = 1u << 1, SNB = 3, BY_WORDS = 2u << 8, STRT = 1u << 16 };
enum { FAILED = 0xF2, DONE = 1u << 0, BUSY = 1u << 16, DCEN = 1u << 10, DCRST = 1u << 12 };
#define ACR REGISTER(0x40023C00)
#define KEYR REGISTER(0x40023C04)
#define SR REGISTER(0x40023C0C)
#define CR REGISTER(0x40023C10)
#define LOCK (1u << 31)
#define FLASH 0x08000000u

static void unlock(void) {
    if ((CR & LOCK) != 0) {
        KEYR = 0x45670123u;
        KEYR = 0xCDEF89ABu;
    }
    SR = FAILED | DONE; /* a 1 clears */
}

static int finish(void) {
    while ((SR & BUSY) != 0) {
    }
    const int failed = (SR & FAILED) != 0 ? -1 : 0;
    CR = LOCK;
    return failed;
}

/* The cache keeps what was there before an erase. */
static void empty_data_cache(void) {
    const uint32_t as_it_was = ACR;
    ACR = as_it_was & ~(uint32_t)DCEN;
    ACR |= DCRST;
    ACR &= ~(uint32_t)DCRST;
    ACR = as_it_was;
}

/* Four sectors of 16 KiB, one of 64 KiB, then 128 KiB each. */
static uint32_t page_at(uint32_t at) {
    const uint32_t offset = at - FLASH;
    return offset < 0x10000u ? 0x4000u : offset < 0x20000u ? 0x10000u : 0x20000u;
}

static uint32_t sector_at(uint32_t at) {
    const uint32_t offset = at - FLASH;
    return offset < 0x10000u ? offset / 0x4000u : 4u + offset / 0x20000u;
}

static int erase_page(uint32_t at) {
    unlock();
    CR = SER | sector_at(at) << SNB | BY_WORDS;
    CR |= STRT;
    const int failed = finish();
    empty_data_cache();
    return failed;
}

static int write_word(uint32_t at, const uint8_t *word) {
    unlock();
    CR = PG | BY_WORDS;
    REGISTER(at) = word_of(word);
    return finish();
}

#elif defined(MCUGEN_STORE_SAMD21) /* data sheet DS40001882, NVMCTRL */

/* What is called a page here is a row there. A row may be written eight times between two erases:
 * a word is all of a page buffer, which makes it four. */
enum { ROW = 256, WORD = 64 };
enum {
    ERASE = 0xA502,
    WRITE = 0xA504,
    CLEAR = 0xA544,
    FORGET = 0xA546,
    FAILED = 0x1C,
    MANUAL = 1u << 7
};
#define CTRLA SMALL_REGISTER(0x41004000)
#define CTRLB REGISTER(0x41004004)
#define INTFLAG (*(volatile uint8_t *)(uintptr_t)0x41004014)
#define STATUS SMALL_REGISTER(0x41004018)
#define ADDR REGISTER(0x4100401C)

static int command(uint16_t which) {
    STATUS = FAILED; /* a 1 clears */
    CTRLA = which;
    while ((INTFLAG & 1u) == 0) {
    }
    return (STATUS & FAILED) != 0 ? -1 : 0;
}

static uint32_t page_at(uint32_t at) {
    (void)at;
    return ROW;
}

static int erase_page(uint32_t at) {
    ADDR = at / 2;
    const int failed = command(ERASE);
    return command(FORGET) != 0 ? -1 : failed;
}

static int write_word(uint32_t at, const uint8_t *word) {
    CTRLB |= MANUAL; /* the buffer is written by the command alone */
    if (command(CLEAR) != 0)
        return -1;
    for (uint32_t i = 0; i < WORD; i += 4)
        REGISTER(at + i) = word_of(word + i);
    const int failed = command(WRITE);
    return command(FORGET) != 0 ? -1 : failed;
}

#endif

/* The context is the first address. */
static uint32_t address_of(void *ctx, mcugen_store_size at) {
    return (uint32_t)(uintptr_t)ctx + at;
}

static int read_flash(void *ctx, mcugen_store_size at, void *to, uint16_t size) {
    memcpy(to, (const void *)(uintptr_t)address_of(ctx, at), size);
    return 0;
}

static int write_flash(void *ctx, mcugen_store_size at, const void *from, uint16_t size) {
    const uint8_t *bytes = (const uint8_t *)from;
    for (uint16_t done = 0; done < size; done = (uint16_t)(done + WORD)) {
        if (write_word(address_of(ctx, at) + done, bytes + done) != 0)
            return -1;
    }
    return 0;
}

static int erase_flash(void *ctx, mcugen_store_size at) { return erase_page(address_of(ctx, at)); }

mcugen_store mcugen_store_flash(uint32_t first, uint32_t bytes) {
    const mcugen_store store = {
        read_flash, write_flash,    erase_flash, NULL, (void *)(uintptr_t)first,
        bytes,      page_at(first), WORD,        false};
    return store;
}

#endif
