"""What a board can keep without power: how many records of a trainer's state its memory takes, how often they can be saved, and
whether a power cut leaves one. The records are those of firmware/store; docs/storage.md describes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcugen.boards import Board, Nonvolatile
from mcugen.data import firmware_dir

OVERHEAD = 20  # MCUGEN_STORE_OVERHEAD: bytes of a record beside its payload
MOST_SLOTS = (1 << 16) - 1
NVS_ENTRY, NVS_ENTRIES = 32, 126  # bytes of an entry of NVS, and entries in one of its pages
NVS_BESIDE = 2  # entries of a blob beside its bytes: its index, and the head of its data
MEMORIES = {"eeprom": "EEPROM", "flash": "flash", "nvs": "NVS", "file": "a file"}


@dataclass(frozen=True)
class Saving:
    """How a state of `payload` bytes is kept in a board's memory.

    record  bytes of a record, filled up to whole words
    slots   how many fit
    saves   how many saves until the memory is worn out by its data sheet, each with another payload; None without a limit
    safe    whether a power cut in a save leaves the record before: two fit, and not only in one page that is erased whole
    kept    the memory; None where none is known for the board
    """

    payload: int
    record: int
    slots: int
    saves: int | None
    safe: bool
    kept: Nonvolatile | None

    def __str__(self) -> str:
        """One line for a report."""
        if self.kept is None:
            return "no memory is known for this board that keeps the state without power: give the store your own callbacks"
        record, memory = f"{self.record:,} B", f"{self.kept.nbytes:,} B of {MEMORIES[self.kept.kind]}"
        if not self.safe:
            also = f"; without it one does: {self._lasts}" if self.slots else ", and not even one does"
            return (
                f"power-loss safety is not to be had on this board: two records of {record} do not fit {memory}{also}"
            )
        fit = f"{self.slots:,} records of {record} fit {memory}"
        return f"{fit}; {self._lasts}; a power cut leaves the last or the one before"

    @property
    def _lasts(self) -> str:
        return (
            "saves without a known limit" if self.saves is None else f"about {self.saves:,} saves until it is worn out"
        )


def saving(payload: int, board: Board) -> Saving:
    """How the board keeps a state of `payload` bytes."""
    kept, record = board.storage, payload + OVERHEAD
    if kept is None:
        return Saving(payload, record, 0, 0, False, None)
    if kept.kind == "nvs":
        return _in_nvs(payload, kept)
    record = _rounded_up(record, kept.word)
    group = _rounded_up(record, kept.page) if kept.page else record
    groups, in_group = kept.nbytes // group, group // record
    in_group = min(in_group, MOST_SLOTS // 2)
    slots = min(groups, MOST_SLOTS // in_group) * in_group
    return Saving(payload, record, slots, slots * kept.endurance if kept.endurance else None, groups >= 2, kept)


def store_files(board: Board) -> dict[str, str]:
    """The C that saves a state on the board, {name: text}: the store, and what knows the board's memory."""
    kinds = ("", f"_{board.storage.kind}") if board.storage else ("",)
    names = [f"mcugen_store{kind}.{ending}" for kind in kinds for ending in ("c", "h")]
    return {name: (firmware_dir() / "store" / name).read_text(encoding="utf-8") for name in names}


def memory_of(board: Board) -> str:
    """What the board keeps without power: `1,024 B of EEPROM, 100,000 writes of each byte`."""
    kept = board.storage
    if kept is None:
        return "nothing that is known"
    where = f" from {kept.first:#x} on" if kept.first else ""
    said = f"{kept.nbytes:,} B of {MEMORIES[kept.kind]}{where}"
    if kept.endurance:
        said += f", {kept.endurance:,} {'erases of each page' if kept.page else 'writes of each byte'}"
    return said + (f"; pages of {kept.page:,} B, written by {kept.word} B" if kept.page else "")


def _rounded_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _in_nvs(payload: int, kept: Nonvolatile) -> Saving:
    """NVS writes each blob anew behind the others and keeps a page free to clear up: a new blob needs room beside the old ones."""
    record = payload + OVERHEAD
    entries = NVS_BESIDE + _rounded_up(record, NVS_ENTRY) // NVS_ENTRY
    blobs = (kept.nbytes // kept.page - 1) * NVS_ENTRIES // entries
    slots = max(0, blobs - 1)
    return Saving(payload, record, slots, blobs * kept.endurance, slots >= 2, kept)
