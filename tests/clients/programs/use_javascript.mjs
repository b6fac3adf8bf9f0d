// The AWS SDK for JavaScript v3.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// The package stands in a cache folder, not beside this file.
const require = createRequire(process.env.MATRIX_MODULES);
const { S3Client, GetObjectCommand, PutObjectCommand } = require("@aws-sdk/client-s3");

const Bucket = process.env.MATRIX_BUCKET;
const client = new S3Client({ forcePathStyle: true, region: process.env.MATRIX_REGION });

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, Key, ...words] = line.split(" ");
  if (verb === "get") {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
    console.log((await answer.Body.transformToString()).trim());
  } else {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: words.join(" ") }));
    console.log("stored");
  }
}
