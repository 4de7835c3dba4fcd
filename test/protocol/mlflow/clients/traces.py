"""Traces with spans, tags, searches, assessments and deletion through MLflow's own client."""

import sys

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
MAJOR = int(mlflow.__version__.split(".")[0])


def refused(call, *texts):
    try:
        call()
    except MlflowException as error:
        for text in texts:
            assert text in str(error) or text == error.error_code, f"{text!r} is not in {error.error_code} {error}"
        return error
    raise AssertionError("was not refused")


def flush():
    mlflow.flush_trace_async_logging()


def id_of(info):
    return info.trace_id if MAJOR >= 3 else info.request_id


@mlflow.trace(span_type="TOOL", attributes={"engine": "index-2"})
def look_up(question):
    return [f"{question}: page {i}" for i in range(2)]


@mlflow.trace(name="answer", span_type="CHAIN")
def answer(question, fail=False):
    with mlflow.start_span("model", span_type="LLM") as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}], "temperature": 0.5})
        pages = look_up(question)
        if fail:
            raise ValueError("no answer")
        span.set_outputs({"text": "42", "pages": pages})
        span.set_attribute("tokens", 12)
    return "42"


def last_id():
    # Before MLflow 3 the id comes from the server, with the trace.
    flush()
    return mlflow.get_last_active_trace_id()


def recording():
    experiment = mlflow.set_experiment("recorded").experiment_id
    assert answer("what is it?") == "42"
    trace_id = last_id()
    info = client.get_trace(trace_id).info
    assert id_of(info) == trace_id and info.experiment_id == experiment, info
    assert str(info.status) in ("TraceStatus.OK", "OK"), info.status
    assert info.tags["mlflow.traceName"] == "answer", info.tags
    trace = mlflow.get_trace(trace_id)
    spans = {span.name: span for span in trace.data.spans}
    assert set(spans) == {"answer", "model", "look_up"}, spans
    assert spans["look_up"].parent_id == spans["model"].span_id
    assert spans["model"].parent_id == spans["answer"].span_id and spans["answer"].parent_id is None
    assert spans["model"].inputs["messages"][0]["content"] == "what is it?", spans["model"].inputs
    assert spans["model"].inputs["temperature"] == 0.5
    assert spans["model"].outputs["text"] == "42" and spans["model"].get_attribute("tokens") == 12
    assert spans["answer"].inputs == {"question": "what is it?", "fail": False}, spans["answer"].inputs
    assert spans["answer"].outputs == "42", spans["answer"].outputs
    assert spans["model"].span_type == "LLM" and spans["look_up"].get_attribute("engine") == "index-2"
    assert spans["model"].start_time_ns < spans["model"].end_time_ns
    try:
        answer("and now?", fail=True)
    except ValueError:
        pass
    failed = last_id()
    trace = mlflow.get_trace(failed)
    assert str(trace.info.status) in ("TraceStatus.ERROR", "ERROR"), trace.info.status
    model = next(span for span in trace.data.spans if span.name == "model")
    assert "ERROR" in str(model.status.status_code), model.status
    assert any(event.name == "exception" for event in model.events), model.events
    refused(lambda: client.get_trace("tr-" + "0" * 32))


def tags():
    mlflow.set_experiment("tagged")
    answer("tagged?")
    trace_id = last_id()
    client.set_trace_tag(trace_id, "team", "north")
    client.set_trace_tag(trace_id, "team", "south")
    assert client.get_trace(trace_id).info.tags["team"] == "south"
    client.delete_trace_tag(trace_id, "team")
    assert "team" not in client.get_trace(trace_id).info.tags
    refused(lambda: client.delete_trace_tag(trace_id, "team"))
    with mlflow.start_run() as run:
        answer("within a run?")
    within = last_id()
    experiment = run.info.experiment_id
    found = client.search_traces([experiment], filter_string=f"attribute.run_id = '{run.info.run_id}'")
    assert [id_of(trace.info) for trace in found] == [within], found


