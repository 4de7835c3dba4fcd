"""Searches of runs through MLflow's own client: every operator, orders, pages, and what is refused."""

import math
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
experiment = client.create_experiment("search")
NOW = 1_700_000_000_000


def make(name, metrics, params, tags, start):
    run = client.create_run(experiment, start_time=NOW + start, run_name=name).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(key, value, NOW, 0) for key, value in metrics.items()],
        params=[Param(key, value) for key, value in params.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    return run


ids = {
    "a": make("a", {"auc": 0.5, "loss": 1, "a b": 1}, {"lr": "0.1", "kind": "Linear"}, {"team": "north"}, 0),
    "b": make(
        "b", {"auc": 0.75, "loss": 2}, {"lr": "0.2", "kind": "linear_x", "random state": "1"}, {"team": "south"}, 1
    ),
    "c": make("c", {"auc": math.nan, "val/loss": 3}, {"lr": "0.1", "kind": "100%"}, {"team": "it's"}, 2),
    "d": make("d", {"loss": -4}, {"kind": "tree"}, {"mlflow.source.name": "x.py", "Team": "n*rth"}, 3),
}
client.set_terminated(ids["a"], "FINISHED", end_time=NOW + 100)
client.set_terminated(ids["b"], "FAILED", end_time=NOW + 200)


def names(filter_string="", order_by=("attributes.run_name ASC",), **options):
    runs = client.search_runs([experiment], filter_string=filter_string, order_by=list(order_by), **options)
    return "".join(run.info.run_name for run in runs)


FILTERS = {
    "": "abcd",
    "metrics.auc > 0.5": "b",
    "metrics.auc >= 0.5": "ab",
    "metrics.auc < 1": "ab",
    "metrics.auc <= 0.5": "a",
    "metrics.auc = 0.5": "a",
    "metrics.auc != 0.5": "bc",
    "metric.loss > -5 and metric.loss < 1.5e0": "ad",
    "metrics.`a b` = 1": "a",
    'metrics."val/loss" > 2': "c",
    "params.lr = '0.1'": "ac",
    'params.lr = "0.1"': "ac",
    "parameter.lr != '0.1'": "b",
    "param.kind LIKE 'linear%'": "b",
    "params.kind ILIKE 'linear%'": "ab",
    "params.kind LIKE 'linear__'": "b",
    "params.`random state` = '1'": "b",
    'params."random state" = \'1\'': "b",
    "tags.team = 'north'": "a",
    'tags.team = "it\'s"': "c",
    "tags.Team LIKE 'n*%'": "d",
    "tags.Team LIKE 'no%'": "",
    "tag.`mlflow.source.name` = 'x.py'": "d",
    "tags.mlflow.source.name ILIKE '%.PY'": "d",
    "attributes.status = 'FINISHED'": "a",
    "status != 'RUNNING'": "ab",
    "attr.run_name = 'c'": "c",
    "run_name ILIKE 'A'": "a",
    'attributes."Run Name" = \'b\'': "b",
    "attribute.start_time >= 1700000000001": "bcd",
    "created < 1700000000001": "a",
    "end_time > 1700000000100": "b",
    f"run_id = '{ids['d']}'": "d",
    f"attributes.run_id IN ('{ids['a']}', '{ids['b']}')": "ab",
    f"attributes.run_id NOT IN ('{ids['a']}')": "bcd",
    "artifact_uri LIKE 'mlflow-artifacts:/%'": "abcd",
    "metrics.auc > 0.1 AND params.lr = '0.1' AND tags.team = 'north'": "a",
}
for text, expected in FILTERS.items():
    assert names(text) == expected, f"{text!r} gives {names(text)!r}, not {expected!r}"

# NULL tests came to MLflow's clients after 2.22; the server takes them from any. So it does what goes beyond MLflow.
BEYOND = {
    "params.lr IS NULL": "d",
    "tags.team IS NOT NULL": "abc",
    "params.lr = '0.2' OR params.kind = 'tree'": "bd",
    "NOT params.lr = '0.1'": "bd",
    "(metrics.auc > 0.6 OR tags.team = 'north') AND NOT status = 'FAILED'": "a",
    "NOT (metrics.auc >= 0 OR end_time > 0)": "cd",
}
for text, expected in BEYOND.items():
    assert names(text) == expected, f"{text!r} gives {names(text)!r}, not {expected!r}"

ORDERS = {
    ("metrics.auc DESC",): "bacd",
    ("metrics.auc",): "abcd",
    ("metrics.loss ASC", "run_name DESC"): "dabc",
    ("params.lr", "attribute.start_time DESC"): "cabd",
    ("tags.team DESC",): "bacd",
    ("attributes.end_time DESC", "run_id"): None,
    (): "dcba",
}
for order, expected in ORDERS.items():
    found = names(order_by=order)
    assert expected is None or found == expected, f"{order} gives {found}, not {expected}"
    paged, token = "", None
    while True:
        page = client.search_runs([experiment], order_by=list(order), max_results=1, page_token=token)
        paged += "".join(run.info.run_name for run in page)
        token = page.token
        if not token:
            break
    assert paged == found, f"{order} by pages of one gives {paged}, not {found}"
assert names("metrics.loss > -10", ["metrics.loss DESC"]) == "bad"

REFUSED = [
    "metrics.auc > '0.5'",
    "params.lr = 0.1",
    "metrics.auc LIKE '1'",
    "params.lr > '1'",
    "nowhere.x = '1'",
    "attributes.nothing = 'x'",
    "metrics.auc >",
    "metrics.auc = 0.5 AND",
    "params.lr = 'open",
    "(metrics.auc > 1",
    "metrics.auc > 1; DROP TABLE tracking_run",
    "params.lr = '1' -- comment",
]
for text in REFUSED:
    try:
        client.search_runs([experiment], filter_string=text)
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", (text, error.error_code)
    else:
        raise AssertionError(f"{text!r} was not refused")
for options in [{"max_results": 50_001}, {"page_token": "eyJvZmZzZXQiOjF9"}, {"order_by": ["metrics.auc SIDEWAYS"]}]:
    try:
        client.search_runs([experiment], **options)
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", (options, error.error_code)
    else:
        raise AssertionError(f"{options} was not refused")

# Metacharacters of SQL, LIKE and GLOB are characters.
for value in ["%", "_", "*", "?", "[a]", "'; DROP TABLE tracking_run; --", "\\", 'a"b', "ü € 😀"]:
    run = make("x", {}, {"odd": value}, {}, 9)
    quoted = value.replace("'", "''")
    found = client.search_runs([experiment], filter_string=f"params.odd = '{quoted}'")
    assert [r.info.run_id for r in found] == [run], value
    client.delete_run(run)
assert names("params.kind LIKE '100%'") == "c"

frame = mlflow.search_runs([experiment], filter_string="metrics.auc > 0.5")
assert list(frame["params.lr"]) == ["0.2"] and list(frame["metrics.auc"]) == [0.75]
print(f"passed search with {mlflow.__version__}")
