import gzip
from pathlib import Path

import pyarrow as pa
import pytest


@pytest.fixture
def write(tmp_path):
    """Write a file in the test's folder: text, bytes, or an Arrow table; compressed as its name says."""

    def write(name: str, content) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            import pyarrow.parquet as pq

            pq.write_table(content, path)
            return path
        data = content.encode() if isinstance(content, str) else content
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(data))
        elif name.endswith(".zst"):
            with pa.output_stream(str(path), compression="zstd") as stream:
                stream.write(data)
        else:
            path.write_bytes(data)
        return path

    return write
