// SPDX-License-Identifier: MIT
// The official MCP SDK's client drives the browser tool: what browser.mjs does with Playwright. One JSON
// argument: url, token, page; prints "ok" and a JSON object.
import assert from 'node:assert/strict';
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import {StreamableHTTPClientTransport} from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const want = JSON.parse(process.argv[2]);
const client = new Client({name: 'e2e', version: '1.0.0'}, {capabilities: {}});
const headers = {Authorization: `Bearer ${want.token}`};
await client.connect(new StreamableHTTPClientTransport(new URL(want.url), {requestInit: {headers}}));

const {tools} = await client.listTools();
assert.ok(tools.some((t) => t.name === 'browser'), 'the browser is offered');
assert.doesNotMatch(JSON.stringify(tools), /password=/);

async function call(name, args) {
  const answer = await client.callTool({name, arguments: args}, undefined, {timeout: 120000});
  assert.ok(!answer.isError, JSON.stringify(answer));
  return answer.content;
}
const browser = async (action, args = {}) => call('browser', {action, ...args});
const act = async (kind, args) => browser('act', {kind, ...args});

await call('write', {path: 'note.txt', content: 'from the workspace'});
await browser('open', {url: want.page});
const ref = (text, line) => new RegExp(`- ${line}.*\\[ref=(e\\d+)\\]`).exec(text)[1];
let [{text}] = await browser('snapshot');
await act('type', {ref: ref(text, 'textbox "Name'), text: 'Bob'});
await browser('upload', {paths: ['note.txt'], element: '#file'});
await act('click', {ref: ref(text, 'button "Go"')});
await act('wait', {text: 'Hello Bob'});
[{text}] = await browser('snapshot');
const square = (await browser('screenshot', {element: '#square'})).find((c) => c.type === 'image');
assert.equal(square.mimeType, 'image/png');
await client.close();
console.log('ok ' + JSON.stringify({text, square: square.data}));
process.exit(0);
