"""What an ELF file says about itself: sections, symbols, and the flash and RAM they come to. Sizes in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcugen.diagnostics import error

APART = (".apart", ".bss.dma", ".ext_ram.bss")  # in memories beside the RAM: mcugen's own, Teensy 4's, ESP32's
_WRITABLE, _ALLOCATED = 0x1, 0x2  # section flags
_AVR_FUSES_AND_EEPROM = 0x810000  # from here on an AVR ELF's addresses are neither flash nor SRAM


@dataclass(frozen=True)
class Symbol:
    """A function or an object of the program: the section it lies in, its size in bytes and its address."""

    name: str
    section: str
    size: int
    address: int
    is_object: bool = False


@dataclass(frozen=True)
class Usage:
    """What a program takes of its board before it runs: flash (code, constants, initial values) and static RAM."""

    flash: int
    ram: int


def sections(elf: Path) -> dict[str, int]:
    """The size of every section that exists at run time. E0602 when this is no ELF file."""
    with _opened(elf) as file:
        return {section.name: section["sh_size"] for section in file.iter_sections() if _is_loaded(section)}


def symbols(elf: Path) -> list[Symbol]:
    """All named functions and objects with a size, by address. E0602 when this is no ELF file."""
    with _opened(elf) as file:
        table = file.get_section_by_name(".symtab")
        found = [_symbol(file, entry) for entry in table.iter_symbols() if _is_sized(entry)] if table else []
    return sorted(found, key=lambda symbol: (symbol.address, symbol.name))


def address(elf: Path, name: str) -> int:
    """The address of a symbol. E0602 where the program has none of this name."""
    with _opened(elf) as file:
        table = file.get_section_by_name(".symtab")
        found = table.get_symbol_by_name(name) if table else None
        if not found:
            raise error("E0602", f"{elf.name} has no symbol {name}", help="build it again with mcugen's own platform")
        return int(found[0]["st_value"])


def usage(elf: Path) -> Usage:
    """Flash used (all that is stored: .text, tables, .data's initial values) and static RAM (.data, .bss, .noinit), without what lies
    in memories beside it.
    """
    flash = ram = 0
    with _opened(elf) as file:
        for section in filter(_is_loaded, file.iter_sections()):
            size = section["sh_size"]
            flash += size if section["sh_type"] != "SHT_NOBITS" else 0
            ram += size if section["sh_flags"] & _WRITABLE and section.name not in APART else 0
    return Usage(flash, ram)


@contextmanager
def _opened(elf: Path) -> Iterator[Any]:
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
    except ImportError as missing:
        raise error(
            "E0606", "pyelftools is not installed", help="install it: `pip install 'mcugen[build]'`"
        ) from missing
    try:
        with elf.open("rb") as stream:
            yield ELFFile(stream)
    except (OSError, ELFError) as problem:
        raise error("E0602", f"{elf.name} is not a readable ELF file: {problem}", help="build it again") from problem


def _is_loaded(section: Any) -> bool:
    is_avr_extra = section.elffile["e_machine"] == "EM_AVR" and section["sh_addr"] >= _AVR_FUSES_AND_EEPROM
    return bool(section["sh_flags"] & _ALLOCATED) and section["sh_size"] > 0 and not is_avr_extra


def _is_sized(entry: Any) -> bool:
    kind = entry["st_info"]["type"]
    return bool(entry.name) and entry["st_size"] > 0 and kind in ("STT_FUNC", "STT_OBJECT")


def _symbol(file: Any, entry: Any) -> Symbol:
    index = entry["st_shndx"]
    section = file.get_section(index).name if isinstance(index, int) else ""
    is_object = entry["st_info"]["type"] == "STT_OBJECT"
    return Symbol(entry.name, section, entry["st_size"], entry["st_value"], is_object)
