"""The model registry through MLflow's own client: python registry.py <url> <scenario>."""

import json
import sys

import mlflow
import numpy
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
major = int(mlflow.__version__.split(".")[0])
x = numpy.arange(40, dtype=float).reshape(-1, 1)


def fitted(threshold=20):
    return LogisticRegression().fit(x, (x.ravel() > threshold).astype(int))


def logged(name=None, threshold=20, evidence=None):
    """Logs a model, and registers it when it has a name. Answers the run and the model's address."""
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.81)
        for kind, data in (evidence or {}).items():
            mlflow.log_dict(data, f"kedge-evidence/{kind}.json")
        place = {"name": "model"} if major >= 3 else {"artifact_path": "model"}
        model = fitted(threshold)
        # Newer releases save with another format than pickle, which needs to know what may be loaded.
        # Without requirements the client starts a Python for each model, to see what loading it imports.
        info = mlflow.sklearn.log_model(
            model,
            input_example=x[:2],
            registered_model_name=name,
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            serialization_format="cloudpickle",
            **place,
        )
    return run.info.run_id, info.model_uri


def refused(code, text, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, (error.error_code, str(error))
        assert text in str(error), str(error)
        return str(error)
    raise AssertionError(f"{call} was not refused")


def models():
    made = client.create_registered_model("my model", tags={"team": "risk"}, description="first")
    assert (made.name, made.tags, made.description) == ("my model", {"team": "risk"}, "first")
    refused("RESOURCE_ALREADY_EXISTS", "already exists", client.create_registered_model, "my model")
    refused("RESOURCE_DOES_NOT_EXIST", "name=none not found", client.get_registered_model, "none")
    refused("INVALID_PARAMETER_VALUE", "cannot contain", client.create_registered_model, "a/b")
    client.update_registered_model("my model", "second")
    client.set_registered_model_tag("my model", "tier", "1")
    client.delete_registered_model_tag("my model", "team")
    found = client.get_registered_model("my model")
    assert (found.description, found.tags) == ("second", {"tier": "1"})
    for i in range(5):
        client.create_registered_model(f"m{i}", tags={"odd": str(i % 2)})
    search = lambda filter, **more: [m.name for m in client.search_registered_models(filter, **more)]
    assert search("name LIKE 'm_'") == ["m0", "m1", "m2", "m3", "m4"]
    assert search("name ILIKE 'M%' and tags.odd = '1'", order_by=["name DESC"]) == ["m3", "m1"]
    assert search("tags.odd != '1'") == ["m0", "m2", "m4"]
    page = client.search_registered_models("name LIKE 'm_'", max_results=2)
    rest = client.search_registered_models("name LIKE 'm_'", max_results=2, page_token=page.token)
    assert [m.name for m in rest] == ["m2", "m3"], rest
    refused("INVALID_PARAMETER_VALUE", "page token", client.search_registered_models, page_token="forged")
    refused("INVALID_PARAMETER_VALUE", "Invalid filter", client.search_registered_models, "nonsense = 'x'")
    client.rename_registered_model("m0", "n0")
    assert search("name = 'm0'") == [] and search("name = 'n0'") == ["n0"]
    client.delete_registered_model("n0")
    refused("RESOURCE_DOES_NOT_EXIST", "not found", client.get_registered_model, "n0")


def versions():
    run, uri = logged("churn")
    first = client.get_model_version("churn", "1")
    assert (first.version, first.status, first.run_id) in [("1", "READY", run), (1, "READY", run)], first
    assert first.current_stage == "None" and first.tags["kedge.semantic_version"] == "1.0.0", first.tags
    second = mlflow.register_model(uri, "churn", tags={"why": "again"})
    assert int(second.version) == 2
    assert client.get_model_version("churn", "2").tags["kedge.semantic_version"] == "1.0.1"
    client.update_model_version("churn", "2", "described")
    client.set_model_version_tag("churn", "2", "note", "x")
    client.delete_model_version_tag("churn", "2", "why")
    second = client.get_model_version("churn", "2")
    shown = {k: v for k, v in second.tags.items() if not k.startswith("kedge.")}
    assert (second.description, shown) == ("described", {"note": "x"}), second
    own = ("churn", "2", "kedge.stage", "x")
    refused("INVALID_PARAMETER_VALUE", "kept by the registry", client.set_model_version_tag, *own)

    client.set_registered_model_alias("churn", "blue", "2")
    assert int(client.get_model_version_by_alias("churn", "blue").version) == 2
    assert client.get_registered_model("churn").aliases == {"blue": "2"}
    refused("INVALID_PARAMETER_VALUE", "reserved", client.set_registered_model_alias, "churn", "v3", "2")
    refused("INVALID_PARAMETER_VALUE", "alias red not found", client.get_model_version_by_alias, "churn", "red")

    loaded = mlflow.pyfunc.load_model("models:/churn@blue")
    assert loaded.predict(x[[0, 39]]).tolist() == [0, 1]
    assert client.get_model_version_download_uri("churn", "2") == "mlflow-artifacts:/versions/churn/2"

    for stage in ["Staging", "staging", "Archived", "None"]:
        moved = client.transition_model_version_stage("churn", "1", stage)
        assert moved.current_stage.lower() == stage.lower()
    client.transition_model_version_stage("churn", "1", "Staging")
    client.transition_model_version_stage("churn", "2", "Staging", archive_existing_versions=True)
    assert client.get_model_version("churn", "1").current_stage == "Archived"
    latest = {v.current_stage: int(v.version) for v in client.get_latest_versions("churn")}
    assert latest == {"Archived": 1, "Staging": 2}, latest
    assert [int(v.version) for v in client.get_latest_versions("churn", ["Staging"])] == [2]
    nowhere = ("churn", "1", "Nowhere")
    refused("INVALID_PARAMETER_VALUE", "Invalid Model Version stage", client.transition_model_version_stage, *nowhere)

    search = lambda filter, **more: [int(v.version) for v in client.search_model_versions(filter, **more)]
    assert search("name = 'churn'", order_by=["version_number ASC"]) == [1, 2]
    assert search(f"run_id = '{run}' and version_number > 1") == [2]
    assert search("tags.note = 'x'") == [2]
    assert search("tags.`kedge.semantic_version` = '1.0.0'") == [1]

    copied = client.copy_model_version("models:/churn/2", "churn-copy")
    assert int(copied.version) == 1
    assert mlflow.pyfunc.load_model("models:/churn-copy/1").predict(x[[39]]).tolist() == [1]

    # What becomes of the run later does not matter: the version has its own files.
    client.delete_run(run)
    assert mlflow.pyfunc.load_model("models:/churn/1").predict(x[[39]]).tolist() == [1]

    client.delete_model_version("churn", "2")
    refused("RESOURCE_DOES_NOT_EXIST", "not found", client.get_model_version, "churn", "2")
    client.delete_registered_model("churn")
    _, uri = logged()
    assert int(mlflow.register_model(uri, "churn").version) == 3, "numbers go on after a model was deleted"

    with mlflow.start_run() as empty:
        pass
    client.create_registered_model("hollow")
    source = f"runs:/{empty.info.run_id}/nothing"
    failed = refused_or_failed("hollow", source, empty.info.run_id)
    assert failed == "FAILED_REGISTRATION", failed
    for elsewhere in ["/etc/passwd", f"runs:/{empty.info.run_id}/../x"]:
        call = ("Invalid model version source", client.create_model_version, "hollow", elsewhere)
        refused("INVALID_PARAMETER_VALUE", *call)


def refused_or_failed(name, source, run):
    try:
        client.create_model_version(name, source, run)
    except MlflowException:
        pass
    return client.get_model_version(name, "1").status


def prompts():
    if not hasattr(mlflow, "genai") or not hasattr(mlflow.genai, "register_prompt"):
        register, load, search = mlflow.register_prompt, mlflow.load_prompt, client.search_registered_models
    else:
        register, load = mlflow.genai.register_prompt, mlflow.genai.load_prompt
    register(name="greet", template="Hello {{name}}", commit_message="first", tags={"tone": "warm"})
    register(name="greet", template="Good day {{name}}")
    assert load("prompts:/greet/1").template == "Hello {{name}}"
    assert load("prompts:/greet/2").format(name="Ada") == "Good day Ada"
    assert [m.name for m in client.search_registered_models()] == [], "prompts are no models"
    found = client.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [m.name for m in found] == ["greet"]
    # Before 3.0 the client itself has no way to change a tag of a prompt's version.
    if hasattr(client, "set_prompt_version_tag"):
        change = client.set_prompt_version_tag
        change("greet", "1", "note", "kept")
        refused("RESOURCE_CONFLICT", "register another version", change, "greet", "1", "mlflow.prompt.text", "x")


def searches():
    """Every operator and order of both searches. What is in `beyond` is more than MLflow's own server takes."""
    for name, tags in {"alpha": {"team": "risk"}, "Beta": {"team": "Risk %"}, "b_ta": {}, "o'k": {"a b": "1"}}.items():
        client.create_registered_model(name, tags=tags)
    runs = []
    for name, note in [("alpha", "one"), ("alpha", "TWO"), ("Beta", None)]:
        with mlflow.start_run() as run:
            mlflow.log_text("x", "model/x.txt")
        runs.append(run.info.run_id)
        source = f"{run.info.artifact_uri}/model"
        client.create_model_version(name, source, run.info.run_id, tags={"note": note} if note else {})
    a, b, c = runs
    models = lambda text, **more: " ".join(m.name for m in client.search_registered_models(text, **more))
    versions = lambda text, **more: " ".join(
        f"{v.name}{v.version}" for v in client.search_model_versions(text, **more)
    )
    by_name = {"order_by": ["name ASC", "version_number ASC"]}
    for text, expected in {
        "name = 'alpha'": "alpha",
        "name = 'ALPHA'": "",
        "name != 'alpha'": "Beta b_ta o'k",
        "name LIKE 'b%ta'": "b_ta",
        "name LIKE 'b_ta'": "b_ta",
        "name LIKE 'B%'": "Beta",
        "name ILIKE 'B_TA'": "Beta b_ta",
        "name ILIKE '%a%' AND name != 'b_ta'": "Beta alpha",
        'name = "o\'k"': "o'k",
        "tags.team = 'risk'": "alpha",
        "tag.team != 'risk'": "Beta",
        "tags.team LIKE 'r%'": "alpha",
        "tags.team ILIKE 'risk%'": "Beta alpha",
        "tags.`a b` = '1'": "o'k",
        "tags.`team` = 'risk' and name ILIKE 'AL%'": "alpha",
    }.items():
        assert models(text) == expected, f"{text!r} finds {models(text)!r}, not {expected!r}"
    for text, expected in {
        "name = 'alpha'": "alpha1 alpha2",
        "name = 'none'": "",
        "name LIKE 'al%'": "alpha1 alpha2",
        "name ILIKE 'BETA'": "Beta1",
        "name IN ('alpha', 'Beta')": "Beta1 alpha1 alpha2",
        f"run_id = '{b}'": "alpha2",
        f"run_id IN ('{a}', '{c}')": "Beta1 alpha1",
        f"run_id IN ('{c}')": "Beta1",
        f"source_path = '{client.get_model_version('alpha', '1').source}'": "alpha1",
        f"source_path LIKE '%{b}%'": "alpha2",
        f"source_path ILIKE '%{b.upper()}%'": "alpha2",
        "version_number = 2": "alpha2",
        "version_number != 2": "Beta1 alpha1",
        "version_number > 1": "alpha2",
        "version_number >= 1 AND version_number < 2": "Beta1 alpha1",
        "version_number <= 1": "Beta1 alpha1",
        "tags.note = 'one'": "alpha1",
        "tags.note != 'one'": "alpha2",
        "tags.note LIKE 'o%'": "alpha1",
        "tags.note ILIKE 't%'": "alpha2",
        "name = 'alpha' AND tags.note = 'TWO' AND version_number = 2": "alpha2",
    }.items():
        found = versions(text, **by_name)
        assert found == expected, f"{text!r} finds {found!r}, not {expected!r}"
    beyond = {
        "name = 'alpha' OR tags.team = 'Risk %'": "Beta alpha",
        "NOT (name = 'alpha' OR name ILIKE 'b%')": "o'k",
        "tags.team IS NULL": "b_ta o'k",
        "tags.team IS NOT NULL AND NOT name = 'alpha'": "Beta",
        "creation_timestamp > 0 AND name IN ('alpha', 'none')": "alpha",
    }
    for text, expected in beyond.items():
        assert models(text) == expected, f"{text!r} finds {models(text)!r}, not {expected!r}"
    assert models("", order_by=["creation_timestamp"]) == "alpha Beta b_ta o'k"
    assert versions("stage = 'Development' AND semantic_version != '1.0.0'", **by_name) == "alpha2"
    for order, expected in {
        ("name",): "Beta alpha b_ta o'k",
        ("name DESC",): "o'k b_ta alpha Beta",
        ("timestamp DESC", "name"): "Beta alpha o'k b_ta",
        ("last_updated_timestamp DESC",): "Beta alpha o'k b_ta",
    }.items():
        assert models("", order_by=list(order)) == expected, (order, models("", order_by=list(order)))
    for order, expected in {
        (): "Beta1 alpha2 alpha1",
        ("name", "version_number DESC"): "Beta1 alpha2 alpha1",
        ("version_number DESC", "name"): "alpha2 Beta1 alpha1",
        ("creation_timestamp",): "alpha1 alpha2 Beta1",
        ("last_updated_timestamp DESC",): "Beta1 alpha2 alpha1",
    }.items():
        assert versions("", order_by=list(order)) == expected, (order, versions("", order_by=list(order)))
        paged, token = [], None
        while True:
            page = client.search_model_versions("", order_by=list(order), max_results=1, page_token=token)
            paged += [f"{v.name}{v.version}" for v in page]
            token = page.token
            if not token:
                break
        assert " ".join(paged) == expected, (order, paged)
    wrong = ["name > 'a'", "version_number = 'x'", "nothing = 'x'", "name =", "name = 'open", "tags.x > '1'", "a; b"]
    for text in wrong:
        refused("INVALID_PARAMETER_VALUE", "", client.search_model_versions, text)
    refused("INVALID_PARAMETER_VALUE", "", client.search_model_versions, "", order_by=["run_id ASC"])
    refused("INVALID_PARAMETER_VALUE", "", client.search_model_versions, "", max_results=200_001)
    refused("INVALID_PARAMETER_VALUE", "", client.search_registered_models, "", max_results=1_001)
    refused("INVALID_PARAMETER_VALUE", "", client.search_registered_models, "", max_results=-1)
    assert models("", max_results=0) == ""


def locks():
    """What has become a version cannot be changed where it was logged either; what lies beside it can."""
    with mlflow.start_run() as run:
        mlflow.log_text("first", "model/weights.txt")
        mlflow.log_text("first", "notes/weights.txt")
    client.create_registered_model("locked")
    version = client.create_model_version("locked", f"{run.info.artifact_uri}/model", run.info.run_id)
    for path in ["model/weights.txt", "model/more/weights.txt"]:
        try:
            client.log_text(run.info.run_id, "second", path)
        except Exception as error:
            assert "409" in str(error), error
        else:
            raise AssertionError(f"{path} was changed")
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/model/weights.txt") == "first"
    assert mlflow.artifacts.load_text(f"models:/locked/{version.version}/weights.txt") == "first"
    client.log_text(run.info.run_id, "second", "notes/weights.txt")
    client.log_text(run.info.run_id, "second", "models/weights.txt")
    client.delete_model_version("locked", version.version)
    client.log_text(run.info.run_id, "second", "model/weights.txt")
    _, uri = logged("locked")
    assert mlflow.pyfunc.load_model(uri).predict(x[[39]]).tolist() == [1]


def propose():
    """The maker's part: everything that the run can show is there, and still nobody has looked at it."""
    logged("credit", evidence={"validation": {"passed": True, "summary": "holds on 2025"}})
    for attempt in attempts():
        text = refused("PERMISSION_DENIED", "approvals: 0 of 1 signed", *attempt)
        assert "scan: there is no evidence of this kind" in text, text
        assert "validation" not in text, text
    assert client.get_model_version("credit", "1").current_stage == "None"
    assert client.get_registered_model("credit").aliases == {}
    assert json.dumps(client.get_model_version("credit", "1").status) == '"READY"'


def promote():
    for call, *arguments in attempts():
        call(*arguments)
    assert client.get_model_version("credit", "1").current_stage == "Production"
    assert client.get_registered_model("credit").aliases == {"champion": "1"}
    assert mlflow.pyfunc.load_model("models:/credit@champion").predict(x[[39]]).tolist() == [1]
    refused("RESOURCE_CONFLICT", "take that away first", client.delete_model_version, "credit", "1")


def attempts():
    return [
        (client.transition_model_version_stage, "credit", "1", "Production"),
        (client.set_registered_model_alias, "credit", "champion", "1"),
    ]


globals()[sys.argv[2]]()
print(f"passed {sys.argv[2]} with {mlflow.__version__}")
