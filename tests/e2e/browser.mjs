// SPDX-License-Identifier: MIT
// Playwright against a gateway: connects to the sandboxed browser over CDP, then looks at it through noVNC
// with a second browser. One JSON argument says what to do; prints "ok" and a JSON object.
import {chromium} from 'playwright-core';

const want = JSON.parse(process.argv[2]);
const result = {};

async function connect() {
  return chromium.connectOverCDP(want.url, {headers: {Authorization: `Bearer ${want.token}`}});
}

async function drive() {
  const browser = await connect();
  const context = browser.contexts()[0];
  const page = await context.newPage();
  await page.goto(want.page);
  await page.getByLabel('Name').fill('');
  await page.getByLabel('Name').pressSequentially('Ann');
  await page.locator('#file').setInputFiles({name: 'up.txt', mimeType: 'text/plain', buffer: Buffer.from('uploaded')});
  await page.getByRole('button', {name: 'Go'}).click();
  // The page reads the file before it answers.
  await page.waitForFunction(() => document.querySelector('#out').textContent !== '', null, {timeout: 20000});
  result.text = await page.locator('#out').textContent();
  result.square = (await page.locator('#square').screenshot()).toString('base64');
  result.sum = await page.evaluate('1 + 1');
  await page.bringToFront();
  await browser.close(); // the connection, not the browser
}

// More tabs than anybody may have, faster than anybody looks: by hand, because Playwright looks at each.
async function flood() {
  const socket = new WebSocket(want.url.replace(/^http/, 'ws') + '/cdp',
    {headers: {Authorization: `Bearer ${want.token}`}});
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  result.made = 0;
  const answered = new Promise((resolve) => {
    socket.onmessage = (message) => {
      const {id, result: made} = JSON.parse(message.data);
      result.made += made?.targetId ? 1 : 0;
      if (id === want.flood) resolve();
    };
  });
  for (let id = 1; id <= want.flood; id++) {
    socket.send(JSON.stringify({id, method: 'Target.createTarget', params: {url: 'about:blank', background: true}}));
  }
  await answered;
  socket.close();
}

// A page that takes its process down, again and again.
async function crash() {
  const browser = await connect();
  result.crashed = 0;
  for (let i = 0; i < want.crash; i++) {
    const page = await browser.contexts()[0].newPage();
    const crashed = page.waitForEvent('crash');
    page.goto('chrome://crash').catch(() => {});
    await crashed;
    result.crashed++;
    await page.close();
  }
  await browser.close();
}

// --- noVNC ---

const launch = () => chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox']});

// Not blank: more than one colour on the canvas.
async function colours(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    if (!canvas || canvas.width < 100) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4 * 97) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
    return seen.size;
  });
}

async function open(viewer, address) {
  const page = await viewer.newPage({viewport: {width: 1000, height: 640}});
  page.requests = [];
  page.on('request', (r) => page.requests.push([r.url(), JSON.stringify(r.headers())].join(' ')));
  await page.goto(address);
  await page.waitForSelector('body[data-state=connected]', {timeout: 20000});
  return page;
}

async function look() {
  const viewer = await launch();
  const page = await open(viewer, want.observe);
  for (let i = 0; i < 100 && await colours(page) < 3; i++) await page.waitForTimeout(100);
  result.colours = await colours(page);
  result.address = page.url();
  result.note = await page.locator('#note').textContent();
  result.requests = page.requests;
  if (want.shots) await page.screenshot({path: `${want.shots}/novnc.png`});
  const again = await viewer.newPage();
  result.again = (await again.goto(want.observe)).status();
  await viewer.close();
}

// What the address shows before its script leads on, which is too short to be seen by a test.
async function bootstrap() {
  const viewer = await launch();
  const page = await viewer.newPage({viewport: {width: 600, height: 160}});
  await page.route('**/novnc/boot.js', (route) => route.abort());
  await page.goto(want.bootstrap);
  result.text = await page.locator('body').innerText();
  await page.screenshot({path: `${want.shots}/novnc-open.png`});
  await viewer.close();
}

// A key each, in every one of the viewers; who watches with a changed page is among them.
async function press() {
  const viewer = await launch();
  for (const [address, key] of want.press) {
    const page = await open(viewer, address);
    for (let i = 0; i < 100 && await colours(page) < 2; i++) await page.waitForTimeout(50);
    await page.mouse.click(500, 320);
    await page.keyboard.press(key);
    result[key] = await page.locator('#note').textContent();
  }
  result.done = true;
  // Not closed before the last key has arrived.
  await viewer.contexts()[0].pages().at(-1).waitForTimeout(want.linger ?? 0);
  await viewer.close();
}

if (want.page) await drive();
if (want.flood) await flood();
if (want.crash) await crash();
if (want.observe) await look();
if (want.bootstrap) await bootstrap();
if (want.press) await press();
console.log('ok ' + JSON.stringify(result));
process.exit(0);
