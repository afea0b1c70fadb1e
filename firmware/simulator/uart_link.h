/* What both runners need from libsimavr: a quiet log, and one UART as a byte stream.
 *
 * Bytes to the firmware go in one per 10 bit times of the baud rate that the firmware has set, and
 * only while its receiver is on and simavr's own queue has room: as a wire would deliver them,
 * but without ever losing one. */
#ifndef UART_LINK_H
#define UART_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>

/* Data addresses, relative to UCSRnA: the same on every ATmega this project simulates. */
enum { UCSRA = 0, UCSRB = 1, UBRRL = 4, UBRRH = 5, UCSR0A = 0xC0, UCSR1A = 0xC8 };
enum { U2X_BIT = 0x02, RXEN_BIT = 0x10 };

struct uart_link {
    avr_t *avr;
    int (*next)(void *user); /* the next byte for the firmware, or -1 for none now */
    void (*output)(void *user, uint8_t byte);
    void *user;
    /* uart_link_open() fills in the rest. */
    avr_io_t module; /* simavr tells it of every reset */
    uint16_t base;   /* data address of UCSRnA */
    avr_irq_t *input;
    bool full; /* simavr's queue is full: it said XOFF */
};

static void keep_quiet(avr_t *avr, const int level, const char *format, va_list arguments) {
    (void)avr;
    if (level != LOG_ERROR)
        return;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    fputs("simavr: ", stderr);
    for (const char *c = text; *c; c++) {
        if (*c != '\033') {
            fputc(*c, stderr);
            continue;
        }
        while (*c && *c != 'm') /* a colour code: a log file has no use for it */
            c++;
        if (!*c)
            break;
    }
}

static void uart_link_output(struct avr_irq_t *irq, uint32_t value, void *param) {
    struct uart_link *link = param;
    (void)irq;
    link->output(link->user, (uint8_t)value);
}

static void uart_link_xon(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    if (value)
        ((struct uart_link *)param)->full = false;
}

static void uart_link_xoff(struct avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    if (value)
        ((struct uart_link *)param)->full = true;
}

static avr_cycle_count_t cycles_per_byte(const struct uart_link *link) {
    const uint8_t *registers = link->avr->data + link->base;
    const unsigned divisor = (registers[UBRRL] | (registers[UBRRH] & 0x0Fu) << 8) + 1u;
    return 10u * divisor * (registers[UCSRA] & U2X_BIT ? 8u : 16u);
}

static avr_cycle_count_t uart_link_feed(avr_t *avr, avr_cycle_count_t when, void *param) {
    struct uart_link *link = param;
    if ((avr->data[link->base + UCSRB] & RXEN_BIT) && !link->full) {
        const int byte = link->next(link->user);
        if (byte >= 0)
            avr_raise_irq(link->input, (uint32_t)byte);
    }
    return when + cycles_per_byte(link);
}

static void uart_link_start(struct uart_link *link) {
    link->full = false;
    avr_cycle_timer_register(link->avr, cycles_per_byte(link), uart_link_feed, link);
}

/* avr_reset() drops every cycle timer. It is not only ours to call: simavr itself does when a
 * watchdog bites, which is how Optiboot starts the sketch. */
static void uart_link_reset(avr_io_t *module) {
    uart_link_start((struct uart_link *)((char *)module - offsetof(struct uart_link, module)));
}

/* Connects UART0, or UART1 where the MCU has no UART0, and starts the feeding. False when there is
 * neither. */
static bool uart_link_open(struct uart_link *link) {
    char name = '0';
    link->base = UCSR0A;
    link->input = avr_io_getirq(link->avr, AVR_IOCTL_UART_GETIRQ(name), UART_IRQ_INPUT);
    if (!link->input) {
        name = '1';
        link->base = UCSR1A;
        link->input = avr_io_getirq(link->avr, AVR_IOCTL_UART_GETIRQ(name), UART_IRQ_INPUT);
    }
    if (!link->input)
        return false;
    uint32_t flags = 0; /* neither simavr's console lines nor its sleeping while polled */
    avr_ioctl(link->avr, AVR_IOCTL_UART_SET_FLAGS(name), &flags);
    avr_irq_t *irqs = link->input - UART_IRQ_INPUT;
    avr_irq_register_notify(irqs + UART_IRQ_OUTPUT, uart_link_output, link);
    avr_irq_register_notify(irqs + UART_IRQ_OUT_XON, uart_link_xon, link);
    avr_irq_register_notify(irqs + UART_IRQ_OUT_XOFF, uart_link_xoff, link);
    link->module = (avr_io_t){.kind = "uart_link", .reset = uart_link_reset};
    avr_register_io(link->avr, &link->module);
    uart_link_start(link);
    return true;
}

#endif
