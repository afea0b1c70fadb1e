/* From reset to main on a Cortex-M: the vector table, .data, .bss and the FPU. */
#include "mcu.h"

#include <stddef.h>

extern uint32_t _stack_top, _data_start, _data_end, _data_load, _bss_start, _bss_end;
extern void (*const _constructors[])(void), (*const _constructors_end[])(void);

int main(void);
void start(void) __attribute__((noreturn));
void systick_handler(void);

static void crashed(void) { mcu_exit(MCU_CRASHED); }

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &_stack_top,
    (const void *)start,
    (const void *)crashed, /* NMI */
    (const void *)crashed, /* HardFault */
    (const void *)crashed, /* MemManage */
    (const void *)crashed, /* BusFault */
    (const void *)crashed, /* UsageFault */
    NULL,
    NULL,
    NULL,
    NULL,
    (const void *)crashed, /* SVCall */
    (const void *)crashed, /* debug monitor */
    NULL,
    (const void *)crashed, /* PendSV */
    (const void *)systick_handler,
};

void start(void) {
    const uint32_t *from = &_data_load;
    for (volatile uint32_t *to = &_data_start; to < &_data_end;) {
        *to++ = *from++;
    }
    for (volatile uint32_t *to = &_bss_start; to < &_bss_end;) {
        *to++ = 0;
    }
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xFU << 20; /* CPACR: the FPU for everybody */
    __asm__ volatile("dsb\nisb");
#endif
    for (void (*const *each)(void) = _constructors; each < _constructors_end; each++) {
        (*each)();
    }
    mcu_exit(main());
}
