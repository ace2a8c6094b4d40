"""fer_ray.settings: from argv to settings, or to one sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_ray.config import JobConfig, PrepareConfig, TrainConfig
from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.inspection import DoctorConfig
from fer_ray.settings import SettingsError, parse, recipe_names


def train(*argv: str) -> TrainConfig:
    return parse(argv, TrainConfig, "Trains.", "train")


def told(*argv: str) -> str:
    """The sentence that refuses ``argv``."""
    with pytest.raises(SettingsError) as raised:
        train(*argv)
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_without_a_config_the_recipe_is_demo() -> None:
    assert train() == train("--config", "demo")
    assert train().data.uri == "demo:"


def test_a_config_replaces_demo_and_later_ones_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("data: {uri: 'demo:'}\ntraining: {epochs: 3, batch_size: 8}\n")
    second.write_text("training: {epochs: 4}\n")
    config = train("--config", str(first), f"--config={second}", "--training.batch_size", "9")
    assert (config.training.epochs, config.training.batch_size) == (4, 9)
    assert config.model == TrainConfig.model_fields["model"].default  # nothing of demo's


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_suits_every_job(recipe: str) -> None:
    for settings in (TrainConfig, PrepareConfig):
        flags = ["--config", recipe, "--data.uri", "demo:"]
        assert parse(flags, settings, "Does.", "job").data.uri == "demo:"
    assert parse(["--config", recipe, "--run", "a"], DoctorConfig, "Does.", "job").run == "a"


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_printed_config_gives_the_same_settings(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--config", recipe, "--data.uri", "demo:"]
    with pytest.raises(SystemExit) as ended:
        train(*flags, "--print_config")
    assert ended.value.code == 0
    saved = tmp_path / "saved.yaml"
    saved.write_text(capsys.readouterr().out)
    assert train("--config", str(saved)) == train(*flags)


def test_a_file_may_write_numbers_as_people_do(tmp_path: Path) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text("data: {uri: 'demo:'}\noptimizer: {learning_rate: 1e-4, weight_decay: 5E-4}\n")
    optimizer = train("--config", str(file)).optimizer
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-4, 5e-4)


def test_a_merged_sections_keys_may_stand_again(tmp_path: Path) -> None:
    file = tmp_path / "merged.yaml"
    file.write_text("data: {uri: 'demo:'}\ntraining: {<<: {epochs: 3, batch_size: 8}, epochs: 4}\n")
    training = train("--config", str(file)).training
    assert (training.epochs, training.batch_size) == (4, 8)


def test_booleans_stand_bare_or_with_a_value() -> None:
    assert train("--verbose").verbose
    assert train("--verbose", "true").verbose
    assert not train("--verbose", "false").verbose


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    config = train("--data.uri", "faces", "--storage.uri", "file:kept")
    assert config.data.uri == str(tmp_path / "faces")
    assert config.storage.uri == str(tmp_path / "kept")
    assert train().storage.uri == str(tmp_path / "runs")
    remote = "s3://bucket/a?endpoint_override=x"
    assert train("--storage.uri", remote).storage.uri == remote


def test_a_run_named_by_digits_is_a_name() -> None:
    assert train("--run", "2026").run == "2026"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ("--training.batch_size 0", "training.batch_size must be at least 1, got 0"),
        ("--training.epochs 3.5", "training.epochs must be a whole number, got 3.5"),
        ("--training.epochs true", "training.epochs must be a whole number, got True"),
        ("--training.epochs", "--training.epochs"),
        ("--optimizer.learning_rate -1", "optimizer.learning_rate must be greater than 0"),
        ("--optimizer.learning_rate .nan", "optimizer.learning_rate must be a finite number"),
        ("--training.precision mixed_float16", "must be 'float32' or 'mixed_bfloat16'"),
        ("--model.head x", "model.head must be 'paper' or 'bn', got 'x'"),
        ("--balance.target few", "must be 'none', 'median' or 'largest' or a whole number"),
        ("--cluster.num_workers 64 --training.batch_size 63", "at least cluster.num_workers (64)"),
        ("--cluster.num_workers [3,1]", "must be [min, max] in that order, got [3, 1]"),
        ("--cluster.num_workers 0", "cluster.num_workers must be at least 1"),
        ("--split.fractions [0.8,0.1,0.2]", "split.fractions must sum to 1, got [0.8, 0.1, 0.2]"),
        ("--split.fractions [0.9,0.1,0]", "split.fractions must each be greater than 0"),
        ("--training.epochs 1 --optimizer.warmup_epochs 1", "less than training.epochs (1), got 1"),
        ("--data.uri / --storage.uri /tmp/runs", "storage.uri must lie outside data.uri (/)"),
        ("--run a/b", "run must be up to 100 letters"),
        ("--run datasets", "run must not be 'datasets'"),
        ("--verbose maybe", "verbose must be true or false, got 'maybe'"),
        ("--nope 3", "--nope"),
        ("--config nope", "must be one of best, demo, honest, paper or a YAML file, got 'nope'"),
        ("--config ./nope.yaml", "--config must name an existing file, got './nope.yaml'"),
        ("--config", "--config must name a recipe or a YAML file, got nothing"),
        ("--config paper", "data.uri must name the faces to read"),
        ("--data.uri /nowhere/x.csv", "data.uri must be an existing file or folder"),
        ("--model.pretrained /nowhere/x.keras", "model.pretrained must be an existing file"),
        ("--balance.generator_below 3000", "generator_target must be at least balance.generator"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(flags: str, sentence: str) -> None:
    assert sentence in told(*flags.split())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("training: {epoch: 3}", "training.epoch is not a setting"),
        ("trainings: {epochs: 3}", "trainings.epochs is not a setting"),
        ("training: 3", "training is not a setting"),
        ("- a\n- b", "must hold sections of settings"),
        ("a: [", "must be YAML"),
        (
            "training: {epochs: 3}\ndata: {uri: 'demo:'}\ntraining: {batch_size: 9}",
            "must be YAML: a key must stand once, got 'training' again in"
            ' "<unicode string>", line 3, column 1',
        ),
        ("run: 2026-13-45", "must be YAML"),
        ("a: !!python/object/apply:os.system [true]", "must be YAML"),
    ],
)
def test_a_wrong_file_is_refused(content: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(content)
    assert sentence in told("--config", str(file))


def fields(settings: type[JobConfig]) -> dict[str, Any]:
    schema = settings.model_json_schema()
    flat = {}
    for name, field in schema["properties"].items():
        section = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2])
        inner = section["properties"] if section else {"": field}
        flat |= {f"{name}.{key}".rstrip("."): value for key, value in inner.items()}
    return flat


@pytest.mark.parametrize("settings", [TrainConfig, DoctorConfig, EvaluateJobConfig])
def test_every_setting_is_described(settings: type[JobConfig]) -> None:
    bare = [key for key, field in fields(settings).items() if not field.get("description")]
    assert bare == []


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train("--help")
    assert ended.value.code == 0
    manual = capsys.readouterr().out
    assert [key for key in fields(TrainConfig) if f"--{key} " not in manual] == []


def evaluate(*argv: str) -> EvaluateJobConfig:
    return parse(argv, EvaluateJobConfig, "Scores.", "evaluate")


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ("b", ["b"]),
        ("0012", ["0012"]),
        ("[b, 1.10, no, s3://bucket/c]", ["b", "1.10", "no", "s3://bucket/c"]),
        ("b,20261123_0815", ["b", "20261123_0815"]),
        ("[]", []),
    ],
)
def test_models_to_compare_with_are_one_or_a_list(given: str, models: list[str]) -> None:
    assert (
        list(evaluate("--evaluate.model", "a", "--evaluate.against", given).evaluate.against)
        == models
    )


def test_a_model_is_named_by_its_run_or_by_a_path_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.keras").touch()
    assert evaluate("--evaluate.model", "a").evaluate.model == "a"
    for given in ("a.keras", "./a.keras"):
        assert evaluate("--evaluate.model", given).evaluate.model == f"{tmp_path}/a.keras"
    for given in ("./b", "b.keras"):
        with pytest.raises(SettingsError, match=r"evaluate\.model must be an existing file"):
            evaluate("--evaluate.model", given)
    with pytest.raises(SettingsError, match=r"evaluate\.model must name the model to score"):
        evaluate()


def test_defaults_are_whole_yaml() -> None:
    config = train()
    text = yaml.safe_dump(config.model_dump(mode="json"))
    assert TrainConfig.model_validate(yaml.safe_load(text)) == config
