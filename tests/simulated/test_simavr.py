"""The AVR runner against programs whose cycles, stack and memory are known by counting instructions."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcugen.diagnostics import McugenError
from mcugen.targets import host, simavr
from mcugen.targets.simavr import SimResult, runner, simulate

PREAMBLE = r"""
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>
#include <stdint.h>
#include <stdlib.h>

#define NOPS(n) __asm__ volatile(".rept " #n "\n nop\n .endr")
#define START() (GPIOR0 = 1)
#define STOP() (GPIOR0 = 2)
#define END() (GPIOR0 = 255)

static volatile struct { uint8_t *address; uint16_t length; } block;

static void request(uint8_t command, uint8_t *address, uint16_t length) {
    block.address = address;
    block.length = length;
    GPIOR1 = (uint16_t)&block & 0xFF;
    GPIOR2 = (uint16_t)&block >> 8;
    __asm__ volatile("" ::: "memory");
    GPIOR0 = command;
    __asm__ volatile("" ::: "memory");
}

static void put(char c) {
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    UDR0 = c;
}

__attribute__((noinline)) void called(void) { NOPS(100); }
__attribute__((noinline)) void deep(void) {
    volatile uint8_t buffer[300];
    buffer[0] = buffer[299] = 1;
}
void use(void);
void use(void) { (void)request, (void)put; }
"""


def run(elf: Path, mcu: str = "atmega328p", **options: object) -> SimResult:
    return simulate(elf, mcu=mcu, freq=16_000_000, timeout=60, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("mcu", ["atmega328p", "atmega2560"])
def test_cycles_are_exact(compile_avr, mcu):
    elf = compile_avr(
        PREAMBLE + "int main(void) { START(); STOP(); START(); NOPS(1); STOP(); START(); NOPS(1000); STOP();"
        "START(); called(); STOP(); END(); for (;;) {} }",
        mcu,
        ("-mno-relax",),
    )
    # call and ret: 4 cycles each with a 2-byte program counter, 5 with the ATmega2560's 3 bytes
    both = 10 if mcu == "atmega2560" else 8
    done = run(elf, mcu)
    assert (done.end, done.cycles) == ("exit", (0, 1, 1000, 100 + both))


def test_cycles_are_exact_where_the_markers_numbers_stay_in_registers(compile_avr):
    loop = (
        "int main(void) { for (uint8_t i = 0; i < 3; i++) { START(); called(); called(); STOP(); } END(); for (;;) {} }"
    )
    assert run(compile_avr(PREAMBLE + loop, flags=("-mno-relax",))).cycles == (216, 216, 216)


def test_deepest_stack_is_exact(compile_avr):
    done = run(compile_avr(PREAMBLE + "int main(void) { START(); deep(); STOP(); END(); for (;;) {} }"))
    assert done.stack == 300 + 2 + 2  # the locals, Y saved, the return address


def test_every_pair_has_its_own_stack(compile_avr):
    done = run(
        compile_avr(PREAMBLE + "int main(void) { START(); deep(); STOP(); START(); STOP(); END(); for (;;) {} }")
    )
    assert (done.stacks, done.stack) == ((304, 0), 304)


def test_no_pair_is_lost(compile_avr):
    loop = "for (uint32_t i = 0; i < 150000; i++) { START(); STOP(); }"
    assert len(run(compile_avr(PREAMBLE + f"int main(void) {{ {loop} END(); for (;;) {{}} }}")).cycles) == 150_000


def test_a_silent_program_ends_when_it_is_asked_to(compile_avr):
    text = PREAMBLE + "int main(void) { UCSR0B = _BV(TXEN0); put('a'); for (;;) {} }"
    done = run(compile_avr(text), quiet=500_000)
    assert (done.end, done.serial) == ("quiet", b"a")
    assert 500_000 <= done.total_cycles < 600_000


def test_a_half_written_stack_pointer_is_not_depth(compile_avr):
    # The inner frame crosses a page of 256 bytes: between its two writes SP is some 150 bytes below where it will be.
    text = PREAMBLE + """
    #define FRAME(n) volatile uint8_t frame[n]; (void)frame; frame[0] = 1
    __attribute__((noinline)) void inner(void) { FRAME(100); }
    __attribute__((noinline)) void outer(void) { FRAME(220); START(); inner(); STOP(); frame[219] = 1; }
    int main(void) { outer(); END(); for (;;) {} }"""  # fmt: skip
    assert run(compile_avr(text)).stack == 100 + 2 + 2


def test_sram_peak_is_static_data_heap_and_stack(compile_avr):
    text = PREAMBLE + """
    uint8_t zeros[100], values[10] = {1, 2, 3};
    int main(void) {
        volatile uint8_t *heap = malloc(50);
        for (uint8_t i = 0; i < 50; i++) heap[i] = zeros[i] + values[i % 10];
        START(); deep(); STOP();
        END();
        for (;;) {}
    }"""  # fmt: skip
    done, least = run(compile_avr(text)), 100 + 10 + 50 + 304
    assert least <= done.sram_peak <= least + 32  # malloc's own variables, and what main() itself pushed


def test_rows_go_in_and_results_come_out(compile_avr):
    text = PREAMBLE + """
    static uint8_t row[5], reversed[5];
    int main(void) {
        for (request(3, row, 5); block.length; request(3, row, 5)) {
            for (uint8_t i = 0; i < 5; i++) reversed[i] = row[4 - i];
            request(4, reversed, 5);
        }
        END();
        for (;;) {}
    }"""  # fmt: skip
    done = run(compile_avr(text), rows=b"abcdefghijkl")  # two rows, and two bytes that make none
    assert (done.end, done.results) == ("exit", b"edcbajihgf")


def test_serial_echo_loses_no_byte(compile_avr):
    # The firmware needs longer for a byte than the line does, and there are more bytes than simavr's queue holds.
    text = PREAMBLE + """
    int main(void) {
        UBRR0L = 8;
        UCSR0B = _BV(TXEN0) | _BV(RXEN0);
        for (uint16_t i = 0; i < 300; i++) {
            for (volatile uint16_t n = 0; n < 500; n++) {
            }
            while (!(UCSR0A & _BV(RXC0))) {
            }
            put(UDR0 + 1);
        }
        cli();
        sleep_enable();
        sleep_cpu();
    }"""  # fmt: skip
    sent = bytes(i * 7 % 200 for i in range(300))
    done = run(compile_avr(text), uart_in=sent)
    assert (done.end, done.serial) == ("sleep", bytes(b + 1 for b in sent))


def test_a_line_is_waited_for_while_no_time_passes(compile_avr):
    # It echoes lines, and crashes at the byte 1; before each answer it takes a while.
    text = PREAMBLE + """
    int main(void) {
        UBRR0L = 8;
        UCSR0B = _BV(TXEN0) | _BV(RXEN0);
        for (;;) {
            while (!(UCSR0A & _BV(RXC0))) {
            }
            const char c = (char)UDR0;
            if (c == 1) ((void (*)(void))0x3000)();
            if (c == '\\n')
                for (volatile uint16_t n = 0; n < 50000; n++) {
                }
            put(c);
        }
    }"""  # fmt: skip
    with simavr.talk(compile_avr(text), mcu="atmega328p", freq=16_000_000, quiet=1_000_000) as line:
        for sent in (b"one\n", b"two and more\n"):
            assert line.read(0.05) == b""  # it stands still
            line.write(sent)
            came = b""
            while len(came) < len(sent):
                came += line.read(20)
            assert came == sent
        line.write(b"\1\n")
        with pytest.raises(McugenError, match=r"E0702.*a jump outside of the program at 0x6000"):
            line.read(20)
        with pytest.raises(McugenError, match="E0702"):
            line.write(b"more\n")


def test_tables_in_a_section_of_their_own_are_loaded(compile_avr):
    text = PREAMBLE + """
    __attribute__((section(".far_tables"), used)) const uint8_t table[] = {3, 1, 4};
    int main(void) {
        UCSR0B = _BV(TXEN0);
        for (uint8_t i = 0; i < 3; i++) put(pgm_read_byte(&table[i]));
        END();
        for (;;) {}
    }"""  # fmt: skip
    assert run(compile_avr(text)).serial == bytes([3, 1, 4])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("((void (*)(void))0x3000)();", "jump outside of the program"),
        ("request(3, (uint8_t *)0x08F0, 100);", "outside of SRAM"),
        ("*(volatile uint8_t *)0x2000 = 1;", "bad address"),
    ],
)
def test_a_crash_is_reported(compile_avr, body, reason):
    done = run(compile_avr(PREAMBLE + f"int main(void) {{ {body} END(); for (;;) {{}} }}"), rows=bytes(100))
    assert done.end == "crash"
    assert reason in done.reason


def test_a_stack_that_runs_into_bss_is_a_crash(compile_avr):
    recursion = (
        "uint8_t big[1000]; int sink(int n) { volatile uint8_t a[20]; a[0] = n; return sink(n + 1) + a[0] + big[n]; }"
    )
    text = PREAMBLE + recursion + "int main(void) { START(); big[0] = sink(0); STOP(); END(); for (;;) {} }"
    done = run(compile_avr(text, flags=("-fno-optimize-sibling-calls", "-Wno-infinite-recursion")))
    assert (done.end, done.reason, done.cycles) == ("crash", "the stack ran into .bss", ())


def test_an_endless_program_ends_at_its_limit(compile_avr):
    done = run(compile_avr(PREAMBLE + "int main(void) { START(); STOP(); for (;;) {} }"), limit=100_000)
    assert (done.end, done.cycles) == ("limit", (0,))
    assert 100_000 <= done.total_cycles < 100_010


def test_an_endless_sleep_ends_at_its_limit(compile_avr):
    text = PREAMBLE + "int main(void) { sei(); sleep_enable(); for (;;) sleep_cpu(); }"
    assert run(compile_avr(text), limit=10_000_000).end == "limit"


def test_wall_clock_limit_is_an_error(compile_avr):
    elf = compile_avr(PREAMBLE + "int main(void) { for (;;) {} }")
    with pytest.raises(McugenError, match="E0702"):
        simulate(elf, mcu="atmega328p", freq=16_000_000, limit=10**15, timeout=0.2)


@pytest.mark.parametrize("content", [b"", b"not an ELF", b"\x7fELF\x01\x01\x01" + bytes(40)])
def test_a_broken_elf_is_an_error(require, tmp_path, content):
    require("simavr")
    (tmp_path / "broken.elf").write_bytes(content)
    with pytest.raises(McugenError, match="E0702"):
        run(tmp_path / "broken.elf")


@pytest.mark.parametrize(
    "arguments", [[], ["--limit", "0", "x"], ["--limit=-1", "x"], ["--mcu", "none", "x"], ["a", "b"]]
)
def test_wrong_usage_is_64(require, arguments):
    require("simavr")
    done = subprocess.run([runner("avr_run"), *arguments], capture_output=True, timeout=10, check=False)
    assert done.returncode == 64
    assert done.stderr


def test_parallel_processes_build_one_runner(require, tmp_path, monkeypatch):
    require("simavr")
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(simavr.runner.__wrapped__, ["avr_run"] * 4))
    assert [path.name for path in (tmp_path / "simulator").iterdir()] == [path.name for path in paths]


def test_runner_without_the_library_fails_cleanly(require, tmp_path, monkeypatch):
    require("simavr")
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(simavr, "compiler", lambda: ("false",))
    with pytest.raises(McugenError, match="E0701"):
        simavr.runner.__wrapped__("avr_run")
    monkeypatch.setattr(simavr, "compiler", host.compiler)
    monkeypatch.setattr(host, "find_compiler", lambda: None)
    with pytest.raises(McugenError, match="E0601"):
        simavr.runner.__wrapped__("avr_run")
