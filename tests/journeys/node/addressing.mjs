// Buckets in host names, the default of the AWS SDK for JavaScript.
import assert from "node:assert/strict";
import { Agent } from "node:http";

import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [Bucket] = process.argv.slice(2);
const { port } = new URL(process.env.AWS_ENDPOINT_URL);
// Names under localhost are this machine, which not every machine's resolver knows.
const lookup = (_, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4));

for (const name of ["localhost", "s3.localhost", "s3.us-east-1.localhost"]) {
  for (const forcePathStyle of [false, true]) {
    const s3 = new S3Client({
      endpoint: `http://${name}:${port}`,
      forcePathStyle,
      requestHandler: { httpAgent: new Agent({ lookup, keepAlive: true }) },
    });
    let host;
    s3.middlewareStack.add((next) => (args) => ((host = args.request.hostname), next(args)), { step: "finalizeRequest" });
    await s3.send(new PutObjectCommand({ Bucket, Key: "a b/ä", Body: name }));
    assert.equal(host, forcePathStyle ? name : `${Bucket}.${name}`);
    const found = await s3.send(new GetObjectCommand({ Bucket, Key: "a b/ä" }));
    assert.equal(await found.Body.transformToString(), name);
    const listed = await s3.send(new ListObjectsV2Command({ Bucket }));
    assert.deepEqual(listed.Contents.map((item) => item.Key), ["a b/ä"]);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "a b/ä" }));
    s3.destroy();
  }
}
