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


def measuring():
    """What traces tell taken together."""
    from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
    from mlflow.tracking._tracking_service.utils import _get_store

    experiment = mlflow.set_experiment("measured").experiment_id
    for name, model, cost in [("ask", "big", 0.5), ("ask", "big", 0.25), ("sum", "small", 0.125), ("sum", None, None)]:
        with mlflow.start_span(name, span_type="LLM") as span:
            if model is not None:
                span.set_attribute("mlflow.llm.model", model)
                span.set_attribute("mlflow.llm.cost", {"input_cost": cost, "output_cost": 0.0, "total_cost": cost})
                usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
                span.set_attribute("mlflow.chat.tokenUsage", usage)
    mlflow.flush_trace_async_logging()
    count, total = MetricAggregation(AggregationType.COUNT), MetricAggregation(AggregationType.SUM)
    median = MetricAggregation(AggregationType.PERCENTILE, percentile_value=50.0)

    def asked(view, metric, aggregations, **more):
        points = _get_store().query_trace_metrics([experiment], view, metric, aggregations, **more)
        return [(tuple(point.dimensions.values()), point.values) for point in points]

    traces, spans = MetricViewType.TRACES, MetricViewType.SPANS
    assert asked(traces, "trace_count", [count], dimensions=["trace_name"]) == [
        (("ask",), {"COUNT": 2}),
        (("sum",), {"COUNT": 2}),
    ]
    tokens = asked(traces, "input_tokens", [total, median])
    assert tokens == [((), {"SUM": 30, "P50.0": 10})], tokens
    by_model = asked(spans, "total_cost", [total, median], dimensions=["span_model_name"])
    big, small = {"SUM": 0.75, "P50.0": 0.375}, {"SUM": 0.125, "P50.0": 0.125}
    assert by_model == [(("big",), big), (("small",), small)], by_model
    named = asked(spans, "span_count", [count], filters=["span.name = 'sum'", "trace.status = 'OK'"])
    assert named == [((), {"COUNT": 2})], named
    refused(lambda: asked(traces, "latency", [count]), "INVALID_PARAMETER_VALUE", "COUNT")
    together = _get_store().calculate_trace_filter_correlation([experiment], "name = 'ask'", "span.name = 'ask'")
    assert abs(together.npmi - 1) < 1e-9 and together.joint_count == 2, together
    assert abs(together.npmi_smoothed - 0.5835) < 1e-3, together


def troubled():
    """Issues that traces show."""
    from mlflow.entities.issue import IssueSeverity, IssueStatus
    from mlflow.tracking._tracking_service.utils import _get_store

    store = _get_store()
    experiment = mlflow.set_experiment("troubled").experiment_id
    rude = store.create_issue(experiment, "rude", "answers are rude", severity=IssueSeverity.LOW, categories=["tone"])
    slow = store.create_issue(experiment, "slow", "answers take long", severity=IssueSeverity.HIGH, source_run_id="r1")
    assert rude.status == IssueStatus.PENDING and rude.categories == ["tone"] and rude.severity == IssueSeverity.LOW
    assert store.get_issue(slow.issue_id).source_run_id == "r1"
    changed = store.update_issue(rude.issue_id, status=IssueStatus.RESOLVED)
    assert changed.status == IssueStatus.RESOLVED and changed.description == "answers are rude", changed
    assert [one.name for one in store.search_issues(experiment)] == ["slow", "rude"]
    assert [one.name for one in store.search_issues(experiment, filter_string="status = 'resolved'")] == ["rude"]
    first = store.search_issues(experiment, max_results=1)
    assert [one.name for one in store.search_issues(experiment, max_results=1, page_token=first.token)] == ["rude"]
    refused(lambda: store.get_issue("iss-none"), "RESOURCE_DOES_NOT_EXIST", "Issue with ID 'iss-none' not found")


for scenario in [keeping, records, from_traces, judging, evaluating, measuring, troubled]:
    scenario()
    print(f"passed {scenario.__name__} with {mlflow.__version__}", flush=True)
