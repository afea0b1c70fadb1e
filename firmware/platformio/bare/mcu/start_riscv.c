/* From reset to main on RISC-V: stack, traps, .data, .bss. */
#include "mcu.h"

extern uint32_t _data_start, _data_end, _data_load, _bss_start, _bss_end;
extern void (*const _constructors[])(void), (*const _constructors_end[])(void);

int main(void);
void start(void) __attribute__((noreturn, used));
void reset(void);

__attribute__((aligned(4), used)) static void crashed(void) { mcu_exit(MCU_CRASHED); }

__attribute__((section(".vectors"), naked, used)) void reset(void) {
    __asm__ volatile(".option arch, +zicsr\n"
                     "la sp, _stack_top\n"
                     "la t0, crashed\n"
                     "csrw mtvec, t0\n"
                     "tail start\n");
}

void start(void) {
    const uint32_t *from = &_data_load;
    for (volatile uint32_t *to = &_data_start; to < &_data_end;) {
        *to++ = *from++;
    }
    for (volatile uint32_t *to = &_bss_start; to < &_bss_end;) {
        *to++ = 0;
    }
    for (void (*const *each)(void) = _constructors; each < _constructors_end; each++) {
        (*each)();
    }
    mcu_exit(main());
}
