"""Model files made and taken apart for the tests."""

import io
import json
import zipfile

import pytest

from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model


def refused(source, **options):
    with pytest.raises(McugenError) as caught:
        read_model(source, **options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help
    assert "\n" not in diagnostic.message
    return diagnostic


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, content in members.items():
            out.writestr(name.replace("_json", ".json"), content)
    return file.getvalue()


def schema_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return json.loads(source.read("schema.json")), {n: source.read(n) for n in source.namelist()}


def with_schema(schema, members):
    return archive(**members | {"schema.json": json.dumps(schema)})


def js(value):
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(value)}


def node(loader, name, content=None, **more):
    module, _, cls = name.rpartition(".")
    return {"__class__": cls, "__module__": module, "__loader__": loader, "content": content, **more}
