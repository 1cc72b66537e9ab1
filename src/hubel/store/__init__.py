"""The one door to the disk: every file of a run is written, read and locked through a `RunStore`.

A file appears whole or not at all, whatever happens meanwhile (crash, power cut, full disk):

    1. a temporary file in the same folder is written     no other name can see half of it
    2. fsync of the file                                  its bytes are on the disk before its name is
    3. rename to the final name                           atomic on every file system we know
    4. fsync of the folder                                the name is on the disk too

A failed fsync means a failed save: the kernel may have forgotten the pages, so the same descriptor is never
tried again (Rebello et al., ATC 2020). Logs grow line by line, each line in one write; a torn last line is dropped.
Reading trusts nothing: regular files only, no links, a size limit before the first byte, JSON in a strict subset.

>>> import tempfile
>>> run = RunStore.create(tempfile.mkdtemp(), "photos")
>>> run.folder.name
'photos-1'
>>> run.write_json("recipe.json", {"epochs": 5})
>>> run.read_json("recipe.json")
{'epochs': 5}
"""

from hubel.store.documents import dump_json, parse_json, parse_yaml, read_yaml, seal, unseal
from hubel.store.ops import FileOps, SaveFailed, Writer, free_bytes
from hubel.store.reading import FILE_LIMIT, opened, read_into, read_regular, shown
from hubel.store.run import RunStore

__all__ = [
    "FILE_LIMIT",
    "FileOps",
    "RunStore",
    "SaveFailed",
    "Writer",
    "dump_json",
    "free_bytes",
    "opened",
    "parse_json",
    "parse_yaml",
    "read_into",
    "read_regular",
    "read_yaml",
    "seal",
    "shown",
    "unseal",
]
