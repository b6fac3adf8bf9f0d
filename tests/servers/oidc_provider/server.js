// The OpenID-certified oidc-provider on a loopback port, configured by the environment, with a control path for tests.
//
// OP_PREFIX   path of the issuer, e.g. /realms/x            OP_ROTATE   "false" keeps refresh tokens
// OP_TTL_ID, OP_TTL_AT, OP_TTL_RT, OP_TTL_GRANT, OP_TTL_CODE, OP_TTL_DEVICE   seconds
// OP_CLAIMS   further claims of everybody, a JSON object
// OP_PORT     default 0, ephemeral                          OP_SECRET   makes "confidential" take this client secret
//
// Clients: "native" (public, any loopback port), "confidential" (client_secret_basic), "exact" (one port only).
// GET  /_test/journal                  what happened: grants, revocations, refusals
// POST /_test/clock?ahead=3600        the server's clock is so many seconds ahead of the machine's
// POST /_test/fault?path=/token&status=503&times=1&retry_after=1&body=...   the next answers of a path

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const MachineDate = Date;
let ahead = 0;
globalThis.Date = class extends MachineDate {
  constructor(...given) { super(...(given.length ? given : [MachineDate.now() + ahead])); }

  static now() { return MachineDate.now() + ahead; }
};

const prefix = process.env.OP_PREFIX || '';
const further = JSON.parse(process.env.OP_CLAIMS || '{}');
const seconds = (name, standard) => Number(process.env[name] || standard);
const journal = [];
const faults = [];

const accounts = {
  email: (login) => (login.includes('@') ? login : `${login}@example.com`),
  name: (login) => login.split('@')[0].replace(/^./, (c) => c.toUpperCase()),
};

const nativeClient = (id, redirects) => ({
  client_id: id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: redirects,
});

const anyPort = ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback', 'http://localhost'];

const configuration = {
  clients: [
    nativeClient('native', anyPort),
    nativeClient('exact', ['http://127.0.0.1:8400/callback']),
    {
      ...nativeClient('confidential', anyPort),
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: process.env.OP_SECRET || 's3cret with spaces & signs/+%',
    },
  ],
  claims: { openid: ['sub', ...Object.keys(further)], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['only for tests'] },
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: false },
  },
  findAccount: (ctx, login) => ({
    accountId: login,
    claims: () => ({ sub: login, email: accounts.email(login), email_verified: true, name: accounts.name(login), ...further }),
  }),
  pkce: { required: () => true },
  rotateRefreshToken: process.env.OP_ROTATE !== 'false',
  ttl: {
    IdToken: seconds('OP_TTL_ID', 3600),
    AccessToken: seconds('OP_TTL_AT', 3600),
    RefreshToken: seconds('OP_TTL_RT', 86400),
    AuthorizationCode: seconds('OP_TTL_CODE', 60),
    DeviceCode: seconds('OP_TTL_DEVICE', 600),
    Grant: seconds('OP_TTL_GRANT', 86400),
    Interaction: 600,
    Session: 86400,
  },
};

function readBody(request) {
  return new Promise((resolve) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => resolve(body));
  });
}

function control(url, response) {
  if (url.pathname === '/_test/journal') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(journal));
  } else if (url.pathname === '/_test/clock') {
    ahead = Number(url.searchParams.get('ahead')) * 1000;
    response.end('ok');
  } else if (url.pathname === '/_test/fault') {
    const fault = Object.fromEntries(url.searchParams);
    faults.push({ ...fault, times: Number(fault.times || 1) });
    response.end('ok');
  } else {
    response.statusCode = 404;
    response.end();
  }
}

function faulty(path, response) {
  const fault = faults.find((one) => one.path === path && one.times > 0);
  if (!fault) return false;
  fault.times -= 1;
  response.statusCode = Number(fault.status || 503);
  if (fault.retry_after) response.setHeader('retry-after', fault.retry_after);
  response.setHeader('content-type', 'application/json');
  response.end(fault.body || '');
  return true;
}

// The stock pages fetch a font from elsewhere; a test's browser stays on this machine.
async function withoutForeignFonts(ctx, next) {
  await next();
  if (typeof ctx.body === 'string') {
    ctx.body = ctx.body.replace(/@import url\(https:[^)]*\);/g, '');
  }
}

let handle;
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://loopback');
  if (url.pathname.startsWith('/_test/')) {
    await readBody(request);
    control(url, response);
    return;
  }
  if (prefix && !url.pathname.startsWith(`${prefix}/`)) {
    response.statusCode = 404;
    response.end();
    return;
  }
  if (faulty(url.pathname.slice(prefix.length), response)) return;
  request.originalUrl = request.url;
  request.url = request.url.slice(prefix.length);
  handle(request, response);
});

server.listen(seconds('OP_PORT', 0), '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  // The redirect URI that configure makes for this issuer; see redirect_uri_of_its_own.
  const digest = createHash('sha256').update(origin + prefix).digest('hex').slice(0, 12);
  anyPort.push(`http://127.0.0.1/callback/${digest}`, `http://localhost/callback/${digest}`);
  const provider = new Provider(origin + prefix, configuration);
  provider.use(withoutForeignFonts);
  provider.on('grant.success', (ctx) => journal.push({ event: 'grant', type: ctx.oidc.params.grant_type }));
  provider.on('grant.error', (ctx, error) => journal.push({ event: 'refused', error: error.error }));
  provider.on('grant.revoked', () => journal.push({ event: 'grant revoked' }));
  provider.on('refresh_token.destroyed', () => journal.push({ event: 'refresh token destroyed' }));
  provider.on('authorization.accepted', () => journal.push({ event: 'authorization' }));
  handle = provider.callback();
  console.log(`ready ${origin}${prefix}`);
});

process.stdin.on('end', () => process.exit(0)).resume(); // nobody is left behind when the tests are killed
