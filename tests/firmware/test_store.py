"""The store of a trainer's state, as C: power cuts at every byte and at random, wear, damage; every back-end that can run here.

In RAM as EEPROM and as flash, in a file and in a stand-in for NVS under sanitizers; on AVR's EEPROM in simavr; flash by its registers on
an nRF51 in QEMU, and compiled for the others.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from sanitized import C99, CPP
from tools import require, tool

from mcugen.data import firmware_dir
from mcugen.targets.simavr import simulate

STORE = firmware_dir() / "store"
TESTS = firmware_dir() / "test"
CORE = STORE / "mcugen_store.c"
EVERY = sorted(STORE.glob("*.c"))
SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")  # ten thousands of cuts take their time
FLASH = 2_400  # bytes of an Uno's 32,256 that the store and its EEPROM may take
MCUS = {  # whose flash firmware/store writes: what their frameworks define, and their cores
    "NRF52840_XXAA": "cortex-m4",
    "STM32F1xx": "cortex-m3",
    "STM32F4xx": "cortex-m4",
    "__SAMD21G18A__": "cortex-m0plus",
}


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[:4000]
    return done.stdout


def test_on_every_medium_under_sanitizers(tmp_path: Path) -> None:
    program = tmp_path / "store_test"
    sources = [TESTS / "store_test.c", CORE, STORE / "mcugen_store_ram.c", STORE / "mcugen_store_file.c"]
    run(tool(C99[0]), *C99[1:], *SANITIZE, *sources, "-o", program)
    said = run(program, tmp_path / "file").splitlines()
    assert len([line for line in said if line.endswith("test_a_cut_at_every_byte")]) == 6
    assert len([line for line in said if line.endswith("test_random_cuts")]) == 6
    assert said[-1] == "test_a_file_cut_anywhere"


@pytest.mark.parametrize("language", [C99, CPP])
def test_on_a_stand_in_for_nvs(tmp_path: Path, language: tuple[str, ...]) -> None:
    program, options = tmp_path / "nvs_test", ("-DESP_PLATFORM", f"-I{TESTS / 'nvs'}")
    sources = [TESTS / "store_nvs_test.c", CORE, STORE / "mcugen_store_nvs.c"]
    run(tool(language[0]), *language[1:], *SANITIZE, *options, *sources, "-o", program)
    run(program)


def test_on_the_eeprom_of_a_simulated_avr(tmp_path: Path) -> None:
    require("avr-gcc", "simavr")
    program = tmp_path / "store.elf"
    sources = [TESTS / "store_chip.c", CORE, STORE / "mcugen_store_eeprom.c"]
    run("avr-gcc", "-mmcu=atmega328p", "-Os", "-DRANDOM_CUTS=1000", *C99[1:], *sources, "-o", program)
    done = simulate(program, mcu="atmega328p", freq=16_000_000)
    assert (done.end, done.reason) == ("exit", "")
    assert np.frombuffer(done.results, "<u2").tolist() == [0]  # else the lines of the checks that failed


def test_on_the_flash_of_an_nrf51_in_qemu(tmp_path: Path) -> None:
    """QEMU has its flash controller, which is the nRF52's but for the page's size."""
    program, mcu = tmp_path / "store.elf", firmware_dir() / "platformio" / "bare" / "mcu"
    sources = [TESTS / "store_chip.c", CORE, STORE / "mcugen_store_flash.c", mcu / "start_cortexm.c", mcu / "mcu.c"]
    memories = [f"-Wl,--defsym=mcugen_{name}" for name in ("flash=0x3F000", "ram=0x4000", "stack=1024")]
    options = ["-mthumb", "-mcpu=cortex-m0", "-Os", "-DNRF51", "-DRANDOM_CUTS=10000", f"-I{mcu}", *C99[1:]]
    run(
        tool("arm-none-eabi-gcc"),
        *options,
        *sources,
        "-nostartfiles",
        f"-L{mcu}",
        "-T",
        "cortexm.ld",
        *memories,
        "-o",
        program,
    )
    machine = [tool("qemu-system-arm"), "-M", "microbit", "-display", "none", "-serial", "none"]
    done = subprocess.run(
        [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout + done.stderr).split() == ["000000"]  # else the lines of the checks that failed
    assert done.returncode == 0


@pytest.mark.parametrize("compiler", ["gcc", "avr-gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"])
def test_c99_and_cpp11_without_a_warning(compiler: str, tmp_path: Path) -> None:
    chip = {"avr-gcc": ["-mmcu=atmega328p"], "riscv64-unknown-elf-gcc": ["-march=rv32imc", "-mabi=ilp32"]}
    specs = ["--specs=picolibc.specs"] if compiler.startswith("riscv") else []
    command = [tool(compiler), *specs, *chip.get(compiler, []), "-Os", "-pedantic", "-c"]
    for language in (C99, CPP):
        files = [*map(str, EVERY), str(TESTS / "store_test.c")] if compiler == "gcc" else [*map(str, EVERY)]
        done = subprocess.run(
            [*command, *language[1:], *files], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr[:4000]


@pytest.mark.parametrize("language", [C99, CPP])
def test_flash_of_every_mcu_without_a_warning(language: tuple[str, ...], tmp_path: Path) -> None:
    built = tmp_path / "flash.o"
    for defined, core in MCUS.items():
        command = [
            tool("arm-none-eabi-gcc"),
            "-mthumb",
            f"-mcpu={core}",
            "-Os",
            *language[1:],
            "-pedantic",
            f"-D{defined}",
        ]
        run(*command, "-c", STORE / "mcugen_store_flash.c", "-o", built)
        assert "mcugen_store_flash" in run("arm-none-eabi-nm", built)


def test_it_is_small(tmp_path: Path) -> None:
    total = 0
    for source in (CORE, STORE / "mcugen_store_eeprom.c"):
        built = tmp_path / "store.o"
        run(tool("avr-gcc"), "-mmcu=atmega328p", "-Os", "-std=c99", "-c", source, "-o", built)
        text, data, bss = map(int, run(tool("avr-size"), built).splitlines()[1].split()[:3])
        assert data + bss == 0
        total += text
    assert total <= FLASH
