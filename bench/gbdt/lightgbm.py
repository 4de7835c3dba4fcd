"""The anchor of bench.ts: trains LightGBM on the same files, one round per line of standard input.

Arguments: folder, rows of train, rows of test, columns, trees, leaves. The folder holds little-endian float32 files:
train.f32 and test.f32 (row-major) and label.f32. A round writes the test predictions (float64) to prediction.f64 and
prints one JSON object.
"""

import json
import sys
import time

# This file carries the package's name, and Python looks in its folder first.
sys.path.pop(0)

import lightgbm  # noqa: E402
import numpy  # noqa: E402


def main() -> None:
    folder, *sizes = sys.argv[1:]
    train_rows, test_rows, columns, trees, leaves = map(int, sizes)
    read = lambda name: numpy.fromfile(f"{folder}/{name}", dtype="<f4")  # noqa: E731
    train = read("train.f32").reshape(train_rows, columns)
    test = read("test.f32").reshape(test_rows, columns)
    label = read("label.f32")
    params = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "min_data_in_leaf": 20,
        "max_bin": 255,
        "num_threads": 1,
        "verbosity": -1,
        "seed": 1,
    }
    print(json.dumps({"version": lightgbm.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        dataset = lightgbm.Dataset(train, label, params=params).construct()
        binned = time.perf_counter()
        model = lightgbm.train(params, dataset, num_boost_round=trees)
        trained = time.perf_counter()
        model.predict(test).astype("<f8").tofile(f"{folder}/prediction.f64")
        print(json.dumps({"seconds": trained - start, "binningSeconds": binned - start}), flush=True)


if __name__ == "__main__":
    main()
