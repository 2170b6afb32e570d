// SPDX-License-Identifier: MIT
// Playwright against a gateway: connects to the sandboxed browser over CDP, then looks at it through noVNC
// with a second browser. One JSON argument says what to do; prints "ok" and a JSON object.
import {chromium} from 'playwright-core';

const want = JSON.parse(process.argv[2]);
const result = {};

async function drive() {
  const browser = await chromium.connectOverCDP(want.url, {headers: {Authorization: `Bearer ${want.token}`}});
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
  const shot = await page.screenshot();
  result.png = shot.subarray(1, 4).toString();
  result.bytes = shot.length;
  const times = [];
  for (let i = 0; i < 3; i++) times.push(await page.evaluate('1 + 1'));
  result.sum = times[0];
  await page.bringToFront();
  await browser.close(); // the connection, not the browser
}

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

async function look() {
  const viewer = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox']});
  const page = await viewer.newPage({viewport: {width: 1000, height: 640}});
  const requests = [];
  page.on('request', r => requests.push(r.url()));
  await page.goto(want.observe);
  await page.waitForSelector('body[data-state=connected]', {timeout: 20000});
  for (let i = 0; i < 100 && await colours(page) < 3; i++) await page.waitForTimeout(100);
  result.colours = await colours(page);
  result.address = page.url();
  result.note = await page.locator('#note').textContent();
  result.requests = requests;
  if (want.shot) await page.screenshot({path: want.shot});
  const again = await viewer.newPage();
  result.again = (await again.goto(want.observe)).status();
  await viewer.close();
}

if (want.page) await drive();
if (want.observe) await look();
console.log('ok ' + JSON.stringify(result));
process.exit(0);
