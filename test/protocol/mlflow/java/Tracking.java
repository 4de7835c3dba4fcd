import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.mlflow.api.proto.ModelRegistry.ModelVersion;
import org.mlflow.api.proto.Service.CreateRun;
import org.mlflow.api.proto.Service.Experiment;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.Run;
import org.mlflow.api.proto.Service.RunInfo;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.api.proto.Service.RunTag;
import org.mlflow.api.proto.Service.ViewType;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.MlflowClientException;
import org.mlflow.tracking.RunsPage;
import org.mlflow.tracking.creds.BasicMlflowHostCreds;

/**
 * MLflow's own Java client against a server: experiments, runs, batches, search, artifacts and the registry. The first
 * argument is the address of the server, the second a token that it takes.
 */
public final class Tracking {
  private static MlflowClient client;

  public static void main(String[] args) throws Exception {
    client = new MlflowClient(new BasicMlflowHostCreds(args[0], args[1]));
    String experiment = experiments();
    String run = runs(experiment);
    search(experiment);
    registry(run, artifacts(run));
    refusals(args[0], experiment);
    client.close();
    System.out.println("passed");
  }

  private static String experiments() {
    require("Default".equals(client.getExperiment("0").getName()), "experiment 0 is there from the start");
    String id = client.createExperiment("java");
    client.setExperimentTag(id, "team", "north");
    Experiment found = client.getExperiment(id);
    require(found.getName().equals("java") && found.getTags(0).getValue().equals("north"), found.toString());
    require(client.getExperimentByName("nowhere").equals(Optional.empty()), "an experiment that there is not");
    client.renameExperiment(id, "java-2");
    require(client.getExperimentByName("java-2").get().getExperimentId().equals(id), "found by its new name");
    client.deleteExperiment(id);
    require(client.getExperiment(id).getLifecycleStage().equals("deleted"), "deleted");
    client.restoreExperiment(id);
    require(client.searchExperiments("name LIKE 'java%'").getItems().size() == 1, "found by a filter");
    return id;
  }

  private static String runs(String experiment) {
    CreateRun draft = CreateRun.newBuilder().setExperimentId(experiment).setStartTime(1_700_000_000_000L)
        .setUserId("ada").setRunName("first").build();
    RunInfo info = client.createRun(draft);
    String run = info.getRunId();
    require(info.getStartTime() == 1_700_000_000_000L && info.getUserId().equals("ada"), info.toString());
    client.logParam(run, "depth", "3");
    for (int step = 0; step < 10; step++) {
      client.logMetric(run, "loss", 1.0 / (step + 1), 1_700_000_000_000L + step, step);
    }
    client.logMetric(run, "odd", Double.NaN, 1L, 0L);
    client.setTag(run, "kind", "base");
    client.setTag(run, "gone", "soon");
    client.deleteTag(run, "gone");
    List<Metric> metrics = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      metrics.add(Metric.newBuilder().setKey("batch").setValue(i).setTimestamp(i).setStep(i).build());
    }
    List<Param> params = List.of(Param.newBuilder().setKey("lr").setValue("0.1").build());
    List<RunTag> tags = List.of(RunTag.newBuilder().setKey("more").setValue("ü").build());
    client.logBatch(run, metrics, params, tags);
    client.logBatch(run, metrics, params, tags);
    client.setTerminated(run, RunStatus.FINISHED, 1_700_000_100_000L);

    Run found = client.getRun(run);
    require(found.getInfo().getStatus() == RunStatus.FINISHED, found.getInfo().toString());
    require(found.getInfo().getEndTime() == 1_700_000_100_000L, "the time of its end");
    require(pairs(found.getData().getParamsList()).toString().equals("{depth=3, lr=0.1}"), "its params");
    Map<String, Double> latest = new TreeMap<>();
    found.getData().getMetricsList().forEach((metric) -> latest.put(metric.getKey(), metric.getValue()));
    require(latest.get("loss") == 0.1 && latest.get("batch") == 499 && latest.get("odd").isNaN(), latest.toString());
    require(client.getMetricHistory(run, "batch").size() == 500, "each point once, though it was sent twice");
    require(client.getMetricHistory(run, "loss").get(9).getStep() == 9, "in the order of their times");

