"""Files through an unmodified MLflow client: python artifacts-client.py <server> <megabytes of the large file>"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(20_000_000)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(8_000_000)

import mlflow
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

url, megabytes = sys.argv[1], int(sys.argv[2])
mlflow.set_tracking_uri(url)
client = MlflowClient()
work = Path(tempfile.mkdtemp())
experiment = client.create_experiment("files")
run = client.create_run(experiment)
run_id = run.info.run_id
assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run_id}/artifacts", run.info.artifact_uri


def write(path, size, seed):
    """A file that is the same for the same seed and has no repetition that anything could profit from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        block = 0
        while size > 0:
            chunk = hashlib.shake_128(f"{seed} {block}".encode()).digest(min(size, 1_000_000))
            f.write(chunk)
            size -= len(chunk)
            block += 1
    return path


def digest(path):
    with open(path, "rb") as f:
        h = hashlib.sha256()
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def listed(path=None):
    return {(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run_id, path)}


# Small files, folders, and names that a URL has to encode.
tree = work / "tree"
sizes = {
    "notes.txt": 11,
    "empty.bin": 0,
    "plots/roc curve.svg": 1_234,
    "plots/100%.txt": 5,
    "plots/deep/er/größe+ä&b=c.csv": 77,
    "semi;colon,comma(1)'s.txt": 3,
}
for name, size in sizes.items():
    write(tree / name, size, name)
client.log_artifact(run_id, str(tree / "notes.txt"), "single")
client.log_artifacts(run_id, str(tree), "tree")
client.log_artifacts(run_id, str(tree))
client.log_text(run_id, "some text", "text/a.txt")
client.log_dict(run_id, {"a": [1, 2]}, "text/b.json")
assert listed() == {
    ("notes.txt", False, 11),
    ("empty.bin", False, 0),
    ("semi;colon,comma(1)'s.txt", False, 3),
    ("plots", True, None),
    ("single", True, None),
    ("text", True, None),
    ("tree", True, None),
}, listed()
assert listed("plots") == {
    ("plots/roc curve.svg", False, 1_234),
    ("plots/100%.txt", False, 5),
    ("plots/deep", True, None),
}, listed("plots")
assert listed("notes.txt") == set() and listed("nothing") == set()
for root, prefix in (("tree", "tree"), ("", "")):
    local = Path(client.download_artifacts(run_id, root, tempfile.mkdtemp()))
    for name in sizes:
        assert digest(local / name) == digest(tree / name), name
assert mlflow.artifacts.load_text(f"runs:/{run_id}/text/a.txt") == "some text"
assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/text/b.json") == {"a": [1, 2]}

# The same path again replaces the file.
client.log_text(run_id, "other text", "text/a.txt")
assert mlflow.artifacts.load_text(f"runs:/{run_id}/text/a.txt") == "other text"

# Files and folders are deleted.
repository = get_artifact_repository(run.info.artifact_uri)
repository.delete_artifacts("text/a.txt")
assert [path for path, _, _ in listed("text")] == ["text/b.json"]
repository.delete_artifacts("tree")
assert not any(path == "tree" for path, _, _ in listed())

# A large file in one piece, and in parts.
print("large", flush=True)
large = write(work / "large.bin", megabytes * 1_000_000, "large")
client.log_artifact(run_id, str(large), "large")
local = client.download_artifacts(run_id, "large/large.bin", tempfile.mkdtemp())
assert digest(local) == digest(large)
print("large done", flush=True)

os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
parts = write(work / "parts.bin", 30_000_001, "parts")
client.log_artifact(run_id, str(parts), "in/parts")
assert listed("in/parts") == {("in/parts/parts.bin", False, 30_000_001)}, listed("in/parts")
local = client.download_artifacts(run_id, "in/parts/parts.bin", tempfile.mkdtemp())
assert digest(local) == digest(parts)
del os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"]

# What is not there, and a run that is deleted: an answer at once, in words.
def refused(action, *words):
    try:
        action()
    except Exception as error:
        text = f"{error} {getattr(getattr(error, 'response', None), 'text', '')}"
        assert all(word in text for word in words), text
        return
    raise AssertionError(f"not refused: {words}")


refused(lambda: repository.download_artifacts("no/such/file"), "no/such/file")
client.delete_run(run_id)
refused(lambda: client.log_artifact(run_id, str(parts)), "must be in the 'active' state", run_id)
client.restore_run(run_id)
client.log_artifact(run_id, str(tree / "notes.txt"), "restored")
assert listed("restored") == {("restored/notes.txt", False, 11)}
print(f"passed artifacts with {mlflow.__version__}")
