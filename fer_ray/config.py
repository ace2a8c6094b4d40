"""The settings of data, training and cluster: their meaning, defaults and ranges.

What one job alone takes stands in a room of its own beside this one. A setting lives in one
section, has one default and one meaning. Sections are frozen and refuse unknown keys; what one
section cannot know of another is checked by the job's whole. Nothing heavy is imported here: wrong
settings are told before Ray or TensorFlow load.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from fer_ray.names import RunName, Uri, check_no_credentials

Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Settings of one concern."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class DataConfig(Section):
    """Where the faces come from."""

    uri: Uri | None = Field(
        None,
        description="Faces to read: Kaggle's fer2013.csv, a folder of class folders, Parquet, or a"
        " prepared dataset; a local path, file://, s3:// or gs://. 'demo:' draws faces instead.",
    )
    max_refused: Fraction = Field(
        0.01, description="Largest share of unusable rows; more ends the job with exit code 2."
    )
    max_image_bytes: int = Field(
        16 * 2**20, ge=1, description="Larger image files are refused unread; bytes."
    )
    max_image_pixels: int = Field(
        50_000_000,
        ge=48 * 48,
        description="Images of more pixels (width × height, read from their head) are refused.",
    )
    demo_faces: int = Field(
        4_200, ge=350, le=1_000_000, description="How many faces 'demo:' draws, in all."
    )


class SplitConfig(Section):
    """Which faces train, choose and test."""

    protocol: Literal["official", "hashed", "paper"] = Field(
        "hashed",
        description="'hashed': each face's side follows from a hash of its pixels; 'official':"
        " FER2013's own Usage column; 'paper': balance first, then split at random (leaks).",
    )
    fractions: tuple[Fraction, Fraction, Fraction] = Field(
        (0.8, 0.1, 0.1),
        description="Shares of training, validation and test under 'hashed' and 'paper'; sum 1.",
    )
    validation: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of Training that validates under 'official' where the data has only"
        " one of PublicTest and PrivateTest, which is the test side then.",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Of the split alone; 'seed' does not move faces."
    )
    deduplicate: bool = Field(
        True,
        description="Byte-identical faces stay on the strongest side only (test, then validation,"
        " then training), once in training and validation, nowhere there if labels contradict.",
    )

    @field_validator("fractions", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if not math.isclose(sum(self.fractions), 1, abs_tol=1e-9):
            raise ValueError(
                f"split.fractions must sum to 1, got {list(self.fractions)},"
                f" which sum to {sum(self.fractions):g}"
            )
        if min(self.fractions) <= 0:
            raise ValueError(
                f"split.fractions must each be greater than 0, got {list(self.fractions)}"
            )
        return self


class BalanceConfig(Section):
    """How the classes of the training side are brought to one size."""

    target: Literal["none", "median", "largest"] | Annotated[int, Field(ge=1)] = Field(
        "none",
        description="Faces each class is brought to, by SMOTE up and undersampling down: a number,"
        " the 'median' or 'largest' class, or 'none' to leave them as they are.",
    )
    neighbors: int = Field(
        5, ge=1, description="SMOTE draws towards one of this many nearest faces of the class."
    )
    generator_below: int = Field(
        0,
        ge=0,
        description="Classes with fewer faces than this are first grown by the image generator"
        " (the transforms of 'augment'); 0: none are.",
    )
    generator_target: int = Field(
        2_000, ge=1, description="Faces the image generator brings such a class to."
    )
    class_weights: bool = Field(
        False, description="Weigh each class's loss by the inverse of its share of the faces."
    )
    max_class_bytes: int = Field(
        2**30,
        ge=1,
        description="A class that SMOTE or the generator grows is gathered and made in one task; of"
        " more pixel bytes than this in the end it is refused.",
    )

    @model_validator(mode="after")
    def _generator_has_room(self) -> Self:
        if self.generator_below > self.generator_target:
            raise ValueError(
                "balance.generator_target must be at least balance.generator_below"
                f" ({self.generator_below}), got {self.generator_target}"
            )
        return self


class AugmentConfig(Section):
    """Random changes to training faces; the defaults change nothing."""

    on_the_fly: bool = Field(
        True,
        description="Change every face anew in every epoch; false leaves these transforms to"
        " 'balance.generator_below' alone.",
    )
    rotation: float = Field(0, ge=0, le=180, description="Rotate by up to this many degrees.")
    width_shift: Fraction = Field(0, description="Shift sideways by up to this share of the width.")
    height_shift: Fraction = Field(
        0, description="Shift up or down by up to this share of the height."
    )
    shear: float = Field(0, ge=0, lt=90, description="Shear by up to this many degrees.")
    zoom: float = Field(
        0,
        ge=0,
        lt=1,
        description="Zoom each axis by a factor up to this far from 1 (0.2: 0.8 to 1.2).",
    )
    horizontal_flip: bool = Field(False, description="Mirror every second face, left to right.")
    vertical_flip: bool = Field(False, description="Turn every second face upside down.")
    erasing: Fraction = Field(
        0, description="Probability that a random rectangle is filled with noise."
    )
    mixup: float = Field(
        0,
        ge=0,
        le=10,
        description="Alpha of mixup's Beta(alpha, alpha) blend with another face of the batch;"
        " 0: no mixup.",
    )


class ModelConfig(Section):
    """The network."""

    head: Literal["paper", "bn"] = Field(
        "bn",
        description="'paper': VGG19, Dense(1024), dropout, softmax; 'bn': batch normalisation"
        " after each convolution and a light head.",
    )
    width: float = Field(
        1.0, gt=0, le=4, description="Scales all channels: 1 is VGG19, 0.25 suits a CPU."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of features dropped in the head.")
    pretrained: Uri | None = Field(
        None,
        description="Weights to start from: a .keras or .weights.h5 by path or URI (ImageNet's"
        " VGG19 'notop' layout too). Nothing is ever downloaded otherwise.",
    )


class OptimizerConfig(Section):
    """How the weights move."""

    name: Literal["adam", "sgd"] = Field("adam", description="Adam, or SGD with momentum.")
    learning_rate: float = Field(1e-4, gt=0, description="The highest learning rate.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of SGD.")
    nesterov: bool = Field(True, description="Nesterov's momentum, for SGD.")
    weight_decay: float = Field(
        0,
        ge=0,
        description="L2 penalty on kernels: SGD adds it to the gradient, Adam decouples it.",
    )
    schedule: Literal["constant", "cosine", "plateau"] = Field(
        "constant",
        description="'cosine' falls to 0 at the last step; 'plateau' multiplies by plateau_factor"
        " when validation loss stops falling.",
    )
    warmup_epochs: float = Field(
        0, ge=0, description="Epochs over which the learning rate rises from 0."
    )
    plateau_factor: float = Field(0.1, gt=0, lt=1, description="Of the 'plateau' schedule.")
    plateau_patience: int = Field(
        5, ge=1, description="Epochs without a lower validation loss before 'plateau' acts."
    )
    min_learning_rate: float = Field(1e-7, ge=0, description="'plateau' goes no lower.")


class TrainingConfig(Section):
    """The loop."""

    epochs: int = Field(100, ge=1, le=100_000, description="Passes over the training faces.")
    batch_size: int = Field(48, ge=1, description="Faces a step, over all workers.")
    label_smoothing: float = Field(
        0, ge=0, lt=1, description="Share of each target spread evenly over the classes."
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Decay of an exponential moving average of the weights, which then is what is"
        " validated and kept; none by default.",
    )
    early_stopping: int | None = Field(
        None, ge=1, description="Stop after this many epochs without a better 'select_by'."
    )
    select_by: Literal["macro_f1", "accuracy"] = Field(
        "macro_f1", description="Validation metric that chooses the epoch."
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description="'mixed_bfloat16' computes in bfloat16, keeps weights in float32."
    )
    deterministic: bool = Field(
        True, description="Same settings, same bits, on one kind of machine."
    )
    shuffle_bytes: int = Field(
        512 * 2**20,
        ge=2**20,
        description="Pixel bytes shuffled at once; a larger training side is shuffled in windows"
        " of this size.",
    )
    checkpoint_every_steps: int | None = Field(
        None, ge=1, description="Also save every so many steps; by default at ends of epochs only."
    )
    keep_checkpoints: int = Field(
        2, ge=1, description="Newest checkpoints kept, beside the best one."
    )
    tensorboard: bool = Field(False, description="Also write TensorBoard event files.")


class ClusterConfig(Section):
    """What the job asks of the Ray cluster."""

    num_workers: (
        Annotated[int, Field(ge=1)]
        | tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    ) = Field(1, description="Training workers, or '[min, max]' to take what there is.")
    cpus_per_worker: float = Field(
        1, gt=0, description="CPUs reserved for each worker; fractions share one."
    )
    use_gpu: bool = Field(False, description="One GPU for each worker.")
    resource_timeout_s: float = Field(
        300, ge=0, description="Longest wait for a growing cluster to place the workers; seconds."
    )
    max_failures: int = Field(
        3, ge=0, description="Restarts of the worker group before the run counts as failed."
    )

    @field_validator("num_workers", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _range_ascends(self) -> Self:
        if isinstance(self.num_workers, tuple) and self.num_workers[0] > self.num_workers[1]:
            raise ValueError(
                "cluster.num_workers must be [min, max] in that order,"
                f" got {list(self.num_workers)}"
            )
        return self

    @property
    def most_workers(self) -> int:
        """The largest worker group that may form."""
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[1]

    @property
    def fewest_workers(self) -> int:
        """The smallest worker group that may form."""
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[0]


class StorageConfig(Section):
    """Where runs and prepared datasets are kept."""

    uri: Uri = Field(
        "runs",
        validate_default=True,
        description="A folder: a local path, file://, s3:// or gs:// (no credentials in it).",
    )
    lease_ttl_s: float = Field(
        30.0,
        ge=1,
        description="Seconds of silence, and a third more, after which others may take a run over.",
    )


class EvaluateConfig(Section):
    """How a finished model is scored."""

    flips: bool = Field(
        False, description="Also score the mean over each face and its mirror, as a second row."
    )


class JobConfig(Section):
    """What every job takes."""

    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="Of everything random in training and balancing; the split has its own.",
    )
    verbose: bool = Field(False, description="Show the log lines of Ray and TensorFlow.")


class PrepareConfig(JobConfig):
    """Settings of ``jobs/prepare.py``."""

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    balance: BalanceConfig = BalanceConfig()
    augment: AugmentConfig = AugmentConfig()
    storage: StorageConfig = StorageConfig()

    @property
    def reads_faces(self) -> bool:
        """Whether the job, as it is asked for, reads faces."""
        return True

    @model_validator(mode="after")
    def _data_is_named(self) -> Self:
        if not self.reads_faces:
            return self
        if self.data.uri is None:
            raise ValueError("data.uri must name the faces to read ('demo:' draws some), got none")
        if f"{self.storage.uri.partition('?')[0]}/".startswith(
            f"{self.data.uri.partition('?')[0].rstrip('/')}/"
        ):
            check_no_credentials(self.data.uri, "data.uri")  # before the sentence that tells both
            check_no_credentials(self.storage.uri, "storage.uri")
            raise ValueError(
                f"storage.uri must lie outside data.uri ({self.data.uri}), got {self.storage.uri}:"
                " what is written there would be read as faces"
            )
        return self


class NamedRunConfig(PrepareConfig):
    """What every job takes that leaves a run's folder."""

    run: RunName = Field(
        None,
        description="The run's name, a folder under storage.uri: the same name resumes, or returns"
        " the finished outcome; a new one is made up when none is given.",
    )


class TrainConfig(NamedRunConfig):
    """Settings of ``jobs/train.py``."""

    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    cluster: ClusterConfig = ClusterConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.optimizer.warmup_epochs >= self.training.epochs:
            raise ValueError(
                "optimizer.warmup_epochs must be less than training.epochs"
                f" ({self.training.epochs}), got {self.optimizer.warmup_epochs:g}"
            )
        return self

    @model_validator(mode="after")
    def _batch_reaches_every_worker(self) -> Self:
        if self.training.batch_size < self.cluster.most_workers:
            raise ValueError(
                "training.batch_size must be at least cluster.num_workers"
                f" ({self.cluster.most_workers}), got {self.training.batch_size}"
            )
        return self
