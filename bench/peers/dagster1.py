"""Dagster 1 at what bench/pipelines measures of Kedge, with its own storage on SQLite:

    bench/peers/install.sh
    ~/.cache/kedge-ci/dagster-1/bin/python bench/peers/dagster1.py chain 100 [multiprocess]
    ... fan 200 [multiprocess]

Told are milliseconds a no-op step, in one process or with its default multi-process executor.
"""

import os
import sys
import tempfile
import time

from dagster import DagsterInstance, In, Nothing, execute_job, job, op, reconstructable

COUNT = int(os.environ.get("BENCH_COUNT", "1"))


@op(ins={"after": In(Nothing)})
def noop():
    return None


def chain_job():
    @job
    def chain():
        last = None
        for i in range(COUNT):
            step = noop.alias(f"s{i}")
            last = step() if last is None else step(last)

    return chain


def fan_job():
    @job
    def fan():
        for i in range(COUNT):
            noop.alias(f"s{i}")()

    return fan


def main():
    name, count = sys.argv[1], int(sys.argv[2])
    executor = sys.argv[3] if len(sys.argv) > 3 else "in_process"
    # Processes of steps load this file again, and read there how many steps there are.
    if os.environ.get("BENCH_COUNT") != str(count):
        os.environ["BENCH_COUNT"] = str(count)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    os.environ["DAGSTER_HOME"] = tempfile.mkdtemp(prefix="dagster-")
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    config = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    if executor == "in_process":
        config["execution"] = {"config": {"in_process": {}}}
    run = reconstructable({"chain": chain_job, "fan": fan_job}[name])
    with DagsterInstance.get() as instance:
        # Makes the tables, which is not what is measured.
        instance.get_runs(limit=1)
        start = time.perf_counter()
        result = execute_job(run, instance=instance, run_config=config)
        took = time.perf_counter() - start
    if not result.success:
        raise SystemExit("the run failed")
    print(f"{name} of {count}, {executor}: {1000 * took / count:.1f} ms a step")


if __name__ == "__main__":
    main()