def searching():
    experiment = mlflow.set_experiment("searched").experiment_id
    ids = []
    for i in range(7):
        try:
            answer(f"question {i}", fail=i == 3)
        except ValueError:
            pass
        ids.append(last_id())
    for i, trace_id in enumerate(ids):
        client.set_trace_tag(trace_id, "parity", str(i % 2))

    def found(filter_string, **options):
        traces = client.search_traces([experiment], filter_string=filter_string, **options)
        return [ids.index(id_of(trace.info)) for trace in traces]

    assert found("") == [6, 5, 4, 3, 2, 1, 0]
    assert found("", order_by=["timestamp_ms ASC"]) == [0, 1, 2, 3, 4, 5, 6]
    assert found("status = 'ERROR'") == [3]
    assert found("trace.status != 'ERROR'") == [6, 5, 4, 2, 1, 0]
    assert found("tags.parity = '1'") == [5, 3, 1]
    assert found("tag.`parity` = '1' AND status = 'OK'") == [5, 1]
    assert found("name = 'answer' AND attributes.status = 'OK'", max_results=2) == [6, 5]
    assert found("name = 'other'") == []
    assert found("name RLIKE '^(an|qu)s?w' AND tags.parity RLIKE '^[1-9]$'") == [5, 3, 1]
    assert found("status RLIKE '(?i)^err' AND NOT name RLIKE 'other'") == [3]
    assert found("name RLIKE '^(a+)+$'") == []
    refused(lambda: found("name RLIKE '(?=a)'"), "INVALID_PARAMETER_VALUE")
    times = {id_of(t.info): t.info.timestamp_ms for t in client.search_traces([experiment])}
    middle = times[ids[3]]
    assert found(f"timestamp_ms >= {middle}") == [i for i in reversed(range(7)) if times[ids[i]] >= middle]
    assert found(f"attribute.timestamp_ms < {middle}") == [i for i in reversed(range(7)) if times[ids[i]] < middle]
    assert found("execution_time_ms >= 0") == [6, 5, 4, 3, 2, 1, 0]
    pages, token = [], None
    while True:
        page = client.search_traces([experiment], max_results=3, page_token=token)
        pages.append(len(page))
        token = page.token
        if not token:
            break
    assert pages == [3, 3, 1], pages
    refused(lambda: client.search_traces([experiment], filter_string="nothing = 'a'"), "INVALID_PARAMETER_VALUE")
    refused(lambda: client.search_traces([experiment], filter_string="status >"), "INVALID_PARAMETER_VALUE")
    frame = mlflow.search_traces(experiment_ids=[experiment], max_results=3)
    assert len(frame) == 3, frame
    if MAJOR >= 3:
        assert found("span.name = 'model' AND span.status = 'ERROR'") == [3]
        assert found("span.type = 'TOOL'") == [6, 5, 4, 3, 2, 1, 0]
        assert found("span.attributes.engine = 'index-2' AND tags.parity = '0'") == [6, 4, 2, 0]
        assert found("span.type = 'TOOL' AND span.status = 'ERROR'") == [], "of one span, not of two"
        assert found("trace.text LIKE '%question 5%'") == [5]
        assert found("span.content ILIKE '%QUESTION 5%'") == [5]


def deleting():
    experiment = mlflow.set_experiment("deleted").experiment_id
    ids = []
    for i in range(5):
        answer(f"{i}")
        ids.append(last_id())
    delete = client.delete_traces
    by_id = {"trace_ids" if MAJOR >= 3 else "request_ids": ids[:2]}
    assert delete(experiment_id=experiment, **by_id) == 2
    refused(lambda: client.get_trace(ids[0]))
    assert len(client.search_traces([experiment])) == 3
    newest = max(t.info.timestamp_ms for t in client.search_traces([experiment]))
    assert delete(experiment_id=experiment, max_timestamp_millis=newest, max_traces=1) == 1
    assert delete(experiment_id=experiment, max_timestamp_millis=newest) == 2
    assert len(client.search_traces([experiment])) == 0


