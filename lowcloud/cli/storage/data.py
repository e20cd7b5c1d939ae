"""The commands about stored objects: `lowcloud data` and `rm`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import typer

from lowcloud.cli.serving import endpoints
from lowcloud.cli.terminal.connection import connect, connect_s3
from lowcloud.cli.terminal.lists import (
    ROWS_SHOWN,
    All,
    AsJson,
    Number,
    items_of,
    print_list,
    to_size,
    to_time,
)
from lowcloud.cli.terminal.output import Home, Yes, confirm, fail, note, say
from lowcloud.client.json_client import JsonClient
from lowcloud.client.messages import format_bytes

KEYS_PER_REQUEST = 1000
JOBS_PER_PAGE = 100
SCHEME = "s3://"


@dataclass(frozen=True)
class _Place:
    """A bucket and the beginning of keys in it."""

    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}"


def data(
    place: Annotated[
        str | None, typer.Argument(metavar="s3://BUCKET/PREFIX", help="What to list; the buckets by default.")
    ] = None,
    number: Number = ROWS_SHOWN,
    every: All = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what is stored: the buckets, or the folders and objects below a prefix, the largest first."""
    s3 = connect_s3(home)
    found = _buckets(s3) if place is None else _below(s3, _read_place(s3, place))
    columns = {
        "Place": lambda one: one["Place"],
        "Objects": lambda one: str(one["Objects"]),
        "Size": lambda one: to_size(one["Bytes"]),
        "Modified": lambda one: to_time(one["LastModifiedTime"]),
    }
    largest = sorted(found, key=lambda one: (-one["Bytes"], one["Place"]))
    noun = "buckets" if place is None else "objects here"
    print_list(largest, columns, noun, None if every else number, as_json, "largest")


def rm(
    places: Annotated[
        list[str], typer.Argument(metavar="s3://BUCKET/PREFIX", help="Objects, or prefixes that end in a slash.")
    ],
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Delete objects: one, or all below a prefix that ends in a slash. Says first what uses them."""
    s3, client = connect_s3(home), connect(home)
    chosen = [_read_place(s3, place) for place in places]
    for url in places:
        if "/" not in url.removeprefix(SCHEME):
            raise fail(f"{url} is a whole bucket; to delete all its objects, write {url}/")
    objects = [(place, _objects(s3, place)) for place in chosen]
    for place, found in objects:
        if not found:
            raise fail(f"There is no object {place.url}; {_ending_hint(place)}`lowcloud data` lists what is stored.")
    for sentence in _uses(client, chosen):
        note(sentence)
    count = sum(len(found) for _, found in objects)
    size = format_bytes(sum(one["Size"] for _, found in objects for one in found))
    what = f"{count} object{'' if count == 1 else 's'} ({size})"
    confirm(f"Delete {what}?", yes)
    for place, found in objects:
        _delete(s3, place.bucket, [one["Key"] for one in found])
    say(f"{what} deleted")
    for bucket in sorted({place.bucket for place in chosen}):
        if s3.get_bucket_versioning(Bucket=bucket).get("Status"):
            note(
                f"The bucket {bucket} keeps versions: deleted objects still use space until a lifecycle rule ends them."
            )


def _read_place(s3: Any, text: str) -> _Place:
    bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
    if not text.startswith(SCHEME) or not bucket:
        raise fail(f"{text!r} is not an S3 URL; write s3://BUCKET/PREFIX. `lowcloud data` lists the buckets.")
    if bucket not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
        raise fail(f"There is no bucket {bucket!r}; `lowcloud data` lists the buckets.")
    return _Place(bucket, prefix)


def _buckets(s3: Any) -> Iterator[Mapping[str, Any]]:
    for bucket in s3.list_buckets()["Buckets"]:
        place = _Place(bucket["Name"], "")
        yield _total(place.url, _pages(s3, place), bucket["CreationDate"].timestamp())


def _below(s3: Any, place: _Place) -> list[Mapping[str, Any]]:
    """Return the folders and objects directly below a prefix, each with the sum of what it holds."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for one in _pages(s3, place):
        name, slash, _ = one["Key"][len(place.prefix) :].partition("/")
        groups.setdefault(f"{place.url}{name}{slash}", []).append(one)
    return [_total(url, found, 0.0) for url, found in groups.items()]


def _total(url: str, objects: Iterable[Mapping[str, Any]], created_at: float) -> Mapping[str, Any]:
    count, size, modified_at = 0, 0, created_at
    for one in objects:
        count, size = count + 1, size + one["Size"]
        modified_at = max(modified_at, one["LastModified"].timestamp())
    return {"Place": url, "Objects": count, "Bytes": size, "LastModifiedTime": modified_at}


def _objects(s3: Any, place: _Place) -> list[Mapping[str, Any]]:
    """Return the objects to delete: all below a folder or in a bucket, otherwise the one of this key."""
    is_folder = not place.prefix or place.prefix.endswith("/")
    return [one for one in _pages(s3, place) if is_folder or one["Key"] == place.prefix]


def _pages(s3: Any, place: _Place) -> Iterator[Mapping[str, Any]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
    return (one for page in pages for one in page.get("Contents", ()))


def _delete(s3: Any, bucket: str, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), KEYS_PER_REQUEST):
        chosen = [{"Key": key} for key in keys[start : start + KEYS_PER_REQUEST]]
        failed = s3.delete_objects(Bucket=bucket, Delete={"Objects": chosen, "Quiet": True}).get("Errors", ())
        if failed:
            first = failed[0]
            raise fail(f"{SCHEME}{bucket}/{first['Key']} cannot be deleted: {first['Message']}")


def _uses(client: JsonClient, chosen: Sequence[_Place]) -> Iterator[str]:
    """Yield a sentence for each job in progress, endpoint and model that uses what is to be deleted."""
    pages = client.pages("lowcloud", "ListJobs", InProgress=True, MaxResults=JOBS_PER_PAGE)
    for job in items_of(pages, "Jobs"):
        for url in _touched(job.get("DataUrls", ()), chosen):
            yield f"The {job['JobKind']} {job['JobName']} is in progress and uses {url}."
    urls_of = cache(lambda model: endpoints.urls_of(client, model))
    for endpoint in endpoints.list_endpoints(client):
        variants = endpoints.models_of(client, endpoint)
        served = [url for variant in variants for url in urls_of(variant["ModelName"])]
        for url in _touched(served, chosen):
            yield f"The endpoint {endpoint['EndpointName']} serves {url}; its replicas could not be started again."
    for model in endpoints.list_models(client):
        for url in _touched(urls_of(model["ModelName"]), chosen):
            yield f"The model {model['ModelName']} is made from {url}."


def _touched(urls: Iterable[str], chosen: Sequence[_Place]) -> list[str]:
    return [url for url in urls if url and any(url.startswith(one.url) or one.url.startswith(url) for one in chosen)]


def _ending_hint(place: _Place) -> str:
    return "" if place.prefix.endswith("/") else f"to delete all below it, write {place.url}/; "
