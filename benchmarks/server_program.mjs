// What `server` runs with the AWS SDK for JavaScript: a client for each user, with fromCognitoIdentityPool. Prints JSON.
// Arguments: the address of the stub, the number of users, and a file with their login tokens.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.BENCHMARK_MODULES, 'package.json'));
const { S3Client, ListBucketsCommand } = require('@aws-sdk/client-s3');
const { fromCognitoIdentityPool } = require('@aws-sdk/credential-providers');

const [endpoint, count, file] = process.argv.slice(2);
const users = Number(count);
const tokens = JSON.parse(readFileSync(file, 'utf8'));
const calls = Number(process.env.BENCHMARK_CALLS || 3000);

function clientOf(number) {
  const credentials = fromCognitoIdentityPool({
    identityPoolId: 'eu-west-1:11111111-2222-3333-4444-555555555555',
    logins: { 'login.example.com': tokens[number] },
    clientConfig: { region: 'eu-west-1', endpoint },
  });
  return new S3Client({ region: 'eu-west-1', endpoint, credentials });
}

const memory = () => { global.gc(); return process.memoryUsage().rss; };
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1000; };
const call = async (client) => (await client.send(new ListBucketsCommand({}))).Owner.ID;

await call(clientOf(0));
const before = memory();
const cpuBefore = cpu();
const clients = [];
for (let number = 0; number < users; number += 1) {
  clients.push(clientOf(number));
  await call(clients[number]);
}
const found = { sign_in_cpu: (cpu() - cpuBefore) / users, kb: (memory() - before) / users / 1000, clients: users };

const times = [];
const cpuOfCalls = cpu();
let wrong = 0;
for (let turn = 0; turn < calls; turn += 1) {
  const number = Math.floor(Math.random() * users);
  const start = performance.now();
  const owner = await call(clients[number]);
  times.push(performance.now() - start);
  wrong += Number(owner !== `ASIA${String(number).padStart(16, '0')}`);
}
times.sort((a, b) => a - b);
console.log(JSON.stringify({
  ...found, wrong, cpu: (cpu() - cpuOfCalls) / calls, p50: times[calls / 2], p99: times[Math.floor(calls * 0.99)],
}));
