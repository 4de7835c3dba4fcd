"""Evaluation data sets and scorers through MLflow's own client."""

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets, scorers
from mlflow.genai.scorers.registry import list_scorer_versions

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()


def refused(call, *texts):
    try:
        call()
    except MlflowException as error:
        for text in texts:
            assert text in str(error) or text == error.error_code, f"{text!r} is not in {error.error_code} {error}"
        return error
    raise AssertionError("was not refused")


def keeping():
    first = mlflow.set_experiment("kept").experiment_id
    other = client.create_experiment("other")
    made = datasets.create_dataset(name="questions", experiment_id=first, tags={"team": "north", "size": "small"})
    assert made.name == "questions" and made.tags["team"] == "north", made
    found = datasets.get_dataset(dataset_id=made.dataset_id)
    assert found.dataset_id == made.dataset_id and found.experiment_ids == [first], found.experiment_ids
    assert datasets.get_dataset(name="questions").dataset_id == made.dataset_id
    datasets.set_dataset_tags(made.dataset_id, {"team": "south", "new": "1"})
    datasets.delete_dataset_tag(made.dataset_id, "size")
    assert dict(datasets.get_dataset(dataset_id=made.dataset_id).tags) | {"mlflow.user": ""} == {
        "team": "south",
        "new": "1",
        "mlflow.user": "",
    }
    datasets.add_dataset_to_experiments(made.dataset_id, [other])
    assert sorted(datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids) == sorted([first, other])
    datasets.remove_dataset_from_experiments(made.dataset_id, [first])
    assert datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids == [other]
    for i in range(5):
        datasets.create_dataset(name=f"many-{i}", experiment_id=first, tags={"odd": str(i % 2)})

    def names(**options):
        return [one.name for one in datasets.search_datasets(**options)]

    assert names(experiment_ids=[first]) == ["many-4", "many-3", "many-2", "many-1", "many-0"]
    assert names(experiment_ids=[other]) == ["questions"]
    assert names(filter_string="name LIKE 'many-%'", order_by=["name ASC"], max_results=2) == ["many-0", "many-1"]
    assert names(filter_string="tags.odd = '1'") == ["many-3", "many-1"]
    refused(lambda: names(filter_string="nothing = 'a'"), "INVALID_PARAMETER_VALUE")
    datasets.delete_dataset(dataset_id=made.dataset_id)
    refused(lambda: datasets.get_dataset(dataset_id=made.dataset_id), "RESOURCE_DOES_NOT_EXIST")
    assert names(experiment_ids=[other]) == []


def records():
    experiment = mlflow.set_experiment("records").experiment_id
    dataset = datasets.create_dataset(name="records", experiment_id=experiment)
    sent = [{"inputs": {"q": f"question {i}", "n": i}, "expectations": {"a": str(i)}} for i in range(2_500)]
    dataset.merge_records(sent)
    more = {"inputs": {"n": 0, "q": "question 0"}, "expectations": {"b": [1, None]}, "tags": {"t": "1"}}
    dataset.merge_records([more])
    again = client.get_dataset(dataset.dataset_id)
    assert len(again.records) == 2_500, len(again.records)
    first = next(record for record in again.records if record.inputs["n"] == 0)
    assert first.expectations == {"a": "0", "b": [1, None]} and first.tags["t"] == "1", first
    assert [record.inputs["n"] for record in again.records] == list(range(2_500)), "in the order in which they came"
    frame = again.to_df()
    assert len(frame) == 2_500 and frame["inputs"][7]["q"] == "question 7"
    assert '"num_records": 2500' in again.profile.replace('":2', '": 2'), again.profile
    removed = again.delete_records([first.dataset_record_id])
    assert removed == 1
    left = client.get_dataset(dataset.dataset_id)
    assert len(left.records) == 2_499


def from_traces():
    experiment = mlflow.set_experiment("traced").experiment_id

    @mlflow.trace
    def answer(question):
        return f"{question}!"

    answer("what")
    trace_id = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    mlflow.log_expectation(trace_id=trace_id, name="text", value="what!")
    dataset = datasets.create_dataset(name="traced", experiment_id=experiment)
    dataset.merge_records(mlflow.search_traces(locations=[experiment], return_type="list"))
    (record,) = client.get_dataset(dataset.dataset_id).records
    assert record.inputs == {"question": "what"} and record.expectations == {"text": "what!"}, record
    assert record.source.source_type == "TRACE" and record.source_id == trace_id, record


def judging():
    experiment = mlflow.set_experiment("judged").experiment_id
    judge = scorers.Guidelines(name="kind", guidelines="The answer is kind.", model="openai:/gpt-4o-mini")
    assert judge.register(experiment_id=experiment).name == "kind"
    stricter = scorers.Guidelines(name="kind", guidelines="The answer is very kind.", model="openai:/gpt-4o-mini")
    stricter.register(experiment_id=experiment)
    scorers.RelevanceToQuery(name="relevant", model="openai:/gpt-4o-mini").register(experiment_id=experiment)
    assert sorted(one.name for one in scorers.list_scorers(experiment_id=experiment)) == ["kind", "relevant"]
    versions = list_scorer_versions(name="kind", experiment_id=experiment)
    assert [version for _, version in versions] == [1, 2], versions
    newest = scorers.get_scorer(name="kind", experiment_id=experiment)
    assert newest.guidelines == "The answer is very kind.", newest
    assert scorers.get_scorer(name="kind", experiment_id=experiment, version=1).guidelines == "The answer is kind."
    scorers.delete_scorer(name="kind", experiment_id=experiment, version=2)
    assert scorers.get_scorer(name="kind", experiment_id=experiment).guidelines == "The answer is kind."
    stricter.register(experiment_id=experiment)
    versions = list_scorer_versions(name="kind", experiment_id=experiment)
    assert [version for _, version in versions] == [1, 3], "the number of a deleted version is not used again"
    scorers.delete_scorer(name="kind", experiment_id=experiment, version="all")
    missing = lambda: scorers.get_scorer(name="kind", experiment_id=experiment)  # noqa: E731
    refused(missing, "RESOURCE_DOES_NOT_EXIST")


def evaluating():
    """MLflow's whole loop: predictions over a data set, scores of the answers as assessments, a run that has both."""
    from mlflow.genai import evaluate

    experiment = mlflow.set_experiment("evaluated").experiment_id

    @scorers.scorer
    def exact(outputs, expectations):
        return outputs == expectations["text"]

    data = [{"inputs": {"question": q}, "expectations": {"text": f"{q}!"}} for q in ["a", "b", "c"]]
    result = evaluate(data=data, predict_fn=lambda question: f"{question}!" if question != "c" else "", scorers=[exact])
    assert abs(result.metrics["exact/mean"] - 2 / 3) < 1e-9, result.metrics
    traces = client.search_traces([experiment], filter_string=f"run_id = '{result.run_id}'")
    assert len(traces) == 3, traces
    scores = sorted(one.value for trace in traces for one in trace.info.assessments if one.name == "exact")
    assert scores == [False, True, True], scores
    found = client.search_traces([experiment], filter_string="feedback.exact = 'false'")
    assert len(found) == 1 and found[0].data.spans[0].inputs == {"question": "c"}, found


for scenario in [keeping, records, from_traces, judging, evaluating]:
    scenario()
    print(f"passed {scenario.__name__} with {mlflow.__version__}", flush=True)
