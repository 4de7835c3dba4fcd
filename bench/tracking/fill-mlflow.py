"""Puts runs of 10 metrics and 10 params into the database of a stock MLflow server, with the same values that fill.ts
logs through the protocol. Through its own protocol MLflow would take an hour for 30,000 of them.

    python fill-mlflow.py <database uri> <experiment id> <runs>
"""

import sys
import uuid

import sqlalchemy
from mlflow.store.tracking.dbmodels import models

uri, experiment, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
NOW = 1_700_000_000_000
engine = sqlalchemy.create_engine(uri)
kinds = (models.SqlRun, models.SqlMetric, models.SqlLatestMetric, models.SqlParam, models.SqlTag)
tables = [kind.__table__ for kind in kinds]
for start in range(0, runs, 2_000):
    rows = [[] for _ in tables]
    for i in range(start, min(start + 2_000, runs)):
        run = uuid.uuid4().hex
        rows[0].append(
            dict(
                run_uuid=run,
                name=f"run-{i}",
                source_type="UNKNOWN",
                source_name="",
                entry_point_name="",
                user_id="",
                status="RUNNING",
                start_time=NOW + i,
                source_version="",
                lifecycle_stage="active",
                artifact_uri=f"mlflow-artifacts:/{experiment}/{run}/artifacts",
                experiment_id=int(experiment),
            )
        )
        for k in range(10):
            value = ((i * 10 + k) * 2_654_435_761 % 2**32) / 2**32
            metric = dict(run_uuid=run, key=f"m{k}", value=value, timestamp=NOW, step=0, is_nan=False)
            rows[1].append(metric)
            rows[2].append(metric)
            rows[3].append(dict(run_uuid=run, key=f"p{k}", value=f"v{(i + k) % 10}"))
        rows[4].append(dict(run_uuid=run, key="mlflow.runName", value=f"run-{i}"))
    with engine.begin() as connection:
        for table, values in zip(tables, rows):
            connection.execute(table.insert(), values)
