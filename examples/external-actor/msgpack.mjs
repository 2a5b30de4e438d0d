// SPDX-License-Identifier: MIT
// As much MessagePack as envelopes need. Any library will do; this one keeps the example free of
// dependencies.

/** JSON text (ext type 1): how the host's own actors take params and give results. */
export class Json {
  constructor(value) {
    this.value = value;
  }
}

export function encode(value) {
  const parts = [];
  put(parts, value);
  return Buffer.concat(parts);
}

/** A head: the marker, and behind it a number of 1, 2, 4 or 8 bytes. */
function head(marker, number, bytes) {
  const out = Buffer.alloc(1 + bytes);
  out[0] = marker;
  if (bytes === 8)
    out.writeBigInt64BE(BigInt(number), 1);
  else if (number < 0)
    out.writeIntBE(number, 1, bytes);
  else if (bytes > 0)
    out.writeUIntBE(number, 1, bytes);
  return out;
}

/** The head of something with a length: short within the marker, else with 1, 2 or 4 bytes. */
function sized(length, short, below, markers) {
  if (length < below)
    return head(short | length, 0, 0);
  const power = length < 0x100 && markers[0] ? 0 : length < 0x10000 ? 1 : 2;
  return head(markers[power], length, 1 << power);
}

function integer(n) {
  if (n >= -32 && n < 128)
    return head(n & 0xff, 0, 0);
  if (n < 0)
    return n >= -0x80000000 ? head(0xd2, n, 4) : head(0xd3, n, 8);
  return n < 0x100 ? head(0xcc, n, 1) : n < 0x10000 ? head(0xcd, n, 2)
    : n < 0x100000000 ? head(0xce, n, 4) : head(0xcf, n, 8);
}

function put(parts, value) {
  if (value === null || value === undefined) {
    parts.push(head(0xc0, 0, 0));
  } else if (typeof value === "boolean") {
    parts.push(head(value ? 0xc3 : 0xc2, 0, 0));
  } else if (Number.isSafeInteger(value)) {
    parts.push(integer(value));
  } else if (typeof value === "number") {
    const out = head(0xcb, 0, 8);
    out.writeDoubleBE(value, 1);
    parts.push(out);
  } else if (typeof value === "string") {
    const text = Buffer.from(value);
    parts.push(sized(text.length, 0xa0, 32, [0xd9, 0xda, 0xdb]), text);
  } else if (value instanceof Json) {
    const text = Buffer.from(JSON.stringify(value.value));
    parts.push(sized(text.length, 0, 0, [0xc7, 0xc8, 0xc9]), Buffer.from([1]), text);
  } else if (value instanceof Uint8Array) {
    parts.push(sized(value.length, 0, 0, [0xc4, 0xc5, 0xc6]), Buffer.from(value));
  } else if (Array.isArray(value)) {
    parts.push(sized(value.length, 0x90, 16, [0, 0xdc, 0xdd]));
    value.forEach((each) => put(parts, each));
  } else {
    const entries = Object.entries(value);
    parts.push(sized(entries.length, 0x80, 16, [0, 0xde, 0xdf]));
    entries.flat().forEach((each) => put(parts, each));
  }
}

/** All values that stand back to back in the bytes. */
export function decode(bytes) {
  const data = Buffer.from(bytes);
  const values = [];
  for (let at = 0; at < data.length;) {
    const [value, end] = take(data, at);
    values.push(value);
    at = end;
  }
  return values;
}

function take(data, at) {
  const marker = data[at++];
  const number = (bytes) => {
    at += bytes;
    return bytes === 8 ? Number(data.readBigUInt64BE(at - 8)) : data.readUIntBE(at - bytes, bytes);
  };
  const raw = (length) => data.subarray(at, at += length);
  const list = (count) => Array.from({ length: count }, () => {
    const [value, end] = take(data, at);
    at = end;
    return value;
  });
  const map = (count) => {
    const flat = list(2 * count);
    return Object.fromEntries(Array.from({ length: count }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));
  };
  const ext = (length) => {
    const type = data.readInt8(at++);
    return type === 1 ? JSON.parse(raw(length).toString()) : { type, data: raw(length) };
  };
  const value = () => {
    if (marker < 0x80) return marker;
    if (marker < 0x90) return map(marker & 15);
    if (marker < 0xa0) return list(marker & 15);
    if (marker < 0xc0) return raw(marker & 31).toString();
    if (marker >= 0xe0) return marker - 0x100;
    switch (marker) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return raw(number(1 << (marker - 0xc4)));
      case 0xc7: case 0xc8: case 0xc9: return ext(number(1 << (marker - 0xc7)));
      case 0xca: return data.readFloatBE((at += 4) - 4);
      case 0xcb: return data.readDoubleBE((at += 8) - 8);
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return number(1 << (marker - 0xcc));
      case 0xd0: return data.readInt8(at++);
      case 0xd1: return data.readInt16BE((at += 2) - 2);
      case 0xd2: return data.readInt32BE((at += 4) - 4);
      case 0xd3: return Number(data.readBigInt64BE((at += 8) - 8));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return ext(1 << (marker - 0xd4));
      case 0xd9: case 0xda: case 0xdb: return raw(number(1 << (marker - 0xd9))).toString();
      case 0xdc: case 0xdd: return list(number(2 << (marker - 0xdc)));
      case 0xde: case 0xdf: return map(number(2 << (marker - 0xde)));
      default: throw new Error(`not MessagePack: ${marker}`);
    }
  };
  return [value(), at];
}
