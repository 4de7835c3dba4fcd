"""Writes the 442 patients of the diabetes study that scikit-learn brings with it."""

import os

from sklearn.datasets import load_diabetes

patients = load_diabetes(as_frame=True, scaled=False).frame
patients.to_csv(os.environ["KEDGE_OUTPUT_PATIENTS_CSV"], index=False)
print(f"{len(patients)} patients, {patients.shape[1] - 1} measurements")
