"""fer_ray.cluster.session: which places a cluster would not find again."""

import pytest

from fer_ray.cluster.session import check_kept, check_shared

COPY = "/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1/runs"


@pytest.mark.parametrize("place", [COPY, f"file://{COPY}"])
def test_a_submitted_jobs_copy_of_its_folder_keeps_nothing(place: str) -> None:
    check_kept({"data.uri": "demo:", "storage.uri": "s3://fer/runs", "model.pretrained": None})
    with pytest.raises(ValueError, match=f"storage.uri must outlive the submitted job.* {COPY}"):
        check_kept({"data.uri": "demo:", "storage.uri": place})


@pytest.mark.usefixtures("ray_cluster")
def test_one_machine_finds_its_own_files() -> None:
    check_shared({"data.uri": "/faces", "storage.uri": "/runs", "model.pretrained": None})


@pytest.mark.usefixtures("ray_cluster")
def test_a_pod_does_not_though_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_KUBERAY_IN_USE", "1")
    check_shared({"data.uri": "demo:", "storage.uri": "s3://fer/runs", "model.pretrained": None})
    with pytest.raises(ValueError, match=r"storage.uri must be where every pod.* got /runs"):
        check_shared({"data.uri": "s3://fer/faces", "storage.uri": "/runs"})
