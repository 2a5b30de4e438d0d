// SPDX-License-Identifier: MIT
// puppeteer-core: node puppeteer.mjs PORT
import puppeteer from 'puppeteer-core';
import {measure} from './measure.mjs';

const browser = await puppeteer.connect({browserURL: `http://127.0.0.1:${process.argv[2]}`});
const session = await browser.target().createCDPSession();
const page = await browser.newPage();
const pageSession = await page.createCDPSession();
await measure('puppeteer', 'Browser.getVersion', () => session.send('Browser.getVersion'));
await measure('puppeteer', 'Runtime.evaluate',
  () => pageSession.send('Runtime.evaluate', {expression: '1+1', returnByValue: true}));
await page.close();
await browser.disconnect();
