"""fer_ray.cluster.source: an input that is wrong as a whole is told from names and heads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer_ray.cluster.source import DEMO, check_source, check_unchanged, find, fingerprint, found
from tests.s3_server import S3

CHECK = """
import sys
from fer_ray.cluster.source import check_source
try:
    check_source(sys.argv[1])
except ValueError as error:
    print(error)
"""


def write(folder: Path, **contents: str | bytes) -> Path:
    """``folder`` with files in it; ``__`` in a name is ``/``, ``_`` a dot."""
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def refusal(path: Path | str) -> str:
    with pytest.raises(ValueError, match=r"^data\.uri must") as told:
        check_source(str(path))
    return str(told.value)


def test_drawn_faces_need_nothing() -> None:
    check_source(DEMO)


def test_names_are_relative_to_the_uri(tmp_path: Path) -> None:
    write(tmp_path, train__sad__1_png=b"x", train__sad__2_png=b"x")
    assert [file.name for file in find(str(tmp_path)).files] == [
        "train/sad/1.png",
        "train/sad/2.png",
    ]
    assert [file.name for file in find(f"{tmp_path}/train/").files] == ["sad/1.png", "sad/2.png"]
    assert [file.name for file in find(f"file://{tmp_path}/train").files] == [
        "sad/1.png",
        "sad/2.png",
    ]
    (tmp_path / "f.csv").write_text("emotion,pixels\n")
    assert [file.name for file in find(f"{tmp_path}/f.csv").files] == ["f.csv"]


def test_what_file_browsers_leave_is_no_input(tmp_path: Path) -> None:
    write(tmp_path, sad__1_png=b"x", sad___DS_Store=b"x")
    assert [file.name for file in find(str(tmp_path)).files] == ["sad/1.png"]


def test_other_files_among_images_are_seen(tmp_path: Path) -> None:
    write(tmp_path, sad__1_png=b"x", sad__note_csv="x")
    source = find(str(tmp_path))
    assert (source.kind, len(source.files)) == ("images", 2)


def test_links_without_a_target_are_seen_as_empty_files(tmp_path: Path) -> None:
    write(tmp_path, faces__sad__1_png="x", more__2_png="xy")
    faces = tmp_path / "faces"
    (faces / "happy").symlink_to(tmp_path / "more")
    (tmp_path / "more" / "3.png").symlink_to("../.git/annex/objects/3")
    (faces / "sad" / "4.png").symlink_to("4.png")  # to itself
    (faces / "sad" / "5.png").symlink_to("1.png")
    (faces / "sad" / ".6.png").symlink_to("nowhere")
    before = fingerprint(found(str(faces)))
    assert [(file.name, file.size) for file in find(f"{faces}/").files] == [
        ("happy/2.png", 2),
        ("happy/3.png", 0),
        ("sad/1.png", 1),
        ("sad/4.png", 0),
        ("sad/5.png", 1),
    ]
    check_source(str(faces))
    write(tmp_path, _git__annex__objects__3="fetched")
    assert fingerprint(found(str(faces))) != before


def test_a_link_without_a_target_among_parquet_or_csv_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"x"], "label": [0]}), tmp_path / "1.parquet")
    check_source(str(tmp_path))
    (tmp_path / "0.parquet").symlink_to("nowhere")
    assert "must be Parquet that can be read (0.parquet)" in refusal(tmp_path)
    write(tmp_path, csvs__1_csv="emotion,pixels\n0,7\n")
    (tmp_path / "csvs" / "0.csv").symlink_to("nowhere")
    assert "in 0.csv" in refusal(tmp_path / "csvs")


def test_a_link_whose_name_is_not_utf_8_is_refused_without_a_target_too(tmp_path: Path) -> None:
    write(tmp_path, sad__1_png="x")
    (tmp_path / "sad" / os.fsdecode(b"\xff.png")).symlink_to("nowhere")
    assert "files whose names are UTF-8" in refusal(tmp_path)


def test_a_folder_of_csv_is_read_as_csv(tmp_path: Path) -> None:
    write(tmp_path, fer2013_csv="emotion,pixels\n0,1\n", README="x", fer2013_bib="x")
    source = find(str(tmp_path))
    assert (source.kind, [file.name for file in source.files]) == ("csv", ["fer2013.csv"])
    check_source(str(tmp_path))


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    assert "an existing file or folder" in refusal(tmp_path / "none.csv")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert f"got nothing in {tmp_path}" in refusal(tmp_path)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    assert "got 2 other files" in refusal(write(tmp_path, a_txt="x", sad__b_bmp="x"))


def test_one_image_is_no_input(tmp_path: Path) -> None:
    assert "got 1 other file" in refusal(write(tmp_path, a_png="x") / "a.png")


def test_images_and_parquet_together_are_refused(tmp_path: Path) -> None:
    mixed = write(tmp_path, sad__1_png="x", faces_parquet="x")
    assert "files of one kind, got 1 images, 1 parquet" in refusal(mixed)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("", "a column of labels"),
        ("pixels\n7 7\n", "got 'pixels' in f.csv"),
        ("0,7 7,Training\n", "a column of labels"),
        ("emotion,pixels\n", "got no rows"),
        ("emotion,pixels", "got no rows"),
    ],
)
def test_a_csv_without_header_labels_or_rows_is_refused(
    tmp_path: Path, content: str, got: str
) -> None:
    assert got in refusal(write(tmp_path, f_csv=content) / "f.csv")


def test_every_csv_of_a_folder_must_have_labels(tmp_path: Path) -> None:
    kaggle = write(tmp_path, train_csv="emotion,pixels\n0,7\n", test_csv="pixels\n7\n")
    assert "got 'pixels' in test.csv" in refusal(kaggle)


def test_parquet_without_labels_or_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"x"]}), tmp_path / "f.parquet")
    assert "got 'image' in f.parquet" in refusal(tmp_path / "f.parquet")
    pq.write_table(pa.table({"image": [b"x"], "label": [1]})[:0], tmp_path / "f.parquet")
    assert "got no rows" in refusal(tmp_path / "f.parquet")


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1 cut off"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "must be Parquet that can be read (f.parquet)" in refusal(
        write(tmp_path, f_parquet=content)
    )


def test_an_unknown_class_folder_is_refused(tmp_path: Path) -> None:
    folders = write(tmp_path, train__sad__1_png="x", train__contempt__1_png="x")
    assert "got 'train/contempt'" in refusal(folders)


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    assert "got none that is" in refusal(write(tmp_path, train__1_png="x"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, f_csv="emotion,pixels\n0,7\n") / "f.csv"
    file.chmod(0)
    without_roots_rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    told = subprocess.run(
        [*(without_roots_rights if os.geteuid() == 0 else []), sys.executable, "-c", CHECK, file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.stdout == f"data.uri must be readable, got {file}: no permission\n", told.stderr


def test_the_fingerprint_follows_names_sizes_and_times(tmp_path: Path) -> None:
    uri = str(write(tmp_path, sad__1_png="x"))
    first = fingerprint(found(uri))
    assert fingerprint(found(uri)) == first
    write(tmp_path, sad__1_png="xy")
    second = fingerprint(found(uri))
    os.utime(tmp_path / "sad" / "1.png", ns=(1, 1))
    third = fingerprint(found(uri))
    (tmp_path / "sad" / "1.png").rename(tmp_path / "sad" / "2.png")
    assert len({first, second, third, fingerprint(found(uri))}) == 4
    assert fingerprint(found(DEMO)) == fingerprint(found(DEMO))


def test_what_was_found_may_be_joined_by_more_and_must_stay_as_it_was(tmp_path: Path) -> None:
    uri = str(write(tmp_path, sad__1_png="x", sad__2_png="x"))
    there = found(uri)
    write(tmp_path, sad__3_png="x")
    check_unchanged(uri, there)
    write(tmp_path, sad__1_png="xy")
    must = "data.uri must hold each file unchanged until all are read, got"
    with pytest.raises(ValueError, match=f"^{must} another in the place of sad/1.png$"):
        check_unchanged(uri, there)
    write(tmp_path, sad__1_png="x")
    there = found(uri)
    (tmp_path / "sad" / "2.png").unlink()
    with pytest.raises(ValueError, match=f"^{must} none in the place of sad/2.png$"):
        check_unchanged(uri, there)
    check_unchanged(DEMO, found(DEMO))


def test_who_may_list_but_not_read_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, iam = s3.bucket(), s3.client("iam")
    s3.client().put_object(Bucket=bucket, Key="sad/1.png", Body=b"x")
    iam.create_user(UserName="lister")
    statement = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:HeadBucket"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="lister", PolicyName="list", PolicyDocument=policy)
    key = iam.create_access_key(UserName="lister")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    assert len(find(f"s3://{bucket}").files) == 1
    assert "access denied" in refusal(f"s3://{bucket}")


def test_objects_of_a_bucket_are_found(s3: S3) -> None:
    bucket = s3.bucket()
    for key in ("in/train/sad/1.png", "in/train/sad/2.png", "other/3.png"):
        s3.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    source = find(f"s3://{bucket}/in")
    assert [file.name for file in source.files] == ["train/sad/1.png", "train/sad/2.png"]
    check_source(f"s3://{bucket}/in")
    assert fingerprint(found(f"s3://{bucket}/in")) == fingerprint(found(f"s3://{bucket}/in/"))


def test_a_missing_bucket_or_key_is_refused(s3: S3) -> None:
    assert "an existing file or folder" in refusal(f"s3://{s3.bucket()}/none.csv")
    assert "must be" in refusal("s3://no-such-bucket-here/none.csv")


@pytest.mark.parametrize("who", ["stranger", "wrong secret", "unknown key"])
def test_without_permission_one_sentence_tells(
    s3: S3, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    bucket = s3.bucket()
    s3.client().put_object(Bucket=bucket, Key="f.csv", Body=b"emotion,pixels\n0,7\n")
    they = {
        "stranger": s3.stranger(),
        "wrong secret": S3(s3.endpoint, s3.key, "not-the-secret"),
        "unknown key": S3(s3.endpoint, "AKIAUNKNOWN", "some-secret"),
    }[who]
    for name, value in they.environment.items():
        monkeypatch.setenv(name, value)
    for uri in (f"s3://{bucket}/f.csv", f"s3://{bucket}"):
        sentence = refusal(uri)
        assert sentence.startswith("data.uri must be readable, got s3://")
        assert they.secret not in sentence
        assert they.key not in sentence
