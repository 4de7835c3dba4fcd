"""Prefect 3 at what bench/pipelines measures of Kedge, with a server of its own on SQLite in a new folder:

    bench/peers/install.sh
    ~/.cache/kedge-ci/prefect-3/bin/python bench/peers/prefect3.py chain 100
    ... fan 200              milliseconds a no-op task of one flow, after a flow of one task that is not counted
    ... schedules 20 3       deployments that tick each minute, and for how many minutes
    ... recovery 60          what becomes of a killed flow within so many seconds, and of one whose server is killed

Each prints how long the server took to start first. `schedules` tells how late flow runs start, from the tick to the
start: Prefect makes the run of a tick ahead of time, and its runner starts a process for each. `recovery` kills the
process of a flow and tells what becomes of its run, then the server below another flow and tells after which time the
next task ended.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_server(home, port):
    environment = {**os.environ, "PREFECT_HOME": home, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    environment.pop("PREFECT_API_URL", None)
    words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2)
            return server
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start within four minutes")


def api(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        os.environ["PREFECT_API_URL"] + path, data=data, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def flows():
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    @task(cache_policy=NO_CACHE)
    def noop():
        return None

    @task(cache_policy=NO_CACHE)
    def short():
        time.sleep(0.2)

    @flow(log_prints=False)
    def chain(count: int):
        for _ in range(count):
            noop()

    @flow(log_prints=False)
    def fan(count: int):
        for future in [noop.submit() for _ in range(count)]:
            future.wait()

    @flow(log_prints=False)
    def shorts(count: int):
        for _ in range(count):
            short()

    @flow(log_prints=False)
    def tick():
        return None

    return {"chain": chain, "fan": fan, "shorts": shorts, "tick": tick}


def timed(name, count):
    run = flows()[name]
    run(1)
    start = time.perf_counter()
    run(count)
    took = time.perf_counter() - start
    print(f"{name} of {count}: {1000 * took / count:.1f} ms a task")


def schedules(count, minutes):
    from datetime import datetime

    source = os.path.dirname(os.path.abspath(__file__))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import prefect3; from prefect import serve; "
        "flow = prefect3.flows()['tick']; "
        "serve(*[flow.to_deployment(f's{i}', cron='* * * * *') for i in range(int(sys.argv[2]))])"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, source, str(count)], start_new_session=True)
    time.sleep(60 * minutes + 30)
    os.killpg(runner.pid, signal.SIGKILL)
    late = []
    for offset in range(0, count * (minutes + 2), 200):
        page = api("/flow_runs/filter", {"limit": 200, "offset": offset, "sort": "ID_DESC"})
        for run in page:
            if run["start_time"] is None or run["expected_start_time"] is None:
                continue
            parse = datetime.fromisoformat
            late.append((parse(run["start_time"]) - parse(run["expected_start_time"])).total_seconds())
    late.sort()
    if not late:
        return print("none ticked")
    p99 = late[min(len(late) - 1, int(0.99 * len(late)))]
    print(f"{len(late)} started; late p50 {late[len(late) // 2]:.1f} s, p99 {p99:.1f} s, most {late[-1]:.1f} s")


def start_shorts():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import prefect3; prefect3.flows()['shorts'](60)"
    source = os.path.dirname(os.path.abspath(__file__))
    out = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", code, source], stdout=out, stderr=out, start_new_session=True)


def newest():
    runs = api("/flow_runs/filter", {"limit": 1, "sort": "START_TIME_DESC"})
    return runs[0] if runs else None


def done(run):
    tasks = {"id": {"any_": [run["id"]]}}
    found = api("/task_runs/filter", {"flow_runs": tasks, "limit": 200})
    return sum(task["state_type"] == "COMPLETED" for task in found)


def wait_for(holds, seconds):
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        try:
            if holds():
                return time.monotonic() - start
        except (OSError, KeyError, TypeError):
            pass
        time.sleep(0.1)
    return None


def recovery(seconds, restart):
    known = newest()
    is_new = lambda: newest()["id"] != (known or {}).get("id") and done(newest()) >= 3
    child = start_shorts()
    if wait_for(is_new, 180) is None:
        raise SystemExit("the flow did not begin")
    run = newest()
    os.killpg(child.pid, signal.SIGKILL)
    ended = wait_for(lambda: api(f"/flow_runs/{run['id']}")["state_type"] not in ("RUNNING", "PENDING"), seconds)
    state = api(f"/flow_runs/{run['id']}")["state_type"]
    told = f"still {state} after {seconds} s" if ended is None else f"{state} after {ended:.1f} s"
    print(f"process of the flow killed: the run is {told}; {done(run)} of 60 tasks done")

    known = newest()
    child = start_shorts()
    if wait_for(is_new, 180) is None:
        raise SystemExit("the flow did not begin")
    run, before, killed_at = newest(), done(newest()), time.monotonic()
    restart()
    wait_for(lambda: done(run) > before, 180)
    on = time.monotonic() - killed_at
    child.wait(timeout=300)
    print(f"server killed: work went on after {on:.1f} s; the run is {api('/flow_runs/' + run['id'])['state_type']}")


def main():
    what, numbers = sys.argv[1], [int(text) for text in sys.argv[2:]]
    home, port = tempfile.mkdtemp(prefix="prefect-"), free_port()
    began = time.monotonic()
    servers = [start_server(home, port)]
    print(f"the server was up after {time.monotonic() - began:.1f} s")
    os.environ.update(
        {
            "PREFECT_HOME": home,
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
    )

    def restart():
        os.killpg(servers[-1].pid, signal.SIGKILL)
        servers.append(start_server(home, port))

    try:
        if what in ("chain", "fan"):
            timed(what, numbers[0])
        elif what == "schedules":
            schedules(*numbers)
        elif what == "recovery":
            recovery(numbers[0], restart)
        else:
            raise SystemExit(__doc__)
    finally:
        os.killpg(servers[-1].pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