def assessments():
    from mlflow.entities import AssessmentError, AssessmentSource, Feedback

    experiment = mlflow.set_experiment("assessed").experiment_id
    answer("how good?")
    trace_id = last_id()
    human = AssessmentSource(source_type="HUMAN", source_id="ann")
    judge = AssessmentSource(source_type="LLM_JUDGE", source_id="judge-1")
    first = mlflow.log_feedback(trace_id=trace_id, name="correct", value=True, source=human, rationale="it is 42")
    mlflow.log_feedback(trace_id=trace_id, name="score", value=0.75, source=judge, metadata={"model": "m"})
    mlflow.log_feedback(trace_id=trace_id, name="parts", value={"tone": "kind", "length": 3}, source=judge)
    error = AssessmentError(error_code="RATE_LIMIT", error_message="too many")
    mlflow.log_feedback(trace_id=trace_id, name="failed", error=error, source=judge)
    expected = mlflow.log_expectation(trace_id=trace_id, name="answer", value="42", source=human)
    mlflow.log_expectation(trace_id=trace_id, name="facts", value=["a", {"b": 1}], source=human)
    told = {one.name: one for one in mlflow.get_trace(trace_id).info.assessments}
    assert set(told) == {"correct", "score", "parts", "failed", "answer", "facts"}, told
    assert told["correct"].value is True and told["correct"].rationale == "it is 42"
    assert told["correct"].source.source_id == "ann" and told["correct"].source.source_type == "HUMAN"
    assert told["score"].value == 0.75 and told["score"].metadata == {"model": "m"}
    assert told["parts"].value == {"tone": "kind", "length": 3}, told["parts"].value
    assert told["failed"].error.error_code == "RATE_LIMIT" and told["failed"].value is None
    assert told["answer"].value == "42" and told["facts"].value == ["a", {"b": 1}]
    one = mlflow.get_assessment(trace_id, first.assessment_id)
    assert one.assessment_id == first.assessment_id and one.value is True

    def found(filter_string):
        return len(client.search_traces([experiment], filter_string=filter_string))

    assert found("feedback.correct = 'true'") == 1 and found("feedback.correct = 'false'") == 0
    assert found("feedback.score > 0.5") == 1 and found("feedback.score > 0.8") == 0
    assert found("expectation.answer = '42'") == 1 and found("feedback.answer = '42'") == 0
    assert found("feedback.other IS NULL") == 1 and found("feedback.score IS NULL") == 0
    update = Feedback(name="correct", value=False, rationale="it is 43")
    mlflow.update_assessment(trace_id=trace_id, assessment_id=first.assessment_id, assessment=update)
    changed = mlflow.get_assessment(trace_id, first.assessment_id)
    assert changed.value is False and changed.rationale == "it is 43" and changed.source.source_id == "ann"
    over = mlflow.override_feedback(trace_id=trace_id, assessment_id=first.assessment_id, value=True, source=human)
    told = {one.assessment_id: one for one in mlflow.get_trace(trace_id).info.assessments}
    assert told[first.assessment_id].valid is False and told[over.assessment_id].valid is True
    assert found("feedback.correct = 'true'") == 1 and found("feedback.correct = 'false'") == 0
    mlflow.delete_assessment(trace_id, over.assessment_id)
    assert mlflow.get_assessment(trace_id, first.assessment_id).valid is True
    mlflow.delete_assessment(trace_id, expected.assessment_id)
    refused(lambda: mlflow.get_assessment(trace_id, expected.assessment_id), "RESOURCE_DOES_NOT_EXIST")
    missing = "tr-" + "1" * 32
    refused(lambda: mlflow.log_feedback(trace_id=missing, name="a", value=1), "RESOURCE_DOES_NOT_EXIST")


# Assessments came with MLflow 3.
for scenario in [recording, tags, searching, deleting] + ([assessments] if MAJOR >= 3 else []):
    scenario()
    print(f"passed {scenario.__name__} with {mlflow.__version__}", flush=True)
