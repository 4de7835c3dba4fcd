"""Runs scripts in forks of a process that has imported MLflow, which takes most of a short script's time.

Reads one request as JSON per line, {"script", "args", "env"}, and answers {"code", "out", "err"}. A fork has the
arguments and the environment of its script and ends as Python does.
"""

import atexit
import json
import os
import runpy
import sys
import tempfile
import threading
import traceback

import mlflow.pyfunc
import mlflow.sklearn
import sklearn.linear_model  # noqa: F401


def run(script, args, env):
    """What a Python of its own would do. Answers the exit code."""
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [script, *args]
    sys.path[0] = os.path.dirname(script)
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


for line in sys.stdin:
    request = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(run(**request))
        _, status = os.waitpid(child, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "out": said[0], "err": said[1]}), flush=True)
