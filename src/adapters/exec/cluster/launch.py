"""What a job of the cluster runs: starts one command on the node, keeps its limits and writes down how it ended.

It lies in the folder of its job, beside the request, and needs Python 3.6 or later and nothing else. The worker may be
gone: the time limit is kept here, and a job that the cluster starts a second time finds the claim and does nothing.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
# What the node knows and the command needs: none of it is a secret of the platform.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
             "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
INHERITED_PREFIXES = ("SLURM_", "SLURMD_", "RAY_")
CONTROL_POLL_SECONDS = 0.2
# How long the rest of the output is waited for when everything has been killed.
DRAIN_SECONDS = 1
CHUNK_BYTES = 65536
PR_SET_CHILD_SUBREAPER = 36
# Set when somebody has asked the whole job to end, which the worker does not do.
ASKED = threading.Event()


def at(name):
    return os.path.join(FOLDER, name)


def tell(event):
    """Appends a line for the worker, which may read it on another machine."""
    line = (json.dumps(event) + "\n").encode()
    file = os.open(at("events"), os.O_WRONLY | os.O_APPEND)
    os.write(file, line)
    os.fsync(file)
    os.close(file)


def asked_grace():
    """The milliseconds from being asked to end to being killed, once the worker has asked for it."""
    try:
        with open(at("control")) as file:
            return float(file.read())
    except (OSError, ValueError):
        return None


def descendants():
    """Every process below this one that runs. Orphans are handed to this process, so that none of them escapes."""
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                stat = file.read()
        except OSError:
            continue
        fields = stat[stat.rindex(b")") + 2:].split()
        children.setdefault(int(fields[1]), []).append((int(name), fields[0] not in (b"Z", b"X")))
    found, below = [], [os.getpid()]
    while below:
        for pid, runs in children.get(below.pop(), []):
            below.append(pid)
            if runs:
                found.append(pid)
    return found


def signal_all(number):
    pids = descendants()
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    return len(pids)


class Output:
    """Copies the streams of the command into files, up to the limit of both together, and counts the rest."""

    def __init__(self, bytes_max):
        self.bytes_max = bytes_max
        self.kept = {"stdout": 0, "stderr": 0}
        self.bytes = 0
        self.lock = threading.Lock()
        self.threads = []

    def follow(self, name, pipe):
        thread = threading.Thread(target=self._copy, args=(name, pipe), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _copy(self, name, pipe):
        with open(at(name), "ab", buffering=0) as file:
            while True:
                chunk = os.read(pipe.fileno(), CHUNK_BYTES)
                if not chunk:
                    return
                with self.lock:
                    passed = chunk[:max(0, self.bytes_max - sum(self.kept.values()))]
                    self.bytes += len(chunk)
                    self.kept[name] += len(passed)
                    if passed:
                        file.write(passed)

    def close(self):
        for thread in self.threads:
            thread.join(DRAIN_SECONDS)

    def figures(self):
        with self.lock:
            return {
                "outputBytes": self.bytes,
                "outputBytesCut": self.bytes - sum(self.kept.values()),
                "stdoutBytes": self.kept["stdout"],
                "stderrBytes": self.kept["stderr"],
            }


class Command:
    def __init__(self, request):
        self.request = request
        self.output = Output(request["outputBytesMax"])
        self.started = time.monotonic()
        self.ended = threading.Event()
        self.ending = None
        self.kill_at = None
        self.child = None
        self.status = None
        self.usage = None

    def run(self):
        tell({"type": "started"})
        problem = self.start()
        if problem:
            return self.exit({"reason": "not-started", "detail": problem})
        threading.Thread(target=self.reap, daemon=True).start()
        while not self.ended.wait(self.pause()):
            self.keep_limits()
        # Whoever was asked to end has the whole grace for it, also when the first process ends at once.
        while self.ending and time.monotonic() < self.kill_at and descendants():
            time.sleep(0.05)
            self.keep_limits()
        while signal_all(signal.SIGKILL):
            time.sleep(0.01)
        self.output.close()
        return self.exit(self.how())

    def start(self):
        """Starts the command. Answers what went wrong, if anything did."""
        command, cwd = self.request["command"], self.request["cwd"]
        if not os.path.isdir(cwd):
            return "the working folder '%s' does not exist" % cwd
        inherited = {name: value for name, value in os.environ.items()
                     if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
        try:
            stdin = open(at("stdin"), "rb") if self.request["stdin"] else subprocess.DEVNULL
            self.child = subprocess.Popen(command, cwd=cwd, env=dict(inherited, **self.request["env"]), stdin=stdin,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        except FileNotFoundError:
            return "the program '%s' was not found" % command[0]
        except PermissionError:
            return "the program '%s' may not be executed" % command[0]
        except (OSError, ValueError) as error:
            return "the program '%s' could not be started: %s" % (command[0], error)
        finally:
            if self.request["stdin"]:
                os.unlink(at("stdin"))
        self.output.follow("stdout", self.child.stdout)
        self.output.follow("stderr", self.child.stderr)
        return None

    def reap(self):
        """Waits for the command, and meanwhile for orphans, which would stay in the table of processes."""
        while True:
            pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid
            _, status, usage = os.wait4(pid, 0)
            if pid == self.child.pid:
                self.status, self.usage = status, usage
                self.child.returncode = status
                return self.ended.set()

    def pause(self):
        now = time.monotonic()
        until = self.kill_at if self.ending else self.started + self.request["wallMs"] / 1000
        return min(CONTROL_POLL_SECONDS, max(0.01, until - now))

    def keep_limits(self):
        now = time.monotonic()
        grace = asked_grace()
        if self.ending is None and grace is not None:
            self.ask("stopped", grace)
        elif self.ending is None and now >= self.started + self.request["wallMs"] / 1000:
            self.ask("timeout", self.request["graceMs"])
        elif grace is not None:
            self.kill_at = min(self.kill_at, now + grace / 1000)
        if self.kill_at is not None and now >= self.kill_at:
            signal_all(signal.SIGKILL)

    def ask(self, reason, grace):
        self.ending = reason
        self.kill_at = time.monotonic() + grace / 1000
        if grace > 0:
            signal_all(signal.SIGTERM)

    def how(self):
        exit = {"reason": self.ending or ("signalled" if os.WIFSIGNALED(self.status) else "exited")}
        if os.WIFSIGNALED(self.status):
            exit["signal"] = signal.Signals(os.WTERMSIG(self.status)).name
        else:
            exit["code"] = os.WEXITSTATUS(self.status)
        # In kilobytes: that of the largest process among those that were waited for.
        exit["rssPeakBytes"] = self.usage.ru_maxrss * 1024
        return exit

    def exit(self, exit):
        """Writes down how it ended. The answer is for those who look at the job in the cluster's own tools."""
        duration = round((time.monotonic() - self.started) * 1000)
        tell(dict(exit, type="exit", asked=ASKED.is_set(), durationMs=duration, **self.output.figures()))
        return exit.get("code", 127 if exit["reason"] == "not-started" else 128 + signal.SIGKILL)


def main():
    try:
        os.mkdir(at("claim"))
    except OSError:
        print("this command was started before, or its folder is gone: nothing to do")
        return 0
    # Whoever ends the job sends this to the command as well, which decides what it makes of it.
    signal.signal(signal.SIGTERM, lambda *_: ASKED.set())
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(at("request.json"), encoding="utf-8") as file:
        request = json.load(file)
    # It holds the environment of the command, with its secrets.
    os.unlink(at("request.json"))
    if asked_grace() is not None:
        return Command(request).exit({"reason": "stopped"})
    return Command(request).run()


if __name__ == "__main__":
    sys.exit(main())
