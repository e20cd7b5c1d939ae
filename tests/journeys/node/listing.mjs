// Every key of a bucket, by the pages of the AWS SDK for JavaScript.
import { S3Client, paginateListObjectsV2 } from "@aws-sdk/client-s3";

const names = [];
for await (const page of paginateListObjectsV2({ client: new S3Client({}) }, { Bucket: process.argv[2], EncodingType: undefined })) {
  names.push(...page.Contents.map((item) => item.Key));
}
console.log(JSON.stringify(names));
