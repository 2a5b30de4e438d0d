// SPDX-License-Identifier: MIT
// A WebSocket client of a hundred lines: messages of any size. Node 18 has none built in.

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

/** Emits "message" (string), "binary" (Buffer) and "close"; then closeCode is what the server said. */
export class WebSocketClient extends EventEmitter {
  #socket;
  #chunks = [];
  #have = 0;
  #message = [];
  #binary = false;
  closeCode = 0;

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
          resolve(new WebSocketClient(socket, head, response.headers["sec-websocket-protocol"]));
      });
    });
  }

  constructor(socket, head, protocol) {
    super();
    this.protocol = protocol;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.unshift(head);
    setImmediate(() => socket.on("data", (data) => this.#take(data))); // once somebody listens
    socket.on("error", () => {});
    socket.on("close", () => this.emit("close"));
  }

  send(text) {
    this.#write(0x81, Buffer.from(text));
  }

  sendBinary(bytes) {
    this.#write(0x82, bytes);
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
    if (opcode === 8) {
      this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
      this.#socket.end();
    }
    if (opcode > 2)
      return;
    if (opcode > 0)
      this.#binary = opcode === 2;
    this.#message.push(payload);
    if (first & 0x80) {
      const whole = Buffer.concat(this.#message);
      this.#message = [];
      if (this.#binary)
        this.emit("binary", whole);
      else
        this.emit("message", whole.toString());
    }
  }
}
