"""Asks Dagster's own IO managers where they put outputs, and prints a table for the tests.

usage: python layout.py > layout.json      (pip install dagster==1.13.27 and dagster-aws, dagster-gcp, dagster-azure ==0.29.27)
"""

import json
from unittest.mock import MagicMock

import dagster
import dagster_aws
from dagster import AssetKey, MultiPartitionKey, build_output_context
from dagster._core.storage.fs_io_manager import PickledObjectFilesystemIOManager
from dagster_aws.s3.io_manager import PickledObjectS3IOManager
from dagster_azure.adls2.io_manager import PickledObjectADLS2IOManager
from dagster_gcp.gcs.io_manager import PickledObjectGCSIOManager

RUN = "01890000-0000-7000-8000-000000000001"


MANAGERS = {
    "fs": PickledObjectFilesystemIOManager(base_dir="/base"),
    "s3": PickledObjectS3IOManager("bucket", MagicMock(), "dagster"),
    "gcs": PickledObjectGCSIOManager("bucket", MagicMock(), "dagster"),
    "azure": PickledObjectADLS2IOManager("files", MagicMock(), MagicMock(), MagicMock(), "dagster"),
}


def path_of(manager, context):
    if context.has_asset_partitions:
        (path,) = manager._get_paths_for_partitions(context).values()
    else:
        path = manager._get_path(context)
    return path.as_posix()


def op(step, output, key=None):
    context = build_output_context(step_key=step, name=output, mapping_key=key, run_id=RUN)
    return {
        "step": step, "output": output, "key": key,
        **{kind: path_of(manager, context) for kind, manager in MANAGERS.items()},
    }


class Partitioned:
    """What a path is made of, for keys that a definition of partitions would have to be made for."""

    has_asset_key = True
    has_asset_partitions = True

    def __init__(self, asset, partition):
        self.asset_key = AssetKey(asset)
        self.asset_partition_keys = [partition]


def asset(asset, partition=None):
    if partition is None:
        context = build_output_context(asset_key=AssetKey(asset))
    elif isinstance(partition, dict):
        context = Partitioned(asset, MultiPartitionKey(partition))
    else:
        context = Partitioned(asset, partition)
    dimensions = partition if isinstance(partition, dict) else None
    text = str(MultiPartitionKey(partition)) if dimensions else partition
    return {
        "asset": asset, "partition": text, "multi": dimensions is not None,
        **{kind: path_of(manager, context) for kind, manager in MANAGERS.items()},
    }


ROWS = [
    op("clean", "result"),
    op("clean", "table"),
    op("outer.inner.leaf", "result"),
    op("delays[jan]", "result"),
    op("outer.clean[2024_01]", "table"),
    op("product[a][b]", "result"),
    op("split", "parts", "jan"),
    op("split", "parts", "1"),
    op("outer.split[a]", "parts", "b"),
    asset(["flights"]),
    asset(["raw", "flights"]),
    asset(["one", "two", "three"]),
    asset(["name with spaces", "ünï"]),
    asset(["v1.5", "my..backup"]),
    asset(["..a", "b.."]),
    asset(["/absolute"]),
    asset(["/absolute", "two"]),
    asset(["a/b", "c"]),
    asset(["flights"], "2024-01-01"),
    asset(["raw", "flights"], "2024-01-01-10:00"),
    asset(["flights"], "a/b"),
    asset(["flights"], "/a"),
    asset(["flights"], "/a/b"),
    asset(["flights"], "my..backup"),
    asset(["flights"], "../up"),
    asset(["flights"], "a/../b"),
    asset(["flights"], ".."),
    asset(["flights"], "50%"),
    asset(["flights"], {"date": "2024-01-01", "region": "eu"}),
    asset(["flights"], {"region": "eu", "date": "2024-01-01"}),
    asset(["raw", "flights"], {"z": "1", "a": "x y"}),
    asset(["flights"], {"a": "/abs", "b": "c"}),
    asset(["flights"], {"a": "..", "b": "c"}),
]
print(json.dumps({
    "dagster": dagster.__version__, "dagster_aws": dagster_aws.__version__, "run": RUN, "rows": ROWS,
}, indent=1, ensure_ascii=False))