    String gone = client.createRun(experiment).getRunId();
    client.deleteRun(gone);
    require(client.getRun(gone).getInfo().getLifecycleStage().equals("deleted"), "a deleted run");
    client.restoreRun(gone);
    client.deleteRun(gone);
    return run;
  }

  private static Map<String, String> pairs(List<Param> params) {
    Map<String, String> found = new TreeMap<>();
    params.forEach((param) -> found.put(param.getKey(), param.getValue()));
    return found;
  }

  private static void search(String experiment) {
    for (int i = 0; i < 7; i++) {
      String run = client.createRun(experiment).getRunId();
      client.logMetric(run, "score", i);
      client.logParam(run, "odd", String.valueOf(i % 2));
    }
    List<String> ids = List.of(experiment);
    List<String> order = List.of("metrics.score DESC");
    String filter = "metrics.score >= 1 AND params.odd = '1'";
    RunsPage page = client.searchRuns(ids, filter, ViewType.ACTIVE_ONLY, 2, order);
    require(page.getItems().size() == 2 && page.hasNextPage(), "a page of two");
    require(page.getItems().get(0).getData().getMetrics(0).getValue() == 5, "the best first");
    require(((RunsPage) page.getNextPage()).getItems().size() == 1, "and one more");
    require(client.searchRuns(ids, "", ViewType.DELETED_ONLY).size() == 1, "the one that is deleted");
  }

  /** The client hands files to the command line of MLflow, which is on the path of whoever starts this. */
  private static Path artifacts(String run) throws Exception {
    Path folder = Files.createTempDirectory("kedge-java");
    Path model = Files.createDirectories(folder.resolve("model"));
    Files.writeString(model.resolve("MLmodel"), "flavors: {}\n");
    Files.writeString(model.resolve("weights.bin"), "w".repeat(100_000));
    client.logArtifacts(run, model.toFile(), "model");
    require(client.listArtifacts(run, "model").size() == 2, "two files of the model");
    File back = client.downloadArtifacts(run, "model");
    require(Files.size(back.toPath().resolve("weights.bin")) == 100_000, "as large as they were");
    return model;
  }

  private static void registry(String run, Path model) throws Exception {
    client.sendPost("registered-models/create", "{\"name\": \"java-model\"}");
    client.sendPost("model-versions/create",
        "{\"name\": \"java-model\", \"source\": \"runs:/" + run + "/model\", \"run_id\": \"" + run + "\"}");
    ModelVersion version = client.getModelVersion("java-model", "1");
    require(version.getRunId().equals(run) && version.getStatus().name().equals("READY"), version.toString());
    require(client.getRegisteredModel("java-model").getLatestVersions(0).getVersion().equals("1"), "the latest");
    client.sendPost("model-versions/transition-stage",
        "{\"name\": \"java-model\", \"version\": \"1\", \"stage\": \"Staging\"}");
    require(client.getLatestVersions("java-model", List.of("Staging")).size() == 1, "the one in Staging");
    require(client.searchModelVersions("name = 'java-model'").getItems().size() == 1, "found by its name");
    File back = client.downloadModelVersion("java-model", "1");
    require(Files.size(back.toPath().resolve("weights.bin")) == 100_000, "the files of the version");
    require(Files.mismatch(back.toPath().resolve("MLmodel"), model.resolve("MLmodel")) == -1, "unchanged");
  }

  private static void refusals(String url, String experiment) {
    refused("RESOURCE_DOES_NOT_EXIST", () -> client.getRun("0".repeat(32)));
    refused("RESOURCE_ALREADY_EXISTS", () -> client.createExperiment("java-2"));
    refused("INVALID_PARAMETER_VALUE", () -> client.searchRuns(List.of(experiment), "metrics.x ~ 1"));
    MlflowClient unknown = new MlflowClient(new BasicMlflowHostCreds(url, "wrong"));
    refused("401", () -> unknown.getExperiment("0"));
    unknown.close();
  }

  private static void refused(String text, Runnable call) {
    try {
      call.run();
    } catch (MlflowClientException error) {
      require(String.valueOf(error.getMessage()).contains(text), text + " is not in " + error.getMessage());
      return;
    }
    throw new AssertionError("was not refused: " + text);
  }

  private static void require(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }
}
