// SPDX-License-Identifier: MIT
// A WebSocket client of a hundred lines: text messages, any size. Node 18 has none built in.

import { createHash, randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import http from "node:http";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Refused: the server answered the handshake with something else. */
export class Refused extends Error {
  constructor(status) {
    super(`WebSocket refused with status ${status}`);
    this.status = status;
  }
}

/** Emits "message" (string) and "close". */
export class WebSocketClient extends EventEmitter {
  #socket;
  #chunks = [];
  #have = 0;
  #message = [];

  static open(url, headers = {}) {
    const key = randomBytes(16).toString("base64");
    const accept = createHash("sha1").update(key + GUID).digest("base64");
    return new Promise((resolve, reject) => {
      const request = http.get(url.replace(/^ws/, "http"), {
        headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": key, ...headers },
      });
      request.on("error", reject);
      request.on("response", (response) => {
        response.resume();
        reject(new Refused(response.statusCode));
      });
      request.on("upgrade", (response, socket, head) => {
        if (response.headers["sec-websocket-accept"] !== accept)
          reject(new Error("wrong Sec-WebSocket-Accept"));
        else
          resolve(new WebSocketClient(socket, head));
      });
    });
  }

  constructor(socket, head) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data) => this.#take(data));
    socket.on("error", () => {});
    socket.on("close", () => this.emit("close"));
    if (head.length > 0)
      this.#take(head);
  }

  send(text) {
    this.#write(0x81, Buffer.from(text));
  }

  /** Say goodbye; "close" follows. */
  close() {
    this.#write(0x88, Buffer.from([0x03, 0xe8]));
    this.#socket.end();
  }

  /** Be gone without a word. */
  destroy() {
    this.#socket.destroy();
  }

  #write(first, payload) {
    const head = payload.length < 126 ? Buffer.from([first, 0x80 | payload.length])
      : payload.length < 65536 ? Buffer.from([first, 0x80 | 126, 0, 0])
        : Buffer.from([first, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    if (payload.length >= 65536)
      head.writeBigUInt64BE(BigInt(payload.length), 2);
    else if (payload.length >= 126)
      head.writeUInt16BE(payload.length, 2);
    this.#socket.write(Buffer.concat([head, Buffer.alloc(4), payload])); // masked with zeros
  }

  #take(data) {
    this.#chunks.push(data);
    this.#have += data.length;
    while (this.#frame());
  }

  /** The first bytes that have come, as one buffer. */
  #peek(count) {
    if (this.#chunks[0].length < count)
      this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  #frame() {
    if (this.#have < 2)
      return false;
    let head = this.#peek(2);
    const short = head[1] & 0x7f;
    const size = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (this.#have < size)
      return false;
    head = this.#peek(size);
    const length = short === 126 ? head.readUInt16BE(2)
      : short === 127 ? Number(head.readBigUInt64BE(2)) : short;
    if (this.#have < size + length)
      return false;
    const all = this.#peek(size + length);
    this.#chunks = [all.subarray(size + length)];
    this.#have -= size + length;
    this.#handle(all[0], all.subarray(size, size + length));
    return this.#have > 0;
  }

  #handle(first, payload) {
    const opcode = first & 0x0f;
    if (opcode === 9)
      this.#write(0x8a, payload);
    else if (opcode === 8)
      this.#socket.end();
    if (opcode > 2)
      return;
    this.#message.push(payload);
    if (first & 0x80) {
      const text = Buffer.concat(this.#message).toString();
      this.#message = [];
      this.emit("message", text);
    }
  }
}
