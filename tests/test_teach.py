"""Teaching a sketch over a serial line: what goes over it, and every way in which it can go wrong."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tools import require

from mcugen.cli import cli
from mcugen.datafile import read_labelled
from mcugen.diagnostics import McugenError
from mcugen.teach import Judged, Lesson, Patience, Rows, classes_of

QUICK = Patience(banner=0.02, asked=(0.02, 0.02), still=0.01, answer=0.02)


class Board:
    """A line to a sketch that answers each of the lines that it is sent, at once, in pieces of three bytes."""

    def __init__(self, answer: Callable[[str], str], banner: str = "") -> None:
        self.answer, self.sent, self._coming = answer, list[str](), banner.encode()

    def write(self, data: bytes) -> None:
        line = data.decode().removesuffix("\n")
        self.sent.append(line)
        self._coming += self.answer(line).encode()

    def read(self, seconds: float) -> bytes:
        came, self._coming = self._coming[:3], self._coming[3:]
        return came


def always(answer: str) -> Board:
    return Board(lambda line: answer)


def fails(code: str, call: Callable[[], object]) -> str:
    with pytest.raises(McugenError) as caught:
        call()
    assert caught.value.diagnostics[0].code == code
    return str(caught.value)


# ---- the conversation -----------------------------------------------------------------------------------------------


def test_a_lesson_begins_when_the_board_has_said_all_that_it_says_at_first() -> None:
    board = Board(lambda line: "12 of 20 right\r\n" if line == "stats" else "7 (31 us)\r\n", "sketch: send rows\r\n")
    lesson = Lesson(board, QUICK)
    lesson.begin()
    assert lesson.learn(1, "3,1,2") == 7
    assert lesson.say("stats") == "12 of 20 right"
    assert board.sent == ["stats", "3,1,2", "stats"]


def test_a_board_that_still_starts_is_asked_again() -> None:
    asked: list[str] = []

    def late(line: str) -> str:
        asked.append(line)
        return "0 of 0 right\n" * (len(asked) > 1)

    Lesson(Board(late), QUICK).begin()
    assert asked == ["stats", "stats"]


def test_a_board_that_never_stops_talking_is_not_listened_to_for_ever() -> None:
    class Chatty(Board):
        def read(self, seconds: float) -> bytes:
            return b"temperature 21\n"

    lesson = Lesson(Chatty(lambda line: ""), QUICK)
    lesson.begin()
    assert "it says temperature 21" in fails("E0705", lambda: lesson.learn(1, "0,1"))


def test_a_board_that_does_not_answer() -> None:
    assert "nothing at the serial port answers" in fails("E0705", Lesson(always(""), QUICK).begin)
    assert "no answer in 0.02 s" in fails("E0705", lambda: Lesson(always("7 but no end"), QUICK).learn(1, "0,1"))


def test_a_row_that_the_board_refuses() -> None:
    for said in ("error: a row has 4 numbers, this one 3\r\n", "-2  (8 us)\r\n"):
        text = fails("E0110", lambda said=said: Lesson(always(said), QUICK).learn(12, "0,1,2,3"))  # type: ignore[misc]
        assert "row 12: 0,1,2,3" in text
        assert f"it says {said.strip()}" in text


def test_a_board_that_was_reset_meanwhile() -> None:
    assert "row 3: was it reset?" in fails(
        "E0705", lambda: Lesson(always("sketch: send rows\n"), QUICK).learn(3, "0,1")
    )


def test_what_the_board_has_learnt() -> None:
    assert Lesson(always("00Ff7a\r\n"), QUICK).state() == b"\0\xff\x7a"
    for said in ("error: stats\n", "0ff\n"):
        assert "does not say what it has learnt" in fails("E0705", Lesson(always(said), QUICK).state)


# ---- rows -----------------------------------------------------------------------------------------------------------


def test_rows_as_they_go_over_the_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("length,kind,width\n1,setosa,2.50\n16777217,,0.1\n-3,?,1e10\n")
    numbers, labels = read_labelled(file, "kind")
    assert labels == ["setosa", "", "?"]
    rows = Rows(numbers, classes_of(labels, ["virginica", "setosa"]))
    assert [*rows.texts(learnt=True)] == ["1,1,2.5", "?,16777217,0.1", "?,-3,1e+10"]
    assert [*rows.texts(learnt=False)] == ["?,1,2.5", "?,16777217,0.1", "?,-3,1e+10"]


@pytest.mark.parametrize("text", ["1,2,7\n3,4,8\n", "a,b,y\n1,2,7\n3,4,8\n", "1;2;7\n3;4;8\n"])
def test_the_last_column_is_the_label(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    numbers, labels = read_labelled(tmp_path / "rows.csv")
    assert (numbers.tolist(), labels) == ([[1, 2], [3, 4]], ["7", "8"])
    assert read_labelled(tmp_path / "rows.csv", "3")[1] == labels


def test_files_that_are_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    for text, code, said in (
        ("", "E0109", "no rows"),
        ("a,b\n", "E0109", "no rows"),
        ("1\n2\n", "E0109", "no rows"),
        ("1,2,0\n1,0\n", "E0109", "line 2"),
        ("1,2,0\n1,x,0\n", "E0109", "'x' is not a number"),
        ("1,2,0\n1,,0\n", "E0109", "missing"),
        ("1,2,0\n1,inf,0\n", "E0109", "not finite"),
    ):
        file.write_text(text)
        assert said in fails(code, lambda: read_labelled(file)), text
    file.write_text("a,b\n1,0\n")
    assert "no column 'c'" in fails("E0112", lambda: read_labelled(file, "c"))
    assert "no column '3'" in fails("E0112", lambda: read_labelled(file, "3"))
    fails("E0101", lambda: read_labelled(tmp_path / "other.csv"))


def test_labels_are_places_or_names() -> None:
    assert classes_of(["0", "12", "3.0", "?", ""], None) == [0, 12, 3, -1, -1]
    assert "--classes A,B" in fails("E0110", lambda: classes_of(["setosa"], None))
    assert "none of the classes" in fails("E0110", lambda: classes_of(["0"], ["a", "b"]))
    fails("E0110", lambda: classes_of(["-1"], None))
    fails("E0110", lambda: classes_of(["1.5"], None))


def test_how_well_rows_were_taken_for_what_they_are() -> None:
    found = Judged([0, 1, 1, 2, 0], [0, 1, 0, -1, 0])
    assert (found.known, found.right, found.accuracy) == (4, 3, 0.75)
    assert found.recall == {0: pytest.approx(2 / 3), 1: 1.0}
    assert found.balanced == pytest.approx(5 / 6)
    assert found.last(2).right == 1
    assert (Judged([], []).accuracy, Judged([1], [-1]).balanced) == (0.0, 0.0)


# ---- the command ----------------------------------------------------------------------------------------------------


def taught(*args: object, exit: int) -> Result:
    result = CliRunner().invoke(cli, ["teach", *map(str, args)])
    assert result.exit_code == exit, f"{result.stdout}\n{result.stderr}"
    return result


def test_what_is_wrong_is_said_before_anything_is_built_or_opened(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("1,2,0\n")
    assert "error[E0101]" in taught(tmp_path / "none.csv", "-b", "uno", exit=1).stderr
    assert "error[E0401]" in taught(rows, "-b", "unno", exit=1).stderr
    assert "error[E0703]: there is no port" in taught(rows, "-b", "uno", "-p", "/no/port", exit=5).stderr
    assert "there is no platformio.ini" in taught(rows, "-b", "uno", "--project", tmp_path, exit=1).stderr
    assert "error[E0603]" in taught(rows, "-b", "uno", "--state", rows, exit=1).stderr
    assert "error[E0604]" in taught(rows, "-b", "uno", "--state", tmp_path / "no" / "file", exit=1).stderr
    assert "give one of them" in taught(rows, "-b", "uno", "-p", "x", "--project", tmp_path, exit=2).stderr


def test_a_board_at_a_port_is_taught_and_tested(tmp_path: Path) -> None:
    require("python:serial")
    master, slave = pty.openpty()

    def board() -> None:
        """Takes every row for its first number, and counts those that it learns."""
        learnt = 0
        with os.fdopen(master, "rb", buffering=0) as heard:
            line = b""
            while not line.startswith(b"bye"):
                line += heard.read(1)
                if not line.endswith(b"\n"):
                    continue
                first, *numbers = line.decode().strip().split(",")
                learnt += bool(numbers) and first != "?"
                words = {"stats": f"{learnt} learnt", "state": f"{learnt:04X}"}
                os.write(master, (f"{numbers[0]} taken" if numbers else words[first]).encode() + b"\n")
                line = b""

    threading.Thread(target=board, daemon=True).start()
    (tmp_path / "rows.csv").write_text("x,y\n" + "1,1\n2,2\n3,1\n4,?\n")
    (tmp_path / "test.csv").write_text("x,y\n" + "1,1\n2,2\n2,1\n")
    asked = [tmp_path / "rows.csv", "-b", "uno", "-p", os.ttyname(slave), "--test", tmp_path / "test.csv"]
    done = taught(*asked, "--state", tmp_path / "learnt.bin", "--json", exit=0)
    assert "4 of 4 rows:  66.7% right so far" in done.stderr
    assert "2 of 3 rows right (66.7%), the mean of the classes 75.0%" in done.stderr
    found = json.loads(done.stdout)
    assert (found["said"], found["rows"], found["right"], found["stats"]) == ([1, 2, 3, 4], 3, 2, "3 learnt")
    assert found["tested"]["recall"] == {"1": 0.5, "2": 1.0}
    assert (tmp_path / "learnt.bin").read_bytes() == b"\0\3"
    assert found["state"] == str(tmp_path / "learnt.bin")
    os.write(slave, b"bye")
    os.close(slave)
