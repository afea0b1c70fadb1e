"""skops files: unpacked within bounds, audited completely, and only then given to skops.

skops decides by type names which objects it makes. Three things it leaves to whoever reads a file, and they come first
here: a zip member or an array header may claim any size; nodes may refer to each other so often that walking them takes
forever; and a type that is harmless in one place (a scikit-learn class) can be called in another. So the schema is walked
once, only the combinations of loader and type that an estimator of ours is made of are let through, and skops gets a new
archive of what was looked at.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile

import numpy as np

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends.pickle_file import notes_of, one_line
from mcugen.frontends.skops_audit import Audit, DamagedError, Json, check_array

MAX_UNPACKED = 2**29  # bytes of all members together; a forest of 300 trees on digits has 22 MB
MAX_SCHEMA = 2**25  # bytes of schema.json; the same forest's has 5 MB
MAX_MEMBERS = 200_000  # the same forest's file has 1,502
NEIGHBOUR_TREES = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.neighbors._ball_tree.BallTree")
TABLE_PARTS = ("data.npy", "indices.npy", "indptr.npy", "shape.npy", "format.npy")  # of a sparse matrix
_STEP = 4096  # compressed bytes unpacked at once: of bzip2 they make up to 90 MB, which zipfile does not bound
_SAVE_AGAIN = "copy the file again, or save the model once more with `skops.io.dump(model, 'model.skops')`"


def looks_like_zip(data: bytes) -> bool:
    """Whether the bytes begin like a zip archive, which a skops file is."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def load(data: bytes, loc: Loc) -> tuple[object, tuple[str, ...]]:
    """The estimator in a skops file, its arrays not checked yet, and notes for the user. Runs nothing of the file.

    Raises E0102 (another zip), E0104 (damaged), E0105 (untrusted types), E0301 (another estimator), E0303 (too large).
    """
    from mcugen.frontends.sklearn import trusted_types

    audit = Audit(trusted_types())
    try:
        members = _members(data, audit, loc)
        return _made(members, audit.trusted)
    except DamagedError as problem:
        raise error("E0104", f"the skops file is damaged: {problem}", help=_SAVE_AGAIN, loc=loc) from None


