"""Tell by its first bytes what a file of the user's is, where it is not what it was taken for."""

from __future__ import annotations

from pathlib import Path

# Compressions that are read as they are.
GZIP, BZIP2, XZ, ZSTANDARD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"
COMPRESSED = (GZIP, BZIP2, XZ, ZSTANDARD)
# What Git leaves in place of a large file that was not fetched.
POINTER = b"version https://git-lfs"
PARQUET, ZIP = b"PAR1", b"PK\x03\x04"
# Where one begins as another does, the longer comes first.
KINDS = {
    PARQUET: "is a Parquet file",
    ZIP: "is a zip archive; unpack it",
    b"ARROW1": "is an Arrow file; write it as Parquet",
    b"\xff\xfe\x00\x00": "is UTF-32; write it as UTF-8",
    b"\xff\xfe": "is UTF-16; write it as UTF-8",
    b"\xfe\xff": "is UTF-16; write it as UTF-8",
    b"\x04\x22\x4d\x18": "is compressed with LZ4; unpack it",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"%PDF": "is a PDF; write its text as UTF-8",
    POINTER: "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull",
}


def start(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as stream:
        return stream.read(max(map(len, KINDS)))


def of_another_kind(path: Path, parquet: str = "write its text as UTF-8") -> str | None:
    """What a file is, and what to do, if it is known and neither text nor compressed text.

    Args:
        parquet: what to do with a Parquet file.
    """
    begins = start(path)
    what = next((what for magic, what in KINDS.items() if begins.startswith(magic)), None)
    return f"{what}; {parquet}" if begins.startswith(PARQUET) else what


def no_text(path: Path, parquet: str = "write its text as UTF-8") -> str | None:
    """The same; compressed text is none either."""
    return (
        "is compressed; unpack it" if start(path).startswith(COMPRESSED) else of_another_kind(path, parquet)
    )
