"""Ends with code 1, naming what is wrong, unless the data are what the model was made for."""

import os
import sys

import pandas as pd

RANGES = {"age": (0, 120), "bmi": (10, 60), "bp": (40, 200), "target": (0, 400)}

patients = pd.read_csv(os.environ["KEDGE_INPUT_PATIENTS"])
problems = [f"column {name} is missing" for name in RANGES if name not in patients]
if patients.isna().any().any():
    problems.append("values are missing")
for name, (low, high) in RANGES.items():
    if name in patients and not patients[name].between(low, high).all():
        problems.append(f"{name} is not between {low} and {high} everywhere")
if len(patients) < 100:
    problems.append(f"{len(patients)} patients are too few")
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(1 if problems else 0)