def _members(data: bytes, audit: Audit, loc: Loc) -> dict[str, bytes]:
    """schema.json and the arrays that it names, audited."""
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:  # zipfile would make an object of each
        raise DamagedError(f"it has more than {MAX_MEMBERS:,} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _audited(archive, audit, loc)
    except (McugenError, DamagedError):
        raise
    except zipfile.BadZipFile as problem:
        cut = "not a zip file" in str(problem)  # the directory is at the end
        raise DamagedError("it is cut off" if cut else one_line(problem)) from None
    except Exception as problem:  # zipfile, zlib, bz2 and lzma raise a dozen kinds over a hostile archive
        raise DamagedError(one_line(problem) or type(problem).__name__) from None


def _audited(archive: zipfile.ZipFile, audit: Audit, loc: Loc) -> dict[str, bytes]:
    names = set(archive.namelist())
    if "schema.json" not in names:
        raise _other_zip(names, loc)
    root = _root(json.loads(_member(archive, "schema.json", MAX_SCHEMA, loc)), audit, loc)
    audit.walk(root)
    if audit.untrusted:
        raise _untrusted(audit.untrusted, loc)
    room, members, shapes = MAX_UNPACKED, {}, {}
    for name in audit.files:
        if name not in names:
            raise DamagedError(f"{name} is missing")
        members[name] = _member(archive, name, room, loc)
        room -= len(members[name])
        shapes[name] = check_array(name, members[name])
    for name in audit.tables:
        members[name] = _table(name, _member(archive, name, room, loc), room, loc)
        room -= len(members[name])
    if not all(tree.agree(shapes) for tree in audit.trees):
        raise DamagedError("the arrays of a tree differ in size")
    return members | {"schema.json": json.dumps(root).encode()}


def _table(name: str, content: bytes, room: int, loc: Loc) -> bytes:
    """A sparse matrix of compressed rows as SciPy saves one, of arrays that were looked at; whether they fit together a family asks."""
    clean = io.BytesIO()
    if content.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise DamagedError(f"{name} has more than {MAX_MEMBERS:,} members")
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as kept:
        for part in TABLE_PARTS:
            array = _member(archive, part, room, loc)
            room -= len(array)
            check_array(f"{name}/{part}", array)
            kept.writestr(part, array)
            if part == "format.npy" and np.load(io.BytesIO(array), allow_pickle=False).tolist() not in (b"csr", "csr"):
                raise DamagedError(f"{name} is no matrix of compressed rows")
    return clean.getvalue()


def _member(archive: zipfile.ZipFile, name: str, room: int, loc: Loc) -> bytes:
    content = bytearray()
    with archive.open(name) as file:
        while chunk := file.read(_STEP):
            content += chunk
            if len(content) > room:
                raise _too_large(loc)
    return bytes(content)


def _too_large(loc: Loc) -> McugenError:
    return error(
        "E0303",
        f"the skops file unpacks to more than {MAX_UNPACKED:,} bytes",
        help="fit a smaller model: fewer trees or a `max_depth`",
        loc=loc,
    )


def _other_zip(names: set[str], loc: Loc) -> McugenError:
    npz = bool(names) and all(name.endswith(".npy") for name in names)
    kind = "NumPy arrays (.npz)" if npz else "no schema.json, so it is not a skops file"
    return error(
        "E0102",
        f"the file is a zip archive with {kind}",
        help="save the fitted model with `skops.io.dump(model, 'model.skops')` and give that file",
        loc=loc,
    )


def _root(schema: Json, audit: Audit, loc: Loc) -> Json:
    """The schema, whose outermost object may be one of ours; E0301 for another estimator of scikit-learn."""
    from mcugen.frontends.sklearn import unsupported_class

    if not isinstance(schema, dict):
        raise DamagedError("schema.json is not an object")
    module, name = str(schema.get("__module__")), str(schema.get("__class__"))
    if module.split(".")[0] == "sklearn" and f"{module}.{name}" not in audit.estimators:
        raise unsupported_class(one_line(module), one_line(name), loc)
    return schema


def _untrusted(types: set[str], loc: Loc) -> McugenError:
    if all(name.startswith("scipy.sparse.") for name in types):
        text = "the skops file holds a sparse matrix that is not of compressed rows, which mcugen does not load"
        help = "save the model with `.tocsr()` of that matrix, or with `.toarray()`"
        return error("E0105", text, help=help, loc=loc)
    if all(name in NEIGHBOUR_TREES for name in types):
        text = "the skops file holds a search tree of neighbours, whose indices scikit-learn follows unchecked"
        help = (
            'fit with algorithm="brute", which gives the same neighbours, and save that; a KernelDensity always has one: '
            "pass the estimator itself, in Python: `mcugen.compile(estimator, board=...)`"
        )
        return error("E0105", text, help=help, loc=loc)
    names = [one_line(name, 100) for name in sorted(types)]
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return error(
        "E0105",
        f"the skops file holds types that mcugen does not load: {shown}",
        help="save a model that is made of supported estimators alone; in Python you can pass the estimator itself: "
        "`mcugen.compile(estimator, board=...)`",
        loc=loc,
    )


def _made(members: dict[str, bytes], trusted: list[str]) -> tuple[object, tuple[str, ...]]:
    """What skops makes of members that passed the audit, in a new archive that holds nothing else."""
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            from skops.io import loads

            return loads(clean.getvalue(), trusted=trusted), notes_of(caught)
        except Exception as problem:  # of the kinds that wrong attributes raise inside scikit-learn and skops
            raise DamagedError(f"{type(problem).__name__}: {one_line(problem)}") from None
