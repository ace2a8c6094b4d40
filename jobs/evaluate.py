"""Score a model on faces, and compare it with others on the same faces.

    python jobs/evaluate.py --evaluate.model NAME --data.uri s3://fer/new --split.protocol official
    python jobs/evaluate.py --evaluate.model model.keras --evaluate.against NAME --evaluate.side all

The model is a run's name under storage.uri, a run's folder, or any .keras file that takes
(n, 48, 48, 1) faces of 0 to 255 and gives seven probabilities. Leaves a run folder with
report/index.html and report/predictions.parquet, and says how many of the faces the model was
trained on. The last line of stdout is the outcome as JSON. Exits with 0 when done (or already
done), 1 when that failed or was interrupted, 2 when a setting is wrong or the input unusable, 4
when another process is at work on the run of that name.
"""

from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.job import Outcome, run


def main(config: EvaluateJobConfig) -> Outcome:
    """Score, compare and report, or return what an earlier evaluation of the name found."""
    from fer_ray.cluster import evaluating  # only now: Ray takes seconds

    return evaluating.evaluate(config)


if __name__ == "__main__":
    run(main, EvaluateJobConfig, about=__doc__)
