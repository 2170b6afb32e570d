// SPDX-License-Identifier: MIT
// The official TypeScript SDK's client against `creel mcp` or a gateway's /mcp. Argument: JSON with
// sdk ("1", "2"), era (of sdk 2: "legacy", "2026-07-28"), and command + args or url + token. Says
// "ok" and the negotiated revision at the end; anything that is not as it should be throws.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

const want = JSON.parse(process.argv[2]);
const info = { name: 'e2e', version: '1.0.0' };
const logged = [];
const complaints = [];

async function sdk1() {
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
  const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
  const { StreamableHTTPClientTransport } =
    await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const { LoggingMessageNotificationSchema } = await import('@modelcontextprotocol/sdk/types.js');
  const client = new Client(info, { capabilities: {} });
  client.setNotificationHandler(LoggingMessageNotificationSchema, (m) => { logged.push(m.params); });
  return {
    client,
    transport: transport(StdioClientTransport, StreamableHTTPClientTransport),
    call: (params, options) => client.callTool(params, undefined, options),
    version: (t) => t.protocolVersion,
  };
}

async function sdk2() {
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  const mode = want.era === 'legacy' ? 'legacy' : { pin: want.era };
  const client = new Client(info, { capabilities: {}, versionNegotiation: { mode } });
  client.setNotificationHandler('notifications/message', (m) => { logged.push(m.params); });
  return {
    client,
    transport: transport(StdioClientTransport, StreamableHTTPClientTransport),
    call: (params, options) => client.callTool(params, options),
    version: () => client.getNegotiatedProtocolVersion(),
  };
}

function transport(Stdio, Http) {
  if (want.url) {
    const headers = { Authorization: `Bearer ${want.token}` };
    return new Http(new URL(want.url), { requestInit: { headers } });
  }
  return new Stdio({ command: want.command, args: want.args, env: want.env, stderr: 'inherit' });
}

function running(marker) {
  try {
    return execFileSync('pgrep', ['-f', marker], { encoding: 'utf8' }).trim().split('\n');
  } catch {
    return [];
  }
}

async function until(what, check) {
  for (let i = 0; i < 500; i++) {
    if (check()) {
      return;
    }
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  assert.fail(`waited in vain for: ${what}`);
}

const it = want.sdk === '1' ? await sdk1() : await sdk2();
const { client, call } = it;
const modern = want.era === '2026-07-28';
client.onerror = (error) => { complaints.push(error); };
await client.connect(it.transport);
assert.equal(client.getServerVersion().name, 'creel');
assert.ok(client.getServerCapabilities().tools.listChanged);
assert.match(client.getInstructions(), /sandbox/);

// tools: the SDK validates each description, and later each structured result
const { tools } = await client.listTools();
assert.deepEqual(tools.map((t) => t.name).slice(0, 3), ['exec', 'process', 'read']);
assert.equal(tools.find((t) => t.name === 'read').annotations.readOnlyHint, true);

const text = async (name, args) => {
  const result = await call({ name, arguments: args });
  assert.ok(!result.isError, JSON.stringify(result));
  return result.content[0].text;
};
assert.match(await text('write', { path: 'd/f.txt', content: 'one\ntwo\n' }), /f\.txt/);
assert.equal(await text('read', { path: 'd/f.txt' }), 'one\ntwo\n');
await text('edit', { path: 'd/f.txt', oldText: 'two', newText: '2' });
await text('apply_patch', { input: '*** Begin Patch\n*** Add File: p\n+new\n*** End Patch' });
assert.match(await text('ls', {}), /^d\/$/m);
assert.match(await text('glob', { pattern: '**/*.txt' }), /d\/f\.txt/);
assert.equal(await text('grep', { pattern: '^2$' }), 'd/f.txt:2: 2');
assert.match(await text('process', { action: 'list' }), /./);
const exec = await call({ name: 'exec', arguments: { command: 'echo out; echo err >&2; exit 3' } });
assert.equal(exec.structuredContent.exitCode, 3);

// failures of tools are results, of requests they are errors
assert.equal((await call({ name: 'read', arguments: { path: 'none' } })).isError, true);
await assert.rejects(call({ name: 'nope', arguments: {} }), { code: -32602 });

// an image
await text('exec', { command: `printf '%s' ${want.png} | base64 -d > i.png` });
const image = await call({ name: 'read', arguments: { path: 'i.png' } });
assert.equal(image.content[1].type, 'image');
assert.equal(image.content[1].data, want.png);

// progress while a command runs; an image or a command that ends at once has none
const seen = [];
await call({ name: 'exec', arguments: { command: 'for i in 1 2 3; do echo $i; sleep 0.15; done' } },
  { onprogress: (p) => { seen.push(p); } });
assert.ok(seen.length >= 2, JSON.stringify(seen));
assert.equal(seen[0].message, '1\n');
assert.ok(seen.every((p, i) => i === 0 || p.progress > seen[i - 1].progress));

// cancellation really kills
const marker = `9${process.pid}.5`;
const stop = new AbortController();
const doomed = call(
  { name: 'exec', arguments: { command: `trap '' TERM; sleep ${marker} & sleep ${marker}` } },
  { signal: stop.signal, onprogress: () => {} });
await until('the command', () => running(`^sleep ${marker}`).length >= 2);
stop.abort('enough');
await assert.rejects(doomed);
await until('its end', () => running(`^sleep ${marker}`).length === 0);

// resources
const { resources } = await client.listResources();
const file = resources.find((r) => r.uri === 'workspace:///d/f.txt');
assert.ok(file, JSON.stringify(resources));
const [{ text: content }] = (await client.readResource({ uri: file.uri })).contents;
assert.equal(content, 'one\n2\n');
const [{ blob }] = (await client.readResource({ uri: 'workspace:///i.png' })).contents;
assert.equal(blob, want.png);
assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 1);
await assert.rejects(client.readResource({ uri: 'workspace:///none' }),
  (error) => error.code === (want.sdk === '1' ? -32002 : -32602)); // sdk 2 translates
await assert.rejects(client.readResource({ uri: 'workspace:///../x' }), { code: -32602 });

// logging
if (!modern) {
  await client.ping();
  await client.setLoggingLevel('debug');
  await text('ls', {});
  await until('a message', () => logged.some((m) => m.data.tool === 'ls' && m.level === 'debug'));
}

// side by side
const many = await Promise.all(
  Array.from({ length: 30 }, (_, i) => text('exec', { command: `echo ${i}` })));
assert.deepEqual(many, Array.from({ length: 30 }, (_, i) => String(i)));

const version = it.version(it.transport) ?? client.getNegotiatedProtocolVersion?.();
await client.close();
assert.deepEqual(complaints.filter((e) => !/abort/i.test(String(e))), []);
console.log('ok', version);
