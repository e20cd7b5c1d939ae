// The AWS SDK for JavaScript, wired by the environment alone: streams up in parts, down again, listings and deletions.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
  waitUntilObjectNotExists,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [Bucket] = process.argv.slice(2);
const s3 = new S3Client({});
const at = (Key) => ({ Bucket, Key });
const failure = (command) => s3.send(command).then(() => null, (error) => error);

// A stream of unknown length goes up in parts and comes down the same.
const large = randomBytes(11 * 1024 * 1024 + 7);
function* pieces() {
  for (let first = 0; first < large.length; first += 64 * 1024) yield large.subarray(first, first + 64 * 1024);
}
let parts = 0;
const upload = new Upload({
  client: s3,
  params: { ...at("large.bin"), Body: Readable.from(pieces()), ContentType: "x/raw", Metadata: { origin: "sensor 7" } },
  partSize: 5 * 1024 * 1024,
});
upload.on("httpUploadProgress", () => (parts += 1));
await upload.done();
assert.equal(parts, 3);
const found = await s3.send(new GetObjectCommand(at("large.bin")));
assert.ok(large.equals(await found.Body.transformToByteArray()));
assert.deepEqual([found.ContentType, found.Metadata], ["x/raw", { origin: "sensor 7" }]);
const range = await s3.send(new GetObjectCommand({ ...at("large.bin"), Range: "bytes=-7" }));
assert.ok(large.subarray(-7).equals(await range.Body.transformToByteArray()));

// A stream of known length goes up in one request, its checksum behind it.
await s3.send(new PutObjectCommand({ ...at("streamed.bin"), Body: Readable.from(pieces()), ContentLength: large.length }));
assert.equal((await s3.send(new HeadObjectCommand(at("streamed.bin")))).ContentLength, large.length);

// Names of every kind; a listing in pages.
const names = ["a b", "a+b", "ä/ö", "100%", "q?x=1&y#z", "(x)'*!"].map((name) => `tree/${name}`);
await Promise.all(names.map((Key) => s3.send(new PutObjectCommand({ ...at(Key), Body: `this is ${Key}` }))));
const listed = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: "tree/" })) {
  listed.push(...page.Contents.map((item) => item.Key));
}
assert.deepEqual(listed.sort(), [...names].sort());
await s3.send(new CopyObjectCommand({ ...at("copied"), CopySource: `${Bucket}/${encodeURIComponent(names[4])}` }));
const copied = await s3.send(new GetObjectCommand(at("copied")));
assert.equal(await copied.Body.transformToString(), `this is ${names[4]}`);

// Conditions, and errors by their class.
const late = await failure(new PutObjectCommand({ ...at("copied"), Body: "again", IfNoneMatch: "*" }));
assert.deepEqual([late.name, late.$metadata.httpStatusCode], ["PreconditionFailed", 412]);
assert.equal((await failure(new GetObjectCommand(at("nothing")))).name, "NoSuchKey");
assert.equal((await failure(new HeadObjectCommand(at("nothing")))).name, "NotFound");

// Presigned: up and down without keys.
const link = (Command, Key) => getSignedUrl(s3, new Command(at(Key)), { expiresIn: 300 });
const put = await fetch(await link(PutObjectCommand, "link ä"), { method: "PUT", body: "by a link" });
assert.equal(put.status, 200);
assert.equal(await (await fetch(await link(GetObjectCommand, "link ä"))).text(), "by a link");

// Many at once.
const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: names.map((Key) => ({ Key })) } }));
assert.deepEqual([gone.Deleted.length, gone.Errors], [names.length, undefined]);
await waitUntilObjectNotExists({ client: s3, maxWaitTime: 10 }, at(names[0]));

// An upload given up leaves nothing.
const given = new Upload({ client: s3, params: { ...at("given up"), Body: large }, queueSize: 1 });
given.on("httpUploadProgress", () => given.abort());
await assert.rejects(given.done(), { name: "AbortError" });
assert.equal((await failure(new HeadObjectCommand(at("given up")))).name, "NotFound");
