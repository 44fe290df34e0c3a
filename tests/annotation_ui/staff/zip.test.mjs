import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateRawSync } from "node:zlib";
import { BadArchive, entriesOf, unpack } from "../../../annotation_ui/static/staff/zip.js";

const FACE = new TextEncoder().encode("face ".repeat(1000));

/**
 * A ZIP archive of `files`, whose list may say what is not so.
 * @param {{name: string, data?: Uint8Array, method?: number, flags?: number, mode?: number, size?: number}[]} files
 */
function zip(files, { comment = "", cut = 0 } = {}) {
  const local = [];
  const listed = [];
  let at = 0;
  for (const { name, data = FACE, method = 8, flags = 0, mode = 0x8000, size = data.length } of files) {
    const bytes = Buffer.from(name);
    const packed = method === 8 ? deflateRawSync(data) : Buffer.from(data);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(bytes.length, 26);
    const line = Buffer.alloc(46);
    line.writeUInt32LE(0x02014b50, 0);
    line.writeUInt16LE(flags, 8);
    line.writeUInt16LE(method, 10);
    line.writeUInt32LE(packed.length, 20);
    line.writeUInt32LE(size, 24);
    line.writeUInt16LE(bytes.length, 28);
    line.writeUInt32LE((mode << 16) >>> 0, 38);
    line.writeUInt32LE(at, 42);
    local.push(head, bytes, packed);
    listed.push(line, bytes);
    at += 30 + bytes.length + packed.length;
  }
  const list = Buffer.concat(listed);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  const whole = Buffer.concat([...local, list, end, Buffer.from(comment)]);
  return new Blob([whole.subarray(cut)]);
}

/** @param {Blob} archive */
const refused = (archive) => assert.rejects(entriesOf(archive), BadArchive);

describe("a ZIP archive", () => {
  for (const method of [0, 8]) {
    it(`gives its files back, packed by method ${method}`, async () => {
      const archive = zip(
        [
          { name: "real/a.png", method },
          { name: "fake/gan/é.png", method },
        ],
        { comment: "made" },
      );
      const entries = await entriesOf(archive);
      assert.deepEqual(
        entries.map(({ name }) => name),
        ["real/a.png", "fake/gan/é.png"],
      );
      for (const entry of entries) {
        assert.deepEqual(new Uint8Array(await (await unpack(archive, entry)).arrayBuffer()), FACE);
      }
    });
  }

  it("leaves out folders and what an operating system adds", async () => {
    const names = ["real/", "real/a.png", "__MACOSX/real/._a.png", "real/.DS_Store"];
    const entries = await entriesOf(zip(names.map((name) => ({ name }))));
    assert.deepEqual(
      entries.map(({ name }) => name),
      ["real/a.png"],
    );
  });

  for (const name of ["../a.png", "real/../../a.png", "/etc/a.png", "..\\a.png", "C:\\a.png"]) {
    it(`is refused whole for a file outside of itself: ${name}`, () =>
      refused(zip([{ name: "real/b.png" }, { name }])));
  }

  it("is refused for a link", () => refused(zip([{ name: "real/a.png", mode: 0xa1ff }])));
  it("is refused when it is encrypted", () => refused(zip([{ name: "real/a.png", flags: 1 }])));
  it("is refused for an unknown packing", () => refused(zip([{ name: "real/a.png", method: 12 }])));
  it("is refused when it is something else", () => refused(new Blob(["no archive ".repeat(50)])));
  it("is refused when it is empty", () => refused(new Blob([])));
  it("is refused when its beginning is missing", () => refused(zip([{ name: "real/a.png" }], { cut: 60 })));

  it("is unpacked no further than it says", async () => {
    const archive = zip([{ name: "real/bomb.png", data: new Uint8Array(5_000_000), size: 1000 }]);
    const [entry] = await entriesOf(archive);
    await assert.rejects(unpack(archive, entry ?? assert.fail()), /larger than the archive says/u);
  });
});
