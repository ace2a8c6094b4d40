"""fer_ray.faces.folders: names of folders decide, in whatever order they lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces.folders import is_litter, labels, usages


def test_names_not_order_decide_the_label() -> None:
    alphabetical = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert labels([f"train/{name}/0.png" for name in alphabetical]) == [0, 1, 2, 3, 6, 4, 5]


def test_common_spellings_are_known() -> None:
    assert labels(["Anger/0.png", "HAPPINESS/0.jpg", "fearful/0.png", "3/0.png"]) == [0, 3, 2, 3]


@given(st.permutations(["fear/1.png", "sad/2.png", "train/angry/3.png", "note.txt"]))
def test_labels_keep_the_order_of_the_paths(paths: list[str]) -> None:
    known = {"fear/1.png": 2, "sad/2.png": 4, "train/angry/3.png": 0, "note.txt": None}
    assert labels(paths) == [known[path] for path in paths]


def test_an_unknown_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"named for one of anger, .*, got 'train/contempt'"):
        labels(["train/angry/0.png", "train/contempt/0.png"])


@pytest.mark.parametrize(
    ("folder", "two"),
    [
        ("happy/1", "'happy' and '1'"),
        ("train/sad/clip/2", "'sad' and '2'"),
        ("1/2", "'1' and '2'"),
        ("happy/sad", "'happy' and 'sad'"),
    ],
)
def test_a_folder_within_another_emotions_is_refused_by_both_names(folder: str, two: str) -> None:
    with pytest.raises(ValueError, match="that name one emotion, got ") as caught:
        labels(["angry/0.png", f"{folder}/0.png"])
    assert str(caught.value) == (
        f"data.uri must hold images in folders that name one emotion, got {folder!r},"
        f" which names {two}"
    )


def test_folders_above_that_leave_no_doubt_are_let_be() -> None:
    paths = ["train/3/0.png", "train/happy/1.png", "happy/happiness/x.png", "happy/3/x.png"]
    assert labels([*paths, "1/happy/x.png", "7/3/x.png"]) == [3] * 6
    assert labels(["sad/x.png", "sad/1/notes.txt"]) == [4, 1]  # what is no image is refused anyhow


def test_a_folder_of_other_files_is_no_class() -> None:
    assert labels(["docs/licence.txt", "angry/0.png"]) == [None, 0]


@pytest.mark.parametrize("loose", ["0.png", "train/0.png"])
def test_images_without_any_class_folder_are_refused(loose: str) -> None:
    with pytest.raises(ValueError, match=r"must hold images in folders named for emotions"):
        labels([loose, "notes.txt"])


def test_a_stray_image_beside_class_folders_has_no_label() -> None:
    assert labels(["0.png", "train/1.png", "train/sad/2.png"]) == [None, None, 4]


def test_kaggles_test_folder_is_the_public_test() -> None:
    assert usages(["train/sad/a.png", "test/sad/b.png", "sad/c.png"]) == [
        "Training",
        "PublicTest",
        "",
    ]


def test_kaggles_file_names_tell_the_final_exam() -> None:
    names = ["test/sad/PublicTest_1.jpg", "test/sad/PrivateTest_2.jpg"]
    assert usages(names) == ["PublicTest", "PrivateTest"]


def test_with_a_validation_folder_the_test_folder_is_the_final_exam() -> None:
    assert usages(["Train/sad/a.png", "val/sad/b.png", "test/sad/c.png"]) == [
        "Training",
        "PublicTest",
        "PrivateTest",
    ]


def test_the_nearest_folder_named_for_a_side_counts() -> None:
    assert usages(["test/run-1/train/sad/a.png"]) == ["Training"]


def test_what_file_browsers_leave_is_passed_over() -> None:
    left = [".DS_Store", "sad/.DS_Store", ".cache/x.png", "sad/Thumbs.db", "desktop.ini"]
    assert all(is_litter(path) for path in left)
    assert not any(is_litter(path) for path in ["sad/1.png", "README.md", "sad/a.b.png"])
