"""Train on the faces there are now, and replace the champion if the new model is really better.

    python jobs/retrain.py --data.uri s3://fer/faces --storage.uri s3://fer/runs --run 20261125
    python jobs/retrain.py --storage.uri s3://fer/runs --retrain.promote NAME --retrain.why audited
    python jobs/retrain.py --storage.uri s3://fer/runs --retrain.rollback --retrain.why complaints

Nothing new since the champion was made: skipped, and no worker starts. Else a challenger is
trained, both are scored on the same test faces, and the gate decides (--gate...). Leaves the
challenger's run folder with gate/index.html, champion/champion.json under storage.uri, and the
history of champions beside it. The last line of stdout is the outcome as JSON. Exits with 0 when
done (the challenger is champion), skipped or already done, 1 when that failed or was interrupted
(the same command with its --run goes on), 2 when a setting is wrong or the input unusable, 3 when
the gate refused, 4 when another process is at work on the run.
"""

from fer_ray.job import Outcome, run
from fer_ray.promotion import RetrainConfig


def main(config: RetrainConfig) -> Outcome:
    """Retrain and judge, or set the champion by hand."""
    if config.retrain.by_hand:
        from fer_ray.runs import by_hand  # only now: storage takes a second

        return by_hand.set_champion(config)
    from fer_ray.cluster import retraining  # only now: Ray takes seconds

    return retraining.retrain(config)


if __name__ == "__main__":
    run(main, RetrainConfig, about=__doc__)
