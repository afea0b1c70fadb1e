"""Data files: what is read, told apart by content, and what is refused, with its place. Nothing is a traceback."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcugen import datafile
from mcugen.datafile import read_rows
from mcugen.diagnostics import McugenError

ROWS = np.array([[1.5, -2.0, 3e-5], [4.0, math.nan, math.inf]])


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def written(folder: Path, content: bytes | str) -> Path:
    file = folder / "rows.data"  # the ending plays no part
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def refused(folder: Path, content: bytes | str, code: str, features: int = 3) -> str:
    with pytest.raises(McugenError) as caught:
        read_rows(written(folder, content), features)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].loc.file.endswith("rows.data")
    return str(caught.value)


# --- what is read


@pytest.mark.parametrize(
    "content",
    [
        npy(ROWS),
        npy(np.asfortranarray(ROWS)),
        npy(ROWS.astype(">f8")),
        npz(X=ROWS),
        npz(X=ROWS, y=np.arange(2), other=ROWS + 1),
        npz(rows=ROWS, y=np.arange(2)),
        b"1.5,-2,3e-5\n4,,inf\n",
        b"1.5;-2;3e-5\r\n4;nan;inf\r\n",
        b"1.5\t-2\t3e-5\n4\tNaN\tinf",
        b"1.5 -2 3e-5\n\n4  nan inf\n",
        b"\xef\xbb\xbfa,b,c\n1.5,-2,3e-5\n4, ,Infinity\n",
        b'"length, cm";"b";"c"\n"1.5";"-2";3e-5\n4;;inf\n',
        b"# from somewhere\n\na,b,c\n1.5,-2,3e-5\n\n4,,inf\n",
    ],
)
def test_the_same_rows_in_every_format(tmp_path: Path, content: bytes) -> None:
    np.testing.assert_array_equal(read_rows(written(tmp_path, content), 3), ROWS)


def test_integers_and_bools_are_numbers(tmp_path: Path) -> None:
    assert read_rows(written(tmp_path, npy(np.eye(3, dtype=np.uint8))), 3).dtype == np.uint8
    assert read_rows(written(tmp_path, npy(np.eye(3, dtype=np.bool_))), 3).shape == (3, 3)


def test_one_feature_needs_no_separator(tmp_path: Path) -> None:
    assert read_rows(written(tmp_path, "width\n1\n2\n"), 1).tolist() == [[1.0], [2.0]]


def test_a_row_of_missing_values_is_a_row(tmp_path: Path) -> None:
    assert np.isnan(read_rows(written(tmp_path, "1,2,3\n,,\n"), 3)[1]).all()


@given(
    st.lists(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=2), min_size=1, max_size=20),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_text_reads_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], cut: str) -> None:
    text = "".join(cut.join(map(repr, row)) + "\n" for row in rows)
    found = read_rows(written(tmp_path_factory.getbasetemp(), text), 2)
    assert found.tobytes() == np.array(rows).tobytes() or np.isnan(found).any()
    np.testing.assert_array_equal(found, rows)


# --- other columns


def test_a_trailing_label_column_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path, "a,b,c,species\n1,2,3,setosa\n", "E0110")
    assert "the data have 4 columns; the model takes 3 features" in said
    assert "if the last column ('species') is the label, leave it out" in said
    assert "is the label" in refused(tmp_path, "1,2,3,setosa\n", "E0110")
    assert "is the label" in refused(tmp_path, npy(np.zeros((5, 4))), "E0110")


def test_other_shapes(tmp_path: Path) -> None:
    assert "7 columns" in refused(tmp_path, npy(np.zeros((5, 7))), "E0110")
    assert "the data are 5;" in refused(tmp_path, npy(np.zeros(5)), "E0110")
    assert "a single number" in refused(tmp_path, npy(np.zeros(())), "E0110")
    assert "no rows" in refused(tmp_path, npy(np.zeros((0, 3))), "E0110")
    assert "no rows" in refused(tmp_path, "a,b,c\n", "E0110")


# --- what cannot be read


def test_the_first_bad_cell_has_its_place(tmp_path: Path) -> None:
    assert "line 4, column 2" in refused(tmp_path, "a,b,c\n1,2,3\n\n4,five,6\n7,eight,9\n", "E0109")
    assert "line 1, column 1" in refused(tmp_path, "1_000,2,3\n", "E0109")
    assert "a point, not a comma" in refused(tmp_path, "1;2;3\n1;2,5;3\n", "E0109")


def test_a_ragged_line_has_its_place(tmp_path: Path) -> None:
    said = refused(tmp_path, "1,2,3\n1,2\n", "E0109")
    assert "line 2" in said
    assert "2 cells; the lines before it 3" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x80\x05\x95\x00\x00", "is not a data file"),
        (b"1,2,3\n\xff\xfe,2,3\n", "line 2"),
        (b"PK\x03\x04 and then nothing", "damaged"),
        (npy(ROWS)[:-9], "damaged"),
        (npy(ROWS)[:40], "damaged"),
        (npy(np.array([[1, "x", None]], dtype=object)), "Python objects"),
        (npy(np.array([["a", "b", "c"]])), "not numbers"),
        (npy(np.zeros((2, 3), np.complex128)), "not numbers"),
        (npz(a=ROWS, b=ROWS), "2 arrays with two axes"),
        (npz(a=np.zeros(3)), "0 arrays with two axes"),
    ],
)
def test_no_data_file(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refused(tmp_path, content, "E0109")


def test_a_spreadsheet_and_a_model_are_told(tmp_path: Path) -> None:
    for member, says in (("xl/workbook.xml", "export it as CSV"), ("schema.json", "a skops model")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(member, "{}")
        assert says in refused(tmp_path, stream.getvalue(), "E0109")


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    huge = npy(np.zeros((10, 3))).replace(b"(10, 3), }       ", b"(90000000000, 3)}")
    assert "promises 2,160,000,000,000 bytes" in refused(tmp_path, huge, "E0109")


def test_too_much_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafile, "MAX_BYTES", 1000)
    for content in (npy(np.zeros((99, 3))), npz(X=np.zeros((99, 3))), "1,2,3\n" * 99):
        assert "1,000 at most" in refused(tmp_path, content, "E0109")


def test_a_text_without_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafile, "_LINE", 1000)
    assert "longer than 1,000 bytes" in refused(tmp_path, "1," * 999, "E0109")


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv", "/dev/null", "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(McugenError) as caught:
            read_rows(path, 3)
        assert [d.code for d in caught.value.diagnostics] == ["E0101"]


# --- never anything but a diagnostic


def reads_or_refuses(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        rows = read_rows(file, 3)
    except McugenError:
        return
    assert rows.shape[1:] == (3,)
    assert rows.dtype.kind in "fiub"


WHOLE = [npy(ROWS), npz(X=ROWS), npz(a=ROWS, b=np.arange(3)), b'a,"b",c\n1.5,-2,3e-5\n4,,inf\n']


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        content = content or bytearray(b"0")
    reads_or_refuses(tmp_path_factory.getbasetemp() / "mutated", bytes(content))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text('0123456789.,;\t "\n\r#naeE-+_x', max_size=80).map(str.encode)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    reads_or_refuses(tmp_path_factory.getbasetemp() / "any", content)
